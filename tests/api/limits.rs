//! How often is too often, and what the answer says of it.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use super::sign_in::wrong_codes;
use super::support::app::{MANAGE, READER, text};
use super::support::{TestApp, on_both_backends};

on_both_backends! {
    async fn an_address_gets_one_mail_a_minute_five_an_hour_ten_a_day(app: TestApp) {
        let ask = async || app.request_code(READER, "ada@example.org").await;
        let wait = |answer: &crate::support::Answer| -> u64 {
            answer.assert_problem(429, "over_email_send_rate_limit");
            let seconds = answer.header("retry-after").unwrap().to_owned();
            let message = format!("For security purposes, you can only request this after {seconds} seconds.");
            assert_eq!(text(&answer.body, "message"), message);
            seconds.parse().unwrap()
        };
        ask().await.assert_ok();
        let seconds = wait(&ask().await);
        assert!((50..=60).contains(&seconds), "{seconds}");
        // The other site has a gap of its own: signing in on both in a row is what people do.
        app.request_code(MANAGE, "ada@example.org").await.assert_ok();
        for _ in 0..3 {
            app.advance(Duration::from_secs(61)).await;
            ask().await.assert_ok();
        }
        app.advance(Duration::from_secs(61)).await;
        let seconds = wait(&ask().await);
        assert!((3000..=3600).contains(&seconds), "five an hour over all sites: {seconds}");
        app.advance(Duration::from_secs(seconds)).await;
        // The hour is a sliding one: the oldest mail left it, and one more fits.
        ask().await.assert_ok();
        for _ in 0..4 {
            app.advance(Duration::from_secs(3600)).await;
            ask().await.assert_ok();
        }
        app.advance(Duration::from_secs(3600)).await;
        let seconds = wait(&ask().await);
        assert!((50_000..=86_400).contains(&seconds), "ten a day: {seconds}");
        app.request_code(READER, "eve@example.org").await.assert_ok();
    }

    async fn t04_wrong_guesses_are_counted_over_all_codes_and_sites_and_then_the_code_is_long(app: TestApp) {
        app.sign_in(READER, "ada@example.org").await;
        let mut mails = 1;
        for round in 0..4 {
            app.advance(Duration::from_secs(3700)).await;
            let host = if round % 2 == 0 { READER } else { MANAGE };
            app.request_code(host, "ada@example.org").await.assert_ok();
            mails += 1;
            let code = app.code("ada@example.org", mails).await;
            assert_eq!(code.len(), 6);
            for wrong in wrong_codes(&code, 5) {
                app.verify(host, "ada@example.org", &wrong).await.assert_problem(403, "otp_expired");
            }
        }
        app.advance(Duration::from_secs(3700)).await;
        app.request_code(READER, "ada@example.org").await.assert_ok();
        let long = app.code("ada@example.org", mails + 1).await;
        assert_eq!(long.len(), 13, "the owner still gets in, a guesser no longer");
        app.verify(READER, "ada@example.org", "123456").await.assert_problem(403, "otp_expired");
        app.verify(READER, "ada@example.org", &long.to_lowercase()).await.assert_ok();
        app.advance(Duration::from_secs(86_400)).await;
        app.request_code(READER, "ada@example.org").await.assert_ok();
        assert_eq!(app.code("ada@example.org", mails + 2).await.len(), 6, "a day later all is as before");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_is_limited_before_anything_else_happens() {
    let app = TestApp::on_services_with(&[
        ("LIMITS__CODE_REQUESTS", "3"),
        ("LIMITS__VERIFIES", "3"),
        ("LIMITS__REFRESHES", "3"),
    ])
    .await;
    for number in 0..3 {
        app.request_code(READER, &format!("ada{number}@example.org")).await.assert_ok();
        app.verify(READER, "ada@example.org", "000000").await.assert_problem(403, "otp_expired");
        app.refresh(READER, "dcrt_x").await.assert_problem(400, "validation_failed");
    }
    let limited = app.request_code(READER, "ada3@example.org").await;
    limited.assert_problem(429, "over_request_rate_limit");
    assert_eq!(text(&limited.body, "message"), "Request rate limit reached");
    let seconds: u64 = limited.header("retry-after").unwrap().parse().unwrap();
    assert!((90..=100).contains(&seconds), "{seconds}");
    app.verify(READER, "ada@example.org", "000000").await.assert_problem(429, "over_request_rate_limit");
    app.refresh(READER, "dcrt_x").await.assert_problem(429, "over_request_rate_limit");
    assert_eq!(app.mails_to("ada3@example.org"), 0);
    // T17: a client cannot name itself; there is no proxy here.
    let body = json!({"email": "ada4@example.org"}).to_string();
    for header in ["x-forwarded-for", "x-real-ip", "forwarded"] {
        let spoofed = [(header, "198.51.100.7")];
        let answer = app.send(READER, Method::POST, "/auth/v1/otp", &spoofed, Some(body.clone())).await;
        answer.assert_problem(429, "over_request_rate_limit");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t17_behind_a_listed_proxy_the_client_is_who_the_proxy_says() {
    let app = TestApp::on_services_with(&[
        ("LIMITS__CODE_REQUESTS", "1"),
        ("SERVER__TRUSTED_PROXIES", "127.0.0.1"),
    ])
    .await;
    let ask = async |forwarded: &str, email: &str| {
        let body = json!({"email": email}).to_string();
        app.send(READER, Method::POST, "/auth/v1/otp", &[("x-forwarded-for", forwarded)], Some(body)).await
    };
    ask("198.51.100.7", "a@example.org").await.assert_ok();
    ask("198.51.100.8", "b@example.org").await.assert_ok();
    ask("203.0.113.1, 198.51.100.7", "c@example.org").await.assert_problem(429, "over_request_rate_limit");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t09_a_site_sends_no_more_than_its_budget() {
    let app = TestApp::on_services_with(&[("SITES__READER__MAILS_PER_HOUR", "2")]).await;
    app.request_code(READER, "a@example.org").await.assert_ok();
    app.request_code(READER, "b@example.org").await.assert_ok();
    let answer = app.request_code(READER, "c@example.org").await;
    answer.assert_problem(429, "over_email_send_rate_limit");
    assert_eq!(text(&answer.body, "message"), "email rate limit exceeded");
    app.request_code(MANAGE, "a@example.org").await.assert_ok();
    app.advance(Duration::from_secs(3601)).await;
    app.request_code(READER, "c@example.org").await.assert_ok();
}
