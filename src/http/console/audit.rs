//! The audit log: searched, and followed.

use poem::{Response, Result, handler};
use serde_json::{Value, json};

use super::inside::Inside;
use super::view::{View, address};
use crate::domain::AuditAction;

/// What can be searched by, as the API names it.
const CONDITIONS: [&str; 7] = ["actor", "action", "target", "site", "from", "to", "after"];

/// The log, newest first.
#[handler]
pub(super) async fn show(inside: Inside) -> Result<Response> {
    let given = CONDITIONS.iter().filter_map(|name| Some((*name, inside.query(name)?)));
    let given: Vec<_> = given.map(|(name, value)| (name, condition(name, value))).collect();
    let asked = address("/audit", given.iter().map(|(name, value)| (*name, value.as_str())));
    let typed: Value =
        CONDITIONS.iter().map(|name| ((*name).to_owned(), json!(inside.query(name)))).collect();
    let actions: Vec<_> = AuditAction::ALL.iter().map(|action| action.as_str()).collect();
    let view = |events: Vec<Value>, next: Option<String>| View {
        template: "audit",
        title: "Audit log".to_owned(),
        values: json!({"events": events, "next": next, "typed": typed, "actions": actions}),
    };
    match inside.read(&asked).await {
        Ok(list) => {
            let next = inside.next_part(&list);
            let events = list["items"].as_array().into_iter().flatten().map(told).collect();
            inside.show(&view(events, next))
        }
        Err(problem) if problem.status.is_client_error() => inside.refuse(&problem, view(Vec::new(), None)),
        Err(problem) => Err(problem.into()),
    }
}

/// A condition as the API takes it: what a field for dates and times holds has no seconds and no zone, and is UTC here.
fn condition(name: &str, value: &str) -> String {
    let is_bare = ["from", "to"].contains(&name) && value.len() == "2026-01-31T08:00".len();
    if is_bare { format!("{value}:00Z") } else { value.to_owned() }
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

#[cfg(test)]
mod tests {
    use super::condition;

    #[test]
    fn a_date_and_time_without_a_zone_is_utc() {
        assert_eq!(condition("from", "2026-01-31T08:00"), "2026-01-31T08:00:00Z");
        assert_eq!(condition("to", "2026-01-31T08:00:30+01:00"), "2026-01-31T08:00:30+01:00");
        assert_eq!(condition("action", "sixteen_letters_"), "sixteen_letters_");
    }
}
