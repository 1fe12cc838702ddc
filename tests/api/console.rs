//! The console, as a browser without scripts sees it: who gets in, how far they get, and what nobody can do in their name.

use std::time::Duration;

use doorcode::domain::Scope;
use reqwest::Method;

use super::admin::{operator, service_key};
use super::support::app::{MANAGE, READER, text};
use super::support::browser::Shown;
use super::support::{Browser, TestApp, on_both_backends};

const FORM: &str = "application/x-www-form-urlencoded";
const SHARED: &str = "127.0.0.1:8080";

/// Every page that somebody inside can open.
const PAGES: [&str; 9] = [
    "/admin",
    "/admin/people",
    "/admin/access-requests",
    "/admin/libraries",
    "/admin/mail",
    "/admin/mail/suppressions",
    "/admin/keys",
    "/admin/signing-keys",
    "/admin/audit-log",
];
/// Pages that anybody can read there.
const OPEN: [&str; 3] = ["/admin/sign-in", "/admin/docs", "/admin/docs/public"];

/// A browser at the console of `host`, with a service key.
async fn with_key<'a>(app: &'a TestApp, host: &'a str, key: &str) -> Browser<'a> {
    let mut browser = Browser::on(app, host);
    browser.open("/admin/sign-in").await.assert_shows("key");
    browser.submit("/admin/sign-in", &[("key", key)]).await.assert_leads_to("/admin");
    browser.open("/admin").await.assert_status(200);
    browser
}

