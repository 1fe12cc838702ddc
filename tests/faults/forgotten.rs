//! F03, F05: Redis has forgotten everything, or can take nothing more, while somebody guesses.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;

use crate::people::{Crowd, Person, after, recovery};
use crate::races::{at_once, directly, sessions_of};
use crate::stores::{PEOPLE, SOON, is_turned_away_within};
use crate::tally::Act;
use crate::world::{World, until};

/// Forgets everything, and tells what was there the moment before: the time, and when each wrong guess was made.
const FORGET: &str = "
    local clock = redis.call('TIME')
    local seen = {clock[1] * 1000 + math.floor(clock[2] / 1000)}
    for _, key in ipairs(redis.call('KEYS', 'doorcode:*:wrong:*')) do
        for _, at in ipairs(redis.call('LRANGE', key, 0, -1)) do
            table.insert(seen, tonumber(at))
        end
    end
    redis.call('FLUSHALL')
    return seen";

/// A gap between two codes to an address.
const GAP: Duration = Duration::from_millis(1100);
/// Between two guesses at once and the next two.
const BETWEEN_PAIRS: Duration = Duration::from_millis(30);
/// How soon after a loss the guesses of before are there again.
const REMEMBERED: Duration = Duration::from_secs(20);

pub(crate) async fn f03_a_redis_that_forgets_everything_admits_no_sixth_guess(world: Arc<World>) {
    world.ledger.let_codes_be_lost(true);
    let crowd = Crowd::come(&world, PEOPLE, 30);
    for round in 0..world.rounds(3, 30) {
        let person = Person::new(&world);
        let code = person.code().await;
        let began = wrong_guesses_at(&world).await[0];
        let guesses = wrong_codes(&code, 20);
        // Two are counted for certain, and the rest come in pairs while everything goes: at once, or after one or two more.
        at_once(&world, &person, &guesses[..2]).await;
        let mut all = guesses[2..].to_vec();
        all.insert(10, code.clone());
        let guessing = async {
            for pair in all.chunks(2) {
                // Slow enough that not all tries are gone before anything happens.
                tokio::time::sleep(BETWEEN_PAIRS).await;
                at_once(&world, &person, pair).await;
            }
        };
        let forgetting = async {
            let counted = 2 + round % 3;
            until(REMEMBERED, "guesses are counted", async || guesses_since(&world, began).await >= counted)
                .await;
            let seen = forget(&world).await;
            if round % 2 == 1 {
                world.restart_redis_empty();
            }
            seen
        };
        let ((), seen) = tokio::join!(guessing, forgetting);
        recovery(&world).await;
        let admitted_before = seen[1..].iter().filter(|at| **at > began).count();
        // What comes back from the database is older.
        let admitted_after = guesses_since(&world, seen[0]).await;
        let opened = usize::try_from(sessions_of(&world, &person).await).unwrap();
        let admitted = admitted_before + admitted_after + opened;
        let told = format!("{admitted_before} wrong guesses before, {admitted_after} after, {opened} right");
        assert!((2..=5).contains(&admitted), "{told}");
        println!("  {told}");
        for wire in directly(&world, 3) {
            assert_eq!(wire.verify(&person.email, &code, &[403]).await.status(), Some(403), "it is gone");
        }
        // They ask again.
        person.sign_in_now().await;
    }
    after(&world, crowd).await;
    world.ledger.let_codes_be_lost(false);
}

pub(crate) async fn f03_the_guesses_of_a_day_and_of_a_month_come_back_from_the_database(world: Arc<World>) {
    world.ledger.let_codes_be_lost(true);
    let person = Person::new(&world);
    let mut remembered = world.count("auth.wrong_guesses").await;
    let mut guess_five = async || {
        let code = person.code().await;
        assert_eq!(code.len(), 6);
        // At once: guesses of one moment are as many as those of several.
        at_once(&world, &person, &wrong_codes(&code, 5)).await;
        remembered += 5;
        until(REMEMBERED, "the guesses are remembered", async || {
            world.count("auth.wrong_guesses").await == remembered
        })
        .await;
        tokio::time::sleep(GAP).await;
    };
    // All of a day.
    for _ in 0..4 {
        guess_five().await;
    }
    forget(&world).await;
    until(REMEMBERED, "the day's guesses are back", async || {
        keys(&world, "wrong").await.values().any(|count| *count == 20)
    })
    .await;
    let long = person.code().await;
    assert_eq!(long.len(), 13, "asked for on any replica, codes are long");
    person.type_code_until_taken(&long).await;
    // A day later they count for the month alone.
    let a_day = "update auth.wrong_guesses set guessed_at = guessed_at - interval '25 hours'";
    sqlx::query(a_day).execute(&world.sql).await.unwrap();
    forget(&world).await;
    guess_five().await;
    for _ in 0..2 {
        until(REMEMBERED, "the month is spent", async || !keys(&world, "spent").await.is_empty()).await;
        let long = person.code().await;
        assert_eq!(long.len(), 13);
        person.type_code_until_taken(&long).await;
        forget(&world).await;
    }
    world.ledger.let_codes_be_lost(false);
    world.tally.take().assert_nothing_wrong();
    world.ledger.settle(&world).await;
}

