//! Three replicas behind a load balancer while something breaks: what is promised is held against what is there.
//!
//! `tests/run faults` starts what this needs. The scenarios run one after the other on replicas and stores that they share,
//! so they have a `main` of their own in place of the one that runs tests side by side.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops where it is")]

mod clocks;
mod edge;
mod enumeration;
mod failover;
mod forgotten;
mod full_disk;
mod handed_over;
mod imposter;
mod ledger;
mod lost;
mod mail;
mod mail_server;
mod mailbox;
mod outages;
mod pace;
mod people;
mod proxy;
mod races;
mod replica;
mod restarts;
mod soak;
mod stores;
mod tally;
mod upgrade;
mod wire;
mod world;

// What tests/api sends, and what it starts processes and services with.
#[path = "../api/edge/ambiguous.rs"]
mod ambiguous;
#[path = "../api/support/cluster.rs"]
#[expect(dead_code, reason = "tests/api uses the rest")]
mod cluster;
#[path = "../api/edge/costs.rs"]
mod costs;
#[path = "../api/support/own.rs"]
mod own;
#[path = "../api/support/process.rs"]
#[expect(dead_code, reason = "tests/api uses the rest")]
mod process;
#[path = "../api/edge/raw.rs"]
#[expect(dead_code, reason = "tests/api uses the rest")]
mod raw;
#[path = "../api/support/redis.rs"]
#[expect(dead_code, reason = "tests/api uses the rest")]
mod redis;
#[path = "../api/support/services.rs"]
#[expect(dead_code, reason = "tests/api uses the rest")]
mod services;
#[path = "../api/support/shipped.rs"]
mod shipped;

use std::path::Path;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;

use self::replica::Program;
use self::world::{Start, World};

