//! Libraries, their staff and those who ask for access: by an administrator's hand, under the same rules as by anybody's.

use doorcode::domain::Scope;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{ask, change, service_key};
use crate::support::app::{MANAGE, READER, text};
use crate::support::{TestApp, on_both_backends};

/// A library by an administrator's hand, and the id of its owner.
async fn library(app: &TestApp, key: &str, code: &str, owner: &str) -> (Value, String) {
    let owner_id = text(&app.sign_in(READER, owner).await["user"], "id").to_owned();
    let plan = json!({"name": format!("The {code} library"), "code": code, "owner": {"email": owner}});
    let made = ask(app, key, Method::POST, "/libraries", Some(plan)).await;
    assert_eq!(made.status, 201, "{made:?}");
    (made.body, owner_id)
}

on_both_backends! {
    async fn a_library_is_made_with_its_owner_who_is_told_and_may_work_there(app: TestApp) {
        let (_, key) = service_key(&app, Scope::Admin).await;
        let (made, owner) = library(&app, &key, "north", "ada@example.org").await;
        assert_eq!((&made["owners"], &made["staff"], text(&made, "status")), (&json!(1), &json!(1), "active"));
        let told = app.mail("ada@example.org", 2).await;
        assert!(told.subject.contains("The north library"), "{}", told.subject);
        assert!(told.text.contains("have made you an owner"), "{}", told.text);

        let session = app.sign_in(MANAGE, "ada@example.org").await;
        let token = text(&session, "access_token");
        let mine = app.get_with_token(MANAGE, "/api/v1/libraries", token).await;
        assert_eq!(text(&mine.assert_ok().body["items"][0], "role"), "owner");

        let records = ask(&app, &key, Method::GET, &format!("/users/{owner}/staff"), None).await;
        let record = &records.assert_ok().body["items"][0];
        assert_eq!((text(record, "library_code"), text(record, "email")), ("north", "ada@example.org"));
        let path = format!("/libraries/{}", text(&made, "id"));
        let same = ask(&app, &key, Method::GET, &format!("{path}/staff"), None).await;
        assert_eq!(&same.assert_ok().body["items"][0], record);
        let nowhere = format!("/libraries/{}/staff", Uuid::new_v4());
        ask(&app, &key, Method::GET, &nowhere, None).await.assert_problem(404, "not_found");
    }

    async fn a_library_keeps_an_active_owner_whoever_asks(app: TestApp) {
        let (_, key) = service_key(&app, Scope::Admin).await;
        let (made, _) = library(&app, &key, "north", "ada@example.org").await;
        let staff = format!("/libraries/{}/staff", text(&made, "id"));
        let list = ask(&app, &key, Method::GET, &staff, None).await.body;
        let ada = format!("/staff/{}", text(&list["items"][0], "id"));
        change(&app, &key, Method::DELETE, &ada, 1, None).await.assert_problem(409, "last_owner");
        let demoted = Some(json!({"role": "manager"}));
        change(&app, &key, Method::PATCH, &ada, 1, demoted.clone()).await.assert_problem(409, "last_owner");

        app.sign_in(READER, "eve@example.org").await;
        let grant = json!({"email": "eve@example.org", "role": "owner"});
        let eve = ask(&app, &key, Method::POST, &staff, Some(grant.clone())).await;
        assert_eq!((eve.status.as_u16(), text(&eve.body, "role")), (201, "owner"), "{eve:?}");
        ask(&app, &key, Method::POST, &staff, Some(grant)).await.assert_problem(409, "illegal_state");

        ask(&app, &key, Method::PATCH, &ada, demoted.clone()).await.assert_problem(428, "precondition_required");
        change(&app, &key, Method::PATCH, &ada, 7, demoted.clone()).await.assert_problem(412, "stale_version");
        let changed = change(&app, &key, Method::PATCH, &ada, 1, demoted).await;
        assert_eq!((text(&changed.assert_ok().body, "role"), changed.header("etag")), ("manager", Some("\"2\"")));
        assert_eq!(change(&app, &key, Method::DELETE, &ada, 2, None).await.status, 204);
        change(&app, &key, Method::PATCH, &ada, 3, Some(json!({"status": "active"})))
            .await
            .assert_problem(409, "illegal_state");
        let back = json!({"email": "ada@example.org", "role": "volunteer"});
        assert_eq!(ask(&app, &key, Method::POST, &staff, Some(back)).await.status, 201, "taken back");
        let mails = ["staff of", "role at", "no longer on the staff", "now on the staff"];
        for (count, words) in (2..).zip(mails) {
            let mail = app.mail("ada@example.org", count).await;
            assert!(mail.text.contains(words), "{count}: {}", mail.text);
        }
    }

    async fn a_request_for_access_is_decided_and_the_person_is_told(app: TestApp) {
        let (_, key) = service_key(&app, Scope::Support).await;
        let (_, admin) = service_key(&app, Scope::Admin).await;
        let (made, _) = library(&app, &admin, "north", "ada@example.org").await;
        app.sign_in(READER, "eve@example.org").await;
        let eve = app.sign_in(MANAGE, "eve@example.org").await;
        let wish = Some(json!({"message": "Let me in"}));
        let token = text(&eve, "access_token");
        let asked = app.as_bearer(MANAGE, Method::POST, "/api/v1/libraries/north/access-requests", token, wish).await;
        assert_eq!(asked.status, 201, "{asked:?}");

        let waiting = format!("/access-requests?status=pending&library={}", text(&made, "id"));
        let list = ask(&app, &key, Method::GET, &waiting, None).await;
        let request = &list.assert_ok().body["items"][0];
        assert_eq!((text(request, "email"), text(request, "message")), ("eve@example.org", "Let me in"));
        let decision = format!("/access-requests/{}/decision", text(request, "id"));
        let owner = Some(json!({"role": "owner"}));
        change(&app, &key, Method::POST, &decision, 1, owner).await.assert_problem(403, "insufficient_scope");
        change(&app, &key, Method::POST, &decision, 2, Some(json!({}))).await.assert_problem(412, "stale_version");
        let role = Some(json!({"role": "librarian", "note": "Welcome"}));
        let decided = change(&app, &key, Method::POST, &decision, 1, role.clone()).await;
        assert_eq!((text(&decided.assert_ok().body, "status"), text(&decided.body, "granted_role")), ("approved", "librarian"));
        change(&app, &key, Method::POST, &decision, 2, role).await.assert_problem(409, "illegal_state");
        let list = ask(&app, &key, Method::GET, &waiting, None).await;
        assert_eq!(list.body["items"], json!([]));
        let mine = app.get_with_token(MANAGE, "/api/v1/libraries", token).await;
        assert_eq!(text(&mine.body["items"][0], "role"), "librarian");
        assert!(app.mail("eve@example.org", 3).await.text.contains("Welcome"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn libraries_are_found_changed_and_closed_and_each_change_is_on_record() {
    let app = TestApp::on_services().await;
    let (id, key) = service_key(&app, Scope::Admin).await;
    for code in ["north", "south", "east"] {
        library(&app, &key, code, &format!("{code}@example.org")).await;
    }
    let names = |list: &Value| -> Vec<String> {
        list["items"].as_array().unwrap().iter().map(|one| text(one, "code").to_owned()).collect()
    };
    let list = ask(&app, &key, Method::GET, "/libraries?limit=2", None).await.assert_ok().body.clone();
    assert_eq!(names(&list), ["east", "south"]);
    let rest = ask(&app, &key, Method::GET, &format!("/libraries?after={}", text(&list, "next")), None).await;
    assert_eq!(names(&rest.body), ["north"]);
    let found = ask(&app, &key, Method::GET, "/libraries?name=THE%20S", None).await;
    assert_eq!(names(&found.body), ["south"]);

    let south = format!("/libraries/{}", text(&list["items"][1], "id"));
    let closed = Some(json!({"status": "inactive", "name": "Old south"}));
    change(&app, &key, Method::PATCH, &south, 2, closed.clone()).await.assert_problem(412, "stale_version");
    let changed = change(&app, &key, Method::PATCH, &south, 1, closed).await;
    assert_eq!(
        (text(&changed.assert_ok().body, "status"), changed.header("etag")),
        ("inactive", Some("\"2\""))
    );
    let inactive = ask(&app, &key, Method::GET, "/libraries?status=inactive", None).await;
    assert_eq!(names(&inactive.body), ["south"]);
    change(&app, &key, Method::PATCH, &south, 2, Some(json!({"code": "north"})))
        .await
        .assert_problem(409, "already_exists");
    change(&app, &key, Method::PATCH, &south, 2, Some(json!({"code": "No Good"})))
        .await
        .assert_problem(422, "invalid_value");

    let sql = &app.services.as_ref().unwrap().sql;
    let noted: Value = sqlx::query_scalar(
        "select details -> 'changes' from auth.audit_log
          where action = 'library_inactive' and actor_kind = 'service_key' and actor_id = $1
            and ip is not null and session_id is null",
    )
    .bind(id)
    .fetch_one(sql)
    .await
    .unwrap();
    assert_eq!(noted, json!({"name": ["The south library", "Old south"], "status": ["active", "inactive"]}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_library_is_made_once_or_not_at_all() {
    let app = TestApp::on_services().await;
    let (_, key) = service_key(&app, Scope::Admin).await;
    app.sign_in(READER, "ada@example.org").await;
    let bearer = format!("Bearer {key}");
    let create = async |plan: Value| {
        let headers = [("authorization", bearer.as_str()), ("idempotency-key", "one")];
        app.send(MANAGE, Method::POST, "/admin/v1/libraries", &headers, Some(plan.to_string())).await
    };
    let nobody = json!({"name": "North", "code": "north", "owner": {"email": "nobody@example.org"}});
    create(nobody).await.assert_problem(422, "no_such_account");
    let plan = json!({"name": "North", "code": "north", "owner": {"email": "Ada@Example.org"}});
    let made = create(plan.clone()).await;
    assert_eq!(made.status, 201, "{made:?}");
    let again = create(plan).await;
    assert_eq!((again.status, &again.body), (made.status, &made.body));
    let services = app.services.as_ref().unwrap();
    assert_eq!(services.count("public.libraries").await, 1);
    assert_eq!(services.count("public.library_staff").await, 1);
    let both =
        json!({"name": "x", "code": "x", "owner": {"email": "ada@example.org", "user_id": Uuid::new_v4()}});
    ask(&app, &key, Method::POST, "/libraries", Some(both)).await.assert_problem(422, "invalid_value");
    let unknown = json!({"name": "x", "code": "x", "stats": {}});
    ask(&app, &key, Method::POST, "/libraries", Some(unknown)).await.assert_problem(422, "unknown_field");
}
