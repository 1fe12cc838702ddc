//! Every operation of the document and every page, in every way in which they can refuse: all answers are protected.

use std::collections::BTreeMap;

use doorcode::domain::Scope;
use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::json;

use super::raw::{PROTECTION, Raw};
use crate::admin::service_key;
use crate::support::app::{MANAGE, READER, text};
use crate::support::{Browser, TestApp};

/// Every page's address, with something in place of what varies.
const PAGES: [&str; 31] = [
    "/",
    "/login",
    "/login/code",
    "/login/resend",
    "/login/restart",
    "/confirm",
    "/welcome",
    "/welcome/skip",
    "/account",
    "/account/profile",
    "/account/preferences",
    "/account/sessions/end",
    "/account/sessions/end-others",
    "/account/sign-out",
    "/account/data",
    "/account/email",
    "/account/email/confirm",
    "/account/email/resend",
    "/account/email/cancel",
    "/account/delete",
    "/account/delete/code",
    "/language",
    "/request-access",
    "/request-access/withdraw",
    "/access-requests",
    "/access-requests/decide",
    "/libraries",
    "/invitations/bm90IGEgdG9rZW4",
    "/invitations/bm90IGEgdG9rZW4/accept",
    "/invitations/bm90IGEgdG9rZW4/decline",
    "/doorcode/nothing.css",
];

/// What may be kept, because it is the same for everybody.
const PUBLIC: [&str; 4] =
    ["/openapi.json", "/.well-known/jwks.json", "/auth/v1/.well-known/jwks.json", "/doorcode/"];

/// Holds one answer to what holds for all.
#[track_caller]
fn check(what: &str, status: u16, headers: &HeaderMap, seen: &mut BTreeMap<u16, usize>) {
    *seen.entry(status).or_default() += 1;
    let header = |name: &str| {
        let mut values = headers.get_all(name).iter();
        let first = values.next().map(|value| value.to_str().unwrap());
        // `Set-Cookie` and `Vary` aside, nothing is said twice.
        assert!(values.next().is_none() || name == "vary", "{name} twice: {what}");
        first
    };
    let is_page = header("content-type").is_some_and(|kind| kind.starts_with("text/html"));
    for (name, value) in PROTECTION {
        let found = header(name).unwrap_or_else(|| panic!("no {name} in {status} of {what}"));
        match name {
            "cache-control" => {
                let is_public = status < 400 && PUBLIC.iter().any(|path| what.contains(path));
                assert!(found == value || is_public, "{found} in {status} of {what}");
            }
            "content-security-policy" if is_page => {
                for part in
                    ["default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'", "form-action 'self'"]
                {
                    assert!(found.contains(part), "{found} in {status} of {what}");
                }
                assert!(!found.contains("unsafe"), "{found} in {status} of {what}");
            }
            "referrer-policy" if is_page => assert_eq!(found, "same-origin", "{status} of {what}"),
            _ => assert_eq!(found, value, "{name} in {status} of {what}"),
        }
    }
    assert!(header("x-request-id").is_some_and(|id| id.len() == 36), "{status} of {what}");
    assert_eq!(header("server"), None, "{what}");
    if is_page {
        assert_eq!(header("cross-origin-opener-policy"), Some("same-origin"), "{status} of {what}");
    }
    let is_empty = header("content-length").is_none_or(|length| length == "0");
    match header("content-type") {
        None => assert!(is_empty, "{status} of {what} has content of no type"),
        Some(kind) => assert!(
            [
                "application/json; charset=utf-8",
                "application/problem+json",
                "text/html; charset=utf-8",
                "text/css; charset=utf-8",
                "text/javascript; charset=utf-8",
            ]
            .contains(&kind),
            "{kind} in {status} of {what}"
        ),
    }
}

/// The operations of a document, and its own: method and path, with something in place of what varies.
async fn operations(app: &TestApp, document: &str, base: &str) -> Vec<(Method, String)> {
    let mut all = vec![(Method::GET, document.to_owned())];
    let described = app.send(READER, Method::GET, document, &[], None).await.body;
    for (path, operations) in described["paths"].as_object().unwrap() {
        let path: Vec<_> = path
            .split('/')
            .map(|part| if part.starts_with('{') { "01a1fb43-d5d1-7506-afce-c247513359f0" } else { part })
            .collect();
        for method in operations.as_object().unwrap().keys() {
            all.push((method.to_ascii_uppercase().parse().unwrap(), format!("{base}{}", path.join("/"))));
        }
    }
    // What signs out goes last.
    all.sort_by_key(|(method, path)| {
        path.contains("logout") || (*method == Method::DELETE && path.ends_with("/user"))
    });
    all
}

