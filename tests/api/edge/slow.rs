//! Clients that take their time: with heads, with bodies, with answers, and between requests.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;

use super::raw::{PATIENCE, Raw};
use crate::support::TestApp;
use crate::support::app::READER;

/// Every limit a second, so that nobody waits for the real ones.
const SHORT: [(&str, &str); 5] = [
    ("SERVER__HEADER_TIMEOUT_SECS", "1"),
    ("SERVER__BODY_TIMEOUT_SECS", "1"),
    ("SERVER__WRITE_TIMEOUT_SECS", "1"),
    ("SERVER__IDLE_TIMEOUT_SECS", "1"),
    ("SERVER__REQUEST_TIMEOUT_SECS", "2"),
];
const SECOND: Duration = Duration::from_secs(1);

async fn server() -> (TestApp, String) {
    let app = TestApp::on_services_with(&SHORT).await;
    let address = app.url("").trim_start_matches("http://").to_owned();
    (app, address)
}

/// Sends an octet every tenth of a second, for as long as anybody listens.
async fn drip(raw: &mut Raw, octet: u8) {
    loop {
        if raw.stream.write_all(&[octet]).await.is_err() {
            return std::future::pending().await;
        }
        tokio::time::sleep(SECOND / 10).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t38_a_head_has_to_come_in_time_however_it_is_dripped() {
    let (_app, address) = server().await;
    let begun = Instant::now();
    let mut raw = Raw::to(&address).await;
    raw.say(format!("GET /health/live HTTP/1.1\r\nHost: {READER}\r\nX: ")).await;
    // It never pauses for as long as a second, and still has no more than that.
    let dripped = tokio::time::timeout(SECOND * 3 / 2, drip(&mut raw, b'x')).await;
    assert!(dripped.is_err());
    let answer = raw.answer().await.unwrap();
    answer.assert_refusal(408, "request_timeout");
    assert!((SECOND..PATIENCE).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    raw.assert_ends().await;
    // The second head of a connection has no longer.
    let mut raw = Raw::to(&address).await;
    raw.say(format!("GET /health/live HTTP/1.1\r\nHost: {READER}\r\n\r\nGET /")).await;
    assert_eq!(raw.answer().await.unwrap().status, 200);
    raw.answer().await.unwrap().assert_refusal(408, "request_timeout");
    raw.assert_ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t38_silence_ends_a_connection_without_a_word() {
    let (_app, address) = server().await;
    let begun = Instant::now();
    let silent = Raw::to(&address).await;
    let mut idle = Raw::to(&address).await;
    idle.say(format!("GET /health/live HTTP/1.1\r\nHost: {READER}\r\n\r\n")).await;
    assert_eq!(idle.answer().await.unwrap().status, 200);
    silent.assert_ends().await;
    idle.assert_ends().await;
    assert!((SECOND..PATIENCE).contains(&begun.elapsed()), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_in_use_is_kept_for_as_long_as_it_is_used() {
    let (_app, address) = server().await;
    let mut raw = Raw::to(&address).await;
    let begun = Instant::now();
    while begun.elapsed() < SECOND * 3 {
        raw.say(format!("GET /health/live HTTP/1.1\r\nHost: {READER}\r\n\r\n")).await;
        assert_eq!(raw.answer().await.expect("it is still there").status, 200);
        tokio::time::sleep(SECOND / 4).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t38_a_body_has_to_keep_coming_and_to_come_to_an_end() {
    let (_app, address) = server().await;
    for fields in ["Content-Length: 1000", "Transfer-Encoding: chunked"] {
        let mut raw = Raw::to(&address).await;
        raw.say(format!("POST /auth/v1/otp HTTP/1.1\r\nHost: {READER}\r\n{fields}\r\n\r\n")).await;
        let answer = raw.answer().await.unwrap();
        assert_eq!((answer.status, answer.header("x-sb-error-code")), (408, Some("request_timeout")));
        raw.assert_ends().await;
    }
    let mut raw = Raw::to(&address).await;
    raw.say(format!("POST /auth/v1/otp HTTP/1.1\r\nHost: {READER}\r\nContent-Length: 1000\r\n\r\n")).await;
    let dripped = tokio::time::timeout(SECOND * 5 / 2, drip(&mut raw, b' ')).await;
    assert!(dripped.is_err());
    let answer = raw.answer().await.unwrap();
    assert_eq!((answer.status, answer.header("x-sb-error-code")), (504, Some("request_timeout")));
    raw.assert_ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t38_who_takes_no_answers_is_not_waited_for() {
    let (_app, address) = server().await;
    let raw = Raw::to(&address).await;
    let request = format!("GET /openapi.json HTTP/1.1\r\nHost: {READER}\r\n\r\n");
    // Asks and asks, and reads nothing: the answers fill every buffer between the two, and then nothing moves.
    let begun = Instant::now();
    let refused = async {
        loop {
            match raw.stream.try_write(request.as_bytes()) {
                Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => return error,
                Err(_) => tokio::time::sleep(SECOND / 20).await,
                Ok(_) => tokio::task::yield_now().await,
            }
        }
    };
    let error = tokio::time::timeout(PATIENCE, refused).await.expect("the server ends it");
    assert!(begun.elapsed() >= SECOND, "{error} after {:?}", begun.elapsed());
}
