//! F01, F02, F06, F07: a store is gone, or slow.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::Method;

use crate::pace::all_turned_away;
use crate::people::{Crowd, Person, after};
use crate::proxy::Mode;
use crate::tally::{Act, Score};
use crate::wire::Got;
use crate::world::World;

/// People at work at the same time.
pub(crate) const PEOPLE: u64 = 8;

/// A store's own time limit, and what a machine with much to do needs on top.
pub(crate) const SOON: Duration = Duration::from_secs(2);

/// How long a typed code is held for whoever typed it, at most, and a second more.
const LEASE_SECS: u64 = 11;

pub(crate) async fn f01_without_redis_nobody_signs_in_and_sessions_go_on(world: Arc<World>) {
    let (person, tokens, code) = a_session_and_a_code(&world).await;
    let crowd = Crowd::come(&world, PEOPLE, 1);
    let lasts = tokio::time::sleep(outage(&world));
    world.stop_redis();
    for _ in 0..3 {
        is_turned_away_within(SOON, person.wire.ask(&world.new_address())).await;
        world.ledger.verified_unheard(&person.email);
        is_turned_away_within(SOON, person.wire.verify(&person.email, &code, &[])).await;
    }
    let tokens = person.refresh(&tokens).await.unwrap();
    assert!(person.wire.user(&tokens.access, &[200]).await.ok().is_some());
    // Ended without Redis, it stays ended with it.
    person.sign_out(&tokens).await;
    lasts.await;
    world.start_redis();
    let score = after(&world, crowd).await;
    assert_eq!(turned_away(&score, Act::Refresh), 0, "sessions went on");
}

pub(crate) async fn f02_a_slow_redis_is_an_outage_of_signing_in_alone(world: Arc<World>) {
    let (person, mut tokens, code) = a_session_and_a_code(&world).await;
    let others = join_all((0..20).map(|_| a_session_and_a_code(&world))).await;
    let crowd = Crowd::come(&world, PEOPLE, 2);
    let lasts = tokio::time::sleep(outage(&world));
    world.redis.set(Mode::Delay(Duration::from_millis(1500)));
    is_turned_away_within(SOON, person.wire.ask(&world.new_address())).await;
    world.ledger.verified_unheard(&person.email);
    is_turned_away_within(SOON, person.wire.verify(&person.email, &code, &[])).await;
    let mut took = Vec::new();
    for _ in 0..50 {
        let began = Instant::now();
        tokens = person.refresh(&tokens).await.unwrap();
        took.push(began.elapsed());
    }
    took.sort_unstable();
    assert!(took[48] < Duration::from_millis(500), "49 of 50 refreshes took up to {:?}", took[48]);
    // Right codes, which open nothing now.
    let slowest = all_turned_away(world.rounds(50, 200), outage(&world), |number| {
        let (person, _, code) = &others[number % others.len()];
        person.wire.verify(&person.email, code, &[])
    })
    .await;
    assert!(slowest < SOON, "an answer took {slowest:?}");
    lasts.await;
    world.redis.set(Mode::Pass);
    println!("  49 of 50 refreshes took at most {:?}, 503 at most {slowest:.1?}", took[48]);
    // None of the codes is burnt, however often it was typed. One that Redis was still told of is held for ten seconds.
    for (person, _, code) in &others {
        let mut taken = None;
        for _ in 0..LEASE_SECS {
            taken = person.type_code_or_hear_no(code).await;
            if taken.is_some() {
                break;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        assert!(taken.is_some(), "a code was burnt");
    }
    let score = after(&world, crowd).await;
    assert_eq!(turned_away(&score, Act::Refresh), 0, "sessions went on");
}

pub(crate) async fn f06_postgresql_killed_while_the_right_code_is_typed_burns_no_code(world: Arc<World>) {
    let (person, tokens, code) = a_session_and_a_code(&world).await;
    let crowd = Crowd::come(&world, PEOPLE, 3);
    let lasts = tokio::time::sleep(outage(&world));
    world.kill_postgres();
    // Oftener than a code has tries.
    let mut slowest = Duration::ZERO;
    for _ in 0..7 {
        world.ledger.verified_unheard(&person.email);
        let took = is_turned_away_within(2 * SOON, person.wire.verify(&person.email, &code, &[])).await;
        slowest = slowest.max(took);
    }
    println!("  503 after {slowest:.1?} at most");
    world.ledger.refreshed_unheard(&tokens);
    is_turned_away_within(2 * SOON, person.wire.refresh(&tokens.refresh, &[])).await;
    let keys = person.wire.request(Method::GET, "/auth/v1/.well-known/jwks.json").send().await.unwrap();
    assert_eq!(keys.status(), 200, "keys are published without a database");
    lasts.await;
    world.start_postgres();
    let again = person.type_code_until_taken(&code).await;
    assert_ne!(again.session, tokens.session);
    person.refresh(&tokens).await.unwrap();
    after(&world, crowd).await;
}

pub(crate) async fn f07_a_slow_postgresql_keeps_nobody_waiting(world: Arc<World>) {
    let people = join_all((0..30).map(|_| a_session_and_a_code(&world))).await;
    let crowd = Crowd::come(&world, PEOPLE, 4);
    let mut blocker = world.sql.begin().await.unwrap();
    sqlx::query("lock table auth.sessions in access exclusive mode").execute(&mut *blocker).await.unwrap();
    let slowest = all_turned_away(world.rounds(100, 300), outage(&world), |number| {
        let (person, tokens, _) = &people[number % people.len()];
        world.ledger.refreshed_unheard(tokens);
        person.wire.refresh(&tokens.refresh, &[])
    })
    .await;
    blocker.rollback().await.unwrap();
    println!("  503 after {slowest:.1?} at most");
    assert!(slowest < 2 * SOON, "an answer took {slowest:?}");
    for (person, tokens, _) in &people {
        person.refresh(tokens).await.unwrap();
    }
    after(&world, crowd).await;
}

/// How long a store is away at least.
pub(crate) fn outage(world: &World) -> Duration {
    Duration::from_secs(world.rounds(5, 60) as u64)
}

/// Somebody with a session, and a code for another one.
pub(crate) async fn a_session_and_a_code(world: &Arc<World>) -> (Person, crate::ledger::Tokens, String) {
    let person = Person::new(world);
    let tokens = person.sign_in_now().await;
    // An address gets a code a second.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let code = person.code().await;
    (person, tokens, code)
}

pub(crate) async fn is_turned_away_within(limit: Duration, answer: impl Future<Output = Got>) -> Duration {
    let began = Instant::now();
    let got = answer.await;
    assert!(matches!(got, Got::TurnedAway(_)), "{got:?}");
    let took = began.elapsed();
    assert!(took < limit, "it took {took:?}");
    took
}

fn turned_away(score: &Score, act: Act) -> u64 {
    score.acts[&act].turned_away
}
