//! Sessions: going on, ending, and what a stolen token gets.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use sqlx::AssertSqlSafe;

use super::sign_in::claims;
use super::support::app::{MANAGE, READER, text};
use super::support::{TestApp, on_both_backends};

on_both_backends! {
    async fn a_refresh_gives_the_next_tokens_of_the_same_session(app: TestApp) {
        let first = app.sign_in(READER, "ada@example.org").await;
        let second = app.refresh(READER, text(&first, "refresh_token")).await.assert_ok().body.clone();
        assert_ne!(first["refresh_token"], second["refresh_token"]);
        assert_eq!(claims(&first)["session_id"], claims(&second)["session_id"]);
        assert_eq!(first["user"]["last_sign_in_at"], second["user"]["last_sign_in_at"]);
        let third = app.refresh(READER, text(&second, "refresh_token")).await;
        assert_eq!(third.assert_ok().header("sb-auth-refresh-token-counter"), Some("2"));
    }

    async fn t19_a_lost_answer_costs_nothing_until_the_successor_is_used(app: TestApp) {
        let first = app.sign_in(READER, "ada@example.org").await;
        let lost = app.refresh(READER, text(&first, "refresh_token")).await.assert_ok().body.clone();
        let again = app.refresh(READER, text(&first, "refresh_token")).await.assert_ok().body.clone();
        assert_eq!(lost["refresh_token"], again["refresh_token"]);
        app.refresh(READER, text(&again, "refresh_token")).await.assert_ok();
        // Its successor has been used now: whoever still has the first token should not.
        let stolen = app.refresh(READER, text(&first, "refresh_token")).await;
        stolen.assert_problem(400, "refresh_token_already_used");
        app.refresh(READER, text(&again, "refresh_token")).await.assert_problem(400, "session_not_found");
        let user = app.get_with_token(READER, "/auth/v1/user", text(&again, "access_token")).await;
        user.assert_problem(403, "session_not_found");
    }

    async fn t19_tabs_that_refresh_at_once_get_one_successor(app: TestApp) {
        let session = app.sign_in(READER, "ada@example.org").await;
        let (app, token) = (Arc::new(app), text(&session, "refresh_token").to_owned());
        let mut tabs = tokio::task::JoinSet::new();
        for _ in 0..20 {
            let (app, token) = (Arc::clone(&app), token.clone());
            tabs.spawn(async move { app.refresh(READER, &token).await.assert_ok().body.clone() });
        }
        let successors: std::collections::HashSet<String> =
            tabs.join_all().await.iter().map(|session| text(session, "refresh_token").to_owned()).collect();
        assert_eq!(successors.len(), 1);
        let next = app.refresh(READER, successors.iter().next().unwrap()).await;
        assert_eq!(next.assert_ok().header("sb-auth-refresh-token-counter"), Some("2"), "the counter moved once");
    }

    async fn t24_a_credential_of_one_site_is_nothing_on_the_other(app: TestApp) {
        let reader = app.sign_in(READER, "ada@example.org").await;
        let manage = app.sign_in(MANAGE, "ada@example.org").await;
        for (session, other) in [(&reader, MANAGE), (&manage, READER)] {
            let user = app.get_with_token(other, "/auth/v1/user", text(session, "access_token")).await;
            user.assert_problem(403, "bad_jwt");
            assert!(text(&user.body, "message").starts_with("invalid JWT"));
            app.refresh(other, text(session, "refresh_token")).await.assert_problem(400, "refresh_token_not_found");
            app.logout(other, "", text(session, "access_token")).await.assert_problem(403, "bad_jwt");
        }
        app.refresh(READER, text(&reader, "refresh_token")).await.assert_ok();
        app.refresh(MANAGE, text(&manage, "refresh_token")).await.assert_ok();
        app.advance(Duration::from_secs(61)).await;
        app.request_code(READER, "ada@example.org").await.assert_ok();
        let code = app.code("ada@example.org", 3).await;
        app.verify(MANAGE, "ada@example.org", &code).await.assert_problem(403, "otp_expired");
        app.verify(READER, "ada@example.org", &code).await.assert_ok();
    }

    async fn signing_out_ends_what_it_says_on_this_site_alone(app: TestApp) {
        app.sign_in(READER, "ada@example.org").await;
        let sessions = async |count: usize| {
            app.advance(Duration::from_secs(3700)).await;
            app.request_code(READER, "ada@example.org").await.assert_ok();
            let code = app.code("ada@example.org", count).await;
            app.verify(READER, "ada@example.org", &code).await.assert_ok().body.clone()
        };
        let (one, two, three) = (sessions(2).await, sessions(3).await, sessions(4).await);
        let manage = app.sign_in(MANAGE, "ada@example.org").await;
        let is_alive = async |host: &str, session: &serde_json::Value| {
            app.refresh(host, text(session, "refresh_token")).await.status.is_success()
        };
        let fresh = async |session: &serde_json::Value| {
            app.refresh(READER, text(session, "refresh_token")).await.assert_ok().body.clone()
        };
        let one = fresh(&one).await;
        let answer = app.logout(READER, "?scope=local", text(&one, "access_token")).await;
        assert_eq!((answer.status.as_u16(), &answer.body), (204, &serde_json::Value::Null));
        assert!(!is_alive(READER, &one).await);
        app.logout(READER, "?scope=local", text(&one, "access_token")).await.assert_problem(403, "session_not_found");
        let two = fresh(&two).await;
        assert_eq!(app.logout(READER, "?scope=others", text(&two, "access_token")).await.status.as_u16(), 204);
        assert!(!is_alive(READER, &three).await && is_alive(READER, &two).await);
        let two = fresh(&two).await;
        app.logout(READER, "?scope=sideways", text(&two, "access_token")).await.assert_problem(400, "validation_failed");
        assert_eq!(app.logout(READER, "", text(&two, "access_token")).await.status.as_u16(), 204);
        assert!(!is_alive(READER, &two).await);
        assert!(is_alive(MANAGE, &manage).await, "the other site's session goes on");
    }

    async fn metadata_is_merged_field_by_field(app: TestApp) {
        let session = app.sign_in(READER, "ada@example.org").await;
        let bearer = format!("Bearer {}", text(&session, "access_token"));
        let change = async |body: serde_json::Value| {
            let headers = [("authorization", bearer.as_str())];
            app.send(READER, reqwest::Method::PUT, "/auth/v1/user", &headers, Some(body.to_string())).await
        };
        change(json!({"data": {"a": 1, "b": {"c": 2}}})).await.assert_ok();
        let answer = change(json!({"data": {"a": null, "d": "x"}, "email": null, "password": null})).await;
        let metadata = &answer.assert_ok().body["user_metadata"];
        assert_eq!((&metadata["a"], &metadata["b"], &metadata["d"]), (&json!(null), &json!({"c": 2}), &json!("x")));
        assert!(!metadata.as_object().unwrap().contains_key("a"));
        change(json!({"data": {"x": "y".repeat(3000)}})).await.assert_problem(400, "validation_failed");
        for half in ["p", "q"] {
            let answer = change(json!({"data": {half: "y".repeat(1200)}})).await;
            assert_eq!(answer.status.as_u16(), if half == "p" { 200 } else { 400 }, "the sum is bounded too");
        }
        change(json!({"data": {"x": "\u{202e}"}})).await.assert_problem(400, "validation_failed");
        change(json!({"app_metadata": {"role": "owner"}})).await.assert_problem(403, "not_admin");
        change(json!({"password": "secret"})).await.assert_problem(422, "validation_failed");
        let next = app.refresh(READER, text(&session, "refresh_token")).await.assert_ok().body.clone();
        assert_eq!(claims(&next)["user_metadata"]["d"], "x", "the next token carries the change");
    }

    async fn a_token_ends_with_its_time(app: TestApp) {
        let session = app.sign_in(READER, "ada@example.org").await;
        app.advance(Duration::from_secs(3590)).await;
        app.get_with_token(READER, "/auth/v1/user", text(&session, "access_token")).await.assert_ok();
        app.advance(Duration::from_secs(10)).await;
        let ended = app.get_with_token(READER, "/auth/v1/user", text(&session, "access_token")).await;
        ended.assert_problem(403, "bad_jwt");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_ends_when_idle_and_at_its_longest_life() {
    let app = TestApp::on_services().await;
    app.sign_in(READER, "ada@example.org").await;
    let session = app.sign_in(MANAGE, "ada@example.org").await;
    let hours = |hours: u64| Duration::from_secs(hours * 3600);
    let mut token = text(&session, "refresh_token").to_owned();
    for _ in 0..15 {
        app.advance(hours(11)).await;
        token = text(&app.refresh(MANAGE, &token).await.assert_ok().body, "refresh_token").to_owned();
    }
    app.advance(hours(11)).await;
    let answer = app.refresh(MANAGE, &token).await;
    answer.assert_problem(400, "session_expired");
    assert_eq!(text(&answer.body, "message"), "Invalid Refresh Token: Session Expired", "after seven days");
    let session = app.sign_in(MANAGE, "ada@example.org").await;
    app.advance(hours(12) + Duration::from_secs(1)).await;
    let answer = app.refresh(MANAGE, text(&session, "refresh_token")).await;
    answer.assert_problem(400, "session_expired");
    assert!(text(&answer.body, "message").ends_with("(Inactivity)"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_tells_of_its_own_sign_in_and_not_of_a_later_one_elsewhere() {
    let app = TestApp::on_services().await;
    app.sign_in(READER, "ada@example.org").await;
    let manage = app.sign_in(MANAGE, "ada@example.org").await;
    let signed_in_at = claims(&manage)["amr"][0]["timestamp"].as_i64().unwrap();
    app.advance(Duration::from_secs(600)).await;
    app.sign_in(READER, "ada@example.org").await;
    let next = app.refresh(MANAGE, text(&manage, "refresh_token")).await.assert_ok().body.clone();
    let told = claims(&next)["amr"][0]["timestamp"].as_i64().unwrap();
    // The store's clock was moved by shifting what it remembers, so the same moment is now ten minutes ago.
    assert!((signed_in_at - 605..=signed_in_at - 595).contains(&told), "{told} after {signed_in_at}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f08_a_failover_that_forgot_a_refresh_neither_locks_out_nor_raises_an_alarm() {
    let app = TestApp::on_services().await;
    let services = app.services.as_ref().unwrap();
    let session = app.sign_in(READER, "ada@example.org").await;
    let mut token = text(&session, "refresh_token").to_owned();
    for _ in 0..4 {
        token = text(&app.refresh(READER, &token).await.assert_ok().body, "refresh_token").to_owned();
    }
    sqlx::query("update auth.sessions set refresh_counter = 1").execute(&services.sql).await.unwrap();
    let next = app.refresh(READER, &token).await;
    assert_eq!(next.assert_ok().header("sb-auth-refresh-token-counter"), Some("5"));
    app.refresh(READER, text(&next.body, "refresh_token")).await.assert_ok();
    assert_eq!(services.count("auth.audit_log where action = 'refresh_token_reused'").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i6_every_act_leaves_one_audit_row_and_theft_is_named() {
    let app = TestApp::on_services().await;
    let services = app.services.as_ref().unwrap();
    let session = app.sign_in(READER, "ada@example.org").await;
    let next = app.refresh(READER, text(&session, "refresh_token")).await.assert_ok().body.clone();
    let next = app.refresh(READER, text(&next, "refresh_token")).await.assert_ok().body.clone();
    app.refresh(READER, text(&session, "refresh_token"))
        .await
        .assert_problem(400, "refresh_token_already_used");
    app.refresh(READER, text(&next, "refresh_token")).await.assert_problem(400, "session_not_found");
    app.advance(Duration::from_secs(61)).await;
    let session = app.sign_in(READER, "ada@example.org").await;
    app.logout(READER, "", text(&session, "access_token")).await;
    // What the store tells of comes on record a moment later, or not yet.
    let acts = "auth.audit_log where action <> 'code_asked' and actor_kind = 'user'";
    let query = AssertSqlSafe(format!("select action from {acts} order by created_at"));
    let actions: Vec<String> = sqlx::query_scalar(query).fetch_all(&services.sql).await.unwrap();
    assert_eq!(actions, ["user_signedup", "refresh_token_reused", "login", "logout"]);
    assert_eq!(services.count(&format!("{acts} and ip = '127.0.0.1' and actor_id is not null")).await, 4);
    assert_eq!(services.count("auth.audit_log_default").await, 0, "this month has a partition");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_banned_account_is_refused_everywhere() {
    let app = TestApp::on_services().await;
    let services = app.services.as_ref().unwrap();
    let session = app.sign_in(READER, "ada@example.org").await;
    sqlx::query("update auth.users set banned_until = now() + interval '1 hour'")
        .execute(&services.sql)
        .await
        .unwrap();
    app.refresh(READER, text(&session, "refresh_token")).await.assert_problem(400, "user_banned");
    let user = app.get_with_token(READER, "/auth/v1/user", text(&session, "access_token")).await;
    user.assert_problem(403, "user_banned");
    app.advance(Duration::from_secs(61)).await;
    app.request_code(READER, "ada@example.org").await.assert_ok();
    let code = app.code("ada@example.org", 2).await;
    app.verify(READER, "ada@example.org", &code).await.assert_problem(403, "user_banned");
    assert_eq!(services.count("auth.sessions").await, 1);
}
