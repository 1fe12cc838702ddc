//! F10: the mail server takes connections and says nothing, and then a replica dies with mails in its hands.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use crate::people::{Person, recovery};
use crate::proxy::Mode;
use crate::world::World;

/// Where mails wait, and who takes them (src/ports/codes/redis/queue.rs).
const QUEUE: &str = "doorcode:{0}:mail";
const MAILERS: &str = "mailers";

pub(crate) async fn f10_mails_outlive_a_silent_mail_server_and_the_replica_that_had_them(world: Arc<World>) {
    world.mail.set(Mode::BlackHole);
    let people: Vec<_> = (0..world.rounds(30, 200)).map(|_| Person::new(&world)).collect();
    let mut slowest = Duration::ZERO;
    // More at the same moment would wait for each other.
    for people in people.chunks(30) {
        let took = join_all(people.iter().map(async |person| {
            let began = Instant::now();
            assert!(person.ask(began + Duration::from_secs(5)).await.is_some(), "no code was promised");
            began.elapsed()
        }));
        slowest = took.await.into_iter().fold(slowest, Duration::max);
    }
    assert!(slowest < Duration::from_secs(1), "asking waited for the mail server: {slowest:?}");
    let in_hand = in_hand(&world).await.len();
    assert!(in_hand > 0, "mails are in somebody's hands");
    for replica in 0..2 {
        world.kill_replica(replica).await;
    }
    world.mail.set(Mode::Pass);
    for replica in &world.replicas {
        replica.start(world.folder.path()).await;
    }
    world.balancer.has_ready(3).await;
    // What the dead had is taken over once their lease has ended; the living hold on to theirs.
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let waiting = people.iter().filter(|person| world.mailbox.codes(&person.email).is_empty()).count();
        if waiting == 0 {
            break;
        }
        assert!(Instant::now() < until, "{waiting} mails did not come");
        end_leases(&world, Duration::from_secs(30)).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    for person in &people {
        let codes = world.mailbox.codes(&person.email);
        person.type_code_until_taken(codes.last().unwrap()).await;
    }
    assert!(recovery(&world).await < Duration::from_secs(10));
    let score = world.tally.take();
    score.assert_nothing_wrong();
    let counted = world.ledger.settle(&world).await;
    println!(
        "  the slowest of {} asks took {slowest:.1?}; {in_hand} mails were in hand; {counted}",
        people.len()
    );
}

/// The mails that somebody has taken, and for how many milliseconds.
async fn in_hand(world: &World) -> Vec<(String, String, u64, u64)> {
    let mut redis = world.redis_itself().await;
    let ask = redis::cmd("XPENDING").arg(QUEUE).arg(MAILERS).arg("-").arg("+").arg(1000).to_owned();
    ask.query_async(&mut redis).await.unwrap()
}

/// Lets time pass for the leases: a mail that nobody has touched for a moment longer than a living worker would leave it.
async fn end_leases(world: &World, by: Duration) {
    let mut redis = world.redis_itself().await;
    for (id, worker, idle, _) in in_hand(world).await {
        let idle = idle + u64::try_from(by.as_millis()).unwrap();
        let mut older = redis::cmd("XCLAIM");
        older.arg(QUEUE).arg(MAILERS).arg(worker).arg(0).arg(id).arg("IDLE").arg(idle).arg("JUSTID");
        older.query_async::<redis::Value>(&mut redis).await.unwrap();
    }
}
