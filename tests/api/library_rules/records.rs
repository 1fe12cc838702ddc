//! Libraries, and what becomes of records when the people behind them go.

use serde_json::{Value, json};
use sqlx::Connection;
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use super::super::support::database::{Db, become_role, on_both};
use super::super::support::libraries::{Libraries, management, reading};
use super::super::support::services::login_url;
use super::{accept, denied, invite, on_record};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_library_is_kept_and_removed_by_its_owner() {
    on_both(async |db| {
        let people = Libraries::fill(db).await;
        let (north, owner) = (people.north, management(people.owner));
        for (setting, values) in [
            ("loan_period_days", vec!["0", "366", "1.5", "\"14\"", "null", "[14]"]),
            ("max_renewals", vec!["-1", "101", "0.5"]),
            ("max_books_per_member", vec!["-1", "1001"]),
            ("allow_holds", vec!["1", "\"yes\"", "null"]),
            ("allow_digital", vec!["{}"]),
            ("membership_fee", vec!["-0.01", "1e10", "\"0\""]),
            ("late_fee_per_day", vec!["-1"]),
        ] {
            for value in values {
                let write = format!("update libraries set settings = jsonb_set(settings, '{{{setting}}}', '{value}') where id = '{north}'");
                assert_eq!(broken_constraint(db, &owner, &write).await, format!("libraries_settings_{setting}"), "{value}");
            }
            let drop = format!("update libraries set settings = settings - '{setting}' where id = '{north}'");
            assert_eq!(broken_constraint(db, &owner, &drop).await, format!("libraries_settings_{setting}"));
        }
        for (code, fits) in [("a", true), ("north-2", true), ("North", false), ("a/b", false), ("-a", false), ("a b", false), ("", false)] {
            let made = db.run(&format!("begin; insert into libraries (name, code) values ('x', '{code}')")).await;
            assert_eq!(made.is_ok(), fits, "{code}");
            db.run("rollback").await.unwrap();
        }
        for (write, expected) in [
            (format!("update libraries set code = 'x' where id = '{north}'"), denied()),
            (format!("update libraries set stats = '{{}}' where id = '{north}'"), denied()),
            (format!("update libraries set status = 'pending' where id = '{north}'"), denied()),
            ("update libraries set name = 'x' where code = 'south'".to_owned(), Ok(0)),
            ("delete from libraries where code = 'south'".to_owned(), Ok(0)),
        ] {
            assert_eq!(db.act(&owner, &write).await, expected, "{write}");
        }
        assert_eq!(db.act(&management(people.manager), &format!("delete from libraries where id = '{north}'")).await, Ok(0));
        assert_eq!(db.act(&owner, &format!("delete from libraries where id = '{north}'")).await, Ok(1));
        let gone = "select action from auth.audit_log where action = 'library_deleted'";
        assert_eq!(db.texts(gone).await, ["library_deleted"]);
        for table in ["library_staff", "library_members", "library_invitations", "library_access_requests"] {
            assert_eq!(db.texts(&format!("select id::text from {table} where library_id = '{north}'")).await, [""; 0]);
        }
    })
    .await;
}

