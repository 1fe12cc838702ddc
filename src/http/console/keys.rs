//! Service keys: listed, made, revoked.

use poem::http::Method;
use poem::web::Path;
use poem::{Response, Result, handler};
use serde_json::{Value, json};
use uuid::Uuid;

use super::client::Call;
use super::confirm::Question;
use super::inside::{Inside, Posted};
use super::view::View;

/// The keys.
#[handler]
pub(super) async fn show(inside: Inside) -> Result<Response> {
    let view = list(&inside, json!({})).await?;
    inside.show(&view)
}

/// Makes a key. The page that answers is the one place where it is shown, so there is nothing to go on to.
#[handler]
pub(super) async fn make(Posted { inside, fields }: Posted) -> Result<Response> {
    // The last second of the day. What is no day goes on as it is, for the API to refuse.
    let ends = fields.given("ends_on").map(|day| format!("{day}T23:59:59Z"));
    let plan = json!({
        "name": fields.text("name"), "scope": fields.text("scope"), "expires_at": ends,
    });
    let call = Call::new(Method::POST, "/service-keys").with(plan).once(fields.text("_once"));
    match inside.call(call).await {
        Ok(made) => {
            let view = list(&inside, json!({"made": made.body})).await?;
            inside.show(&view)
        }
        Err(problem) if problem.status.is_client_error() => {
            let view = list(&inside, json!({"typed": fields.text("name")})).await?;
            inside.refuse(&problem, view)
        }
        Err(problem) => Err(problem.into()),
    }
}

async fn list(inside: &Inside, mut values: Value) -> Result<View> {
    let keys = inside.read(&format!("/service-keys?{}", inside.pass_on(&["after"]))).await?;
    values["keys"] = keys["items"].clone();
    values["next"] = json!(inside.next_part(&keys));
    Ok(View { template: "keys", title: "Keys".to_owned(), values })
}

/// Asks before a key is revoked.
#[handler]
pub(super) async fn ask_to_revoke(inside: Inside, Path(id): Path<Uuid>) -> Result<Response> {
    let question = Question {
        title: "Revoke this service key?",
        text: "Whatever works with it stops at once, and it cannot be brought back.",
        button: "Revoke the key",
        action: format!("/admin/keys/{id}/revoke"),
        fields: json!([]),
        back: "/admin/keys".to_owned(),
        ..Question::default()
    };
    inside.show(&question.view())
}

/// Revokes a key.
#[handler]
pub(super) async fn revoke(Posted { inside, .. }: Posted, Path(id): Path<Uuid>) -> Result<Response> {
    inside.call(Call::new(Method::DELETE, &format!("/service-keys/{id}"))).await?;
    Ok(inside.done("/admin/keys", "key_revoked"))
}
