//! F17: a disk of PostgreSQL is full: that of its log, which fells it, or that of its tables, which it outlives.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::people::{Crowd, Person, after};
use crate::stores::{PEOPLE, SOON, a_session_and_a_code, is_turned_away_within};
use crate::wire::Got;
use crate::world::{World, until};

/// Megabytes that there are: two files of the log of writes.
const ROOM: &str = "32";
/// How long PostgreSQL may take to fall, or to be back.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) async fn f17_a_full_disk_fells_postgresql_and_nothing_that_it_said(world: Arc<World>) {
    // Little room, so that it is soon used up; what is over is thrown away.
    for setting in ["min_wal_size = '32MB'", "max_wal_size = '48MB'"] {
        sql(&world, &format!("alter system set {setting}")).await.unwrap();
    }
    sql(&world, "select pg_reload_conf()").await.unwrap();
    for _ in 0..2 {
        sql(&world, "select pg_switch_wal()").await.unwrap();
        sql(&world, "checkpoint").await.unwrap();
    }
    world.confine_postgres("pg_wal", ROOM);
    let crowd = Crowd::come(&world, PEOPLE, 17);
    for _ in 0..world.rounds(1, 10) {
        let (person, tokens, code) = a_session_and_a_code(&world).await;
        let fallen = world.wanted_room("PANIC");
        let began = Instant::now();
        world.fill_postgres(true);
        // Each takes a new file of the log, until there is no room for one.
        let fills = "select pg_logical_emit_message(false, 'fills', 'it'), pg_switch_wal()";
        until(PATIENCE, "PostgreSQL falls", async || sql(&world, fills).await.is_err()).await;
        println!("  fell after {:.1?}", began.elapsed());
        let lasts = tokio::time::sleep(Duration::from_secs(world.rounds(2, 20) as u64));
        for _ in 0..2 {
            world.ledger.verified_unheard(&person.email);
            is_turned_away_within(2 * SOON, person.wire.verify(&person.email, &code, &[])).await;
        }
        world.ledger.refreshed_unheard(&tokens);
        is_turned_away_within(2 * SOON, person.wire.refresh(&tokens.refresh, &[])).await;
        lasts.await;
        assert!(world.wanted_room("PANIC") > fallen, "it had room");
        let began = Instant::now();
        world.fill_postgres(false);
        until(PATIENCE, "PostgreSQL is back", async || {
            world.start_postgres();
            sql(&world, "select 1").await.is_ok()
        })
        .await;
        println!("  started again within {:.1?}", began.elapsed());
        let again = person.type_code_until_taken(&code).await;
        assert_ne!(again.session, tokens.session);
        person.refresh(&tokens).await.unwrap();
        Person::new(&world).sign_in_now().await;
    }
    after(&world, crowd).await;
    for setting in ["min_wal_size", "max_wal_size"] {
        sql(&world, &format!("alter system reset {setting}")).await.unwrap();
    }
    world.release_postgres();
}

pub(crate) async fn f17_a_full_disk_under_the_tables_takes_nobody_in_and_keeps_what_it_has(
    world: Arc<World>,
) {
    world.confine_postgres("base", ROOM);
    let crowd = Crowd::come(&world, PEOPLE, 18);
    for _ in 0..world.rounds(1, 10) {
        let (person, tokens, _) = a_session_and_a_code(&world).await;
        let fallen = world.wanted_room("PANIC");
        let wanted = world.wanted_room("ERROR");
        world.fill_postgres(true);
        // What was taken before is used up first. Nobody is to hear anything but that it does not work now.
        let newcomers = AtomicUsize::new(0);
        until(PATIENCE, "somebody is turned away", async || {
            let newcomer = Person::new(&world);
            newcomers.fetch_add(1, Ordering::Relaxed);
            let code = newcomer.code().await;
            world.ledger.verified_unheard(&newcomer.email);
            matches!(newcomer.wire.verify(&newcomer.email, &code, &[200]).await, Got::TurnedAway(_))
        })
        .await;
        assert!(world.wanted_room("ERROR") > wanted, "it had room");
        // Who is in stays in.
        assert!(person.wire.user(&tokens.access, &[200]).await.ok().is_some());
        tokio::time::sleep(Duration::from_secs(world.rounds(2, 20) as u64)).await;
        world.fill_postgres(false);
        let began = Instant::now();
        Person::new(&world).sign_in_now().await;
        person.refresh(&tokens).await.unwrap();
        println!(
            "  one of {} newcomers was turned away; back after {:.1?}",
            newcomers.into_inner(),
            began.elapsed()
        );
        assert_eq!(world.wanted_room("PANIC"), fallen, "it fell");
    }
    after(&world, crowd).await;
    world.release_postgres();
}

async fn sql(world: &World, statement: &str) -> sqlx::Result<()> {
    let statement = sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned()));
    // The pool would wait for PostgreSQL for half a minute.
    let done = tokio::time::timeout(SOON, statement.execute(&world.sql)).await;
    done.unwrap_or(Err(sqlx::Error::PoolTimedOut)).map(drop)
}