/// A scenario: what it is called, and what happens.
type Scenario = (&'static str, fn(Arc<World>) -> Pin<Box<dyn Future<Output = ()>>>);

macro_rules! scenarios {
    ($($file:ident::$name:ident),* $(,)?) => {
        &[$((stringify!($name), |world| Box::pin($file::$name(world)))),*]
    };
}

/// In the order in which they run.
const SCENARIOS: &[Scenario] = scenarios![
    races::t01_of_two_hundred_wrong_guesses_and_a_right_one_at_most_five_count,
    races::t02_a_right_code_a_hundred_times_at_once_opens_one_session,
    enumeration::t12_asking_looks_the_same_whoever_has_the_address,
    races::t17_invented_addresses_do_not_get_around_a_limit,
    races::t19_fifty_refreshes_of_one_token_at_once_have_one_successor,
    races::t20_a_sign_out_that_races_refreshes_is_final_on_every_replica,
    edge::t37_bodies_without_an_end_deep_and_packed_ones_are_refused_and_cost_no_memory,
    edge::t38_slow_clients_keep_nobody_from_signing_in,
    edge::t39_what_can_be_read_in_two_ways_gets_one_refusal_and_leaves_nothing_behind,
    stores::f01_without_redis_nobody_signs_in_and_sessions_go_on,
    stores::f02_a_slow_redis_is_an_outage_of_signing_in_alone,
    forgotten::f03_a_redis_that_forgets_everything_admits_no_sixth_guess,
    forgotten::f03_the_guesses_of_a_day_and_of_a_month_come_back_from_the_database,
    failover::f04_a_code_that_comes_back_with_a_failover_opens_no_second_session,
    forgotten::f05_a_redis_that_is_full_takes_no_code_and_forgets_no_count,
    stores::f06_postgresql_killed_while_the_right_code_is_typed_burns_no_code,
    stores::f07_a_slow_postgresql_keeps_nobody_waiting,
    handed_over::f08_a_postgresql_that_is_read_only_restarted_or_crowded_splits_no_session,
    lost::f09_the_database_commits_and_its_answer_is_lost,
    lost::f09_a_session_is_opened_or_ended_and_the_answer_lost_and_the_person_hears_of_it,
    lost::f09_a_script_runs_in_redis_and_its_answer_is_lost,
    lost::f09_the_answer_to_a_refresh_is_lost_and_its_repetition_gets_the_same_successor,
    mail::f10_mails_outlive_a_silent_mail_server_and_the_replica_that_had_them,
    mail_server::f11_a_mail_server_that_says_later_gets_each_mail_later_and_at_most_twice,
    mail_server::f12_a_mailbox_that_refuses_looks_like_any_other_and_is_left_alone_after_two_refusals,
    mail_server::f13_a_mail_server_that_is_not_ours_hears_no_code_and_no_password,
    clocks::f14_replicas_whose_clocks_are_wrong_say_so_and_decide_over_nothing_by_them,
    restarts::f15_a_rolling_restart_under_load_is_seen_by_nobody,
    restarts::f16_replicas_killed_at_random_break_no_promise,
    full_disk::f17_a_full_disk_fells_postgresql_and_nothing_that_it_said,
    full_disk::f17_a_full_disk_under_the_tables_takes_nobody_in_and_keeps_what_it_has,
    upgrade::f18_two_rotations_of_the_key_during_a_rolling_restart_refuse_no_good_token,
    upgrade::f21_replicas_serve_stop_and_start_beside_a_database_that_is_a_version_ahead,
    upgrade::f21_three_replicas_that_start_at_once_migrate_once,
    restarts::f19_everybody_comes_back_at_once_and_nobody_is_taken_for_a_thief,
    lost::f20_people_who_hang_up_leave_nothing_half_done,
];

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let chosen: Vec<_> = SCENARIOS
        .iter()
        .filter(|(name, _)| wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str())))
        .collect();
    if std::env::args().any(|word| word == "--list") {
        for (name, _) in chosen {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    if let [first, minutes, ..] = wanted.as_slice()
        && first == "soak"
    {
        return soak_for(minutes).await;
    }
    if let [first, folder, ..] = wanted.as_slice()
        && first == "upgrade"
    {
        return upgrade_from(Path::new(folder)).await;
    }
    println!("\nrunning {} tests", chosen.len());
    let (all_began, mut failed) = (Instant::now(), Vec::new());
    if !chosen.is_empty() {
        let world = Arc::new(World::start(flag("--long").is_some()).await);
        println!("three replicas are ready ({:.1} s)", all_began.elapsed().as_secs_f64());
        for (name, scenario) in &chosen {
            let began = Instant::now();
            let outcome = std::panic::AssertUnwindSafe(scenario(Arc::clone(&world))).catch_unwind().await;
            let verdict = if outcome.is_ok() { "ok" } else { "FAILED" };
            println!("test {name} ... {verdict} ({:.1} s)", began.elapsed().as_secs_f64());
            if outcome.is_err() {
                failed.push(*name);
                show_logs(&world).await;
                eprintln!("── answers ──\n{}", world.tally.take());
                // Each begins with everything at work.
                world.heal().await;
                tokio::time::sleep(Duration::from_secs(1)).await;
                drop(world.tally.take());
                world.ledger.forgive();
            }
        }
        world.end().await;
    }
    let verdict = if failed.is_empty() { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {verdict}. {} passed; {} failed; 0 ignored; 0 measured; {} filtered out; finished in {:.2}s\n",
        chosen.len() - failed.len(),
        failed.len(),
        SCENARIOS.len() - chosen.len(),
        all_began.elapsed().as_secs_f64()
    );
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// `soak MINUTES [--seed=N]`
async fn soak_for(minutes: &str) -> ExitCode {
    let minutes: u64 = minutes.parse().expect("soak takes a number of minutes");
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let seed = flag("--seed=").map_or(now, |seed| seed.parse().expect("a seed is a number"));
    let world = Arc::new(World::start(true).await);
    let soaked = soak::soak(Arc::clone(&world), Duration::from_secs(60 * minutes), seed);
    ended_well(&world, soaked).await
}

/// `upgrade FOLDER`
async fn upgrade_from(folder: &Path) -> ExitCode {
    let older = Program::built_in(folder);
    let world = Arc::new(World::begin(true, Start::With(older.clone())).await);
    println!("three replicas of {} are ready", folder.display());
    ended_well(&world, upgrade::upgrade(&world, &older)).await
}

async fn ended_well(world: &World, work: impl Future<Output = ()>) -> ExitCode {
    if std::panic::AssertUnwindSafe(work).catch_unwind().await.is_ok() {
        return ExitCode::SUCCESS;
    }
    show_logs(world).await;
    eprintln!("── answers ──\n{}", world.tally.take());
    ExitCode::FAILURE
}

/// What follows a flag on the command line.
fn flag(name: &str) -> Option<String> {
    std::env::args().find_map(|word| word.strip_prefix(name).map(str::to_owned))
}

async fn show_logs(world: &World) {
    for replica in &world.replicas {
        let log = replica.log().await;
        let lines: Vec<_> = log.lines().collect();
        eprintln!(
            "── replica on port {} ──\n{}",
            replica.port,
            lines[lines.len().saturating_sub(15)..].join("\n")
        );
    }
}
