//! Roles, permissions, and the owner that a library keeps.

use serde_json::{Value, json};
use sqlx::Connection;
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use super::super::support::database::{Db, act, become_role, on_both};
use super::super::support::libraries::{Libraries, management, reading};
use super::super::support::services::{login_url, owner_url};
use super::{denied, on_record, refused};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn permissions_follow_the_role_and_the_record_and_the_site() {
    on_both(async |db| {
        let people = Libraries::fill(db).await;
        let (north, librarian) = (people.north, management(people.librarian));
        db.run(&format!(
            "update library_staff set permissions = '{{\"manage_members\": false, \"view_reports\": true}}'
              where user_id = '{0}';
             insert into library_staff (user_id, library_id, role) values ('{0}', '{1}', 'volunteer'), ('{0}', '{2}', 'owner')",
            people.librarian, people.south, people.closed
        ))
        .await
        .unwrap();
        let answer: Value = serde_json::from_str(&db.ask(&librarian, "select auth.my_permissions()").await[0]).unwrap();
        assert_eq!(
            answer,
            json!({
                "is_reader": true,
                "is_library_staff": true,
                "staff_libraries": [
                    {"id": north, "code": "north", "name": "North", "role": "librarian"},
                    {"id": people.south, "code": "south", "name": "South", "role": "volunteer"},
                ],
                "staff_permissions": {
                    "north": {"admin_settings": false, "manage_catalog": true, "manage_inventory": true,
                        "manage_members": false, "manage_staff": false, "process_loans": true, "view_reports": true},
                    "south": {"admin_settings": false, "manage_catalog": false, "manage_inventory": false,
                        "manage_members": false, "manage_staff": false, "process_loans": true, "view_reports": false},
                },
            })
        );
        // What is answered is what the policies do.
        let add = format!("insert into library_members (library_id, member_id) values ('{north}', 'x')");
        assert_eq!(db.act(&librarian, &add).await, denied());
        for (permission, held) in [("manage_members", ""), ("view_reports", "yes"), ("process_loans", "yes"), ("fly", "")] {
            let question = format!("select case when auth.has_permission('{north}', '{permission}') then 'yes' end");
            assert_eq!(db.ask(&librarian, &question).await, [held], "{permission}");
        }
        let nothing = json!({"is_reader": true, "is_library_staff": false, "staff_libraries": [], "staff_permissions": {}});
        for claims in [reading(people.librarian), reading(people.owner), management(people.bystander), management(people.inactive)] {
            let answer: Value = serde_json::from_str(&db.ask(&claims, "select auth.my_permissions()").await[0]).unwrap();
            assert_eq!(answer, nothing);
        }
        let answer = db.ask(&json!({}), "select auth.my_permissions()").await;
        assert!(answer[0].contains("\"is_reader\": false"), "{answer:?}");
        assert_eq!(db.as_role("anon", &json!({}), "select auth.my_permissions()").await, denied());
        for (person, power) in [
            (people.owner, "yes"), (people.manager, "yes"), (people.librarian, "yes"), (people.volunteer, ""),
            (people.terminated, ""), (people.removed, ""), (people.inactive, ""), (people.bystander, ""),
        ] {
            let question = "select case when auth.has_catalog_power() then 'yes' end";
            assert_eq!(db.ask(&management(person), question).await, [power]);
            assert_eq!(db.ask(&reading(person), question).await, [""]);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_grants_what_they_may_not() {
    on_both(async |db| {
        let people = Libraries::fill(db).await;
        let (north, owner, manager) = (people.north, management(people.owner), management(people.manager));
        let decide = async |db: &mut Db, by: &Value, approve: bool, role: &str| {
            let request: Uuid = db
                .value(&format!("select id from library_access_requests where library_id = '{north}' and status = 'pending'"))
                .await;
            let role = if role.is_empty() { "null".to_owned() } else { format!("'{role}'") };
            db.as_role("authenticated", by, &format!("select decide_access_request('{request}', {approve}, {role}, null, 1)")).await
        };
        for (role, by_manager, by_owner) in [
            ("owner", denied(), Ok(1)),
            ("manager", denied(), Ok(1)),
            ("librarian", Ok(1), Ok(1)),
            ("volunteer", Ok(1), Ok(1)),
            ("emperor", denied(), denied()),
            ("", refused("22023"), refused("22023")),
        ] {
            assert_eq!(decide(db, &manager, true, role).await, by_manager, "a manager grants {role}");
            assert_eq!(decide(db, &owner, true, role).await, by_owner, "an owner grants {role}");
        }
        assert_eq!(decide(db, &manager, false, "librarian").await, refused("22023"));
        assert_eq!(decide(db, &manager, false, "").await, Ok(1));
        for stranger in [people.librarian, people.volunteer, people.elsewhere, people.reader, people.terminated, people.removed] {
            assert_eq!(decide(db, &management(stranger), true, "volunteer").await, refused("DC004"));
        }
        assert_eq!(decide(db, &reading(people.owner), true, "volunteer").await, refused("DC004"));

        // A manager who was given manage_staff manages those below, and hands on nothing they do not have.
        on_record(db, &people, &owner, people.manager, "change_staff(RECORD, permissions => '{\"manage_staff\": true}')")
            .await
            .unwrap();
        let outcomes = [
            (people.librarian, "change_staff(RECORD, role => 'volunteer')", Ok(1)),
            (people.librarian, "change_staff(RECORD, role => 'manager')", denied()),
            (people.volunteer, "change_staff(RECORD, permissions => '{\"manage_staff\": true}')", Ok(1)),
            (people.volunteer, "change_staff(RECORD, permissions => '{\"admin_settings\": true}')", denied()),
            (people.volunteer, "change_staff(RECORD, permissions => '{\"process_loans\": false}')", Ok(1)),
            (people.manager, "change_staff(RECORD, role => 'owner')", denied()),
            (people.owner, "change_staff(RECORD, role => 'volunteer')", denied()),
            (people.owner, "remove_staff(RECORD)", denied()),
            (people.removed, "rehire_staff(RECORD, 'volunteer')", denied()),
            (people.volunteer, "remove_staff(RECORD)", Ok(1)),
            (people.volunteer, "rehire_staff(RECORD, 'librarian')", Ok(1)),
            (people.volunteer, "rehire_staff(RECORD, 'manager')", refused("DC002 already_staff")),
        ];
        for (person, call, expected) in outcomes {
            let outcome = on_record(db, &people, &manager, person, call).await;
            let expected = if call.ends_with("'manager')") { denied() } else { expected };
            assert_eq!(outcome, expected, "{call}");
        }
        for (role, expected) in [("owner", denied()), ("manager", denied()), ("librarian", Ok(1))] {
            let offer = format!(
                "insert into library_invitations (library_id, email, role, token_hash)
                 values ('{north}', '{role}@new.example', '{role}', sha256('{role}'))"
            );
            assert_eq!(db.act(&manager, &offer).await, expected, "a manager who may manage staff invites: {role}");
        }
        // A role that is taken away takes its overrides along.
        on_record(db, &people, &owner, people.manager, "change_staff(RECORD, role => 'librarian')").await.unwrap();
        let left = format!("select permissions::text from library_staff where user_id = '{}'", people.manager);
        assert_eq!(db.texts(&left).await, ["{}"]);
        // Words that are none.
        for (call, expected) in [
            ("change_staff(RECORD, permissions => '{\"fly\": true}')", "23514"),
            ("change_staff(RECORD, permissions => '{\"fly\": false}')", "23514"),
            ("change_staff(RECORD, permissions => '{\"manage_staff\": \"yes\"}')", "23514"),
            ("change_staff(RECORD, role => 'emperor')", "42501"),
            ("change_staff(RECORD, status => 'retired')", "23514"),
        ] {
            assert_eq!(on_record(db, &people, &owner, people.librarian, call).await, refused(expected), "{call}");
        }
        let unlimited = on_record(db, &people, &owner, people.owner, "change_staff(RECORD, permissions => '{\"manage_staff\": false}')").await;
        assert_eq!(unlimited, refused("23514"), "an owner is not limited");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_library_keeps_its_last_owner() {
    on_both(async |db| {
        let people = Libraries::fill(db).await;
        let owner = management(people.owner);
        for end in [
            "change_staff(RECORD, role => 'manager')",
            "change_staff(RECORD, status => 'inactive')",
            "change_staff(RECORD, status => 'terminated')",
            "remove_staff(RECORD)",
        ] {
            assert_eq!(on_record(db, &people, &owner, people.owner, end).await, refused("DC001"), "{end}");
        }
        // Whoever tries, and however many at once.
        let service = json!({"role": "service_role"});
        let all = format!("update library_staff set is_deleted = true where library_id = '{}'", people.north);
        assert_eq!(db.as_role("service_role", &service, &all).await, refused("DC001"));
        on_record(db, &people, &owner, people.removed, "rehire_staff(RECORD)").await.unwrap();
        assert_eq!(
            db.as_role("service_role", &service, &all).await,
            refused("DC001"),
            "two owners in one statement"
        );
        // With a second owner, the first may go.
        on_record(db, &people, &owner, people.owner, "remove_staff(RECORD)").await.unwrap();
        assert_eq!(
            on_record(db, &people, &owner, people.removed, "remove_staff(RECORD)").await,
            refused("DC004")
        );
        let successor = management(people.removed);
        assert_eq!(
            on_record(db, &people, &successor, people.removed, "remove_staff(RECORD)").await,
            refused("DC001")
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_owners_cannot_leave_at_the_same_moment() {
    let mut db = Db::on_services().await;
    let people = Libraries::fill(&mut db).await;
    let services = db.services.take().unwrap();
    let mut connections = [
        PgConnection::connect(&login_url(&services.name)).await.unwrap(),
        PgConnection::connect(&login_url(&services.name)).await.unwrap(),
    ];
    let owner = management(people.owner);
    on_record(&mut db, &people, &owner, people.removed, "rehire_staff(RECORD)").await.unwrap();
    let pair = [people.owner, people.removed];
    let records = [people.record(&mut db, pair[0]).await, people.record(&mut db, pair[1]).await];
    // What each of the two does, to the record at a place, as the owner at a place.
    let attacks: [fn(&str, i32) -> String; 3] = [
        |record, version| format!("select remove_staff('{record}', {version})"),
        |record, version| format!("select change_staff('{record}', {version}, role => 'volunteer')"),
        |record, version| format!("select change_staff('{record}', {version}, status => 'inactive')"),
    ];
    for round in 0..20 {
        let first = round % 2;
        let attack = attacks[round % 3];
        // Each ends themself in half of the rounds, and the other in the other half.
        let targets = if round % 4 < 2 { [0, 1] } else { [1, 0] };
        let versions = async |db: &mut Db, place: usize| -> i32 {
            db.value(&format!("select version from library_staff where id = '{}'", records[place])).await
        };
        let statements = [
            attack(&records[targets[0]].to_string(), versions(&mut db, targets[0]).await),
            attack(&records[targets[1]].to_string(), versions(&mut db, targets[1]).await),
        ];
        // One has done it and not said so yet, when the other comes.
        let [one, two] = &mut connections;
        let (ahead, behind) = if first == 0 { (one, two) } else { (two, one) };
        let mut transaction = ahead.begin().await.unwrap();
        become_role(&mut transaction, "authenticated", &management(pair[first])).await;
        sqlx::raw_sql(sqlx::AssertSqlSafe(statements[first].clone()))
            .execute(&mut *transaction)
            .await
            .unwrap();
        let second_claims = management(pair[1 - first]);
        let (second, ()) = tokio::join!(act(behind, &second_claims, &statements[1 - first]), async {
            services.somebody_waits().await;
            transaction.commit().await.unwrap();
        });
        // Who ended the other was dismissed by now; who ends themself is the last.
        let expected = if targets == [0, 1] { refused("DC001") } else { denied() };
        assert_eq!(second, expected, "round {round}");
        let owners = format!(
            "select count(*) from library_staff where library_id = '{}' and role = 'owner' and status = 'active' and not is_deleted",
            people.north
        );
        assert_eq!(db.value::<i64>(&owners).await, 1, "round {round}");
        db.run(&format!(
            "update library_staff set role = 'owner', status = 'active', is_deleted = false where user_id in ('{}', '{}')",
            pair[0], pair[1]
        ))
        .await
        .unwrap();
    }
    // Plain updates of a trusted back end, at once, under each isolation level.
    for level in ["read committed", "repeatable read", "serializable"] {
        for first in [0, 1] {
            let [one, two] = &mut connections;
            let (ahead, behind) = if first == 0 { (one, two) } else { (two, one) };
            let begin = format!("begin isolation level {level}; select count(*) from library_staff");
            *ahead = PgConnection::connect(&owner_url(&services.name)).await.unwrap();
            *behind = PgConnection::connect(&owner_url(&services.name)).await.unwrap();
            let run = async |connection: &mut PgConnection, statement: String| {
                sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(connection).await
            };
            run(ahead, begin.clone()).await.unwrap();
            run(behind, begin).await.unwrap();
            let leave = |place: usize| {
                format!("update library_staff set role = 'manager' where id = '{}'", records[place])
            };
            run(ahead, leave(first)).await.unwrap();
            let (second, ()) = tokio::join!(run(behind, leave(1 - first)), async {
                services.somebody_waits().await;
                run(ahead, "commit".to_owned()).await.unwrap();
            });
            let code = second
                .unwrap_err()
                .as_database_error()
                .and_then(|error| error.code().map(String::from))
                .unwrap();
            assert!(code == "DC001" || (level != "read committed" && code == "40001"), "{level}: {code}");
            run(behind, "rollback".to_owned()).await.unwrap();
            db.run(&format!("update library_staff set role = 'owner' where id = '{}'", records[first]))
                .await
                .unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_editors_do_not_overwrite_each_other() {
    on_both(async |db| {
        let people = Libraries::fill(db).await;
        let owner = management(people.owner);
        let record = people.record(db, people.librarian).await;
        let version: i32 = db.value(&format!("select version from library_staff where id = '{record}'")).await;
        let change = |version: i32| format!("select change_staff('{record}', {version}, role => 'volunteer')");
        assert_eq!(db.act(&owner, &change(version)).await, Ok(1));
        for call in [
            change(version),
            format!("select change_staff('{record}', null, role => 'volunteer')"),
            format!("select remove_staff('{record}', {version})"),
            format!("select rehire_staff('{record}', {version})"),
        ] {
            assert_eq!(db.act(&owner, &call).await, refused("DC003"), "{call}");
        }
        assert_eq!(db.act(&owner, &change(version + 1)).await, Ok(1));
        // Records that are plainly written: the version goes into the condition.
        for (table, write, who) in [
            ("libraries", "name = 'x'", people.owner),
            ("library_members", "status = 'banned'", people.volunteer),
            ("library_invitations", "personal_message = 'x'", people.owner),
            ("user_profiles", "bio = 'x'", people.owner),
            ("user_preferences", "privacy = '{}'", people.owner),
        ] {
            let who = if table == "library_members" { people.manager } else { who };
            let id = match table {
                "libraries" => people.north,
                "user_profiles" | "user_preferences" => people.owner,
                _ => db.value(&format!("select id from {table} where library_id = '{}' and status in ('active', 'pending') limit 1", people.north)).await,
            };
            let version: i32 = db.value(&format!("select version from {table} where id = '{id}'")).await;
            let update = format!("update {table} set {write} where id = '{id}' and version = {version}");
            assert_eq!(db.act(&management(who), &update).await, Ok(1), "{table}");
            assert_eq!(db.act(&management(who), &update).await, Ok(0), "{table}");
            let forged = format!("update {table} set version = 1 where id = '{id}'");
            assert_eq!(db.act(&management(who), &forged).await, denied(), "{table}");
            let stamped = format!("select version = {version} + 1 and updated_at > created_at from {table} where id = '{id}'");
            assert!(db.value::<bool>(&stamped).await, "{table}");
        }
    })
    .await;
}
