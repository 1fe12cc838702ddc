//! F11, F12, F13: the mail server says later, says no, or is not ours.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use crate::imposter::{Flaw, Imposter};
use crate::people::{Crowd, Person, after};
use crate::proxy::Mode;
use crate::services::setting;
use crate::stores::PEOPLE;
use crate::wire::{Wire, somewhere};
use crate::world::World;

/// How long a code works (config/default.toml).
const CODE_LIFE: Duration = Duration::from_secs(600);
/// How long something may take that nothing holds up.
const SOON: Duration = Duration::from_secs(20);
/// An address gets a code a second here.
const GAP: Duration = Duration::from_millis(1100);

/// Somebody at whose address the mail server behaves as the first letters say (`tests/services/smtp_sink.py`).
fn person_at(world: &Arc<World>, behaviour: &str) -> Person {
    let mut person = Person::new(world);
    person.email.insert_str(0, &format!("{behaviour}-"));
    person
}

pub(crate) async fn f11_a_mail_server_that_says_later_gets_each_mail_later_and_at_most_twice(
    world: Arc<World>,
) {
    let crowd = Crowd::come(&world, PEOPLE, 11);
    // The pauses between the tries are 5, 15 and 45 seconds, a fifth more or less.
    let scripts = ["says-450", "says-421", "lost", "says-421-450", "says-450-451-421"];
    let scripts = &scripts[..world.rounds(3, 5)];
    let people = scripts.iter().flat_map(|script| (0..4).map(move |_| script));
    let waits = join_all(people.map(async |script| {
        let person = person_at(&world, script);
        let (asked, copies) = (Instant::now(), if *script == "lost" { 2 } else { 1 });
        assert_eq!(person.ask(asked + GAP).await, Some(1), "asking is not the mail server's affair");
        let came = world.mailbox.next_code(&person.email, copies - 1, CODE_LIFE).await;
        let waited = asked.elapsed();
        let code = came.expect("the mail comes while its code works");
        let codes = world.mailbox.codes(&person.email);
        assert!(codes.len() == copies && codes.iter().all(|other| *other == code), "{} mails", codes.len());
        person.type_code_until_taken(&code).await;
        (*script, waited)
    }))
    .await;
    for script in scripts {
        let longest = waits.iter().filter(|(told, _)| told == script).map(|(_, waited)| waited).max();
        println!("  {script}: the last mail came after {:.1?}", longest.unwrap());
    }
    after(&world, crowd).await;
}

pub(crate) async fn f12_a_mailbox_that_refuses_looks_like_any_other_and_is_left_alone_after_two_refusals(
    world: Arc<World>,
) {
    let crowd = Crowd::come(&world, PEOPLE, 12);
    let people = ["bounce", "full", "says-450", "fine"].map(|behaviour| person_at(&world, behaviour));
    let (mut sights, dropped) = (Vec::new(), suppressed(&world).await);
    // Each time at another replica. The third mail is not tried any more.
    for (replica, (refused, not_tried)) in world.replicas.iter().zip([(1, 0), (2, 0), (2, 2)]) {
        let asked = Instant::now();
        for person in &people {
            world.ledger.asks(&person.email);
            let wire = Wire::to(&world, replica.port, somewhere());
            sights.push((&person.email, wire.sight_of_asking(&person.email).await));
        }
        loop {
            let refusals = [refusals_of(&people[0].email), refusals_of(&people[1].email)];
            let others = suppressed(&world).await - dropped;
            if (refusals, others) == ([refused; 2], not_tried) {
                break;
            }
            assert!(asked.elapsed() < SOON, "{refusals:?} refusals, {others} mails not tried");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        tokio::time::sleep(GAP.saturating_sub(asked.elapsed())).await;
    }
    for (email, sight) in &sights {
        assert_eq!(*sight, sights[0].1, "{email}");
    }
    println!("  {} answers that look the same", sights.len());
    after(&world, crowd).await;
}

/// How often the mail server has refused an address.
fn refusals_of(email: &str) -> usize {
    let file = std::path::Path::new(&setting("DOORCODE_TEST_SMTP_DIR")).join("refused.jsonl");
    std::fs::read_to_string(file).unwrap_or_default().matches(email).count()
}

/// Mails that were not even tried, because their address had refused too often.
async fn suppressed(world: &World) -> i64 {
    world.count("auth.mail_failures where reason = 'suppressed'").await
}

pub(crate) async fn f13_a_mail_server_that_is_not_ours_hears_no_code_and_no_password(world: Arc<World>) {
    let usual = Wire::new(&world).sight_of_asking(&asked_for(&world)).await;
    let mut people = Vec::new();
    for flaw in [Flaw::NoTls, Flaw::OtherName] {
        let imposter = Imposter::with(flaw).await;
        world.mail.set(Mode::Elsewhere(imposter.address));
        // Some for every replica.
        for _ in 0..world.rounds(9, 60) {
            let person = Person::new(&world);
            world.ledger.asks(&person.email);
            world.ledger.promised(&person.email);
            assert_eq!(person.wire.sight_of_asking(&person.email).await, usual, "{flaw:?}");
            people.push(person);
        }
        let asked = Instant::now();
        while imposter.conversations() < 9 {
            assert!(asked.elapsed() < SOON, "{} tries", imposter.conversations());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        world.mail.set(Mode::Pass);
        let heard = imposter.heard();
        let is_greeting = |line: &String| line.starts_with("EHLO ") || line == "STARTTLS" || line == "QUIT";
        assert!(heard.iter().any(is_greeting), "it was spoken to");
        // What was said of a password or a mail stays unsaid here too: how many words there were is enough.
        let more = heard.iter().filter(|line| !is_greeting(line)).count();
        assert_eq!(more, 0, "{flaw:?}: more than a greeting");
        println!("  {flaw:?}: {} tries, {} lines of greeting", imposter.conversations(), heard.len());
    }
    for person in &people {
        let came = world.mailbox.next_code(&person.email, 0, CODE_LIFE).await;
        person.type_code_until_taken(&came.expect("a mail, once the server is ours")).await;
    }
    world.tally.take().assert_nothing_wrong();
    world.ledger.settle(&world).await;
}

/// Nobody's address so far, for which a mail is to come.
fn asked_for(world: &World) -> String {
    let email = world.new_address();
    world.ledger.asks(&email);
    email
}
