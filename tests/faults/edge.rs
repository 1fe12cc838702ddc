//! T37, T38, T39 over three replicas, directly and through the load balancer: requests that are large, slow or ambiguous.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;

use crate::ambiguous::{CHUNKS, ambiguous};
use crate::costs::{descriptors, memory};
use crate::people::{Crowd, Person, after};
use crate::raw::{Dripping, PATIENCE, Raw};
use crate::replica::Replica;
use crate::stores::PEOPLE;
use crate::tally::Act;
use crate::wire::{READER, Wire, somewhere};
use crate::world::{World, until};

/// What a replica may need for a moment, in KiB.
const ROOM: usize = 20 * 1024;

/// The replicas, and the load balancer.
fn ports(world: &World) -> Vec<u16> {
    let replicas = world.replicas.iter().map(|replica| replica.port);
    replicas.chain([world.balancer.port]).collect()
}

/// A connection from an address of its own.
async fn connection(port: u16) -> Raw {
    Raw::from(&somewhere().to_string(), &format!("127.0.0.1:{port}")).await
}

/// What the kernel says of each replica.
async fn each_replica(world: &World, of: impl Fn(u32) -> usize) -> Vec<usize> {
    let pids = join_all(world.replicas.iter().map(Replica::pid)).await;
    pids.into_iter().map(|pid| of(pid.unwrap())).collect()
}

