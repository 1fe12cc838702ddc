//! F18, F21: replicas are replaced while keys change and while the schema moves on.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Method;
use serde_json::Value;
use sqlx::migrate::Migrator;
use sqlx::postgres::PgPool;

use crate::ledger::Tokens;
use crate::people::{Crowd, Person, after};
use crate::process;
use crate::replica::Program;
use crate::restarts::roll;
use crate::stores::PEOPLE;
use crate::wire::{Wire, somewhere};
use crate::world::{PUBLISH_AHEAD, Start, World};

/// The end of the time for which a new key only waits.
const LAST: Duration = Duration::from_secs(40);
/// How long a step may take that some reading of the keys brings about: they are read every twenty seconds.
const SOON: Duration = Duration::from_secs(40);

pub(crate) async fn f18_two_rotations_of_the_key_during_a_rolling_restart_refuse_no_good_token(
    world: Arc<World>,
) {
    let crowd = Crowd::come(&world, PEOPLE, 18);
    let keys = Arc::new(KeySets::new(&world));
    let watching = tokio::spawn(Arc::clone(&keys).watch(Arc::clone(&world)));
    let first = Person::new(&world).sign_in_now().await;
    // Somebody who holds the first tokens of each key, and shows them all the while.
    let held = Arc::new(Mutex::new(BTreeMap::from([(kid_of(&first.access), first)])));
    let showing = tokio::spawn(show(Arc::clone(&world), Arc::clone(&held)));
    let rotated = AtomicBool::new(false);
    let restarts = async {
        let mut times = 0;
        while times == 0 || !rotated.load(Ordering::Relaxed) {
            roll(&world).await;
            times += 1;
        }
        times
    };
    let rotations = async {
        for _ in 0..world.rounds(2, 6) {
            let (kid, tokens) = rotate(&world, &keys).await;
            lock(&held).insert(kid, tokens);
        }
        rotated.store(true, Ordering::Relaxed);
    };
    let (restarts, ()) = tokio::join!(restarts, rotations);
    watching.abort();
    showing.abort();
    let held = lock(&held).clone();
    for (kid, tokens) in &held {
        for replica in &world.replicas {
            let wire = Wire::to(&world, replica.port, somewhere());
            let status = wire.user(&tokens.access, &[200]).await.status();
            assert_eq!(status, Some(200), "a token of {kid} on port {}", replica.port);
        }
    }
    println!("  {} keys signed during {restarts} rolling restarts", held.len());
    after(&world, crowd).await;
}

