//! People: found, looked at, helped.

use poem::http::Method;
use poem::web::Path;
use poem::{Response, Result, handler};
use serde_json::{Value, json};
use uuid::Uuid;

use super::client::Call;
use super::confirm::Question;
use super::inside::{Inside, Posted};
use super::view::View;

/// What can be searched by, as the API names it.
const CONDITIONS: [&str; 5] = ["email", "id", "library", "banned", "after"];
/// What a ban without an end ends at: the last second that every calendar here knows.
const FOR_GOOD: &str = "9999-12-31T23:59:59Z";

/// A search. Without a condition it lists the newest accounts.
#[handler]
pub(super) async fn search(inside: Inside) -> Result<Response> {
    let asked = inside.pass_on(&CONDITIONS);
    let typed = json!({
        "email": inside.query("email"), "library": inside.query("library"), "banned": inside.query("banned"),
    });
    let view = |people: Value, next: Option<String>| View {
        template: "people",
        title: "People".to_owned(),
        values: json!({"people": people, "next": next, "typed": typed, "asked": !asked.is_empty()}),
    };
    match inside.read(&format!("/users?{asked}")).await {
        Ok(list) => {
            let next = inside.next_part(&list);
            inside.show(&view(list["items"].clone(), next))
        }
        Err(problem) if problem.status.is_client_error() => inside.refuse(&problem, view(json!([]), None)),
        Err(problem) => Err(problem.into()),
    }
}

/// One person: the account, where it is signed in, where it works.
#[handler]
pub(super) async fn show(inside: Inside, Path(id): Path<Uuid>) -> Result<Response> {
    let account = inside.call(Call::new(Method::GET, &format!("/users/{id}"))).await?;
    let sessions = inside.read(&format!("/users/{id}/sessions?{}", inside.pass_on(&["after"]))).await?;
    let staff = inside.read(&format!("/users/{id}/staff?limit=100")).await?;
    let user = account.body;
    let title = user["email"].as_str().unwrap_or("Person").to_owned();
    let values = json!({
        "user": user,
        "is_banned": user["banned_until"].as_str().is_some_and(|until| inside.is_ahead(until)),
        "metadata": serde_json::to_string_pretty(&user["app_metadata"]).unwrap_or_default(),
        "sessions": sessions["items"], "next": inside.next_part(&sessions), "staff": staff["items"],
        "version": account.version,
    });
    inside.show(&View { template: "person", title, values })
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
        ..Question::default()
    };
    inside.show(&question.view())
}

/// Ends a session, or all of them.
#[handler]
pub(super) async fn end_sessions(
    Posted { inside, fields }: Posted,
    Path(id): Path<Uuid>,
) -> Result<Response> {
    let (path, what) = match fields.given("session") {
        // What is no id names no session: it must not end all of them.
        Some(session) => {
            (format!("/sessions/{}", session.parse::<Uuid>().unwrap_or_default()), "session_ended")
        }
        None => (format!("/users/{id}/sessions"), "sessions_ended"),
    };
    inside.call(Call::new(Method::DELETE, &path)).await?;
    Ok(inside.done(&format!("/admin/people/{id}"), what))
}

/// Asks before somebody is banned, and for how long.
#[handler]
pub(super) async fn ask_to_ban(inside: Inside, Path(id): Path<Uuid>) -> Result<Response> {
    let account = inside.call(Call::new(Method::GET, &format!("/users/{id}"))).await?;
    let question = Question {
        title: "Ban this account?",
        text: "All its sessions end at once, and nobody signs in to it until the ban is over or lifted.",
        button: "Ban the account",
        action: format!("/admin/people/{id}/ban"),
        fields: json!([["_version", account.version]]),
        choice: json!({
            "name": "days", "label": "For how long",
            "options": [["1", "1 day"], ["7", "7 days"], ["30", "30 days"], ["365", "1 year"], ["", "Until it is lifted"]],
        }),
        back: format!("/admin/people/{id}"),
    };
    inside.show(&question.view())
}

/// Bans somebody.
#[handler]
pub(super) async fn ban(Posted { inside, fields }: Posted, Path(id): Path<Uuid>) -> Result<Response> {
    let until = match fields.given("days") {
        None => FOR_GOOD.to_owned(),
        Some(days) => inside.in_days(days.parse().unwrap_or(1)),
    };
    change(&inside, id, fields.text("_version"), json!({"banned_until": until})).await?;
    Ok(inside.done(&format!("/admin/people/{id}"), "banned"))
}

/// Lifts a ban.
#[handler]
pub(super) async fn lift_ban(Posted { inside, fields }: Posted, Path(id): Path<Uuid>) -> Result<Response> {
    change(&inside, id, fields.text("_version"), json!({"banned_until": null})).await?;
    Ok(inside.done(&format!("/admin/people/{id}"), "ban_lifted"))
}

/// Asks which part in administration somebody is to have.
#[handler]
pub(super) async fn ask_for_part(inside: Inside, Path(id): Path<Uuid>) -> Result<Response> {
    let account = inside.call(Call::new(Method::GET, &format!("/users/{id}"))).await?;
    let question = Question {
        title: "Which part in administration?",
        text: "With it, this account opens the console when it is signed in on a management site. It holds at once, and \
               each scope includes those before it.",
        button: "Set it",
        action: format!("/admin/people/{id}/part"),
        fields: json!([["_version", account.version]]),
        choice: json!({
            "name": "scope", "label": "Scope", "chosen": account.body["app_metadata"]["admin_scope"],
            "options": [["", "none"], ["read", "read: looks"], ["support", "support: helps people"], ["admin", "admin: everything"]],
        }),
        back: format!("/admin/people/{id}"),
    };
    inside.show(&question.view())
}

/// Gives somebody a part in administration, or takes it away.
#[handler]
pub(super) async fn set_part(Posted { inside, fields }: Posted, Path(id): Path<Uuid>) -> Result<Response> {
    let wish = json!({"app_metadata": {"admin_scope": fields.given("scope")}});
    change(&inside, id, fields.text("_version"), wish).await?;
    Ok(inside.done(&format!("/admin/people/{id}"), "part_set"))
}

async fn change(inside: &Inside, id: Uuid, version: &str, change: Value) -> Result<()> {
    let path = format!("/users/{id}");
    inside.call(Call::new(Method::PATCH, &path).with(change).if_still(version)).await?;
    Ok(())
}

/// Forgets wrong guesses and sent mails of a person's address.
#[handler]
pub(super) async fn unlock(Posted { inside, .. }: Posted, Path(id): Path<Uuid>) -> Result<Response> {
    inside.call(Call::new(Method::POST, &format!("/users/{id}/unlock"))).await?;
    Ok(inside.done(&format!("/admin/people/{id}"), "unlocked"))
}
