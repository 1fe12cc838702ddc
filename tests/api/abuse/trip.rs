//! A few guesses at each of very many addresses.

use std::time::Duration;

use doorcode::domain::AuditAction;

use super::{Client, PROXY, events, metric, on_both};
use crate::sign_in::wrong_codes;
use crate::support::TestApp;
use crate::support::app::{MANAGE, READER};

/// Guesses wrongly once at `count` addresses; each has a code of its own.
async fn spray(app: &TestApp, count: u32) {
    for number in 0..count {
        let email = format!("victim-{number}@example.org");
        Client::anywhere(app).ask(READER, &email).await.assert_ok();
        let code = app.code(&email, 1).await;
        let wrong = wrong_codes(&code, 1);
        let guess = Client::anywhere(app).verify(READER, &email, &wrong[0]).await;
        guess.assert_problem(403, "otp_expired");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t05_a_guess_at_each_of_very_many_addresses_makes_all_codes_long() {
    on_both(&[("CODES__GUESSES_PER_10MIN", "12")], async |app| {
        app.request_code(READER, "ada@example.org").await.assert_ok();
        let short = app.code("ada@example.org", 1).await;
        assert_eq!(metric(app, "doorcode_guessing_tripped").await, "0");
        spray(app, 12).await;
        assert_eq!(metric(app, "doorcode_guessing_tripped").await, "1");
        let told = events(app, AuditAction::GuessingTripped).await;
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0].actor_kind, "system");
        // A code that was asked for before is six digits that anybody may be guessing at.
        app.verify(READER, "ada@example.org", &short).await.assert_problem(403, "otp_expired");
        app.advance(Duration::from_secs(61)).await;
        app.request_code(READER, "ada@example.org").await.assert_ok();
        let long = app.code("ada@example.org", 2).await;
        assert_eq!(long.len(), 13);
        app.verify(READER, "ada@example.org", &long).await.assert_ok();
        app.advance(Duration::from_secs(601)).await;
        assert_eq!(metric(app, "doorcode_guessing_tripped").await, "0");
        app.request_code(MANAGE, "ada@example.org").await.assert_ok();
        assert_eq!(app.code("ada@example.org", 3).await.len(), 6, "it passes by itself");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t05_slow_guessing_is_counted_over_a_day_and_what_was_typed_wrongly_before_the_right_code_is_not() {
    on_both(&[("CODES__GUESSES_PER_DAY", "10")], async |app| {
        for round in 1..=4 {
            app.request_code(READER, "ada@example.org").await.assert_ok();
            let code = app.code("ada@example.org", round).await;
            for wrong in wrong_codes(&code, 4) {
                app.verify(READER, "ada@example.org", &wrong).await.assert_problem(403, "otp_expired");
            }
            app.verify(READER, "ada@example.org", &code).await.assert_ok();
            app.advance(Duration::from_secs(61)).await;
        }
        assert_eq!(metric(app, "doorcode_guessing_tripped").await, "0", "sixteen typing errors");
        spray(app, 9).await;
        app.advance(Duration::from_secs(7200)).await;
        assert_eq!(metric(app, "doorcode_guessing_tripped").await, "0");
        app.request_code(READER, "eve@example.org").await.assert_ok();
        let code = app.code("eve@example.org", 1).await;
        let wrong = wrong_codes(&code, 1);
        app.verify(READER, "eve@example.org", &wrong[0]).await.assert_problem(403, "otp_expired");
        assert_eq!(metric(app, "doorcode_guessing_tripped").await, "1");
        app.advance(Duration::from_secs(80_000)).await;
        assert_eq!(metric(app, "doorcode_guessing_tripped").await, "0", "the first nine are a day old");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t05_replicas_trip_together() {
    let changes = [("CODES__GUESSES_PER_10MIN", "10"), PROXY];
    let app = TestApp::on_services_with(&changes).await;
    spray(&app, 10).await;
    let replica = app.replica(&changes).await;
    assert_eq!(metric(&replica, "doorcode_guessing_tripped").await, "1");
    replica.request_code(READER, "ada@example.org").await.assert_ok();
    let mail = async {
        loop {
            for at in [&app, &replica] {
                if at.mails_to("ada@example.org") > 0 {
                    return at.code("ada@example.org", 1).await;
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let code = tokio::time::timeout(Duration::from_secs(20), mail).await.unwrap();
    assert_eq!(code.len(), 13);
}
