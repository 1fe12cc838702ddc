//! What somebody with a token and too much time would try.

use serde_json::{Value, json};
use uuid::Uuid;

use super::super::support::database::on_both;
use super::super::support::libraries::{Libraries, management, reading};
use super::{accept, denied, invite, on_record, refused, role_at_north};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invitation_is_for_the_proven_address_whatever_a_profile_says() {
    on_both(async |db| {
        let people = Libraries::fill(db).await;
        invite(db, &people, "t", "new@example.org", "manager").await.unwrap();
        let eve = management(people.bystander);
        let take_over = "update user_profiles set email = 'new@example.org' where id = auth.uid()";
        assert_eq!(db.act(&eve, take_over).await, denied());
        // Even where the copy lies, by somebody else's mistake, and the token's own claim too.
        db.run(&format!(
            "update user_profiles set email = 'new@example.org' where id = '{}'",
            people.bystander
        ))
        .await
        .unwrap();
        let mut claims = eve.clone();
        claims["email"] = json!("new@example.org");
        claims["user_metadata"] = json!({"email": "new@example.org", "email_verified": true});
        for claims in [&eve, &claims] {
            assert_eq!(db.act(claims, &accept("t")).await, refused("DC004"));
            assert_eq!(db.act(claims, "select decline_invitation(sha256('t'))").await, refused("DC004"));
        }
        // An account of that address which was never proven has no claim to it either.
        db.run("update user_profiles set email = 'bystander@example.org' where email = 'new@example.org'")
            .await
            .unwrap();
        let invited = db.make_user("new@example.org", json!({})).await;
        db.run(&format!("update auth.users set email_confirmed_at = null where id = '{invited}'"))
            .await
            .unwrap();
        assert_eq!(db.act(&reading(invited), &accept("t")).await, refused("DC004"));
        db.run(&format!("update auth.users set email_confirmed_at = now() where id = '{invited}'"))
            .await
            .unwrap();
        // On the reader site too: that is where a newcomer makes the account.
        assert_eq!(db.act(&reading(invited), &accept("t")).await, Ok(1));
        assert_eq!(role_at_north(db, &people, &management(invited)).await, "manager");
        assert_eq!(role_at_north(db, &people, &reading(invited)).await, "");
        assert_eq!(
            db.texts(
                "select format('%s %s %s', response, responder_id, staff_id is not null)
                        from library_invitation_responses where response = 'accepted'"
            )
            .await,
            [format!("accepted {invited} t")]
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_offered_to_whom_and_where_never_changes() {
    on_both(async |db| {
        let people = Libraries::fill(db).await;
        let owner = management(people.owner);
        let service = json!({"role": "service_role"});
        for (table, column, value) in [
            ("library_invitations", "library_id", format!("'{}'", people.south)),
            ("library_invitations", "inviter_id", "null".to_owned()),
            ("library_invitations", "inviter_id", format!("'{}'", people.record(db, people.manager).await)),
            ("library_invitations", "email", "'eve@example.org'".to_owned()),
            ("library_invitations", "role", "'owner'".to_owned()),
            ("library_invitations", "kind", "'library_member'".to_owned()),
            ("library_invitations", "token_hash", "sha256('x')".to_owned()),
            ("library_invitations", "expires_at", "now() + interval '1 year'".to_owned()),
            ("library_staff", "library_id", format!("'{}'", people.south)),
            ("library_staff", "user_id", format!("'{}'", people.bystander)),
            ("library_access_requests", "library_id", format!("'{}'", people.south)),
            ("library_access_requests", "user_id", format!("'{}'", people.owner)),
            ("library_members", "library_id", format!("'{}'", people.south)),
        ] {
            let change = format!(
                "update {table} set {column} = {value} where id = (select id from {table} where library_id = '{}' limit 1)",
                people.north
            );
            // Nobody is granted the columns, and a trigger holds those who are.
            assert_eq!(db.as_role("authenticated", &owner, &change).await, denied(), "{change}");
            let by_service = db.as_role("service_role", &service, &change).await;
            assert_eq!(by_service, refused(&format!("DC002 {column} of {table} never changes")), "{change}");
        }
        // Nor does an end: not back to pending, and no second one.
        for (table, from, to) in [
            ("library_invitations", "accepted", "pending"),
            ("library_invitations", "declined", "accepted"),
            ("library_invitations", "expired", "pending"),
            ("library_invitations", "cancelled", "cancelled"),
            ("library_access_requests", "withdrawn", "pending"),
            ("library_access_requests", "withdrawn", "approved"),
        ] {
            db.run(&format!(
                "begin; update {table} set status = '{from}' where status = 'pending' and library_id = '{}'",
                people.north
            ))
            .await
            .unwrap();
            let back = db.run(&format!("update {table} set status = '{to}' where status = '{from}'")).await;
            assert_eq!(
                back.unwrap_err().as_database_error().and_then(sqlx::error::DatabaseError::code).as_deref(),
                Some("DC002"),
                "{table}: {from} to {to}"
            );
            db.run("rollback").await.unwrap();
        }
        // By those who may write the status at all: an owner cannot accept for the invited.
        let north = people.north;
        let accepted = format!("update library_invitations set status = 'accepted' where library_id = '{north}' and status = 'pending'");
        assert_eq!(db.act(&owner, &accepted).await, denied());
        let again = format!("update library_invitations set status = 'cancelled' where library_id = '{north}' and status = 'declined'");
        assert_eq!(db.act(&owner, &again).await, refused("DC002 declined"));
        let approved = format!("update library_access_requests set status = 'approved' where library_id = '{north}'");
        assert_eq!(db.act(&management(people.reader), &approved).await, denied());
        assert_eq!(db.act(&owner, &approved).await, Ok(0), "decided by the procedure alone");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_peoples_invitations_and_addresses_are_absent() {
    on_both(async |db| {
        let people = Libraries::fill(db).await;
        let north = people.north;
        db.make_user("newcomer@example.org", json!({})).await;
        let newcomer: Uuid = db.value("select id from auth.users where email = 'newcomer@example.org'").await;
        for stranger in [people.bystander, people.elsewhere, people.terminated, newcomer] {
            for claims in [management(stranger), reading(stranger)] {
                let emails = format!("select email from library_invitations where library_id = '{north}'");
                assert_eq!(db.ask(&claims, &emails).await, [""; 0]);
                assert_eq!(
                    db.ask(&claims, "select email from user_profiles where id <> auth.uid()").await,
                    [""; 0]
                );
                assert_eq!(
                    db.ask(&claims, &format!("select email from library_people('{north}')")).await,
                    [""; 0]
                );
                let shown = format!("select to_jsonb(p) from find_profile('{}') p", people.owner);
                let shown = db.ask(&claims, &shown).await.concat();
                assert!(shown.contains("\"display_name\": \"owner\"") && !shown.contains('@'), "{shown}");
            }
        }
        for column in ["token_hash", "*"] {
            for (role, claims) in [
                ("authenticated", management(people.owner)),
                ("authenticated", management(newcomer)),
                ("service_role", json!({})),
                ("anon", json!({})),
            ] {
                let read = format!("select {column} from library_invitations");
                assert_eq!(db.as_role(role, &claims, &read).await, denied(), "{role}: {column}");
            }
            let add = format!(
                "insert into library_invitations (library_id, email, role, token_hash)
                 values ('{north}', 'x@example.org', 'volunteer', sha256('x')) returning {column}"
            );
            assert_eq!(db.act(&management(people.owner), &add).await, denied());
        }
        // A guess at the condition does not tell either.
        let guess = "select id from library_invitations where token_hash = sha256('x')";
        assert_eq!(db.act(&management(people.owner), guess).await, denied());
        // The holder of a token sees what is offered, signed in or not; everybody else sees nothing.
        invite(db, &people, "t", "new@example.org", "librarian").await.unwrap();
        let shown =
            "select format('%s %s %s %s %s %s', library_code, kind, role, inviter_name, email, status)
                       from find_invitation(sha256('t'))";
        let expected = ["north library_staff librarian owner new@example.org pending"];
        assert_eq!(db.ask(&reading(people.bystander), shown).await, expected);
        assert_eq!(db.as_role("anon", &json!({}), shown).await, Ok(1));
        assert_eq!(db.as_role("anon", &json!({}), "select * from find_invitation(sha256('u'))").await, Ok(0));
        // The people behind the records, for those who answer for them.
        for (person, known) in
            [(people.owner, 8), (people.manager, 8), (people.librarian, 0), (people.volunteer, 0)]
        {
            let list = format!("select email from library_people('{north}')");
            assert_eq!(db.ask(&management(person), &list).await.len(), known);
            assert_eq!(db.ask(&reading(person), &list).await.len(), 0);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_shadows_a_helper() {
    on_both(async |db| {
        let people = Libraries::fill(db).await;
        let eve = management(people.bystander);
        for make in [
            "create temp table library_staff (user_id uuid)",
            "create function pg_temp.uid() returns uuid language sql return null",
            "create function public.uid() returns uuid language sql return null",
            "create function auth.uid(text) returns uuid language sql return null",
            "create schema shadow",
            "create or replace function auth.uid() returns uuid language sql return null",
        ] {
            assert_eq!(db.act(&eve, make).await, denied(), "{make}");
        }
        // And where an administrator has given the right to temporary objects back, they are not found first.
        db.run("do $$ begin execute format('grant temporary on database %I to public', current_database()); end $$")
            .await
            .unwrap();
        let (north, eve_id, owner_id) = (people.north, people.bystander, people.owner);
        let shadows = format!(
            "create temp table library_staff as select gen_random_uuid() as id, '{eve_id}'::uuid as user_id,
                 '{north}'::uuid as library_id, 'owner' as role, 'active' as status, false as is_deleted,
                 '{{}}'::jsonb as permissions;
             create temp table libraries as select '{north}'::uuid as id, 'active' as status, 'x' as code, 'x' as name;
             create temp table my_staff as select * from library_staff;
             create temp table users as select '{eve_id}'::uuid as id, 'newcomer@example.org' as email, now() as email_confirmed_at;
             create function pg_temp.uid() returns uuid language sql return '{owner_id}'::uuid;
             create function pg_temp.staff_role(uuid) returns text language sql return 'owner';
             create function pg_temp.current_setting(text, boolean) returns text language sql return '{{\"sub\": \"{owner_id}\"}}';
             create function pg_temp.same(uuid, uuid) returns boolean language sql return true;
             create operator pg_temp.= (leftarg = uuid, rightarg = uuid, function = pg_temp.same);
             set local search_path = pg_temp, auth, public, pg_catalog;"
        );
        for (question, expected) in [
            (format!("select auth.staff_role('{north}') where auth.staff_role('{north}') is not null"), Ok(0)),
            (format!("select 1 where auth.has_permission('{north}', 'manage_staff')"), Ok(0)),
            ("select * from auth.staff_library_ids()".to_owned(), Ok(0)),
            ("select 1 where auth.my_permissions() ->> 'is_library_staff' = 'true'".to_owned(), Ok(0)),
            (format!("select id from public.library_invitations where library_id = '{north}'"), Ok(0)),
            ("update public.libraries set name = 'Mine' where code = 'north'".to_owned(), Ok(0)),
            (format!("select * from public.accept_invitation(sha256('newcomer{north}'))"), refused("DC004")),
            ("select 1 where auth.uid() = (select id from users)".to_owned(), Ok(1)),
        ] {
            let attack = format!("{shadows} {question}");
            let outcome = db.as_role("authenticated", &eve, &attack).await;
            // Counted over the whole script: what the last statement sees is what matters.
            let made = db.as_role("authenticated", &eve, &shadows).await.unwrap();
            assert_eq!(outcome.map(|rows| rows - made), expected, "{question}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_forges_an_audit_row_and_every_change_of_power_leaves_one() {
    on_both(async |db| {
        let people = Libraries::fill(db).await;
        let (north, owner) = (people.north, management(people.owner));
        for role in ["anon", "authenticated", "service_role"] {
            for forgery in [
                "insert into auth.audit_log (action) values ('forged')",
                "update auth.audit_log set actor_id = null",
                "delete from auth.audit_log",
                "truncate auth.audit_log",
                "insert into auth.audit_log_default (action, created_at) values ('forged', '1999-01-01')",
                "select auth.record('forged', null, '{}')",
                "select auth.hire(auth.uid(), null, 'owner')",
                "select auth.lock_staff(null, 1)",
                "select auth.lock_invitation(null)",
                "select * from auth.my_staff",
                "select * from auth.my_rights",
            ] {
                assert_eq!(db.as_role(role, &owner, forgery).await, denied(), "{role}: {forgery}");
            }
        }
        db.run("truncate auth.audit_log").await.unwrap();
        invite(db, &people, "t", "bystander@example.org", "librarian").await.unwrap();
        db.run("select set_config('request.ip', '192.0.2.1', false)").await.unwrap();
        db.act(&reading(people.bystander), &accept("t")).await.unwrap();
        let librarian = people.librarian;
        on_record(db, &people, &owner, librarian, "change_staff(RECORD, role => 'volunteer')").await.unwrap();
        on_record(db, &people, &owner, librarian, "change_staff(RECORD, employment_info => '{}')").await.unwrap();
        on_record(db, &people, &owner, librarian, "remove_staff(RECORD)").await.unwrap();
        on_record(db, &people, &owner, librarian, "rehire_staff(RECORD)").await.unwrap();
        let request: Uuid = db
            .value(&format!("select id from library_access_requests where library_id = '{north}' and status = 'pending'"))
            .await;
        db.act(&owner, &format!("select decide_access_request('{request}', false, null, 'No.', 1)")).await.unwrap();
        db.act(&owner, "update libraries set name = 'Northern' where code = 'north'").await.unwrap();
        db.act(&owner, "update library_invitations set status = 'cancelled' where status = 'pending'").await.unwrap();
        // A refusal leaves none.
        on_record(db, &people, &owner, people.owner, "remove_staff(RECORD)").await.unwrap_err();
        let named = [
            (people.owner, "owner"), (people.bystander, "bystander"), (librarian, "librarian"), (people.reader, "reader"),
        ];
        let mut log = db
            .texts(
                "select concat_ws(' ', action, site, actor_id, coalesce(u.id::text, 'thing'), host(ip), details ->> 'changes')
                   from auth.audit_log a left join auth.users u on u.id = target_id order by a.created_at, action",
            )
            .await
            .join("\n");
        for (id, name) in named {
            log = log.replace(&id.to_string(), name);
        }
        assert_eq!(
            log,
            "invitation_added management owner thing {\"kind\": [null, \"library_staff\"], \"role\": [null, \"librarian\"], \"status\": [null, \"pending\"]}\n\
             invitation_accepted reader bystander thing 192.0.2.1 {\"status\": [\"pending\", \"accepted\"]}\n\
             staff_added reader bystander bystander 192.0.2.1 {\"role\": [null, \"librarian\"], \"status\": [null, \"active\"], \"is_deleted\": [null, false], \"permissions\": [null, {}]}\n\
             staff_changed management owner librarian 192.0.2.1 {\"role\": [\"librarian\", \"volunteer\"]}\n\
             staff_terminated management owner librarian 192.0.2.1 {\"status\": [\"active\", \"terminated\"], \"is_deleted\": [false, true]}\n\
             staff_active management owner librarian 192.0.2.1 {\"status\": [\"terminated\", \"active\"], \"is_deleted\": [true, false]}\n\
             access_request_declined management owner reader 192.0.2.1 {\"status\": [\"pending\", \"declined\"]}\n\
             library_changed management owner thing 192.0.2.1 {\"name\": [\"North\", \"Northern\"]}\n\
             invitation_cancelled management owner thing 192.0.2.1 {\"status\": [\"pending\", \"cancelled\"]}"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_dismissed_has_no_right_left() {
    on_both(async |db| {
        let people = Libraries::fill(db).await;
        let (north, boss) = (people.north, management(people.owner));
        let second = db.make_user("second@example.org", json!({})).await;
        invite(db, &people, "second", "second@example.org", "owner").await.unwrap();
        db.act(&management(second), &accept("second")).await.unwrap();
        let second_claims = management(second);
        let end_and_begin = [
            ("remove_staff(RECORD)", "rehire_staff(RECORD)"),
            ("change_staff(RECORD, status => 'terminated')", "change_staff(RECORD, status => 'active')"),
            ("change_staff(RECORD, status => 'inactive')", "rehire_staff(RECORD)"),
        ];
        for (round, (end, begin)) in end_and_begin.into_iter().enumerate() {
            assert_eq!(role_at_north(db, &people, &second_claims).await, "owner");
            // A door left open for oneself.
            let door = format!(
                "insert into library_invitations (library_id, email, role, token_hash)
                 values ('{north}', 'accomplice{round}@example.org', 'owner', sha256('door{round}'))"
            );
            db.act(&second_claims, &door).await.unwrap();
            on_record(db, &people, &boss, second, end).await.unwrap();

            assert_eq!(role_at_north(db, &people, &second_claims).await, "");
            for question in [
                format!("select auth.staff_id('{north}')"),
                "select case when auth.has_catalog_power() then 'yes' end".to_owned(),
                format!("select case when auth.has_permission('{north}', 'process_loans') then 'yes' end"),
                format!("select case when auth.may_grant_role('{north}', 'volunteer') then 'yes' end"),
            ] {
                assert_eq!(db.ask(&second_claims, &question).await, [""], "{question}");
            }
            assert_eq!(db.ask(&second_claims, "select auth.staff_library_ids()").await, [""; 0]);
            let permissions: Value =
                serde_json::from_str(&db.ask(&second_claims, "select auth.my_permissions()").await[0]).unwrap();
            let none = json!({"is_reader": true, "is_library_staff": false, "staff_libraries": [], "staff_permissions": {}});
            assert_eq!(permissions, none);
            for (statement, expected) in [
                (format!("update libraries set name = 'x' where id = '{north}'"), Ok(0)),
                (format!("update library_invitations set status = 'cancelled' where library_id = '{north}'"), Ok(0)),
                (format!("select id from library_members where library_id = '{north}'"), Ok(0)),
                (format!("insert into library_members (library_id, member_id) values ('{north}', 'x')"), denied()),
                (
                    format!(
                        "insert into library_invitations (library_id, email, role, token_hash)
                         values ('{north}', 'x@example.org', 'owner', sha256('x'))"
                    ),
                    denied(),
                ),
            ] {
                assert_eq!(db.act(&second_claims, &statement).await, expected, "{statement}");
            }
            let own = on_record(db, &people, &second_claims, second, "change_staff(RECORD, status => 'active')").await;
            assert_eq!(own, denied(), "the own record is seen, not changed");
            let other = on_record(db, &people, &second_claims, people.librarian, "remove_staff(RECORD)").await;
            assert_eq!(other, refused("DC004"));
            let accomplice = db.make_user(&format!("accomplice{round}@example.org"), json!({})).await;
            let entered = db.act(&management(accomplice), &accept(&format!("door{round}"))).await;
            assert_eq!(entered, refused("DC002 cancelled"));
            on_record(db, &people, &boss, second, begin).await.unwrap();
        }
        // A demotion ends the offers, too.
        invite(db, &people, "kept", "kept@example.org", "owner").await.unwrap();
        db.act(&second_claims, &format!(
            "insert into library_invitations (library_id, email, role, token_hash)
             values ('{north}', 'gone@example.org', 'owner', sha256('gone'))"
        )).await.unwrap();
        on_record(db, &people, &boss, second, "change_staff(RECORD, role => 'manager')").await.unwrap();
        let pending = "select email from library_invitations where status = 'pending' and email in ('kept@example.org', 'gone@example.org')";
        assert_eq!(db.texts(pending).await, ["kept@example.org"]);
        // A ban and an inactive library end everything without touching the record.
        db.run(&format!("update auth.users set banned_until = now() + interval '1 day' where id = '{second}'")).await.unwrap();
        assert_eq!(role_at_north(db, &people, &second_claims).await, "");
        db.run(&format!("update auth.users set banned_until = null where id = '{second}'")).await.unwrap();
        assert_eq!(role_at_north(db, &people, &second_claims).await, "manager");
        assert_eq!(db.act(&boss, &format!("update libraries set status = 'inactive' where id = '{north}'")).await, Ok(1));
        assert_eq!(role_at_north(db, &people, &second_claims).await, "");
        assert_eq!(db.act(&boss, &format!("update libraries set status = 'active' where id = '{north}'")).await, Ok(0));
        assert_eq!(db.ask(&boss, "select status from libraries where code = 'north'").await, ["inactive"], "still seen");
        assert_eq!(db.ask(&second_claims, "select status from libraries where code = 'north'").await, [""; 0]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_gives_themself_power() {
    on_both(async |db| {
        let people = Libraries::fill(db).await;
        let north = people.north;
        // What the person or the token says about itself: the accounts here all have a role in their metadata.
        let mut boast = management(people.bystander);
        boast["user_metadata"] = json!({"role": "owner"});
        boast["app_metadata"] = json!({"role": "owner", "libraries": [north]});
        boast["staff_role"] = json!("owner");
        assert_eq!(role_at_north(db, &people, &boast).await, "");
        for (person, own_record) in [(people.bystander, None), (people.volunteer, Some(people.volunteer)), (people.manager, Some(people.manager))] {
            let claims = management(person);
            let record = people.record(db, own_record.unwrap_or(people.volunteer)).await;
            for attempt in [
                format!("insert into library_staff (user_id, library_id, role) values ('{person}', '{north}', 'owner')"),
                format!(
                    "insert into library_staff (user_id, library_id, role) values ('{person}', '{north}', 'owner')
                         on conflict (user_id, library_id) do update set role = 'owner'"
                ),
                "update library_staff set role = 'owner' where user_id = auth.uid()".to_owned(),
                "update library_staff set permissions = '{\"manage_staff\": true}'".to_owned(),
                "update library_staff set is_deleted = true".to_owned(),
                "delete from library_staff".to_owned(),
                "insert into role_permissions values ('volunteer', 'manage_staff')".to_owned(),
                "update role_permissions set role = 'volunteer'".to_owned(),
                "insert into libraries (name, code) values ('Mine', 'mine')".to_owned(),
                format!(
                    "insert into library_invitations (library_id, email, role, token_hash)
                     values ('{north}', 'bystander@example.org', 'owner', sha256('mine'))"
                ),
                format!("insert into library_access_requests (library_id, status, granted_role) values ('{north}', 'approved', 'owner')"),
            ] {
                assert_eq!(db.act(&claims, &attempt).await, denied(), "{attempt}");
            }
            for call in [
                format!("select change_staff('{record}', 1, role => 'owner')"),
                format!("select change_staff('{record}', 1, permissions => '{{\"manage_staff\": true}}')"),
                format!("select remove_staff('{record}', 1)"),
                format!("select rehire_staff('{record}', 1, 'owner')"),
            ] {
                let expected = if own_record.is_some() { denied() } else { refused("DC004") };
                assert_eq!(db.act(&claims, &call).await, expected, "{call}");
            }
        }
        // The reader site: not even the owner.
        let record = people.record(db, people.librarian).await;
        let owner = reading(people.owner);
        assert_eq!(db.act(&owner, &format!("select remove_staff('{record}', 1)")).await, refused("DC004"));
        // Asking for somebody else, or on the reader site.
        let other = format!("insert into library_access_requests (library_id, user_id) values ('{north}', '{}')", people.elsewhere);
        assert_eq!(db.act(&management(people.bystander), &other).await, denied());
        let ask = format!("insert into library_access_requests (library_id) values ('{north}')");
        assert_eq!(db.act(&reading(people.bystander), &ask).await, denied());
        // Linking a stranger's account to a card, or taking over a card.
        let link = format!("insert into library_members (library_id, member_id, user_id) values ('{north}', '9', '{}')", people.bystander);
        assert_eq!(db.act(&management(people.owner), &link).await, denied());
        let link = format!("update library_members set user_id = '{}'", people.bystander);
        assert_eq!(db.act(&management(people.owner), &link).await, denied());
    })
    .await;
}