/// The name of the constraint that a statement breaks.
async fn broken_constraint(db: &mut Db, claims: &Value, statement: &str) -> String {
    let mut transaction = db.connection.begin().await.unwrap();
    become_role(&mut transaction, "authenticated", claims).await;
    let outcome = sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned())).execute(&mut *transaction).await;
    transaction.rollback().await.unwrap();
    match outcome {
        Ok(done) => format!("none, {} rows", done.rows_affected()),
        Err(error) => {
            error.as_database_error().and_then(|error| error.constraint()).unwrap_or_default().to_owned()
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_goes_at_any_time_and_leaves_nothing_dangling() {
    on_both(async |db| {
        let people = Libraries::fill(db).await;
        let (north, owner) = (people.north, management(people.owner));
        // The owner is everywhere: removed somebody, decided, invited, was audited, and is the last one.
        on_record(db, &people, &owner, people.librarian, "remove_staff(RECORD)").await.unwrap();
        invite(db, &people, "t", "bystander@example.org", "librarian").await.unwrap();
        db.run("select set_config('request.ip', '192.0.2.1', false), set_config('request.user_agent', 'Lynx', false)").await.unwrap();
        db.act(&reading(people.bystander), &accept("t")).await.unwrap();
        let request: Uuid = db.value(&format!("select id from library_access_requests where library_id = '{north}' and status = 'pending'")).await;
        db.act(&owner, &format!("select decide_access_request('{request}', false, null, null, 1)")).await.unwrap();
        db.act(&owner, "update library_members set is_deleted = true where member_id = '2'").await.unwrap();
        db.run(&format!(
            "insert into auth.audit_log (actor_id, target_id, action, session_id, ip, details)
             values ('{0}', '{0}', 'user_modified', gen_random_uuid(), '192.0.2.9', '{{\"fields\": [\"pet_name\"], \"scope\": \"local\"}}')",
            people.owner
        ))
        .await
        .unwrap();
        let rows: i64 = db.value("select count(*) from auth.audit_log").await;

        // Each by themself: the token that asks for it is the person's own.
        for person in [people.bystander, people.owner, people.reader] {
            let record: Vec<String> = db.texts(&format!("select id::text from library_staff where user_id = '{person}'")).await;
            let claims = management(person).to_string();
            db.run(&format!("select set_config('request.jwt.claims', '{claims}', false)")).await.unwrap();
            assert_eq!(db.run(&format!("delete from auth.users where id = '{person}'")).await.unwrap(), 1);
            db.run("select set_config('request.jwt.claims', '', false)").await.unwrap();
            for table in ["library_staff", "library_access_requests", "library_members"] {
                let left = format!("select id::text from {table} where user_id = '{person}'");
                assert_eq!(db.texts(&left).await, [""; 0], "{table}");
            }
            let named = format!(
                "select concat_ws(' ', action, details) from auth.audit_log
                  where actor_id = '{person}' or target_id = '{person}' or details::text like '%{person}%'"
            );
            assert_eq!(db.texts(&named).await, [""; 0]);
            for record in record {
                for (table, column) in [
                    ("library_staff", "deleted_by"), ("library_members", "deleted_by"), ("library_invitations", "inviter_id"),
                    ("library_invitation_responses", "staff_id"), ("library_access_requests", "decided_by"),
                ] {
                    let left = format!("select id::text from {table} where {column} = '{record}'");
                    assert_eq!(db.texts(&left).await, [""; 0], "{table}.{column}");
                }
            }
        }
        let rows_now: i64 = db.value("select count(*) from auth.audit_log").await;
        assert!(rows_now >= rows, "no audit row went");
        let blanked = db.texts("select concat_ws(' ', details, ip is null, session_id is null) from auth.audit_log where action = 'user_modified'").await;
        assert_eq!(blanked, ["{\"scope\": \"local\"} t t"]);
        let accepted = db
            .texts("select concat_ws(' ', response, responder_id, ip, user_agent, staff_id) from library_invitation_responses where response = 'accepted'")
            .await;
        assert_eq!(accepted, ["accepted"], "that it was accepted stays, not by whom or from where");
        // Removed by the owner who is gone; kept by the library, without the account; the offer withdrawn.
        let kept = format!("select concat_ws(' ', member_id, is_deleted) from library_members where library_id = '{north}' order by 1");
        assert_eq!(db.texts(&kept).await, ["1 f", "2 t"]);
        let offers = format!("select status from library_invitations where library_id = '{north}' order by 1");
        assert_eq!(db.texts(&offers).await, ["accepted", "cancelled", "declined"]);
        let owners = format!("select id::text from library_staff where library_id = '{north}' and role = 'owner' and status = 'active' and not is_deleted");
        assert_eq!(db.texts(&owners).await, [""; 0], "an account's end is not refused for the library's sake");
    })
    .await;
}

/// Whoever is about to write about the person is waited for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_goes_while_its_records_change_is_not_named() {
    for act_of_owner in [
        "change_staff(RECORD, role => 'volunteer')",
        "remove_staff(RECORD)",
        "decide_access_request('REQUEST', true, 'librarian', null, 1)",
        "decide_access_request('REQUEST', false, null, null, 1)",
    ] {
        let mut db = Db::on_services().await;
        let people = Libraries::fill(&mut db).await;
        let person = if act_of_owner.contains("RECORD") { people.librarian } else { people.reader };
        let mut call = act_of_owner.to_owned();
        if act_of_owner.contains("RECORD") {
            call = call.replace("RECORD", &format!("'{}', 1", people.record(&mut db, person).await));
        } else {
            let request = format!(
                "select id from library_access_requests where user_id = '{person}' and library_id = '{}'",
                people.north
            );
            call = call.replace("REQUEST", &db.value::<Uuid>(&request).await.to_string());
        }
        let services = db.services.take().unwrap();
        let mut owner = PgConnection::connect(&login_url(&services.name)).await.unwrap();
        let mut transaction = owner.begin().await.unwrap();
        become_role(&mut transaction, "authenticated", &management(people.owner)).await;
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("select {call}")))
            .execute(&mut *transaction)
            .await
            .unwrap();
        let delete = format!("delete from auth.users where id = '{person}'");
        let (deleted, ()) = tokio::join!(db.run(&delete), async {
            services.somebody_waits().await;
            transaction.commit().await.unwrap();
        });
        assert_eq!(deleted.unwrap(), 1, "{call}");
        let named = format!(
            "select action from auth.audit_log where actor_id = '{person}' or target_id = '{person}'"
        );
        assert_eq!(db.texts(&named).await, [""; 0], "{call}");
        let kept = "select action from auth.audit_log where action ~ '^(staff|access_request)_' and target_id is null";
        assert!(!db.texts(kept).await.is_empty(), "{call}");
        let left = format!("select id::text from library_staff where user_id = '{person}'");
        assert_eq!(db.texts(&left).await, [""; 0], "{call}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_profile_shows_others_what_its_owner_shows() {
    on_both(async |db| {
        let people = Libraries::fill(db).await;
        let reader = people.reader;
        db.run(&format!(
            "update user_profiles set bio = 'I read.', location = '{{\"city\": \"Hue\"}}', reading_stats = '{{\"books_read\": 3}}'
              where id = '{reader}'"
        ))
        .await
        .unwrap();
        let set = async |db: &mut Db, privacy: Value| {
            let set = format!("update user_preferences set privacy = '{privacy}' where id = auth.uid()");
            db.act(&reading(reader), &set).await.unwrap();
        };
        let shown = async |db: &mut Db| -> Option<Value> {
            let query = format!("select to_jsonb(p) from find_profile('{reader}') p");
            let rows = db.ask(&reading(people.bystander), &query).await;
            assert_eq!(db.as_role("anon", &json!({}), &query).await, Ok(rows.len() as u64), "alike for whoever asks");
            rows.first().map(|row| serde_json::from_str(row).unwrap())
        };
        let profile = shown(db).await.unwrap();
        let mut fields: Vec<_> = profile.as_object().unwrap().keys().cloned().collect();
        fields.sort();
        assert_eq!(fields, ["avatar_url", "bio", "display_name", "id", "location", "reading_stats", "social_links"]);
        assert_eq!((&profile["bio"], &profile["location"]), (&json!("I read."), &Value::Null), "the defaults");
        assert_eq!(profile["reading_stats"], json!({"books_read": 3}));
        set(db, json!({"profile_visibility": "public", "reading_activity": "friends", "location_sharing": true})).await;
        let profile = shown(db).await.unwrap();
        assert_eq!((&profile["location"], &profile["reading_stats"]), (&json!({"city": "Hue"}), &Value::Null));
        for privacy in [json!({"profile_visibility": "private"}), json!({"profile_visibility": "friends"}), json!({}), json!({"profile_visibility": 1})] {
            set(db, privacy.clone()).await;
            assert_eq!(shown(db).await, None, "{privacy}");
        }
        assert_eq!(db.ask(&reading(reader), "select * from find_profile(gen_random_uuid())").await, [""; 0]);
    })
    .await;
}
