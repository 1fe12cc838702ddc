//! Mail: what waits, what did not leave, and addresses that get none.

use poem::http::Method;
use poem::web::Path;
use poem::{Response, Result, handler};
use serde_json::{Value, json};
use uuid::Uuid;

use super::client::Call;
use super::inside::{Inside, Posted};
use super::view::View;

/// The queues, and the mails that did not leave.
#[handler]
pub(super) async fn show(inside: Inside) -> Result<Response> {
    let queues = inside.read("/mail/queue").await?;
    let asked = inside.pass_on(&["site", "reason", "after"]);
    let failures = inside.read(&format!("/mail/failures?{asked}")).await?;
    let values = json!({
        "queues": [
            {"title": "Mails with codes", "about": "They live as long as their codes.", "queue": queues["codes"]},
            {"title": "Other mails", "about": "They are tried for a day.", "queue": queues["outbox"]},
        ],
        "failures": failures["items"], "next": inside.next_part(&failures), "reason": inside.query("reason"),
    });
    inside.show(&View { template: "mail", title: "Mail".to_owned(), values })
}

/// Tries a mail again.
#[handler]
pub(super) async fn retry(Posted { inside, .. }: Posted, Path(id): Path<Uuid>) -> Result<Response> {
    inside.call(Call::new(Method::POST, &format!("/mail/{id}/retry"))).await?;
    Ok(inside.done("/admin/mail", "mail_retried"))
}

/// The addresses that get no mail.
#[handler]
pub(super) async fn suppressions(inside: Inside) -> Result<Response> {
    let view = list(&inside, json!({"typed": {}})).await?;
    inside.show(&view)
}

async fn list(inside: &Inside, mut values: Value) -> Result<View> {
    let addresses = inside.read(&format!("/mail/suppressions?{}", inside.pass_on(&["after"]))).await?;
    values["addresses"] = addresses["items"].clone();
    values["next"] = json!(inside.next_part(&addresses));
    Ok(View { template: "suppressions", title: "Addresses without mail".to_owned(), values })
}

/// Sends no more mail to an address. It is named by its tag from here on; the API keeps no other name of it.
#[handler]
pub(super) async fn suppress(Posted { inside, fields }: Posted) -> Result<Response> {
    let named = Call::new(Method::POST, "/mail/address-tags").with(json!({"email": fields.text("email")}));
    let outcome = match inside.call(named).await {
        Ok(address) => {
            let path = format!("/mail/suppressions/{}", address.body["tag"].as_str().unwrap_or_default());
            let mut wish = json!({"domain": address.body["domain"]});
            if let Some(note) = fields.given("note") {
                wish["note"] = json!(note);
            }
            inside.call(Call::new(Method::PUT, &path).with(wish)).await
        }
        Err(problem) => Err(problem),
    };
    match outcome {
        Ok(_) => Ok(inside.done("/admin/mail/suppressions", "suppressed")),
        Err(problem) if problem.status.is_client_error() => {
            let typed = json!({"email": fields.text("email"), "note": fields.text("note")});
            let view = list(&inside, json!({"typed": typed})).await?;
            inside.refuse(&problem, view)
        }
        Err(problem) => Err(problem.into()),
    }
}

/// Sends mail to an address again.
#[handler]
pub(super) async fn lift(Posted { inside, fields }: Posted) -> Result<Response> {
    // What is no tag names nothing, and no other path either.
    let tag: String = fields.text("tag").chars().filter(char::is_ascii_hexdigit).collect();
    inside.call(Call::new(Method::DELETE, &format!("/mail/suppressions/{tag}"))).await?;
    Ok(inside.done("/admin/mail/suppressions", "suppression_lifted"))
}
