//! F04: a master of Redis dies, and the replica that takes over lacks its last writes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;

use crate::people::{Crowd, Person, after};
use crate::races::{directly, sessions_of};
use crate::redis::{OwnRedis, client_of};
use crate::stores::PEOPLE;
use crate::wire::Got;
use crate::world::{World, until};

/// How long a failover may take: longer than the servers of the tests need to be sure that their master is gone.
const FAILOVER: Duration = Duration::from_secs(30);

pub(crate) async fn f04_a_code_that_comes_back_with_a_failover_opens_no_second_session(world: Arc<World>) {
    for round in 0..world.rounds(1, 20) {
        let kind = if round % 2 == 0 { "cluster" } else { "sentinel" };
        let redis = Arc::new(OwnRedis::start(&[kind]).await);
        world.use_redis(Some(Arc::clone(&redis))).await;
        world.ledger.let_codes_be_lost(true);
        let person = Person::new(&world);
        let code = person.code().await;
        let (dead, key) = where_the_code_is(&world).await;
        let crowd = Crowd::come(&world, PEOPLE, 40);
        // From here on nobody else hears what the master writes.
        let followers = followers(&redis).await;
        for follower in &followers {
            redis.signal(*follower, "STOP");
        }
        let mut master = connected(dead).await.expect("the master");
        redis::cmd("CLIENT").arg("KILL").arg("TYPE").arg("replica").exec_async(&mut master).await.unwrap();
        let tokens = person.type_code_or_hear_no(&code).await.expect("a session");
        until(FAILOVER, "the code is gone", async || !exists(dead, &key).await).await;
        redis.signal(dead, "KILL");
        for follower in &followers {
            redis.signal(*follower, "CONT");
        }
        let began = Instant::now();
        // In the slot of the code, as its braces say.
        let tag = key.split_inclusive('}').next().unwrap();
        until(FAILOVER, "a failover", async || redis.master_of(tag).await.is_some_and(|port| port != dead))
            .await;
        let (took, master) = (began.elapsed(), redis.master_of(tag).await.unwrap());
        assert!(exists(master, &key).await, "the new master has the code");
        world.ledger.codes_are_lost();
        for wire in directly(&world, 3) {
            let end = Instant::now() + FAILOVER;
            while !matches!(wire.verify(&person.email, &code, &[403]).await, Got::Fine(..)) {
                assert!(Instant::now() < end, "no answer to the code that has come back");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        assert_eq!(sessions_of(&world, &person).await, 1);
        person.refresh(&tokens).await.expect("the session goes on");
        println!("  {kind}: a new master after {took:.1?}");
        after(&world, crowd).await;
        world.ledger.let_codes_be_lost(false);
        world.use_redis(None).await;
    }
}

/// The only code that waits: the server that has it, and its key.
async fn where_the_code_is(world: &World) -> (u16, String) {
    for (port, mut server) in world.redis_servers().await {
        let keys: Vec<String> = redis::cmd("KEYS").arg("*:code:*").query_async(&mut server).await.unwrap();
        if let [key] = keys.as_slice() {
            return (port, key.clone());
        }
    }
    panic!("there is no code, or more than one");
}

async fn exists(port: u16, key: &str) -> bool {
    let Some(mut server) = connected(port).await else { return false };
    redis::cmd("EXISTS").arg(key).query_async(&mut server).await.unwrap()
}

async fn followers(redis: &OwnRedis) -> Vec<u16> {
    let mut followers = redis.servers();
    for (port, _) in masters(redis).await {
        followers.retain(|follower| *follower != port);
    }
    followers
}

/// The servers that are masters now, with a connection to each.
pub(crate) async fn masters(redis: &OwnRedis) -> Vec<(u16, MultiplexedConnection)> {
    let mut masters = Vec::new();
    for port in redis.servers() {
        let Some(mut server) = connected(port).await else { continue };
        let told: String = redis::cmd("INFO").arg("replication").query_async(&mut server).await.unwrap();
        if told.contains("role:master") {
            masters.push((port, server));
        }
    }
    masters
}

/// A connection to a server, if it answers.
async fn connected(port: u16) -> Option<MultiplexedConnection> {
    let client = client_of(port);
    let connecting = client.get_multiplexed_async_connection();
    tokio::time::timeout(Duration::from_secs(1), connecting).await.ok()?.ok()
}