/// How long Redis is full. Twenty times a minute, one after the other, would leave people no time to get through in between.
const FULL: Duration = Duration::from_millis(2500);

pub(crate) async fn f05_a_redis_that_is_full_takes_no_code_and_forgets_no_count(world: Arc<World>) {
    let crowd = Crowd::come(&world, PEOPLE, 50);
    for _ in 0..world.rounds(1, 20) {
        let person = Person::new(&world);
        let code = person.code().await;
        let began = wrong_guesses_at(&world).await[0];
        let mut guesses = wrong_codes(&code, 200);
        guesses.insert(100, code.clone());
        let filling = async {
            // Of all at once the right one may be the first.
            let is_begun =
                async || guesses_since(&world, began).await > 0 || sessions_of(&world, &person).await > 0;
            until(REMEMBERED, "a guess is counted", is_begun).await;
            world.fill_redis(true).await;
        };
        tokio::join!(at_once(&world, &person, &guesses), filling);
        let counts = [keys(&world, "wrong").await, keys(&world, "sends").await];
        assert!(!counts[1].is_empty());
        let lasts = tokio::time::sleep(FULL);
        is_turned_away_within(SOON, person.wire.ask(&world.new_address())).await;
        lasts.await;
        for (kind, before) in ["wrong", "sends"].into_iter().zip(counts) {
            let now = keys(&world, kind).await;
            assert_eq!(before, now, "a full Redis forgot counts of {kind}");
        }
        assert_eq!(evicted(&world).await, "evicted_keys:0");
        world.fill_redis(false).await;
        recovery(&world).await;
        // With the tries that are left, if any.
        at_once(&world, &person, &guesses).await;
        let wrong = guesses_since(&world, began).await;
        let opened = usize::try_from(sessions_of(&world, &person).await).unwrap();
        assert!(opened <= 1 && (1..=5).contains(&(wrong + opened)), "{wrong} wrong and {opened} right");
    }
    let score = after(&world, crowd).await;
    assert!(score.acts[&Act::Ask].turned_away > 0 && score.acts[&Act::Refresh].turned_away == 0);
}

/// Codes that are not this one.
fn wrong_codes(code: &str, count: u32) -> Vec<String> {
    let right: u32 = code.parse().unwrap();
    (1..=count).map(|distance| format!("{:06}", (right + distance) % 1_000_000)).collect()
}

/// Redis loses all that it has, scripts too; what it had, as [`FORGET`] tells.
async fn forget(world: &World) -> Vec<i64> {
    let mut redis = world.redis_itself().await;
    let seen = redis::cmd("EVAL").arg(FORGET).arg(0).query_async(&mut redis).await.unwrap();
    redis::cmd("SCRIPT").arg("FLUSH").exec_async(&mut redis).await.unwrap();
    world.ledger.codes_are_lost();
    seen
}

/// The time in Redis, and when each wrong guess was made.
async fn wrong_guesses_at(world: &World) -> Vec<i64> {
    let look = FORGET.replace("redis.call('FLUSHALL')", "");
    let mut redis = world.redis_itself().await;
    redis::cmd("EVAL").arg(look).arg(0).query_async(&mut redis).await.unwrap()
}

async fn guesses_since(world: &World, moment: i64) -> usize {
    wrong_guesses_at(world).await[1..].iter().filter(|at| **at > moment).count()
}

/// The keys of a kind, with the length of each list.
async fn keys(world: &World, kind: &str) -> BTreeMap<String, i64> {
    let mut redis = world.redis_itself().await;
    let keys: Vec<String> =
        redis::cmd("KEYS").arg(format!("doorcode:*:{kind}:*")).query_async(&mut redis).await.unwrap();
    let mut lengths = BTreeMap::new();
    for key in keys {
        lengths.insert(key.clone(), length(&mut redis, &key).await);
    }
    lengths
}

/// Of a list; a key that is none has none.
async fn length(redis: &mut MultiplexedConnection, key: &str) -> i64 {
    redis::cmd("LLEN").arg(key).query_async(redis).await.unwrap_or_default()
}

async fn evicted(world: &World) -> String {
    let mut redis = world.redis_itself().await;
    let told: String = redis::cmd("INFO").arg("stats").query_async(&mut redis).await.unwrap();
    told.lines().find(|line| line.starts_with("evicted_keys:")).unwrap().trim().to_owned()
}
