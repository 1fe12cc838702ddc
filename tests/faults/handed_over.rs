//! F08: PostgreSQL takes no writes, is restarted, or has no connection left.

use std::sync::Arc;
use std::time::Duration;

use crate::people::{Crowd, Person, after};
use crate::stores::{PEOPLE, SOON, a_session_and_a_code, is_turned_away_within};
use crate::world::World;

/// What can be the matter with PostgreSQL, as its clients see it.
#[derive(Debug, Clone, Copy)]
enum Matter {
    /// It has become a standby: each write is refused (25006).
    ReadOnly,
    /// It ends every session (57P01), and is away for a while.
    Restarted,
    /// It ends every session, and has too many clients for another (53300).
    Crowded,
}

pub(crate) async fn f08_a_postgresql_that_is_read_only_restarted_or_crowded_splits_no_session(
    world: Arc<World>,
) {
    let crowd = Crowd::come(&world, PEOPLE, 8);
    let lasts = Duration::from_secs(world.rounds(2, 30) as u64);
    for matter in [Matter::ReadOnly, Matter::Restarted, Matter::Crowded] {
        let (person, tokens, code) = a_session_and_a_code(&world).await;
        let over = tokio::time::sleep(lasts);
        match matter {
            Matter::ReadOnly => world.database_takes(false, None).await,
            Matter::Restarted => world.stop_postgres(),
            Matter::Crowded => {
                world.database_takes(true, Some(0)).await;
                let end = "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'doorcode'";
                sqlx::query(end).execute(&world.sql).await.unwrap();
            }
        }
        // Refused at once, oftener than the code has tries; whoever waits for a connection first has waited long enough twice.
        let times = if matches!(matter, Matter::ReadOnly) { 6 } else { 2 };
        for _ in 0..times {
            world.ledger.verified_unheard(&person.email);
            is_turned_away_within(2 * SOON, person.wire.verify(&person.email, &code, &[])).await;
        }
        world.ledger.refreshed_unheard(&tokens);
        is_turned_away_within(2 * SOON, person.wire.refresh(&tokens.refresh, &[])).await;
        over.await;
        world.start_postgres();
        world.database_takes(true, None).await;
        let again = person.type_code_until_taken(&code).await;
        assert_ne!(again.session, tokens.session, "{matter:?}");
        let tokens = person.refresh(&tokens).await.unwrap();
        person.refresh(&tokens).await.unwrap();
        Person::new(&world).sign_in_now().await;
    }
    after(&world, crowd).await;
}
