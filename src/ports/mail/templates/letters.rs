//! What each letter puts into its templates: the values by themselves, and the phrases filled with them.
//!
//! A value that no mail may show is refused here, before a template sees it.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use tera::Context;
use url::Url;

use super::lines::quote;
use super::{Brand, Letter, StaffChange, TemplateError};
use crate::domain::words::{Words, fill_section, format_time, message_lines, short_name};

/// The section of a locale file that every letter uses.
const SHARED: &str = "layout";

/// The names of roles, as they stand alone and as they stand in a sentence.
const ROLES: &str = "roles";
const ROLES_IN_TEXT: &str = "roles_in_text";

impl Letter<'_> {
    /// The folder of its templates, and the section of the words that all its forms have.
    pub(super) fn folder(&self) -> &'static str {
        match self {
            Self::SignInCode { .. } => "sign_in_code",
            Self::EmailChange { .. } => "email_change",
            Self::AddressChanged { .. } => "address_changed",
            Self::AccountInvitation { .. } => "account_invitation",
            Self::DeleteAccount { .. } => "delete_account",
            Self::NoAccount { .. } => "no_account",
            Self::Invitation { .. } => "invitation",
            Self::AccessRequested { .. } => "access_requested",
            Self::AccessDecided { .. } => "access_decided",
            Self::StaffChanged { .. } => "staff_changed",
        }
    }

    /// The section of the words that only this form of the letter has.
    fn form(&self) -> Option<&'static str> {
        match self {
            Self::EmailChange { new_address: Some(_), .. } => Some("email_change_current"),
            Self::EmailChange { new_address: None, .. } => Some("email_change_new"),
            Self::AddressChanged { by_administrator: true } => Some("address_changed_by_administrator"),
            Self::AddressChanged { by_administrator: false } => Some("address_changed_by_codes"),
            Self::AccessDecided { approved: true, .. } => Some("access_approved"),
            Self::AccessDecided { approved: false, .. } => Some("access_declined"),
            Self::StaffChanged { change, .. } => Some(match change {
                StaffChange::RoleChanged { .. } => "staff_role_changed",
                StaffChange::Granted { .. } => "staff_granted",
                StaffChange::Removed => "staff_removed",
                StaffChange::Suspended => "staff_suspended",
                StaffChange::Restored { .. } => "staff_restored",
            }),
            _ => None,
        }
    }
}

