//! Libraries: listed, made, opened and closed; and who works there.

use poem::http::Method;
use poem::web::Path;
use poem::{Response, Result, handler};
use serde_json::{Value, json};
use uuid::Uuid;

use super::client::Call;
use super::confirm::Question;
use super::inside::{Inside, Posted};
use super::view::View;

/// The libraries.
#[handler]
pub(super) async fn list(inside: Inside) -> Result<Response> {
    let view = view(&inside, json!({})).await?;
    inside.show(&view)
}

async fn view(inside: &Inside, mut values: Value) -> Result<View> {
    let libraries =
        inside.read(&format!("/libraries?{}", inside.pass_on(&["status", "name", "after"]))).await?;
    if values["plan"].is_null() {
        values["plan"] = json!({});
    }
    values["libraries"] = libraries["items"].clone();
    values["next"] = json!(inside.next_part(&libraries));
    values["typed"] = json!({"status": inside.query("status"), "name": inside.query("name")});
    Ok(View { template: "libraries", title: "Libraries".to_owned(), values })
}

/// Makes a library.
#[handler]
pub(super) async fn make(Posted { inside, fields }: Posted) -> Result<Response> {
    let mut plan = json!({"name": fields.text("name"), "code": fields.text("code")});
    if let Some(owner) = fields.given("owner") {
        plan["owner"] = json!({"email": owner});
    }
    let call = Call::new(Method::POST, "/libraries").with(plan.clone()).once(fields.text("_once"));
    match inside.call(call).await {
        Ok(made) => {
            let id = made.body["id"].as_str().unwrap_or_default();
            Ok(inside.done(&format!("/admin/libraries/{id}"), "library_made"))
        }
        Err(problem) if problem.status.is_client_error() => {
            let view = view(&inside, json!({"plan": plan, "owner": fields.given("owner")})).await?;
            inside.refuse(&problem, view)
        }
        Err(problem) => Err(problem.into()),
    }
}

/// One library and its staff.
#[handler]
pub(super) async fn show(inside: Inside, Path(id): Path<Uuid>) -> Result<Response> {
    let library = inside.read(&format!("/libraries/{id}")).await?;
    let staff = inside.read(&format!("/libraries/{id}/staff?{}", inside.pass_on(&["after"]))).await?;
    let title = library["name"].as_str().unwrap_or("Library").to_owned();
    let values = json!({"library": library, "staff": staff["items"], "next": inside.next_part(&staff)});
    inside.show(&View { template: "library", title, values })
}

/// Asks before a library is opened or closed.
#[handler]
pub(super) async fn ask_to_change(inside: Inside, Path(id): Path<Uuid>) -> Result<Response> {
    let library = inside.call(Call::new(Method::GET, &format!("/libraries/{id}"))).await?;
    let closes = library.body["status"] == "active";
    let (title, text, button, status) = if closes {
        (
            "Close this library?",
            "Only its owners see it then, and its staff have no rights there.",
            "Close it",
            "inactive",
        )
    } else {
        (
            "Open this library?",
            "Everybody sees it then, and its staff have their rights there.",
            "Open it",
            "active",
        )
    };
    let question = Question {
        title,
        text,
        button,
        action: format!("/admin/libraries/{id}/status"),
        fields: json!([["_version", library.version], ["status", status]]),
        back: format!("/admin/libraries/{id}"),
        ..Question::default()
    };
    inside.show(&question.view())
}

/// Opens or closes a library.
#[handler]
pub(super) async fn change(Posted { inside, fields }: Posted, Path(id): Path<Uuid>) -> Result<Response> {
    let path = format!("/libraries/{id}");
    let change = json!({"status": fields.text("status")});
    inside.call(Call::new(Method::PATCH, &path).with(change).if_still(fields.text("_version"))).await?;
    Ok(inside.done(&format!("/admin/libraries/{id}"), "library_changed"))
}

/// Asks before somebody's staff record is revoked.
#[handler]
pub(super) async fn ask_to_revoke(inside: Inside, Path(id): Path<Uuid>) -> Result<Response> {
    let record = inside.call(Call::new(Method::GET, &format!("/staff/{id}"))).await?;
    let library = record.body["library_id"].as_str().unwrap_or_default();
    let question = Question {
        title: "Revoke this staff record?",
        text: "Its rights are gone at once, and the person gets a mail. A library keeps an active owner.",
        button: "Revoke the record",
        action: format!("/admin/staff/{id}/revoke"),
        fields: json!([["_version", record.version], ["library", library]]),
        back: format!("/admin/libraries/{library}"),
        ..Question::default()
    };
    inside.show(&question.view())
}

/// Revokes a staff record.
#[handler]
pub(super) async fn revoke(Posted { inside, fields }: Posted, Path(id): Path<Uuid>) -> Result<Response> {
    let path = format!("/staff/{id}");
    inside.call(Call::new(Method::DELETE, &path).if_still(fields.text("_version"))).await?;
    let library = fields.text("library").parse::<Uuid>().unwrap_or_default();
    Ok(inside.done(&format!("/admin/libraries/{library}"), "staff_revoked"))
}