/// Gives an account a part in administration, or takes it away.
async fn set_scope(app: &TestApp, email: &str, scope: Option<&str>) {
    let metadata = scope.map_or_else(|| "{}".to_owned(), |scope| format!(r#"{{"admin_scope": "{scope}"}}"#));
    sqlx::query("update auth.users set raw_app_meta_data = $2::jsonb where email = $1")
        .bind(email)
        .bind(metadata)
        .execute(&app.services.as_ref().unwrap().sql)
        .await
        .unwrap();
}

on_both_backends! {
    async fn a_service_key_opens_the_console_and_ends_a_session(app: TestApp) {
        let reader = app.sign_in(READER, "ada@example.org").await;
        let user = text(&reader["user"], "id");
        let (_, key) = service_key(&app, Scope::Support).await;
        let mut browser = with_key(&app, MANAGE, &key).await;
        let person = browser.open(&format!("/admin/people/{user}")).await;
        let (_, rest) = person.html.split_once("end-sessions?session=").unwrap_or_else(|| panic!("{person:?}"));
        let session = rest.split('"').next().unwrap();
        let question = format!("/admin/people/{user}/end-sessions?session={session}");
        browser.open(&question).await.assert_shows("session");
        app.refresh(READER, text(&reader, "refresh_token")).await.assert_ok();
        let answer = browser.submit(&format!("/admin/people/{user}/end-sessions"), &[("session", session)]).await;
        answer.assert_leads_to(&format!("/admin/people/{user}?done=session_ended"));
        let token = text(&reader, "access_token");
        app.get_with_token(READER, "/auth/v1/user", token).await.assert_problem(403, "session_not_found");
        let person = browser.open(&format!("/admin/people/{user}?done=session_ended")).await;
        assert!(person.html.contains("The session was ended.") && person.html.contains("Signed in nowhere"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t33_the_console_is_where_it_belongs_and_nowhere_else() {
    let app = TestApp::on_services().await;
    let (_, key) = service_key(&app, Scope::Admin).await;
    with_key(&app, SHARED, &key).await;
    for path in PAGES.into_iter().chain(OPEN).chain(["/admin/people/x"]) {
        Browser::on(&app, READER).open(path).await.assert_status(404);
        Browser::on(&app, "evil.example").open(path).await.assert_status(421);
    }
    for path in PAGES {
        for host in [MANAGE, SHARED] {
            let answer = Browser::on(&app, host).open(path).await;
            assert!(answer.status == 303 && answer.header("location").unwrap().starts_with("/admin/sign-in"));
        }
    }
    let mut browser = Browser::on(&app, MANAGE);
    browser
        .open("/admin/people?email=a")
        .await
        .assert_leads_to("/admin/sign-in?back=%2Fadmin%2Fpeople%3Femail%3Da");
    browser.open("/admin/sign-in").await;
    let mut bent = key.clone().into_bytes();
    bent[40] = if bent[40] == b'A' { b'B' } else { b'A' };
    let tokens = app.sign_in(READER, "ada@example.org").await;
    for wrong in ["", "x", &String::from_utf8(bent).unwrap(), text(&tokens, "access_token")] {
        browser.submit("/admin/sign-in", &[("key", wrong)]).await.assert_status(401);
        assert!(!browser.jar.contains_key("doorcode-console"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t33_an_account_gets_in_as_far_as_its_scope_says_at_that_moment() {
    let app = TestApp::on_services().await;
    app.sign_in(READER, "ada@example.org").await;
    let eve = app.sign_in(READER, "eve@example.org").await;
    let eve = text(&eve["user"], "id");
    app.advance(Duration::from_secs(61)).await;
    let mut browser = Browser::on(&app, MANAGE);
    browser.sign_in("ada@example.org").await;
    let end = format!("/admin/people/{eve}/end-sessions");
    for nothing in [None, Some("reader"), Some("owner"), Some("")] {
        set_scope(&app, "ada@example.org", nothing).await;
        browser.open("/admin").await.assert_status(403);
        browser.submit(&end, &[]).await.assert_status(403);
    }
    // A page with a form, for its proof.
    set_scope(&app, "ada@example.org", Some("admin")).await;
    browser.open("/admin/keys").await.assert_shows("_once");
    set_scope(&app, "ada@example.org", Some("read")).await;
    let page = browser.open(&format!("/admin/people/{eve}")).await;
    assert!(page.status == 200 && !page.html.contains("end-sessions"), "{page:?}");
    // Nothing offers it, and it is refused to who asks all the same.
    browser.open("/admin/keys").await.assert_status(200);
    let refused = browser.submit(&end, &[]).await;
    assert!(refused.status == 403 && refused.html.contains("scope support"), "{refused:?}");
    set_scope(&app, "ada@example.org", Some("support")).await;
    browser.submit(&end, &[]).await.assert_leads_to(&format!("/admin/people/{eve}?done=sessions_ended"));
    browser.submit("/admin/keys", &[("name", "x"), ("scope", "admin")]).await.assert_status(403);
    // Of the account, not of the token: what its owner writes grants nothing.
    set_scope(&app, "ada@example.org", None).await;
    sqlx::query("update auth.users set raw_user_meta_data = '{\"admin_scope\": \"admin\"}'")
        .execute(&app.services.as_ref().unwrap().sql)
        .await
        .unwrap();
    browser.open("/admin").await.assert_status(403);
    let (kind, actor): (String, String) = sqlx::query_as(
        "select actor_kind, u.email from auth.audit_log a join auth.users u on u.id = a.actor_id
          where a.action = 'session_revoked' or a.action like 'sessions%' limit 1",
    )
    .fetch_one(&app.services.as_ref().unwrap().sql)
    .await
    .unwrap();
    assert_eq!((kind.as_str(), actor.as_str()), ("user", "ada@example.org"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_taken_for_an_hour_and_not_after_it_was_revoked_or_its_holder_has_left() {
    let app = TestApp::on_services().await;
    let (id, key) = service_key(&app, Scope::Admin).await;
    let mut browser = with_key(&app, MANAGE, &key).await;
    let mut other = with_key(&app, MANAGE, &key).await;
    let kept = browser.jar["doorcode-console"].clone();
    assert!(!kept.contains(&key[12..40]), "the key itself is in the cookie");
    // The cookie of one host is none on another.
    let mut elsewhere = Browser::on(&app, SHARED);
    elsewhere.jar.insert("doorcode-console".to_owned(), kept);
    elsewhere.open("/admin").await.assert_leads_to("/admin/sign-in");
    browser.submit("/admin/sign-out", &[]).await.assert_leads_to("/admin/sign-in?done=signed_out");
    browser.open("/admin").await.assert_leads_to("/admin/sign-in");
    let mut third = with_key(&app, MANAGE, &key).await;
    app.advance(Duration::from_secs(3601)).await;
    third.open("/admin").await.assert_leads_to("/admin/sign-in");
    let mut fourth = with_key(&app, MANAGE, &key).await;
    app.flows.revoke_service_key(&operator(), id).await.unwrap();
    for browser in [&mut other, &mut fourth] {
        browser.open("/admin/keys").await.assert_status(303);
        assert!(!browser.jar.contains_key("doorcode-console"), "the cookie is taken away");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t26_a_form_from_elsewhere_is_not_the_consoles() {
    let app = TestApp::on_services().await;
    let ada = app.sign_in(READER, "ada@example.org").await;
    let (id, key) = service_key(&app, Scope::Admin).await;
    let mut browser = with_key(&app, MANAGE, &key).await;
    browser.open("/admin/keys").await.assert_shows("_once");
    let jar = browser.jar.clone();
    let forms = [
        "/admin/sign-in".to_owned(),
        "/admin/sign-out".to_owned(),
        format!("/admin/people/{}/end-sessions", text(&ada["user"], "id")),
        "/admin/keys".to_owned(),
        format!("/admin/keys/{id}/revoke"),
        format!("/admin/people/{}/ban", text(&ada["user"], "id")),
        format!("/admin/people/{}/lift-ban", text(&ada["user"], "id")),
        format!("/admin/people/{}/unlock", text(&ada["user"], "id")),
        format!("/admin/people/{}/part", text(&ada["user"], "id")),
        format!("/admin/access-requests/{id}"),
        "/admin/libraries".to_owned(),
        format!("/admin/libraries/{id}/status"),
        format!("/admin/staff/{id}/revoke"),
        format!("/admin/mail/{id}/retry"),
        "/admin/mail/suppressions".to_owned(),
        "/admin/mail/suppressions/lift".to_owned(),
        "/admin/signing-keys/rotate".to_owned(),
        "/admin/signing-keys/x/revoke".to_owned(),
    ];
    let good = format!("_token={}&key={key}&name=x&scope=admin", browser.token);
    let own = "http://manage.localhost:8080";
    let origins: [&[(&str, &str)]; 8] = [
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("origin", "http://reader.localhost:8080")],
        &[("origin", "http://manage.localhost")],
        &[("origin", "http://manage.localhost:8080.evil.example")],
        &[],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "cross-site")],
    ];
    for path in &forms {
        for origin in origins {
            let headers = [origin, &[("content-type", FORM)]].concat();
            let answer = browser.send(Method::POST, path, &headers, Some(good.clone())).await;
            assert!(matches!(answer.status.as_u16(), 400 | 403), "{path} {origin:?} {answer:?}");
        }
        for (kind, body, status) in [
            (FORM, "name=x", 403),
            (FORM, "_token=AAAAAAAAAAAAAAAAAAAAAA&name=x", 403),
            ("text/plain", good.as_str(), 415),
            ("application/json", "{}", 415),
        ] {
            let headers = [("origin", own), ("content-type", kind)];
            let answer = browser.send(Method::POST, path, &headers, Some(body.to_owned())).await;
            assert_eq!(answer.status.as_u16(), status, "{path} {kind} {answer:?}");
        }
    }
    assert_eq!(browser.jar, jar, "the jar is as it was");
    app.get_with_token(READER, "/auth/v1/user", text(&ada, "access_token")).await.assert_ok();
    browser.open("/admin/keys").await.assert_shows("_once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t07_a_proof_is_for_one_browser_one_stay_and_the_console_alone() {
    let app = TestApp::on_services().await;
    let (_, key) = service_key(&app, Scope::Admin).await;
    let mut browser = Browser::on(&app, MANAGE);
    browser.open("/admin/sign-in").await;
    let before = browser.token.clone();
    browser.submit("/admin/sign-in", &[("key", &key)]).await.assert_leads_to("/admin");
    // One from before the sign-in, one of another browser with the same key, one of the hosted pages.
    browser.token = before;
    browser.submit("/admin/keys", &[("name", "x"), ("scope", "read")]).await.assert_status(403);
    browser.token = with_key(&app, MANAGE, &key).await.token;
    browser.submit("/admin/keys", &[("name", "x"), ("scope", "read")]).await.assert_status(403);
    browser.open("/login").await.assert_shows("email");
    browser.submit("/admin/keys", &[("name", "x"), ("scope", "read")]).await.assert_status(403);
    browser.open("/admin/keys").await;
    let proof = browser.token.clone();
    browser.submit("/login", &[("email", "ada@example.org")]).await.assert_status(403);
    // An attacker who knows a key cannot make somebody else's browser enter with it.
    let mut victim = Browser::on(&app, MANAGE);
    victim.token.clone_from(&proof);
    victim.submit("/admin/sign-in", &[("key", &key)]).await.assert_status(403);
    assert!(!victim.jar.contains_key("doorcode-console"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_that_is_sent_twice_makes_one_key_and_shows_it_both_times() {
    let app = TestApp::on_services().await;
    let (_, key) = service_key(&app, Scope::Admin).await;
    let mut browser = with_key(&app, MANAGE, &key).await;
    let shown = browser.open("/admin/keys").await;
    let once = shown.html.split("name=\"_once\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let fields =
        [("_once", once), ("name", "Nightly <report>"), ("scope", "read"), ("ends_on", "2999-12-31")];
    let made = |shown: &Shown| {
        let (_, rest) = shown.html.split_once("value=\"doorcode_sk_").unwrap_or_else(|| panic!("{shown:?}"));
        rest.split('"').next().unwrap().to_owned()
    };
    let first = browser.submit("/admin/keys", &fields).await;
    first.assert_status(200);
    let again = browser.submit("/admin/keys", &fields).await;
    assert_eq!(made(&again), made(&first));
    assert!(first.html.contains("Nightly &lt;report&gt;") && !first.html.contains("<report>"));
    let count: i64 = sqlx::query_scalar("select count(*) from auth.service_keys")
        .fetch_one(&app.services.as_ref().unwrap().sql)
        .await
        .unwrap();
    assert_eq!(count, 2);
    with_key(&app, MANAGE, &format!("doorcode_sk_{}", made(&first))).await;
    let refused = browser.submit("/admin/keys", &[("name", ""), ("scope", "root")]).await;
    refused.assert_status(422);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t25_the_consoles_cookies_are_the_hosts_own() {
    let app = TestApp::on_services_with(&[
        ("SITES__READER__URL", "https://reader.example"),
        ("SITES__MANAGEMENT__URL", "https://manage.example"),
    ])
    .await;
    let (_, key) = service_key(&app, Scope::Read).await;
    let mut browser = Browser::on(&app, "manage.example");
    browser.open("/admin/sign-in").await;
    let token = browser.token.clone();
    let headers = [("origin", "https://manage.example"), ("content-type", FORM)];
    let body = format!("_token={token}&key={key}");
    let shown = browser.send(Method::POST, "/admin/sign-in", &headers, Some(body)).await;
    shown.assert_leads_to("/admin");
    let cookies: Vec<_> =
        shown.headers.get_all("set-cookie").iter().map(|one| one.to_str().unwrap()).collect();
    assert_eq!(cookies.len(), 2, "{cookies:?}");
    for cookie in cookies {
        assert!(cookie.starts_with("__Host-doorcode-console") && cookie.len() <= 4096, "{cookie}");
        for part in ["Path=/", "HttpOnly", "Secure", "SameSite=Strict"] {
            assert!(cookie.split("; ").any(|one| one == part), "{part} in {cookie}");
        }
        assert!(!cookie.contains("Domain"));
    }
    let kept = browser.jar["__Host-doorcode-console"].clone();
    browser.open("/admin").await.assert_status(200);
    browser.jar.clear();
    browser.jar.insert("doorcode-console".to_owned(), kept.clone());
    browser.open("/admin").await.assert_leads_to("/admin/sign-in");
    browser.jar.clear();
    let twice = format!("__Host-doorcode-console={kept}; __Host-doorcode-console={kept}");
    browser.send(Method::GET, "/admin", &[("cookie", &twice)], None).await.assert_status(400);
}

fn audit(shown: &Shown, what: &str) {
    let header = |name: &str| shown.header(name).unwrap_or_else(|| panic!("no {name}: {what} {shown:?}"));
    assert_eq!(header("cache-control"), "no-store", "{what}");
    let policy = header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{what}");
    assert!(!policy.contains("unsafe") && policy.contains("base-uri 'none'"), "{what}");
    assert!(matches!(header("referrer-policy"), "same-origin" | "no-referrer"), "{what}");
    for script in ["<script>", " onclick", " onload", "javascript:", " style="] {
        assert!(!shown.html.contains(script), "{what} has {script}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t41_every_page_of_the_console_protects_itself() {
    let app = TestApp::on_services().await;
    let (_, key) = service_key(&app, Scope::Admin).await;
    let mut browser = with_key(&app, MANAGE, &key).await;
    for path in PAGES.into_iter().chain(OPEN).chain(["/admin/people/x", "/admin/nothing"]) {
        let shown = browser.open(path).await;
        audit(&shown, path);
        assert!(!shown.html.contains(&key[20..]), "{path} tells the key");
        audit(&Browser::on(&app, MANAGE).open(path).await, path);
        audit(&browser.send(Method::PUT, path, &[], None).await, path);
    }
    let mut stranger = Browser::on(&app, MANAGE);
    stranger.open("/admin/sign-in").await;
    audit(&stranger.submit("/admin/sign-in", &[("key", "doorcode_sk_x")]).await, "a wrong key");
}