/// Everything a letter's templates may name, but its language and its own subject.
pub(super) fn context(
    letter: &Letter<'_>,
    words: &Words,
    brand: &Brand<'_>,
) -> Result<Context, TemplateError> {
    let mut draft = Draft::new(words, Site::of(brand)?);
    match letter {
        Letter::SignInCode { code, valid_for_minutes: minutes, requested_at, link, disown } => {
            draft.code(code, *minutes, *requested_at, *disown)?;
            draft.context.insert("link", &link.map(parse_url).transpose()?.map(String::from));
        }
        Letter::EmailChange { code, valid_for_minutes: minutes, requested_at, new_address, disown } => {
            draft.code(code, *minutes, *requested_at, *disown)?;
            if let Some(address) = new_address {
                let address = check_address(address)?;
                draft.values.insert("new_email", address.to_owned());
                draft.fact("new_address_label", address.to_owned());
            }
        }
        Letter::AddressChanged { .. } => {}
        Letter::AccountInvitation { link, expires_at } => {
            draft.link(link)?;
            draft.values.insert("expires_at", draft.at(expires_at, "date_time")?);
        }
        Letter::DeleteAccount { code, valid_for_minutes: minutes, requested_at, disown } => {
            draft.code(code, *minutes, *requested_at, *disown)?;
        }
        Letter::NoAccount { sign_up, requested_at } => {
            draft.fact("requested_label", draft.at(requested_at, "date_time")?);
            let sign_up = sign_up.as_ref().map(Site::of).transpose()?;
            if let Some(sign_up) = &sign_up {
                draft.values.insert("sign_up_site", sign_up.name.clone());
                draft.values.insert("sign_up_host", sign_up.host.clone());
            }
            draft.context.insert("sign_up", &sign_up);
        }
        Letter::Invitation { library, role, inviter, message, link, expires_at } => {
            draft.library(library)?;
            draft.role("role", role)?;
            draft.role_fact(role)?;
            draft.person("inviter", *inviter);
            draft.message(*message);
            draft.link(link)?;
            draft.values.insert("expires_at", draft.at(expires_at, "date_time")?);
        }
        Letter::AccessRequested { library, requester, requester_email, message, link } => {
            let email = check_address(requester_email)?;
            draft.library(library)?;
            draft.person("requester", *requester);
            draft.values.insert("requester_email", email.to_owned());
            draft.fact("address_label", email.to_owned());
            draft.message(*message);
            draft.link(link)?;
        }
        Letter::AccessDecided { library, approved, role, note, link } => {
            draft.library(library)?;
            let role = role.filter(|_| *approved);
            if let Some(role) = role {
                draft.role("role", role)?;
                draft.role_fact(role)?;
            }
            draft.context.insert("with_role", &role.is_some());
            draft.message(*note);
            draft.link(link)?;
        }
        Letter::StaffChanged { library, change, link } => {
            draft.library(library)?;
            match change {
                StaffChange::RoleChanged { from, to } => {
                    draft.role("from", from)?;
                    draft.role("to", to)?;
                    draft.role_fact(to)?;
                }
                StaffChange::Removed | StaffChange::Suspended => {}
                StaffChange::Granted { role } | StaffChange::Restored { role } => {
                    draft.role("role", role)?;
                    draft.role_fact(role)?;
                }
            }
            draft.link(link)?;
        }
    }
    Ok(draft.finish(letter))
}

/// A letter while it is being filled.
struct Draft<'a> {
    words: &'a Words,
    /// What phrases may name in braces.
    values: BTreeMap<&'static str, String>,
    /// The rows at the foot of a mail, below the site's own.
    facts: Vec<Fact>,
    context: Context,
}

/// A row at the foot of a mail.
#[derive(Serialize)]
struct Fact {
    /// The key of its label among the shared phrases.
    label: &'static str,
    /// One line.
    value: String,
}

/// What a person wrote to another, and we pass on.
#[derive(Serialize)]
struct Message {
    lines: Vec<String>,
    /// The same for a text part, each line marked.
    quoted: String,
}

impl<'a> Draft<'a> {
    fn new(words: &'a Words, site: Site) -> Self {
        let mut context = Context::new();
        context.insert("site", &site);
        let values = BTreeMap::from([("site", site.name), ("host", site.host)]);
        Self { words, values, facts: Vec::new(), context }
    }

    /// An instant, written by the shared phrase of that key.
    fn at(&self, when: &DateTime<Utc>, pattern: &str) -> Result<String, TemplateError> {
        let pattern = self.words.get(SHARED).and_then(|shared| shared.get(pattern));
        format_time(when, pattern.map_or("", String::as_str)).map_err(|_| TemplateError::Value("time"))
    }

    fn fact(&mut self, label: &'static str, value: String) {
        self.facts.push(Fact { label, value });
    }

