//! Every page in every shape it takes, with made-up people: for looking at, and for tests.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use url::Url;

use super::view::{
    InvitationStanding, LibraryLine, Notice, NoticeKind, OpenRequest, Page, PreferencesForm, ProfileForm,
    RequestLine, SessionLine,
};
use crate::domain::{Color, EmailAddress, Locale, Look, Site, SiteKind, TokenAlgorithm};

/// A page to look at.
pub(super) struct Sample {
    /// Of its file.
    pub name: &'static str,
    /// Of which site it is.
    pub kind: SiteKind,
    /// Whether somebody is signed in.
    pub signed_in: bool,
    pub page: Page,
}

/// The person that the samples are about.
pub(super) const PERSON: &str = "minh-an.nguyen@example.org";

const MESSAGE: &str = "Hello,\n\nwe spoke at the book fair last week. It would be two evenings a week at first, at the desk \
     & with new books.\nAsk me anything!";

/// The site that samples of a kind are of.
pub(super) fn site(kind: SiteKind) -> Option<Site> {
    let (id, name, color) = match kind {
        SiteKind::Reader => ("reader", "Riverside Library", Color::rgb(0x1d, 0x4e, 0xd8)),
        SiteKind::Management => ("management", "Riverside Staff Desk", Color::rgb(0x7c, 0x2d, 0x6e)),
    };
    let url: Url = format!("https://{id}.example.org").parse().ok()?;
    Some(Site {
        id: id.to_owned(),
        kind,
        name: name.to_owned(),
        origins: vec![url.origin().ascii_serialization()],
        url,
        publishable_key: format!("doorcode_pub_{id}_sample"),
        audience: id.to_owned(),
        sign_up: kind == SiteKind::Reader,
        reveal_unknown_accounts: false,
        sender_name: name.to_owned(),
        sender: EmailAddress::parse("no-reply@example.org").ok()?,
        locale: Locale::English,
        algorithm: TokenAlgorithm::Es256,
        access_token_life: Duration::from_secs(3600),
        session_idle: Duration::from_secs(3600),
        session_max: Duration::from_secs(7200),
        mails_per_hour: 100,
        confirm_url: None,
        look: Look {
            color,
            logo: None,
            footer: "Riverside Library Association, 12 Hill Street, Riverside".to_owned(),
            pages: true,
            library_home: "/?library={code}".to_owned(),
        },
    })
}

/// Every page, in the order in which a person meets them.
pub(super) fn samples() -> Vec<Sample> {
    use SiteKind::{Management, Reader};
    let of = |name, kind, signed_in, page| Sample { name, kind, signed_in, page };
    let mut all = sign_in();
    all.extend([
        of("welcome", Reader, true, Page::Welcome { form: profile(), notice: None }),
        of("account", Reader, true, account(None, Vec::new(), None)),
        of(
            "account-saved",
            Management,
            true,
            account(
                Some("lan.tran@example.net"),
                libraries(),
                Some(Notice::new(NoticeKind::Success, "saved")),
            ),
        ),
        of("account-wrong", Reader, true, account(None, Vec::new(), Some(wrong("invalid_value", "website")))),
        of(
            "account-stale",
            Reader,
            true,
            account(None, Vec::new(), Some(Notice::new(NoticeKind::Info, "stale"))),
        ),
        of("email-change", Reader, true, email_change(false, None)),
        of(
            "email-change-half",
            Reader,
            true,
            email_change(true, Some(Notice::new(NoticeKind::Success, "half_done"))),
        ),
        of("email-change-wrong", Reader, true, email_change(false, Some(wrong("wrong_code", "code_new")))),
        of("delete", Reader, true, delete(false, None)),
        of("delete-code", Reader, true, delete(true, None)),
        of("delete-wrong", Reader, true, delete(true, Some(wrong("wrong_code", "code")))),
        of("goodbye-deleted", Reader, false, Page::Goodbye { deleted: true }),
        of("goodbye", Reader, false, Page::Goodbye { deleted: false }),
    ]);
    all.extend(staff());
    let failure =
        |key, retry_after| Page::Failure { key, retry_after, request_id: "01a9c2f8-52b0".to_owned() };
    all.extend([
        of("error-forbidden", Reader, false, failure("forbidden", None)),
        of("error-not-found", Reader, true, failure("not_found", None)),
        of("error-not-allowed", Reader, false, failure("not_allowed", None)),
        of("error-too-large", Reader, false, failure("too_large", None)),
        of("error-too-many", Reader, false, failure("too_many", Some(150))),
        of("error-unavailable", Reader, false, failure("unavailable", Some(5))),
        of("error-broken", Reader, false, failure("broken", None)),
        of("error-bad-request", Reader, false, failure("bad_request", None)),
    ]);
    all
}

