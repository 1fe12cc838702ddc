//! Many clients at once, and clients that want too much.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use tokio::io::AsyncWriteExt;

use super::costs::{descriptors, memory};
use super::raw::{Dripping, PATIENCE, Raw};
use crate::support::app::{READER, text};
use crate::support::process::Process;
use crate::support::{Services, TestApp};

fn live() -> String {
    format!("GET /health/live HTTP/1.1\r\nHost: {READER}\r\n\r\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t38_a_client_with_too_many_connections_leaves_room_for_others() {
    let app = TestApp::on_services_with(&[("SERVER__MAX_CONNECTIONS_PER_CLIENT", "5")]).await;
    let address = app.url("").trim_start_matches("http://").to_owned();
    let mut held = Vec::new();
    for _ in 0..5 {
        let mut raw = Raw::from("127.0.0.1", &address).await;
        raw.say(live()).await;
        assert_eq!(raw.answer().await.unwrap().status, 200);
        held.push(raw);
    }
    let mut sixth = Raw::from("127.0.0.1", &address).await;
    let answer = sixth.answer().await.unwrap();
    answer.assert_refusal(429, "too_many_connections");
    assert_eq!(answer.header("retry-after"), Some("1"));
    let mut other = Raw::from("127.0.0.2", &address).await;
    other.say(live()).await;
    assert_eq!(other.answer().await.unwrap().status, 200);
    // Those that were there are served, and a place that becomes free can be taken.
    held[0].say(live()).await;
    assert_eq!(held[0].answer().await.unwrap().status, 200);
    drop(held.pop());
    let taken = async {
        loop {
            let mut raw = Raw::from("127.0.0.1", &address).await;
            raw.say(live()).await;
            if raw.answer().await.is_some_and(|answer| answer.status == 200) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, taken).await.expect("the place becomes free");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t38_a_full_server_closes_what_is_idle_for_whoever_comes() {
    let app = TestApp::on_services_with(&[("SERVER__MAX_CONNECTIONS", "10")]).await;
    let address = app.url("").trim_start_matches("http://").to_owned();
    // The first is in the middle of a request, and stays.
    let mut begun = Raw::to(&address).await;
    begun.say(format!("POST /auth/v1/otp HTTP/1.1\r\nHost: {READER}\r\nContent-Length: 2\r\n\r\n{{")).await;
    let mut held = Vec::new();
    for _ in 0..20 {
        let mut raw = Raw::to(&address).await;
        raw.say(live()).await;
        assert_eq!(raw.answer().await.unwrap().status, 200);
        held.push(raw);
    }
    for raw in held.drain(..11) {
        raw.assert_ends().await;
    }
    begun.say("}").await;
    assert_eq!(begun.answer().await.unwrap().status, 400);
    for mut raw in held {
        raw.say(live()).await;
        assert_eq!(raw.answer().await.unwrap().status, 200);
    }
}

async fn process(changes: &[(&str, &str)], folder: &std::path::Path) -> Process {
    let services = Services::new().await;
    let mut settings = services.settings();
    settings.push(("DATABASE__MIGRATE_AT_START".to_owned(), "false".to_owned()));
    settings.extend(changes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    Process::start(&settings, folder).await
}

/// Connections that drip a head, each anew when it is ended.
const DRIPPING: usize = 2000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t38_two_thousand_slow_clients_do_not_keep_anybody_from_signing_in() {
    let folder = tempfile::tempdir().unwrap();
    let process = process(
        &[
            ("SERVER__MAX_CONNECTIONS_PER_CLIENT", "100000"),
            ("SERVER__HEADER_TIMEOUT_SECS", "2"),
            ("LIMITS__CODE_REQUESTS", "100000"),
            ("LIMITS__VERIFIES", "100000"),
            ("LIMITS__CLIENT_SENDS_PER_10MIN", "100000"),
            ("LIMITS__CLIENT_SENDS_PER_HOUR", "100000"),
            ("LIMITS__NETWORK_SENDS_PER_HOUR", "100000"),
        ],
        folder.path(),
    )
    .await;
    let before = descriptors(process.pid());
    let address = Arc::<str>::from(process.authority());
    let connect = move || {
        let address = Arc::clone(&address);
        async move { Raw::to(&address).await }
    };
    let slow = Dripping::begin(std::iter::repeat_n(connect, DRIPPING), READER);
    let all_there = async {
        while slow.open() < DRIPPING || descriptors(process.pid()) < before + DRIPPING / 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, all_there).await.expect("they are all connected");
    let mut times = Vec::new();
    for number in 0..50 {
        let begun = Instant::now();
        let email = format!("canary-{number}@example.org");
        let (asked, _) = process.post(READER, "/auth/v1/otp", json!({"email": email})).await;
        times.push(begun.elapsed());
        assert_eq!(asked.as_u16(), 200);
        let code = process.code_from_inbox(&email).await;
        let verifying = Instant::now();
        let (verified, session) = process.verify(READER, &email, &code).await;
        times.push(verifying.elapsed());
        assert_eq!(verified.as_u16(), 200, "{session}");
        tokio::time::sleep(Duration::from_millis(200).saturating_sub(begun.elapsed())).await;
    }
    times.sort();
    let p99 = times[times.len() * 99 / 100 - 1];
    assert!(p99 < Duration::from_secs(1), "p99 {p99:?}, slowest {:?}", times.last());
    assert!(slow.ended() > DRIPPING, "they were ended, and came again");
    slow.end().await;
    let all_back = async {
        while descriptors(process.pid()) > before + 20 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), all_back).await.expect("the descriptors come back");
    assert_eq!(process.stop().await.0, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t38_a_system_without_descriptors_costs_the_idle_their_connections_and_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let process = process(&[], folder.path()).await;
    // So many more than it has now, and no more: some go to the stores.
    let most = (descriptors(process.pid()) + 40).to_string();
    let pid = process.pid().to_string();
    let mut limit = std::process::Command::new("prlimit");
    let limited = limit.args(["--pid", &pid, &format!("--nofile={most}:{most}")]).status().unwrap();
    assert!(limited.success());
    let mut held = Vec::new();
    for _ in 0..90 {
        let mut raw = Raw::to(process.authority()).await;
        raw.say(live()).await;
        assert_eq!(raw.answer().await.expect("everybody is answered").status, 200);
        held.push(raw);
    }
    assert!(process.log().contains("no connection can be accepted"), "{}", process.log());
    held.remove(0).assert_ends().await;
    assert_eq!(process.stop().await.0, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t37_a_body_without_an_end_is_refused_early_and_costs_no_memory() {
    let folder = tempfile::tempdir().unwrap();
    let process = process(&[], folder.path()).await;
    assert_eq!(process.get(READER, "/health/ready").await.0.as_u16(), 200);
    let before = memory(process.pid());
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    let endless = (0..20).map(async |_| {
        let mut raw = Raw::to(process.authority()).await;
        raw.say(format!(
            "POST /auth/v1/otp HTTP/1.1\r\nHost: {READER}\r\nTransfer-Encoding: chunked\r\n\r\n"
        ))
        .await;
        let mut sent = 0;
        while raw.stream.write_all(chunk.as_bytes()).await.is_ok() {
            sent += chunk.len();
        }
        sent
    });
    let sent = tokio::time::timeout(PATIENCE, join_all(endless)).await.expect("the server ends them");
    // What fits into the buffers of both systems, and no more.
    assert!(sent.iter().all(|sent| *sent < 32 * 1024 * 1024), "{sent:?}");
    assert!(
        memory(process.pid()) < before + 20 * 1024,
        "{before} KiB before, {} KiB after",
        memory(process.pid())
    );
    // One chunk too many at a time, and the client listens.
    let mut raw = Raw::to(process.authority()).await;
    raw.say(format!(
        "POST /auth/v1/otp HTTP/1.1\r\nHost: {READER}\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}{chunk}"
    ))
    .await;
    let answer = raw.answer().await.unwrap();
    assert_eq!((answer.status, answer.header("x-sb-error-code")), (413, Some("request_entity_too_large")));
    assert_eq!(process.stop().await.0, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t37_deep_and_packed_bodies_are_refused() {
    let app = TestApp::on_services_with(&[("SERVER__BODY_LIMIT_BYTES", "1048576")]).await;
    let nested = |depth: usize| format!("{{\"data\": {}1{}}}", "[".repeat(depth), "]".repeat(depth));
    for (depth, code) in
        [(15, "validation_failed"), (16, "bad_json"), (127, "bad_json"), (100_000, "bad_json")]
    {
        let answer = app.send(READER, Method::POST, "/auth/v1/otp", &[], Some(nested(depth))).await;
        answer.assert_problem(400, code);
    }
    for encoding in ["gzip", "deflate", "br", "zstd", "identity, gzip"] {
        let headers = [("content-encoding", encoding)];
        let answer = app.send(READER, Method::POST, "/auth/v1/otp", &headers, Some("{}".to_owned())).await;
        answer.assert_problem(415, "unsupported_content_encoding");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f20_two_thousand_requests_that_nobody_waits_for_leave_nothing_open() {
    let app = TestApp::on_services_with(&[("SERVER__MAX_CONNECTIONS_PER_CLIENT", "100000")]).await;
    let address = app.url("").trim_start_matches("http://").to_owned();
    let session = app.sign_in(READER, "ada@example.org").await;
    let token = text(&session, "access_token");
    let code = json!({"type": "email", "email": "eve@example.org", "token": "123456"}).to_string();
    let ask = json!({"email": "eve@example.org"}).to_string();
    let post = |path: &str, body: &str| {
        format!("POST {path} HTTP/1.1\r\nHost: {READER}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    };
    let get = |path: &str| {
        format!("GET {path} HTTP/1.1\r\nHost: {READER}\r\nAuthorization: Bearer {token}\r\n\r\n")
    };
    let requests = [
        get("/auth/v1/user"),
        post("/auth/v1/verify", &code),
        get("/api/v1/profile"),
        post("/auth/v1/otp", &ask),
        get("/api/v1/libraries"),
    ];
    let mut checked = 0;
    for round in 0..40 {
        let aborted = (0..50_usize).map(async |number| {
            let request = &requests[number % requests.len()];
            // Some are cut off in the middle, some just after they were sent, some a little later.
            let sent = if number % 4 == 0 { request.len() * (number % 7) / 7 } else { request.len() };
            let mut raw = Raw::to(&address).await;
            raw.say(&request.as_bytes()[..sent]).await;
            for _ in 0..number % 5 {
                tokio::task::yield_now().await;
            }
        });
        let others = (0..5).map(async |_| app.get_with_token(READER, "/auth/v1/user", token).await);
        let (_, answers) = tokio::join!(join_all(aborted), join_all(others));
        for answer in answers {
            assert_eq!(answer.assert_ok().body["email"], "ada@example.org", "round {round}");
            checked += 1;
        }
    }
    assert_eq!(checked, 200);
    let services = app.services.as_ref().unwrap();
    let quiet = async {
        while services.connections("usename = 'doorcode_login' and state <> 'idle'").await > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, quiet).await.expect("every transaction ends");
    // More at once than the pool has connections: each of them works.
    let answers =
        join_all((0..40).map(async |_| app.get_with_token(READER, "/auth/v1/user", token).await)).await;
    assert!(answers.iter().all(|answer| answer.status.as_u16() == 200));
}