    fn code(
        &mut self,
        code: &str,
        minutes: u64,
        requested_at: DateTime<Utc>,
        disown: Option<&str>,
    ) -> Result<(), TemplateError> {
        if !matches!(code.len(), 1..=32) || !code.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(TemplateError::Value("code"));
        }
        self.values.insert("minutes", minutes.to_string());
        self.values.insert("until", self.at(&expiry(requested_at, minutes)?, "time")?);
        self.fact("requested_label", self.at(&requested_at, "date_time")?);
        self.context.insert("code", code);
        self.context.insert("minutes", &minutes);
        self.context.insert("disown", &disown.map(parse_url).transpose()?.map(String::from));
        Ok(())
    }

    fn library(&mut self, name: &str) -> Result<(), TemplateError> {
        let name = short_name(name);
        if name.is_empty() {
            return Err(TemplateError::Value("library"));
        }
        self.fact("library_label", name.clone());
        self.values.insert("library", name);
        Ok(())
    }

    /// A role inside phrases, under `key`.
    fn role(&mut self, key: &'static str, role: &str) -> Result<(), TemplateError> {
        let word = self.role_word(ROLES_IN_TEXT, role)?;
        self.values.insert(key, word);
        Ok(())
    }

    fn role_fact(&mut self, role: &str) -> Result<(), TemplateError> {
        let word = self.role_word(ROLES, role)?;
        self.fact("role_label", word);
        Ok(())
    }

    fn role_word(&self, section: &str, role: &str) -> Result<String, TemplateError> {
        let word = self.words.get(section).and_then(|roles| roles.get(role));
        word.cloned().ok_or(TemplateError::Value("role"))
    }

    /// The name somebody goes by, under `key`; templates ask for `named`, as a name can be nothing at all.
    fn person(&mut self, key: &'static str, name: Option<&str>) {
        let name = short_name(name.unwrap_or_default());
        self.context.insert("named", &!name.is_empty());
        self.values.insert(key, name);
    }

    fn message(&mut self, text: Option<&str>) {
        let lines = message_lines(text.unwrap_or_default());
        let message = (!lines.is_empty()).then(|| Message { quoted: quote(&lines), lines });
        self.context.insert("message", &message);
    }

    fn link(&mut self, url: &str) -> Result<(), TemplateError> {
        self.context.insert("link", parse_url(url)?.as_str());
        Ok(())
    }

    fn finish(mut self, letter: &Letter<'_>) -> Context {
        self.context.insert("facts", &self.facts);
        self.context.insert("shared", &fill_section(self.words, SHARED, &self.values));
        let mut words = fill_section(self.words, letter.folder(), &self.values);
        if let Some(form) = letter.form() {
            words.extend(fill_section(self.words, form, &self.values));
        }
        self.context.insert("words", &words);
        self.context
    }
}

/// A [`Brand`] that was checked, as templates see it.
#[derive(Serialize)]
struct Site {
    name: String,
    /// With the port where it is not the scheme's own.
    host: String,
    url: String,
    /// What stands for a logo: a picture would have to be loaded from somewhere.
    initial: String,
}

impl Site {
    fn of(brand: &Brand<'_>) -> Result<Self, TemplateError> {
        let url = parse_url(brand.url)?;
        let mut host = url.host_str().ok_or(TemplateError::Value("URL"))?.to_owned();
        if let Some(port) = url.port() {
            host = format!("{host}:{port}");
        }
        let name = short_name(brand.name);
        let name = if name.is_empty() { host.clone() } else { name };
        let initial = name.chars().find(|c| c.is_alphanumeric()).map(|c| c.to_uppercase().collect());
        Ok(Self { initial: initial.unwrap_or_default(), name, host, url: url.into() })
    }
}

fn parse_url(url: &str) -> Result<Url, TemplateError> {
    // Any other scheme could run in a reader's mail client; parsing also encodes quotes and spaces.
    Url::parse(url)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"))
        .ok_or(TemplateError::Value("URL"))
}

/// An address to be copied: one ASCII word, of at most 254 octets (RFC 5321 §4.5.3.1.3).
fn check_address(email: &str) -> Result<&str, TemplateError> {
    let parts = email.split_once('@').filter(|(local, domain)| !local.is_empty() && !domain.is_empty());
    let one_word = email.len() <= 254 && email.bytes().all(|byte| byte.is_ascii_graphic());
    if parts.is_some() && one_word { Ok(email) } else { Err(TemplateError::Value("address")) }
}

fn expiry(requested_at: DateTime<Utc>, minutes: u64) -> Result<DateTime<Utc>, TemplateError> {
    i64::try_from(minutes)
        .ok()
        .filter(|minutes| *minutes > 0)
        .and_then(TimeDelta::try_minutes)
        .and_then(|valid_for| requested_at.checked_add_signed(valid_for))
        .ok_or(TemplateError::Value("lifetime"))
}
