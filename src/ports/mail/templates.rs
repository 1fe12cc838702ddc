//! What our mails say: each letter as a subject, a plain text and an HTML part, in the reader's language.
//!
//! The files are in `email-templates`: a folder a letter, one layout a kind, what letters share in `parts`, and
//! all words in `locales`. They are compiled in, and none is ever made from input: what a user or a setting says
//! arrives as a value, is cleaned here and escaped where HTML begins. Addresses, headers and sending belong to
//! the transport.
//!
//! What each letter puts into its templates is in `letters`; how lines are broken in `lines`.
//!
//! A code appears in the two body parts only. A subject or a preview line shows on a locked screen.

mod letters;
mod lines;
#[cfg(test)]
mod tests;

use std::fmt;

use chrono::{DateTime, Utc};
use tera::{Context, Tera};

use self::lines::wrap;
use super::preview::{SAMPLE_SITE, samples};
use crate::domain::Locale;
use crate::domain::words::{Phrases, WordsError, one_line};

/// Names the files next to their content, as Tera wants them.
macro_rules! files {
    ($($path:literal),+ $(,)?) => {
        [$(($path, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/email-templates/", $path)))),+]
    };
}

const FILES: [(&str, &str); 37] = files![
    "layout.html",
    "layout.txt",
    "parts/code.html",
    "parts/disown.html",
    "parts/link.html",
    "parts/message.html",
    "parts/message.txt",
    "sign_in_code/subject.txt",
    "sign_in_code/body.txt",
    "sign_in_code/body.html",
    "email_change/subject.txt",
    "email_change/body.txt",
    "email_change/body.html",
    "address_changed/subject.txt",
    "address_changed/body.txt",
    "address_changed/body.html",
    "account_invitation/subject.txt",
    "account_invitation/body.txt",
    "account_invitation/body.html",
    "delete_account/subject.txt",
    "delete_account/body.txt",
    "delete_account/body.html",
    "no_account/subject.txt",
    "no_account/body.txt",
    "no_account/body.html",
    "invitation/subject.txt",
    "invitation/body.txt",
    "invitation/body.html",
    "access_requested/subject.txt",
    "access_requested/body.txt",
    "access_requested/body.html",
    "access_decided/subject.txt",
    "access_decided/body.txt",
    "access_decided/body.html",
    "staff_changed/subject.txt",
    "staff_changed/body.txt",
    "staff_changed/body.html",
];

/// The words of a language, in the order of [`Locale::ALL`].
const WORDS: [(&str, &str); Locale::ALL.len()] =
    files!["locales/en.toml", "locales/vi.toml", "locales/es.toml", "locales/fr.toml", "locales/de.toml",];

/// A site as its users know it.
#[derive(Clone, Copy, Debug)]
pub struct Brand<'a> {
    /// The shown name. Control and direction characters are dropped, and all past 64 characters.
    pub name: &'a str,
    /// The home page, `http` or `https`. Mails show its host and link to it.
    pub url: &'a str,
}

/// A mail that somebody's sign-in or change of their account causes, or what happens among the staff of a library.
///
/// The texts of people may hold anything: of names 64 characters are shown, of messages 1000, and none as more
/// than text. A library's name is one of them, and the only one in a subject. A `role` is `owner`, `manager`,
/// `librarian` or `volunteer`. A `link` is an `http` or `https` URL and is shown in full.
///
/// No `Debug`: one variant holds a code in the clear, and links can hold a token.
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
        /// The page that ends the code, for whoever did not ask for it, if the site has one.
        disown: Option<&'a str>,
    },
    /// A code that lets the address of an account be changed: to the address it has, or to the one it is to have.
    EmailChange {
        /// ASCII letters and digits, at most 32.
        code: &'a str,
        /// How long the code works, counted from `requested_at`; at least 1.
        valid_for_minutes: u64,
        /// When the change was asked for.
        requested_at: DateTime<Utc>,
        /// In the mail to the present address: the one to come, in ASCII. The mail to the new one does not name the other.
        new_address: Option<&'a str>,
        /// As in the sign-in mail.
        disown: Option<&'a str>,
    },
    /// To the address that an account had until now.
    AddressChanged {
        /// The people in charge did it, and no code of either mailbox.
        by_administrator: bool,
    },
    /// To somebody for whom an account was made.
    AccountInvitation {
        /// The page where it is opened.
        link: &'a str,
        /// Until when.
        expires_at: DateTime<Utc>,
    },
    /// A code that deletes an account.
    DeleteAccount {
        /// ASCII letters and digits, at most 32.
        code: &'a str,
        /// How long the code works, counted from `requested_at`; at least 1.
        valid_for_minutes: u64,
        /// When it was asked for.
        requested_at: DateTime<Utc>,
        /// As in the sign-in mail.
        disown: Option<&'a str>,
    },
    /// No code, as the address has no account and the site makes none.
    NoAccount {
        /// Where an account can be made, if anywhere.
        sign_up: Option<Brand<'a>>,
        /// When a code was asked for.
        requested_at: DateTime<Utc>,
    },
    /// To somebody who is asked to join the staff of a library.
    Invitation {
        /// The library's name.
        library: &'a str,
        /// The role that comes with it.
        role: &'a str,
        /// The name of who invites.
        inviter: Option<&'a str>,
        /// What they wrote; its line breaks stay.
        message: Option<&'a str>,
        /// Where the invitation can be accepted.
        link: &'a str,
        /// Until when.
        expires_at: DateTime<Utc>,
    },
    /// To who may decide it: somebody asks to join the staff of a library.
    AccessRequested {
        /// The library's name.
        library: &'a str,
        /// The name of who asks.
        requester: Option<&'a str>,
        /// The address they signed in with, in ASCII.
        requester_email: &'a str,
        /// What they wrote; its line breaks stay.
        message: Option<&'a str>,
        /// Where it is decided.
        link: &'a str,
    },
    /// To who asked: the answer.
    AccessDecided {
        /// The library's name.
        library: &'a str,
        /// Whether they are staff now.
        approved: bool,
        /// As what. Says nothing where the answer is no.
        role: Option<&'a str>,
        /// What was written with the answer; its line breaks stay.
        note: Option<&'a str>,
        /// The library's pages if the answer is yes, otherwise any page of the site.
        link: &'a str,
    },
    /// To somebody on the staff of a library: what has become of their place there.
    StaffChanged {
        /// The library's name.
        library: &'a str,
        /// What has changed.
        change: StaffChange<'a>,
        /// The library's pages for who may work there, otherwise any page of the site.
        link: &'a str,
    },
}

