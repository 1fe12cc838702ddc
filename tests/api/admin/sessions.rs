//! Sessions: seen and ended by whoever helps people.

use doorcode::domain::Scope;
use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use super::{ask, service_key};
use crate::support::app::{MANAGE, READER, text};
use crate::support::{TestApp, on_both_backends};

on_both_backends! {
    async fn a_session_is_seen_and_ended_and_its_tokens_die(app: TestApp) {
        let reader = app.sign_in(READER, "ada@example.org").await;
        let manage = app.sign_in(MANAGE, "ada@example.org").await;
        let (_, key) = service_key(&app, Scope::Support).await;
        let user = text(&reader["user"], "id");
        let path = format!("/users/{user}/sessions");
        let list = ask(&app, &key, Method::GET, &path, None).await.assert_ok().body.clone();
        let sites: Vec<_> = list["items"].as_array().unwrap().iter().map(|one| text(one, "site")).collect();
        assert_eq!(sites, ["management", "reader"], "newest first");
        let first = ask(&app, &key, Method::GET, &format!("{path}?limit=1"), None).await.body;
        let next = text(&first, "next");
        let second = ask(&app, &key, Method::GET, &format!("{path}?limit=1&after={next}"), None).await.body;
        assert_eq!((&second["items"][0], text(&second["items"][0], "site")), (&list["items"][1], "reader"));

        let session = text(&list["items"][1], "id");
        let path_of_one = format!("/sessions/{session}");
        assert_eq!(ask(&app, &key, Method::DELETE, &path_of_one, None).await.status, 204);
        ask(&app, &key, Method::DELETE, &path_of_one, None).await.assert_problem(404, "not_found");
        app.refresh(READER, text(&reader, "refresh_token")).await.assert_problem(400, "session_not_found");
        let ended = ask(&app, &key, Method::DELETE, &path, None).await;
        assert_eq!(ended.assert_ok().body, json!({"ended": 1}));
        app.get_with_token(MANAGE, "/auth/v1/user", text(&manage, "access_token"))
            .await
            .assert_problem(403, "session_not_found");
        let nobody = format!("/users/{}/sessions", Uuid::new_v4());
        ask(&app, &key, Method::GET, &nobody, None).await.assert_problem(404, "not_found");
    }
}
