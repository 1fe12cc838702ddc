//! Input that breaks a rule gets a clear answer and leaves nothing behind: no row, no mail, no counted try.

use reqwest::Method;
use serde_json::json;

use super::support::TestApp;
use super::support::app::{READER, text};

/// Path, body, and the status and code that it gets.
fn cases() -> Vec<(&'static str, String, u16, &'static str)> {
    let long_local = format!("{}@example.org", "a".repeat(65));
    let email = |email: &str| json!({"email": email}).to_string();
    vec![
        ("/otp", String::new(), 400, "bad_json"),
        ("/otp", "{".to_owned(), 400, "bad_json"),
        ("/otp", "{\"email\": \"a@b.co\"} x".to_owned(), 400, "bad_json"),
        ("/otp", format!("{}1{}", "[".repeat(100_000 / 4), "]".repeat(100_000 / 4)), 400, "bad_json"),
        ("/otp", "[]".to_owned(), 400, "validation_failed"),
        ("/otp", "\"x\"".to_owned(), 400, "validation_failed"),
        ("/otp", "null".to_owned(), 400, "validation_failed"),
        ("/otp", "{}".to_owned(), 400, "validation_failed"),
        ("/otp", json!({"email": 7}).to_string(), 400, "validation_failed"),
        ("/otp", json!({"email": ["a@b.co"]}).to_string(), 400, "validation_failed"),
        ("/otp", json!({"email": "a@b.co", "create_user": "yes"}).to_string(), 400, "validation_failed"),
        ("/otp", json!({"email": "a@b.co", "data": [1]}).to_string(), 400, "validation_failed"),
        (
            "/otp",
            json!({"email": "a@b.co", "data": {"x": "y".repeat(3000)}}).to_string(),
            400,
            "validation_failed",
        ),
        ("/otp", json!({"email": "a@b.co", "phone": "+15551234"}).to_string(), 400, "validation_failed"),
        ("/otp", json!({"phone": "+15551234"}).to_string(), 400, "phone_provider_disabled"),
        (
            "/otp",
            json!({"email": "a@b.co", "code_challenge": "x".repeat(43)}).to_string(),
            400,
            "validation_failed",
        ),
        (
            "/otp",
            json!({"email": "a@b.co", "code_challenge": "x", "code_challenge_method": "s256"}).to_string(),
            400,
            "validation_failed",
        ),
        ("/otp", email("Ada <ada@example.org>"), 400, "validation_failed"),
        ("/otp", email("ada@example.org,eve@example.org"), 400, "validation_failed"),
        ("/otp", email("\"ada\"@example.org"), 400, "validation_failed"),
        ("/otp", email("ada@[127.0.0.1]"), 400, "validation_failed"),
        ("/otp", email("ada@example.org\r\nBcc: eve@example.org"), 400, "validation_failed"),
        ("/otp", email(&long_local), 400, "validation_failed"),
        ("/otp", "x".repeat(70_000), 413, "request_entity_too_large"),
        ("/verify", "{}".to_owned(), 400, "validation_failed"),
        ("/verify", json!({"type": "email", "email": "a@b.co"}).to_string(), 400, "validation_failed"),
        ("/verify", json!({"type": "email", "token": "123456"}).to_string(), 400, "validation_failed"),
        (
            "/verify",
            json!({"type": "email", "token": 123_456, "email": "a@b.co"}).to_string(),
            400,
            "validation_failed",
        ),
        (
            "/verify",
            json!({"type": "email", "token": "123456", "email": "nonsense"}).to_string(),
            422,
            "validation_failed",
        ),
        (
            "/verify",
            json!({"type": "email", "token": "123456", "token_hash": "x"}).to_string(),
            400,
            "validation_failed",
        ),
        ("/verify", json!({"type": "nonsense", "token_hash": "x"}).to_string(), 400, "validation_failed"),
        (
            "/verify",
            json!({"type": "nonsense", "token": "123456", "email": "a@b.co"}).to_string(),
            403,
            "otp_expired",
        ),
        (
            "/verify",
            json!({"type": "sms", "token": "123456", "phone": "+15551234567"}).to_string(),
            403,
            "otp_expired",
        ),
        (
            "/verify",
            json!({"type": "sms", "token": "123456", "phone": "invalid"}).to_string(),
            400,
            "validation_failed",
        ),
        ("/resend", "{}".to_owned(), 400, "validation_failed"),
        ("/token", "{}".to_owned(), 400, "invalid_credentials"),
        ("/token?grant_type=password", "{}".to_owned(), 400, "invalid_credentials"),
        ("/token?grant_type=refresh_token", "{}".to_owned(), 400, "validation_failed"),
        (
            "/token?grant_type=refresh_token",
            json!({"refresh_token": "nonsense"}).to_string(),
            400,
            "validation_failed",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_cannot_be_read_or_break_a_rule_change_nothing() {
    let app = TestApp::on_services().await;
    for (path, body, status, code) in cases() {
        let shown: String = body.chars().take(80).collect();
        let answer = app.send(READER, Method::POST, &format!("/auth/v1{path}"), &[], Some(body)).await;
        assert_eq!(
            (answer.status.as_u16(), answer.body["code"].as_str()),
            (status, Some(code)),
            "{path} {shown}: {answer:?}"
        );
        let message = text(&answer.body, "message");
        assert!(!message.is_empty() && !message.contains("123456"), "{path} {shown}: {message}");
    }
    let services = app.services.as_ref().unwrap();
    assert_eq!(services.count("auth.users").await, 0);
    // The queue itself exists, empty, since the server started; so does the note that guesses were brought back.
    let is_own = |key: &String| [":mail", ":remembered"].iter().any(|end| key.ends_with(end));
    let kept: Vec<_> = services.keys().await.into_iter().filter(|key| !is_own(key)).collect();
    assert_eq!(kept, Vec::<String>::new(), "something was kept for input that was refused");
    assert!(app.inbox().list().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_is_read_up_to_the_limit_and_no_further() {
    use std::time::Duration;

    let app = TestApp::on_services().await;
    // A body without an end, in chunks: the answer must come long before it could be read.
    let endless = futures_util::stream::unfold((), |()| async {
        tokio::time::sleep(Duration::from_millis(1)).await;
        Some((Ok::<_, std::io::Error>(vec![b' '; 8192]), ()))
    });
    let request = reqwest::Client::new()
        .post(app.url("/auth/v1/otp"))
        .header("host", READER)
        .body(reqwest::Body::wrap_stream(endless));
    let answer =
        tokio::time::timeout(Duration::from_secs(10), request.send()).await.expect("an answer in time");
    match answer {
        Ok(answer) => assert_eq!(answer.status().as_u16(), 413),
        // The server may close before a client that is still sending reads the answer.
        Err(error) => assert!(error.is_request() || error.is_body(), "{error:?}"),
    }
}
