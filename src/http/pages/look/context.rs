//! What a page's template may name: its values, the site, and the phrases filled with both.

use std::collections::BTreeMap;

use serde::Serialize;
use tera::Context;

use super::LookError;
use crate::domain::words::{Phrases, Words, fill, fill_section, short_name};
use crate::domain::{Locale, Site};
use crate::http::pages::assets;
use crate::http::pages::view::{Frame, InvitationStanding, Notice, NoticeKind, Page};

/// The sections of the words that every page may use, besides its own.
const SHARED: [&str; 7] = ["layout", "fields", "hints", "themes", "audiences", "roles", "states"];

impl Page {
    /// Its template without the ending, and its section of the words.
    pub(super) fn section(&self) -> &'static str {
        match self {
            Self::Login { .. } => "login",
            Self::Code { .. } => "code",
            Self::Welcome { .. } => "welcome",
            Self::Account { .. } => "account",
            Self::EmailChange { .. } => "email_change",
            Self::DeleteAccount { .. } => "delete_account",
            Self::Goodbye { .. } => "goodbye",
            Self::RequestAccess { .. } => "request_access",
            Self::AccessRequests { .. } => "access_requests",
            Self::Invitation { .. } => "invitation",
            Self::Libraries { .. } => "libraries",
            Self::Confirm { .. } => "confirm",
            Self::ConfirmFailed => "confirm_failed",
            Self::NotMe { .. } => "not_me",
            Self::Failure { .. } => "errors",
        }
    }
}

/// Everything the template of `page` may name.
pub(super) fn of(phrases: &Phrases, frame: &Frame<'_>, page: &Page) -> Result<Context, LookError> {
    let filling = Filling::new(phrases.of(frame.locale), frame.site, page)?;
    let notice = page.notice().map(|notice| filling.notice(notice)).transpose()?;

    let mut context = Context::new();
    context.insert("page", page);
    context.insert("lang", frame.locale.tag());
    context.insert("languages", &languages(phrases));
    context.insert("here", frame.here);
    context.insert("token", frame.token);
    context.insert("person", &frame.person);
    context.insert("site", &Shown::of(frame.site));
    context.insert("assets", &assets::Links::to(frame.site));
    for section in SHARED {
        context.insert(section, &filling.section(section));
    }
    context.insert("words", &filling.section(page.section()));
    context.insert("title", &filling.title(page, notice.as_ref())?);
    context.insert("notice", &notice);
    Ok(context)
}

/// The words of a language, and what they name in braces.
struct Filling<'a> {
    words: &'a Words,
    values: BTreeMap<&'static str, String>,
}

impl<'a> Filling<'a> {
    fn new(words: &'a Words, site: &Site, page: &Page) -> Result<Self, LookError> {
        let mut filling = Self { words, values: BTreeMap::from([("site", short_name(&site.name))]) };
        match page {
            Page::Login { sign_up: Some((name, _)), .. } => filling.set("sign_up_site", short_name(name)),
            Page::Code { minutes, resend_in_secs, .. } => {
                filling.set("lifetime", filling.duration(minutes.saturating_mul(60))?);
                filling.set("seconds", resend_in_secs.to_string());
            }
            Page::EmailChange { resend_in_secs, .. } => filling.set("seconds", resend_in_secs.to_string()),
            Page::DeleteAccount { minutes, .. } => {
                filling.set("lifetime", filling.duration(minutes.saturating_mul(60))?);
            }
            Page::Invitation { library, role, inviter, standing, .. } => {
                // Of an invitation that is over nothing is told, nor to whoever just has the link.
                if !matches!(standing, InvitationStanding::Ended | InvitationStanding::SignedOut { .. }) {
                    filling.set("role", filling.phrase("roles_in_text", role)?);
                }
                filling.set("library", short_name(library));
                filling.set("inviter", short_name(inviter.as_deref().unwrap_or_default()));
            }
            Page::Failure { retry_after: Some(seconds), .. } => {
                filling.set("wait", filling.duration(*seconds)?);
            }
            _ => {}
        }
        Ok(filling)
    }

