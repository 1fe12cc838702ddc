//! A streaming replica that administrators' lists are read from: nothing is missing there, and it may go at any time.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use doorcode::domain::Scope;
use serde_json::Value;
use sqlx::{Connection, PgConnection};

use super::admin::service_key;
use super::support::Services;
use super::support::app::{MANAGE, READER, TestApp};
use super::support::cluster::Cluster;

/// Statements that the server's connections ran last, as PostgreSQL remembers them.
async fn last_statements(cluster: &Cluster) -> Vec<String> {
    let mut connection = PgConnection::connect(&cluster.url("postgres")).await.unwrap();
    let query = "select query from pg_stat_activity where application_name = 'doorcode'";
    sqlx::query_scalar(query).fetch_all(&mut connection).await.unwrap()
}

async fn run(cluster: &Cluster, statement: &'static str) {
    let mut connection = PgConnection::connect(&cluster.url("postgres")).await.unwrap();
    sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
}

struct Story {
    app: TestApp,
    primary: Cluster,
    replica: Cluster,
    key: String,
}

impl Story {
    async fn begin() -> Self {
        let primary = Cluster::started();
        let replica = Cluster::following(&primary);
        let mut changes = primary.settings().to_vec();
        changes.push(("DATABASE__REPLICA_URL", replica.url("doorcode:secret")));
        changes.push(("DATABASE__MIGRATE_AT_START", "true".to_owned()));
        // Two busy cores: that it has come so far is what counts here, not how fast.
        changes.push(("DATABASE__REPLICA_PATIENCE_MS", "3000".to_owned()));
        let changes: Vec<_> = changes.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let app = TestApp::on(Services::new().await, &changes).await;
        let (_, key) = service_key(&app, Scope::Read).await;
        Self { app, primary, replica, key }
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.app.get_with_token(MANAGE, &format!("/admin/v1{path}"), &self.key).await;
        answer.assert_ok().body.clone()
    }

    /// How many accounts there are to see.
    async fn accounts(&self) -> usize {
        self.get("/users").await["items"].as_array().unwrap().len()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_are_read_from_the_replica_and_lack_nothing_that_was_written_before() {
    let story = Story::begin().await;
    for count in 1..=20 {
        story.app.sign_in(READER, &format!("reader{count}@example.org")).await;
        assert_eq!(story.accounts().await, count, "whoever has just signed in is there");
    }
    story.get("/audit").await;
    story.get("/figures").await;
    let (here, there) = (last_statements(&story.primary).await, last_statements(&story.replica).await);
    // The figures; a search of the audit log may have used the same connection before.
    let lists = |statements: &[String]| {
        statements.iter().filter(|text| text.contains("date_trunc('hour', created_at")).count()
    };
    assert!(lists(&there) >= 1 && lists(&here) == 0, "read there: {there:?}, and not here: {here:?}");
    // Who asks is a question for the primary.
    assert!(!there.iter().any(|text| text.contains("service_keys") || text.contains("auth.sessions")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_behind_or_down_is_left_alone_and_nobody_notices() {
    let story = Story::begin().await;
    story.app.sign_in(READER, "ada@example.org").await;
    assert_eq!(story.accounts().await, 1);
    run(&story.replica, "select pg_wal_replay_pause()").await;
    story.app.sign_in(READER, "eve@example.org").await;
    assert_eq!(story.accounts().await, 2, "past its patience, from the primary");
    let began = Instant::now();
    for _ in 0..5 {
        assert_eq!(story.accounts().await, 2);
    }
    assert!(began.elapsed() < Duration::from_secs(2), "nobody waits for it again: {:?}", began.elapsed());
    run(&story.replica, "select pg_wal_replay_resume()").await;
    assert!(story.is_read_again().await, "read again once it has caught up");
    story.replica.kill();
    let began = Instant::now();
    story.app.sign_in(READER, "eve2@example.org").await;
    assert_eq!(story.accounts().await, 3);
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    story.replica.start();
    assert!(story.is_read_again().await, "read again once it is back");
    // Promoted, it is no replica any more, and goes its own way.
    run(&story.replica, "select pg_promote()").await;
    story.app.sign_in(READER, "eve3@example.org").await;
    assert_eq!(story.accounts().await, 4);
}

impl Story {
    /// Asks until a list is read from the replica.
    async fn is_read_again(&self) -> bool {
        let mut connection = PgConnection::connect(&self.replica.url("postgres")).await.unwrap();
        let now: DateTime<Utc> =
            sqlx::query_scalar("select clock_timestamp()").fetch_one(&mut connection).await.unwrap();
        let since = "select count(*) from pg_stat_activity
                      where application_name = 'doorcode' and query_start > $1 and query like '%find_accounts%'";
        for _ in 0..150 {
            self.accounts().await;
            let found: i64 = sqlx::query_scalar(since).bind(now).fetch_one(&mut connection).await.unwrap();
            if found > 0 {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        false
    }
}
