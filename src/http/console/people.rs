//! People: found, looked at, helped.

use poem::http::Method;
use poem::web::Path;
use poem::{Response, Result, handler};
use serde_json::{Value, json};
use uuid::Uuid;

use super::client::Call;
use super::confirm::Question;
use super::visit::{Inside, Posted, View};

/// A search.
#[handler]
pub(super) async fn search(inside: Inside) -> Result<Response> {
    inside.show(View { template: "people", title: "People".to_owned(), values: json!({}) })
}

/// One person.
#[handler]
pub(super) async fn show(inside: Inside, Path(id): Path<Uuid>) -> Result<Response> {
    let list = sessions(&inside, id).await?;
    let values = json!({"id": id, "sessions": list["items"], "next": inside.next_part(&list)});
    inside.show(View { template: "person", title: "Person".to_owned(), values })
}

async fn sessions(inside: &Inside, id: Uuid) -> Result<Value> {
    let part = inside.pass_on(&["after"]);
    Ok(inside.read(&format!("/users/{id}/sessions?{part}")).await?)
}

/// Asks before a session is ended, or all of them.
#[handler]
pub(super) async fn ask_to_end(inside: Inside, Path(id): Path<Uuid>) -> Result<Response> {
    let session = inside.query("session").map(str::to_owned);
    let (title, text) = match session {
        Some(_) => ("End this session?", "Whoever uses it has to sign in again. Other sessions go on."),
        None => ("End all sessions?", "This person has to sign in again on every site and every device."),
    };
    let question = Question {
        title,
        text,
        button: if session.is_some() { "End the session" } else { "End all sessions" },
        action: format!("/admin/people/{id}/end-sessions"),
        fields: session.map_or(json!([]), |session| json!([["session", session]])),
        back: format!("/admin/people/{id}"),
    };
    inside.show(question.view())
}

/// Ends a session, or all of them.
#[handler]
pub(super) async fn end_sessions(
    Posted { inside, fields }: Posted,
    Path(id): Path<Uuid>,
) -> Result<Response> {
    let person = format!("/admin/people/{id}");
    match fields.given("session").and_then(|session| session.parse::<Uuid>().ok()) {
        Some(session) => {
            inside.call(Call::new(Method::DELETE, &format!("/sessions/{session}"))).await?;
            Ok(inside.done(&person, "session_ended"))
        }
        None => {
            inside.call(Call::new(Method::DELETE, &format!("/users/{id}/sessions"))).await?;
            Ok(inside.done(&person, "sessions_ended"))
        }
    }
}
