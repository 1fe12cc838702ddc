//! F15, F16, F19: replicas come and go under load, and everybody comes back at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng};

use crate::people::{Crowd, after};
use crate::stores::PEOPLE;
use crate::tally::Act;
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

pub(crate) async fn f19_everybody_comes_back_at_once_and_nobody_is_taken_for_a_thief(world: Arc<World>) {
    let sessions = world.ledger.living();
    let sessions = &sessions[..sessions.len().min(world.rounds(60, 1000))];
    assert!(sessions.len() >= 20, "the scenarios before have left {} sessions", sessions.len());
    world.kill_postgres();
    world.start_postgres();
    let tabs = 5;
    join_all(sessions.iter().flat_map(|tokens| (0..tabs).map(move |_| tokens)).map(async |tokens| {
        let wire = Wire::new(&world);
        world.ledger.refreshed_unheard(tokens);
        let until = Instant::now() + Duration::from_secs(30);
        while Instant::now() < until {
            match wire.refresh(&tokens.refresh, &[200]).await {
                Got::Fine(_, body) => {
                    let next = crate::ledger::Tokens::read(&body);
                    assert_eq!((next.session, next.counter), (tokens.session, tokens.counter + 1));
                    world.ledger.refreshed(&next);
                    return;
                }
                Got::TurnedAway(wait) => tokio::time::sleep(wait).await,
                Got::Unknown => {}
            }
        }
        panic!("a session did not go on");
    }))
    .await;
    let score = world.tally.take();
    score.assert_nothing_wrong();
    let answers = &score.acts[&Act::Refresh];
    println!(
        "  {} refreshes of {} sessions; {} were turned away first; p99 {} ms",
        sessions.len() * tabs,
        sessions.len(),
        answers.turned_away,
        answers.quantile(99)
    );
    world.ledger.settle(&world).await;
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
