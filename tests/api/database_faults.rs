//! PostgreSQL slow, full, read-only, refusing or restarted: a plain answer in time, and nothing half done.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::support::Services;
use super::support::app::{Answer, READER, TestApp, text};
use super::support::cluster::Cluster;
use super::support::process;
use super::support::services::{as_superuser, owner_url};

/// A server with the limits of time that the defaults have.
async fn impatient() -> TestApp {
    TestApp::on_services_with(&[
        ("DATABASE__ACQUIRE_TIMEOUT_MS", "1000"),
        ("DATABASE__STATEMENT_TIMEOUT_MS", "2000"),
        ("DATABASE__LOCK_TIMEOUT_MS", "1000"),
    ])
    .await
}

async fn owner(app: &TestApp) -> PgConnection {
    PgConnection::connect(&owner_url(&app.services.as_ref().unwrap().name)).await.unwrap()
}

async fn run(connection: &mut PgConnection, statement: &str) {
    sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(connection).await.unwrap();
}

async fn refresh(app: &TestApp, session: &Value) -> (Answer, Duration) {
    let began = Instant::now();
    (app.refresh(READER, text(session, "refresh_token")).await, began.elapsed())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f07_a_row_that_somebody_holds_is_waited_for_for_a_second_and_a_connection_for_another() {
    let app = impatient().await;
    let services = app.services.as_ref().unwrap();
    let session = app.sign_in(READER, "ada@example.org").await;
    let mut owner = owner(&app).await;
    run(&mut owner, "begin; select from auth.sessions for update").await;
    let (answer, took) = refresh(&app, &session).await;
    answer.assert_problem(503, "service_unavailable");
    assert!(
        Duration::from_millis(900) < took && took < Duration::from_millis(1800),
        "lock_timeout: {took:?}"
    );
    // Far more at once than there are connections: whoever gets one waits for the row, the others for a connection.
    let answers = join_all((0..100).map(|_| refresh(&app, &session))).await;
    for (answer, took) in &answers {
        answer.assert_problem(503, "service_unavailable");
        assert!(*took < Duration::from_secs(4), "nobody queues for longer than both together: {took:?}");
    }
    // Past the last answer its connection is still brought to rest.
    let settled = async {
        loop {
            let standing = app.flows.survey().await.connections;
            if (standing.in_use, standing.waited_for) == (0, 0) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), settled).await.expect("nothing is left of them");
    assert_eq!(services.connections("wait_event_type = 'Lock'").await, 0);
    run(&mut owner, "rollback").await;
    refresh(&app, &session).await.0.assert_ok();
    assert_eq!(services.count("auth.audit_log where action = 'refresh_token_reused'").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f07_a_statement_that_does_not_come_to_its_end_is_stopped_after_two_seconds() {
    let app = impatient().await;
    let services = app.services.as_ref().unwrap();
    let session = app.sign_in(READER, "ada@example.org").await;
    let mut owner = owner(&app).await;
    run(
        &mut owner,
        "create function public.sleep() returns trigger language plpgsql as $$ begin perform pg_sleep(60); return new; end $$;
         create trigger sleep before update on auth.sessions for each row execute function public.sleep()",
    )
    .await;
    let (answer, took) = refresh(&app, &session).await;
    answer.assert_problem(503, "service_unavailable");
    assert!(Duration::from_millis(1900) < took && took < Duration::from_millis(3500), "{took:?}");
    assert_eq!(services.connections("wait_event = 'PgSleep'").await, 0, "PostgreSQL does not go on with it");
    run(&mut owner, "drop trigger sleep on auth.sessions").await;
    refresh(&app, &session).await.0.assert_ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f08_a_database_that_turned_read_only_is_an_outage_and_its_connections_are_not_used_again() {
    let app = impatient().await;
    let services = app.services.as_ref().unwrap();
    let session = app.sign_in(READER, "ada@example.org").await;
    let database = &services.name;
    let connect_anew =
        "case when application_name = 'doorcode' and datname = $1 then pg_terminate_backend(pid) end";
    as_superuser(&format!("alter database {database} set default_transaction_read_only = on")).await.unwrap();
    services.connections(connect_anew).await;
    // All its connections are such by now.
    for (answer, _) in join_all((0..20).map(|_| refresh(&app, &session))).await {
        answer.assert_problem(503, "service_unavailable");
    }
    as_superuser(&format!("alter database {database} reset default_transaction_read_only")).await.unwrap();
    // None of the old ones is met: they would be read-only for as long as they live.
    let next = refresh(&app, &session).await.0.assert_ok().body.clone();
    for (answer, _) in join_all((0..20).map(|_| refresh(&app, &next))).await {
        answer.assert_ok();
    }
    assert_eq!(services.count("auth.audit_log where action = 'refresh_token_reused'").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f08_a_postgresql_with_too_many_clients_is_an_outage_that_ends_by_itself() {
    let app = impatient().await;
    let services = app.services.as_ref().unwrap();
    let session = app.sign_in(READER, "ada@example.org").await;
    let database = &services.name;
    as_superuser(&format!("alter database {database} connection limit 0")).await.unwrap();
    let terminated =
        "case when application_name = 'doorcode' and datname = $1 then pg_terminate_backend(pid) end";
    services.connections(terminated).await;
    for (answer, took) in join_all((0..20).map(|_| refresh(&app, &session))).await {
        answer.assert_problem(503, "service_unavailable");
        assert!(took < Duration::from_secs(3), "{took:?}");
    }
    as_superuser(&format!("alter database {database} connection limit -1")).await.unwrap();
    refresh(&app, &session).await.0.assert_ok();
}

/// Real full disks are not to be had in a test: PostgreSQL is made to say what it says on one, where it would say it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f17_on_a_full_disk_there_is_no_session_without_its_audit_row_and_the_code_works_afterwards() {
    let app = impatient().await;
    let services = app.services.as_ref().unwrap();
    let mut owner = owner(&app).await;
    app.request_code(READER, "ada@example.org").await.assert_ok();
    let code = app.code("ada@example.org", 1).await;
    run(
        &mut owner,
        "create function public.full() returns trigger language plpgsql as $$ begin
           raise exception 'could not extend file' using errcode = 'disk_full'; end $$;
         create trigger full_disk before insert on auth.audit_log for each row execute function public.full()",
    )
    .await;
    for _ in 0..7 {
        app.verify(READER, "ada@example.org", &code).await.assert_problem(503, "service_unavailable");
    }
    for table in ["auth.sessions", "auth.users", "public.user_profiles"] {
        assert_eq!(services.count(table).await, 0, "nothing is half done: {table}");
    }
    run(&mut owner, "drop trigger full_disk on auth.audit_log").await;
    app.verify(READER, "ada@example.org", &code).await.assert_ok();
    assert_eq!(services.count("auth.sessions").await, 1);
    assert_eq!(services.count("auth.audit_log where action = 'user_signedup'").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f08_f19_postgresql_is_restarted_under_load_and_everybody_goes_on_within_ten_seconds() {
    let cluster = Cluster::started();
    let mut changes = cluster.settings().to_vec();
    changes.push(("DATABASE__MIGRATE_AT_START", "true".to_owned()));
    changes.push(("DATABASE__ACQUIRE_TIMEOUT_MS", "3000".to_owned()));
    let changes: Vec<_> = changes.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let app = Arc::new(TestApp::on(Services::new().await, &changes).await);
    let mut people = Vec::new();
    for person in 0..12 {
        people.push(app.sign_in(READER, &format!("reader{person}@example.org")).await);
    }
    let (end, ended) = tokio::sync::watch::channel(None::<Instant>);
    let (refusal, mut noticed) = tokio::sync::watch::channel(false);
    let mut load = tokio::task::JoinSet::new();
    for session in people {
        let (app, ended, refusal) = (Arc::clone(&app), ended.clone(), refusal.clone());
        load.spawn(async move {
            let mut token = text(&session, "refresh_token").to_owned();
            let mut refused = 0;
            let recovered = loop {
                let answer = app.refresh(READER, &token).await;
                if answer.status == 200 {
                    token = text(&answer.body, "refresh_token").to_owned();
                    if let Some(end) = *ended.borrow() {
                        break end.elapsed();
                    }
                } else {
                    answer.assert_problem(503, "service_unavailable");
                    refused += 1;
                    refusal.send_replace(true);
                    assert!(refused < 2000, "no recovery");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            (token, recovered)
        });
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    cluster.kill();
    // A short outage may be waited for, and then nobody is turned away.
    let is_noticed = noticed.wait_for(|noticed| *noticed);
    tokio::time::timeout(Duration::from_secs(20), is_noticed).await.expect("the outage is noticed").unwrap();
    cluster.start();
    end.send(Some(Instant::now())).unwrap();
    while let Some(done) = load.join_next().await {
        let (token, recovered) = done.unwrap();
        assert!(recovered < Duration::from_secs(10), "{recovered:?}");
        // One line of generations: the last token still has a successor.
        app.refresh(READER, &token).await.assert_ok();
    }
    let mut sql = PgConnection::connect(&cluster.url("postgres")).await.unwrap();
    let alarms = "select count(*) from auth.audit_log where action = 'refresh_token_reused'";
    let alarms: i64 = sqlx::query_scalar(alarms).fetch_one(&mut sql).await.unwrap();
    assert_eq!(alarms, 0, "nobody was taken for a thief");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f08_migrating_waits_for_a_postgresql_that_is_still_starting() {
    let cluster = Cluster::started();
    cluster.control("stop", &[]);
    let folder = cluster.folder.path().join("cluster");
    // It asks for the next piece of its log, and is told that there is none once there is a file named `go`.
    let mut settings = OpenOptions::new().append(true).open(folder.join("data/postgresql.conf")).unwrap();
    settings.write_all(b"restore_command = 'until [ -e ../go ]; do sleep 0.1; done; false'\n").unwrap();
    std::fs::write(folder.join("data/recovery.signal"), "").unwrap();
    let settings = cluster.settings().map(|(name, value)| (name.to_owned(), value));
    let (url, log) = (cluster.url("postgres"), folder.join("postgres.log"));
    let turned_away =
        || std::fs::read_to_string(&log).unwrap().matches("the database system is starting up").count();
    let starting = tokio::task::spawn_blocking(move || {
        cluster.start();
        cluster
    });
    while turned_away() == 0 {
        assert!(PgConnection::connect(&url).await.is_err());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let before = turned_away();
    let elsewhere = tempfile::tempdir().unwrap();
    let migrating = process::run(&["migrate"], &settings, elsewhere.path());
    let going = async {
        while turned_away() < before + 2 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        std::fs::write(folder.join("go"), "").unwrap();
    };
    let both = tokio::time::timeout(Duration::from_secs(30), async { tokio::join!(migrating, going) });
    let (ended, ()) = both.await.expect("it waits, and is let in");
    assert_eq!(ended.code, Some(0), "{}", ended.output);
    assert_eq!(ended.output.matches("PostgreSQL is starting").count(), 1, "{}", ended.output);
    starting.await.unwrap();
}
