//! Whose identity a pooled connection has: nobody's, but for the length of a transaction.

use std::task::Poll;
use std::time::Duration;

use doorcode::domain::{SessionId, SignOutScope, UserId};
use doorcode::ports::db::{
    Admitted, Bearer, Db as ServerDb, DbSettings, Identity, Pooler, SignedOut, StatementLimits,
};
use doorcode::telemetry::DbCounts;
use serde_json::{Value, json};
use sqlx::Connection as _;
use sqlx::postgres::PgPoolOptions;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use url::Url;
use uuid::Uuid;

use super::support::database::{Db, become_role};
use super::support::libraries::{Libraries, management, reading};
use super::support::services::{is_behind_pgbouncer, login_url};

pub(crate) const PEOPLE: usize = 50;
const REQUESTS: usize = 500;

pub(crate) async fn make_people(db: &mut Db) -> Vec<Uuid> {
    let mut people = Vec::new();
    for place in 0..PEOPLE {
        people.push(db.make_user(&format!("reader{place}@example.org"), json!({})).await);
    }
    people
}

/// Starts all requests at once; every fifth is cut off wherever it is by then: waiting, setting up, reading or about to
/// commit. Fails if one of them did, or if few were cut off.
pub(crate) async fn at_once<Work: Future<Output = ()> + Send + 'static>(request: impl Fn(usize) -> Work) {
    let mut requests = JoinSet::new();
    for place in 0..REQUESTS {
        let work = request(place);
        requests.spawn(async move {
            if place.is_multiple_of(5) {
                let patience = Duration::from_micros(500 * (place as u64 % 97));
                tokio::time::timeout(patience, work).await.is_err()
            } else {
                work.await;
                false
            }
        });
    }
    let mut cut = 0;
    while let Some(was_cut) = requests.join_next().await {
        cut += u32::from(was_cut.unwrap());
    }
    assert!(cut >= 50, "only {cut} requests were cut off");
}

/// A session for everybody.
pub(crate) async fn make_sessions(db: &mut Db, people: &[Uuid]) -> Vec<Uuid> {
    let mut sessions = Vec::new();
    for person in people {
        let session = Uuid::new_v4();
        db.run(&format!(
            "insert into auth.sessions (id, user_id, site, challenge_id, not_after)
             values ('{session}', '{person}', 'reader', '{session}', now() + interval '1 day')"
        ))
        .await
        .unwrap();
        sessions.push(session);
    }
    sessions
}

/// The server's own connections, and a session for everybody.
async fn server_with_sessions(db: &mut Db, people: &[Uuid], pool_size: u32) -> (ServerDb, Vec<Uuid>) {
    let sessions = make_sessions(db, people).await;
    let url = db.services.as_ref().unwrap().server_url();
    let pooler = if is_behind_pgbouncer() { Pooler::Transaction } else { Pooler::None };
    (connect(url, pooler, pool_size), sessions)
}

/// The server's own connections, wherever a URL leads.
pub(crate) fn connect(url: String, pooler: Pooler, pool_size: u32) -> ServerDb {
    connect_within(Duration::from_secs(60), url, pooler, pool_size)
}

fn connect_within(acquire_timeout: Duration, url: String, pooler: Pooler, pool_size: u32) -> ServerDb {
    let settings = DbSettings {
        url: url.into(),
        pool_size,
        acquire_timeout,
        limits: StatementLimits {
            statement_timeout: Duration::from_secs(10),
            lock_timeout: Duration::from_secs(10),
        },
        pooler,
        keep_open: false,
    };
    ServerDb::new(&settings, DbCounts::default()).unwrap()
}

/// A request of the library API: reads a few times, and commits or, as after an error, is dropped.
pub(crate) async fn as_person(server: ServerDb, person: Uuid, session: Uuid, commit: bool) {
    let bearer = Bearer { user: UserId(person), session: SessionId(session), site: "reader" };
    let claims = reading(person).to_string();
    let identity = Identity { claims: &claims, ip: [192, 0, 2, 1].into(), user_agent: None };
    let Admitted::Yes(mut transaction) = server.admit(&bearer, &identity).await.unwrap() else {
        panic!("not admitted");
    };
    for _ in 0..3 {
        assert_eq!(transaction.own_profile().await.unwrap().id, UserId(person));
    }
    if commit {
        transaction.commit().await.unwrap();
    }
}

/// By the code that the server runs for every request of its library API.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t36_the_server_acts_for_nobody_but_the_caller() {
    let mut db = Db::on_services().await;
    let people = make_people(&mut db).await;
    let (server, sessions) = server_with_sessions(&mut db, &people, 4).await;
    at_once(|request| {
        let (person, session) = (people[request % PEOPLE], sessions[request % PEOPLE]);
        as_person(server.clone(), person, session, !request.is_multiple_of(3))
    })
    .await;
    // What the server does on its own account needs its own role, on each connection.
    for check in futures_util::future::join_all((0..40).map(|_| server.check())).await {
        check.unwrap();
    }
}

