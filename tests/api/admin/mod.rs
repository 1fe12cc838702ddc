//! The admin API, over HTTP: who gets through, and what each group of operations does.

mod audit;
mod figures;
mod libraries;
mod mail;
mod service_keys;
mod sessions;
mod signing_keys;
mod users;
mod walk;
mod wire;

use doorcode::domain::{Administrator, AdministratorKind, Scope};
use doorcode::flows::{AdminCaller, AdminRequest, ServiceKeyPlan};
use reqwest::Method;
use serde_json::Value;
use uuid::Uuid;

use super::support::TestApp;
use super::support::app::{Answer, MANAGE};

/// Whoever has the machine.
pub(super) fn operator() -> AdminCaller {
    let administrator = Administrator { kind: AdministratorKind::Operator, scope: Scope::Admin };
    AdminCaller { administrator, ip: None, agent: None }
}

/// A new service key, as `doorcode service-key create --direct` makes it.
pub(crate) async fn service_key(app: &TestApp, scope: Scope) -> (Uuid, String) {
    let plan =
        ServiceKeyPlan { name: format!("{} key", scope.as_str()), scope, site: None, expires_at: None };
    let request = AdminRequest { operation: "test", body: String::new(), key: None };
    let made = app.flows.make_service_key(&operator(), &plan, &request).await.unwrap();
    (made.id, made.key)
}

/// Asks the admin API with a key.
async fn ask(app: &TestApp, key: &str, method: Method, path: &str, body: Option<Value>) -> Answer {
    app.as_bearer(MANAGE, method, &format!("/admin/v1{path}"), key, body).await
}

/// Sends a change of something that was read in this version.
async fn change(
    app: &TestApp,
    key: &str,
    method: Method,
    path: &str,
    version: i32,
    body: Option<Value>,
) -> Answer {
    let (bearer, tag) = (format!("Bearer {key}"), format!("\"{version}\""));
    let headers = [("authorization", bearer.as_str()), ("if-match", tag.as_str())];
    let body = body.map(|body| body.to_string());
    app.send(MANAGE, method, &format!("/admin/v1{path}"), &headers, body).await
}

/// The document of the admin API.
async fn document(app: &TestApp) -> Value {
    app.send(MANAGE, Method::GET, "/admin/openapi.json", &[], None).await.assert_ok().body.clone()
}
