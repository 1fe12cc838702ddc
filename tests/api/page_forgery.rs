//! What nobody else can do in a browser's name: forged forms, planted cookies, and what every page says to protect itself.

use std::time::Duration;

use reqwest::Method;

use super::support::app::{MANAGE, READER};
use super::support::browser::Shown;
use super::support::{Browser, TestApp};

const FORM: &str = "application/x-www-form-urlencoded";

/// Every page that anybody can ask for, with a status that it may have.
const PAGES: [(&str, &str); 11] = [
    (READER, "/"),
    (READER, "/login"),
    (READER, "/account"),
    (READER, "/welcome"),
    (READER, "/confirm"),
    (READER, "/confirm?token_hash=x&type=email"),
    (READER, "/invitations/x"),
    (MANAGE, "/login"),
    (MANAGE, "/libraries"),
    (MANAGE, "/request-access"),
    (MANAGE, "/access-requests"),
];

/// Every address that takes a form.
const FORMS: [&str; 15] = [
    "/login",
    "/login/code",
    "/login/resend",
    "/login/restart",
    "/confirm",
    "/welcome",
    "/welcome/skip",
    "/account/profile",
    "/account/preferences",
    "/account/sessions/end",
    "/account/sessions/end-others",
    "/account/sessions/end-all",
    "/account/sign-out",
    "/language",
    "/invitations/x/accept",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t26_a_form_from_elsewhere_changes_nothing() {
    let app = TestApp::on_services().await;
    let mut browser = Browser::on(&app, READER);
    browser.sign_in("ada@example.org").await;
    browser.open("/account").await.assert_status(200);
    let jar = browser.jar.clone();
    let good = format!("_token={}&email=eve@example.org&session=x", browser.token);
    let own = "http://reader.localhost:8080";
    let origins: [&[(&str, &str)]; 9] = [
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("origin", "http://manage.localhost:8080")],
        &[("origin", "http://localhost:3000")],
        &[("origin", "http://reader.localhost")],
        &[("origin", "http://reader.localhost:8080.evil.example")],
        &[],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "cross-site")],
    ];
    for path in FORMS {
        for origin in origins {
            let headers = [origin, &[("content-type", FORM)]].concat();
            let answer = browser.send(Method::POST, path, &headers, Some(good.clone())).await;
            assert!(matches!(answer.status.as_u16(), 400 | 403), "{path} {origin:?} {answer:?}");
        }
        for (kind, body, status) in [
            (FORM, "email=eve@example.org", 403),
            (FORM, "_token=AAAAAAAAAAAAAAAAAAAAAA&email=eve@example.org", 403),
            (FORM, "_token=&email=eve@example.org", 403),
            ("text/plain", good.as_str(), 415),
            ("application/json", "{}", 415),
            ("multipart/form-data; boundary=x", "--x--", 415),
        ] {
            let headers = [("origin", own), ("content-type", kind)];
            let answer = browser.send(Method::POST, path, &headers, Some(body.to_owned())).await;
            assert_eq!(answer.status.as_u16(), status, "{path} {kind} {answer:?}");
        }
    }
    assert_eq!(browser.jar, jar, "the jar is as it was");
    assert_eq!(app.mails_to("eve@example.org"), 0);
    browser.open("/account").await.assert_status(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t07_a_proof_is_for_one_browser_one_site_and_one_session() {
    let app = TestApp::on_services().await;
    let mut victim = Browser::on(&app, READER);
    let mut attacker = Browser::on(&app, READER);
    attacker.open("/login").await;
    victim.open("/login").await;
    // The attacker's page makes the victim's browser send a form with the attacker's proof.
    victim.token.clone_from(&attacker.token);
    victim.submit("/login", &[("email", "ada@example.org")]).await.assert_status(403);
    // A proof from before the sign-in is none afterwards, and none for a browser that keeps no cookie.
    victim.open("/login").await;
    let before = victim.token.clone();
    victim.sign_in("ada@example.org").await;
    victim.token.clone_from(&before);
    victim.submit("/account/sign-out", &[]).await.assert_status(403);
    let mut bare = Browser::on(&app, READER);
    bare.token = before;
    bare.submit("/login", &[("email", "ada@example.org")]).await.assert_status(403);
    let mut manage = Browser::on(&app, MANAGE);
    manage.jar = attacker.jar.clone();
    manage.token.clone_from(&attacker.token);
    manage.submit("/login", &[("email", "ada@example.org")]).await.assert_status(403);
    assert_eq!(app.mails_to("ada@example.org"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t25_cookies_are_the_hosts_own_and_new_at_every_sign_in() {
    let app = TestApp::on_services_with(&[
        ("SITES__READER__URL", "https://reader.example"),
        ("SITES__MANAGEMENT__URL", "https://manage.example"),
    ])
    .await;
    for (host, policy) in [("reader.example", "SameSite=Lax"), ("manage.example", "SameSite=Strict")] {
        let mut browser = Browser::on(&app, host);
        let shown = browser.open("/login").await;
        let cookies: Vec<_> = shown.headers.get_all("set-cookie").iter().collect();
        assert_eq!(cookies.len(), 1, "{shown:?}");
        for cookie in cookies {
            let cookie = cookie.to_str().unwrap();
            assert!(cookie.starts_with("__Host-doorcode-"), "{cookie}");
            let parts: Vec<_> = cookie.split("; ").skip(1).collect();
            for part in ["Path=/", "HttpOnly", "Secure", policy] {
                assert!(parts.contains(&part), "{part} in {cookie}");
            }
            assert!(!cookie.contains("Domain") && cookie.len() <= 4096);
        }
        // Without the prefix, or twice, it is not ours.
        let named = browser.jar["__Host-doorcode-browser"].clone();
        browser.jar.clear();
        browser.jar.insert("doorcode-browser".to_owned(), named.clone());
        let again = browser.open("/login").await;
        assert!(again.headers.contains_key("set-cookie"), "a look-alike names nobody");
        let twice = format!("__Host-doorcode-browser={named}; __Host-doorcode-browser={named}");
        browser.jar.clear();
        browser.send(Method::GET, "/login", &[("cookie", &twice)], None).await.assert_status(400);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t25_a_planted_session_never_becomes_one() {
    let app = TestApp::on_services().await;
    let mut attacker = Browser::on(&app, READER);
    attacker.sign_in("eve@example.org").await;
    let mut victim = Browser::on(&app, READER);
    for name in ["doorcode-session", "doorcode-browser"] {
        victim.jar.insert(name.to_owned(), attacker.jar[name].clone());
    }
    victim.open("/login").await.assert_leads_to("/");
    // Whoever signs in over a planted session gets one of their own, and the planted one ends.
    victim.jar.remove("doorcode-session");
    victim.sign_in("ada@example.org").await;
    assert_ne!(victim.jar["doorcode-session"], attacker.jar["doorcode-session"]);
    assert_ne!(victim.jar["doorcode-browser"], attacker.jar["doorcode-browser"], "a new name, too");
    let account = victim.open("/account").await;
    assert!(account.html.contains("ada@example.org") && !account.html.contains("eve@example.org"));
}

fn audit(shown: &Shown, what: &str) {
    let header = |name: &str| shown.header(name).unwrap_or_else(|| panic!("no {name}: {what} {shown:?}"));
    assert_eq!(header("cache-control"), "no-store", "{what}");
    assert_eq!(header("x-content-type-options"), "nosniff", "{what}");
    let policy = header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{what}");
    assert!(!policy.contains("unsafe") && policy.contains("base-uri 'none'"), "{what}");
    assert!(matches!(header("referrer-policy"), "same-origin" | "no-referrer"), "{what}");
    header("x-request-id");
    assert_eq!(shown.header("access-control-allow-credentials"), None, "{what}");
    if !shown.html.is_empty() && shown.status.as_u16() != 303 {
        assert!(header("content-type").contains("charset=utf-8"), "{what} {}", header("content-type"));
    }
    for script in ["<script>", " onclick", " onload", "javascript:", " style="] {
        assert!(!shown.html.contains(script), "{what} has {script}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t41_every_page_and_every_failure_protects_itself() {
    let app = TestApp::on_services().await;
    for (host, path) in PAGES {
        let mut browser = Browser::on(&app, host);
        audit(&browser.open(path).await, path);
        audit(&browser.send(Method::PUT, path, &[], None).await, path);
        audit(&browser.send(Method::POST, path, &[("content-type", FORM)], None).await, path);
    }
    let mut browser = Browser::on(&app, READER);
    browser.sign_in("ada@example.org").await;
    app.advance(Duration::from_secs(61)).await;
    for (host, path) in PAGES {
        if host == READER {
            audit(&browser.open(path).await, path);
        }
    }
    for path in FORMS {
        browser.open("/login?redirectTo=/account").await;
        browser.open("/account").await;
        audit(&browser.submit(path, &[]).await, path);
    }
    let big = format!("_token=x&email={}", "a".repeat(100_000));
    let headers = [("origin", "http://reader.localhost:8080"), ("content-type", FORM)];
    let refused = browser.send(Method::POST, "/login", &headers, Some(big)).await;
    refused.assert_status(413);
    audit(&refused, "a form that is too large");
}
