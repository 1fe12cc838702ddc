//! Every page in every shape it takes, with made-up people: for looking at, and for tests.

mod people;

use std::time::Duration;

use url::Url;

use self::people::{MESSAGE, account, at, delete, email_change, libraries, open_requests, profile, requests};
use super::view::{DisownStanding, InvitationStanding, Notice, NoticeKind, Page};
use crate::domain::{Color, EmailAddress, Gate, Locale, Look, MailLink, Site, SiteKind, TokenAlgorithm};

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
        mail_link: MailLink::Page,
        look: Look {
            color,
            logo: None,
            footer: "Riverside Library Association, 12 Hill Street, Riverside".to_owned(),
            pages: true,
            library_home: "/?library={code}".to_owned(),
        },
        gate: Gate::default(),
    })
}

/// Every page, in the order in which a person meets them.
pub(super) fn samples() -> Vec<Sample> {
    use SiteKind::{Management, Reader};
    let of = |name, kind, signed_in, page| Sample { name, kind, signed_in, page };
    let mut all = sign_in();
    all.extend([
        of(
            "welcome",
            Reader,
            true,
            Page::Welcome { form: profile(), redirect_to: "/".to_owned(), notice: None },
        ),
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
    let not_me =
        |standing| Page::NotMe { token: "bm90IGEgdG9rZW4".to_owned(), kind: "sign_in".to_owned(), standing };
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
            Page::Confirm {
                token_hash: "bm90IGEgdG9rZW4".to_owned(),
                kind: "email".to_owned(),
                redirect_to: String::new(),
            },
        ),
        of("confirm-failed", Reader, Page::ConfirmFailed),
        of("not-me", Reader, not_me(DisownStanding::Asks)),
        of("not-me-done", Reader, not_me(DisownStanding::Done)),
        of("not-me-over", Reader, not_me(DisownStanding::Over)),
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
