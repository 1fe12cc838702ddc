//! What is told, and how often.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};

use super::{counted, log};
use crate::sign_in::wrong_codes;
use crate::support::TestApp;
use crate::support::app::{Answer, READER, text};

/// What the answers say must be in the log.
#[derive(Default)]
struct Expected(BTreeMap<String, u64>);

impl Expected {
    fn add(&mut self, action: &str) {
        *self.0.entry(action.to_owned()).or_default() += 1;
    }

    /// Counts an answer by what it says, not by what was tried.
    fn judge(&mut self, answer: &Answer, done: &str, refused: &str) -> bool {
        let limited = answer.body["code"] == "over_request_rate_limit";
        match answer.status.as_u16() {
            200 | 204 => self.add(done),
            429 if limited => self.add("request_limited"),
            _ => self.add(refused),
        }
        answer.status.is_success()
    }
}

/// Ends in a thousand answers; each is one event, whatever it was.
async fn a_thousand(app: TestApp) {
    let mut expected = Expected::default();
    let mut secrets = Vec::new();
    let mut answers = 0;
    let people = 75;
    for number in 0..people {
        let email = format!("person-{number}@example.org");
        for _ in 0..3 {
            expected.judge(&app.request_code(READER, &email).await, "code_asked", "code_limited");
            answers += 1;
        }
        let code = app.code(&email, 1).await;
        let wrong = wrong_codes(&code, 2);
        for guess in [wrong[0].as_str(), wrong[1].as_str(), "12345"] {
            expected.judge(&app.verify(READER, &email, guess).await, "-", "code_refused");
            answers += 1;
        }
        let session = app.verify(READER, &email, &code).await;
        answers += 1;
        let signed_in = expected.judge(&session, "user_signedup", "code_refused");
        expected.judge(&app.verify(READER, &email, &code).await, "-", "code_refused");
        let foreign = format!("dcrt_{}", "A".repeat(50));
        expected.judge(&app.refresh(READER, &foreign).await, "-", "refresh_refused");
        answers += 2;
        secrets.extend([email, code]);
        if !signed_in {
            continue;
        }
        let access = text(&session.body, "access_token").to_owned();
        let refresh = text(&session.body, "refresh_token").to_owned();
        let change = app
            .as_bearer(READER, Method::PUT, "/auth/v1/user", &access, Some(json!({"data": {"n": number}})))
            .await;
        expected.judge(&change, "user_modified", "-");
        expected.judge(&app.logout(READER, "?scope=local", &access).await, "logout", "-");
        answers += 2;
        secrets.extend([access, refresh]);
    }
    for number in 0..1000 - answers {
        let email = format!("nobody-{number}@example.org");
        expected.judge(&app.verify(READER, &email, "123456").await, "-", "code_refused");
        answers += 1;
        secrets.push(email);
    }
    assert_eq!(answers, 1000);
    assert!(expected.0.values().all(|count| *count > 0) && !expected.0.contains_key("-"), "{:?}", expected.0);
    assert!(expected.0.contains_key("request_limited"), "the shield was met: {:?}", expected.0);

    let records = log(&app).await;
    assert_eq!(counted(&records), expected.0);
    // The shield's refusals are a row for each limit, not one for each request.
    assert!(records.iter().filter(|record| record.action == "request_limited").count() <= 3);
    let written = records.iter().map(|record| format!("{record:?}")).collect::<Vec<_>>().join("\n");
    for secret in &secrets {
        let is_code = secret.len() == 6;
        // Six digits in a row occur in ids and times; a code would stand by itself.
        let shown = if is_code { format!("\"{secret}\"") } else { secret.clone() };
        assert!(!written.contains(&shown), "{shown} is in the log");
    }
    for record in &records {
        assert_eq!(record.site.as_deref(), Some("reader"), "{record:?}");
        assert_eq!(record.ip.as_deref(), Some("127.0.0.1"), "{record:?}");
        if record.action == "code_asked" {
            assert_eq!(record.details["domain"], "example.org");
            assert_eq!(record.details["address"].as_str().map(str::len), Some(32));
        }
    }
}

const CHANGES: [(&str, &str); 1] = [("LIMITS__REFRESHES", "40")];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t45_a_thousand_mixed_requests_are_a_thousand_events_on_services() {
    a_thousand(TestApp::on_services_with(&CHANGES).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t45_a_thousand_mixed_requests_are_a_thousand_events_on_the_embedded_stores() {
    a_thousand(TestApp::on_filled_embedded("select 1", &CHANGES).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_changes_their_address_profile_and_sessions_is_on_record_once_for_each_act() {
    let app = TestApp::on_services().await;
    let session = app.sign_in(READER, "ada@example.org").await;
    let access = text(&session, "access_token");
    let put =
        async |body: Value| app.as_bearer(READER, Method::PUT, "/auth/v1/user", access, Some(body)).await;
    put(json!({"email": "ada@example.net"})).await.assert_ok();
    let current = app.code("ada@example.org", 2).await;
    let new = app.code("ada@example.net", 1).await;
    let prove = async |email: &str, code: &str| {
        let body = json!({"type": "email_change", "email": email, "token": code});
        app.post(READER, "/auth/v1/verify", body).await
    };
    let wrong = &wrong_codes(&current, 1)[0];
    prove("ada@example.org", wrong).await.assert_problem(403, "otp_expired");
    prove("ada@example.net", wrong).await.assert_problem(403, "otp_expired");
    prove("eve@example.org", wrong).await.assert_problem(403, "otp_expired");
    prove("ada@example.org", &current).await.assert_ok();
    let changed = prove("ada@example.net", &new).await;
    let access = text(&changed.assert_ok().body, "access_token");
    let profile = app.as_bearer(READER, Method::GET, "/api/v1/profile", access, None).await;
    let version = profile.assert_ok().header("etag").unwrap().to_owned();
    let bearer = format!("Bearer {access}");
    app.send(
        READER,
        Method::PATCH,
        "/api/v1/profile",
        &[("authorization", &bearer), ("if-match", &version)],
        Some(json!({"bio": "Analyst"}).to_string()),
    )
    .await
    .assert_ok();
    let records = log(&app).await;
    let actions: Vec<_> = records.iter().map(|record| record.action.as_str()).collect();
    let mut sorted = actions.clone();
    sorted.sort_unstable();
    assert_eq!(
        sorted,
        [
            "code_asked",
            "code_asked",
            "code_asked",
            "code_refused",
            "code_refused",
            "code_refused",
            "email_change_asked",
            "email_change_proven",
            "profile_changed",
            "user_modified",
            "user_signedup",
        ]
    );
    let profile = records.iter().find(|record| record.action == "profile_changed").unwrap();
    assert_eq!(profile.details, json!({"fields": ["bio"]}));
    // Who was signed in when they asked is known.
    let asked = records.iter().filter(|record| record.action == "code_asked" && record.actor_id.is_some());
    assert_eq!(asked.count(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_that_are_taken_twice_are_on_record_once() {
    let app = TestApp::on_services().await;
    app.request_code(READER, "ada@example.org").await.assert_ok();
    let taken = app.flows.codes.take_events(0).await.unwrap();
    app.flows.db.record_events(&taken.events).await.unwrap();
    app.flows.db.record_events(&taken.events).await.unwrap();
    // Whoever did that died before saying so: the events are still there, and go the usual way.
    assert_eq!(counted(&log(&app).await), BTreeMap::from([("code_asked".to_owned(), 1)]));
    assert!(app.flows.codes.take_events(0).await.unwrap().events.is_empty());
}
