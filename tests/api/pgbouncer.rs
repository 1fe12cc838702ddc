//! The server behind a PgBouncer that hands its connections out by transaction. The core of the other stories is told
//! there too, when `tests/run` says so; here is what concerns the pooler itself.

use doorcode::ports::db::Pooler;
use futures_util::future::join_all;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection, Row};
use uuid::Uuid;

use super::pool::{PEOPLE, as_person, at_once, connect, make_people, make_sessions};
use super::support::Services;
use super::support::app::{MASTER, READER, TestApp};
use super::support::database::Db;
use super::support::process::run;
use super::support::services::{as_owner, login_url, owner_url, pgbouncer_url};

/// Connections that PgBouncer keeps to a database, as tests/services/pgbouncer.sh says.
const KEPT: usize = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t36_behind_pgbouncer_the_server_acts_for_nobody_but_the_caller_and_leaves_nothing_behind() {
    let mut db = Db::on_services().await;
    let people = make_people(&mut db).await;
    let sessions = make_sessions(&mut db, &people).await;
    let url = pgbouncer_url(&db.services.as_ref().unwrap().name);
    // Far more connections to PgBouncer than it has to PostgreSQL, so that each goes from hand to hand.
    let server = connect(url.clone(), Pooler::Transaction, 20);
    at_once(|request| {
        let (person, session) = (people[request % PEOPLE], sessions[request % PEOPLE]);
        as_person(server.clone(), person, session, !request.is_multiple_of(3))
    })
    .await;
    for check in join_all((0..40).map(|_| server.check())).await {
        check.unwrap();
    }
    let services = db.services.as_ref().unwrap();
    let held = services.connections("usename = 'doorcode_login'").await;
    assert!(0 < held && held <= i64::try_from(KEPT).unwrap(), "{held} connections to PostgreSQL");
    assert_eq!(services.connections("usename = 'doorcode_login' and state <> 'idle'").await, 0);
    // All of its connections at once, each looked at in a transaction.
    let mut seen = Vec::new();
    let options: PgConnectOptions = url.parse().unwrap();
    let mut connections = Vec::new();
    for _ in 0..KEPT {
        let mut connection = options.clone().extra_float_digits(None).connect().await.unwrap();
        sqlx::raw_sql("begin").execute(&mut connection).await.unwrap();
        connections.push(connection);
    }
    for connection in &mut connections {
        let left = sqlx::raw_sql(
            "select pg_backend_pid(), current_user = session_user, coalesce(current_setting('request.jwt.claims', true), ''),
                    (select count(*) from pg_prepared_statements), current_setting('statement_timeout'),
                    (select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid())",
        )
        .fetch_one(connection)
        .await
        .unwrap();
        let texts: Vec<String> = (0..6).map(|column| left.get_unchecked(column)).collect();
        assert_eq!(texts[1..], ["t", "", "0", "0", "0"], "nothing is left");
        seen.push(texts[0].clone());
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), KEPT, "three connections of PostgreSQL");
    server.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_pgbouncer_people_sign_in_and_a_lock_is_not_waited_for() {
    let services = Services::new().await;
    let (url, name) = (pgbouncer_url(&services.name), services.name.clone());
    let app = TestApp::on(
        services,
        &[
            ("DATABASE__URL", &url),
            ("DATABASE__POOLER", "pgbouncer"),
            ("DATABASE__MIGRATE_AT_START", "false"),
            ("DATABASE__LOCK_TIMEOUT_MS", "300"),
        ],
    )
    .await;
    let session = app.sign_in(READER, "ada@example.org").await;
    let refresh = session["refresh_token"].as_str().unwrap().to_owned();
    let mut owner = PgConnection::connect(&owner_url(&name)).await.unwrap();
    sqlx::raw_sql("begin; lock table auth.sessions").execute(&mut owner).await.unwrap();
    let began = std::time::Instant::now();
    app.refresh(READER, &refresh).await.assert_problem(503, "service_unavailable");
    assert!(
        began.elapsed().as_millis() < 1500,
        "lock_timeout came with the transaction: {:?}",
        began.elapsed()
    );
    sqlx::raw_sql("rollback").execute(&mut owner).await.unwrap();
    app.refresh(READER, &refresh).await.assert_ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_that_nobody_told_the_server_of_is_named_at_start() {
    let services = Services::new().await;
    let folder = tempfile::tempdir().unwrap();
    let url = pgbouncer_url(&services.name);
    let settings = |changes: &[(&str, &str)]| {
        let mut settings = services.settings();
        settings.push(("SECRETS__MASTER".to_owned(), MASTER.to_owned()));
        for (name, value) in changes {
            settings.retain(|(known, _)| known != name);
            settings.push(((*name).to_owned(), (*value).to_owned()));
        }
        settings
    };
    let unaware =
        [("DATABASE__URL", &*url), ("DATABASE__POOLER", "none"), ("DATABASE__MIGRATE_AT_START", "false")];
    let ended = run(&["serve"], &settings(&unaware), folder.path()).await;
    assert_eq!(ended.code, Some(69), "{}", ended.output);
    assert!(ended.output.contains("set database.pooler"), "{}", ended.output);
    let migrating = run(&["migrate"], &settings(&[("DATABASE__OWNER_URL", &url)]), folder.path()).await;
    assert_eq!(migrating.code, Some(69), "{}", migrating.output);
    assert!(migrating.output.contains("leads to a pooler"), "{}", migrating.output);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_a_pooler_keeps_statements_the_login_role_has_the_limits() {
    let services = Services::new().await;
    // A role of this test's own: all tests share the other.
    let role = format!("limited_{}", Uuid::new_v4().simple());
    let login = login_url(&services.name).replace("doorcode_login", &role);
    let mut owner = as_owner(&owner_url(&services.name).into()).await;
    owner.migrate(&login.clone().into()).await.unwrap();
    let limits = doorcode::ports::db::StatementLimits {
        statement_timeout: std::time::Duration::from_secs(2),
        lock_timeout: std::time::Duration::from_millis(700),
    };
    owner.limit_login_role(&login.clone().into(), limits).await.unwrap();
    let mut connection = PgConnection::connect(&login).await.unwrap();
    let query = "select current_setting('statement_timeout'), current_setting('lock_timeout')";
    let found: (String, String) = sqlx::query_as(query).fetch_one(&mut connection).await.unwrap();
    assert_eq!(found, ("2s".to_owned(), "700ms".to_owned()));
    let server = connect(login, Pooler::Prepared, 2);
    for check in join_all((0..10).map(|_| server.check())).await {
        check.unwrap();
    }
    server.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_that_the_pooler_does_not_keep_are_named_as_what_they_are() {
    let db = Db::on_services().await;
    // Each connection gives its first statement the same name, and they meet on three connections of PostgreSQL.
    let server = connect(pgbouncer_url(&db.services.as_ref().unwrap().name), Pooler::Prepared, 20);
    let failed = join_all((0..40).map(|_| server.check())).await.into_iter().find_map(Result::err);
    let told = anyhow::Error::new(failed.expect("PgBouncer as it is here keeps no prepared statements"));
    assert!(format!("{told:#}").contains("set database.pooler to pgbouncer"), "{told:#}");
}
