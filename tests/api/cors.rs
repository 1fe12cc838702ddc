//! Browsers: who may call, and what a page may read (T27).

use reqwest::Method;

use super::support::TestApp;
use super::support::app::{MANAGE, READER};

const SHARED: &str = "127.0.0.1:8080";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preflight_from_a_listed_page_is_allowed_what_client_libraries_send() {
    let app = TestApp::on_services().await;
    for (host, origin) in [(READER, "http://localhost:3000"), (SHARED, "http://localhost:3001")] {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            (
                "access-control-request-headers",
                "apikey,authorization,content-type,x-client-info,x-supabase-api-version",
            ),
        ];
        let answer = app.send(host, Method::OPTIONS, "/auth/v1/otp", &headers, None).await;
        assert_eq!(answer.status.as_u16(), 204, "{answer:?}");
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
        let allowed = answer.header("access-control-allow-headers").unwrap();
        for header in [
            "apikey",
            "authorization",
            "content-type",
            "x-client-info",
            "x-supabase-api-version",
            "traceparent",
        ] {
            assert!(allowed.split(", ").any(|name| name == header), "{header} in {allowed}");
        }
        assert!(answer.header("access-control-allow-methods").unwrap().contains("PUT"));
        assert_eq!(answer.header("access-control-allow-credentials"), None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t27_only_listed_origins_are_named_whatever_the_status() {
    let app = TestApp::on_services().await;
    let listed = ["http://localhost:3000", "http://reader.localhost:8080"];
    let others = [
        "null",
        "http://localhost:3001",
        "http://localhost",
        "https://localhost:3000",
        "http://localhost:3000.evil.example",
        "http://evil.example",
        "http://sub.reader.localhost:8080",
        "http://reader.localhost:8081",
        "http://READER.localhost:8080",
        "file://",
        "http://reader.localhost:8080@evil.example",
    ];
    // 200, 400, 401, 403, 404, 405
    let requests = [
        (Method::GET, "/auth/v1/settings"),
        (Method::POST, "/auth/v1/otp"),
        (Method::GET, "/auth/v1/user"),
        (Method::POST, "/auth/v1/verify"),
        (Method::GET, "/auth/v1/nothing"),
        (Method::GET, "/auth/v1/otp"),
    ];
    for (method, path) in requests {
        for origin in listed.iter().chain(&others) {
            let body = (method == Method::POST).then(|| "{}".to_owned());
            let answer = app.send(READER, method.clone(), path, &[("origin", origin)], body).await;
            let expected = listed.contains(origin).then_some(*origin);
            assert_eq!(
                answer.header("access-control-allow-origin"),
                expected,
                "{method} {path} from {origin}"
            );
            assert_eq!(answer.header("vary"), Some("origin"));
            if expected.is_some() {
                let exposed = answer.header("access-control-expose-headers").unwrap();
                assert!(exposed.contains("x-supabase-api-version") && exposed.contains("retry-after"));
            }
        }
        let none = app
            .send(MANAGE, method.clone(), path, &[], (method == Method::POST).then(|| "{}".to_owned()))
            .await;
        assert_eq!((none.header("access-control-allow-origin"), none.header("vary")), (None, Some("origin")));
    }
}
