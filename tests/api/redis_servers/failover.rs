//! A master dies in the middle of sign-ins: its place is taken, and nobody gets in twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use super::super::support::app::READER;
use super::super::support::process::Process;
use super::super::support::{OwnRedis, Services};
use super::serve;

/// In which normal service has to be back once another master is there.
const BACK: Duration = Duration::from_secs(10);

/// People who sign in, one after the other, until they are told to stop.
struct Visitors {
    process: Process,
    stop: AtomicBool,
    /// How often each of them got in.
    sessions: AtomicU64,
    /// Sign-ins that failed for want of Redis.
    turned_away: AtomicU64,
    /// Sign-ins that worked in a row.
    in_a_row: AtomicU64,
}

impl Visitors {
    async fn come(self: Arc<Self>, visitor: usize) {
        for visit in 0.. {
            if self.stop.load(Ordering::SeqCst) {
                return;
            }
            let email = format!("v{visitor}-{visit}@example.org");
            if self.sign_in(&email).await {
                self.in_a_row.fetch_add(1, Ordering::SeqCst);
            } else {
                self.in_a_row.store(0, Ordering::SeqCst);
                self.turned_away.fetch_add(1, Ordering::SeqCst);
            }
        }
    }

    /// Whether they got in, once; a second time the code is of no use.
    async fn sign_in(&self, email: &str) -> bool {
        if self.served("/auth/v1/otp", json!({"email": email}), &[200]).await.is_none() {
            return false;
        }
        let Some(code) = self.process.code_if_it_comes(email, Duration::from_secs(3)).await else {
            return false;
        };
        let body = json!({"type": "email", "email": email, "token": code});
        let first = self.served("/auth/v1/verify", body.clone(), &[200, 403]).await;
        let second = self.served("/auth/v1/verify", body, &[200, 403]).await;
        let times = [first, second].iter().filter(|status| **status == Some(200)).count();
        assert!(times <= 1, "{email} got in twice with one code");
        self.sessions.fetch_add(times as u64, Ordering::SeqCst);
        first == Some(200)
    }

    /// The status, if it is one of those that a healthy server would give; otherwise it must be an honest 503.
    async fn served(&self, path: &str, body: serde_json::Value, usual: &[u16]) -> Option<u16> {
        let began = Instant::now();
        let answer = self.process.answer(READER, path, &body).await;
        let status = answer.status().as_u16();
        if usual.contains(&status) {
            return Some(status);
        }
        assert_eq!(status, 503, "{path} {body}\n{}", self.process.log());
        assert!(answer.headers().contains_key("retry-after"), "{path}: {answer:?}");
        assert!(began.elapsed() < Duration::from_secs(3), "{path} took {:?}", began.elapsed());
        None
    }
}

async fn until(what: &str, patience: Duration, mut condition: impl AsyncFnMut() -> bool) -> Duration {
    let began = Instant::now();
    while !condition().await {
        assert!(began.elapsed() < patience, "{what}: not within {patience:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    began.elapsed()
}

async fn a_master_dies_in_the_middle_of_sign_ins(redis: OwnRedis, how: &str) {
    let (services, folder) = (Services::on(&redis).await, tempfile::tempdir().unwrap());
    let process = serve(&redis, &services, &[("REDIS__PARTITIONS", "8")], folder.path()).await;
    let visitors = Arc::new(Visitors {
        process,
        stop: AtomicBool::new(false),
        sessions: AtomicU64::new(0),
        turned_away: AtomicU64::new(0),
        in_a_row: AtomicU64::new(0),
    });
    let coming: Vec<_> = (0..4).map(|visitor| tokio::spawn(Arc::clone(&visitors).come(visitor))).collect();
    let in_a_row = |count| {
        let visitors = Arc::clone(&visitors);
        async move || visitors.in_a_row.load(Ordering::SeqCst) >= count
    };
    until("sign-ins before", Duration::from_secs(30), in_a_row(8)).await;
    let dead = redis.master_of("t-{0}").await.unwrap();
    redis.signal(dead, how);
    visitors.in_a_row.store(0, Ordering::SeqCst);
    until("a failover", Duration::from_secs(30), async || {
        redis.master_of("t-{0}").await.is_some_and(|port| port != dead)
    })
    .await;
    // All eight partitions, most likely: addresses fall where they fall.
    visitors.in_a_row.store(0, Ordering::SeqCst);
    until("sign-ins after the failover", BACK, in_a_row(24)).await;
    visitors.stop.store(true, Ordering::SeqCst);
    for visitor in coming {
        visitor.await.unwrap();
    }
    assert!(visitors.turned_away.load(Ordering::SeqCst) > 0, "nobody noticed: nothing was tried");
    assert_eq!(
        services.count("auth.sessions").await,
        i64::try_from(visitors.sessions.load(Ordering::SeqCst)).unwrap()
    );
    let twice = "(select user_id from auth.sessions group by user_id having count(*) > 1) as twice";
    assert_eq!(services.count(twice).await, 0);
    let visitors = Arc::into_inner(visitors).unwrap();
    assert_eq!(visitors.process.stop().await.0, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f04_a_killed_master_of_a_cluster_is_followed_to_its_replica() {
    a_master_dies_in_the_middle_of_sign_ins(OwnRedis::start(&["cluster"]).await, "KILL").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f04_a_killed_master_that_sentinels_watch_is_followed_to_its_replica() {
    a_master_dies_in_the_middle_of_sign_ins(OwnRedis::start(&["sentinel"]).await, "KILL").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f04_a_master_of_a_cluster_that_falls_silent_is_followed_to_its_replica() {
    a_master_dies_in_the_middle_of_sign_ins(OwnRedis::start(&["cluster"]).await, "STOP").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f04_a_silent_master_that_sentinels_watch_is_followed_to_its_replica() {
    a_master_dies_in_the_middle_of_sign_ins(OwnRedis::start(&["sentinel"]).await, "STOP").await;
}