/// A transaction that stayed open would swallow what the next request writes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t36_wherever_a_request_is_cut_off_its_transaction_ends_and_the_next_one_is_kept() {
    let mut db = Db::on_services().await;
    let people = make_people(&mut db).await;
    let (server, sessions) = server_with_sessions(&mut db, &people, 1).await;
    let services = db.services.as_ref().unwrap();
    let mut was_cut = 0;
    for polls in 0..40 {
        let (person, session) = (people[polls], sessions[polls]);
        let cut = cut_after(polls, as_person(server.clone(), person, session, true)).await;
        was_cut += u32::from(cut);
        let bearer = Bearer { user: UserId(person), session: SessionId(session), site: "reader" };
        let ended = server.sign_out(&bearer, SignOutScope::Local, (None, None)).await.unwrap();
        assert_eq!(ended, SignedOut::Ended(1), "cut off after {polls} polls");
        let seen: i64 = sqlx::query_scalar("select count(*) from auth.sessions where id = $1")
            .bind(session)
            .fetch_one(&services.sql)
            .await
            .unwrap();
        assert_eq!(seen, 0, "signed out for nobody but itself, after a cut after {polls} polls");
    }
    assert!((2..40).contains(&was_cut), "{was_cut} requests were cut off");
    server.close().await;
}

/// Over one connection, so that whatever one of them left there would be met by the next.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t36_permissions_are_the_callers_own_and_nothing_of_the_caller_stays() {
    let mut db = Db::on_services().await;
    let libraries = Libraries::fill(&mut db).await;
    let people = [libraries.owner, libraries.elsewhere, libraries.bystander];
    let (server, sessions) = server_with_sessions(&mut db, &people, 1).await;
    let ask = async |person: usize, session: Uuid, claims: String| {
        let bearer = Bearer { user: UserId(people[person]), session: SessionId(session), site: "reader" };
        let identity = Identity { claims: &claims, ip: [192, 0, 2, 1].into(), user_agent: Some("x'; --") };
        server.permissions(&bearer, &identity).await
    };
    let expected = [Some("north"), Some("south"), None];
    // More often than PostgreSQL tries special plans before it settles for one.
    for round in 0..12 {
        for (person, code) in expected.iter().enumerate() {
            let as_staff = management(people[person]).to_string();
            let Admitted::Yes(found) = ask(person, sessions[person], as_staff).await.unwrap() else {
                panic!("not admitted");
            };
            assert_eq!(found["is_reader"], true);
            assert_eq!(found["staff_libraries"][0]["code"].as_str(), *code, "{person} in round {round}");
            // The same person with a token of the other site.
            let as_reader = reading(people[person]).to_string();
            let Admitted::Yes(found) = ask(person, sessions[person], as_reader).await.unwrap() else {
                panic!("not admitted");
            };
            assert_eq!(found["is_library_staff"], false);
            server.check().await.unwrap();
        }
        let owner = management(people[0]).to_string();
        let refused = ask(0, sessions[1], owner.clone()).await.unwrap();
        assert!(matches!(refused, Admitted::NoSession), "with somebody else's session");
        // Fails in the middle of it, in the caller's role.
        assert!(ask(0, sessions[0], "no JSON".to_owned()).await.is_err());
        server.check().await.unwrap();
        cut_after(round, async { drop(ask(0, sessions[0], owner).await) }).await;
        server.check().await.unwrap();
    }
    server.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_no_more_than_allowed_replaced_when_they_die_and_gone_after_the_end() {
    let mut db = Db::on_services().await;
    let people = make_people(&mut db).await;
    let (server, _) = server_with_sessions(&mut db, &people, 3).await;
    let services = db.services.as_ref().unwrap();
    for _ in 0..5 {
        for check in futures_util::future::join_all((0..20).map(|_| server.check())).await {
            check.unwrap();
        }
        assert_eq!(services.connections("application_name = 'doorcode'").await, 3);
        // All at once, while they lie idle and are trusted.
        let killed =
            "case when application_name = 'doorcode' and datname = $1 then pg_terminate_backend(pid) end";
        assert_eq!(services.connections(killed).await, 3);
        server.check().await.unwrap();
    }
    // One is cut off in the middle of a statement of each length; the others need not wait for it.
    for polls in 0..20 {
        cut_after(polls, async {
            server.check().await.unwrap();
        })
        .await;
        server.check().await.unwrap();
    }
    assert!(services.connections("application_name = 'doorcode'").await <= 3);
    server.close().await;
    server.check().await.unwrap_err();
    for _ in 0..200 {
        if services.connections("application_name = 'doorcode'").await == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("a connection outlived the pool");
}

/// PostgreSQL hangs, and requests keep coming.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f07_no_more_than_two_wait_for_each_connection_while_nobody_gets_one() {
    let mut db = Db::on_services().await;
    let people = make_people(&mut db).await;
    let sessions = make_sessions(&mut db, &people).await;
    let url = db.services.as_ref().unwrap().server_url();
    let pooler = if is_behind_pgbouncer() { Pooler::Transaction } else { Pooler::None };
    let patience = Duration::from_secs(8);
    let server = connect_within(patience, url, pooler, 3);
    let mut blocker = db.connection.begin().await.unwrap();
    sqlx::query("lock table auth.sessions in access exclusive mode").execute(&mut *blocker).await.unwrap();
    let mut held = JoinSet::new();
    for (person, session) in people.iter().zip(&sessions).take(3) {
        held.spawn(as_person(server.clone(), *person, *session, true));
    }
    while server.connections().in_use < 3 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // By now nobody has had a turn for a quarter of the time that there is.
    tokio::time::sleep(patience / 4).await;
    let mut waiting = JoinSet::new();
    for _ in 0..50 {
        let server = server.clone();
        waiting.spawn(async move { server.check().await });
    }
    for _ in 0..44 {
        waiting.join_next().await.unwrap().unwrap().unwrap_err();
    }
    assert_eq!(server.connections().waited_for, 6);
    blocker.rollback().await.unwrap();
    held.join_all().await;
    for checked in waiting.join_all().await {
        checked.unwrap();
    }
    // A crowd is none: each has its turn soon.
    for checked in futures_util::future::join_all((0..200).map(|_| server.check())).await {
        checked.unwrap();
    }
}

