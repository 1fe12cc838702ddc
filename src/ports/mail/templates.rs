//! What our mails say: each letter as a subject, a plain text and an HTML part, in the reader's language.
//!
//! The files are in `email-templates`: a folder a letter, one layout a kind, and all words in `locales`. They are
//! compiled in, and none is ever made from input: what a user or a setting says arrives as a value, is
//! cleaned here and escaped where HTML begins. Addresses, headers and sending belong to the transport.
//!
//! A code appears in the two body parts only. A subject or a preview line shows on a locked screen.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use tera::{Context, Tera};
use url::Url;

use super::preview::{SAMPLE_SITE, samples};
use crate::domain::Locale;

/// Names the files next to their content, as Tera wants them.
macro_rules! files {
    ($($path:literal),+ $(,)?) => {
        [$(($path, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/email-templates/", $path)))),+]
    };
}

const FILES: [(&str, &str); 8] = files![
    "layout.html",
    "layout.txt",
    "sign_in_code/subject.txt",
    "sign_in_code/body.txt",
    "sign_in_code/body.html",
    "no_account/subject.txt",
    "no_account/body.txt",
    "no_account/body.html",
];

/// The words of a language, in the order of [`Locale::ALL`].
const WORDS: [(&str, &str); Locale::ALL.len()] = files!["locales/en.toml", "locales/vi.toml"];

/// The section of a locale file that every letter uses.
const SHARED: &str = "layout";

/// Columns of the text part. RFC 5322 §2.1.1 asks for at most 78; the rest is room for quoting.
const TEXT_WIDTH: usize = 72;

/// The longest name of a site that a mail shows, in characters.
const MAX_NAME: usize = 64;

/// A site as its users know it.
#[derive(Clone, Copy, Debug)]
pub struct Brand<'a> {
    /// The shown name. Control and direction characters are dropped, and all past 64 characters.
    pub name: &'a str,
    /// The home page, `http` or `https`. Mails show its host and link to it.
    pub url: &'a str,
}

/// A mail that somebody's sign-in causes. No `Debug`: one variant holds a code in the clear.
#[derive(Clone, Copy)]
pub enum Letter<'a> {
    /// The code that was asked for.
    SignInCode {
        /// ASCII letters and digits, at most 32.
        code: &'a str,
        /// How long the code works, counted from `requested_at`; at least 1.
        valid_for_minutes: u64,
        /// When it was asked for.
        requested_at: DateTime<Utc>,
        /// The page where the code is typed, if the site has one. Its URL must not carry the code.
        link: Option<&'a str>,
    },
    /// No code, as the address has no account and the site makes none.
    NoAccount {
        /// Where an account can be made, if anywhere.
        sign_up: Option<Brand<'a>>,
        /// When a code was asked for.
        requested_at: DateTime<Utc>,
    },
}

impl Letter<'_> {
    /// The folder of its templates and the section of its words.
    fn folder(&self) -> &'static str {
        match self {
            Self::SignInCode { .. } => "sign_in_code",
            Self::NoAccount { .. } => "no_account",
        }
    }
}

/// A letter ready to send.
#[derive(Clone)]
pub struct RenderedMail {
    /// One line without control characters, and without the code.
    pub subject: String,
    /// The plain text part; lines end in `\n` and stay below 78 columns, but for a host or URL that is longer.
    pub text: String,
    /// The HTML part: one document that loads nothing.
    pub html: String,
}

impl fmt::Debug for RenderedMail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RenderedMail").field("subject", &self.subject).finish_non_exhaustive()
    }
}

