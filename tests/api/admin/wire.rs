//! The wire's administration: what `supabase.auth.admin` calls, without the client around it.

use doorcode::domain::Scope;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{ask, service_key};
use crate::support::app::{Answer, MANAGE, READER, text};
use crate::support::{TestApp, on_both_backends};

/// Calls an operation of the reader site's wire, with the key as clients of that family send it: twice.
async fn wire(app: &TestApp, key: &str, method: Method, path: &str, body: Option<Value>) -> Answer {
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str()), ("apikey", key)];
    app.send(READER, method, &format!("/auth/v1{path}"), &headers, body.map(|body| body.to_string())).await
}

async fn post(app: &TestApp, key: &str, path: &str, body: Value) -> Answer {
    wire(app, key, Method::POST, path, Some(body)).await
}

on_both_backends! {
    async fn accounts_are_looked_after_by_the_wire(app: TestApp) {
        let (_, key) = service_key(&app, Scope::Admin).await;
        let id = Uuid::new_v4().to_string();
        let plan = json!({
            "id": id, "email": "Ada@Example.org", "user_metadata": {"name": "Ada"}, "app_metadata": {"plan": "x"},
            "password": "ignored", "role": "service_role", "nonsense": {"a": 1}, "phone": null,
        });
        let made = post(&app, &key, "/admin/users", plan).await.assert_ok().body.clone();
        assert_eq!((text(&made, "id"), text(&made, "email")), (id.as_str(), "ada@example.org"));
        assert_eq!(made["user_metadata"], json!({"name": "Ada"}), "just as it was sent");
        let metadata = json!({"plan": "x", "provider": "email", "providers": ["email"]});
        assert_eq!((&made["app_metadata"], text(&made, "role")), (&metadata, "authenticated"));
        assert!(made.get("email_confirmed_at").is_none() && made.get("banned_until").is_none(), "{made}");
        post(&app, &key, "/admin/users", json!({"email": "ada@example.org"}))
            .await
            .assert_problem(422, "email_exists");
        let confirmed = json!({"email": "eve@example.org", "email_confirm": true, "user_metadata": {"a": 1}});
        let eve = post(&app, &key, "/admin/users", confirmed).await;
        assert_eq!(eve.assert_ok().body["user_metadata"], json!({"a": 1, "email_verified": true}));

        let path = format!("/admin/users/{id}");
        let change = json!({"user_metadata": {"name": null, "city": "London"}, "ban_duration": "1h30m"});
        let changed = wire(&app, &key, Method::PUT, &path, Some(change)).await;
        assert_eq!(changed.assert_ok().body["user_metadata"], json!({"city": "London"}));
        assert!(changed.body["banned_until"].is_string());
        let lifted = wire(&app, &key, Method::PUT, &path, Some(json!({"ban_duration": "none"}))).await;
        assert!(lifted.assert_ok().body.get("banned_until").is_none());
        let taken = wire(&app, &key, Method::PUT, &path, Some(json!({"email": "eve@example.org"}))).await;
        taken.assert_problem(422, "email_exists");

        let session = app.sign_in(READER, "ada@example.org").await;
        let out = wire(&app, &key, Method::POST, &format!("{path}/logout"), None).await;
        assert_eq!((out.status.as_u16(), &out.body), (204, &Value::Null));
        app.refresh(READER, text(&session, "refresh_token")).await.assert_problem(400, "session_not_found");
        assert_eq!(wire(&app, &key, Method::GET, &format!("{path}/factors"), None).await.assert_ok().body, json!([]));

        for body in [None, Some(json!({"should_soft_delete": false}))] {
            let gone = wire(&app, &key, Method::DELETE, &path, body.clone()).await;
            match body {
                None => assert_eq!(gone.assert_ok().body, json!({})),
                Some(_) => drop(gone.assert_problem(404, "user_not_found").body.clone()),
            }
        }
        wire(&app, &key, Method::GET, &path, None).await.assert_problem(404, "user_not_found");
    }

    async fn a_soft_deletion_leaves_a_husk_that_opens_nothing(app: TestApp) {
        let (_, key) = service_key(&app, Scope::Admin).await;
        let session = app.sign_in(READER, "ada@example.org").await;
        let id = text(&session["user"], "id");
        let path = format!("/admin/users/{id}");
        let soft = Some(json!({"should_soft_delete": true}));
        assert_eq!(wire(&app, &key, Method::DELETE, &path, soft).await.assert_ok().body, json!({}));
        let husk = wire(&app, &key, Method::GET, &path, None).await.assert_ok().body.clone();
        assert!(husk["deleted_at"].is_string() && !husk.to_string().contains("ada@"), "{husk}");
        assert_eq!(husk["user_metadata"], json!({}));
        app.refresh(READER, text(&session, "refresh_token")).await.assert_problem(400, "session_not_found");
        wire(&app, &key, Method::PUT, &path, Some(json!({"email": "x@example.org"})))
            .await
            .assert_problem(404, "user_not_found");
        // The address is free: whoever signs in with it is somebody new.
        app.advance(std::time::Duration::from_secs(61)).await;
        let again = app.sign_in(READER, "ada@example.org").await;
        assert_ne!(text(&again["user"], "id"), id);
        assert_eq!(wire(&app, &key, Method::DELETE, &path, None).await.assert_ok().body, json!({}));
    }

    async fn a_generated_link_does_what_it_is_for_once(app: TestApp) {
        let (_, key) = service_key(&app, Scope::Admin).await;
        let target = "http://reader.localhost:8080/welcome";
        let wish = |kind: &str, email: &str| json!({"type": kind, "email": email, "redirect_to": target, "data": {"a": 1}});
        let link = |kind: &'static str, email: &'static str| {
            let (app, key, wish) = (&app, &key, wish(kind, email));
            async move { post(app, key, "/admin/generate_link", wish).await }
        };
        let verify = |kind: &'static str, token: Value| {
            let app = &app;
            let body = json!({"type": kind, "token_hash": token});
            async move { app.post(READER, "/auth/v1/verify", body).await }
        };
        link("recovery", "ada@example.org").await.assert_problem(404, "user_not_found");
        let signup = link("magiclink", "ada@example.org").await.assert_ok().body.clone();
        assert_eq!(text(&signup, "verification_type"), "signup", "there was no account");
        assert_eq!((&signup["user_metadata"], text(&signup, "redirect_to")), (&json!({"a": 1}), target));
        let start = format!("http://{READER}/auth/v1/verify?token={}&type=signup", text(&signup, "hashed_token"));
        assert_eq!(text(&signup, "action_link"), format!("{start}&redirect_to={target}"));
        verify("magiclink", signup["hashed_token"].clone()).await.assert_ok();
        verify("signup", signup["hashed_token"].clone()).await.assert_problem(403, "otp_expired");
        link("signup", "ada@example.org").await.assert_problem(422, "email_exists");
        link("invite", "ada@example.org").await.assert_problem(422, "email_exists");
        // By its code, and only for an account that somebody has used.
        let magic = link("magiclink", "ada@example.org").await.assert_ok().body.clone();
        assert_eq!((text(&magic, "verification_type"), text(&magic, "email_otp").len()), ("magiclink", 6));
        let typed = json!({"type": "signup", "email": "ada@example.org", "token": magic["email_otp"]});
        app.post(READER, "/auth/v1/verify", typed).await.assert_problem(403, "otp_expired");
        let typed = json!({"type": "magiclink", "email": "ada@example.org", "token": magic["email_otp"]});
        app.post(READER, "/auth/v1/verify", typed).await.assert_ok();
        let invite = link("invite", "eve@example.org").await.assert_ok().body.clone();
        assert!(invite["invited_at"].is_string(), "{invite}");
        verify("invite", invite["hashed_token"].clone()).await.assert_ok();
        link("teleport", "ada@example.org").await.assert_problem(400, "validation_failed");
        assert_eq!(app.mails_to("ada@example.org") + app.mails_to("eve@example.org"), 0, "no mail was sent");
    }

    async fn both_links_of_a_change_of_address_together_change_it(app: TestApp) {
        let (_, key) = service_key(&app, Scope::Admin).await;
        let session = app.sign_in(READER, "ada@example.org").await;
        let link = |kind: &'static str, new: &'static str| {
            let (app, key) = (&app, &key);
            let wish = json!({"type": kind, "email": "ada@example.org", "new_email": new});
            async move { post(app, key, "/admin/generate_link", wish).await }
        };
        app.sign_in(READER, "eve@example.org").await;
        link("email_change_new", "eve@example.org").await.assert_problem(422, "email_exists");
        let current = link("email_change_current", "countess@example.org").await.assert_ok().body.clone();
        let new = link("email_change_new", "countess@example.org").await.assert_ok().body.clone();
        assert!(text(&new, "action_link").contains("&type=email_change&"), "{new}");
        let verify = |token: &Value| {
            let body = json!({"type": "email_change", "token_hash": token});
            app.post(READER, "/auth/v1/verify", body)
        };
        let first = verify(&new["hashed_token"]).await;
        assert_eq!(first.assert_ok().body["code"], "200");
        let second = verify(&current["hashed_token"]).await;
        assert_eq!(text(&second.assert_ok().body["user"], "email"), "countess@example.org");
        assert_eq!(text(&second.body["user"], "id"), text(&session["user"], "id"));
        verify(&current["hashed_token"]).await.assert_problem(403, "otp_expired");
    }

    async fn an_invitation_is_mailed_and_opens_an_account_that_nobody_has_used(app: TestApp) {
        let (_, key) = service_key(&app, Scope::Admin).await;
        let invited = post(&app, &key, "/invite", json!({"email": "ada@example.org", "data": {"name": "Ada"}})).await;
        let account = &invited.assert_ok().body;
        assert!(account["invited_at"].is_string() && account["confirmation_sent_at"].is_string(), "{account}");
        assert_eq!(account["user_metadata"], json!({"name": "Ada"}));
        let mail = app.mail("ada@example.org", 1).await;
        let token = mail.text.split("token_hash=").nth(1).and_then(|rest| rest.get(..43)).unwrap().to_owned();
        let open = |kind: &'static str| {
            let body = json!({"type": kind, "token_hash": token});
            app.post(READER, "/auth/v1/verify", body)
        };
        post(&app, &key, "/invite", json!({"email": "ada@example.org"}))
            .await
            .assert_problem(429, "over_email_send_rate_limit");
        app.advance(std::time::Duration::from_secs(6 * 86_400)).await;
        let session = open("invite").await.assert_ok().body.clone();
        assert_eq!(session["user"]["id"], account["id"]);
        assert_eq!(session["user"]["user_metadata"], json!({"name": "Ada", "email_verified": true}));
        open("invite").await.assert_problem(403, "otp_expired");
        post(&app, &key, "/invite", json!({"email": "ada@example.org"})).await.assert_problem(422, "email_exists");
        // Whoever signs in by a code before needs no invitation any more, and it is worth nothing then.
        post(&app, &key, "/invite", json!({"email": "eve@example.org"})).await.assert_ok();
        let mail = app.mail("eve@example.org", 1).await;
        let token = mail.text.split("token_hash=").nth(1).and_then(|rest| rest.get(..43)).unwrap().to_owned();
        app.sign_in(READER, "eve@example.org").await;
        for kind in ["invite", "email", "recovery"] {
            let body = json!({"type": kind, "token_hash": token});
            app.post(READER, "/auth/v1/verify", body).await.assert_problem(403, "otp_expired");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_are_paged_by_number_and_filtered() {
    let app = TestApp::on_services().await;
    let (_, key) = service_key(&app, Scope::Admin).await;
    for n in 0..7 {
        let name = if n == 3 { "Grace Hopper" } else { "Ada" };
        let plan = json!({"email": format!("u{n}@example.org"), "user_metadata": {"full_name": name}});
        post(&app, &key, "/admin/users", plan).await.assert_ok();
    }
    let list = |query: &'static str| wire(&app, &key, Method::GET, query, None);
    let emails = |answer: &Answer| -> Vec<String> {
        let users = answer.assert_ok().body["users"].as_array().unwrap();
        users.iter().map(|user| text(user, "email").chars().take(2).collect()).collect()
    };
    let page = list("/admin/users?page=2&per_page=3").await;
    assert_eq!(
        (emails(&page), text(&page.body, "aud")),
        (vec!["u3".into(), "u2".into(), "u1".into()], "reader")
    );
    assert_eq!(page.header("x-total-count"), Some("7"));
    assert_eq!(
        page.header("link"),
        Some(
            "</admin/users?page=3&per_page=3>; rel=\"next\", </admin/users?page=3&per_page=3>; rel=\"last\""
        )
    );
    let final_page = list("/admin/users?page=3&per_page=3").await;
    assert_eq!(final_page.header("link"), Some("</admin/users?page=3&per_page=3>; rel=\"last\""));
    let all = list("/admin/users?page=&per_page=&filter=&sort=").await;
    assert_eq!(emails(&all)[0], "u6", "empty is as good as nothing, and the newest come first");
    assert_eq!(emails(&list("/admin/users?sort=created_at%20asc&per_page=1").await), ["u0"]);
    assert_eq!(emails(&list("/admin/users?filter=HOPPER").await), ["u3"]);
    assert_eq!(emails(&list("/admin/users?filter=5@exam").await), ["u5"]);
    assert!(emails(&list("/admin/users?filter=%25").await).is_empty());
    for query in ["page=x", "page=-1", "per_page=-1", "per_page=1.5", "sort=email"] {
        let path = format!("/admin/users?{query}");
        wire(&app, &key, Method::GET, &path, None).await.assert_problem(400, "validation_failed");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t33_whoever_is_no_administrator_gets_no_further_in_the_words_of_the_wire() {
    let app = TestApp::on_services().await;
    let reader = app.sign_in(READER, "ada@example.org").await;
    let id = text(&reader["user"], "id");
    let (_, read) = service_key(&app, Scope::Read).await;
    let (_, support) = service_key(&app, Scope::Support).await;
    let (_, admin) = service_key(&app, Scope::Admin).await;
    let user = format!("/admin/users/{id}");
    let link = json!({"type": "recovery", "email": "ada@example.org"});
    let operations = [
        (Method::GET, "/admin/users".to_owned(), None, Scope::Read),
        (Method::GET, user.clone(), None, Scope::Read),
        (Method::GET, format!("{user}/factors"), None, Scope::Read),
        (Method::GET, "/admin/audit".to_owned(), None, Scope::Read),
        (Method::POST, format!("{user}/logout"), None, Scope::Support),
        (Method::POST, "/admin/users".to_owned(), Some(json!({"email": "x@example.org"})), Scope::Admin),
        (Method::PUT, user.clone(), Some(json!({"ban_duration": "1h"})), Scope::Admin),
        (Method::POST, "/admin/generate_link".to_owned(), Some(link), Scope::Admin),
        (Method::POST, "/invite".to_owned(), Some(json!({"email": "y@example.org"})), Scope::Admin),
        (Method::DELETE, user, None, Scope::Admin),
    ];
    for (method, path, body, needed) in operations {
        let call = |bearer: Option<String>| {
            let (app, method, path) = (&app, method.clone(), format!("/auth/v1{path}"));
            let body = body.as_ref().map(Value::to_string);
            async move {
                let headers: Vec<_> =
                    bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
                app.send(READER, method, &path, &headers, body).await
            }
        };
        call(None).await.assert_problem(401, "no_authorization");
        let access = format!("Bearer {}", text(&reader, "access_token"));
        call(Some(access)).await.assert_problem(403, "not_admin");
        call(Some("Bearer nonsense".to_owned())).await.assert_problem(403, "bad_jwt");
        call(Some(format!("Bearer {}A", &admin[..admin.len() - 1]))).await;
        let bent = format!("Bearer doorcode_sk_{}", "A".repeat(64));
        call(Some(bent)).await.assert_problem(401, "invalid_service_key");
        for (scope, key) in [(Scope::Read, &read), (Scope::Support, &support), (Scope::Admin, &admin)] {
            let answer = call(Some(format!("Bearer {key}"))).await;
            if scope >= needed {
                assert!(answer.status.is_success(), "{method} {path} with {scope:?}: {answer:?}");
            } else {
                answer.assert_problem(403, "insufficient_scope");
            }
        }
    }
    for path in ["/admin/users/nothing", "/admin/users/1/factors"] {
        wire(&app, &admin, Method::GET, path, None).await.assert_problem(404, "validation_failed");
    }
    // At the bare root, `/admin` is not the wire's.
    let bearer = format!("Bearer {admin}");
    let bare = app.send(READER, Method::GET, "/admin/users", &[("authorization", &bearer)], None).await;
    assert_eq!(bare.status, 404, "{bare:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_role_token_administers_until_its_end_and_is_nobodys_access_token() {
    let app = TestApp::on_services().await;
    let (_, admin) = service_key(&app, Scope::Admin).await;
    for (body, code) in [
        (json!({"site": "nowhere"}), "invalid_value"),
        (json!({"site": "reader", "expires_in": 59}), "invalid_value"),
        (json!({"site": "reader", "expires_in": 2_592_001}), "invalid_value"),
        (json!({"site": "reader", "role": "supabase_admin"}), "unknown_field"),
    ] {
        ask(&app, &admin, Method::POST, "/service-role-tokens", Some(body)).await.assert_problem(422, code);
    }
    let made = ask(&app, &admin, Method::POST, "/service-role-tokens", Some(json!({"site": "reader"}))).await;
    assert_eq!(made.status, 201, "{made:?}");
    let token = text(&made.body, "token").to_owned();
    assert_eq!(
        wire(&app, &token, Method::GET, "/admin/users", None).await.assert_ok().header("x-total-count"),
        Some("0")
    );
    ask(&app, &token, Method::GET, "/users", None).await.assert_ok();
    post(&app, &token, "/admin/users", json!({"email": "ada@example.org"})).await.assert_ok();
    app.get_with_token(READER, "/auth/v1/user", &token).await.assert_problem(403, "bad_jwt");
    app.get_with_token(READER, "/api/v1/profile", &token).await.assert_problem(403, "bad_jwt");
    let (kinds, secrets): (Vec<String>, i64) = sqlx::query_as(
        "select array_agg(actor_kind order by created_at), count(*) filter (where details::text like '%eyJ%')
           from auth.audit_log where action in ('service_role_token_made', 'user_created')",
    )
    .fetch_one(&app.services.as_ref().unwrap().sql)
    .await
    .unwrap();
    assert_eq!((kinds, secrets), (vec!["service_key".to_owned(), "service_role".to_owned()], 0));
    app.advance(std::time::Duration::from_secs(3601)).await;
    wire(&app, &token, Method::GET, "/admin/users", None).await.assert_problem(403, "bad_jwt");
    ask(&app, &token, Method::GET, "/users", None).await.assert_problem(401, "invalid_service_key");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_host_names_no_site_the_key_does() {
    let app = TestApp::on_services().await;
    let (_, anywhere) = service_key(&app, Scope::Admin).await;
    let plan = json!({"name": "For managers", "scope": "admin", "site": "management"});
    let made = ask(&app, &anywhere, Method::POST, "/service-keys", Some(plan)).await;
    let managers = text(&made.body, "key").to_owned();
    let plan = json!({"name": "x", "scope": "admin", "site": "nowhere"});
    ask(&app, &anywhere, Method::POST, "/service-keys", Some(plan))
        .await
        .assert_problem(422, "invalid_value");
    let list = |host: &'static str, key: String| {
        let app = &app;
        async move {
            let bearer = format!("Bearer {key}");
            let headers = [("authorization", bearer.as_str()), ("apikey", key.as_str())];
            app.send(host, Method::GET, "/auth/v1/admin/users", &headers, None).await
        }
    };
    let shared = "127.0.0.1:8080";
    assert_eq!(list(shared, managers.clone()).await.assert_ok().body["aud"], "management");
    assert_eq!(list(MANAGE, managers.clone()).await.assert_ok().body["aud"], "management");
    assert_eq!(list(MANAGE, anywhere.clone()).await.assert_ok().body["aud"], "management");
    list(READER, managers).await.assert_problem(400, "site_contradiction");
    list(shared, anywhere).await.assert_problem(400, "site_unknown");
    list(shared, "doorcode_sk_wrong".to_owned()).await.assert_problem(401, "invalid_service_key");
    let token = json!({"site": "reader", "expires_in": 600});
    let (_, admin) = service_key(&app, Scope::Admin).await;
    let token = ask(&app, &admin, Method::POST, "/service-role-tokens", Some(token)).await;
    assert_eq!(list(shared, text(&token.body, "token").to_owned()).await.assert_ok().body["aud"], "reader");
    // With one site there is no question.
    let app = app.restart_with(&[("SITES__MANAGEMENT__ENABLED", "false")]).await;
    let (_, key) = service_key(&app, Scope::Read).await;
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str()), ("apikey", key.as_str())];
    let only = app.send(shared, Method::GET, "/auth/v1/admin/users", &headers, None).await;
    assert_eq!(only.assert_ok().body["aud"], "reader");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_are_handed_out_only_where_the_server_allows_it() {
    let app = TestApp::on_services_with(&[("ADMIN__GENERATE_LINK", "false")]).await;
    let (_, key) = service_key(&app, Scope::Admin).await;
    let wish = json!({"type": "signup", "email": "ada@example.org"});
    post(&app, &key, "/admin/generate_link", wish).await.assert_problem(403, "feature_disabled");
    let list = wire(&app, &key, Method::GET, "/admin/users", None).await;
    assert_eq!(list.header("x-total-count"), Some("0"), "and nothing was made");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_audit_log_is_read_in_the_words_of_the_wire() {
    let app = TestApp::on_services().await;
    let (_, key) = service_key(&app, Scope::Admin).await;
    let session = app.sign_in(READER, "ada@example.org").await;
    let id = text(&session["user"], "id").to_owned();
    let path = format!("/admin/users/{id}");
    wire(&app, &key, Method::PUT, &path, Some(json!({"ban_duration": "1h"}))).await.assert_ok();
    let audit = |query: &'static str| wire(&app, &key, Method::GET, query, None);
    let newest = audit("/admin/audit?per_page=1").await.assert_ok().body[0].clone();
    let payload = &newest["payload"];
    assert_eq!((text(payload, "action"), text(payload, "log_type")), ("user_modified", "user"));
    assert_eq!(
        (text(payload, "actor_username"), text(payload, "actor_id")),
        ("service_key", &*Uuid::nil().to_string())
    );
    assert_eq!(
        (text(&payload["traits"], "user_id"), text(&payload["traits"], "user_email")),
        (&*id, "ada@example.org")
    );
    assert!(newest["created_at"].is_string() && newest["ip_address"].is_string());
    let team = audit("/admin/audit?query=type:team").await;
    let entries = team.assert_ok().body.as_array().unwrap();
    assert_eq!((entries.len(), text(&entries[0]["payload"], "action")), (1, "user_signedup"));
    assert_eq!(
        audit("/admin/audit?query=author:ADA@").await.assert_ok().body[0]["payload"]["actor_id"],
        id.as_str()
    );
    assert_eq!(audit("/admin/audit?query=action:modif").await.assert_ok().header("x-total-count"), Some("1"));
    for query in ["/admin/audit?query=x", "/admin/audit?query=from:x", "/admin/audit?page=x"] {
        audit(query).await.assert_problem(400, "validation_failed");
    }
}
