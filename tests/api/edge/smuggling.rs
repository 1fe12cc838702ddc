//! Requests that two readers could understand in two ways: none of them is answered as a request, and none leaves
//! anything behind for whoever comes next. Directly, and through a proxy that shares its connections among clients.

use std::process::Stdio;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use super::ambiguous::{CHUNKS, ambiguous};
use super::raw::Raw;
use crate::gate::stack::nginx_around;
use crate::support::TestApp;
use crate::support::app::READER;
use crate::support::services::setting;
use crate::support::shipped::free_port;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t39_what_can_be_read_in_two_ways_is_refused_and_ends_the_connection() {
    let app = TestApp::on_services().await;
    let url = app.url("");
    let address = url.trim_start_matches("http://");
    let innocent = format!("GET /health/live HTTP/1.1\r\nHost: {READER}\r\n\r\n");
    for (what, request) in ambiguous() {
        // As the first request of a connection, and as the second.
        for before in [0, 1] {
            let mut raw = Raw::to(address).await;
            raw.say(innocent.repeat(before) + &request + &innocent).await;
            for _ in 0..before {
                let answer = raw.answer().await.unwrap_or_else(|| panic!("{what}: the one before it"));
                assert_eq!(answer.status, 200, "{what}: {answer:?}");
            }
            let answer = raw.answer().await.unwrap_or_else(|| panic!("{what}: no answer"));
            assert_eq!(answer.status, 400, "{what}: {answer:?}");
            answer.assert_refusal(400, "malformed_request");
            raw.assert_ends().await;
        }
    }
    for (what, body) in CHUNKS {
        let mut raw = Raw::to(address).await;
        let head =
            format!("POST /auth/v1/otp HTTP/1.1\r\nHost: {READER}\r\nTransfer-Encoding: chunked\r\n\r\n");
        raw.say(head + body + &innocent).await;
        let answer = raw.answer().await.unwrap_or_else(|| panic!("{what}: no answer"));
        assert_eq!(answer.status, 400, "{what}: {answer:?}");
        raw.assert_ends().await;
    }
    assert_eq!(app.inbox().list().len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_may_come_all_at_once_or_octet_by_octet() {
    let app = TestApp::on_services().await;
    let url = app.url("");
    let head = |fields: &str| format!("POST /auth/v1/otp HTTP/1.1\r\nHost: {READER}\r\n{fields}\r\n\r\n");
    let get = format!("GET /health/live HTTP/1.1\r\nHost: {READER}\r\n\r\n");
    let sized = head("Content-Length: 2") + "{}";
    let chunked = head("Transfer-Encoding: chunked") + "1\r\n{\r\n01\r\n}\r\n0\r\n\r\n";
    let all = [get.as_str(), &sized, &get, &chunked, &chunked, &sized, &get].concat();
    for piece in [all.len(), 7, 1] {
        let mut raw = Raw::to(url.trim_start_matches("http://")).await;
        raw.stream.set_nodelay(true).unwrap();
        let mut statuses = Vec::new();
        for piece in all.as_bytes().chunks(piece) {
            raw.say(piece).await;
        }
        for _ in 0..7 {
            statuses.push(raw.answer().await.unwrap().status);
        }
        assert_eq!(statuses, [200, 400, 200, 400, 400, 400, 200], "in pieces of {piece}");
    }
}

/// nginx in front of a server, with connections to it that all clients share.
async fn nginx_before(server: &str, folder: &std::path::Path) -> (Child, String) {
    let port = free_port();
    let site = format!(
        "upstream doorcode {{ server {server}; keepalive 2; }}
         server {{
             listen 127.0.0.1:{port};
             location / {{
                 proxy_pass http://doorcode;
                 proxy_http_version 1.1;
                 proxy_set_header Connection \"\";
                 proxy_set_header Host {READER};
                 proxy_request_buffering off;
             }}
         }}"
    );
    std::fs::write(folder.join("site.conf"), site).unwrap();
    std::fs::write(folder.join("main.conf"), nginx_around("site.conf")).unwrap();
    let mut command = Command::new(setting("DOORCODE_TEST_NGINX"));
    command.arg("-p").arg(folder).args(["-c", "main.conf", "-e", "error.log"]);
    let nginx = command.stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap();
    let address = format!("127.0.0.1:{port}");
    for _ in 0..400 {
        if TcpStream::connect(&address).await.is_ok() {
            return (nginx, address);
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("nginx did not start");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t39_nothing_is_left_for_the_next_client_of_a_proxy() {
    let app = TestApp::on_services_with(&[("SERVER__TRUSTED_PROXIES", "127.0.0.1")]).await;
    let folder = tempfile::tempdir().unwrap();
    let (_nginx, proxy) = nginx_before(app.url("").trim_start_matches("http://"), folder.path()).await;
    let chunks = CHUNKS.map(|(what, body)| {
        let head = "POST /auth/v1/otp HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
        (what, format!("{head}{body}"))
    });
    for (what, request) in ambiguous().into_iter().chain(chunks) {
        let mut attacker = Raw::to(&proxy).await;
        attacker.say(&request).await;
        // Whatever nginx makes of it: what matters is who gets which answer after it.
        let first = tokio::time::timeout(Duration::from_millis(300), attacker.answer()).await;
        for path in ["/health/live", "/settings", "/health/live"] {
            let mut client = Raw::to(&proxy).await;
            client.say(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).await;
            let answer = tokio::time::timeout(super::raw::PATIENCE, client.all()).await.unwrap();
            let answer = String::from_utf8(answer).unwrap();
            let expected = if path == "/settings" { "\"external\"" } else { "\"live\"" };
            assert!(
                answer.starts_with("HTTP/1.1 200")
                    && answer.contains(expected)
                    && answer.matches("HTTP/1.1").count() == 1,
                "{what}: the attacker got {first:?}, and {path} got {answer}"
            );
        }
    }
}