/// What can become of somebody's place on the staff of a library.
#[derive(Clone, Copy, Debug)]
pub enum StaffChange<'a> {
    /// Another role.
    RoleChanged {
        /// The role until now.
        from: &'a str,
        /// The role from now on.
        to: &'a str,
    },
    /// Staff from now on, by an administrator's hand.
    Granted {
        /// The role.
        role: &'a str,
    },
    /// No longer staff.
    Removed,
    /// Still staff, but without access for the time being.
    Suspended,
    /// Access again, after it was suspended or removed.
    Restored {
        /// The role from now on.
        role: &'a str,
    },
}

/// A letter ready to send.
#[derive(Clone)]
pub struct RenderedMail {
    /// One line without control characters, and without the code.
    pub subject: String,
    /// The plain text part; lines end in `\n` and stay below 78 columns, but for a host, URL or address that is
    /// longer.
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
    #[error("the words of the mails are broken")]
    Words(#[from] WordsError),
    /// A template does not parse, or wants a word or value that there is not.
    #[error("a mail template failed")]
    Template(#[from] tera::Error),
    /// A value that no mail may show; names the value, and does not repeat it.
    #[error("the {0} of a mail is not valid")]
    Value(&'static str),
}

/// Every letter in every language, parsed.
pub struct Templates {
    tera: Tera,
    words: Phrases,
}

impl Templates {
    /// Parses all templates and words, and renders each letter once in each language with sample values: a
    /// letter that cannot be written stops the start, not somebody's sign-in.
    pub fn parse() -> Result<Self, TemplateError> {
        let mut tera = Tera::default();
        // Said aloud though it is the default: on this line rests the escaping of every value.
        tera.autoescape_on([".html"]);
        tera.add_raw_templates(FILES)?;
        let templates = Self { tera, words: Phrases::parse(WORDS)? };
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
    /// digits, a time is past all calendars, a library has no name, an address is none, or a role is none of
    /// ours.
    pub fn render(
        &self,
        letter: &Letter<'_>,
        locale: Locale,
        brand: &Brand<'_>,
    ) -> Result<RenderedMail, TemplateError> {
        let folder = letter.folder();
        let mut context = letters::context(letter, self.words.of(locale), brand)?;
        context.insert("lang", locale.tag());
        let part = |name: &str, context: &Context| self.tera.render(&format!("{folder}/{name}"), context);
        let subject = one_line(&part("subject.txt", &context)?);
        context.insert("subject", &subject);
        let text = wrap(&part("body.txt", &context)?);
        let html = part("body.html", &context)?;
        Ok(RenderedMail { subject, text, html })
    }
}
