//! From an offer to its end, and the requests that go the other way.

use serde_json::json;
use sqlx::Connection;
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use super::super::support::database::{Db, act, on_both};
use super::super::support::libraries::{Libraries, management, reading};
use super::super::support::services::login_url;
use super::{accept, denied, invite, on_record, refused, role_at_north};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inviting_again_after_an_end_and_rehiring_work() {
    on_both(async |db| {
        let people = Libraries::fill(db).await;
        let (north, owner) = (people.north, management(people.owner));
        let ada = db.make_user("ada@example.org", json!({})).await;
        let (claims, again) = (management(ada), refused("23505"));
        let invited = async |db: &mut Db, token: &str| invite(db, &people, token, "ada@example.org", "librarian").await;
        assert_eq!(invited(db, "1").await, Ok(1));
        assert_eq!(invited(db, "2").await, again, "one offer at a time");
        db.act(&claims, "select decline_invitation(sha256('1'), 'Not now.')").await.unwrap();
        assert_eq!(db.act(&claims, &accept("1")).await, refused("DC002 declined"));
        assert_eq!(invited(db, "3").await, Ok(1));
        // Cancelled by the manager, who may not invite.
        let cancel = format!("update library_invitations set status = 'cancelled' where library_id = '{north}' and status = 'pending' and email = 'ada@example.org'");
        assert_eq!(db.act(&management(people.librarian), &cancel).await, Ok(0));
        assert_eq!(db.act(&management(people.manager), &cancel).await, Ok(1));
        assert_eq!(db.act(&claims, &accept("3")).await, refused("DC002 cancelled"));
        // Run out, and nobody has noticed: it is not in the way, and its end is on record.
        assert_eq!(invited(db, "4").await, Ok(1));
        run_out(db, "4").await;
        assert_eq!(db.act(&claims, &accept("4")).await, refused("DC002 expired"));
        assert_eq!(invited(db, "5").await, Ok(1));
        assert_eq!(db.act(&claims, &accept("5")).await, Ok(1));
        assert_eq!(db.act(&claims, &accept("5")).await, refused("DC002 accepted"));
        let ends = db
            .texts("select response from library_invitation_responses r join library_invitations i on i.id = r.invitation_id
                     where i.email = 'ada@example.org' order by i.created_at")
            .await;
        assert_eq!(ends, ["declined", "expired", "accepted"]);
        assert_eq!(invited(db, "6").await, refused("DC002 already_staff"));
        // Dismissed and invited again: the same record, with nothing of the old one but its history.
        let record = people.record(db, ada).await;
        on_record(db, &people, &owner, ada, "change_staff(RECORD, permissions => '{\"view_reports\": true}')").await.unwrap();
        on_record(db, &people, &owner, ada, "remove_staff(RECORD)").await.unwrap();
        let removed: (bool, bool) = sqlx::query_as("select deleted_at is not null, deleted_by = $1 from library_staff where id = $2")
            .bind(people.record(db, people.owner).await)
            .bind(record)
            .fetch_one(&mut db.connection)
            .await
            .unwrap();
        assert_eq!(removed, (true, true), "when and by whom");
        assert_eq!(on_record(db, &people, &owner, ada, "remove_staff(RECORD)").await, refused("DC002 removed"));
        assert_eq!(on_record(db, &people, &owner, ada, "change_staff(RECORD, role => 'owner')").await, refused("DC002 removed"));
        assert_eq!(invite(db, &people, "7", "ada@example.org", "volunteer").await, Ok(1));
        assert_eq!(db.act(&claims, &accept("7")).await, Ok(1));
        let state = "select format('%s %s %s %s %s', id, role, status, permissions, deleted_at is null and deleted_by is null) from library_staff where user_id = ";
        let state = db.texts(&format!("{state}'{ada}'")).await;
        assert_eq!(state, [format!("{record} volunteer active {{}} t")]);
        // Or taken back by the owner.
        assert_eq!(on_record(db, &people, &owner, ada, "rehire_staff(RECORD)").await, refused("DC002 already_staff"));
        on_record(db, &people, &owner, ada, "remove_staff(RECORD)").await.unwrap();
        on_record(db, &people, &owner, ada, "rehire_staff(RECORD, 'manager')").await.unwrap();
        assert_eq!(role_at_north(db, &people, &claims).await, "manager");
    })
    .await;
}

/// Lets an invitation's time pass. The columns never change by themselves, so the clock is moved behind their back.
async fn run_out(db: &mut Db, token: &str) {
    db.run(&format!(
        "alter table library_invitations disable trigger library_invitations_keep_columns;
         update library_invitations set expires_at = now() - interval '1 second' where token_hash = sha256('{token}');
         alter table library_invitations enable trigger library_invitations_keep_columns"
    ))
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invitation_runs_out_by_itself() {
    on_both(async |db| {
        let people = Libraries::fill(db).await;
        let ada = db.make_user("ada@example.org", json!({})).await;
        invite(db, &people, "t", "ada@example.org", "librarian").await.unwrap();
        let days: i32 = db
            .value("select extract(day from expires_at - created_at)::integer from library_invitations where email = 'ada@example.org'")
            .await;
        assert_eq!(days, 7);
        run_out(db, "t").await;
        let status = "select status from find_invitation(sha256('t'))";
        assert_eq!(db.ask(&reading(ada), status).await, ["expired"], "before anybody has written it down");
        assert_eq!(db.act(&reading(ada), &accept("t")).await, refused("DC002 expired"));
        assert_eq!(db.act(&reading(ada), "select decline_invitation(sha256('t'))").await, refused("DC002 expired"));
        let expire = "select auth.expire_invitations()";
        assert_eq!(db.as_role("authenticated", &management(people.owner), expire).await, denied());
        assert_eq!(db.as_role("anon", &json!({}), expire).await, denied());
        assert_eq!(db.as_role("doorcode_server", &json!({}), expire).await, Ok(1));
        assert_eq!(db.value::<i32>(expire).await, 1);
        assert_eq!(db.value::<i32>(expire).await, 0);
        assert_eq!(db.texts("select status from library_invitations where email = 'ada@example.org'").await, ["expired"]);
        let noted = "select response from library_invitation_responses r join library_invitations i on i.id = invitation_id
                      where email = 'ada@example.org'";
        assert_eq!(db.texts(noted).await, ["expired"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accepting_many_times_at_once_makes_one_record() {
    let mut db = Db::on_services().await;
    let people = Libraries::fill(&mut db).await;
    let url = login_url(&db.services.as_ref().unwrap().name);
    let ada = db.make_user("ada@example.org", json!({})).await;
    let mut connections = Vec::new();
    for _ in 0..8 {
        connections.push(PgConnection::connect(&url).await.unwrap());
    }
    for round in 0..10 {
        invite(&mut db, &people, &round.to_string(), "ada@example.org", "librarian").await.unwrap();
        let (claims, statement) = (management(ada), accept(&round.to_string()));
        let outcomes = futures_util::future::join_all(
            connections.iter_mut().map(|connection| act(connection, &claims, &statement)),
        )
        .await;
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == Ok(1)).count(), 1, "{outcomes:?}");
        let refusals = outcomes.iter().filter(|outcome| **outcome == refused("DC002 accepted")).count();
        assert_eq!(refusals, 7, "{outcomes:?}");
        let records = format!("select count(*) from library_staff where user_id = '{ada}'");
        assert_eq!(db.value::<i64>(&records).await, 1);
        let responses = "select count(*) from library_invitation_responses where response = 'accepted'";
        assert_eq!(db.value::<i64>(responses).await, round + 1);
        on_record(&mut db, &people, &management(people.owner), ada, "remove_staff(RECORD)").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invited_patron_is_linked_to_the_card_that_was_registered() {
    on_both(async |db| {
        let people = Libraries::fill(db).await;
        let (north, librarian) = (people.north, management(people.librarian));
        let ada = db.make_user("ada@example.org", json!({})).await;
        let add = |number: &str, email: &str| {
            format!("insert into library_members (library_id, member_id, personal_info) values ('{north}', '{number}', '{{\"email\": \"{email}\"}}')")
        };
        let invite = |token: &str, email: &str| {
            format!(
                "insert into library_invitations (library_id, email, kind, token_hash)
                 values ('{north}', '{email}', 'library_member', sha256('{token}'))"
            )
        };
        assert_eq!(db.act(&librarian, &add("100", "Ada@Example.org")).await, Ok(1));
        assert_eq!(db.act(&librarian, &add("101", "ADA@example.org")).await, refused("23505"), "one card an address");
        assert_eq!(db.act(&librarian, &add("100", "x@example.org")).await, refused("23505"), "one card a number");
        assert_eq!(db.act(&librarian, &add("102", "")).await, refused("23514"));
        assert_eq!(db.act(&management(people.volunteer), &invite("v", "ada@example.org")).await, denied());
        // Whoever invites may think better of it; who sees it only may not.
        assert_eq!(db.act(&librarian, &invite("s", "ada@example.org")).await, Ok(1));
        let at = "where email = 'ada@example.org' and status = 'pending'";
        let (reword, cancel) = (
            format!("update library_invitations set personal_message = 'Come in.' {at}"),
            format!("update library_invitations set status = 'cancelled' {at}"),
        );
        assert_eq!(db.act(&management(people.volunteer), &cancel).await, Ok(0));
        assert_eq!(db.act(&management(people.manager), &reword).await, denied());
        assert_eq!(db.act(&librarian, &reword).await, Ok(1));
        assert_eq!(db.act(&librarian, &cancel).await, Ok(1));
        assert_eq!(db.act(&librarian, &invite("t", "ada@example.org")).await, Ok(1));
        assert_eq!(db.act(&reading(ada), &accept("t")).await, Ok(1));
        let card = "select member_id from library_members where user_id = auth.uid()";
        assert_eq!(db.ask(&reading(ada), card).await, ["100"]);
        assert_eq!(role_at_north(db, &people, &management(ada)).await, "", "a patron is no staff");
        assert_eq!(db.act(&librarian, &invite("u", "ada@example.org")).await, Ok(1));
        assert_eq!(db.act(&reading(ada), &accept("u")).await, refused("DC002 already_member"));
        // A card that was taken away leaves nothing to link, and makes room for a new one.
        let bob = db.make_user("bob@example.org", json!({})).await;
        assert_eq!(db.act(&librarian, &add("200", "bob@example.org")).await, Ok(1));
        assert_eq!(db.act(&librarian, &invite("b", "bob@example.org")).await, Ok(1));
        let remove = "update library_members set is_deleted = true where member_id = '200'";
        assert_eq!(db.act(&management(people.volunteer), remove).await, Ok(0));
        assert_eq!(db.act(&librarian, remove).await, Ok(1));
        let by = db.texts("select deleted_by::text from library_members where member_id = '200'").await;
        assert_eq!(by, [people.record(db, people.librarian).await.to_string()]);
        assert_eq!(db.act(&reading(bob), &accept("b")).await, refused("DC002 no_member_record"));
        assert_eq!(db.act(&librarian, &add("201", "bob@example.org")).await, Ok(1));
        assert_eq!(db.act(&reading(bob), &accept("b")).await, Ok(1));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_access_request_is_asked_once_and_decided_once() {
    on_both(async |db| {
        let people = Libraries::fill(db).await;
        let (north, ada) = (people.north, db.make_user("ada@example.org", json!({})).await);
        let (claims, manager) = (management(ada), management(people.manager));
        let ask = |library: Uuid| format!("insert into library_access_requests (library_id, message) values ('{library}', 'Please.')");
        assert_eq!(db.act(&claims, &ask(north)).await, Ok(1));
        assert_eq!(db.act(&claims, &ask(north)).await, refused("23505"));
        assert_eq!(db.act(&claims, &ask(people.south)).await, Ok(1));
        assert_eq!(db.act(&claims, &ask(people.closed)).await, refused("DC004"));
        assert_eq!(db.act(&claims, &ask(Uuid::new_v4())).await, refused("DC004"));
        assert_eq!(db.act(&manager, &ask(north)).await, refused("DC002 already_staff"));
        let long = format!("insert into library_access_requests (library_id, message) values ('{}', repeat('x', 1001))", people.north);
        assert_eq!(db.act(&management(people.bystander), &long).await, refused("23514"));

        let own = "select id from library_access_requests where user_id = auth.uid() and status = 'pending'";
        assert_eq!(db.ask(&claims, own).await.len(), 2);
        let withdraw = "update library_access_requests set status = 'withdrawn' where library_id = ";
        assert_eq!(db.act(&claims, &format!("{withdraw}'{}'", people.south)).await, Ok(1));
        assert_eq!(db.act(&claims, &format!("{withdraw}'{}'", people.south)).await, refused("DC002 withdrawn"));
        assert_eq!(db.act(&claims, &ask(people.south)).await, Ok(1), "asking again");

        let request: Uuid = db.value(&format!("select id from library_access_requests where user_id = '{ada}' and library_id = '{north}'")).await;
        let decide = |version: i32| format!("select decide_access_request('{request}', true, 'librarian', 'Welcome.', {version})");
        assert_eq!(db.act(&management(people.elsewhere), &decide(1)).await, refused("DC004"));
        assert_eq!(db.act(&claims, &decide(1)).await, refused("DC004"));
        assert_eq!(db.act(&manager, &decide(2)).await, refused("DC003"));
        let unknown = "select decide_access_request(gen_random_uuid(), true, 'librarian', null, 1)";
        assert_eq!(db.act(&manager, unknown).await, refused("DC004"));
        assert_eq!(role_at_north(db, &people, &claims).await, "");
        assert_eq!(db.act(&manager, &decide(1)).await, Ok(1));
        assert_eq!(role_at_north(db, &people, &claims).await, "librarian");
        assert_eq!(db.act(&manager, &decide(2)).await, refused("DC002 approved"));
        assert_eq!(db.act(&management(people.owner), &decide(1)).await, refused("DC002 approved"));
        let decided = db
            .ask(&claims, &format!("select concat_ws(' ', status, granted_role, decision_note, decided_at is not null) from library_access_requests where id = '{request}'"))
            .await;
        assert_eq!(decided, ["approved librarian Welcome. t"]);
        let by: Uuid = db.value(&format!("select decided_by from library_access_requests where id = '{request}'")).await;
        assert_eq!(by, people.record(db, people.manager).await);
        // An approval that comes after an invitation was accepted has nothing to give.
        let bystander = management(people.bystander);
        db.act(&bystander, &ask(north)).await.unwrap();
        invite(db, &people, "b", "bystander@example.org", "volunteer").await.unwrap();
        db.act(&bystander, &accept("b")).await.unwrap();
        let late: Uuid = db.value(&format!("select id from library_access_requests where user_id = '{}' and status = 'pending'", people.bystander)).await;
        let approve = format!("select decide_access_request('{late}', true, 'librarian', null, 1)");
        assert_eq!(db.act(&manager, &approve).await, refused("DC002 already_staff"));
        let decline = format!("select decide_access_request('{late}', false, null, null, 1)");
        assert_eq!(db.act(&manager, &decline).await, Ok(1));
        // Who is told of a request.
        let told = format!("select auth.access_request_deciders('{north}')");
        assert_eq!(db.as_role("doorcode_server", &json!({}), &told).await, Ok(2));
        assert_eq!(db.as_role("authenticated", &manager, &told).await, denied());
    })
    .await;
}
