//! Which site a request is for, and what everybody gets who asks wrongly.

use reqwest::Method;
use serde_json::json;

use super::support::TestApp;
use super::support::app::{MANAGE, READER, text};

const SHARED: &str = "127.0.0.1:8080";
const READER_KEY: &str = "doorcode_pub_reader_dev";
const MANAGE_KEY: &str = "doorcode_pub_manage_dev";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_site_is_named_by_key_or_host_or_origin_and_contradictions_are_refused() {
    let app = TestApp::on_services().await;
    let settings = async |host: &str, headers: &[(&str, &str)]| {
        app.send(host, Method::GET, "/auth/v1/settings", headers, None).await
    };
    let signs_up = |answer: &super::support::Answer| answer.assert_ok().body["disable_signup"] == false;
    assert!(signs_up(&settings(READER, &[]).await));
    assert!(!signs_up(&settings(MANAGE, &[]).await));
    assert!(signs_up(&settings(SHARED, &[("apikey", READER_KEY)]).await));
    assert!(!signs_up(&settings(SHARED, &[("apikey", MANAGE_KEY)]).await));
    assert!(signs_up(&settings(SHARED, &[("origin", "http://localhost:3000")]).await));
    assert!(signs_up(&settings("READER.localhost:8080", &[]).await), "hosts compare in any case");
    settings(SHARED, &[]).await.assert_problem(400, "site_unknown");
    settings(SHARED, &[("apikey", "nonsense")]).await.assert_problem(400, "invalid_api_key");
    settings(SHARED, &[("apikey", "")]).await.assert_problem(400, "invalid_api_key");
    settings(MANAGE, &[("apikey", READER_KEY)]).await.assert_problem(400, "site_contradiction");
    settings(READER, &[("origin", "http://localhost:3001")]).await.assert_problem(400, "site_contradiction");
    settings("evil.example", &[]).await.assert_problem(421, "unknown_host");
    settings("evil.example", &[("apikey", READER_KEY)]).await.assert_problem(421, "unknown_host");
    // T16: no forwarded header changes the host.
    for header in ["x-forwarded-host", "x-host", "forwarded"] {
        assert!(signs_up(&settings(READER, &[(header, "manage.localhost:8080")]).await));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_no_site_lists_changes_nothing() {
    let app = TestApp::on_services().await;
    for origin in ["http://evil.example", "null", "http://reader.localhost", "https://reader.localhost:8080"]
    {
        let body = Some(json!({"email": "ada@example.org"}).to_string());
        let answer = app.send(READER, Method::POST, "/auth/v1/otp", &[("origin", origin)], body).await;
        answer.assert_problem(403, "origin_not_allowed");
    }
    let body = Some(json!({"email": "eve@example.org"}).to_string());
    let own = [("origin", "http://reader.localhost:8080")];
    app.send(READER, Method::POST, "/auth/v1/otp", &own, body).await.assert_ok();
    app.mail("eve@example.org", 1).await;
    assert_eq!(app.mails_to("ada@example.org"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t37_a_method_that_a_path_does_not_take_is_told_which_it_takes() {
    let app = TestApp::on_services().await;
    for (site, path, allow) in [
        (READER, "/auth/v1/otp", "POST"),
        (READER, "/otp", "POST"),
        (READER, "/user", "DELETE, GET, HEAD, PUT"),
        (READER, "/auth/v1/health/live", "GET, HEAD"),
        (READER, "/api/v1/profile", "GET, HEAD, PATCH"),
        (READER, "/admin/v1/users/018f3a56-0000-7000-8000-000000000000", "DELETE, GET, HEAD, PATCH"),
        (READER, "/openapi.json", "GET, HEAD"),
        (READER, "/login", "GET, HEAD, POST"),
        (READER, "/account/sign-out", "POST"),
        (READER, "/doorcode/pages.css", "GET, HEAD"),
        (READER, "/", "GET, HEAD"),
        (MANAGE, "/admin/people", "GET, HEAD"),
        (MANAGE, "/admin/sign-out", "POST"),
    ] {
        for method in ["TRACE", "PROPFIND", "get"] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let answer = app.send(site, method.clone(), path, &[], None).await;
            assert_eq!(answer.status.as_u16(), 405, "{method} {path}");
            assert_eq!(answer.header("allow"), Some(allow), "{method} {path}");
        }
    }
    let nowhere = app.send(READER, Method::TRACE, "/nowhere", &[], None).await;
    nowhere.assert_problem(404, "not_found");
    assert_eq!(nowhere.header("allow"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_operations_are_served_at_both_paths_and_nothing_else_is() {
    let app = TestApp::on_services().await;
    let get = async |path: &str| app.send(READER, Method::GET, path, &[], None).await;
    for base in ["", "/auth/v1"] {
        get(&format!("{base}/settings")).await.assert_ok();
        get(&format!("{base}/health")).await.assert_ok();
        get(&format!("{base}/health/live")).await.assert_ok();
        assert_eq!(get(&format!("{base}/health/ready")).await.assert_ok().body["status"], "ready");
        let jwks = get(&format!("{base}/.well-known/jwks.json")).await;
        assert_eq!(jwks.assert_ok().header("cache-control"), Some("public, max-age=600"));
        assert_eq!(jwks.body["keys"].as_array().unwrap().len(), 1);
        get(&format!("{base}/nothing")).await.assert_problem(404, "not_found");
        get(&format!("{base}/otp")).await.assert_problem(405, "method_not_allowed");
    }
    let reader = get("/.well-known/jwks.json").await;
    let manage = app.send(MANAGE, Method::GET, "/.well-known/jwks.json", &[], None).await;
    assert_ne!(reader.body, manage.body, "each site has keys of its own");
    let answer = get("/auth/v1/settings").await;
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(answer.header("server"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_come_in_the_shape_that_the_caller_reads() {
    let app = TestApp::on_services().await;
    let verify = async |version: &str| {
        let body = json!({"type": "email", "email": "ada@example.org", "token": "123456"}).to_string();
        // A header sent twice is no version: the first is the one every test sends.
        let client = reqwest::Client::new();
        let request = client
            .post(app.url("/auth/v1/verify"))
            .header("host", READER)
            .header("x-supabase-api-version", version)
            .body(body);
        request.send().await.unwrap()
    };
    for version in ["2024-01-01", "2031-12-31"] {
        let answer = verify(version).await;
        assert_eq!(answer.headers()["x-supabase-api-version"], "2024-01-01");
        let body: serde_json::Value = answer.json().await.unwrap();
        assert_eq!((text(&body, "code"), text(&body, "error_code")), ("otp_expired", "otp_expired"));
        assert_eq!(text(&body, "message"), "Token has expired or is invalid");
    }
    for version in ["", "2023-12-31", "2024-1-1", "tomorrow", "2024-01-01T00:00:00Z"] {
        let answer = verify(version).await;
        assert!(answer.headers().get("x-supabase-api-version").is_none(), "{version}");
        let body: serde_json::Value = answer.json().await.unwrap();
        assert_eq!(
            body,
            json!({"code": 403, "error_code": "otp_expired", "msg": "Token has expired or is invalid"})
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bearers_that_are_no_tokens_do_no_harm_where_none_is_needed_and_nothing_where_one_is() {
    let app = TestApp::on_services().await;
    for bearer in ["Bearer doorcode_pub_reader_dev", "Bearer a.b.c", "Basic x", "nonsense", "Bearer"] {
        let headers = [("authorization", bearer), ("apikey", READER_KEY)];
        let body = Some(json!({"email": format!("{}@example.org", bearer.len())}).to_string());
        app.send(READER, Method::POST, "/auth/v1/otp", &headers, body).await.assert_ok();
    }
    let user = async |bearer: &str| {
        app.send(READER, Method::GET, "/auth/v1/user", &[("authorization", bearer)], None).await
    };
    user("Bearer doorcode_pub_reader_dev").await.assert_problem(403, "bad_jwt");
    user("bearer a.b.c").await.assert_problem(403, "bad_jwt");
    for none in ["Basic x", "nonsense", "Bearer", "Bearer "] {
        user(none).await.assert_problem(401, "no_authorization");
    }
    let session = app.sign_in(READER, "ada@example.org").await;
    let token = text(&session, "access_token").to_owned();
    user(&format!("BEARER {token}")).await.assert_ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_site_may_sign_with_rsa() {
    let app = TestApp::on_services_with(&[("SITES__READER__TOKEN_ALGORITHM", "RS256")]).await;
    let session = app.sign_in(READER, "ada@example.org").await;
    app.get_with_token(READER, "/auth/v1/user", text(&session, "access_token")).await.assert_ok();
    let keys = app.send(READER, Method::GET, "/.well-known/jwks.json", &[], None).await;
    assert_eq!(text(&keys.body["keys"][0], "alg"), "RS256");
}
