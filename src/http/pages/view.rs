//! What each page shows: the values that its template is filled with.
//!
//! Rendering is in `look`, the words are in `pages/locales`, the forms with the names of their fields in `pages`. What stands in
//! forms and lists is in `rows`.

mod rows;

use chrono::{DateTime, Utc};
use serde::Serialize;

pub(super) use self::rows::{
    LibraryLine, OpenRequest, PreferencesForm, ProfileForm, RequestLine, SessionLine,
};
use crate::domain::{Locale, Site};

/// What every page knows.
pub(super) struct Frame<'a> {
    /// Whose page it is.
    pub site: &'a Site,
    /// The reader's language.
    pub locale: Locale,
    /// Path and query of the page: where the choice of a language comes back to.
    pub here: &'a str,
    /// Proof against forgery: the hidden field `_token` of every form.
    pub token: &'a str,
    /// The address of who is signed in.
    pub person: Option<&'a str>,
}

/// A line that says what happened, above the forms or beside the field that it is about.
pub(super) struct Notice {
    /// How it is meant.
    pub kind: NoticeKind,
    /// A phrase of the section `notices`.
    pub key: &'static str,
    /// What the phrase names in braces. `seconds` also gives `wait`, the same in words; `field` comes from `field`
    /// below.
    pub values: Vec<(&'static str, String)>,
    /// The field it is about, by its name in the form; of the two codes of [`Page::EmailChange`], `code_current` or
    /// `code_new`.
    pub field: Option<&'static str>,
}

impl Notice {
    /// A notice of a phrase without values.
    pub(super) fn new(kind: NoticeKind, key: &'static str) -> Self {
        Self { kind, key, values: Vec::new(), field: None }
    }

    /// It did not work.
    pub(super) fn error(key: &'static str) -> Self {
        Self::new(NoticeKind::Error, key)
    }

    /// It worked.
    pub(super) fn success(key: &'static str) -> Self {
        Self::new(NoticeKind::Success, key)
    }

    /// The same, with a value.
    pub(super) fn with(mut self, name: &'static str, value: String) -> Self {
        self.values.push((name, value));
        self
    }

    /// The same, about a field.
    pub(super) fn at(mut self, field: &'static str) -> Self {
        self.field = Some(field);
        self
    }
}

/// How a notice is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum NoticeKind {
    /// It did not work, and there is something to do about it.
    Error,
    /// It worked.
    Success,
    /// Good to know.
    Info,
}

