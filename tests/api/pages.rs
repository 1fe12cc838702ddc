//! The hosted pages as a browser without scripts meets them. What they look like is for a real browser to see.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::support::app::{MANAGE, READER, text};
use super::support::{Browser, TestApp, on_both_backends};

on_both_backends! {
    /// The whole way in: address, code, profile, account; and out.
    async fn somebody_signs_up_on_the_pages_and_signs_out(app: TestApp) {
        let mut browser = Browser::on(&app, READER);
        browser.sign_in("ada@example.org").await.assert_leads_to("/welcome?redirectTo=%2F");
        browser.open("/welcome?redirectTo=%2F").await.assert_shows("display_name");
        let version = "1";
        let profile = [
            ("display_name", "Ada L."), ("bio", "Reads."), ("city", "London"), ("country", "UK"), ("language", "vi"),
            ("_version", version), ("redirectTo", "/"),
        ];
        browser.submit("/welcome", &profile).await.assert_leads_to("/");
        browser.open("/").await.assert_leads_to("/account");
        let account = browser.open("/account").await;
        account.assert_shows("display_name");
        assert!(account.html.contains("Ada L.") && account.html.contains("lang=\"vi\""), "{}", account.html);
        assert_eq!(app.mails_to("ada@example.org"), 1);
        browser.submit("/account/sign-out", &[]).await.assert_leads_to("/login?done=signed_out");
        browser.open("/account").await.assert_leads_to("/login?redirectTo=%2Faccount");
    }

    /// A person who has an account is not asked for a profile, and lands where they wanted to go.
    async fn who_comes_back_goes_where_they_wanted(app: TestApp) {
        app.sign_in(READER, "ada@example.org").await;
        app.advance(Duration::from_secs(61)).await;
        let mut browser = Browser::on(&app, READER);
        browser.open("/login?redirectTo=/borrowing?page=2").await.assert_shows("redirectTo");
        let form = [("email", "Ada@Example.org"), ("redirectTo", "/borrowing?page=2")];
        browser.submit("/login", &form).await.assert_leads_to("/login");
        let page = browser.open("/login").await;
        assert!(page.html.contains("ada@example.org"), "the page says where the code went");
        let code = app.code("ada@example.org", 2).await;
        browser.submit("/login/code", &[("code", &code)]).await.assert_leads_to("/borrowing?page=2");
        browser.open("/login?redirectTo=/x").await.assert_leads_to("/x");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_code_is_said_to_be_wrong_and_the_right_one_still_works() {
    let app = TestApp::on_services().await;
    let mut browser = Browser::on(&app, READER);
    browser.open("/login").await;
    browser.submit("/login", &[("email", "ada@example.org")]).await.assert_leads_to("/login");
    let code = app.code("ada@example.org", 1).await;
    let wrong = if code == "000000" { "000001" } else { "000000" };
    let page = browser.submit("/login/code", &[("code", wrong)]).await;
    page.assert_status(403);
    assert!(page.html.contains("name=\"code\"") && page.html.contains("role=\"alert\""), "{}", page.html);
    let spaced = format!(" {} {} ", &code[..3], &code[3..]);
    browser.submit("/login/code", &[("code", &spaced)]).await.assert_leads_to("/welcome?redirectTo=%2F");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_code_comes_after_the_gap_and_ends_the_first() {
    let app = TestApp::on_services().await;
    let mut browser = Browser::on(&app, READER);
    browser.open("/login").await;
    browser.submit("/login", &[("email", "ada@example.org")]).await;
    let first = app.code("ada@example.org", 1).await;
    browser.submit("/login/resend", &[]).await.assert_status(429).headers["retry-after"].to_str().unwrap();
    // Asking again from the first step leads to the code that is on its way.
    browser.submit("/login", &[("email", "ada@example.org")]).await.assert_leads_to("/login");
    app.advance(Duration::from_secs(61)).await;
    browser.submit("/login/resend", &[]).await.assert_leads_to("/login?done=code_resent");
    let second = app.code("ada@example.org", 2).await;
    if first != second {
        browser.submit("/login/code", &[("code", &first)]).await.assert_status(403);
    }
    browser.submit("/login/restart", &[]).await.assert_leads_to("/login");
    browser.open("/login").await.assert_shows("email");
    browser.submit("/login/code", &[("code", &second)]).await.assert_leads_to("/login");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_is_none_gets_no_mail_and_a_clear_word() {
    let app = TestApp::on_services().await;
    let mut browser = Browser::on(&app, READER);
    browser.open("/login").await;
    for address in ["", "ada", "Ada <ada@example.org>", "ada@example.org, eve@example.org"] {
        let page = browser.submit("/login", &[("email", address)]).await;
        page.assert_status(422);
        assert!(
            page.html.contains("role=\"alert\"") && page.html.contains("name=\"email\""),
            "{}",
            page.html
        );
    }
    assert_eq!(app.mails_to("ada@example.org"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t06_a_code_works_in_the_browser_that_asked_for_it_and_nowhere_else() {
    let app = TestApp::on_services().await;
    let (mut asked, mut other) = (Browser::on(&app, READER), Browser::on(&app, READER));
    for browser in [&mut asked, &mut other] {
        browser.open("/login").await;
    }
    asked.submit("/login", &[("email", "ada@example.org")]).await.assert_leads_to("/login");
    let code = app.code("ada@example.org", 1).await;
    // The other browser takes over what the first keeps of its sign-in, but not who it is.
    other.jar.insert("doorcode-sign-in".to_owned(), asked.jar["doorcode-sign-in"].clone());
    other.submit("/login/code", &[("code", &code)]).await.assert_status(403);
    // Nor does a client library get in with it, on either site.
    app.verify(READER, "ada@example.org", &code).await.assert_problem(403, "otp_expired");
    app.verify(MANAGE, "ada@example.org", &code).await.assert_problem(403, "otp_expired");
    asked.submit("/login/code", &[("code", &code)]).await.assert_leads_to("/welcome?redirectTo=%2F");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_that_a_client_library_asked_for_is_none_for_the_pages() {
    let app = TestApp::on_services().await;
    let mut browser = Browser::on(&app, READER);
    browser.open("/login").await;
    browser.submit("/login", &[("email", "ada@example.org")]).await;
    app.advance(Duration::from_secs(61)).await;
    app.request_code(READER, "ada@example.org").await.assert_ok();
    let code = app.code("ada@example.org", 2).await;
    browser.submit("/login/code", &[("code", &code)]).await.assert_status(403);
    app.verify(READER, "ada@example.org", &code).await.assert_ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_gets_a_token_for_its_scripts_and_nobody_else_does() {
    let app = TestApp::on_services().await;
    let mut browser = Browser::on(&app, READER);
    let own = [("sec-fetch-site", "same-origin")];
    let nobody = browser.send(Method::GET, "/auth/v1/session", &own, None).await;
    assert_eq!((nobody.status.as_u16(), nobody.html.as_str()), (200, "null"));
    browser.sign_in("ada@example.org").await;
    let found = browser.send(Method::GET, "/auth/v1/session", &own, None).await;
    let session: Value = serde_json::from_str(&found.html).unwrap();
    assert_eq!(session["user"]["email"], "ada@example.org");
    assert!(session.get("refresh_token").is_none());
    let user = app.get_with_token(READER, "/auth/v1/user", text(&session, "access_token")).await;
    user.assert_ok();
    // The cookie is no bearer token, and neither is it one at the other site.
    let cookie = browser.jar["doorcode-session"].clone();
    app.get_with_token(READER, "/auth/v1/user", &cookie).await.assert_problem(403, "bad_jwt");
    app.refresh(READER, &cookie).await.assert_problem(400, "validation_failed");
    let mut manage = Browser::on(&app, MANAGE);
    manage.jar.insert("doorcode-session".to_owned(), cookie);
    assert_eq!(manage.send(Method::GET, "/auth/v1/session", &own, None).await.html, "null");
    for foreign in [
        &[("sec-fetch-site", "same-site")][..],
        &[("sec-fetch-site", "cross-site")],
        &[("origin", "http://localhost:3000")],
    ] {
        browser.send(Method::GET, "/auth/v1/session", foreign, None).await.assert_status(403);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_are_listed_and_ended_one_by_one_or_all_at_once() {
    let app = TestApp::on_services().await;
    let mut first = Browser::on(&app, READER);
    first.sign_in("ada@example.org").await;
    app.advance(Duration::from_secs(61)).await;
    let api = app.sign_in(READER, "ada@example.org").await;
    app.advance(Duration::from_secs(61)).await;
    let mut second = Browser::on(&app, READER);
    second.sign_in("ada@example.org").await;
    let page = second.open("/account").await;
    assert_eq!(page.html.matches("name=\"session\"").count(), 2, "all but its own can be ended one by one");
    let id =
        page.html.split("name=\"session\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    second.submit("/account/sessions/end", &[("session", &id)]).await;
    let page = second.open("/account").await;
    assert_eq!(page.html.matches("name=\"session\"").count(), 1);
    second.submit("/account/sessions/end-others", &[]).await;
    app.refresh(READER, text(&api, "refresh_token")).await.assert_problem(400, "session_not_found");
    first.open("/account").await.assert_leads_to("/login?redirectTo=%2Faccount");
    assert!(!first.jar.contains_key("doorcode-session"), "a dead cookie is taken away");
    second.open("/account").await.assert_status(200);
    second.submit("/account/sessions/end-all", &[]).await.assert_status(200);
    second.open("/account").await.assert_leads_to("/login?redirectTo=%2Faccount");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_nobody_uses_ends_and_one_in_use_goes_on() {
    let app = TestApp::on_services_with(&[
        ("SITES__READER__SESSION_IDLE_SECS", "3600"),
        ("SITES__READER__SESSION_MAX_SECS", "9000"),
    ])
    .await;
    let mut browser = Browser::on(&app, READER);
    browser.sign_in("ada@example.org").await;
    for _ in 0..2 {
        app.advance(Duration::from_secs(3000)).await;
        browser.open("/account").await.assert_status(200);
    }
    // 6000 seconds old, and used 3500 seconds ago.
    app.advance(Duration::from_secs(3500)).await;
    browser.open("/account").await.assert_leads_to("/login?redirectTo=%2Faccount");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t42_a_sign_in_leads_nowhere_but_to_the_site() {
    let app = TestApp::on_services().await;
    app.sign_in(READER, "ada@example.org").await;
    for (wished, expected) in [
        ("//evil.example", "/"),
        ("https://evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("https://reader.localhost:8080@evil.example", "/"),
        ("http://localhost:3000/app", "http://localhost:3000/app"),
        ("http://localhost:3001/app", "/"),
    ] {
        app.advance(Duration::from_secs(7200)).await;
        let mut browser = Browser::on(&app, READER);
        browser.open("/login").await;
        let form = [("email", "ada@example.org"), ("redirectTo", wished)];
        let before = app.mails_to("ada@example.org");
        browser.submit("/login", &form).await.assert_leads_to("/login");
        let code = app.code("ada@example.org", before + 1).await;
        browser.submit("/login/code", &[("code", &code)]).await.assert_leads_to(expected);
        // A listed origin is allowed to be led to by the policy of the page, too.
        let query: String = url::form_urlencoded::byte_serialize(wished.as_bytes()).collect();
        browser.open(&format!("/login?redirectTo={query}")).await.assert_leads_to(expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_takes_all_their_data_with_them() {
    let app = TestApp::on_services().await;
    let mut browser = Browser::on(&app, READER);
    browser.sign_in("ada@example.org").await;
    let file = browser.open("/account/data").await;
    file.assert_status(200);
    assert!(file.header("content-disposition").unwrap().starts_with("attachment"));
    let data: Value = serde_json::from_str(&file.html).unwrap();
    assert_eq!(data["account"]["email"], "ada@example.org");
    assert_eq!(data["profile"]["display_name"], "ada");
    assert_eq!(data["sessions"].as_array().unwrap().len(), 1);
    assert!(data["sessions"][0].get("refresh_counter").is_none());
    assert_eq!(data["events"][0]["action"], "user_signedup");
}

/// The token in the link of a mail.
fn link_in(text: &str) -> String {
    let (_, rest) = text.split_once("/confirm?token_hash=").unwrap_or_else(|| panic!("no link in {text}"));
    rest.split('&').next().unwrap().to_owned()
}

on_both_backends! {
    /// A scanner of mails opens every link and uses none.
    async fn a_mailed_link_asks_first_and_signs_in_once(app: TestApp) {
        app.request_code(READER, "ada@example.org").await.assert_ok();
        let token = link_in(&app.mail("ada@example.org", 1).await.text);
        let path = format!("/confirm?token_hash={token}&type=email&redirect_to=%2Fbooks");
        let (mut scanner, mut browser) = (Browser::on(&app, READER), Browser::on(&app, READER));
        for _ in 0..3 {
            scanner.open(&path).await.assert_shows("token_hash");
        }
        browser.open(&path).await.assert_shows("token_hash");
        let form = [("token_hash", token.as_str()), ("type", "email"), ("redirectTo", "/books")];
        browser.submit("/confirm", &form).await.assert_leads_to("/welcome?redirectTo=%2Fbooks");
        browser.open("/account").await.assert_shows("display_name");
        scanner.submit("/confirm", &form).await.assert_status(403);
        scanner.open("/account").await.assert_leads_to("/login?redirectTo=%2Faccount");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_a_client_library_asked_for_leads_back_to_it() {
    let app = TestApp::on_services().await;
    let mut browser = Browser::on(&app, READER);
    // RFC 7636 appendix B.
    let challenge = json!({
        "email": "ada@example.org", "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        "code_challenge_method": "s256",
    });
    let path = "/auth/v1/otp?redirect_to=http%3A%2F%2Flocalhost%3A3000%2Fback";
    app.post(READER, path, challenge).await.assert_ok();
    let token = link_in(&app.mail("ada@example.org", 1).await.text);
    browser.open(&format!("/confirm?token_hash={token}&type=email")).await.assert_shows("token_hash");
    let form = [("token_hash", token.as_str()), ("type", "email")];
    let answer = browser.submit("/confirm", &form).await;
    let code = answer
        .header("location")
        .unwrap()
        .strip_prefix("http://localhost:3000/back?code=")
        .unwrap()
        .to_owned();
    assert!(
        !browser.jar.contains_key("doorcode-session"),
        "the session is the library's, not this browser's"
    );
    let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let trade = json!({"auth_code": code, "code_verifier": verifier});
    app.post(READER, "/auth/v1/token?grant_type=pkce", trade).await.assert_ok();
    // Without a challenge the session comes in the fragment, which browsers send to nobody.
    app.advance(Duration::from_secs(61)).await;
    app.post(READER, path, json!({"email": "ada@example.org"})).await.assert_ok();
    let token = link_in(&app.mail("ada@example.org", 2).await.text);
    let form = [("token_hash", token.as_str()), ("type", "magiclink")];
    let answer = browser.submit("/confirm", &form).await;
    let to = answer.header("location").unwrap();
    assert!(to.starts_with("http://localhost:3000/back#access_token="), "{to}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_that_came_too_late_is_said_to_be_late_and_not_wrong() {
    let app = TestApp::on_services().await;
    let mut browser = Browser::on(&app, READER);
    browser.open("/login").await;
    browser.submit("/login", &[("email", "ada@example.org")]).await.assert_leads_to("/login");
    let code = app.code("ada@example.org", 1).await;
    for (wait, said) in [(0, "is not right"), (601, "no longer works")] {
        app.advance(Duration::from_secs(wait)).await;
        let typed = if wait == 0 { "abcdef" } else { code.as_str() };
        let page = browser.submit("/login/code", &[("code", typed)]).await;
        page.assert_status(403);
        assert!(page.html.contains(said), "{said}: {}", page.html);
    }
}