fn sign_in() -> Vec<Sample> {
    use SiteKind::{Management, Reader};
    let of = |name, kind, page| Sample { name, kind, signed_in: false, page };
    let login = |register, sign_up: Option<&str>, email: &str, notice| Page::Login {
        email: email.to_owned(),
        redirect_to: "/books?sort=new".to_owned(),
        register,
        sign_up: sign_up.map(|name| (name.to_owned(), "https://reader.example.org/login".to_owned())),
        notice,
    };
    let code =
        |resend_in_secs, notice| Page::Code { email: PERSON.to_owned(), minutes: 10, resend_in_secs, notice };
    let too_soon = Notice::new(NoticeKind::Error, "too_soon").with("seconds", "43".to_owned());
    vec![
        of("login", Reader, login(true, None, "", None)),
        of("login-staff", Management, login(false, Some("Riverside Library"), "", None)),
        of(
            "login-closed",
            Management,
            login(false, None, "", Some(Notice::new(NoticeKind::Info, "needs_sign_in"))),
        ),
        of("login-wrong", Reader, login(true, None, "minh-an@", Some(wrong("email_invalid", "email")))),
        of(
            "login-signed-out",
            Reader,
            login(true, None, "", Some(Notice::new(NoticeKind::Success, "signed_out"))),
        ),
        of("login-too-soon", Reader, login(true, None, PERSON, Some(too_soon))),
        of("code", Reader, code(43, None)),
        of("code-wrong", Reader, code(0, Some(wrong("wrong_code", "code")))),
        of("code-resent", Management, code(60, Some(Notice::new(NoticeKind::Success, "code_resent")))),
        of("code-spent", Reader, code(1, Some(Notice::new(NoticeKind::Error, "too_many_tries")))),
        of(
            "confirm",
            Reader,
            Page::Confirm { token_hash: "bm90IGEgdG9rZW4".to_owned(), kind: "email".to_owned() },
        ),
        of("confirm-failed", Reader, Page::ConfirmFailed),
    ]
}

fn staff() -> Vec<Sample> {
    let of = |name, page| Sample { name, kind: SiteKind::Management, signed_in: true, page };
    let signed_out = |name, page| Sample { name, kind: SiteKind::Management, signed_in: false, page };
    let invitation = |standing, inviter: Option<&str>, message: Option<&str>| Page::Invitation {
        library: "Hill Street Library".to_owned(),
        role: "librarian".to_owned(),
        inviter: inviter.map(str::to_owned),
        message: message.map(str::to_owned),
        expires_at: at(7),
        standing,
        action: "/invitations/bm90IGEgdG9rZW4".to_owned(),
        notice: None,
    };
    let request = |requests, notice| Page::RequestAccess {
        library: "HILL".to_owned(),
        message: String::new(),
        requests,
        notice,
    };
    let login = "/login?redirectTo=%2Finvitations%2Fbm90IGEgdG9rZW4".to_owned();
    let other = InvitationStanding::OtherAddress { email: PERSON.to_owned() };
    vec![
        of("request-access", request(Vec::new(), None)),
        of(
            "request-access-sent",
            request(requests(), Some(Notice::new(NoticeKind::Success, "request_sent"))),
        ),
        of("request-access-wrong", request(Vec::new(), Some(wrong("library_unknown", "library")))),
        of("access-requests", Page::AccessRequests { requests: open_requests(), notice: None }),
        of(
            "access-requests-none",
            Page::AccessRequests {
                requests: Vec::new(),
                notice: Some(Notice::new(NoticeKind::Success, "approved")),
            },
        ),
        signed_out(
            "invitation-signed-out",
            invitation(InvitationStanding::SignedOut { login }, Some("Trần Thị Lan"), Some(MESSAGE)),
        ),
        of("invitation", invitation(InvitationStanding::Yours, Some("Trần Thị Lan"), Some(MESSAGE))),
        of("invitation-bare", invitation(InvitationStanding::Yours, None, None)),
        of("invitation-other", invitation(other, Some("Trần Thị Lan"), None)),
        of("invitation-ended", invitation(InvitationStanding::Ended, None, None)),
        of("libraries", Page::Libraries { libraries: libraries(), notice: None }),
        of("libraries-none", Page::Libraries { libraries: Vec::new(), notice: None }),
    ]
}

