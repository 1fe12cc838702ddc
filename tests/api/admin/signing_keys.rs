//! Signing keys: seen without what they sign with, rotated and revoked by whoever may.

use doorcode::domain::Scope;
use reqwest::Method;
use serde_json::{Value, json};

use super::{ask, service_key};
use crate::support::app::{READER, text};
use crate::support::{TestApp, on_both_backends};

on_both_backends! {
    async fn keys_are_seen_rotated_and_revoked(app: TestApp) {
        let (_, key) = service_key(&app, Scope::Admin).await;
        let list = async || -> Vec<Value> {
            let list = ask(&app, &key, Method::GET, "/signing-keys?site=reader", None).await;
            list.assert_ok().body["items"].as_array().unwrap().clone()
        };
        let in_state = |keys: &[Value], state: &str| -> Vec<String> {
            let found = keys.iter().filter(|one| text(one, "state") == state);
            found.map(|one| text(one, "kid").to_owned()).collect()
        };
        let before = list().await;
        let active = in_state(&before, "active");
        assert_eq!(active.len(), 1, "{before:?}");
        for one in &before {
            assert_eq!((text(one, "site"), text(one, "alg")), ("reader", "ES256"));
            assert!(!one.to_string().contains("private"), "{one}");
        }

        let rotated = ask(&app, &key, Method::POST, "/signing-keys/rotate", Some(json!({"site": "reader"}))).await;
        let next = text(&rotated.assert_ok().body, "kid").to_owned();
        assert_eq!(rotated.body["is_active"], false, "nobody has had the time to read it: {rotated:?}");
        assert_eq!(in_state(&list().await, "next"), [next]);
        ask(&app, &key, Method::POST, "/signing-keys/rotate", Some(json!({"site": "nowhere"})))
            .await
            .assert_problem(422, "invalid_value");

        let ada = app.sign_in(READER, "ada@example.org").await;
        let revoke = format!("/signing-keys/{}/revoke", active[0]);
        let revoked = ask(&app, &key, Method::POST, &revoke, None).await;
        let successor = text(&revoked.assert_ok().body, "successor").to_owned();
        app.get_with_token(READER, "/auth/v1/user", text(&ada, "access_token")).await.assert_problem(403, "bad_jwt");
        app.refresh(READER, text(&ada, "refresh_token")).await.assert_ok();
        let after = list().await;
        assert_eq!((in_state(&after, "active"), in_state(&after, "gone")), (vec![successor], active));
        ask(&app, &key, Method::POST, &revoke, None).await.assert_problem(404, "not_found");
    }
}
