//! Service keys: shown once, kept as a hash, dead when revoked or past their end.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use super::{ask, service_key};
use crate::support::app::{MANAGE, text};
use crate::support::{TestApp, on_both_backends};
use doorcode::domain::Scope;

on_both_backends! {
    async fn a_key_is_shown_once_and_works_until_it_is_revoked(app: TestApp) {
        let (_, admin) = service_key(&app, Scope::Admin).await;
        let plan = json!({"name": "Nightly report", "scope": "read"});
        let made = ask(&app, &admin, Method::POST, "/service-keys", Some(plan)).await;
        assert_eq!(made.status, 201, "{made:?}");
        let (id, key) = (text(&made.body, "id"), text(&made.body, "key"));
        let list = ask(&app, key, Method::GET, "/service-keys", None).await;
        let listed = &list.assert_ok().body["items"][0];
        assert_eq!((text(listed, "id"), text(listed, "name")), (id, "Nightly report"));
        assert!(listed["last_used_at"].is_string() && listed["key"].is_null(), "{listed}");
        let path = format!("/service-keys/{id}");
        ask(&app, key, Method::DELETE, &path, None).await.assert_problem(403, "insufficient_scope");
        assert_eq!(ask(&app, &admin, Method::DELETE, &path, None).await.status, 204);
        ask(&app, key, Method::GET, "/service-keys", None).await.assert_problem(401, "invalid_service_key");
        ask(&app, &admin, Method::DELETE, &path, None).await.assert_problem(404, "not_found");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_ends_when_it_was_said_to() {
    let app = TestApp::on_services().await;
    let (_, admin) = service_key(&app, Scope::Admin).await;
    let ends = (app.flows.now() + chrono::TimeDelta::hours(1)).to_rfc3339();
    let plan = json!({"name": "For an hour", "scope": "read", "expires_at": ends});
    let made = ask(&app, &admin, Method::POST, "/service-keys", Some(plan)).await;
    let key = text(&made.body, "key").to_owned();
    ask(&app, &key, Method::GET, "/service-keys", None).await.assert_ok();
    app.advance(Duration::from_secs(3601)).await;
    ask(&app, &key, Method::GET, "/service-keys", None).await.assert_problem(401, "invalid_service_key");
    let plan = json!({"name": "Yesterday", "scope": "read", "expires_at": "2020-01-01T00:00:00Z"});
    ask(&app, &admin, Method::POST, "/service-keys", Some(plan)).await.assert_problem(422, "invalid_value");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_creation_sent_again_is_answered_as_before_and_creates_nothing() {
    let app = TestApp::on_services().await;
    let (_, admin) = service_key(&app, Scope::Admin).await;
    let create = |name: &'static str, request: &'static str| {
        let (app, bearer) = (&app, format!("Bearer {admin}"));
        async move {
            let headers = [("authorization", bearer.as_str()), ("idempotency-key", request)];
            let body = json!({"name": name, "scope": "read"}).to_string();
            app.send(MANAGE, Method::POST, "/admin/v1/service-keys", &headers, Some(body)).await
        }
    };
    // At once and one after the other.
    let at_once = futures_util::future::join_all((0..8).map(|_| create("Report", "request-1"))).await;
    let again = create("Report", "request-1").await;
    for answer in &at_once {
        assert_eq!((answer.status, &answer.body), (again.status, &again.body));
    }
    assert_eq!(again.status, 201);
    create("Another", "request-1").await.assert_problem(409, "idempotency_key_reused");
    assert_ne!(create("Report", "request-2").await.body["id"], again.body["id"]);
    create("Report", "not one word").await.assert_problem(422, "invalid_value");
    let sql = &app.services.as_ref().unwrap().sql;
    let (keys, audited, secrets): (i64, i64, i64) = sqlx::query_as(
        "select (select count(*) from auth.service_keys where name = 'Report'),
                (select count(*) from auth.audit_log where action = 'service_key_made' and actor_kind = 'service_key'),
                (select count(*) from auth.idempotency_keys i where position(convert_to('doorcode_sk_', 'UTF8') in i.answer) > 0)",
    )
    .fetch_one(sql)
    .await
    .unwrap();
    assert_eq!((keys, audited, secrets), (2, 2, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_read_to_the_letter() {
    let app = TestApp::on_services().await;
    let (_, admin) = service_key(&app, Scope::Admin).await;
    for (body, code) in [
        (json!({"name": "x", "scope": "read", "is_admin": true}), "unknown_field"),
        (json!({"name": "x"}), "missing_field"),
        (json!({"name": "x", "scope": "root"}), "invalid_value"),
        (json!({"name": "", "scope": "read"}), "invalid_value"),
        (json!({"name": ["x"], "scope": "read"}), "invalid_value"),
        (json!([]), "invalid_value"),
    ] {
        ask(&app, &admin, Method::POST, "/service-keys", Some(body)).await.assert_problem(422, code);
    }
    let list = ask(&app, &admin, Method::GET, "/service-keys", None).await;
    assert_eq!(list.body["items"].as_array().unwrap().len(), 1, "nothing was made");
}
