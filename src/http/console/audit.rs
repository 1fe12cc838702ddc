//! The audit log: searched, and followed.

use poem::{Response, Result, handler};
use serde_json::{Value, json};

use super::inside::Inside;
use super::view::View;
use crate::domain::AuditAction;

/// What can be searched by, as the API names it.
const CONDITIONS: [&str; 7] = ["actor", "action", "target", "site", "from", "to", "after"];

/// The log, newest first.
#[handler]
pub(super) async fn show(inside: Inside) -> Result<Response> {
    let asked = inside.pass_on(&CONDITIONS);
    let typed: Value =
        CONDITIONS.iter().map(|name| ((*name).to_owned(), json!(inside.query(name)))).collect();
    let actions: Vec<_> = AuditAction::ALL.iter().map(|action| action.as_str()).collect();
    let view = |events: Vec<Value>, next: Option<String>| View {
        template: "audit",
        title: "Audit log".to_owned(),
        values: json!({"events": events, "next": next, "typed": typed, "actions": actions}),
    };
    match inside.read(&format!("/audit?{asked}")).await {
        Ok(list) => {
            let next = inside.next_part(&list);
            let events = list["items"].as_array().into_iter().flatten().map(told).collect();
            inside.show(&view(events, next))
        }
        Err(problem) if problem.status.is_client_error() => inside.refuse(&problem, view(Vec::new(), None)),
        Err(problem) => Err(problem.into()),
    }
}

/// An event with its details as names and texts.
fn told(event: &Value) -> Value {
    let mut told = event.clone();
    let details = event["details"].as_object().into_iter().flatten();
    told["said"] = details
        .map(|(name, value)| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            json!([name, text])
        })
        .collect();
    told
}
