//! The audit log: found by who, what, whom, where and when, part by part.

use doorcode::domain::Scope;
use reqwest::Method;
use serde_json::{Value, json};

use super::{ask, service_key};
use crate::support::app::{MANAGE, READER, text};
use crate::support::{TestApp, on_both_backends};

fn actions(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|event| text(event, "action")).collect()
}

on_both_backends! {
    async fn events_are_found_by_who_what_whom_and_where(app: TestApp) {
        let (_, key) = service_key(&app, Scope::Read).await;
        let (admin_id, admin) = service_key(&app, Scope::Admin).await;
        let user = text(&app.sign_in(READER, "ada@example.org").await["user"], "id").to_owned();
        app.sign_in(MANAGE, "ada@example.org").await;
        let plan = json!({"name": "North", "code": "north", "owner": {"user_id": user}});
        assert_eq!(ask(&app, &admin, Method::POST, "/libraries", Some(plan)).await.status, 201);

        let found = async |query: &str| {
            ask(&app, &key, Method::GET, &format!("/audit?{query}"), None).await.assert_ok().body.clone()
        };
        // Both happened in one transaction, so at one moment.
        let by_admin = found(&format!("actor={admin_id}")).await;
        let mut done = actions(&by_admin);
        done.sort_unstable();
        assert_eq!(done, ["library_added", "staff_added"]);
        let of_ada = found(&format!("actor={admin_id}&action=staff_added")).await["items"][0].clone();
        assert_eq!((text(&of_ada, "target_id"), text(&of_ada, "actor_kind")), (user.as_str(), "service_key"));
        assert_eq!(of_ada["details"]["changes"]["role"], json!([null, "owner"]));

        let at_reader = found(&format!("actor={user}&site=reader&action=user_signedup")).await;
        assert_eq!(at_reader["items"].as_array().unwrap().len(), 1);
        let of_user = format!("target={user}&actor_kind=user&limit=1");
        let first = found(&of_user).await;
        assert_eq!(actions(&first), ["login"]);
        let rest = found(&format!("{of_user}&after={}", text(&first, "next"))).await;
        assert_eq!(actions(&rest), ["user_signedup"]);
        let at = text(&rest["items"][0], "created_at");
        assert_eq!(actions(&found(&format!("{of_user}&to={at}")).await), Vec::<&str>::new());
        assert_eq!(actions(&found(&format!("{of_user}&from={at}")).await), ["login"]);
        for query in ["action=nothing", "actor_kind=ghost", "after=x", "limit=0"] {
            let refused = ask(&app, &key, Method::GET, &format!("/audit?{query}"), None).await;
            refused.assert_problem(422, "invalid_value");
        }
    }
}