/// Why a mail could not be written. Never holds a value that was to be shown.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// A file of words is not TOML, or not words in sections.
    #[error("email-templates/{file} cannot be read")]
    Words {
        /// The file, below `email-templates`.
        file: &'static str,
        /// What is wrong with it.
        source: Box<toml::de::Error>,
    },
    /// A template does not parse, or wants a word or value that there is not.
    #[error("a mail template failed")]
    Template(#[from] tera::Error),
    /// A value that no mail may show; names the value, and does not repeat it.
    #[error("the {0} of a mail is not valid")]
    Value(&'static str),
}

/// Section → key → phrase. Phrases are plain text with `{placeholders}`.
type Words = BTreeMap<String, BTreeMap<String, String>>;

/// Every letter in every language, parsed.
pub struct Templates {
    tera: Tera,
    words: [Words; Locale::ALL.len()],
}

impl Templates {
    /// Parses all templates and words, and renders each letter once in each language with sample values: a
    /// letter that cannot be written stops the start, not somebody's sign-in.
    pub fn parse() -> Result<Self, TemplateError> {
        let mut tera = Tera::default();
        // Said aloud though it is the default: on this line rests the escaping of every value.
        tera.autoescape_on([".html"]);
        tera.add_raw_templates(FILES)?;
        let mut words = [const { Words::new() }; Locale::ALL.len()];
        for (parsed, (file, content)) in words.iter_mut().zip(WORDS) {
            *parsed = toml::from_str(content)
                .map_err(|source| TemplateError::Words { file, source: Box::new(source) })?;
        }
        let templates = Self { tera, words };
        for locale in Locale::ALL {
            for (_, letter) in samples() {
                templates.render(&letter, locale, &SAMPLE_SITE)?;
            }
        }
        Ok(templates)
    }

    /// Writes one letter in one language, on behalf of the site that asked.
    ///
    /// # Errors
    /// [`TemplateError::Value`] if a URL is not an absolute `http` or `https` one, a code is not letters and
    /// digits, or a time is past all calendars.
    pub fn render(
        &self,
        letter: &Letter<'_>,
        locale: Locale,
        brand: &Brand<'_>,
    ) -> Result<RenderedMail, TemplateError> {
        let words = self.words(locale);
        let site = Site::of(brand)?;
        let mut values = BTreeMap::from([("site", site.name.clone()), ("host", site.host.clone())]);
        let mut context = Context::new();
        context.insert("lang", locale.tag());
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
        let folder = letter.folder();
        context.insert("shared", &fill_section(words, SHARED, &values));
        context.insert("words", &fill_section(words, folder, &values));

        let part = |name: &str, context: &Context| self.tera.render(&format!("{folder}/{name}"), context);
        let subject = one_line(&part("subject.txt", &context)?);
        context.insert("subject", &subject);
        let text = wrap(&part("body.txt", &context)?);
        let html = part("body.html", &context)?;
        Ok(RenderedMail { subject, text, html })
    }

    fn words(&self, locale: Locale) -> &Words {
        match locale {
            Locale::English => &self.words[0],
            Locale::Vietnamese => &self.words[1],
        }
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

fn format_time(when: &DateTime<Utc>, pattern: &str) -> Result<String, TemplateError> {
    let mut shown = String::new();
    // Not `to_string`, which panics at a pattern that is not one.
    write!(shown, "{}", when.format(pattern)).map_err(|_| TemplateError::Value("time"))?;
    Ok(shown)
}

/// A section's phrases with their placeholders filled.
///
/// A phrase that wants a value this letter lacks is left out: a template that needs it then fails on an
/// undefined word, rather than to print a hole.
fn fill_section<'a>(
    words: &'a Words,
    section: &str,
    values: &BTreeMap<&str, String>,
) -> BTreeMap<&'a str, String> {
    let phrases = words.get(section).into_iter().flatten();
    phrases.filter_map(|(key, phrase)| Some((key.as_str(), fill(phrase, values)?))).collect()
}

/// Replaces each `{name}` in one pass, so that braces in a value mean nothing.
fn fill(phrase: &str, values: &BTreeMap<&str, String>) -> Option<String> {
    let mut filled = String::with_capacity(phrase.len() * 2);
    let mut rest = phrase;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, behind) = after.split_once('}')?;
        filled.push_str(before);
        filled.push_str(values.get(name)?);
        rest = behind;
    }
    filled.push_str(rest);
    Some(filled)
}

