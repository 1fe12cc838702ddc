//! Access requests: who asks to work where, and the answer.

use poem::http::Method;
use poem::web::Path;
use poem::{Response, Result, handler};
use serde_json::json;
use uuid::Uuid;

use super::client::Call;
use super::inside::{Inside, Posted};
use super::view::View;

/// The requests, at first those that wait.
#[handler]
pub(super) async fn list(inside: Inside) -> Result<Response> {
    let status = inside.query("status").unwrap_or("pending").to_owned();
    // The word for no condition, as an empty one cannot be told from none.
    let condition = if status == "all" { String::new() } else { format!("status={status}&") };
    let asked = inside.pass_on(&["library", "after"]);
    let is_word = status.bytes().all(|byte| byte.is_ascii_lowercase());
    let condition = if is_word { condition } else { String::new() };
    let requests = inside.read(&format!("/access-requests?{condition}{asked}")).await?;
    let values =
        json!({"requests": requests["items"], "next": inside.next_part(&requests), "status": status});
    inside.show(&View { template: "requests", title: "Access requests".to_owned(), values })
}

/// One request, with the form that decides it.
#[handler]
pub(super) async fn show(inside: Inside, Path(id): Path<Uuid>) -> Result<Response> {
    let request = inside.call(Call::new(Method::GET, &format!("/access-requests/{id}"))).await?;
    let values = json!({"request": request.body, "version": request.version});
    inside.show(&View { template: "request", title: "Access request".to_owned(), values })
}

/// Decides a request.
#[handler]
pub(super) async fn decide(Posted { inside, fields }: Posted, Path(id): Path<Uuid>) -> Result<Response> {
    let is_approved = fields.text("decision") == "approve";
    let mut decision = json!({});
    if is_approved {
        decision["role"] = json!(fields.text("role"));
    }
    if let Some(note) = fields.given("note") {
        decision["note"] = json!(note);
    }
    let path = format!("/access-requests/{id}/decision");
    let call = Call::new(Method::POST, &path).with(decision).if_still(fields.text("_version"));
    inside.call(call).await?;
    Ok(inside.done("/admin/access-requests", if is_approved { "approved" } else { "declined" }))
}
