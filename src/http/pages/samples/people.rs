//! Made-up people: their accounts, libraries and requests.

use chrono::{DateTime, TimeDelta, Utc};

use super::PERSON;
use crate::http::pages::view::{
    LibraryLine, Notice, OpenRequest, Page, PreferencesForm, ProfileForm, RequestLine, SessionLine,
};

pub(super) const MESSAGE: &str = "Hello,\n\nwe spoke at the book fair last week. It would be two evenings a week at first, at the desk \
     & with new books.\nAsk me anything!";

/// So many days after the day of the samples.
pub(super) fn at(days: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_367_500, 0).unwrap_or_default() + TimeDelta::days(days)
}

pub(super) fn profile() -> ProfileForm {
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

pub(super) fn account(
    email_change: Option<&str>,
    libraries: Vec<LibraryLine>,
    notice: Option<Notice>,
) -> Page {
    let session = |id: &str, device: &str, ip: &str, days: i64, current| SessionLine {
        id: id.to_owned(),
        site: "City Library".to_owned(),
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
            reading_activity: "followers".to_owned(),
            review_visibility: "public".to_owned(),
            email_enabled: true,
            due_date_reminders: true,
            social_activity: true,
            version: 5,
            ..PreferencesForm::default()
        },
        sessions: vec![
            session("s1", "Firefox, Windows", "203.0.113.7", 0, true),
            session("s2", "Safari on iPhone", "2001:db8:85a3::8a2e:370:7334", 3, false),
            session("s3", "", "198.51.100.24", 20, false),
        ],
        email: PERSON.to_owned(),
        email_change: email_change.map(str::to_owned),
        libraries,
        notice,
    }
}

pub(super) fn email_change(current_done: bool, notice: Option<Notice>) -> Page {
    Page::EmailChange {
        current: PERSON.to_owned(),
        new: "a-rather-long-address-of-somebody@mail.department.example.net".to_owned(),
        current_done,
        new_done: false,
        resend_in_secs: 30,
        notice,
    }
}

pub(super) fn delete(code_sent: bool, notice: Option<Notice>) -> Page {
    Page::DeleteAccount { email: PERSON.to_owned(), code_sent, minutes: 10, notice }
}

pub(super) fn libraries() -> Vec<LibraryLine> {
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

pub(super) fn requests() -> Vec<RequestLine> {
    let request = |id: &str, library: &str, state: &str, decided_at, note: Option<&str>| RequestLine {
        id: id.to_owned(),
        library: library.to_owned(),
        state: state.to_owned(),
        asked_at: at(-4),
        decided_at,
        note: note.map(str::to_owned),
        version: 1,
    };
    let note = "Thank you for your offer. Please come by on Saturday, so that we can talk about it.";
    vec![
        request("r1", "Hill Street Library", "pending", None, None),
        request("r2", "Thư viện Sông Hương", "approved", Some(at(-2)), None),
        request("r3", "Old Mill Reading Room", "declined", Some(at(-1)), Some(note)),
        request("r4", "Old Mill Reading Room", "withdrawn", Some(at(-3)), None),
    ]
}

pub(super) fn open_requests() -> Vec<OpenRequest> {
    let request = |id: &str, email: &str, name: Option<&str>, message: Option<&str>| OpenRequest {
        id: id.to_owned(),
        library_code: "HILL".to_owned(),
        library: "Hill Street Library".to_owned(),
        email: email.to_owned(),
        name: name.map(str::to_owned),
        message: message.map(str::to_owned),
        asked_at: at(-2),
        version: 1,
    };
    vec![
        request("q1", "lan.tran@example.net", Some("Trần Thị Lan"), Some(MESSAGE)),
        request("q2", "somebody@example.com", None, None),
    ]
}