/// A new key for the readers, from its making to its first token.
async fn rotate(world: &Arc<World>, keys: &KeySets) -> (String, Tokens) {
    let settings = world.replicas[0].settings().await;
    let arguments = ["key", "rotate", "reader", "--direct", "--yes", "--json"];
    let made = process::run(&arguments, &settings, world.folder.path()).await.json();
    let kid = made["kid"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
    let until = Instant::now() + SOON;
    while !keys.are_published(&kid) {
        assert!(Instant::now() < until, "{kid} is not published everywhere: {keys:?}");
        remind(world).await;
    }
    // Not yet …
    keys.shift(world, PUBLISH_AHEAD.saturating_sub(LAST)).await;
    remind(world).await;
    let early = Person::new(world).sign_in_now().await;
    assert_ne!(kid_of(&early.access), kid, "a key that signs before its time");
    // … and now it may.
    let due = keys.now() + LAST;
    keys.shift(world, LAST).await;
    let until = Instant::now() + SOON;
    loop {
        let tokens = Person::new(world).sign_in_now().await;
        if kid_of(&tokens.access) == kid {
            keys.assert_published_long_before(&kid, due);
            return (kid, tokens);
        }
        assert!(Instant::now() < until, "{kid} does not sign");
        remind(world).await;
    }
}

/// Lets every replica that runs read the keys, as a token of a key does that it has not heard of.
async fn remind(world: &Arc<World>) {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let strange = [part(r#"{"alg":"ES256","typ":"JWT","kid":"nobody's"}"#), part("{}"), part("x")].join(".");
    for replica in &world.replicas {
        let wire = Wire::to(world, replica.port, somewhere());
        if let Ok(answer) = wire.request(Method::GET, "/auth/v1/user").bearer_auth(&strange).send().await {
            assert_eq!(answer.status(), 403, "nobody's token");
        }
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
}

/// Shows what is held, over and over: the tally knows of every refusal.
async fn show(world: Arc<World>, held: Arc<Mutex<BTreeMap<String, Tokens>>>) {
    loop {
        let tokens: Vec<_> = lock(&held).values().map(|tokens| tokens.access.clone()).collect();
        let wire = Wire::new(&world);
        for access in tokens {
            let _ = wire.user(&access, &[200]).await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// When each replica was first seen to publish a key, by a clock that the test moves.
#[derive(Debug)]
struct KeySets {
    began: Instant,
    shifted_secs: AtomicU64,
    /// By the port of the replica and the name of the key.
    seen: Mutex<BTreeMap<(u16, String), Duration>>,
    ports: Vec<u16>,
    /// How long verifiers may keep a set, as it says itself.
    max_age_secs: AtomicU64,
}

impl KeySets {
    fn new(world: &World) -> Self {
        Self {
            began: Instant::now(),
            shifted_secs: AtomicU64::new(0),
            seen: Mutex::default(),
            ports: world.replicas.iter().map(|replica| replica.port).collect(),
            max_age_secs: AtomicU64::new(u64::MAX),
        }
    }

    fn now(&self) -> Duration {
        self.began.elapsed() + Duration::from_secs(self.shifted_secs.load(Ordering::SeqCst))
    }

    /// Lets time pass for the keys.
    async fn shift(&self, world: &World, by: Duration) {
        let statement = "update auth.signing_keys
                            set created_at = created_at - $1, activated_at = activated_at - $1,
                                promote_at = promote_at - $1, retired_at = retired_at - $1, drop_at = drop_at - $1
                          where state <> 'gone'";
        sqlx::query(statement).bind(by).execute(&world.sql).await.unwrap();
        self.shifted_secs.fetch_add(by.as_secs(), Ordering::SeqCst);
    }

    async fn watch(self: Arc<Self>, world: Arc<World>) {
        loop {
            for port in &self.ports {
                let wire = Wire::to(&world, *port, somewhere());
                let asked = wire.request(Method::GET, "/auth/v1/.well-known/jwks.json");
                // A replica that is being restarted does not answer.
                if let Ok(answer) = asked.send().await {
                    self.note(*port, answer).await;
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn note(&self, port: u16, answer: reqwest::Response) {
        let control = answer.headers().get("cache-control").and_then(|value| value.to_str().ok());
        let max_age = control.and_then(|control| control.split_once("max-age=")).unwrap().1.to_owned();
        self.max_age_secs.store(max_age.parse().unwrap(), Ordering::SeqCst);
        let Ok(Value::Object(set)) = answer.json().await else { return };
        let now = self.now();
        for key in set["keys"].as_array().unwrap() {
            let kid = key["kid"].as_str().unwrap().to_owned();
            lock(&self.seen).entry((port, kid)).or_insert(now);
        }
    }

    fn are_published(&self, kid: &str) -> bool {
        self.ports.iter().all(|port| lock(&self.seen).contains_key(&(*port, kid.to_owned())))
    }

    /// Whoever keeps key sets for as long as they may has the new one by the time that it signs.
    fn assert_published_long_before(&self, kid: &str, signs_at: Duration) {
        let max_age = Duration::from_secs(self.max_age_secs.load(Ordering::SeqCst));
        for port in &self.ports {
            let seen_for = signs_at.saturating_sub(lock(&self.seen)[&(*port, kid.to_owned())]);
            assert!(seen_for >= max_age, "{kid} signs {seen_for:?} after it was seen");
        }
    }
}

fn kid_of(token: &str) -> String {
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
    serde_json::from_slice::<Value>(&header).unwrap()["kid"].as_str().unwrap().to_owned()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a newer version of the server would leave in the database: it adds, and has its rights.
const AHEAD: &str = "
    create table auth.of_tomorrow (user_id uuid primary key references auth.users on delete cascade);
    alter table auth.of_tomorrow enable row level security, force row level security;
    create policy of_tomorrow_server on auth.of_tomorrow to doorcode_server using (true) with check (true);
    grant select, insert on auth.of_tomorrow to doorcode_server;
    alter table auth.sessions add column of_tomorrow text not null default '';
    create function auth.of_tomorrow() returns integer language sql stable as 'select 1';
    grant execute on function auth.of_tomorrow() to doorcode_server;
    insert into auth.schema_migrations (version, description, success, checksum, execution_time)
    values (9999, 'of tomorrow', true, '', 0)";
/// What the newer version may do that this one knows nothing of.
const STILL_MAY: &str = "
    select has_table_privilege('doorcode_server', 'auth.of_tomorrow', 'select')
       and has_table_privilege('doorcode_server', 'auth.of_tomorrow', 'insert')
       and has_function_privilege('doorcode_server', 'auth.of_tomorrow()', 'execute')
       and exists (select from pg_policy where polname = 'of_tomorrow_server')";
const BACK: &str = "
    drop table auth.of_tomorrow;
    alter table auth.sessions drop column of_tomorrow;
    drop function auth.of_tomorrow();
    delete from auth.schema_migrations where version = 9999";

pub(crate) async fn f21_replicas_serve_stop_and_start_beside_a_database_that_is_a_version_ahead(
    world: Arc<World>,
) {
    let crowd = Crowd::come(&world, PEOPLE, 21);
    sqlx::raw_sql(AHEAD).execute(&world.sql).await.unwrap();
    for replica in &world.replicas {
        replica.set("DATABASE__MIGRATE_AT_START", "true").await;
    }
    for _ in 0..world.rounds(1, 5) {
        roll(&world).await;
    }
    let settings = world.replicas[0].settings().await;
    let migrated = process::run(&["migrate"], &settings, world.folder.path()).await;
    assert_eq!(migrated.code, Some(0), "{}", migrated.output);
    let still_may: bool = sqlx::query_scalar(STILL_MAY).fetch_one(&world.sql).await.unwrap();
    assert!(still_may, "this version took from a newer one what it has made for itself");
    after(&world, crowd).await;
    for replica in &world.replicas {
        replica.set("DATABASE__MIGRATE_AT_START", "false").await;
    }
    sqlx::raw_sql(BACK).execute(&world.sql).await.unwrap();
}

/// Migrations that the database lacks to which three replicas come.
const LACKING: usize = 3;

pub(crate) async fn f21_three_replicas_that_start_at_once_migrate_once(world: Arc<World>) {
    for _ in 0..world.rounds(1, 5) {
        let long = world.rounds(0, 1) == 1;
        let own = Arc::new(World::begin(long, Start::Together { behind: LACKING }).await);
        let crowd = Crowd::come(&own, PEOPLE, 22);
        for replica in &own.replicas {
            let mut person = Person::new(&own);
            person.wire = Wire::to(&own, replica.port, somewhere());
            person.sign_in_now().await;
        }
        after(&own, crowd).await;
        let files = std::fs::read_dir(MIGRATIONS).unwrap().count();
        let recorded = own.count("auth.schema_migrations where success").await;
        assert_eq!(recorded, i64::try_from(files).unwrap(), "each migration is on record");
        assert!(own.count("public.made").await > 0, "nothing was left to do");
        let twice = "(select what from public.made group by what having count(*) > 1) as twice";
        assert_eq!(own.count(twice).await, 0, "a migration ran more than once");
        own.end().await;
    }
}

/// How long replicas of two versions serve side by side at each step.
const SIDE_BY_SIDE: Duration = Duration::from_secs(10);

/// Replicas of an older version are replaced by the present one in turn, under load, and one of them goes back.
pub(crate) async fn upgrade(world: &Arc<World>, older: &Program) {
    let replace = async |which: usize, program: &Program| {
        let replica = &world.replicas[which];
        replica.install(program).await;
        replica.stop().await;
        replica.start(world.folder.path()).await;
        world.balancer.has_ready(world.replicas.len()).await;
        tokio::time::sleep(SIDE_BY_SIDE).await;
    };
    let present = Program::present();
    for (what, way) in [("there", &[0, 1, 2][..]), ("one of them back", &[0]), ("and there again", &[0])] {
        let crowd = Crowd::come(world, PEOPLE, 23);
        let back = what.ends_with("back");
        // Versions from before a newer one's policies were respected take away what they do not know.
        world.replicas[0].set("DATABASE__MIGRATE_AT_START", if back { "false" } else { "true" }).await;
        for which in way {
            replace(*which, if back { older } else { &present }).await;
        }
        println!("{what}:");
        after(world, crowd).await;
    }
}

const MIGRATIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
/// Keeps a list of the tables that are made from now on, oftener if it happens oftener.
const NOTE: &str = "
    create table public.made (what text not null);
    create function public.note_made() returns event_trigger language plpgsql as $$
    begin
        insert into public.made
        select object_identity from pg_event_trigger_ddl_commands() where command_tag = 'CREATE TABLE';
    end
    $$;
    create event trigger note_made on ddl_command_end when tag in ('CREATE TABLE')
        execute function public.note_made()";

/// Brings an empty database to where an older version has left it: without the last migrations.
pub(crate) async fn migrate_but(sql: &PgPool, last: usize) {
    let all = Migrator::new(Path::new(MIGRATIONS)).await.unwrap();
    let all: Vec<_> = all.iter().cloned().collect();
    let mut older = Migrator::with_migrations(all[..all.len() - last].to_vec());
    older.create_schema("auth");
    older.dangerous_set_table_name("auth.schema_migrations");
    older.run(sql).await.unwrap();
    sqlx::raw_sql(NOTE).execute(sql).await.unwrap();
}
