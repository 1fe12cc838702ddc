//! Accounts: found, made, changed, banned, unlocked, deleted, by whoever may.

use doorcode::domain::Scope;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{ask, service_key};
use crate::support::app::{Answer, MANAGE, READER, text};
use crate::support::{TestApp, on_both_backends};

/// Changes an account on its present version.
async fn change(app: &TestApp, key: &str, id: &str, body: Value) -> Answer {
    let path = format!("/users/{id}");
    let tag = ask(app, key, Method::GET, &path, None).await.header("etag").unwrap().to_owned();
    with_tag(app, key, Method::PATCH, &path, &tag, Some(body)).await
}

async fn with_tag(
    app: &TestApp,
    key: &str,
    method: Method,
    path: &str,
    tag: &str,
    body: Option<Value>,
) -> Answer {
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str()), ("if-match", tag)];
    let body = body.map(|body| body.to_string());
    app.send(MANAGE, method, &format!("/admin/v1{path}"), &headers, body).await
}

/// The ids in a list.
fn ids(list: &Answer) -> Vec<String> {
    let items = list.assert_ok().body["items"].as_array().unwrap();
    items.iter().map(|one| text(one, "id").to_owned()).collect()
}

async fn create(app: &TestApp, key: &str, body: Value) -> String {
    let made = ask(app, key, Method::POST, "/users", Some(body)).await;
    assert_eq!(made.status, 201, "{made:?}");
    text(&made.body, "id").to_owned()
}