/// Many come at once after PostgreSQL was away: each waits for its turn and has no time left to connect.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f19_a_connection_that_takes_longer_to_make_than_anybody_waits_is_made_all_the_same() {
    let (patience, slowness) = (Duration::from_millis(100), Duration::from_millis(400));
    let db = Db::on_services().await;
    let mut url = Url::parse(&db.services.as_ref().unwrap().server_url()).unwrap();
    let postgres = url.port().unwrap();
    let slow = TcpListener::bind("127.0.0.1:0").await.unwrap();
    url.set_port(Some(slow.local_addr().unwrap().port())).unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = slow.accept().await {
            tokio::spawn(async move {
                tokio::time::sleep(slowness).await;
                let mut server = TcpStream::connect(("127.0.0.1", postgres)).await.unwrap();
                // It ends with either of them.
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    let pooler = if is_behind_pgbouncer() { Pooler::Transaction } else { Pooler::None };
    let server = connect(url.into(), pooler, 1);
    for _ in 0..100 {
        if let Ok(checked) = tokio::time::timeout(patience, server.check()).await {
            checked.unwrap();
            return;
        }
    }
    panic!("no connection was ever made");
}

/// Polls a request so many times, then drops it; whether it was not done by then.
pub(crate) async fn cut_after(polls: usize, request: impl Future<Output = ()>) -> bool {
    let mut request = Box::pin(request);
    let mut left = polls;
    std::future::poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(true);
        }
        left -= 1;
        request.as_mut().poll(context).map(|()| false)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t36_no_request_sees_another_persons_rows_and_no_connection_remembers_anybody() {
    let mut db = Db::on_services().await;
    let people = make_people(&mut db).await;
    let url = login_url(&db.services.as_ref().unwrap().name);
    // Without a check of its own when a connection is handed out: what is left there would be met.
    let pool = PgPoolOptions::new()
        .max_connections(4)
        .min_connections(4)
        .acquire_timeout(Duration::from_secs(60))
        .test_before_acquire(false)
        .connect(&url)
        .await
        .unwrap();
    at_once(|request| {
        let (pool, person) = (pool.clone(), people[request % PEOPLE]);
        async move {
            let mut transaction = pool.begin().await.unwrap();
            // Whoever was here before has left nothing.
            let found: (bool, Option<String>) =
                sqlx::query_as(IDENTITY).fetch_one(&mut *transaction).await.unwrap();
            assert!(found.0 && found.1.as_deref().unwrap_or_default().is_empty(), "{found:?}");
            become_role(&mut transaction, "authenticated", &claims(request, person)).await;
            for _ in 0..3 {
                let seen: Vec<Uuid> = sqlx::query_scalar(
                    "select id from user_profiles union all select id from user_preferences, pg_sleep(0.001)",
                )
                .fetch_all(&mut *transaction)
                .await
                .unwrap();
                assert_eq!(seen, [person, person]);
            }
            if request.is_multiple_of(3) { transaction.rollback().await } else { transaction.commit().await }
                .unwrap();
        }
    })
    .await;
    let mut connections = Vec::new();
    for _ in 0..4 {
        connections.push(pool.acquire().await.unwrap());
    }
    for connection in &mut connections {
        let left: (bool, Option<String>) =
            sqlx::query_as(IDENTITY).fetch_one(&mut **connection).await.unwrap();
        assert!(left.0 && left.1.as_deref().unwrap_or_default().is_empty(), "{left:?}");
    }
}

const IDENTITY: &str = "select current_user = session_user, current_setting('request.jwt.claims', true)";

/// Half of the requests come from either site.
fn claims(request: usize, person: Uuid) -> Value {
    if request.is_multiple_of(2) { reading(person) } else { management(person) }
}
