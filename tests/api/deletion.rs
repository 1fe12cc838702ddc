//! Deleting one's own account.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::sign_in::wrong_codes;
use super::support::app::{MANAGE, READER, text};
use super::support::{Answer, TestApp, on_both_backends};

const ADA: &str = "ada@example.org";

async fn ask(app: &TestApp, session: &Value) -> Answer {
    let token = text(session, "access_token");
    app.as_bearer(READER, Method::POST, "/auth/v1/user/deletion-code", token, None).await
}

async fn delete(app: &TestApp, session: &Value, code: &str) -> Answer {
    let (token, body) = (text(session, "access_token"), Some(json!({"token": code})));
    app.as_bearer(READER, Method::DELETE, "/auth/v1/user", token, body).await
}

on_both_backends! {
    async fn an_account_goes_with_a_code_sent_for_that_and_with_all_its_sessions(app: TestApp) {
        let session = app.sign_in(READER, ADA).await;
        let elsewhere = app.sign_in(MANAGE, ADA).await;
        assert_eq!(ask(&app, &session).await.assert_ok().body, json!({}));
        let mail = app.mail(ADA, 3).await;
        assert!(!mail.text.contains("token_hash"), "what ends an account is typed: {}", mail.text);
        let code = app.code_in(&mail);
        for wrong in wrong_codes(&code, 2) {
            delete(&app, &session, &wrong).await.assert_problem(403, "otp_expired");
        }
        delete(&app, &session, "").await.assert_problem(400, "validation_failed");
        let gone = delete(&app, &session, &code).await;
        assert_eq!((gone.status.as_u16(), &gone.body), (204, &Value::Null));
        delete(&app, &session, &code).await.assert_problem(403, "user_not_found");
        app.get_with_token(READER, "/auth/v1/user", text(&session, "access_token")).await.assert_problem(403, "user_not_found");
        app.refresh(READER, text(&session, "refresh_token")).await.assert_problem(400, "session_not_found");
        app.refresh(MANAGE, text(&elsewhere, "refresh_token")).await.assert_problem(400, "session_not_found");
        // The address is free again, for a new account.
        app.advance(Duration::from_secs(61)).await;
        app.request_code(READER, ADA).await.assert_ok();
        let again = app.verify(READER, ADA, &app.code(ADA, 4).await).await.assert_ok().body.clone();
        assert_ne!(again["user"]["id"], session["user"]["id"]);
    }

    async fn only_the_owner_in_a_session_that_lives_gets_a_code_or_uses_one(app: TestApp) {
        let nobody = app.send(READER, Method::POST, "/auth/v1/user/deletion-code", &[], None).await;
        nobody.assert_problem(401, "no_authorization");
        let (ada, eve) = (app.sign_in(READER, ADA).await, app.sign_in(READER, "eve@example.org").await);
        ask(&app, &ada).await.assert_ok();
        ask(&app, &ada).await.assert_problem(429, "over_email_send_rate_limit");
        let code = app.code(ADA, 2).await;
        delete(&app, &eve, &code).await.assert_problem(403, "otp_expired");
        app.logout(READER, "?scope=local", text(&ada, "access_token")).await;
        delete(&app, &ada, &code).await.assert_problem(403, "session_not_found");
        ask(&app, &ada).await.assert_problem(403, "session_not_found");
        let token = text(&eve, "access_token");
        app.get_with_token(READER, "/auth/v1/user", token).await.assert_ok();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stays_of_a_deleted_account_is_that_one_was_deleted() {
    let app = TestApp::on_services().await;
    let session = app.sign_in(READER, ADA).await;
    let body = Some(json!({"email": "lovelace@example.net"}));
    app.as_bearer(READER, Method::PUT, "/auth/v1/user", text(&session, "access_token"), body)
        .await
        .assert_ok();
    // The first of the two codes to this address is there before the second is asked for, so that the third mail is its.
    app.mail(ADA, 2).await;
    ask(&app, &session).await.assert_ok();
    let code = app.code(ADA, 3).await;
    assert_eq!(delete(&app, &session, &code).await.status.as_u16(), 204);
    // What was told to the code store is on record too.
    app.flows.finish_audit().await;
    let services = app.services.as_ref().unwrap();
    for table in [
        "auth.users",
        "auth.sessions",
        "auth.email_changes",
        "public.user_profiles",
        "public.user_preferences",
        "auth.audit_log where actor_id is not null or target_id is not null or session_id is not null",
        // Who asked for the first code, when nobody had proven the address, is a stranger to the account.
        "auth.audit_log where ip is not null and not (action = 'code_asked' and details ->> 'purpose' = 'sign_in')",
    ] {
        assert_eq!(services.count(table).await, 0, "{table}");
    }
    assert_eq!(services.count("auth.audit_log where action = 'user_deleted' and site = 'reader'").await, 1);
    // The codes of what else was under way lead nowhere.
    let other = app.code("lovelace@example.net", 1).await;
    let body = json!({"type": "email_change", "email": "lovelace@example.net", "token": other});
    app.post(READER, "/auth/v1/verify", body).await.assert_problem(403, "otp_expired");
}