on_both_backends! {
    async fn an_account_is_made_found_changed_and_deleted(app: TestApp) {
        let (_, key) = service_key(&app, Scope::Admin).await;
        let wished = Uuid::new_v4().to_string();
        let plan = json!({
            "email": "Ada@Example.org", "id": wished, "user_metadata": {"full_name": "Ada"},
            "app_metadata": {"plan": "paid"}
        });
        let made = ask(&app, &key, Method::POST, "/users", Some(plan)).await;
        assert_eq!((made.status.as_u16(), made.header("etag")), (201, Some("\"1\"")), "{made:?}");
        assert_eq!((text(&made.body, "id"), text(&made.body, "email")), (wished.as_str(), "ada@example.org"));
        assert_eq!(made.body["user_metadata"], json!({"full_name": "Ada"}));
        assert_eq!(
            made.body["app_metadata"],
            json!({"plan": "paid", "provider": "email", "providers": ["email"]})
        );
        assert!(made.body["email_confirmed_at"].is_null());

        // The trigger has made all that belongs to an account, and its owner signs in as everybody does.
        let session = app.sign_in(MANAGE, "ada@example.org").await;
        let token = text(&session, "access_token");
        let profile = app.get_with_token(MANAGE, "/api/v1/profile", token).await;
        assert_eq!(profile.assert_ok().body["display_name"], "Ada");
        let found = ask(&app, &key, Method::GET, &format!("/users/{wished}"), None).await;
        assert!(found.assert_ok().body["email_confirmed_at"].is_string(), "the first sign-in proved it");
        for query in ["email=ADA", &format!("id={wished}"), "banned=false&last_seen_after=2020-01-01T00:00:00Z"] {
            let list = ask(&app, &key, Method::GET, &format!("/users?{query}"), None).await;
            assert_eq!(ids(&list), [wished.as_str()], "{query}");
        }
        for query in ["email=adb", "banned=true", "library=nowhere", "last_seen_before=2020-01-01T00:00:00Z"] {
            let list = ask(&app, &key, Method::GET, &format!("/users?{query}"), None).await;
            assert!(ids(&list).is_empty(), "{query}");
        }

        let merged = json!({"user_metadata": {"full_name": null, "city": "London"}, "app_metadata": {"plan": "free"}});
        let changed = change(&app, &key, &wished, merged).await;
        let metadata = &changed.assert_ok().body["user_metadata"];
        assert_eq!((metadata["city"].as_str(), metadata.get("full_name")), (Some("London"), None));
        assert_eq!(changed.body["app_metadata"]["plan"], "free");
        let tag = changed.header("etag").unwrap();
        let path = format!("/users/{wished}");
        with_tag(&app, &key, Method::DELETE, &path, "\"1\"", None).await.assert_problem(412, "stale_version");
        ask(&app, &key, Method::DELETE, &path, None).await.assert_problem(428, "precondition_required");
        assert_eq!(with_tag(&app, &key, Method::DELETE, &path, tag, None).await.status, 204);
        ask(&app, &key, Method::GET, &path, None).await.assert_problem(404, "not_found");
        app.get_with_token(MANAGE, "/auth/v1/user", token).await.assert_problem(403, "user_not_found");
    }

    async fn a_ban_ends_every_session_at_once_and_its_end_lets_the_person_in(app: TestApp) {
        let session = app.sign_in(READER, "ada@example.org").await;
        let id = text(&session["user"], "id");
        let (_, support) = service_key(&app, Scope::Support).await;
        let until = (app.flows.now() + chrono::TimeDelta::days(1)).to_rfc3339();
        let banned = change(&app, &support, id, json!({"banned_until": until})).await;
        assert!(banned.assert_ok().body["banned_until"].is_string());
        app.get_with_token(READER, "/auth/v1/user", text(&session, "access_token"))
            .await
            .assert_problem(403, "session_not_found");
        app.refresh(READER, text(&session, "refresh_token")).await.assert_problem(400, "session_not_found");
        let list = ask(&app, &support, Method::GET, "/users?banned=true", None).await;
        assert_eq!(ids(&list), [id]);
        let before = app.mails_to("ada@example.org");
        app.advance(std::time::Duration::from_secs(61)).await;
        app.request_code(READER, "ada@example.org").await.assert_ok();
        let code = app.code("ada@example.org", before + 1).await;
        app.verify(READER, "ada@example.org", &code).await.assert_problem(403, "user_banned");
        assert!(change(&app, &support, id, json!({"banned_until": null})).await.body["banned_until"].is_null());
        app.verify(READER, "ada@example.org", &code).await.assert_ok();
    }

    async fn an_address_that_was_guessed_at_is_unlocked(app: TestApp) {
        let session = app.sign_in(READER, "ada@example.org").await;
        let id = text(&session["user"], "id");
        let (_, support) = service_key(&app, Scope::Support).await;
        // The first sending was a moment ago.
        app.request_code(READER, "ada@example.org").await.assert_problem(429, "over_email_send_rate_limit");
        let unlock = format!("/users/{id}/unlock");
        assert_eq!(ask(&app, &support, Method::POST, &unlock, None).await.status, 204);
        for round in 0..4 {
            app.request_code(READER, "ada@example.org").await.assert_ok();
            for _ in 0..5 {
                app.verify(READER, "ada@example.org", "000000").await.assert_problem(403, "otp_expired");
            }
            if round < 3 {
                app.advance(std::time::Duration::from_secs(61)).await;
            }
        }
        app.advance(std::time::Duration::from_secs(61)).await;
        app.request_code(READER, "ada@example.org").await.assert_ok();
        assert_eq!(app.code("ada@example.org", 6).await.len(), 13, "twenty wrong guesses: a long code");
        assert_eq!(ask(&app, &support, Method::POST, &unlock, None).await.status, 204);
        app.request_code(READER, "ada@example.org").await.assert_ok();
        let code = app.code("ada@example.org", 7).await;
        assert_eq!(code.len(), 6);
        app.verify(READER, "ada@example.org", &code).await.assert_ok();
        let nobody = format!("/users/{}/unlock", Uuid::new_v4());
        ask(&app, &support, Method::POST, &nobody, None).await.assert_problem(404, "not_found");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_go_on_where_they_ended_in_both_orders() {
    let app = TestApp::on_services().await;
    let (_, key) = service_key(&app, Scope::Admin).await;
    let mut made = Vec::new();
    for name in ["carl", "ada", "bea", "ada.b", "eve_x"] {
        made.push(create(&app, &key, json!({"email": format!("{name}@example.org")})).await);
    }
    let all = |query: &'static str| {
        let (app, key) = (&app, &key);
        async move {
            let mut found: Vec<String> = Vec::new();
            let mut after = String::new();
            loop {
                let path = format!("/users?limit=2{query}{after}");
                let part = ask(app, key, Method::GET, &path, None).await;
                found.extend(ids(&part));
                match part.body["next"].as_str() {
                    Some(next) => after = format!("&after={next}"),
                    None => return found,
                }
            }
        }
    };
    let newest_first: Vec<_> = made.iter().rev().cloned().collect();
    assert_eq!(all("").await, newest_first);
    assert_eq!(all("&email=ad").await, [made[3].clone(), made[1].clone()], "`.` stands before `@`");
    assert!(all("&email=%25").await.is_empty() && all("&email=eve%25").await.is_empty(), "no wildcards");
    assert_eq!(all("&email=eve_").await, [made[4].clone()]);
    for query in ["limit=0", "limit=101", "email=", "email=a%20b"] {
        ask(&app, &key, Method::GET, &format!("/users?{query}"), None)
            .await
            .assert_problem(422, "invalid_value");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ban_without_an_end_can_be_read() {
    let app = TestApp::on_services().await;
    let (_, key) = service_key(&app, Scope::Admin).await;
    let id = create(&app, &key, json!({"email": "ada@example.org"})).await;
    let sql = &app.services.as_ref().unwrap().sql;
    for (ban, shown) in [("infinity", json!("9999-12-31T23:59:59.000000Z")), ("-infinity", json!(null))] {
        sqlx::query("update auth.users set banned_until = $1::text::timestamptz")
            .bind(ban)
            .execute(sql)
            .await
            .unwrap();
        let path = format!("/users/{id}");
        let found = ask(&app, &key, Method::GET, &path, None).await;
        assert_eq!(found.assert_ok().body["banned_until"], shown, "{ban}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn helpers_ban_and_do_no_more() {
    let app = TestApp::on_services().await;
    let (_, admin) = service_key(&app, Scope::Admin).await;
    let (_, support) = service_key(&app, Scope::Support).await;
    let id = create(&app, &admin, json!({"email": "ada@example.org"})).await;
    let until = "2999-01-01T00:00:00Z";
    for body in [
        json!({"email": "eve@example.org"}),
        json!({"app_metadata": {"admin_scope": "admin"}}),
        json!({"user_metadata": {"x": 1}}),
        json!({"email_confirmed": true}),
        json!({"banned_until": until, "app_metadata": {}}),
        json!({}),
    ] {
        change(&app, &support, &id, body).await.assert_problem(403, "insufficient_scope");
    }
    change(&app, &support, &id, json!({"banned_until": until})).await.assert_ok();
    // Whoever administers with a wider scope is not for them to ban.
    let boss = json!({"email": "boss@example.org", "app_metadata": {"admin_scope": "admin"}});
    let boss = create(&app, &admin, boss).await;
    let ban = json!({"banned_until": until});
    change(&app, &support, &boss, ban.clone()).await.assert_problem(403, "insufficient_scope");
    change(&app, &admin, &boss, ban).await.assert_ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t33_no_field_is_set_that_is_not_described() {
    let app = TestApp::on_services().await;
    let (_, key) = service_key(&app, Scope::Admin).await;
    let id = create(&app, &key, json!({"email": "ada@example.org"})).await;
    let far = Value::from("x".repeat(3000));
    for (field, value, code) in [
        ("role", json!("service_role"), "unknown_field"),
        ("version", json!(7), "unknown_field"),
        ("created_at", json!("2000-01-01T00:00:00Z"), "unknown_field"),
        ("deleted_at", json!(null), "unknown_field"),
        ("raw_app_meta_data", json!({}), "unknown_field"),
        ("password", json!("x"), "unknown_field"),
        ("app_metadata", json!({"admin_scope": "root"}), "invalid_value"),
        ("app_metadata", json!("admin"), "invalid_value"),
        ("user_metadata", json!({"x": far}), "invalid_value"),
        ("user_metadata", json!({"x": "\u{202e}"}), "invalid_value"),
        ("email", json!("Ada <ada@example.org>"), "invalid_value"),
        ("email", json!({"a": 1}), "invalid_value"),
        ("banned_until", json!("tomorrow"), "invalid_value"),
        ("email_confirmed", json!("yes"), "invalid_value"),
    ] {
        let mut body = json!({"email": "new@example.org"});
        body[field] = value.clone();
        ask(&app, &key, Method::POST, "/users", Some(body)).await.assert_problem(422, code);
        change(&app, &key, &id, json!({field: value})).await.assert_problem(422, code);
    }
    let metadata = json!({"provider": "saml", "providers": ["saml"]});
    let changed = change(&app, &key, &id, json!({"app_metadata": metadata})).await;
    assert_eq!(
        changed.assert_ok().body["app_metadata"],
        json!({"provider": "email", "providers": ["email"]})
    );
    let list = ask(&app, &key, Method::GET, "/users", None).await;
    assert_eq!(ids(&list).len(), 1, "nothing else was made");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_address_ends_all_sessions_is_told_to_the_old_one_and_can_be_taken_once() {
    let app = TestApp::on_services().await;
    let (_, key) = service_key(&app, Scope::Admin).await;
    let session = app.sign_in(READER, "ada@example.org").await;
    let id = text(&session["user"], "id").to_owned();
    create(&app, &key, json!({"email": "eve@example.org"})).await;
    ask(&app, &key, Method::POST, "/users", Some(json!({"email": "EVE@example.org"})))
        .await
        .assert_problem(409, "account_exists");
    change(&app, &key, &id, json!({"email": "eve@example.org"})).await.assert_problem(409, "account_exists");
    let mails = app.mails_to("ada@example.org");
    let changed = change(&app, &key, &id, json!({"email": "countess@example.org"})).await;
    assert_eq!(text(&changed.assert_ok().body, "email"), "countess@example.org");
    assert!(changed.body["email_confirmed_at"].is_null(), "it is proven by the next sign-in");
    assert_eq!(changed.body["user_metadata"]["email"], "countess@example.org");
    assert_eq!(changed.body["user_metadata"]["email_verified"], false);
    app.refresh(READER, text(&session, "refresh_token")).await.assert_problem(400, "session_not_found");
    let told = app.mail("ada@example.org", mails + 1).await;
    assert!(!told.text.contains("countess@"), "{}", told.text);
    app.sign_in(READER, "countess@example.org").await;
    // The log tells the addresses apart and names neither.
    let sql = &app.services.as_ref().unwrap().sql;
    let (details, named): (Value, i64) = sqlx::query_as(
        "select (select details from auth.audit_log where action = 'user_changed' and target_id = $1),
                (select count(*) from auth.audit_log where details::text ~ '(ada|countess|eve)@')",
    )
    .bind(Uuid::parse_str(&id).unwrap())
    .fetch_one(sql)
    .await
    .unwrap();
    assert_eq!(named, 0);
    assert_eq!(
        (&details["old"]["email"]["domain"], &details["new"]["email"]["domain"], &details["ended"]),
        (&json!("example.org"), &json!("example.org"), &json!(1)),
    );
    assert_ne!(text(&details["old"]["email"], "tag"), text(&details["new"]["email"], "tag"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_changes_on_one_version_the_second_is_told_and_creations_happen_once() {
    let app = TestApp::on_services().await;
    let (_, key) = service_key(&app, Scope::Admin).await;
    let bearer = format!("Bearer {key}");
    let create = || async {
        let headers = [("authorization", bearer.as_str()), ("idempotency-key", "import-1")];
        let body = json!({"email": "ada@example.org"}).to_string();
        app.send(MANAGE, Method::POST, "/admin/v1/users", &headers, Some(body)).await
    };
    let made = futures_util::future::join_all((0..8).map(|_| create())).await;
    let id = text(&made[0].body, "id").to_owned();
    assert!(made.iter().all(|one| one.status == 201 && text(&one.body, "id") == id), "{made:?}");
    let path = format!("/users/{id}");
    let at_once = (0..8).map(|n| {
        let body = json!({"user_metadata": {"n": n}});
        with_tag(&app, &key, Method::PATCH, &path, "\"1\"", Some(body))
    });
    let at_once = futures_util::future::join_all(at_once).await;
    let done = at_once.iter().filter(|one| one.status == 200).count();
    let stale = at_once.iter().filter(|one| one.status == 412).count();
    assert_eq!((done, stale), (1, 7), "{at_once:?}");
    // A sign-in is no change: whoever edits an account is not sent back for it.
    let tag = ask(&app, &key, Method::GET, &path, None).await.header("etag").unwrap().to_owned();
    app.sign_in(READER, "ada@example.org").await;
    let confirmed = ask(&app, &key, Method::GET, &path, None).await.header("etag").unwrap().to_owned();
    assert_ne!(tag, confirmed, "the first one has proven the address");
    app.advance(std::time::Duration::from_secs(61)).await;
    app.sign_in(READER, "ada@example.org").await;
    assert_eq!(ask(&app, &key, Method::GET, &path, None).await.header("etag"), Some(confirmed.as_str()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_owner_of_a_library_is_not_deleted() {
    let app = TestApp::on_services().await;
    let (_, key) = service_key(&app, Scope::Admin).await;
    let sql = &app.services.as_ref().unwrap().sql;
    let first = create(&app, &key, json!({"email": "first@example.org"})).await;
    let second = create(&app, &key, json!({"email": "second@example.org"})).await;
    let library: Uuid =
        sqlx::query_scalar("insert into libraries (name, code) values ('North', 'north') returning id")
            .fetch_one(sql)
            .await
            .unwrap();
    for owner in [&first, &second] {
        sqlx::query("insert into library_staff (user_id, library_id, role) values ($1, $2, 'owner')")
            .bind(Uuid::parse_str(owner).unwrap())
            .bind(library)
            .execute(sql)
            .await
            .unwrap();
    }
    let list = ask(&app, &key, Method::GET, "/users?library=north", None).await;
    assert_eq!(ids(&list), [second.clone(), first.clone()]);
    // Both at once: one of them stays.
    let paths = [format!("/users/{first}"), format!("/users/{second}")];
    let both = paths.iter().map(|path| with_tag(&app, &key, Method::DELETE, path, "\"1\"", None));
    let both = futures_util::future::join_all(both).await;
    let (gone, kept): (Vec<_>, Vec<_>) = both.iter().partition(|one| one.status == 204);
    assert_eq!((gone.len(), kept.len()), (1, 1), "{both:?}");
    kept[0].assert_problem(409, "last_owner");
    let owners: i64 =
        sqlx::query_scalar("select count(*) from library_staff where role = 'owner' and not is_deleted")
            .fetch_one(sql)
            .await
            .unwrap();
    assert_eq!(owners, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_accounts_are_never_read_whole() {
    let app = TestApp::on_services().await;
    let (_, key) = service_key(&app, Scope::Read).await;
    let sql = &app.services.as_ref().unwrap().sql;
    sqlx::raw_sql(
        "alter table auth.users disable trigger user;
         insert into auth.users (id, email, created_at, last_sign_in_at, banned_until)
             select gen_random_uuid(), 'u' || n || '@example.org', now() - n * interval '1 minute',
                    now() - n * interval '1 minute', case when n % 1000 = 0 then now() + interval '1 day' end
               from generate_series(1, 100000) n;
         alter table auth.users enable trigger user;
         insert into libraries (name, code) values ('North', 'north');
         alter table library_staff disable trigger user;
         insert into library_staff (user_id, library_id)
             select u.id, l.id from auth.users u, libraries l where u.email like 'u7777%';
         alter table library_staff enable trigger user;
         analyze auth.users; analyze library_staff; analyze libraries",
    )
    .execute(sql)
    .await
    .unwrap();
    let id: Uuid = sqlx::query_scalar("select id from auth.users where email = 'u5@example.org'")
        .fetch_one(sql)
        .await
        .unwrap();
    let recent = (app.flows.now() - chrono::TimeDelta::hours(1)).format("%Y-%m-%dT%H:%M:%SZ");
    let queries = [
        String::new(),
        format!("after={id}"),
        "email=u5".to_owned(),
        format!("email=u5&after={id}"),
        format!("id={id}"),
        "library=north".to_owned(),
        format!("last_seen_after={recent}"),
        "banned=true".to_owned(),
        "banned=false&email=u99".to_owned(),
    ];
    for query in queries {
        // In the statement's own words, with its values, as often as would make another plan of it.
        for _ in 0..7 {
            ask(&app, &key, Method::GET, &format!("/users?limit=20&{query}"), None).await.assert_ok();
        }
    }
    let mut connection = sql.acquire().await.unwrap();
    for call in [
        "null, null, null, null, null, null, null, 20",
        "null, 'u5', null, null, null, null, null, 20",
        "null, null, 'north', null, null, null, null, 20",
        "null, null, null, now() - interval '1 hour', null, null, null, 20",
        "null, null, null, null, null, true, null, 20",
    ] {
        sqlx::raw_sql("begin").execute(&mut *connection).await.unwrap();
        let (found,): (i64,) =
            sqlx::query_as(sqlx::AssertSqlSafe(format!("select count(*) from auth.find_accounts({call})")))
                .fetch_one(&mut *connection)
                .await
                .unwrap();
        let (whole, read): (i64, i64) = sqlx::query_as(
            "select seq_scan, seq_tup_read + idx_tup_fetch from pg_stat_xact_user_tables
              where relid = 'auth.users'::regclass",
        )
        .fetch_one(&mut *connection)
        .await
        .unwrap();
        sqlx::raw_sql("rollback").execute(&mut *connection).await.unwrap();
        assert!(found > 0, "{call}");
        assert!(whole == 0 && read <= 500, "{call}: {whole} times whole, {read} rows");
    }
}