/// Asks for each operation in every way in which it can refuse, and with what lets somebody in.
async fn walk(app: &TestApp, operations: &[(Method, String)], bearer: &str, seen: &mut BTreeMap<u16, usize>) {
    let good = format!("Bearer {bearer}");
    for (method, path) in operations {
        let bodies =
            [None, Some("{}".to_owned()), Some("{".to_owned()), Some(json!({"nonsense": [1]}).to_string())];
        for body in bodies {
            for headers in [
                &[][..],
                &[("authorization", "Bearer nonsense")],
                &[("authorization", good.as_str())],
                &[("origin", "https://evil.example")],
                &[("content-encoding", "gzip")],
                &[("apikey", "nonsense")],
            ] {
                let answer = app.send(READER, method.clone(), path, headers, body.clone()).await;
                let names: Vec<_> = headers.iter().map(|(name, _)| name).collect();
                check(&format!("{method} {path} {names:?}"), answer.status.as_u16(), &answer.headers, seen);
            }
        }
        let large = Some(" ".repeat(70_000));
        for (host, method, body) in [
            ("evil.example", method.clone(), None),
            (READER, Method::TRACE, None),
            (READER, Method::HEAD, None),
            (READER, Method::OPTIONS, None),
            (READER, Method::from_bytes(b"PROPFIND").unwrap(), None),
            (READER, method.clone(), large),
        ] {
            let answer = app.send(host, method.clone(), path, &[], body).await;
            check(&format!("{method} {path} of {host}"), answer.status.as_u16(), &answer.headers, seen);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t41_every_answer_of_every_operation_and_page_is_protected() {
    let app = TestApp::on_services().await;
    let mut seen = BTreeMap::new();
    let session = app.sign_in(READER, "ada@example.org").await;
    let (_, key) = service_key(&app, Scope::Admin).await;
    let public = operations(&app, "/openapi.json", "").await;
    assert!(public.len() > 40, "{}", public.len());
    walk(&app, &public, text(&session, "access_token"), &mut seen).await;
    let admin = operations(&app, "/admin/openapi.json", "/admin/v1").await;
    assert!(admin.len() > 30, "{}", admin.len());
    walk(&app, &admin, &key, &mut seen).await;
    for host in [READER, MANAGE] {
        let mut browser = Browser::on(&app, host);
        for signed_in in [false, true] {
            if signed_in && host == READER {
                browser.sign_in("eve@example.org").await;
            }
            for path in PAGES.into_iter().chain(["/nowhere", "/auth/v1/nowhere", "/api/v1/nowhere"]) {
                for method in [Method::GET, Method::HEAD, Method::PUT, Method::TRACE] {
                    let shown = browser.send(method.clone(), path, &[], None).await;
                    check(
                        &format!("{method} {path} of {host}"),
                        shown.status.as_u16(),
                        &shown.headers,
                        &mut seen,
                    );
                }
                if !path.contains("sign-out") {
                    let shown = browser.send(Method::POST, path, &[], Some("x=y".to_owned())).await;
                    check(
                        &format!("POST {path} of {host}"),
                        shown.status.as_u16(),
                        &shown.headers,
                        &mut seen,
                    );
                    let shown = browser.submit(path, &[("email", "nonsense"), ("code", "1")]).await;
                    check(
                        &format!("form {path} of {host}"),
                        shown.status.as_u16(),
                        &shown.headers,
                        &mut seen,
                    );
                }
            }
        }
    }
    let long = app.send(READER, Method::GET, &format!("/{}", "x".repeat(2048)), &[], None).await;
    check("a long path", long.status.as_u16(), &long.headers, &mut seen);
    for status in [200, 303, 400, 401, 403, 404, 405, 413, 414, 415, 421, 422] {
        assert!(seen.contains_key(&status), "no {status} among {seen:?}");
    }
    assert!(!seen.contains_key(&500), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn head_says_what_get_would_and_leaves_the_content_out() {
    let app = TestApp::on_services().await;
    let address = app.url("").trim_start_matches("http://").to_owned();
    for path in [
        "/login",
        "/health/live",
        "/auth/v1/health",
        "/auth/v1/.well-known/jwks.json",
        "/openapi.json",
        "/",
        "/nowhere",
    ] {
        let mut raw = Raw::to(&address).await;
        raw.say(format!("GET {path} HTTP/1.1\r\nHost: {READER}\r\n\r\n")).await;
        let got = raw.answer().await.unwrap();
        let mut raw = Raw::to(&address).await;
        raw.say(format!("HEAD {path} HTTP/1.1\r\nHost: {READER}\r\nConnection: close\r\n\r\n")).await;
        let answer = String::from_utf8(raw.all().await).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert_eq!(body, "", "{path}");
        let line = |text: &str, name: &str| {
            text.lines().find(|line| line.to_ascii_lowercase().starts_with(name)).map(str::to_owned)
        };
        for name in ["http/1.1", "content-length", "content-type", "location"] {
            let (of_get, of_head) = (line(&got.head, name), line(head, name));
            assert_eq!(of_get, of_head, "{name} of {path}");
        }
    }
    // Where there is no GET, there is no HEAD.
    let answer = app.send(READER, Method::HEAD, "/auth/v1/otp", &[], None).await;
    assert_eq!(answer.status.as_u16(), 405);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t37_heads_that_are_too_long_or_too_many_are_refused() {
    let app = TestApp::on_services().await;
    let address = app.url("").trim_start_matches("http://").to_owned();
    let get = |fields: &str| format!("GET /health/live HTTP/1.1\r\nHost: {READER}\r\n{fields}\r\n");
    // What an access token and its cookie may take is well below.
    for fields in [format!("Authorization: Bearer {}\r\n", "x".repeat(8192)), "X: y\r\n".repeat(99)] {
        let mut raw = Raw::to(&address).await;
        raw.say(get(&fields)).await;
        assert_eq!(raw.answer().await.unwrap().status, 200);
    }
    for fields in
        ["X: y\r\n".repeat(100), format!("X: {}\r\n", "y".repeat(16 * 1024)), "X: y\r\n".repeat(100_000)]
    {
        let mut raw = Raw::to(&address).await;
        raw.say(get(&fields)).await;
        raw.answer().await.unwrap().assert_refusal(431, "headers_too_large");
        raw.assert_ends().await;
    }
}
