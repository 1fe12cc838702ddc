//! What each letter puts into its templates: the values by themselves, and the phrases filled with them.
//!
//! A value that no mail may show is refused here, before a template sees it.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use tera::Context;
use url::Url;

use super::words::{Words, fill_section, format_time, one_line};
use super::{Brand, Letter, TemplateError};

/// The section of a locale file that every letter uses.
const SHARED: &str = "layout";

/// The longest name of a site that a mail shows, in characters.
const MAX_NAME: usize = 64;

impl Letter<'_> {
    /// The folder of its templates and the section of its words.
    pub(super) fn folder(&self) -> &'static str {
        match self {
            Self::SignInCode { .. } => "sign_in_code",
            Self::NoAccount { .. } => "no_account",
        }
    }
}

/// Everything a letter's templates may name, but its language and its own subject.
pub(super) fn context(
    letter: &Letter<'_>,
    words: &Words,
    brand: &Brand<'_>,
) -> Result<Context, TemplateError> {
    let site = Site::of(brand)?;
    let mut values = BTreeMap::from([("site", site.name.clone()), ("host", site.host.clone())]);
    let mut context = Context::new();
    context.insert("site", &site);
    let at = |when: &DateTime<Utc>, pattern: &str| {
        let pattern = words.get(SHARED).and_then(|shared| shared.get(pattern));
        format_time(when, pattern.map_or("", String::as_str))
    };
    match letter {
        Letter::SignInCode { code, valid_for_minutes: minutes, requested_at, link } => {
            if !matches!(code.len(), 1..=32) || !code.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                return Err(TemplateError::Value("code"));
            }
            values.insert("minutes", minutes.to_string());
            values.insert("requested_at", at(requested_at, "date_time")?);
            values.insert("until", at(&expiry(*requested_at, *minutes)?, "time")?);
            context.insert("code", code);
            context.insert("minutes", minutes);
            context.insert("link", &link.map(parse_url).transpose()?.map(String::from));
        }
        Letter::NoAccount { sign_up, requested_at } => {
            values.insert("requested_at", at(requested_at, "date_time")?);
            let sign_up = sign_up.as_ref().map(Site::of).transpose()?;
            if let Some(sign_up) = &sign_up {
                values.insert("sign_up_site", sign_up.name.clone());
                values.insert("sign_up_host", sign_up.host.clone());
            }
            context.insert("sign_up", &sign_up);
        }
    }
    context.insert("shared", &fill_section(words, SHARED, &values));
    context.insert("words", &fill_section(words, letter.folder(), &values));
    Ok(context)
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
        let name: String = one_line(brand.name).chars().take(MAX_NAME).collect();
        let name = if name.is_empty() { host.clone() } else { name.trim_end().to_owned() };
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

fn expiry(requested_at: DateTime<Utc>, minutes: u64) -> Result<DateTime<Utc>, TemplateError> {
    i64::try_from(minutes)
        .ok()
        .filter(|minutes| *minutes > 0)
        .and_then(TimeDelta::try_minutes)
        .and_then(|valid_for| requested_at.checked_add_signed(valid_for))
        .ok_or(TemplateError::Value("lifetime"))
}
