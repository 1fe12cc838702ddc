//! What is left when something dies in the middle: of every fault, the same code opens one session, never two.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection};

use super::support::Services;
use super::support::app::{READER, text};
use super::support::cluster::Cluster;
use super::support::own::Own;
use super::support::process::Process;

const MASTER: (&str, &str) = ("SECRETS__MASTER", "h1QeZbJkN0s3x5vY8aBcD2fGiKlMnOpQrStUwXzA46E=");

fn with(mut settings: Vec<(String, String)>, more: &[(&str, &str)]) -> Vec<(String, String)> {
    settings.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    settings
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f16_killed_between_claim_and_commit_the_same_code_opens_one_session() {
    let folder = tempfile::tempdir().unwrap();
    let services = Services::new().await;
    let settings = with(
        services.settings(),
        &[MASTER, ("DATABASE__MIGRATE_AT_START", "false"), ("DATABASE__STATEMENT_TIMEOUT_MS", "30000")],
    );
    let process = Process::start(&settings, folder.path()).await;
    process.post(READER, "/auth/v1/otp", json!({"email": "ada@example.org"})).await;
    let code = process.code_from_inbox("ada@example.org").await;
    // The statement has to wait for this lock, after the code was claimed.
    let mut blocker = services.sql.begin().await.unwrap();
    sqlx::query("lock table auth.sessions in access exclusive mode").execute(&mut *blocker).await.unwrap();
    let verify = process.try_post(
        READER,
        "/auth/v1/verify",
        json!({"type": "email", "email": "ada@example.org", "token": code}),
    );
    let waits = async {
        loop {
            let waiting = services.connections("wait_event_type = 'Lock'").await;
            if waiting > 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        answer = verify => panic!("answered before it could: {answer:?}"),
        () = waits => {}
    }
    process.kill().await;
    blocker.rollback().await.unwrap();
    // The server's half-done statement ends with its connection.
    for _ in 0..200 {
        if services.connections("application_name = 'doorcode'").await == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    let sessions_before = services.count("auth.sessions").await;
    let process = Process::start(&settings, folder.path()).await;
    let (status, _) = process.verify(READER, "ada@example.org", &code).await;
    assert_eq!(status.as_u16(), 403, "the dead server's lease still holds");
    services.advance(Duration::from_secs(11)).await;
    let (status, body) = process.verify(READER, "ada@example.org", &code).await;
    // Had the statement been committed after all, its session is the one; the code must then be refused.
    assert_eq!(status.as_u16(), if sessions_before == 0 { 200 } else { 403 }, "{body}");
    assert_eq!(services.count("auth.sessions").await, 1);
    assert_eq!(services.count("auth.users").await, 1);
    assert_eq!(process.verify(READER, "ada@example.org", &code).await.0.as_u16(), 403);
    assert_eq!(process.stop().await.0, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f04_a_code_that_comes_back_from_the_dead_is_refused_by_its_session() {
    let app = super::support::TestApp::on_services().await;
    let services = app.services.as_ref().unwrap();
    app.request_code(READER, "ada@example.org").await.assert_ok();
    let code = app.code("ada@example.org", 1).await;
    // Redis forgets its last writes when a replica takes over: the challenge is put back as it was.
    let mut redis = services.redis().await;
    let key = services.keys().await.into_iter().find(|key| key.contains(":code:")).unwrap();
    let dump: Vec<u8> = redis::cmd("DUMP").arg(&key).query_async(&mut redis).await.unwrap();
    app.verify(READER, "ada@example.org", &code).await.assert_ok();
    for _ in 0..200 {
        if !services.keys().await.iter().any(|key| key.contains(":code:") || key.contains(":lease:")) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    redis::cmd("RESTORE").arg(&key).arg(600_000).arg(dump).exec_async(&mut redis).await.unwrap();
    app.verify(READER, "ada@example.org", &code).await.assert_problem(403, "otp_expired");
    assert_eq!(services.count("auth.sessions").await, 1);
    assert!(!services.keys().await.contains(&key), "the code is gone for good now");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f06_postgresql_stopped_while_the_right_code_is_typed_then_started_the_same_code_opens_one_session() {
    let (folder, own) = (tempfile::tempdir().unwrap(), Cluster::started());
    let url = own.url("postgres");
    let services = Services::new().await;
    let mut settings = services.settings();
    settings.retain(|(name, _)| !name.starts_with("DATABASE"));
    settings.extend(own.settings().map(|(name, value)| (name.to_owned(), value)));
    let settings = with(settings, &[MASTER]);
    let process = Process::start(&settings, folder.path()).await;
    process.post(READER, "/auth/v1/otp", json!({"email": "eve@example.org"})).await;
    let code = process.code_from_inbox("eve@example.org").await;
    let (_, eve) = process.verify(READER, "eve@example.org", &code).await;
    process.post(READER, "/auth/v1/otp", json!({"email": "ada@example.org"})).await;
    let code = process.code_from_inbox("ada@example.org").await;
    own.kill();
    for _ in 0..7 {
        let started = std::time::Instant::now();
        let (status, body) = process.verify(READER, "ada@example.org", &code).await;
        assert_eq!((status.as_u16(), text(&body, "code")), (503, "service_unavailable"));
        assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    }
    let (status, _) = process.get(READER, "/health/ready").await;
    assert_eq!(status.as_u16(), 503);
    assert_eq!(process.get(READER, "/health/live").await.0.as_u16(), 200);
    assert_eq!(process.get(READER, "/.well-known/jwks.json").await.0.as_u16(), 200);
    own.start();
    let (status, session) = process.verify(READER, "ada@example.org", &code).await;
    assert_eq!(status.as_u16(), 200, "{session}");
    assert_eq!(process.verify(READER, "ada@example.org", &code).await.0.as_u16(), 403);
    let refresh = json!({"refresh_token": text(&eve, "refresh_token")});
    assert_eq!(
        process.post(READER, "/auth/v1/token?grant_type=refresh_token", refresh).await.0.as_u16(),
        200
    );
    let mut sql = sqlx::PgConnection::connect(&url).await.unwrap();
    let query = "select count(*) from auth.sessions s join auth.users u on u.id = s.user_id where u.email = 'ada@example.org'";
    let count: i64 = sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(&mut sql).await.unwrap();
    assert_eq!(count, 1);
    drop(sql);
    assert_eq!(process.stop().await.0, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f06_postgresql_stopped_while_the_codes_of_a_change_or_a_deletion_are_typed_burns_none_of_them() {
    let (folder, own) = (tempfile::tempdir().unwrap(), Cluster::started());
    let url = own.url("postgres");
    let services = Services::new().await;
    let mut settings = services.settings();
    settings.retain(|(name, _)| !name.starts_with("DATABASE"));
    settings.extend(own.settings().map(|(name, value)| (name.to_owned(), value)));
    let settings = with(settings, &[MASTER]);
    let process = Process::start(&settings, folder.path()).await;
    let (old, new) = ("ada@example.org", "lovelace@example.net");
    process.post(READER, "/auth/v1/otp", json!({"email": old})).await;
    let code = process.code_from_inbox(old).await;
    let (_, session) = process.verify(READER, old, &code).await;
    let access = text(&session, "access_token").to_owned();
    let body = json!({"email": new});
    let (status, body) = process.as_bearer(READER, Method::PUT, "/auth/v1/user", &access, body).await;
    assert_eq!(status.as_u16(), 200, "{body}");
    let mut access = access;
    for (email, count) in [(new, 1), (old, 2)] {
        let code = process.nth_code_from_inbox(email, count).await;
        let prove = async || {
            let body = json!({"type": "email_change", "email": email, "token": code});
            process.post(READER, "/auth/v1/verify", body).await
        };
        own.kill();
        // Oftener than a code has tries.
        for _ in 0..6 {
            let (status, body) = prove().await;
            assert_eq!((status.as_u16(), text(&body, "code")), (503, "service_unavailable"));
        }
        own.start();
        let (status, body) = prove().await;
        assert_eq!(status.as_u16(), 200, "{body}");
        assert_eq!(prove().await.0.as_u16(), 403);
        access = body["access_token"].as_str().unwrap_or(&access).to_owned();
    }
    let path = "/auth/v1/user/deletion-code";
    let (status, _) = process.as_bearer(READER, Method::POST, path, &access, json!({})).await;
    assert_eq!(status.as_u16(), 200);
    let code = process.nth_code_from_inbox(new, 2).await;
    let delete = async || {
        let body = json!({"token": code});
        process.as_bearer(READER, Method::DELETE, "/auth/v1/user", &access, body).await
    };
    // Claimed, and then the statement cannot be done: it waits for a lock until its time is over.
    let mut blocker = sqlx::PgConnection::connect(&url).await.unwrap();
    sqlx::raw_sql("begin; lock table auth.users in share mode").execute(&mut blocker).await.unwrap();
    let (status, body) = delete().await;
    assert_eq!((status.as_u16(), text(&body, "code")), (503, "service_unavailable"));
    sqlx::raw_sql("rollback").execute(&mut blocker).await.unwrap();
    drop(blocker);
    assert_eq!(delete().await.0.as_u16(), 204);
    let mut sql = sqlx::PgConnection::connect(&url).await.unwrap();
    let count: i64 = sqlx::query_scalar("select count(*) from auth.users").fetch_one(&mut sql).await.unwrap();
    assert_eq!(count, 0);
    drop(sql);
    assert_eq!(process.stop().await.0, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f01_without_redis_nobody_signs_in_and_sessions_go_on() {
    let (folder, own) = (tempfile::tempdir().unwrap(), Own::new());
    let mut redis = own.start_redis();
    let services = Services::new().await;
    let url = format!("redis://127.0.0.1:{}/0", own.port);
    let settings = with(
        services.settings(),
        &[
            MASTER,
            ("DATABASE__MIGRATE_AT_START", "false"),
            ("REDIS__URL", &url),
            ("REDIS__TIMEOUT_MS", "300"),
        ],
    );
    for _ in 0..100 {
        if std::net::TcpStream::connect(("127.0.0.1", own.port)).is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let process = Process::start(&settings, folder.path()).await;
    process.post(READER, "/auth/v1/otp", json!({"email": "ada@example.org"})).await;
    let code = process.code_from_inbox("ada@example.org").await;
    let (_, session) = process.verify(READER, "ada@example.org", &code).await;
    redis.kill().unwrap();
    redis.wait().unwrap();
    for (path, body) in [
        ("/auth/v1/otp", json!({"email": "eve@example.org"})),
        ("/auth/v1/verify", json!({"type": "email", "email": "ada@example.org", "token": "123456"})),
    ] {
        let started = std::time::Instant::now();
        let (status, answer) = process.post(READER, path, body).await;
        assert_eq!((status.as_u16(), text(&answer, "code")), (503, "service_unavailable"), "{path}");
        assert!(started.elapsed() < Duration::from_secs(2), "{path} took {:?}", started.elapsed());
    }
    let refresh = json!({"refresh_token": text(&session, "refresh_token")});
    assert_eq!(
        process.post(READER, "/auth/v1/token?grant_type=refresh_token", refresh).await.0.as_u16(),
        200
    );
    let (status, ready) = process.get(READER, "/health/ready").await;
    assert_eq!((status.as_u16(), &ready["degraded"]), (200, &json!(["code_store"])));
    let mut redis = own.start_redis();
    let mut recovered = false;
    for _ in 0..100 {
        if process.post(READER, "/auth/v1/otp", json!({"email": "eve@example.org"})).await.0.as_u16() == 200 {
            recovered = true;
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(recovered, "no recovery within ten seconds:\n{}", process.log());
    let code = process.code_from_inbox("eve@example.org").await;
    assert_eq!(process.verify(READER, "eve@example.org", &code).await.0.as_u16(), 200);
    assert_eq!(process.stop().await.0, Some(0));
    redis.kill().unwrap();
    redis.wait().unwrap();
}