fn wrong(key: &'static str, field: &'static str) -> Notice {
    Notice::new(NoticeKind::Error, key).at(field)
}

/// So many days after the day of the samples.
fn at(days: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_367_500, 0).unwrap_or_default() + TimeDelta::days(days)
}

fn profile() -> ProfileForm {
    ProfileForm {
        display_name: "Nguyễn Minh An".to_owned(),
        bio: "I read on trains.\nMostly crime, sometimes poems.".to_owned(),
        city: "Huế".to_owned(),
        country: "Việt Nam".to_owned(),
        timezone: "Asia/Ho_Chi_Minh".to_owned(),
        website: "https://an.example.org/books".to_owned(),
        language: "en".to_owned(),
        version: 3,
    }
}

fn account(email_change: Option<&str>, libraries: Vec<LibraryLine>, notice: Option<Notice>) -> Page {
    let session = |id: &str, device: &str, ip: &str, days: i64, current| SessionLine {
        id: id.to_owned(),
        device: device.to_owned(),
        ip: ip.to_owned(),
        opened_at: at(-days),
        seen_at: at(-days / 2),
        current,
    };
    Page::Account {
        profile: profile(),
        preferences: PreferencesForm {
            language: "en".to_owned(),
            theme: "system".to_owned(),
            profile_visibility: "public".to_owned(),
            reading_activity: "friends".to_owned(),
            review_visibility: "public".to_owned(),
            email_enabled: true,
            due_date_reminders: true,
            social_activity: true,
            version: 5,
            ..PreferencesForm::default()
        },
        sessions: vec![
            session("s1", "Firefox on Windows", "203.0.113.7", 0, true),
            session("s2", "Safari on iPhone", "2001:db8:85a3::8a2e:370:7334", 3, false),
            session("s3", "", "198.51.100.24", 20, false),
        ],
        email: PERSON.to_owned(),
        email_change: email_change.map(str::to_owned),
        libraries,
        notice,
    }
}

fn email_change(current_done: bool, notice: Option<Notice>) -> Page {
    Page::EmailChange {
        current: PERSON.to_owned(),
        new: "a-rather-long-address-of-somebody@mail.department.example.net".to_owned(),
        current_done,
        new_done: false,
        resend_in_secs: 30,
        notice,
    }
}

fn delete(code_sent: bool, notice: Option<Notice>) -> Page {
    Page::DeleteAccount { email: PERSON.to_owned(), code_sent, minutes: 10, notice }
}

fn libraries() -> Vec<LibraryLine> {
    let library = |name: &str, code: &str, role: &str, city: &str| LibraryLine {
        name: name.to_owned(),
        code: code.to_owned(),
        role: role.to_owned(),
        href: format!("/?library={code}"),
        city: city.to_owned(),
    };
    vec![
        library("Hill Street Library", "HILL", "librarian", "Riverside"),
        library("Thư viện Sông Hương", "HUONG", "owner", "Huế"),
        library("Old Mill Reading Room", "MILL", "volunteer", ""),
    ]
}

fn requests() -> Vec<RequestLine> {
    let request = |id: &str, library: &str, state: &str, decided_at, note: Option<&str>| RequestLine {
        id: id.to_owned(),
        library: library.to_owned(),
        state: state.to_owned(),
        asked_at: at(-4),
        decided_at,
        note: note.map(str::to_owned),
    };
    let note = "Thank you for your offer. Please come by on Saturday, so that we can talk about it.";
    vec![
        request("r1", "Hill Street Library", "pending", None, None),
        request("r2", "Thư viện Sông Hương", "approved", Some(at(-2)), None),
        request("r3", "Old Mill Reading Room", "declined", Some(at(-1)), Some(note)),
        request("r4", "Old Mill Reading Room", "withdrawn", Some(at(-3)), None),
    ]
}

fn open_requests() -> Vec<OpenRequest> {
    let request = |id: &str, email: &str, name: Option<&str>, message: Option<&str>| OpenRequest {
        id: id.to_owned(),
        library_code: "HILL".to_owned(),
        library: "Hill Street Library".to_owned(),
        email: email.to_owned(),
        name: name.map(str::to_owned),
        message: message.map(str::to_owned),
        asked_at: at(-2),
    };
    vec![
        request("q1", "lan.tran@example.net", Some("Trần Thị Lan"), Some(MESSAGE)),
        request("q2", "somebody@example.com", None, None),
    ]
}
