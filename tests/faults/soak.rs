//! Faults at random for as long as somebody likes, under load, and a table of what came of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng};

use crate::lost::{EXECUTES, SCRIPTS};
use crate::people::{Crowd, RECOVERY, recovery};
use crate::proxy::Mode;
use crate::restarts::{kill_one, roll};
use crate::world::World;

/// People at work at the same time.
const PEOPLE: u64 = 12;
/// How often a line says how it goes.
const LINE: Duration = Duration::from_secs(10);

/// What can break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    RedisStopped,
    RedisSlow,
    RedisRequestsCut,
    RedisAnswersLost,
    PostgresKilled,
    PostgresSlow,
    PostgresRefused,
    PostgresAnswersLost,
    MailSilent,
    ReplicaKilled,
    RollingRestart,
}

const FAULTS: [Fault; 11] = [
    Fault::RedisStopped,
    Fault::RedisSlow,
    Fault::RedisRequestsCut,
    Fault::RedisAnswersLost,
    Fault::PostgresKilled,
    Fault::PostgresSlow,
    Fault::PostgresRefused,
    Fault::PostgresAnswersLost,
    Fault::MailSilent,
    Fault::ReplicaKilled,
    Fault::RollingRestart,
];

/// Breaks things for so long. The same seed breaks the same things in the same order.
pub(crate) async fn soak(world: Arc<World>, length: Duration, seed: u64) {
    println!("{} minutes of faults; seed {seed} (--seed={seed} repeats their order)", length.as_secs() / 60);
    let mut rng = StdRng::seed_from_u64(seed);
    let crowd = Crowd::come(&world, PEOPLE, seed);
    let began = Instant::now();
    let lines = tokio::spawn(say_how_it_goes(Arc::clone(&world), began));
    let mut recoveries: BTreeMap<Fault, Vec<Duration>> = BTreeMap::new();
    while began.elapsed() < length {
        let fault = FAULTS[rng.random_range(0..FAULTS.len())];
        let lasts = Duration::from_millis(rng.random_range(500..6000));
        strike(&world, fault, lasts, &mut rng).await;
        let took = recovery(&world).await;
        if took > RECOVERY {
            world.tally.wrong(format!("{took:?} to recover from {fault:?}"));
        }
        recoveries.entry(fault).or_default().push(took);
        tokio::time::sleep(Duration::from_millis(rng.random_range(500..3000))).await;
    }
    let score = crowd.leave().await;
    lines.abort();
    println!("\nholding every promise against the stores …");
    let counted = world.ledger.settle(&world).await;
    println!("\n{score}");
    println!("\n{:<22}{:>6}{:>16}{:>10}", "fault", "times", "recovery median", "longest");
    for (fault, mut took) in recoveries {
        took.sort_unstable();
        let (median, longest) = (took[took.len() / 2], took[took.len() - 1]);
        println!("{:<22}{:>6}{median:>15.1?}{longest:>10.1?}", format!("{fault:?}"), took.len());
    }
    println!("\nheld against the stores: {counted}");
    score.assert_nothing_wrong();
}

/// Breaks something and mends it again.
async fn strike(world: &World, fault: Fault, lasts: Duration, rng: &mut StdRng) {
    let (proxy, mode) = match fault {
        Fault::RedisStopped => {
            world.stop_redis();
            tokio::time::sleep(lasts).await;
            return world.start_redis();
        }
        Fault::PostgresKilled => {
            world.kill_postgres();
            tokio::time::sleep(lasts).await;
            return world.start_postgres();
        }
        Fault::ReplicaKilled => return kill_one(world, rng.random_range(0..3)).await,
        Fault::RollingRestart => return roll(world).await,
        Fault::RedisSlow => (&world.redis, Mode::Delay(Duration::from_millis(rng.random_range(20..1500)))),
        Fault::RedisRequestsCut => (&world.redis, Mode::CutRequest(SCRIPTS)),
        Fault::RedisAnswersLost => (&world.redis, Mode::LoseAnswer(SCRIPTS)),
        Fault::PostgresSlow => {
            (&world.postgres, Mode::Delay(Duration::from_millis(rng.random_range(20..3000))))
        }
        Fault::PostgresRefused => (&world.postgres, Mode::Refuse),
        Fault::PostgresAnswersLost => (&world.postgres, Mode::LoseAnswer(EXECUTES)),
        Fault::MailSilent => (&world.mail, Mode::BlackHole),
    };
    proxy.set(mode);
    tokio::time::sleep(lasts).await;
    proxy.set(Mode::Pass);
}

async fn say_how_it_goes(world: Arc<World>, began: Instant) {
    loop {
        tokio::time::sleep(LINE).await;
        let score = world.tally.so_far();
        let ((turned_away, unknown), answers) = (score.failed(), score.answers());
        println!(
            "{:>5} s  {answers:>7} answers  {turned_away:>6} not now  {unknown:>4} none  {:>3} wrong",
            began.elapsed().as_secs(),
            score.wrong.len()
        );
    }
}
