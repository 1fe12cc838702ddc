//! Browsers at the gate: the session cookie of the hosted pages in place of a token.

use std::time::Duration;

use doorcode::domain::{KeyRing, SessionCookie, SessionId};
use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::Value;
use uuid::Uuid;

use super::people::{NOBODY, PEOPLE, Proxy, RULES, told};
use crate::support::TestApp;
use crate::support::app::{Answer, MANAGE, MASTER, READER, text};

/// A signed-in browser.
struct Browser {
    session: Value,
    cookie: String,
}

/// Signs somebody in, and makes the cookie that the pages would have set.
async fn sign_in(proxy: &Proxy, host: &str, name: &str) -> Browser {
    let session = proxy.app.sign_in(host, &format!("{name}@example.org")).await;
    let cookie = cookie_beside(text(&session, "access_token"));
    Browser { session, cookie }
}

/// The cookie of the session that a token is of.
pub(super) fn cookie_beside(token: &str) -> String {
    let claims = claims_of(token);
    cookie_of(text(&claims, "session_id").parse().unwrap(), text(&claims, "site"))
}

fn cookie_of(session: Uuid, site: &str) -> String {
    let master = doorcode::config::decode_master_secret(MASTER).unwrap();
    let value = SessionCookie(SessionId(session)).encode(site, &KeyRing::new(master.expose_secret(), &[]));
    format!("doorcode-session={value}")
}

