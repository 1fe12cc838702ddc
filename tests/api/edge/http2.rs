//! HTTP/2 with prior knowledge, as proxies speak it, and what its streams could be abused for.

use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use super::raw::{PROTECTION, Raw};
use crate::support::TestApp;
use crate::support::app::READER;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;

/// A frame (RFC 9113 §4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A whole request: `GET /`, in indexed fields (RFC 7541 appendix A) but for the host.
fn request(stream: u32) -> Vec<u8> {
    let host = [&[0x01, u8::try_from(READER.len()).unwrap()], READER.as_bytes()].concat();
    frame(HEADERS, 0x05, stream, &[&[0x82, 0x86, 0x84], host.as_slice()].concat())
}

/// The kinds of the frames, and the error codes of those that say goodbye.
fn goodbyes(mut bytes: &[u8]) -> Vec<u32> {
    let mut codes = Vec::new();
    while let Some((head, rest)) = bytes.split_at_checked(9) {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let Some((payload, rest)) = rest.split_at_checked(length) else { break };
        if head[3] == GOAWAY {
            codes.push(u32::from_be_bytes(payload[4..8].try_into().unwrap()));
        }
        bytes = rest;
    }
    codes
}

fn address(app: &TestApp) -> String {
    app.url("").trim_start_matches("http://").to_owned()
}

async fn connect(app: &TestApp) -> hyper::client::conn::http2::SendRequest<Empty<Bytes>> {
    let stream = TcpStream::connect(address(app)).await.unwrap();
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_answers_are_given_over_http_2() {
    let app = TestApp::on_services().await;
    let mut sender = connect(&app).await;
    for (method, path, status) in [
        ("GET", "/health/live".to_owned(), 200),
        ("HEAD", "/health/live".to_owned(), 200),
        ("TRACE", "/health/live".to_owned(), 405),
        ("GET", "/nowhere".to_owned(), 404),
        ("GET", format!("/{}", "x".repeat(2048)), 414),
    ] {
        let request = hyper::Request::builder().method(method).uri(format!("http://{READER}{path}"));
        let answer = sender.send_request(request.body(Empty::new()).unwrap()).await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{method} {path}");
        for (name, value) in PROTECTION {
            assert_eq!(answer.headers().get(name).unwrap(), value, "{name} of {method} {path}");
        }
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body.is_empty(), method == "HEAD", "{method} {path}: {body:?}");
    }
    // A host beside the authority, and not the same one.
    let request =
        hyper::Request::builder().uri(format!("http://{READER}/health/live")).header("host", "evil.example");
    let answer = sender.send_request(request.body(Empty::new()).unwrap()).await.unwrap();
    assert_eq!(answer.status().as_u16(), 400);
    // Larger than the largest head.
    let mut request = hyper::Request::builder().uri(format!("http://{READER}/health/live"));
    for number in 0..20 {
        request = request.header(format!("x-{number}"), "y".repeat(1000));
    }
    let answer = sender.send_request(request.body(Empty::new()).unwrap()).await;
    assert!(answer.is_err() || answer.is_ok_and(|answer| answer.status().as_u16() == 431));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t38_streams_that_are_reset_as_fast_as_they_are_opened_end_the_connection() {
    let app = TestApp::on_services().await;
    let mut raw = Raw::to(&address(&app)).await;
    raw.say([PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).await;
    let flood = (0..20_000_u32).flat_map(|number| {
        let stream = number * 2 + 1;
        // CANCEL, RFC 9113 §7.
        [request(stream), frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])].concat()
    });
    raw.say(flood.collect::<Vec<u8>>()).await;
    let said = raw.all().await;
    // ENHANCE_YOUR_CALM.
    assert_eq!(goodbyes(&said), [11]);
    // Nobody else notices.
    let mut other = connect(&app).await;
    let request = hyper::Request::builder().uri(format!("http://{READER}/health/live"));
    let answer = other.send_request(request.body(Empty::new()).unwrap()).await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t38_a_connection_of_http_2_without_requests_is_ended_however_lively_it_is() {
    let app =
        TestApp::on_services_with(&[("SERVER__IDLE_TIMEOUT_SECS", "1"), ("SERVER__WRITE_TIMEOUT_SECS", "1")])
            .await;
    let mut raw = Raw::to(&address(&app)).await;
    raw.say([PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).await;
    let pings = async {
        loop {
            // Empty frames of a kind that nobody knows: RFC 9113 §4.1 has them ignored.
            if tokio::io::AsyncWriteExt::write_all(&mut raw.stream, &frame(0xbe, 0, 0, &[])).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(super::raw::PATIENCE, pings).await.expect("the server ends it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f15_a_stop_says_goodbye_to_connections_of_http_2() {
    let mut app = TestApp::on_services().await;
    let mut raw = Raw::to(&address(&app)).await;
    raw.say([PREFACE, &frame(SETTINGS, 0, 0, &[]), &request(1)].concat()).await;
    // The server's settings, and then the answer: it knows the connection.
    let mut one = [0; 9];
    tokio::io::AsyncReadExt::read_exact(&mut raw.stream, &mut one).await.unwrap();
    assert_eq!(one[3], SETTINGS);
    let length = u32::from_be_bytes([0, one[0], one[1], one[2]]) as usize;
    let mut settings = vec![0; length];
    tokio::io::AsyncReadExt::read_exact(&mut raw.stream, &mut settings).await.unwrap();
    let (said, ()) = tokio::join!(raw.all(), app.stop());
    assert_eq!(goodbyes(&said).first(), Some(&0), "{said:?}");
}
