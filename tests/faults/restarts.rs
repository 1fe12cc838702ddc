//! F15, F16, F19: replicas come and go under load, and everybody comes back at once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::ledger::Tokens;
use crate::people::{Crowd, Person, after};
use crate::stores::PEOPLE;
use crate::wire::{Got, Wire};
use crate::world::World;

pub(crate) async fn f15_a_rolling_restart_under_load_is_seen_by_nobody(world: Arc<World>) {
    let crowd = Crowd::come(&world, PEOPLE, 15);
    roll(&world).await;
    let score = after(&world, crowd).await;
    assert_eq!(score.failed(), (0, 0), "everybody was answered: {score:?}");
}

pub(crate) async fn f16_replicas_killed_at_random_break_no_promise(world: Arc<World>) {
    let mut rng = StdRng::seed_from_u64(16);
    let crowd = Crowd::come(&world, 3 * PEOPLE, 16);
    for _ in 0..world.rounds(8, 100) {
        tokio::time::sleep(Duration::from_millis(rng.random_range(100..800))).await;
        kill_one(&world, rng.random_range(0..3)).await;
    }
    after(&world, crowd).await;
}

/// Sessions that come back in many tabs, in the long form.
const IN_MANY_TABS: usize = 100;
/// Connections at a time: with more of them two cores are busier with clients than with the server.
const CONNECTIONS: usize = 1000;

pub(crate) async fn f19_everybody_comes_back_at_once_and_nobody_is_taken_for_a_thief(world: Arc<World>) {
    let wanted = world.rounds(60, 10_000);
    let is_large = world.rounds(0, 1) == 1;
    if is_large {
        let missing = wanted.saturating_sub(world.ledger.living().len());
        let coming = stream::iter(0..missing).map(async |_| Person::new(&world).sign_in_now().await);
        coming.buffer_unordered(40).for_each(async |_| {}).await;
        world.tally.take().assert_nothing_wrong();
    }
    let sessions = world.ledger.living();
    let sessions = &sessions[..sessions.len().min(wanted)];
    assert!(sessions.len() >= 20, "the scenarios before have left {} sessions", sessions.len());
    let tabs = |number| match (is_large, number < IN_MANY_TABS) {
        (true, true) => 50,
        (true, false) => 1,
        (false, _) => 5,
    };
    let in_tabs =
        sessions.iter().enumerate().flat_map(|(number, tokens)| (0..tabs(number)).map(move |_| tokens));
    let everybody: Vec<_> = in_tabs.map(|tokens| (Wire::new(&world), tokens.clone())).collect();
    world.kill_postgres();
    world.start_postgres();
    let (waits, places) = (Arc::default(), Arc::new(Semaphore::new(CONNECTIONS)));
    let mut coming = JoinSet::new();
    for (wire, tokens) in everybody {
        coming.spawn(come_back(Arc::clone(&world), wire, tokens, Arc::clone(&places), Arc::clone(&waits)));
    }
    let mut took = coming.join_all().await;
    took.sort_unstable();
    let score = world.tally.take();
    let waits = waits.lock().unwrap().clone();
    println!(
        "  {} refreshes of {} sessions: half within {:.1?}, 99 of 100 within {:.1?}; turned away first, by seconds to wait: {waits:?}",
        took.len(),
        sessions.len(),
        took[took.len() / 2],
        took[took.len() * 99 / 100]
    );
    score.assert_nothing_wrong();
    // Whoever is told to come back is not told the same as everybody.
    assert!(
        waits.len() > 1 || waits.values().sum::<usize>() < 50,
        "all come back at the same moment: {waits:?}"
    );
    world.ledger.settle(&world).await;
}

/// Refreshes until there is a successor, and says how long the answer with it took. Keeps count of what it was told to wait.
async fn come_back(
    world: Arc<World>,
    wire: Wire,
    tokens: Tokens,
    places: Arc<Semaphore>,
    waits: Arc<Mutex<BTreeMap<u64, usize>>>,
) -> Duration {
    world.ledger.refreshed_unheard(&tokens);
    let until = Instant::now() + Duration::from_secs(180);
    while Instant::now() < until {
        let place = places.acquire().await.unwrap();
        let began = Instant::now();
        let got = wire.refresh_plainly(&tokens.refresh, &[200]).await;
        drop(place);
        match got {
            Got::Fine(_, body) => {
                let took = began.elapsed();
                let next = Tokens::read(&body);
                assert_eq!((next.session, next.counter), (tokens.session, tokens.counter + 1));
                world.ledger.refreshed(&next);
                return took;
            }
            Got::TurnedAway(wait) => {
                *waits.lock().unwrap().entry(wait.as_secs()).or_default() += 1;
                tokio::time::sleep(wait).await;
            }
            Got::Unknown => tokio::time::sleep(Duration::from_secs(1)).await,
        }
    }
    panic!("a session did not go on");
}

/// Replaces each replica in turn, as a new version is rolled out.
pub(crate) async fn roll(world: &World) {
    for replica in &world.replicas {
        replica.stop().await;
        replica.start(world.folder.path()).await;
        world.balancer.has_ready(world.replicas.len()).await;
    }
}

/// Kills a replica and starts it again.
pub(crate) async fn kill_one(world: &World, which: usize) {
    world.kill_replica(which).await;
    world.replicas[which].start(world.folder.path()).await;
    world.balancer.has_ready(world.replicas.len()).await;
}
