//! What people and settings say is text on every page, and nothing else.

use chrono::DateTime;

use super::super::*;
use crate::domain::{SiteKind, test_site};
use crate::http::pages::view::{
    InvitationStanding, LibraryLine, OpenRequest, PreferencesForm, ProfileForm, RequestLine, SessionLine,
};

const HOSTILE: &str = "<b onclick=x>{{7*7}}</b>\"'><script>alert(1)</script>\u{202e}\u{2066}\r\n{site}\0";

/// Every page that shows what somebody wrote, with the same text everywhere.
fn pages() -> Vec<Page> {
    let text = || HOSTILE.to_owned();
    let when = DateTime::from_timestamp(1_767_367_500, 0).unwrap();
    let library =
        || LibraryLine { name: text(), code: text(), role: text(), href: "/x".to_owned(), city: text() };
    let profile = || ProfileForm {
        display_name: text(),
        bio: text(),
        city: text(),
        country: text(),
        timezone: text(),
        website: text(),
        language: text(),
        version: 1,
    };
    let invitation = |standing| Page::Invitation {
        library: text(),
        role: "owner".to_owned(),
        inviter: Some(text()),
        message: Some(text()),
        expires_at: when,
        standing,
        action: "/invitations/x".to_owned(),
        notice: None,
    };
    let session = SessionLine {
        id: text(),
        site: text(),
        device: text(),
        ip: text(),
        opened_at: when,
        seen_at: when,
        current: false,
    };
    let request = RequestLine {
        id: text(),
        library: text(),
        state: "declined".to_owned(),
        asked_at: when,
        decided_at: None,
        note: Some(text()),
        version: 1,
    };
    let open = OpenRequest {
        id: text(),
        library_code: text(),
        library: text(),
        email: text(),
        name: Some(text()),
        message: Some(text()),
        asked_at: when,
        version: 1,
    };
    vec![
        Page::Login {
            email: text(),
            redirect_to: text(),
            register: false,
            sign_up: Some((text(), text())),
            notice: None,
        },
        Page::Code { email: text(), minutes: 1, resend_in_secs: 1, notice: None },
        Page::Welcome { form: profile(), redirect_to: text(), notice: None },
        Page::Account {
            profile: profile(),
            preferences: PreferencesForm::default(),
            sessions: vec![session],
            email: text(),
            email_change: Some(text()),
            libraries: vec![library()],
            notice: None,
        },
        Page::EmailChange {
            current: text(),
            new: text(),
            current_done: false,
            new_done: false,
            resend_in_secs: 0,
            notice: None,
        },
        Page::DeleteAccount { email: text(), code_sent: true, minutes: 10, notice: None },
        Page::RequestAccess { library: text(), message: text(), requests: vec![request], notice: None },
        Page::AccessRequests { requests: vec![open], notice: None },
        invitation(InvitationStanding::Yours),
        invitation(InvitationStanding::OtherAddress { email: text() }),
        Page::Libraries { libraries: vec![library()], notice: None },
        Page::Confirm { token_hash: text(), kind: text(), redirect_to: text() },
        Page::Failure { key: "broken", retry_after: None, request_id: text() },
    ]
}

#[test]
fn what_strangers_write_is_only_text() {
    let look = Pages::parse().unwrap();
    let mut site = test_site("reader", SiteKind::Reader);
    site.name = HOSTILE.to_owned();
    site.look.footer = HOSTILE.to_owned();
    for page in pages() {
        let frame = Frame {
            site: &site,
            locale: Locale::English,
            here: HOSTILE,
            token: HOSTILE,
            person: Some(HOSTILE),
        };
        let html = look.render(&frame, &page).unwrap();
        assert!(html.contains("&lt;b onclick=x&gt;{{7*7}}&lt;/b&gt;&quot;&#39;&gt;&lt;script&gt;"), "{html}");
        assert!(!html.contains("<b ") && !html.contains("<script>") && !html.contains("49<"));
        assert!(!html.contains(|c: char| turns_text(c) || (c.is_control() && c != '\n')));
        // A value ends where its attribute does.
        assert!(html.matches(HOSTILE.split('"').next().unwrap()).count() == 0);
    }
}
