//! F09, F20: an answer is lost after the work was done, or nobody waits for it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng};

use crate::ledger::Tokens;
use crate::people::{Crowd, Person, after};
use crate::proxy::{FaultProxy, Mode};
use crate::stores::PEOPLE;
use crate::wire::Wire;
use crate::world::World;

/// An execution of a prepared statement begins with a message Bind (PostgreSQL manual, "Message Formats").
pub(crate) const EXECUTES: fn(&[u8]) -> bool = |piece| piece.first() == Some(&b'B');
/// A script in Redis.
pub(crate) const SCRIPTS: fn(&[u8]) -> bool = |piece| piece.windows(7).any(|word| word == b"EVALSHA");

pub(crate) async fn f09_the_database_commits_and_its_answer_is_lost(world: Arc<World>) {
    let person = Person::new(&world);
    let mut tokens = person.sign_in_now().await;
    let crowd = Crowd::come(&world, PEOPLE, 5);
    let broken = world.postgres.broken();
    // A few at a time, and some of them again at the second try: the same person is told what was committed.
    for losses in [1, 1, 2, 3, 5, 8, 20, 40] {
        world.postgres.set_for(losses, Mode::LoseAnswer(EXECUTES));
        tokens = person.refresh(&tokens).await.unwrap();
        Person::new(&world).sign_in_now().await;
    }
    world.postgres.set(Mode::Pass);
    assert!(world.postgres.broken() >= broken + 20, "answers were lost");
    after(&world, crowd).await;
}

/// The statement that opens the session of [`LOST`], and none that goes on meanwhile.
const OPENS: fn(&[u8]) -> bool =
    |piece| EXECUTES(piece) && piece.windows(LOST.len()).any(|word| word == LOST.as_bytes());
/// The statement that ends the caller's session alone.
const ENDS: fn(&[u8]) -> bool = |piece| EXECUTES(piece) && piece.windows(5).any(|word| word == b"local");
/// What an address begins with.
const LOST: &str = "lost-answer-";

pub(crate) async fn f09_a_session_is_opened_or_ended_and_the_answer_lost_and_the_person_hears_of_it(
    world: Arc<World>,
) {
    for _ in 0..3 {
        let mut person = Person::new(&world);
        person.email.insert_str(0, LOST);
        let code = person.code().await;
        let broken = world.postgres.broken();
        world.postgres.set_for(1, Mode::LoseAnswer(OPENS));
        let tokens =
            Tokens::read(&person.wire.verify(&person.email, &code, &[200]).await.ok().expect("a session"));
        world.ledger.signed_in(&person.email, &tokens);
        assert_eq!(world.postgres.broken(), broken + 1, "the answer was lost");
        let tokens = person.refresh(&tokens).await.unwrap();
        // So does whoever signs out, and is not told that there is nobody to sign out.
        world.postgres.set_for(1, Mode::LoseAnswer(ENDS));
        person.sign_out(&tokens).await;
        assert_eq!(world.postgres.broken(), broken + 2, "the answer was lost");
        world.postgres.set(Mode::Pass);
    }
    world.tally.take().assert_nothing_wrong();
    world.ledger.settle(&world).await;
}

pub(crate) async fn f09_a_script_runs_in_redis_and_its_answer_is_lost(world: Arc<World>) {
    let crowd = Crowd::come(&world, PEOPLE, 6);
    let broken = world.redis.broken();
    for _ in 0..10 {
        world.redis.set_for(1, Mode::LoseAnswer(SCRIPTS));
        Person::new(&world).sign_in_now().await;
    }
    world.redis.set(Mode::Pass);
    assert!(world.redis.broken() >= broken + 5, "answers were lost");
    after(&world, crowd).await;
}

pub(crate) async fn f09_the_answer_to_a_refresh_is_lost_and_its_repetition_gets_the_same_successor(
    world: Arc<World>,
) {
    let person = Person::new(&world);
    let tokens = person.sign_in_now().await;
    let flaky = FaultProxy::before(([127, 0, 0, 1], world.balancer.port).into()).await;
    flaky.set_for(1, Mode::LoseAnswer(|_| true));
    let there = Wire::to(&world, flaky.port, crate::wire::somewhere());
    world.ledger.refreshed_unheard(&tokens);
    let lost = there.refreshing(&tokens.refresh).send().await;
    assert!(lost.is_err() && flaky.broken() == 1, "{lost:?}");
    let stored = "auth.sessions where id = '{}' and refresh_counter = 1";
    assert_eq!(world.count(&stored.replace("{}", &tokens.session.to_string())).await, 1, "it was done");
    // The person's own way insists on a counter that has moved by one.
    person.refresh(&tokens).await.unwrap();
    assert_eq!(world.count(&stored.replace("{}", &tokens.session.to_string())).await, 1);
    world.ledger.settle(&world).await;
}

pub(crate) async fn f20_people_who_hang_up_leave_nothing_half_done(world: Arc<World>) {
    let mut rng = StdRng::seed_from_u64(20);
    let crowd = Crowd::come(&world, PEOPLE, 7);
    let people = world.rounds(20, 70);
    for _ in 0..people {
        let person = Person::new(&world);
        let code = person.code().await;
        let mut hang_up = async |request: reqwest::RequestBuilder| {
            let patience = Duration::from_micros(rng.random_range(0..20_000));
            let _ = tokio::time::timeout(patience, request.send()).await;
        };
        for _ in 0..3 {
            world.ledger.verified_unheard(&person.email);
            hang_up(person.wire.verification(&person.email, &code)).await;
        }
        // Whether the code is spent by now is the server's to know; a session comes of it, or of the next one.
        let unspent = person.type_code_or_hear_no(&code).await;
        let Some(tokens) = unspent else { continue };
        for _ in 0..15 {
            world.ledger.refreshed_unheard(&tokens);
            hang_up(person.wire.refreshing(&tokens.refresh)).await;
            hang_up(person.wire.request(reqwest::Method::GET, "/auth/v1/user").bearer_auth(&tokens.access))
                .await;
        }
        let next = person.refresh(&tokens).await.unwrap();
        for _ in 0..2 {
            world.ledger.signing_out(&next);
            hang_up(person.wire.signing_out(&next.access)).await;
        }
        // A session may be gone by now; from here on it is.
        let _ = person.wire.sign_out(&next.access, &[204, 403]).await;
        world.ledger.signed_out(&next);
        let _ = person.wire.refresh(&next.refresh, &[400]).await;
    }
    let until = Instant::now() + Duration::from_secs(10);
    let open = "pg_stat_activity where application_name = 'doorcode' and state like 'idle in transaction%'";
    while world.count(open).await > 0 {
        assert!(Instant::now() < until, "a transaction was left open");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    println!("  {} requests were given up", people * 35);
    after(&world, crowd).await;
}