/// A page with its values. What people wrote may hold anything; times are UTC.
#[derive(Serialize)]
#[serde(untagged)]
#[expect(clippy::large_enum_variant, reason = "there is one at a time, and it is rendered at once")]
pub(super) enum Page {
    /// Asks for an address. `POST /login`: `email`, `redirectTo`.
    Login {
        /// As typed before.
        email: String,
        /// Where the sign-in leads.
        redirect_to: String,
        /// Whether the site makes accounts.
        register: bool,
        /// Name and URL of the site that does, if this one does not.
        sign_up: Option<(String, String)>,
        #[serde(skip)]
        notice: Option<Notice>,
    },
    /// Asks for the code. `POST /login/code`: `code`; `POST /login/resend`; `POST /login/restart`.
    Code {
        /// Where it was sent.
        email: String,
        /// How long it works.
        minutes: u64,
        /// How long until another can be asked for; 0 is now.
        resend_in_secs: u64,
        #[serde(skip)]
        notice: Option<Notice>,
    },
    /// After the first sign-in. `POST /welcome`: `display_name`, `bio`, `city`, `country`, `language`, `redirectTo`;
    /// `POST /welcome/skip`: `redirectTo`.
    Welcome {
        form: ProfileForm,
        /// Where to go from here.
        redirect_to: String,
        #[serde(skip)]
        notice: Option<Notice>,
    },
    /// Profile, preferences, sessions, address, libraries and data of a person.
    ///
    /// `POST /account/profile`: the fields of [`ProfileForm`] but `language`, `_version`; `POST /account/preferences`:
    /// the fields of [`PreferencesForm`], `_version`; `POST /account/sessions/end`: `session`;
    /// `POST /account/sessions/end-others`; `POST /account/sessions/end-all`; `POST /account/email`: `email`;
    /// `GET /account/data`.
    Account {
        profile: ProfileForm,
        preferences: PreferencesForm,
        sessions: Vec<SessionLine>,
        /// The address of the account.
        email: String,
        /// The address it is being changed to.
        email_change: Option<String>,
        libraries: Vec<LibraryLine>,
        #[serde(skip)]
        notice: Option<Notice>,
    },
    /// A change of the address. `POST /account/email/confirm`: `half` (`current` or `new`), `code`;
    /// `POST /account/email/resend`; `POST /account/email/cancel`.
    EmailChange {
        current: String,
        new: String,
        /// Whether that address is proven already.
        current_done: bool,
        /// Whether that address is proven already.
        new_done: bool,
        resend_in_secs: u64,
        #[serde(skip)]
        notice: Option<Notice>,
    },
    /// `POST /account/delete/code`, and once a code was sent `POST /account/delete`: `code`.
    DeleteAccount {
        email: String,
        code_sent: bool,
        /// How long the code works.
        minutes: u64,
        #[serde(skip)]
        notice: Option<Notice>,
    },
    /// After deletion, and after signing out everywhere.
    Goodbye { deleted: bool },
    /// `POST /request-access`: `library`, `message`; `POST /request-access/withdraw`: `id`.
    RequestAccess {
        /// As typed before.
        library: String,
        /// As typed before.
        message: String,
        requests: Vec<RequestLine>,
        #[serde(skip)]
        notice: Option<Notice>,
    },
    /// For who may decide. `POST /access-requests/decide`: `library`, `id`, `decision` (`approve` or `decline`), `role`,
    /// `note`.
    AccessRequests {
        requests: Vec<OpenRequest>,
        #[serde(skip)]
        notice: Option<Notice>,
    },
    /// An invitation to a library's staff. `POST {action}/accept`, `POST {action}/decline`.
    Invitation {
        library: String,
        /// `owner`, `manager`, `librarian` or `volunteer`.
        role: String,
        inviter: Option<String>,
        message: Option<String>,
        expires_at: DateTime<Utc>,
        standing: InvitationStanding,
        /// The path of the invitation.
        action: String,
        #[serde(skip)]
        notice: Option<Notice>,
    },
    /// The libraries that a person works at, to choose one.
    Libraries {
        libraries: Vec<LibraryLine>,
        #[serde(skip)]
        notice: Option<Notice>,
    },
    /// A mailed link. `POST /confirm`: `token_hash`, `type`, `redirectTo`.
    Confirm {
        token_hash: String,
        kind: String,
        /// Where to go from there, if the link says so.
        redirect_to: String,
    },
    /// A mailed link that no longer works.
    ConfirmFailed,
    /// For whoever got a code that they did not ask for. `POST /not-me`: `token`, `type`.
    NotMe { token: String, kind: String, standing: DisownStanding },
    /// Something did not work.
    Failure {
        /// A phrase of the section `errors`, which also has `{key}_title`.
        key: &'static str,
        /// Seconds until it may work again.
        retry_after: Option<u64>,
        /// Empty where there is none.
        request_id: String,
    },
}

impl Page {
    /// Its notice.
    pub(super) fn notice(&self) -> Option<&Notice> {
        match self {
            Self::Login { notice, .. }
            | Self::Code { notice, .. }
            | Self::Welcome { notice, .. }
            | Self::Account { notice, .. }
            | Self::EmailChange { notice, .. }
            | Self::DeleteAccount { notice, .. }
            | Self::RequestAccess { notice, .. }
            | Self::AccessRequests { notice, .. }
            | Self::Invitation { notice, .. }
            | Self::Libraries { notice, .. } => notice.as_ref(),
            Self::Goodbye { .. }
            | Self::Confirm { .. }
            | Self::ConfirmFailed
            | Self::NotMe { .. }
            | Self::Failure { .. } => None,
        }
    }
}

/// How it stands with a code that somebody did not ask for.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum DisownStanding {
    /// Shall it end?
    Asks,
    /// It has ended.
    Done,
    /// There is nothing to end.
    Over,
}

/// Who opens an invitation.
#[derive(Serialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub(super) enum InvitationStanding {
    /// Nobody known; `login` is where to sign in and come back.
    SignedOut { login: String },
    /// Somebody with another address than the invited one.
    OtherAddress { email: String },
    /// The invited person.
    Yours,
    /// Answered, withdrawn or too old.
    Ended,
}
