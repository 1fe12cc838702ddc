//! Every key rotated twice under traffic, on two replicas: no token that is still good is refused on either.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::join_all;

use super::*;
use crate::support::app::MANAGE;

const MINUTE: Duration = Duration::from_secs(60);
const SETTINGS: [(&str, &str); 4] = [
    ("KEYS__ROTATE_DAYS", "1"),
    // Sessions outlive the days that pass here.
    ("SITES__MANAGEMENT__SESSION_IDLE_SECS", "15552000"),
    ("SITES__MANAGEMENT__SESSION_MAX_SECS", "15552000"),
    ("LIMITS__SENDS_PER_DAY", "1000"),
];
/// Least time that a verifier may have kept the key set of before.
const KEY_SET_LIFE: i64 = 600;

/// What people do all the time, on one replica or the other.
struct Traffic<'a> {
    replicas: [&'a TestApp; 2],
    over: AtomicBool,
    /// Requests with a token that was good all the while.
    checked: AtomicUsize,
    signed_in: AtomicUsize,
}

/// A session as its client knows it.
struct Client<'a> {
    host: &'a str,
    access: String,
    refresh: String,
    ends_at: i64,
}

impl<'a> Client<'a> {
    fn of(host: &'a str, session: &Value) -> Self {
        Self {
            host,
            access: text(session, "access_token").to_owned(),
            refresh: text(session, "refresh_token").to_owned(),
            ends_at: session["expires_at"].as_i64().unwrap(),
        }
    }
}

impl<'a> Traffic<'a> {
    fn now(&self) -> i64 {
        self.replicas[0].flows.now().timestamp()
    }

    /// Signs in on one replica; the mail may come from either.
    async fn sign_in(&self, host: &'a str, email: &str) -> Client<'a> {
        let [one, other] = self.replicas;
        let inboxes = [one.mails_to(email) + 1, other.mails_to(email) + 1];
        one.request_code(host, email).await.assert_ok();
        let code = tokio::select! {
            mail = one.mail(email, inboxes[0]) => one.code_in(&mail),
            mail = other.mail(email, inboxes[1]) => other.code_in(&mail),
        };
        let answer = one.verify(host, email, &code).await;
        self.signed_in.fetch_add(1, Ordering::Relaxed);
        Client::of(host, &answer.assert_ok().body)
    }

    /// Uses a session on both replicas until it is over, refreshing now and then.
    async fn use_session(&self, mut client: Client<'a>) {
        let mut round = 0;
        while !self.over.load(Ordering::Relaxed) {
            round += 1;
            for replica in self.replicas {
                let answer = replica.get_with_token(client.host, "/auth/v1/user", &client.access).await;
                // The clock only goes forward: good now, it was good when it was sent.
                if client.ends_at > self.now() {
                    assert!(answer.status.is_success(), "refused after {round} rounds: {answer:?}");
                    self.checked.fetch_add(1, Ordering::Relaxed);
                }
            }
            // Some hold a token for as long as it lives, others get a new one every few requests.
            if client.ends_at <= self.now() || (client.host == READER && round % 5 == 0) {
                let replica = self.replicas[round % 2];
                let answer = replica.refresh(client.host, &client.refresh).await;
                client = Client::of(client.host, &answer.assert_ok().body);
            }
        }
    }

    /// Lets so many requests with good tokens pass.
    async fn flow(&self, requests: usize) {
        let before = self.checked.load(Ordering::Relaxed);
        let passed = async {
            while self.checked.load(Ordering::Relaxed) < before + requests {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), passed).await.expect("the traffic goes on");
    }
}

/// When each key was first seen in the key set of each replica, by the moved clock.
#[derive(Default)]
struct Seen([BTreeMap<String, DateTime<Utc>>; 2]);

impl Seen {
    async fn look(&mut self, replicas: [&TestApp; 2]) {
        for (seen, replica) in self.0.iter_mut().zip(replicas) {
            let now = replica.flows.now();
            for kid in published(replica).await {
                seen.entry(kid).or_insert(now);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f18_every_key_rotates_twice_under_traffic_and_no_good_token_is_refused_on_two_replicas() {
    let app = TestApp::on_services_with(&SETTINGS).await;
    let other = app.replica(&SETTINGS).await;
    let replicas = [&app, &other];
    let traffic = Traffic {
        replicas,
        over: AtomicBool::new(false),
        checked: AtomicUsize::new(0),
        signed_in: AtomicUsize::new(0),
    };
    let first = the_key(&app, KeyState::Active).await;
    let mut clients = Vec::new();
    for number in 0..3 {
        let email = format!("ada{number}@example.org");
        clients.push(traffic.sign_in(READER, &email).await);
    }
    clients.push(traffic.sign_in(MANAGE, "ada0@example.org").await);
    let users = join_all(clients.into_iter().map(|client| traffic.use_session(client)));
    let time = async {
        let mut seen = Seen::default();
        let mut signed_by = Vec::from([first.clone()]);
        seen.look(replicas).await;
        for day in 0..3 {
            // Close to the end of the day, then in steps through the change of keys.
            for step in 0..18 {
                app.advance(if step == 0 { 22 * 60 * MINUTE + 50 * MINUTE } else { 10 * MINUTE }).await;
                // Now one replica, now the other is the first to find what is due; traffic flows in between.
                let order = if step % 2 == 0 { [&app, &other] } else { [&other, &app] };
                for replica in order {
                    replica.flows.load_signing_keys().await.unwrap();
                    traffic.flow(6).await;
                }
                seen.look(replicas).await;
                let email = format!("eve{day}-{step}@example.org");
                let client = traffic.sign_in(READER, &email).await;
                let kid = kid_of(&client.access);
                if !signed_by.contains(&kid) {
                    // No reading later than the first token: published here and there long before.
                    for seen in &seen.0 {
                        let since = app.flows.now() - seen[&kid];
                        assert!(since.num_seconds() >= KEY_SET_LIFE, "{kid} signs {since} after it was seen");
                    }
                    signed_by.push(kid);
                }
            }
        }
        traffic.over.store(true, Ordering::Relaxed);
        signed_by
    };
    let (_, signed_by) = tokio::join!(users, time);
    assert!(signed_by.len() >= 3, "{signed_by:?}");
    assert_eq!(signed_by[0], first);
    let gone: Vec<_> = keys_in(&app, KeyState::Gone).await.into_iter().map(|key| key.kid).collect();
    assert!(gone.contains(&signed_by[0]) && gone.contains(&signed_by[1]), "{gone:?} of {signed_by:?}");
    // The same happened to the keys of the other site.
    let manage = app.flows.signing_keys(Some("management"), 100).await.unwrap();
    assert!(manage.iter().filter(|key| key.state == KeyState::Gone).count() >= 2, "{manage:?}");
    assert!(traffic.checked.load(Ordering::Relaxed) > 500);
    assert_eq!(traffic.signed_in.load(Ordering::Relaxed), 4 + 3 * 18);
}
