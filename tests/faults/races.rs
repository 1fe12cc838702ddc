//! T01, T02, T17, T19, T20 over three replicas: what happens at once, counted in the stores afterwards.

use std::sync::Arc;

use futures_util::future::join_all;

use crate::ledger::Tokens;
use crate::people::{Person, recovery};
use crate::tally::Act;
use crate::wire::{Got, Wire, somewhere};
use crate::world::World;

/// Clients that each have an address of their own and speak to the replicas in turn, with nothing in between.
pub(crate) fn directly(world: &Arc<World>, clients: usize) -> Vec<Wire> {
    let ports = world.replicas.iter().map(|replica| replica.port).cycle();
    ports.take(clients).map(|port| Wire::to(world, port, somewhere())).collect()
}

pub(crate) async fn t01_of_two_hundred_wrong_guesses_and_a_right_one_at_most_five_count(world: Arc<World>) {
    for _ in 0..world.rounds(5, 50) {
        let person = Person::new(&world);
        let code = person.code().await;
        let right: u32 = code.parse().unwrap();
        let guess = |distance| format!("{:06}", (right + distance) % 1_000_000);
        let guesses: Vec<_> = (1..=100).chain([0]).chain(101..=200).map(guess).collect();
        let before = wrong_guesses(&world).await;
        at_once(&world, &person, &guesses).await;
        let opened = sessions_of(&world, &person).await;
        let counted = wrong_guesses(&world).await - before;
        assert!(opened <= 1, "{opened} sessions");
        assert!(counted + opened <= 5, "I2: {counted} wrong guesses were admitted and {opened} right");
        assert!(counted + opened >= 1, "nothing was counted");
        // Whoever won: the code is gone, everywhere.
        for wire in directly(&world, 3) {
            assert_eq!(wire.verify(&person.email, &code, &[403]).await.status(), Some(403));
        }
    }
    world.tally.take().assert_nothing_wrong();
    world.ledger.settle(&world).await;
}

pub(crate) async fn t02_a_right_code_a_hundred_times_at_once_opens_one_session(world: Arc<World>) {
    let person = Person::new(&world);
    let code = person.code().await;
    let answered = at_once(&world, &person, &vec![code.clone(); 100]).await;
    assert_eq!((sessions_of(&world, &person).await, answered), (1, 1));
    world.stop_redis();
    world.start_redis();
    recovery(&world).await;
    for wire in directly(&world, 3) {
        assert_eq!(wire.verify(&person.email, &code, &[403]).await.status(), Some(403), "a replay");
    }
    drop(world.tally.take());
    world.ledger.settle(&world).await;
}

/// Sends all guesses at the same moment, and counts the sessions that were answered.
pub(crate) async fn at_once(world: &Arc<World>, person: &Person, guesses: &[String]) -> i64 {
    let clients = directly(world, guesses.len());
    let answers = join_all(
        clients
            .iter()
            .zip(guesses)
            .map(async |(wire, guess)| wire.verify(&person.email, guess, &[200, 403]).await),
    );
    let mut opened = 0;
    for got in answers.await {
        match got {
            Got::Fine(200, body) => {
                world.ledger.signed_in(&person.email, &Tokens::read(&body));
                opened += 1;
            }
            Got::Fine(..) => {}
            // So many at once may be too many for the moment; what became of them is counted in the stores.
            _ => world.ledger.verified_unheard(&person.email),
        }
    }
    opened
}

/// The sessions of somebody, in the database.
pub(crate) async fn sessions_of(world: &World, person: &Person) -> i64 {
    let email = &person.email;
    world
        .count(&format!("auth.sessions s join auth.users u on u.id = s.user_id where u.email = '{email}'"))
        .await
}

/// The wrong guesses that were admitted so far, over all addresses (src/ports/codes/claim.lua).
pub(crate) async fn wrong_guesses(world: &World) -> i64 {
    let mut redis = world.redis_itself().await;
    let keys: Vec<String> =
        redis::cmd("KEYS").arg("doorcode:*:wrong:*").query_async(&mut redis).await.unwrap();
    let mut sum = 0;
    for key in keys {
        sum += redis::cmd("LLEN").arg(key).query_async::<i64>(&mut redis).await.unwrap();
    }
    sum
}

pub(crate) async fn t17_invented_addresses_do_not_get_around_a_limit(world: Arc<World>) {
    // Nobody trusts this client: straight to a replica it is what it is, and the load balancer replaces its words.
    for port in [world.replicas[0].port, world.balancer.port] {
        let wire = Wire::to(&world, port, somewhere());
        let (mut passed, mut limited) = (0, 0);
        for number in 0..100_u8 {
            let invented = format!("203.0.113.{number}, 198.51.100.{}", 255 - number);
            let body = serde_json::json!({"type": "email", "email": world.new_address(), "token": "000000"});
            let request = wire.post("/auth/v1/verify", &body).header("x-forwarded-for", invented);
            match request.header("x-real-ip", "203.0.113.9").send().await.unwrap().status().as_u16() {
                403 => passed += 1,
                429 => limited += 1,
                other => panic!("{other}"),
            }
        }
        // limits.client_wrong_per_10min, over all replicas.
        assert_eq!((passed, limited), (20, 80));
    }
}

pub(crate) async fn t19_fifty_refreshes_of_one_token_at_once_have_one_successor(world: Arc<World>) {
    let (person, neighbour) = (Person::new(&world), Person::new(&world));
    let (tokens, other) = (person.sign_in_now().await, neighbour.sign_in_now().await);
    let clients = directly(&world, 50);
    let answers = clients.iter().map(async |wire| wire.refresh(&tokens.refresh, &[200]).await);
    for got in join_all(answers).await {
        let next = Tokens::read(&got.ok().expect("a successor"));
        assert_eq!((next.session, next.counter), (tokens.session, tokens.counter + 1));
        world.ledger.refreshed(&next);
    }
    neighbour.refresh(&other).await.expect("others are not concerned");
    world.tally.take().assert_nothing_wrong();
    world.ledger.settle(&world).await;
}

pub(crate) async fn t20_a_sign_out_that_races_refreshes_is_final_on_every_replica(world: Arc<World>) {
    for _ in 0..world.rounds(20, 500) {
        let person = Person::new(&world);
        let tokens = person.sign_in_now().await;
        let clients = directly(&world, 5);
        world.ledger.signing_out(&tokens);
        let refreshes = join_all(
            clients[..4].iter().map(async |wire| wire.refresh(&tokens.refresh, &[200, 400, 409]).await),
        );
        let (got, left) = tokio::join!(refreshes, clients[4].sign_out(&tokens.access, &[204]));
        assert_eq!(left.status(), Some(204));
        world.ledger.signed_out(&tokens);
        let handed_out = got.into_iter().filter_map(Got::ok).map(|body| Tokens::read(&body));
        for held in handed_out.chain([tokens]) {
            for wire in &clients[..3] {
                assert_eq!(
                    wire.send(Act::Refresh, wire.refreshing(&held.refresh), &[400]).await.status(),
                    Some(400)
                );
                assert_eq!(wire.user(&held.access, &[403]).await.status(), Some(403), "I5");
            }
        }
    }
    world.tally.take().assert_nothing_wrong();
    world.ledger.settle(&world).await;
}
