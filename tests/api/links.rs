//! Mailed links: what opening one does (nothing), what confirming one does, and who gets the session then.

use std::time::Duration;

use doorcode::flows::{ConfirmLink, LinkConfirmed, Purpose, VerifyCodeError, Visitor};
use reqwest::Method;
use serde_json::{Value, json};
use url::Url;

use super::support::app::{MANAGE, READER, text};
use super::support::{Answer, TestApp, on_both_backends};

const ADA: &str = "ada@example.org";
/// RFC 7636 appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
/// An origin that the reader site lists.
const LISTED: &str = "http://localhost:3000/welcome?from=mail";

fn pkce() -> Value {
    json!({"email": ADA, "code_challenge": CHALLENGE, "code_challenge_method": "s256"})
}

/// Asks for a mail and takes the token out of the link in it.
async fn link(app: &TestApp, redirect_to: Option<&str>, body: Value) -> String {
    let before = app.mails_to(ADA);
    let query = redirect_to.map(|to| {
        let to: String = url::form_urlencoded::byte_serialize(to.as_bytes()).collect();
        format!("?redirect_to={to}")
    });
    let path = format!("/auth/v1/otp{}", query.unwrap_or_default());
    app.post(READER, &path, body).await.assert_ok();
    let mail = app.mail(ADA, before + 1).await;
    let page = "http://reader.localhost:8080/confirm?";
    let start = mail.text.find(page).unwrap_or_else(|| panic!("no link in {}", mail.text));
    let url: Url = mail.text[start..].split_whitespace().next().unwrap().parse().unwrap();
    let pairs: Vec<_> = url.query_pairs().into_owned().collect();
    assert_eq!((pairs.len(), pairs[0].0.as_str(), pairs[1].1.as_str()), (2, "token_hash", "email"), "{url}");
    pairs[0].1.clone()
}

async fn confirm(app: &TestApp, site: &str, token: &str) -> Result<LinkConfirmed, VerifyCodeError> {
    let visitor = Visitor { ip: [127, 0, 0, 1].into(), user_agent: None, locale: None };
    let site = app.flows.sites.find(site).unwrap().clone();
    app.flows
        .confirm_link(ConfirmLink { site, token: token.to_owned(), purpose: Purpose::Either, visitor })
        .await
}

async fn auth_code(app: &TestApp, token: &str) -> (Url, String) {
    match confirm(app, "reader", token).await {
        Ok(LinkConfirmed::AuthCode(to)) => {
            let code = to.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
            (to, code)
        }
        Ok(_) => panic!("no code was given"),
        Err(error) => panic!("{error}"),
    }
}

async fn exchange(app: &TestApp, host: &str, code: &str, verifier: &str) -> Answer {
    let body = json!({"auth_code": code, "code_verifier": verifier});
    app.post(host, "/auth/v1/token?grant_type=pkce", body).await
}

