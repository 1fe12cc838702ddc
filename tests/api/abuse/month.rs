//! Guesses over many days, and over the loss of the code store.

use std::time::Duration;

use doorcode::domain::UserId;

use super::on_both;
use crate::admin::operator;
use crate::sign_in::wrong_codes;
use crate::support::TestApp;
use crate::support::app::{READER, text};

/// Six guesses in thirty days instead of a hundred.
const SIX: &[(&str, &str)] = &[("CODES__WRONG_PER_MONTH", "6")];
const ADA: &str = "ada@example.org";

/// Asks for a code as soon as one can be had; the code of this mail.
async fn next_code(app: &TestApp) -> String {
    app.advance(Duration::from_secs(61)).await;
    let before = app.mails_to(ADA);
    app.request_code(READER, ADA).await.assert_ok();
    app.code(ADA, before + 1).await
}

async fn guess(app: &TestApp, code: &str, count: u32) {
    for wrong in wrong_codes(code, count) {
        app.verify(READER, ADA, &wrong).await.assert_problem(403, "otp_expired");
    }
}

/// Until all that was guessed is remembered.
async fn remembered(app: &TestApp) {
    app.flows.finish_audit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t04_guesses_of_a_month_make_the_code_long_and_signing_in_does_not_clear_them() {
    on_both(SIX, async |app| {
        let session = app.sign_in(READER, ADA).await;
        let code = next_code(app).await;
        guess(app, &code, 4).await;
        remembered(app).await;
        let code = next_code(app).await;
        assert_eq!(code.len(), 6);
        guess(app, &code, 2).await;
        remembered(app).await;
        app.verify(READER, ADA, &code).await.assert_problem(403, "otp_expired");
        for _ in 0..2 {
            let long = next_code(app).await;
            assert_eq!(long.len(), 13, "the owner still gets in");
            app.verify(READER, ADA, &long).await.assert_ok();
        }
        app.advance(Duration::from_secs(3600)).await;
        let ada = UserId(text(&session["user"], "id").parse().unwrap());
        app.flows.unlock_account(&operator(), ada).await.unwrap();
        assert_eq!(next_code(app).await.len(), 6, "an administrator lifts it");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t04_a_guess_counts_for_thirty_days() {
    let app = TestApp::on_services_with(SIX).await;
    let code = next_code(&app).await;
    guess(&app, &code, 3).await;
    remembered(&app).await;
    app.advance(Duration::from_secs(10 * 86_400)).await;
    let code = next_code(&app).await;
    guess(&app, &code, 3).await;
    remembered(&app).await;
    app.advance(Duration::from_secs(19 * 86_400)).await;
    assert_eq!(next_code(&app).await.len(), 13, "twenty-nine days after the first");
    app.advance(Duration::from_secs(86_400)).await;
    assert_eq!(next_code(&app).await.len(), 6, "thirty days after it");
    let services = app.services.as_ref().unwrap();
    assert_eq!(services.count("auth.wrong_guesses").await, 6);
    app.flows.db.sweep_wrong_guesses().await.unwrap();
    assert_eq!(services.count("auth.wrong_guesses").await, 3, "what counts no more goes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f03_guesses_of_the_day_and_of_the_month_survive_a_redis_that_lost_everything() {
    for (settings, guesses) in
        [(SIX, 6), (&[("CODES__WRONG_PER_DAY", "7"), ("CODES__WRONG_PER_MONTH", "1000")][..], 7)]
    {
        let app = TestApp::on_services_with(settings).await;
        let first = next_code(&app).await;
        guess(&app, &first, 5).await;
        let second = next_code(&app).await;
        guess(&app, &second, guesses - 5).await;
        remembered(&app).await;
        let services = app.services.as_ref().unwrap();
        let mut redis = services.redis().await;
        for key in services.keys().await {
            redis::cmd("DEL").arg(key).exec_async(&mut redis).await.unwrap();
        }
        let back = async {
            while !services.keys().await.iter().any(|key| key.contains(":spent:") || key.contains(":wrong:"))
            {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), back).await.expect("the guesses come back");
        assert_eq!(next_code(&app).await.len(), 13, "{guesses} guesses");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t04_a_guess_that_is_told_twice_is_one() {
    let app = TestApp::on_services_with(SIX).await;
    let code = next_code(&app).await;
    guess(&app, &code, 5).await;
    remembered(&app).await;
    remembered(&app).await;
    let services = app.services.as_ref().unwrap();
    assert_eq!(services.count("auth.wrong_guesses").await, 5);
    let told = "auth.audit_log where action = 'code_refused'";
    assert_eq!(services.count(told).await, 5);
}