/// One line of clean text: white space and control characters become single spaces, invisible direction
/// marks, which can make a name read as another one, go.
fn one_line(value: &str) -> String {
    let hidden = |c: &char| matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    let visible: String =
        value.chars().filter(|c| !hidden(c)).map(|c| if c.is_control() { ' ' } else { c }).collect();
    visible.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Breaks the lines of a text part at spaces, keeps their indent, and leaves one blank line where a template
/// left several.
fn wrap(text: &str) -> String {
    let mut wrapped = String::with_capacity(text.len() + 64);
    let mut blank = true;
    for line in text.lines().map(str::trim_end) {
        if line.is_empty() {
            if !blank {
                wrapped.push('\n');
            }
            blank = true;
            continue;
        }
        blank = false;
        let indent = &line[..line.len() - line.trim_start().len()];
        let mut column = 0;
        for word in line.split_whitespace() {
            let width = word.chars().count();
            if column > 0 && column + 1 + width <= TEXT_WIDTH {
                wrapped.push(' ');
                column += 1;
            } else {
                if column > 0 {
                    wrapped.push('\n');
                }
                wrapped.push_str(indent);
                column = indent.chars().count();
            }
            wrapped.push_str(word);
            column += width;
        }
        wrapped.push('\n');
    }
    wrapped.truncate(wrapped.trim_end().len());
    wrapped.push('\n');
    wrapped
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: Brand<'static> =
        Brand { name: "<b>{{7*7}}</b>\r\nBcc: x@y {host}\u{202e}", url: "https://site.example:8443/\"><i>" };

    /// Every sample in every language, for an ordinary and for a hostile site.
    fn all() -> Vec<(Letter<'static>, Locale, Brand<'static>, RenderedMail)> {
        let templates = Templates::parse().unwrap();
        let mut mails = Vec::new();
        for (_, letter) in samples() {
            for locale in Locale::ALL {
                for brand in [SAMPLE_SITE, HOSTILE] {
                    let mail = templates.render(&letter, locale, &brand).unwrap();
                    mails.push((letter, locale, brand, mail));
                }
            }
        }
        mails
    }

    #[test]
    fn a_code_is_in_each_body_once_and_nowhere_a_preview_shows_it() {
        for (letter, _, _, mail) in all() {
            let Letter::SignInCode { code, .. } = letter else { continue };
            assert!(!mail.subject.contains(code));
            assert!(mail.text.contains(&format!("\n\n    {code}\n\n")));
            assert_eq!(mail.text.matches(code).count(), 1);
            assert_eq!(mail.html.matches(code).count(), 1);
            assert!(mail.text.find(code).unwrap() > 180, "too near to the start: {}", mail.text);
            let hidden = mail.html.find("&#847;").unwrap();
            assert!(mail.html.find(code).unwrap() > hidden, "the code is in the preview line");
        }
    }

    #[test]
    fn a_hostile_site_name_is_only_text() {
        for (_, _, brand, mail) in all() {
            assert!(!mail.subject.contains(char::is_control), "{:?}", mail.subject);
            for part in [&mail.subject, &mail.text, &mail.html] {
                assert!(!part.contains("49") && !part.contains('\r') && !part.contains('\u{202e}'));
            }
            assert!(!mail.html.contains("<b>") && !mail.html.contains("<i>"));
            if brand.name == HOSTILE.name {
                assert!(mail.subject.contains("<b>{{7*7}}</b> Bcc: x@y {host}"), "{:?}", mail.subject);
                assert!(mail.html.contains("&lt;b&gt;{{7*7}}&lt;/b&gt; Bcc: x@y {host}"));
                assert!(mail.html.contains("site.example:8443") && mail.text.contains("site.example:8443"));
            }
        }
    }

    #[test]
    fn a_mail_names_its_site_and_time_and_loads_nothing() {
        for (_, locale, brand, mail) in all() {
            for part in [&mail.text, &mail.html] {
                assert!(part.replace('\u{a0}', " ").contains("15:25 UTC"), "{part}");
                assert!(part.contains(if brand.name == HOSTILE.name { "site.example" } else { brand.name }));
            }
            assert!(mail.html.contains(&format!("<html lang=\"{}\"", locale.tag())));
            for loader in ["src=", "<link", "<img", "<script", "@import", "url(", "@font-face"] {
                assert!(!mail.html.contains(loader), "{loader}");
            }
        }
    }

    #[test]
    fn text_lines_stay_below_78_columns() {
        for (_, _, _, mail) in all() {
            assert!(mail.text.lines().all(|line| line.chars().count() < 78), "{}", mail.text);
            assert!(!mail.text.contains("\n\n\n") && !mail.text.contains(" \n") && mail.text.ends_with('\n'));
        }
    }

    #[test]
    fn the_sign_up_site_is_named_where_there_is_one() {
        for (letter, _, _, mail) in all() {
            let Letter::NoAccount { sign_up, .. } = letter else { continue };
            assert_eq!(mail.html.contains("href=\"https://read.example.org/\""), sign_up.is_some());
            assert_eq!(mail.text.contains("    https://read.example.org/\n"), sign_up.is_some());
        }
    }

    #[test]
    fn languages_have_the_same_keys_and_placeholders_and_no_stray_accents() {
        let outline = |words: &Words| -> Vec<(String, Vec<String>)> {
            let phrases = words.iter().flat_map(|(section, phrases)| {
                phrases.iter().map(move |(key, phrase)| (format!("{section}.{key}"), phrase))
            });
            phrases
                .map(|(key, phrase)| {
                    let names = phrase.split('{').skip(1).map(|rest| rest.split('}').next().unwrap());
                    let mut names: Vec<_> = names.map(str::to_owned).collect();
                    names.sort();
                    (key, names)
                })
                .collect()
        };
        let templates = Templates::parse().unwrap();
        for locale in Locale::ALL {
            assert!(WORDS.iter().any(|(file, _)| *file == format!("locales/{}.toml", locale.tag())));
            let words = templates.words(locale);
            assert_eq!(outline(words), outline(templates.words(Locale::English)), "{}", locale.tag());
            // Composed letters only: some mail clients draw a combining accent beside its letter.
            let phrases = words.values().flat_map(BTreeMap::values);
            assert!(!phrases.clone().any(|phrase| phrase.contains(|c| matches!(c, '\u{300}'..='\u{36f}'))));
        }
    }

    #[test]
    fn values_that_no_mail_may_show_are_refused() {
        let templates = Templates::parse().unwrap();
        let requested_at = DateTime::from_timestamp(1_767_367_500, 0).unwrap();
        let refused = |code, valid_for_minutes, link, url| {
            let letter = Letter::SignInCode { code, valid_for_minutes, requested_at, link };
            templates.render(&letter, Locale::English, &Brand { name: "", url }).is_err()
        };
        let home = "http://reader.localhost:8080";
        assert!(!refused("012345", 10, Some("https://a.example/b?c=d&e"), home));
        for code in ["", "12 456", "12345\n", "<b>", "111111111111111111111111111111111"] {
            assert!(refused(code, 10, None, home), "{code:?}");
        }
        assert!(refused("012345", 0, None, home) && refused("012345", u64::MAX, None, home));
        for url in ["", "/sign-in", "javascript:alert(1)", "data:text/html,x", "https://"] {
            assert!(refused("012345", 10, Some(url), home) && refused("012345", 10, None, url), "{url:?}");
        }
    }
}
