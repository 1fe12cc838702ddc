//! Every operation of the admin API, tried with every kind of bearer: what the document says of the scope is what holds.

use doorcode::domain::Scope;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{ask, document, operator, service_key};
use crate::support::TestApp;
use crate::support::app::{MANAGE, READER, text};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t33_only_the_documented_scopes_get_through() {
    let app = TestApp::on_services().await;
    let reader = app.sign_in(READER, "ada@example.org").await;
    let staff = app.sign_in(MANAGE, "ada@example.org").await;
    let (revoked_id, revoked) = service_key(&app, Scope::Admin).await;
    app.flows.revoke_service_key(&operator(), revoked_id).await.unwrap();
    let (expired_id, expired) = service_key(&app, Scope::Admin).await;
    sqlx::query("update auth.service_keys set expires_at = now() where id = $1")
        .bind(expired_id)
        .execute(&app.services.as_ref().unwrap().sql)
        .await
        .unwrap();
    let (_, read) = service_key(&app, Scope::Read).await;
    let (_, support) = service_key(&app, Scope::Support).await;
    let (_, admin) = service_key(&app, Scope::Admin).await;
    let mut bent = admin.clone().into_bytes();
    let last = bent.len() - 2;
    bent[last] = if bent[last] == b'A' { b'B' } else { b'A' };
    let bent = String::from_utf8(bent).unwrap();

    let document = document(&app).await;
    let mut walked = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        // Things that are not there: whoever gets through is told so.
        let path = path.replace("{id}", &Uuid::new_v4().to_string());
        let path = path.split('/').map(|part| if part.starts_with('{') { "nothing" } else { part });
        let path = path.collect::<Vec<_>>().join("/");
        for (method, operation) in operations.as_object().unwrap() {
            let method: Method = method.to_uppercase().parse().unwrap();
            let name = text(operation, "operationId");
            let needed = needed(operation);
            let body = operation.get("requestBody").map(|_| json!({}));
            let try_with = |key: String| {
                let (app, method, path, body) = (&app, method.clone(), path.clone(), body.clone());
                async move { ask(app, &key, method, &path, body).await.status.as_u16() }
            };
            let bearers = [
                ("none", String::new()),
                ("reader", text(&reader, "access_token").to_owned()),
                ("staff", text(&staff, "access_token").to_owned()),
                ("revoked", revoked.clone()),
                ("expired", expired.clone()),
                ("bent", bent.clone()),
            ];
            for (bearer, key) in bearers {
                assert_eq!(try_with(key).await, 401, "{name} with {bearer}");
            }
            for (scope, key) in [(Scope::Read, &read), (Scope::Support, &support), (Scope::Admin, &admin)] {
                let status = try_with(key.clone()).await;
                if scope >= needed {
                    assert!(![401, 403].contains(&status) && status < 500, "{name} with {scope:?}: {status}");
                } else {
                    assert_eq!(status, 403, "{name} with {scope:?}");
                }
            }
            walked += 1;
        }
    }
    assert!(walked >= 3, "{walked} operations");
}

/// The scope that the document names.
fn needed(operation: &Value) -> Scope {
    let named: Vec<_> = operation["security"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|one| one.as_object().unwrap().keys())
        .collect();
    let [scheme] = named[..] else { panic!("not one scope: {operation}") };
    let word = scheme.strip_prefix("ServiceKey").unwrap().to_lowercase();
    Scope::parse(&word).unwrap()
}