fn claims_of(token: &str) -> Value {
    use base64::Engine as _;
    let part = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

async fn ask(proxy: &Proxy, host: &str, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let facts = [("x-forwarded-method", method), ("x-forwarded-uri", path)];
    proxy.ask_with(host, "", &[&facts, headers].concat()).await
}

async fn a_cookie_is_as_good_as_a_token_and_buys_one_for_the_application(app: TestApp) {
    let proxy = Proxy::before(app);
    let owner = sign_in(&proxy, MANAGE, "owner").await;
    let get = async |path: &str| ask(&proxy, MANAGE, "GET", path, &[("cookie", &owner.cookie)]).await;
    let first = get("/libraries/north").await;
    let [_, email, session, libraries, authorization] = told(first.assert_ok());
    assert_eq!((email, libraries), (Some("owner@example.org"), Some("north")));
    let bearer = authorization.unwrap().to_owned();
    let token = bearer.strip_prefix("Bearer ").unwrap();
    assert_ne!(token, text(&owner.session, "access_token"));
    assert_eq!(claims_of(token)["session_id"], session.unwrap());
    // The token is a live one: for us, and for the library API.
    proxy.app.get_with_token(MANAGE, "/auth/v1/user", token).await.assert_ok();
    proxy.app.get_with_token(MANAGE, "/api/v1/libraries/north/staff", token).await.assert_ok();
    get("/libraries/south").await.assert_problem(403, "forbidden");
    // A second later it is another.
    proxy.app.advance(Duration::from_secs(1)).await;
    assert_ne!(told(&get("/libraries/north").await)[4], Some(bearer.as_str()));
    // Beside a token of somebody else, the token counts.
    let patron = format!("Bearer {}", proxy.token("patron").await);
    let both = [("cookie", owner.cookie.as_str()), ("authorization", &patron)];
    ask(&proxy, MANAGE, "GET", "/libraries/north", &both).await.assert_problem(403, "not_staff");
    let junk = [("cookie", owner.cookie.as_str()), ("authorization", "Bearer x")];
    ask(&proxy, MANAGE, "GET", "/libraries/north", &junk).await.assert_problem(401, "not_signed_in");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cookie_is_as_good_as_a_token_and_buys_one_for_the_application_on_services() {
    let app = TestApp::on_filled_services(PEOPLE, &[RULES]).await;
    a_cookie_is_as_good_as_a_token_and_buys_one_for_the_application(app).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cookie_is_as_good_as_a_token_and_buys_one_for_the_application_on_embedded() {
    let app = TestApp::on_filled_embedded(PEOPLE, &[RULES]).await;
    a_cookie_is_as_good_as_a_token_and_buys_one_for_the_application(app).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_twenty_requests_costs_one_statement_and_one_token() {
    let proxy = Proxy::on_services().await;
    let owner = sign_in(&proxy, MANAGE, "owner").await;
    let cookie = [("cookie", owner.cookie.as_str())];
    let services = proxy.app.services.as_ref().unwrap();
    // Statements at the gate wait here, and are counted for as long as requests need to arrive.
    let mut lock = services.sql.begin().await.unwrap();
    sqlx::raw_sql("lock table public.library_staff").execute(&mut *lock).await.unwrap();
    let asking = (0..20).map(|_| ask(&proxy, MANAGE, "GET", "/libraries/north", &cookie));
    let asking = futures_util::future::join_all(asking);
    let release = async {
        services.somebody_waits().await;
        let mut most = 0;
        for _ in 0..20 {
            most = most.max(services.connections("wait_event_type = 'Lock'").await);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        lock.rollback().await.unwrap();
        most
    };
    let (answers, most) = tokio::join!(asking, release);
    assert_eq!(most, 1, "one statement for all of them");
    let tokens: std::collections::BTreeSet<_> =
        answers.iter().map(|answer| told(answer.assert_ok())[4]).collect();
    assert_eq!(tokens.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t24_t25_a_cookie_of_another_site_a_forged_one_and_a_double_one_are_nobodys() {
    let proxy = Proxy::on_services().await;
    let owner = sign_in(&proxy, MANAGE, "owner").await;
    let reader = sign_in(&proxy, READER, "librarian").await;
    let id = text(&claims_of(text(&reader.session, "access_token")), "session_id").parse().unwrap();
    let bent = format!("{}A", &owner.cookie[..owner.cookie.len() - 3]);
    for wrong in [
        // A reader's cookie, its session under a cookie of this site, and nobody's session.
        &reader.cookie,
        &cookie_of(id, "management"),
        &cookie_of(Uuid::new_v4(), "management"),
        &bent,
        "doorcode-session=",
        "doorcode-session=x",
        &owner.cookie.replace("doorcode", "Doorcode"),
        &owner.cookie.replace("doorcode", "%64oorcode"),
    ] {
        let headers = [("cookie", wrong)];
        ask(&proxy, MANAGE, "GET", "/me", &headers).await.assert_problem(401, "not_signed_in");
        assert_eq!(told(ask(&proxy, MANAGE, "GET", "/open", &headers).await.assert_ok()), NOBODY, "{wrong}");
    }
    let twice = format!("{}; {}", owner.cookie, owner.cookie);
    ask(&proxy, MANAGE, "GET", "/me", &[("cookie", &twice)]).await.assert_problem(400, "duplicate_cookie");
    let among = format!("theme=dark; {}; a=b", owner.cookie);
    ask(&proxy, MANAGE, "GET", "/me", &[("cookie", &among)]).await.assert_ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t26_another_sites_page_changes_nothing_with_a_cookie() {
    let proxy = Proxy::on_services().await;
    let owner = sign_in(&proxy, MANAGE, "owner").await;
    let cookie = ("cookie", owner.cookie.as_str());
    let own = ("origin", "http://manage.localhost:8080");
    for (method, headers) in [
        ("POST", &[][..]),
        ("POST", &[("origin", "http://reader.localhost:8080")]),
        ("DELETE", &[("origin", "https://evil.example")]),
        ("PUT", &[("origin", "null")]),
        ("PATCH", &[("origin", "http://manage.localhost:8080.evil.example")]),
        ("POST", &[("origin", "http://manage.localhost")]),
        ("POST", &[("sec-fetch-site", "same-site")]),
        ("POST", &[own, own]),
        ("POST", &[("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")]),
        ("QUERY", &[("sec-fetch-site", "cross-site")]),
        // A WebSocket, which a page of any origin may open.
        ("GET", &[("sec-websocket-key", "x"), ("origin", "https://evil.example")]),
    ] {
        let headers = [&[cookie], headers].concat();
        let answer = ask(&proxy, MANAGE, method, "/libraries/north", &headers).await;
        answer.assert_problem(403, "origin_not_allowed");
        // Where it is public, it passes as nobody.
        assert_eq!(told(ask(&proxy, MANAGE, method, "/open", &headers).await.assert_ok()), NOBODY);
    }
    for (method, headers) in [
        ("POST", &[own][..]),
        ("DELETE", &[("sec-fetch-site", "same-origin")]),
        ("GET", &[("sec-websocket-key", "x"), own]),
        ("GET", &[("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")]),
        ("HEAD", &[]),
    ] {
        ask(&proxy, MANAGE, method, "/libraries/north", &[&[cookie], headers].concat()).await.assert_ok();
    }
    // A program with a token means what it does.
    let bearer = format!("Bearer {}", text(&owner.session, "access_token"));
    let headers = [("authorization", bearer.as_str()), ("origin", "https://evil.example")];
    ask(&proxy, MANAGE, "POST", "/libraries/north", &headers).await.assert_ok();
    // Without a cookie, a stranger's page is just somebody who is not signed in.
    let origin = [("origin", "https://evil.example")];
    ask(&proxy, MANAGE, "POST", "/libraries/north", &origin).await.assert_problem(401, "not_signed_in");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t29_a_cookie_lives_by_its_use_and_dies_with_its_session() {
    let proxy = Proxy::on_services().await;
    let owner = sign_in(&proxy, MANAGE, "owner").await;
    let cookie = [("cookie", owner.cookie.as_str())];
    let get = async || ask(&proxy, MANAGE, "GET", "/libraries/north", &cookie).await;
    // 12 hours idle are the end; use in between is not.
    for _ in 0..3 {
        proxy.app.advance(Duration::from_secs(11 * 3600)).await;
        get().await.assert_ok();
    }
    let bearer = told(&get().await)[4].unwrap().to_owned();
    let headers = [("authorization", bearer.as_str())];
    proxy.app.send(MANAGE, Method::POST, "/auth/v1/logout?scope=local", &headers, None).await;
    proxy.app.advance(Duration::from_secs(1)).await;
    get().await.assert_problem(401, "not_signed_in");

    proxy.app.advance(Duration::from_secs(60)).await;
    let idle = sign_in(&proxy, MANAGE, "owner").await;
    proxy.app.advance(Duration::from_secs(12 * 3600)).await;
    let cookie = [("cookie", idle.cookie.as_str())];
    ask(&proxy, MANAGE, "GET", "/me", &cookie).await.assert_problem(401, "not_signed_in");
}