on_both_backends! {
    async fn t12_opening_a_link_any_number_of_times_uses_nothing_up(app: TestApp) {
        let token = link(&app, None, json!({"email": ADA})).await;
        let path = format!("/auth/v1/verify?token={token}&type=magiclink&redirect_to=http%3A%2F%2Flocalhost%3A3000%2Fx");
        for _ in 0..3 {
            let answer = app.send(READER, Method::GET, &path, &[], None).await;
            assert_eq!(answer.status.as_u16(), 303);
            let to = format!("http://reader.localhost:8080/confirm?token_hash={token}&type=magiclink&redirect_to=http%3A%2F%2Flocalhost%3A3000%2Fx");
            assert_eq!(answer.header("location"), Some(to.as_str()));
        }
        for path in ["/auth/v1/verify", "/auth/v1/verify?token=x", "/auth/v1/verify?type=email", "/auth/v1/verify?token=x&type=sms"] {
            app.send(READER, Method::GET, path, &[], None).await.assert_problem(400, "validation_failed");
        }
        let Ok(LinkConfirmed::SignedIn(signed_in)) = confirm(&app, "reader", &token).await else {
            panic!("nobody asked to be sent elsewhere: the session is the page's own")
        };
        assert!(signed_in.is_first && signed_in.user.email.as_str() == ADA);
        app.get_with_token(READER, "/auth/v1/user", &signed_in.access.text).await.assert_ok();
        assert!(matches!(confirm(&app, "reader", &token).await, Err(VerifyCodeError::Rejected)));
    }

    async fn a_library_that_waits_elsewhere_gets_the_session_in_the_fragment(app: TestApp) {
        let token = link(&app, Some(LISTED), json!({"email": ADA})).await;
        assert!(matches!(confirm(&app, "management", &token).await, Err(VerifyCodeError::Rejected)));
        let Ok(LinkConfirmed::HandOver(to)) = confirm(&app, "reader", &token).await else {
            panic!("the session belongs where it was asked for")
        };
        assert!(to.as_str().starts_with(&format!("{LISTED}#access_token=")), "{to}");
        let pairs: Vec<(String, String)> = url::form_urlencoded::parse(to.fragment().unwrap().as_bytes()).into_owned().collect();
        let names: Vec<_> = pairs.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["access_token", "expires_at", "expires_in", "refresh_token", "sb", "token_type", "type"]);
        assert_eq!((pairs[2].1.as_str(), pairs[5].1.as_str(), pairs[6].1.as_str()), ("3600", "bearer", "signup"));
        app.get_with_token(READER, "/auth/v1/user", &pairs[0].1).await.assert_ok();
        app.refresh(READER, &pairs[3].1).await.assert_ok();
    }

    async fn with_pkce_only_the_one_who_asked_gets_the_session_and_once(app: TestApp) {
        let token = link(&app, Some(LISTED), pkce()).await;
        let (to, code) = auth_code(&app, &token).await;
        assert_eq!(to.as_str(), format!("{LISTED}&code={code}"));
        assert!(matches!(confirm(&app, "reader", &token).await, Err(VerifyCodeError::Rejected)));
        for (code, verifier) in [("", VERIFIER), (code.as_str(), "")] {
            exchange(&app, READER, code, verifier).await.assert_problem(400, "validation_failed");
        }
        for other in ["x", "2e9f3d1c-6b0a-4b53-9d5e-000000000000", &code.to_uppercase()] {
            exchange(&app, READER, other, VERIFIER).await.assert_problem(404, "flow_state_not_found");
        }
        exchange(&app, MANAGE, &code, VERIFIER).await.assert_problem(404, "flow_state_not_found");
        exchange(&app, READER, &code, CHALLENGE).await.assert_problem(400, "bad_code_verifier");
        let session = exchange(&app, READER, &code, VERIFIER).await.assert_ok().body.clone();
        assert_eq!(text(&session["user"], "email"), ADA);
        app.get_with_token(READER, "/auth/v1/user", text(&session, "access_token")).await.assert_ok();
        exchange(&app, READER, &code, VERIFIER).await.assert_problem(404, "flow_state_not_found");
    }

    async fn a_code_from_a_link_lives_five_minutes_and_is_told_late_for_five_more(app: TestApp) {
        let token = link(&app, None, pkce()).await;
        let (to, code) = auth_code(&app, &token).await;
        assert_eq!(to.as_str(), format!("http://reader.localhost:8080/?code={code}"), "home where nothing was wished");
        app.advance(Duration::from_secs(301)).await;
        exchange(&app, READER, &code, VERIFIER).await.assert_problem(422, "flow_state_expired");
        exchange(&app, READER, &code, VERIFIER).await.assert_problem(404, "flow_state_not_found");
        let token = link(&app, None, pkce()).await;
        let (_, code) = auth_code(&app, &token).await;
        app.advance(Duration::from_secs(601)).await;
        exchange(&app, READER, &code, VERIFIER).await.assert_problem(404, "flow_state_not_found");
    }

    async fn a_challenge_must_be_whole_and_a_typed_code_needs_no_verifier(app: TestApp) {
        for (challenge, method) in [(CHALLENGE, ""), ("", "s256"), ("short", "s256"), (CHALLENGE, "s512")] {
            let body = json!({"email": ADA, "code_challenge": challenge, "code_challenge_method": method});
            app.post(READER, "/auth/v1/otp", body).await.assert_problem(400, "validation_failed");
        }
        app.post(READER, "/auth/v1/otp", pkce()).await.assert_ok();
        let code = app.code(ADA, 1).await;
        app.verify(READER, ADA, &code).await.assert_ok();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t42_a_link_leads_to_a_listed_origin_or_home_and_a_bad_wish_is_no_error() {
    let app = TestApp::on_services_with(&[
        ("LIMITS__SENDS_PER_HOUR", "1000"),
        ("LIMITS__SENDS_PER_DAY", "1000"),
        ("LIMITS__SEND_GAP_SECS", "1"),
    ])
    .await;
    let home = "http://reader.localhost:8080/";
    for (wished, expected) in [
        (LISTED, LISTED),
        ("http://localhost:3000", "http://localhost:3000/"),
        ("HTTP://LOCALHOST:3000/a#b", "http://localhost:3000/a"),
        ("http://reader.localhost:8080/books", "http://reader.localhost:8080/books"),
        ("/books", "http://reader.localhost:8080/books"),
        ("https://localhost:3000/", home),
        ("http://localhost:3001/", home),
        ("http://localhost:30000/", home),
        ("http://localhost.evil.example:3000/", home),
        ("http://localhost:3000@evil.example/", home),
        ("http://localhost:3000.evil.example/", home),
        ("http://evil.example/?http://localhost:3000", home),
        ("//evil.example", home),
        ("/\\evil.example", home),
        ("http:\\\\localhost:3000", home),
        ("http://localhost:3000\\@evil.example", home),
        ("javascript:alert(1)//http://localhost:3000", home),
        ("data:text/html,x", home),
        ("ftp://localhost:3000/", home),
        ("http://127.0.0.1:3000/", home),
        ("\thttp://localhost:3000/", home),
        ("http://local\thost:3000/", home),
        ("http://localhost:3000\r\nSet-Cookie: x=1", home),
        ("*", home),
        ("null", home),
        ("myapp://callback", home),
        ("http://", home),
        (&format!("/{}", "x".repeat(1700)), home),
    ] {
        let token = link(&app, Some(wished), pkce()).await;
        let (mut to, _) = auth_code(&app, &token).await;
        let rest: Vec<(String, String)> =
            to.query_pairs().into_owned().filter(|(name, _)| name != "code").collect();
        to.query_pairs_mut().clear().extend_pairs(&rest);
        if rest.is_empty() {
            to.set_query(None);
        }
        assert_eq!(to.as_str(), expected, "{wished:?}");
        app.advance(Duration::from_millis(1100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_and_its_code_confirmed_many_times_at_once_open_one_session() {
    let app = TestApp::on_services().await;
    let token = link(&app, None, pkce()).await;
    let answers = futures_util::future::join_all((0..20).map(|_| confirm(&app, "reader", &token))).await;
    let codes: Vec<String> = answers
        .into_iter()
        .filter_map(|answer| match answer {
            Ok(LinkConfirmed::AuthCode(to)) => Some(to.query_pairs().last().unwrap().1.into_owned()),
            _ => None,
        })
        .collect();
    assert_eq!(codes.len(), 1);
    let answers =
        futures_util::future::join_all((0..20).map(|_| exchange(&app, READER, &codes[0], VERIFIER))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status.is_success()).count(), 1);
    for answer in answers.iter().filter(|answer| !answer.status.is_success()) {
        answer.assert_problem(404, "flow_state_not_found");
    }
    assert_eq!(app.services.as_ref().unwrap().count("auth.sessions").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t30_every_artefact_is_refused_in_every_other_place() {
    let app = TestApp::on_services().await;
    let session = app.sign_in(READER, ADA).await;
    let access = text(&session, "access_token");
    app.advance(Duration::from_secs(61)).await;
    let bearer = async |method: Method, path: &str, body: Option<Value>| {
        app.as_bearer(READER, method, path, access, body).await
    };
    let signed_link = link(&app, None, pkce()).await;
    let (_, pkce_code) = auth_code(&app, &signed_link).await;
    app.advance(Duration::from_secs(61)).await;
    let token = link(&app, None, json!({"email": ADA})).await;
    let sign_in = app.code(ADA, app.mails_to(ADA)).await;
    bearer(Method::PUT, "/auth/v1/user", Some(json!({"email": "new@example.net"}))).await.assert_ok();
    let current = app.code(ADA, 4).await;
    let new = app.code("new@example.net", 1).await;
    bearer(Method::POST, "/auth/v1/user/deletion-code", None).await.assert_ok();
    let deletion = app.code(ADA, 5).await;
    let refresh = text(&session, "refresh_token").to_owned();
    let artefacts = [
        ("sign-in code", &sign_in),
        ("current code", &current),
        ("new code", &new),
        ("deletion code", &deletion),
        ("link token", &token),
        ("pkce code", &pkce_code),
        ("refresh token", &refresh),
        ("access token", &access.to_owned()),
    ];
    // In an order that leaves the account in place till the end; each place refuses seven and takes the one.
    let mut tried = 0;
    for (place, own) in [
        ("verify email", "sign-in code"),
        ("verify link", "link token"),
        ("token pkce", "pkce code"),
        ("token refresh", "refresh token"),
        ("verify change, current", "current code"),
        ("verify change, new", "new code"),
        ("bearer", "access token"),
        ("delete", "deletion code"),
    ] {
        for (name, artefact) in artefacts {
            // Two codes of six digits may be the same by chance; and three wrong ones leave a code alive.
            let same = artefacts.iter().any(|(other, text)| *other == own && **text == *artefact);
            if name == own || same {
                continue;
            }
            let verify = |kind: &str, email: &str| json!({"type": kind, "email": email, "token": artefact});
            let post = async |path: &str, body: Value| app.post(READER, path, body).await;
            let answer = match place {
                "verify email" => post("/auth/v1/verify", verify("email", ADA)).await,
                "verify link" => {
                    post("/auth/v1/verify", json!({"type": "email", "token_hash": artefact})).await
                }
                "token pkce" => exchange(&app, READER, artefact, VERIFIER).await,
                "token refresh" => app.refresh(READER, artefact).await,
                "verify change, current" => post("/auth/v1/verify", verify("email_change", ADA)).await,
                "verify change, new" => {
                    post("/auth/v1/verify", verify("email_change", "new@example.net")).await
                }
                "bearer" => app.get_with_token(READER, "/auth/v1/user", artefact).await,
                _ => bearer(Method::DELETE, "/auth/v1/user", Some(json!({"token": artefact}))).await,
            };
            assert!(answer.status.is_client_error(), "{name} at {place}: {answer:?}");
            tried += 1;
        }
    }
    assert!(tried >= 50, "{tried}");
    // After all that each still works where it belongs: nothing was used up by being shown elsewhere.
    app.get_with_token(READER, "/auth/v1/user", access).await.assert_ok();
    app.refresh(READER, &refresh).await.assert_ok();
    exchange(&app, READER, &pkce_code, VERIFIER).await.assert_ok();
    let by_link = json!({"type": "email", "token_hash": token});
    app.post(READER, "/auth/v1/verify", by_link).await.assert_ok();
    let change = |email: &str, code: &str| json!({"type": "email_change", "email": email, "token": code});
    app.post(READER, "/auth/v1/verify", change("new@example.net", &new)).await.assert_ok();
    app.post(READER, "/auth/v1/verify", change(ADA, &current)).await.assert_ok();
}