    fn set(&mut self, name: &'static str, value: String) {
        self.values.insert(name, value);
    }

    /// The same words, with further values.
    fn with(&self, values: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        let values = self.values.clone().into_iter().chain(values).collect();
        Self { words: self.words, values }
    }

    fn section(&self, section: &str) -> BTreeMap<&str, String> {
        fill_section(self.words, section, &self.values)
    }

    fn phrase(&self, section: &'static str, key: &str) -> Result<String, LookError> {
        let phrase = self.words.get(section).and_then(|phrases| phrases.get(key));
        let filled = phrase.and_then(|phrase| fill(phrase, &self.values));
        filled.ok_or_else(|| LookError::Phrase { section, key: key.to_owned() })
    }

    /// A length of time, rounded up so that nobody comes too early.
    fn duration(&self, seconds: u64) -> Result<String, LookError> {
        let (count, one, more) = match seconds {
            61..=119 | 0..=59 => (seconds, "seconds_one", "seconds"),
            60 | 120..=3599 | 3601..=7199 => (seconds.div_ceil(60), "minutes_one", "minutes"),
            _ => (seconds.div_ceil(3600), "hours_one", "hours"),
        };
        let filling = self.with([("count", count.to_string())]);
        filling.phrase("durations", if count == 1 { one } else { more })
    }

    /// What the window is called: what the page is, then whose.
    fn title(&self, page: &Page, notice: Option<&ShownNotice>) -> Result<String, LookError> {
        let title = match page {
            Page::Failure { key, .. } => self.phrase(page.section(), &format!("{key}_title"))?,
            _ => self.phrase(page.section(), "title")?,
        };
        // Tells in a list of tabs, and first of all to who listens, that something is to be corrected.
        let title = if notice.is_some_and(|notice| notice.kind == NoticeKind::Error) {
            self.with([("title", title)]).phrase("layout", "error_title")?
        } else {
            title
        };
        self.with([("title", title)]).phrase("layout", "page_title")
    }

    fn notice(&self, notice: &Notice) -> Result<ShownNotice, LookError> {
        let mut filling = self.with(notice.values.iter().cloned());
        let seconds = notice.values.iter().find(|(name, _)| *name == "seconds");
        if let Some(seconds) = seconds.and_then(|(_, seconds)| seconds.parse().ok()) {
            filling.set("wait", self.duration(seconds)?);
        }
        if let Some(field) = notice.field {
            filling.set("field", self.phrase("fields", field)?);
        }
        let text = filling.phrase("notices", notice.key)?;
        Ok(ShownNotice { kind: notice.kind, text, field: notice.field })
    }
}

/// A notice in words.
#[derive(Serialize)]
struct ShownNotice {
    kind: NoticeKind,
    text: String,
    field: Option<&'static str>,
}

/// A language to choose.
#[derive(Serialize)]
struct Language<'a> {
    tag: &'static str,
    /// In its own words.
    name: &'a str,
}

fn languages(phrases: &Phrases) -> Vec<Language<'_>> {
    let name = |locale| phrases.of(locale).get("layout").and_then(|layout| layout.get("language_name"));
    let language = |locale: Locale| Some(Language { tag: locale.tag(), name: name(locale)? });
    Locale::ALL.into_iter().filter_map(language).collect()
}

/// A site as its pages show it.
#[derive(Serialize)]
struct Shown<'a> {
    name: String,
    /// Stands for a logo.
    initial: String,
    footer: &'a str,
    has_logo: bool,
}

impl<'a> Shown<'a> {
    fn of(site: &'a Site) -> Self {
        Self {
            name: short_name(&site.name),
            initial: assets::initial(site),
            footer: &site.look.footer,
            has_logo: site.look.logo.is_some(),
        }
    }
}