pub(crate) async fn t37_bodies_without_an_end_deep_and_packed_ones_are_refused_and_cost_no_memory(
    world: Arc<World>,
) {
    let crowd = Crowd::come(&world, PEOPLE, 37);
    // What people at work take is taken by now.
    join_all((0..20).map(async |_| Person::new(&world).sign_in_now().await)).await;
    let before = each_replica(&world, memory).await;
    let head = format!("POST /auth/v1/otp HTTP/1.1\r\nHost: {READER}\r\nTransfer-Encoding: chunked\r\n\r\n");
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    let each = world.rounds(5, 50);
    let endless = ports(&world).into_iter().flat_map(|port| (0..each).map(move |_| port)).map(async |port| {
        let (mut raw, mut sent) = (connection(port).await, 0);
        raw.say(&head).await;
        while sent < 1 << 30 && raw.stream.write_all(chunk.as_bytes()).await.is_ok() {
            sent += chunk.len();
        }
        sent
    });
    let sent = tokio::time::timeout(PATIENCE, join_all(endless)).await.expect("they are ended");
    let most = sent.iter().max().unwrap() / 1024;
    // What fits into the buffers of both systems and of the load balancer, and no more.
    assert!(most < 32 * 1024, "{most} KiB of a body were taken");
    for port in ports(&world) {
        let mut raw = connection(port).await;
        raw.say(format!("{head}{chunk}{chunk}")).await;
        assert_eq!(raw.answer().await.map(|answer| answer.status), Some(413), "on port {port}");
        let wire = Wire::to(&world, port, somewhere());
        for (depth, status) in [(16, 400), (30_000, 400), (100_000, 413)] {
            let deep = format!(r#"{{"email": {}1{}}}"#, "[".repeat(depth), "]".repeat(depth));
            let answer = wire.post("/auth/v1/otp", &json!(null)).body(deep).send().await.unwrap();
            assert_eq!(answer.status(), status, "{depth} deep, on port {port}");
        }
        let packed = wire.post("/auth/v1/otp", &json!({})).header("content-encoding", "gzip");
        assert_eq!(packed.send().await.unwrap().status(), 415, "on port {port}");
    }
    let grown: Vec<_> = each_replica(&world, memory)
        .await
        .iter()
        .zip(&before)
        .map(|(now, before)| now.saturating_sub(*before))
        .collect();
    assert!(grown.iter().all(|grown| *grown < ROOM), "KiB more: {grown:?}");
    println!(
        "  of {} endless bodies at most {most} KiB were taken; KiB more in memory: {grown:?}",
        sent.len()
    );
    after(&world, crowd).await;
}

/// Connections that drip a head, each anew when it is ended.
const SLOW: usize = 2000;
/// How often somebody comes who is not to notice anything.
const EVERY: Duration = Duration::from_millis(200);

pub(crate) async fn t38_slow_clients_keep_nobody_from_signing_in(world: Arc<World>) {
    let before = each_replica(&world, descriptors).await;
    let clients = ports(&world).into_iter().cycle().take(SLOW).map(|port| move || connection(port));
    let slow = Dripping::begin(clients, READER);
    until(PATIENCE, "they are connected", async || slow.open() >= SLOW * 9 / 10).await;
    drop(world.tally.take());
    let mut canaries = JoinSet::new();
    for _ in 0..world.rounds(35, 300) {
        let world = Arc::clone(&world);
        canaries.spawn(async move { Person::new(&world).sign_in_now().await });
        tokio::time::sleep(EVERY).await;
    }
    let sessions = canaries.join_all().await.len();
    let score = world.tally.take();
    score.assert_nothing_wrong();
    let took = [Act::Ask, Act::Verify].iter().flat_map(|act| &score.acts[act].took);
    let mut took: Vec<_> = took.copied().collect();
    took.sort_unstable();
    // All but the hundredth that is slowest.
    let late = took[took.len() - 1 - took.len().div_ceil(100)];
    let ended = slow.ended();
    slow.end().await;
    println!(
        "  {sessions} sign-ins beside {SLOW} slow clients: 99 of 100 answers within {late} ms; the slow were ended {ended} times"
    );
    assert!(late < 1000, "99 of 100 answers within {late} ms");
    assert!(ended >= SLOW, "they were ended, and came again");
    let stopped = Instant::now();
    while each_replica(&world, descriptors).await.iter().zip(&before).any(|(now, before)| *now > before + 20)
    {
        assert!(
            stopped.elapsed() < Duration::from_secs(30),
            "{:?} of {before:?}",
            each_replica(&world, descriptors).await
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    println!("  descriptors were back after {:.1?}", stopped.elapsed());
    world.ledger.settle(&world).await;
}

pub(crate) async fn t39_what_can_be_read_in_two_ways_gets_one_refusal_and_leaves_nothing_behind(
    world: Arc<World>,
) {
    let crowd = Crowd::come(&world, PEOPLE, 39);
    let chunks = CHUNKS.map(|(what, body)| {
        let head =
            format!("POST /auth/v1/otp HTTP/1.1\r\nHost: {READER}\r\nTransfer-Encoding: chunked\r\n\r\n");
        (what, head + body)
    });
    let requests: Vec<_> = ambiguous().into_iter().chain(chunks).collect();
    let innocent = format!("GET /health/live HTTP/1.1\r\nHost: {READER}\r\nConnection: close\r\n\r\n");
    let (mut refused, mut written_anew) = (0, Vec::new());
    for port in ports(&world) {
        let answers = join_all(requests.iter().map(async |(what, request)| {
            let mut raw = connection(port).await;
            raw.say(format!("{request}{innocent}")).await;
            let first = raw.answer().await.map(|answer| answer.status);
            (*what, first, String::from_utf8_lossy(&raw.all().await).into_owned())
        }));
        // Whoever comes meanwhile gets their own answers.
        let others = join_all((0..requests.len()).map(async |_| {
            let mut raw = connection(port).await;
            raw.say(&innocent).await;
            raw.answer().await.map(|answer| (answer.status, answer.body.contains("\"live\"")))
        }));
        let (answers, others) = tokio::join!(answers, others);
        for (what, status, more) in answers {
            if port != world.balancer.port {
                assert_eq!((status, more.as_str()), (Some(400), ""), "{what}: one refusal and the end");
            } else if status == Some(400) && more.is_empty() {
                refused += 1;
            } else {
                // The load balancer has understood it in one way, and has written that anew: the replica understands the
                // same. What follows is the sender's own next request; so are the answers, two or three at the most.
                assert!(status.is_some_and(|status| status < 500), "{what}: {status:?}");
                assert!(more.matches("HTTP/1.1 ").count() <= 2, "{what}: {more}");
                written_anew.push(what);
            }
        }
        assert!(others.iter().all(|answer| *answer == Some((200, true))), "{others:?}");
    }
    println!(
        "  through the load balancer {refused} of {} end so; it writes anew: {written_anew:?}",
        requests.len()
    );
    after(&world, crowd).await;
}
