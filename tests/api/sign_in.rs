//! Asking for a code, typing it, and what a session is.

use std::time::Duration;

use serde_json::{Value, json};

use super::support::app::{MANAGE, READER, text};
use super::support::{TestApp, on_both_backends};

on_both_backends! {
    async fn a_new_person_signs_in_and_holds_a_session_of_the_reader_site(app: TestApp) {
        let answer = app.request_code(READER, "Ada@Example.org").await;
        assert_eq!(answer.assert_ok().body, json!({}));
        let code = app.code("ada@example.org", 1).await;
        let session = app.verify(READER, "ada@example.org", &code).await.assert_ok().body.clone();
        assert_eq!(session["token_type"], "bearer");
        assert_eq!(session["expires_in"], 3600);
        assert!(session["expires_at"].as_i64().is_some_and(|at| at > 1_700_000_000));
        let user = &session["user"];
        assert_eq!((text(user, "email"), text(user, "aud"), text(user, "role")), ("ada@example.org", "reader", "authenticated"));
        assert_eq!(user["phone"], "");
        assert_eq!(user["app_metadata"], json!({"provider": "email", "providers": ["email"]}));
        assert_eq!(user["user_metadata"]["email_verified"], true);
        assert_eq!(user["identities"][0]["id"], user["id"]);
        assert!(text(user, "created_at").ends_with('Z') && text(user, "last_sign_in_at").ends_with('Z'));
        let claims = claims(&session);
        assert_eq!(text(&claims, "iss"), "http://reader.localhost:8080/auth/v1");
        assert_eq!((text(&claims, "aud"), text(&claims, "site_kind"), text(&claims, "aal")), ("reader", "reader", "aal1"));
        assert_eq!(claims["sub"], user["id"]);
        let again = app.get_with_token(READER, "/auth/v1/user", text(&session, "access_token")).await;
        assert_eq!(again.assert_ok().body, *user);
    }

    async fn the_same_person_has_a_session_of_its_own_on_each_site(app: TestApp) {
        let reader = app.sign_in(READER, "ada@example.org").await;
        let manage = app.sign_in(MANAGE, "ada@example.org").await;
        assert_eq!(reader["user"]["id"], manage["user"]["id"]);
        assert_eq!(manage["expires_in"], 900);
        assert_ne!(claims(&reader)["session_id"], claims(&manage)["session_id"]);
        assert_eq!(text(&claims(&manage), "site_kind"), "management");
    }

    async fn a_code_works_once(app: TestApp) {
        app.request_code(READER, "ada@example.org").await.assert_ok();
        let code = app.code("ada@example.org", 1).await;
        app.verify(READER, "ada@example.org", &code).await.assert_ok();
        app.verify(READER, "ada@example.org", &code).await.assert_problem(403, "otp_expired");
    }

    async fn a_code_works_for_ten_minutes_and_not_a_second_longer(app: TestApp) {
        app.request_code(READER, "ada@example.org").await.assert_ok();
        app.request_code(READER, "eve@example.org").await.assert_ok();
        let (first, second) = (app.code("ada@example.org", 1).await, app.code("eve@example.org", 1).await);
        app.advance(Duration::from_secs(570)).await;
        app.verify(READER, "ada@example.org", &first).await.assert_ok();
        app.advance(Duration::from_secs(30)).await;
        app.verify(READER, "eve@example.org", &second).await.assert_problem(403, "otp_expired");
    }

    async fn asking_again_makes_the_first_code_worthless(app: TestApp) {
        app.request_code(READER, "ada@example.org").await.assert_ok();
        let first = app.code("ada@example.org", 1).await;
        app.advance(Duration::from_secs(61)).await;
        app.request_code(READER, "ada@example.org").await.assert_ok();
        let second = app.code("ada@example.org", 2).await;
        if first != second {
            app.verify(READER, "ada@example.org", &first).await.assert_problem(403, "otp_expired");
        }
        app.verify(READER, "ada@example.org", &second).await.assert_ok();
    }

    async fn five_wrong_guesses_kill_a_code(app: TestApp) {
        app.request_code(READER, "ada@example.org").await.assert_ok();
        let code = app.code("ada@example.org", 1).await;
        for wrong in wrong_codes(&code, 4) {
            app.verify(READER, "ada@example.org", &wrong).await.assert_problem(403, "otp_expired");
        }
        // What cannot be a code is no guess.
        for text in ["12345", "1234567", "abcdef", "１２３４５６", "      "] {
            app.verify(READER, "ada@example.org", text).await.assert_problem(403, "otp_expired");
        }
        app.request_code(READER, "eve@example.org").await.assert_ok();
        let others = app.code("eve@example.org", 1).await;
        for wrong in wrong_codes(&others, 5) {
            app.verify(READER, "eve@example.org", &wrong).await.assert_problem(403, "otp_expired");
        }
        app.verify(READER, "eve@example.org", &others).await.assert_problem(403, "otp_expired");
        app.verify(READER, "ada@example.org", &code).await.assert_ok();
    }

    async fn the_management_site_makes_no_account_and_says_so_by_mail_once_a_day(app: TestApp) {
        assert_eq!(app.request_code(MANAGE, "stranger@example.org").await.assert_ok().body, json!({}));
        let mail = app.mail("stranger@example.org", 1).await;
        assert!(mail.text.contains("http://reader.localhost:8080"), "says where an account can be made: {}", mail.text);
        assert!(!mail.text.lines().any(|line| line.starts_with("    ") && line.trim().len() == 6), "{}", mail.text);
        app.advance(Duration::from_secs(61)).await;
        app.request_code(MANAGE, "stranger@example.org").await.assert_ok();
        // A later mail to another address has passed the queue: the second to this one would be there by now.
        app.request_code(READER, "ada@example.org").await.assert_ok();
        app.mail("ada@example.org", 1).await;
        assert_eq!(app.mails_to("stranger@example.org"), 1);
        app.advance(Duration::from_secs(86_400)).await;
        app.request_code(MANAGE, "stranger@example.org").await.assert_ok();
        app.mail("stranger@example.org", 2).await;
    }

    async fn a_type_fits_new_or_existing_accounts(app: TestApp) {
        let verify = async |kind: &str, code: &str| {
            app.post(READER, "/auth/v1/verify", json!({"type": kind, "email": "ada@example.org", "token": code})).await
        };
        app.request_code(READER, "ada@example.org").await.assert_ok();
        let code = app.code("ada@example.org", 1).await;
        for kind in ["magiclink", "recovery"] {
            verify(kind, &code).await.assert_problem(403, "otp_expired");
        }
        verify("email_change", &code).await.assert_problem(403, "otp_expired");
        verify("signup", &code).await.assert_ok();
        app.advance(Duration::from_secs(61)).await;
        app.request_code(READER, "ada@example.org").await.assert_ok();
        let code = app.code("ada@example.org", 2).await;
        verify("signup", &code).await.assert_problem(403, "otp_expired");
        verify("magiclink", &code).await.assert_ok();
    }

    async fn metadata_is_kept_for_a_new_account_and_left_alone_for_an_existing_one(app: TestApp) {
        let ask = async |data: Value, count: usize| {
            let body = json!({"email": "ada@example.org", "data": data, "create_user": null,
                "gotrue_meta_security": {"captcha_token": null}, "code_challenge": null, "code_challenge_method": null});
            app.post(READER, "/auth/v1/otp", body).await.assert_ok();
            let code = app.code("ada@example.org", count).await;
            app.verify(READER, "ada@example.org", &code).await.assert_ok().body.clone()
        };
        let first = ask(json!({"display_name": "Ada", "role": "owner"}), 1).await;
        assert_eq!(text(&first["user"]["user_metadata"], "display_name"), "Ada");
        assert_eq!(text(&claims(&first), "role"), "authenticated", "metadata grants nothing");
        app.advance(Duration::from_secs(61)).await;
        let second = ask(json!({"display_name": "Eve"}), 2).await;
        assert_eq!(text(&second["user"]["user_metadata"], "display_name"), "Ada");
    }

    async fn a_sign_up_can_be_resent_and_keeps_what_it_was_for(app: TestApp) {
        let resend = async |email: &str| app.post(READER, "/auth/v1/resend", json!({"type": "signup", "email": email})).await;
        assert_eq!(resend("nobody@example.org").await.assert_ok().body, json!({}));
        app.post(READER, "/auth/v1/otp", json!({"email": "ada@example.org", "data": {"display_name": "Ada"}})).await.assert_ok();
        let first = app.code("ada@example.org", 1).await;
        resend("ada@example.org").await.assert_problem(429, "over_email_send_rate_limit");
        app.advance(Duration::from_secs(61)).await;
        resend("ada@example.org").await.assert_ok();
        let second = app.code("ada@example.org", 2).await;
        if first != second {
            app.verify(READER, "ada@example.org", &first).await.assert_problem(403, "otp_expired");
        }
        let session = app.verify(READER, "ada@example.org", &second).await.assert_ok().body.clone();
        assert_eq!(text(&session["user"]["user_metadata"], "display_name"), "Ada");
        assert_eq!(app.mails_to("nobody@example.org"), 0);
        let wrong_kind = app.post(READER, "/auth/v1/resend", json!({"type": "magiclink", "email": "ada@example.org"})).await;
        wrong_kind.assert_problem(400, "validation_failed");
    }

    async fn mails_come_in_the_language_of_the_account_then_of_the_request(app: TestApp) {
        let ask = async |host: &str, email: &str, language: &str| {
            let body = Some(json!({"email": email}).to_string());
            app.send(host, reqwest::Method::POST, "/auth/v1/otp", &[("accept-language", language)], body).await.assert_ok();
        };
        ask(READER, "anh@example.org", "vi-VN,vi;q=0.9,en;q=0.5").await;
        let vietnamese = app.mail("anh@example.org", 1).await;
        assert!(vietnamese.html.contains("lang=\"vi\""), "{}", vietnamese.subject);
        let code = app.code_in(&vietnamese);
        app.verify(READER, "anh@example.org", &code).await.assert_ok();
        ask(MANAGE, "anh@example.org", "en").await;
        let on_management = app.mail("anh@example.org", 2).await;
        assert!(on_management.html.contains("lang=\"vi\""), "the account's language goes over the request's");
        ask(READER, "hans@example.org", "gsw-CH, de-CH;q=0.8, en;q=0.5").await;
        assert!(app.mail("hans@example.org", 1).await.html.contains("lang=\"de\""));
        ask(READER, "ada@example.org", "ja, it;q=0.5").await;
        assert!(app.mail("ada@example.org", 1).await.html.contains("lang=\"en\""), "the site's language where none fits");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mailed_link_signs_in_once_and_only_on_its_site() {
    let app =
        TestApp::on_services_with(&[("SITES__READER__MAIL_LINK", "http://localhost:3000/auth/confirm")])
            .await;
    let link = async |count: usize| {
        app.request_code(READER, "ada@example.org").await.assert_ok();
        let mail = app.mail("ada@example.org", count).await;
        let start = mail.text.find("http://localhost:3000/auth/confirm?").expect("a link in the mail");
        let url: url::Url = mail.text[start..].split_whitespace().next().unwrap().parse().unwrap();
        let token = url.query_pairs().find(|(name, _)| name == "token_hash").unwrap().1.into_owned();
        (token, app.code_in(&mail))
    };
    let open = async |host: &str, token: &str| {
        app.post(host, "/auth/v1/verify", json!({"type": "email", "token_hash": token})).await
    };
    let (token, code) = link(1).await;
    assert!(!token.contains(&code));
    open(MANAGE, &token).await.assert_problem(403, "otp_expired");
    let bent = format!("{}{}", if token.starts_with('A') { "B" } else { "A" }, &token[1..]);
    open(READER, &bent).await.assert_problem(403, "otp_expired");
    open(READER, "nonsense").await.assert_problem(403, "otp_expired");
    assert_eq!(text(&open(READER, &token).await.assert_ok().body["user"], "email"), "ada@example.org");
    open(READER, &token).await.assert_problem(403, "otp_expired");
    app.verify(READER, "ada@example.org", &code).await.assert_problem(403, "otp_expired");
    app.advance(Duration::from_secs(61)).await;
    let (token, code) = link(2).await;
    app.verify(READER, "ada@example.org", &code).await.assert_ok();
    let answer = open(READER, &token).await;
    answer.assert_problem(403, "otp_expired");
    assert_eq!(text(&answer.body, "message"), "Email link is invalid or has expired");
    let both = json!({"type": "email", "token_hash": token, "email": "ada@example.org"});
    app.post(READER, "/auth/v1/verify", both).await.assert_problem(400, "validation_failed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_made_without_a_wish_keeps_the_language_of_its_site() {
    let app = TestApp::on_services_with(&[("SITES__READER__LOCALE", "fr")]).await;
    app.sign_in(READER, "ada@example.org").await;
    app.advance(Duration::from_secs(61)).await;
    app.request_code(READER, "ada@example.org").await.assert_ok();
    for nth in [1, 2] {
        let mail = app.mail("ada@example.org", nth).await;
        assert!(mail.html.contains("lang=\"fr\""), "mail {nth}: {}", mail.subject);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_site_may_choose_to_say_that_there_is_no_account() {
    let app = TestApp::on_services_with(&[
        ("SITES__MANAGEMENT__REVEAL_UNKNOWN_ACCOUNTS", "true"),
        ("SITES__READER__REVEAL_UNKNOWN_ACCOUNTS", "true"),
    ])
    .await;
    let ask = async |host: &str, create: Option<bool>| {
        app.post(host, "/auth/v1/otp", json!({"email": "ada@example.org", "create_user": create})).await
    };
    ask(READER, Some(false)).await.assert_problem(422, "otp_disabled");
    ask(MANAGE, Some(false)).await.assert_problem(422, "otp_disabled");
    ask(MANAGE, None).await.assert_problem(422, "signup_disabled");
    app.sign_in(READER, "ada@example.org").await;
    ask(MANAGE, Some(false)).await.assert_ok();
}

/// The claims of a session's access token, unverified: the verifying is tried elsewhere.
pub(crate) fn claims(session: &Value) -> Value {
    use base64::Engine as _;
    let payload = text(session, "access_token").split('.').nth(1).unwrap();
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

/// Codes that are not `code`.
pub(crate) fn wrong_codes(code: &str, count: u32) -> Vec<String> {
    let right: u32 = code.parse().unwrap();
    (1..=count).map(|step| format!("{:06}", (right + step) % 1_000_000)).collect()
}
