//! Pages as HTML: templates and words are parsed once, each page is rendered from its values.
//!
//! The files are in `pages`: a template a page, `layout.html` around all, `parts.html` for what they share. They are
//! compiled in, and none is ever made from input. Every value is cleaned and escaped where it meets HTML, in one
//! place; what a page's phrases are filled with is in `context`.

mod context;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;

use chrono::{DateTime, Utc};
use tera::{Context, Kwargs, State, Tera};

use super::view::{Frame, Page};
use crate::domain::Locale;
use crate::domain::fields::turns_text;
use crate::domain::words::{Phrases, WordsError, format_time, message_lines};

/// Names the files next to their content, as Tera wants them.
macro_rules! files {
    ($($path:literal),+ $(,)?) => {
        [$(($path, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/pages/", $path)))),+]
    };
}

const FILES: [(&str, &str); 35] = files![
    "layout.html",
    "parts.html",
    "login.html",
    "code.html",
    "welcome.html",
    "account.html",
    "email_change.html",
    "delete_account.html",
    "goodbye.html",
    "request_access.html",
    "access_requests.html",
    "invitation.html",
    "libraries.html",
    "confirm.html",
    "confirm_failed.html",
    "not_me.html",
    "errors.html",
    "console/layout.html",
    "console/parts.html",
    "console/sign_in.html",
    "console/failure.html",
    "console/ask.html",
    "console/overview.html",
    "console/people.html",
    "console/person.html",
    "console/requests.html",
    "console/request.html",
    "console/libraries.html",
    "console/library.html",
    "console/mail.html",
    "console/suppressions.html",
    "console/keys.html",
    "console/signing_keys.html",
    "console/audit.html",
    "console/reference.html",
];

/// The words of a language, in the order of [`Locale::ALL`].
const WORDS: [(&str, &str); Locale::ALL.len()] =
    files!["locales/en.toml", "locales/vi.toml", "locales/es.toml", "locales/fr.toml", "locales/de.toml",];

/// Why a page could not be rendered. Never holds a value that was to be shown.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// A file of words is not TOML, or not words in sections.
    #[error("the words of the pages are broken")]
    Words(#[from] WordsError),
    /// A template does not parse, or wants a word or value that there is not.
    #[error("a page template failed")]
    Template(#[from] tera::Error),
    /// There is no such phrase, or it wants a value that was not given.
    #[error("the pages have no phrase {section}.{key} for these values")]
    Phrase {
        /// The section of the locale files.
        section: &'static str,
        /// The key in it.
        key: String,
    },
}

/// Every page in every language, parsed.
pub struct Pages {
    tera: Tera,
    words: Phrases,
}

impl Pages {
    /// Parses all templates and words.
    ///
    /// # Errors
    /// If a file that is compiled in is broken.
    pub fn parse() -> Result<Self, LookError> {
        let mut tera = Tera::default();
        // Said aloud though it is the default: on these lines rests the escaping of every value.
        tera.autoescape_on([".html"]);
        tera.set_escape_fn(clean_and_escape);
        tera.register_filter("moment", |instant: &str, options: Kwargs, _: &State| {
            moment(instant, options.must_get("pattern")?)
        });
        tera.register_filter("lines", |text: &str, _: Kwargs, _: &State| message_lines(text));
        tera.add_raw_templates(FILES)?;
        Ok(Self { tera, words: Phrases::parse(WORDS)? })
    }

    /// A whole HTML document.
    ///
    /// # Errors
    /// If a word or value is missing that the template wants.
    pub(super) fn render(&self, frame: &Frame<'_>, page: &Page) -> Result<String, LookError> {
        let context = context::of(&self.words, frame, page)?;
        Ok(self.tera.render(&format!("{}.html", page.section()), &context)?)
    }
}

impl Pages {
    /// A page of the console, from what it names.
    ///
    /// # Errors
    /// If a value is missing that the template wants.
    pub(in crate::http) fn render_console(
        &self,
        template: &str,
        context: &Context,
    ) -> Result<String, LookError> {
        Ok(self.tera.render(&format!("console/{template}.html"), context)?)
    }
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").finish_non_exhaustive()
    }
}

/// Drops what could make text read as something else, control characters and those that change its direction, and
/// escapes the rest. Every value of every page goes through here.
fn clean_and_escape(text: &str, out: &mut dyn io::Write) -> io::Result<()> {
    let hidden = |c: char| (c.is_control() && !matches!(c, '\n' | '\t')) || turns_text(c) || c == '\u{61c}';
    if text.contains(hidden) {
        tera::escape_html(&text.replace(hidden, ""), out)
    } else {
        tera::escape_html(text, out)
    }
}

/// An instant as the reader's language writes it.
fn moment(instant: &str, pattern: &str) -> tera::TeraResult<String> {
    let instant: DateTime<Utc> = instant.parse().map_err(|_| tera::Error::message("not an instant"))?;
    format_time(&instant, pattern).map_err(|_| tera::Error::message("not a pattern of time"))
}
