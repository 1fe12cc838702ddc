//! F14: replicas whose clocks are wrong.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use serde_json::Value;

use crate::people::{Crowd, Person, after};
use crate::stores::PEOPLE;
use crate::wire::{Wire, somewhere};
use crate::world::{World, until};

const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn f14_replicas_whose_clocks_are_wrong_say_so_and_decide_over_nothing_by_them(
    world: Arc<World>,
) {
    far_off(&world).await;
    a_little_off(&world).await;
    world.set_clocks([0, 0, 0]).await;
    world.balancer.has_ready(3).await;
}

/// They are not ready, and what they do in spite of that is right.
async fn far_off(world: &Arc<World>) {
    // What they answer nevertheless, to whoever asks them in spite of that.
    world.set_clocks([0, 90, -90]).await;
    world.balancer.has_ready(1).await;
    for (which, (status, says)) in [(200, "ready"), (503, "clock"), (503, "clock")].into_iter().enumerate() {
        let (found, body) = readiness(world, which).await;
        assert_eq!((found, body["status"].as_str()), (status, Some(says)), "{body}");
    }
    let wires = replicas(world);
    for _ in 0..world.rounds(1, 10) {
        // Asked for at one, typed at the next, continued at the third.
        for turn in 0..3 {
            let [asked, typed, continued] = [0, 1, 2].map(|step| wires[(turn + step) % 3].clone());
            let mut person = Person::new(world);
            person.wire = asked;
            let code = person.code().await;
            person.wire = typed;
            let mut tokens =
                person.type_code_or_hear_no(&code).await.expect("a code lives by the clock of Redis");
            for wire in [&continued, &wires[0], &wires[1], &wires[2]] {
                person.wire = wire.clone();
                assert!(wire.user(&tokens.access, &[200]).await.ok().is_some(), "a fresh token is good");
                tokens = person.refresh(&tokens).await.unwrap();
            }
        }
    }
    // At its end by the clock of Redis a code is over at all of them.
    let person = Person::new(world);
    let code = person.code().await;
    let left = lets_codes_end_in(world, Duration::from_millis(500)).await;
    assert!((500_000..=600_000).contains(&left), "a code has {left} ms, whoever issued it");
    until(PATIENCE, "the code is over", async || {
        lets_codes_end_in(world, Duration::from_millis(500)).await < 0
    })
    .await;
    for wire in &wires {
        assert_eq!(wire.verify(&person.email, &code, &[403]).await.status(), Some(403));
    }
    world.tally.take().assert_nothing_wrong();
    world.ledger.settle(world).await;
}

/// They say so, and nobody notices.
async fn a_little_off(world: &Arc<World>) {
    world.set_clocks([0, 25, -25]).await;
    world.balancer.has_ready(3).await;
    let crowd = Crowd::come(world, PEOPLE, 14);
    for (which, ahead) in [0, 25, -25].into_iter().enumerate() {
        let (status, body) = readiness(world, which).await;
        assert_eq!((status, body["status"].as_str()), (200, Some("ready")), "{body}");
        assert_eq!(body["degraded"].as_array().unwrap().is_empty(), ahead == 0, "{body}");
        let log = world.replicas[which].log().await;
        assert_eq!(log.contains("clock is not that of its stores"), ahead != 0, "{log}");
        let metrics = world.replicas[which].metrics().await;
        for store in ["database", "code_store"] {
            let name = format!("doorcode_clock_ahead_seconds{{dependency=\"{store}\"}} ");
            let line = metrics.lines().find_map(|line| line.strip_prefix(&name)).expect(&name);
            let told: f64 = line.parse().unwrap();
            assert!((told - f64::from(ahead)).abs() < 1.0, "{name}{told}");
        }
    }
    tokio::time::sleep(Duration::from_secs(world.rounds(2, 60) as u64)).await;
    let score = after(world, crowd).await;
    assert_eq!(score.failed(), (0, 0), "everybody was answered: {score:?}");
}

/// The replicas themselves, with no load balancer in between.
fn replicas(world: &Arc<World>) -> Vec<Wire> {
    world.replicas.iter().map(|replica| Wire::to(world, replica.port, somewhere())).collect()
}

async fn readiness(world: &Arc<World>, which: usize) -> (u16, Value) {
    let answer = replicas(world)[which].request(Method::GET, "/health/ready").send().await.unwrap();
    (answer.status().as_u16(), serde_json::from_str(&answer.text().await.unwrap()).unwrap())
}

/// Lets every code end soon; how long the one that had most had, and less than nothing if there was none.
async fn lets_codes_end_in(world: &World, end: Duration) -> i64 {
    let mut redis = world.redis_itself().await;
    let keys: Vec<String> =
        redis::cmd("KEYS").arg("doorcode:*:code:*").query_async(&mut redis).await.unwrap();
    let mut most = -1;
    for key in keys {
        let left: i64 = redis::cmd("PTTL").arg(&key).query_async(&mut redis).await.unwrap();
        most = most.max(left);
        let end = u64::try_from(end.as_millis()).unwrap();
        redis::cmd("PEXPIRE").arg(&key).arg(end).arg("LT").exec_async(&mut redis).await.unwrap();
    }
    most
}
