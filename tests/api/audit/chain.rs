//! Whoever owns the database cannot change the log without being seen.

use std::time::Duration;

use doorcode::domain::audit_chain::FaultKind;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection};

use super::{as_owner, found, log, signed, verify};
use crate::support::app::{READER, text};
use crate::support::process::{Process, run};
use crate::support::services::login_url;
use crate::support::{Services, TestApp};

const MASTER: (&str, &str) = ("SECRETS__MASTER", "h1QeZbJkN0s3x5vY8aBcD2fGiKlMnOpQrStUwXzA46E=");

async fn with_six_events() -> TestApp {
    let app = TestApp::on_services().await;
    for email in ["ada@example.org", "bob@example.org", "eve@example.org"] {
        app.sign_in(READER, email).await;
    }
    signed(&app, 6).await;
    app
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_nobody_touched_is_whole() {
    let app = with_six_events().await;
    let mut told = Vec::new();
    let report = app
        .flows
        .verify_audit(doorcode::flows::AuditRange::default(), |done, all| told.push((done, all)))
        .await
        .unwrap();
    assert!(report.is_whole(), "{report:?}");
    assert_eq!((report.rows, report.head.seq, told), (10, 10, vec![(10, 10)]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn altered_and_removed_rows_and_links_are_found() {
    for (tampering, kind, seq) in [
        ("update auth.audit_log set action = 'login' where id = EVENT", FaultKind::AlteredRow, 3),
        ("update auth.audit_log set actor_id = gen_random_uuid() where id = EVENT", FaultKind::AlteredRow, 3),
        ("update auth.audit_log set ip = '192.0.2.99' where id = EVENT", FaultKind::AlteredRow, 3),
        (
            "update auth.audit_log set details = details || '{\"x\": 1}' where id = EVENT",
            FaultKind::AlteredRow,
            3,
        ),
        ("delete from auth.audit_log where id = EVENT", FaultKind::RemovedRow, 3),
        ("delete from auth.audit_chain where seq = 3", FaultKind::RemovedLinks(3), 3),
        (
            "delete from auth.audit_log where id = EVENT; delete from auth.audit_chain where seq = 3",
            FaultKind::RemovedLinks(3),
            3,
        ),
        ("update auth.audit_chain set link = sha256(link) where seq = 3", FaultKind::AlteredLink, 3),
    ] {
        let app = with_six_events().await;
        let event = "(select event_id from auth.audit_chain where seq = 3)";
        // The row goes first where both do: the link tells which it is.
        as_owner(&app, &tampering.replace("EVENT", event)).await;
        let report = verify(&app, None).await;
        assert_eq!(found(&report), [(kind, Some(seq))], "{tampering}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_that_was_cut_off_is_found_with_a_head_noted_before() {
    let app = with_six_events().await;
    let noted = verify(&app, None).await.head;
    let cut = "delete from auth.audit_log where id in (select event_id from auth.audit_chain where seq > 8);
               delete from auth.audit_chain where seq > 8";
    as_owner(&app, cut).await;
    assert!(verify(&app, None).await.is_whole(), "the chain alone does not know how long it was");
    assert_eq!(found(&verify(&app, Some(noted)).await), [(FaultKind::NoSuchHead, Some(10))]);
    for email in ["joe@example.org", "kim@example.org"] {
        app.sign_in(READER, email).await;
    }
    signed(&app, 8).await;
    assert_eq!(found(&verify(&app, Some(noted)).await), [(FaultKind::OtherHead, Some(10))]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_of_a_transaction_that_ends_late_is_signed_after_all() {
    let app = with_six_events().await;
    let services = app.services.as_ref().unwrap();
    let mut late = services.sql.begin().await.unwrap();
    sqlx::query("insert into auth.audit_log (action) values ('login')").execute(&mut *late).await.unwrap();
    app.sign_in(READER, "joe@example.org").await;
    signed(&app, 8).await;
    late.commit().await.unwrap();
    signed(&app, 9).await;
    assert!(verify(&app, None).await.is_whole());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_can_neither_change_nor_remove_what_is_on_record() {
    let app = with_six_events().await;
    let name = &app.services.as_ref().unwrap().name;
    let mut server = sqlx::postgres::PgConnection::connect(&login_url(name)).await.unwrap();
    let month: String = sqlx::query_scalar("select tableoid::regclass::text from auth.audit_log limit 1")
        .fetch_one(&mut server)
        .await
        .unwrap();
    for table in
        ["auth.audit_log", &month, "auth.audit_log_default", "auth.audit_chain", "auth.audit_checkpoints"]
    {
        for act in
            ["update TABLE set created_at = now()", "delete from TABLE", "truncate TABLE", "drop table TABLE"]
        {
            if table == "auth.audit_chain" && act.starts_with("update") {
                continue;
            }
            let statement = act.replace("TABLE", table);
            let refused =
                sqlx::raw_sql(AssertSqlSafe(statement.clone())).execute(&mut server).await.unwrap_err();
            let code = refused.as_database_error().and_then(|error| error.code().map(String::from));
            assert_eq!(code.as_deref(), Some("42501"), "{statement}");
        }
    }
    for early in [
        "select auth.drop_audit_months(now(), 6, link, link) from auth.audit_chain where seq = 6",
        "select auth.begin_audit_clearing(now())",
        "select auth.clear_audit_addresses('-infinity', now() - interval '2 days')",
    ] {
        let refused = sqlx::raw_sql(early).execute(&mut server).await.unwrap_err();
        let code = refused.as_database_error().and_then(|error| error.code().map(String::from));
        assert_eq!(code.as_deref(), Some("23514"), "{early}");
    }
    assert_eq!(log(&app).await.len(), 6);
}

/// Two replicas, one killed between the script that did it and the database that has it on record.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i6_two_replicas_sign_one_chain_and_one_that_is_killed_loses_and_doubles_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let services = Services::new().await;
    let mut settings = services.settings();
    settings.extend(
        [
            MASTER,
            ("DATABASE__MIGRATE_AT_START", "false"),
            ("LIMITS__VERIFIES", "100000"),
            ("LIMITS__CODE_REQUESTS", "100000"),
            ("LIMITS__CLIENT_SENDS_PER_10MIN", "100000"),
            ("LIMITS__CLIENT_SENDS_PER_HOUR", "100000"),
            ("LIMITS__NETWORK_SENDS_PER_HOUR", "100000"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    let (one, other) =
        (Process::start(&settings, folder.path()).await, Process::start(&settings, folder.path()).await);
    for number in 0..40 {
        let email = json!({"email": format!("person-{number}@example.org")});
        let replica = if number % 2 == 0 { &one } else { &other };
        assert_eq!(replica.post(READER, "/auth/v1/otp", email).await.0.as_u16(), 200);
    }
    let asked = "auth.audit_log where action = 'code_asked'";
    until(async || services.count(asked).await == 40).await;
    assert_eq!(other.stop().await.0, Some(0));
    // The log can be read, not written: what happens now waits in Redis while the replica tries.
    let mut blocker = services.sql.begin().await.unwrap();
    sqlx::query("lock table auth.audit_log in exclusive mode").execute(&mut *blocker).await.unwrap();
    for number in 40..60 {
        let email = json!({"email": format!("person-{number}@example.org")});
        assert_eq!(one.post(READER, "/auth/v1/otp", email).await.0.as_u16(), 200);
    }
    services.somebody_waits().await;
    one.kill().await;
    blocker.rollback().await.unwrap();
    let next = Process::start(&settings, folder.path()).await;
    until(async || services.count(asked).await >= 60).await;
    until(async || services.count("auth.audit_chain").await >= 64).await;
    let ended = run(&["audit", "verify"], &settings, folder.path()).await;
    assert_eq!(ended.code, Some(0), "{}", ended.output);
    assert_eq!(next.stop().await.0, Some(0));
    assert_eq!(services.count(asked).await, 60, "once each");
    assert_eq!(services.count("auth.audit_chain").await, 64, "with those of the keys");
    let head = "auth.audit_chain where seq = 64";
    assert_eq!(services.count(head).await, 1, "one chain without a gap");

    let event = "(select event_id from auth.audit_chain where seq = 30)";
    sqlx::raw_sql(AssertSqlSafe(format!("delete from auth.audit_log where id = {event}")))
        .execute(&services.sql)
        .await
        .unwrap();
    let ended = run(&["audit", "verify", "--json"], &settings, folder.path()).await;
    assert_eq!(ended.code, Some(1), "{}", ended.output);
    let line = ended.output.lines().find(|line| line.starts_with('{')).unwrap();
    let report: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(
        (text(&report["faults"][0], "kind"), &report["faults"][0]["seq"]),
        ("removed_row", &json!(30))
    );
    let noted = format!("64:{}", "0".repeat(64));
    let ended = run(&["audit", "verify", "--head", &noted], &settings, folder.path()).await;
    assert!(ended.code == Some(1) && ended.output.contains("head"), "{}", ended.output);
}

async fn until(condition: impl AsyncFn() -> bool) {
    for _ in 0..800 {
        if condition().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("it did not come to that");
}
