//! People who sign in, go on and sign out, over and over, and write down what they were promised.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::ledger::Tokens;
use crate::tally::{Act, Score};
use crate::wire::{Got, Wire};
use crate::world::World;

/// How long somebody goes on trying one thing: longer than any fault, its recovery and the next fault.
const PERSISTENCE: Duration = Duration::from_secs(90);
/// How soon there is service again once a fault has ended.
pub(crate) const RECOVERY: Duration = Duration::from_secs(10);
/// How long somebody waits for a mail before asking again. The second try of a mail comes some five seconds after the first.
const MAIL_PATIENCE: Duration = Duration::from_secs(10);

/// People at work. Ends with [`Crowd::leave`].
pub(crate) struct Crowd {
    world: Arc<World>,
    stop: CancellationToken,
    people: JoinSet<()>,
}

impl Crowd {
    pub(crate) fn come(world: &Arc<World>, people: u64, seed: u64) -> Self {
        let stop = CancellationToken::new();
        let mut crowd = JoinSet::new();
        for number in 0..people {
            let (world, stop) = (Arc::clone(world), stop.clone());
            let mut rng = StdRng::seed_from_u64(seed.wrapping_add(number));
            crowd.spawn(async move {
                while !stop.is_cancelled() {
                    Person::new(&world).live(&mut rng, &stop).await;
                }
            });
        }
        Self { world: Arc::clone(world), stop, people: crowd }
    }

    /// Lets everybody finish what they are at, and gives all answers since the crowd came.
    pub(crate) async fn leave(mut self) -> Score {
        self.stop.cancel();
        let gone = async {
            while let Some(person) = self.people.join_next().await {
                person.unwrap();
            }
        };
        tokio::time::timeout(2 * PERSISTENCE, gone).await.expect("everybody leaves");
        self.world.tally.take()
    }
}

/// Somebody with a mailbox and a client.
pub(crate) struct Person {
    world: Arc<World>,
    pub(crate) wire: Wire,
    pub(crate) email: String,
}

impl Person {
    pub(crate) fn new(world: &Arc<World>) -> Self {
        Self { world: Arc::clone(world), wire: Wire::new(world), email: world.new_address() }
    }

    /// One visit.
    async fn live(&self, rng: &mut StdRng, stop: &CancellationToken) {
        let Some(mut tokens) = self.sign_in(stop).await else { return };
        for _ in 0..rng.random_range(1..4_u32) {
            let pause = Duration::from_millis(rng.random_range(20..300));
            tokio::time::sleep(pause).await;
            self.look(&tokens).await;
            let Some(next) = self.refresh(&tokens).await else { return };
            tokens = next;
            if stop.is_cancelled() {
                return;
            }
        }
        // The others keep their session, so that something is left to be counted.
        if rng.random_bool(0.5) {
            self.sign_out(&tokens).await;
        }
    }

    /// Asks, reads the mail and types the code, until there is a session.
    pub(crate) async fn sign_in(&self, stop: &CancellationToken) -> Option<Tokens> {
        let (until, mut history) = (Instant::now() + PERSISTENCE, Vec::new());
        let mailbox = &self.world.mailbox;
        let (mut asked, mut read) = (0, mailbox.codes(&self.email).len());
        while Instant::now() < until && !(stop.is_cancelled() && asked > 0) {
            asked += self.ask(until).await.unwrap_or_default();
            let mut patience = MAIL_PATIENCE;
            while let Some(code) = mailbox.next_code(&self.email, read, patience).await {
                read = mailbox.codes(&self.email).len();
                // Asked for more than once, because an answer was lost: this one may have been replaced, and replicas that
                // send at the same time may send the newer one first.
                let may_be_old = asked > 1;
                if let Some(tokens) = self.type_code(&code, may_be_old, until).await {
                    return Some(tokens);
                }
                history.push("a code was refused");
                patience = Duration::from_secs(2);
            }
            history.push("no more mail");
        }
        if !stop.is_cancelled() {
            let history = history.join(", ");
            self.world.tally.wrong(format!("somebody could not sign in for {PERSISTENCE:?}: {history}"));
        }
        None
    }

    /// Asks for a code until the server has promised one, and says how often.
    pub(crate) async fn ask(&self, until: Instant) -> Option<usize> {
        let mut tries = 0;
        while Instant::now() < until {
            tries += 1;
            self.world.ledger.asks(&self.email);
            match self.wire.ask(&self.email).await {
                Got::Fine(..) => {
                    self.world.ledger.promised(&self.email);
                    return Some(tries);
                }
                other => wait_after(&other).await,
            }
        }
        None
    }

    /// Types a code until it is taken or refused. It may be refused only where it may be old or lost, or may
    /// have been taken unheard.
    async fn type_code(&self, code: &str, may_be_old: bool, until: Instant) -> Option<Tokens> {
        let may_be_gone = may_be_old || self.world.ledger.codes_may_be_lost();
        let mut fine = if may_be_gone { vec![200, 403] } else { vec![200] };
        while Instant::now() < until {
            match self.wire.verify(&self.email, code, &fine).await {
                Got::Fine(200, body) => {
                    let tokens = Tokens::read(&body);
                    self.world.ledger.signed_in(&self.email, &tokens);
                    return Some(tokens);
                }
                Got::Fine(..) => {
                    self.world.ledger.refused_unheard();
                    return None;
                }
                other => {
                    fine = vec![200, 403];
                    self.world.ledger.verified_unheard(&self.email);
                    wait_after(&other).await;
                }
            }
        }
        None
    }

    /// Signs in where nothing is broken.
    pub(crate) async fn sign_in_now(&self) -> Tokens {
        self.sign_in(&CancellationToken::new()).await.expect("a session")
    }

    /// Asks for a code and reads it.
    pub(crate) async fn code(&self) -> String {
        let known = self.world.mailbox.codes(&self.email).len();
        assert_eq!(self.ask(Instant::now() + PERSISTENCE).await, Some(1), "no code was promised");
        self.world.mailbox.next_code(&self.email, known, MAIL_PATIENCE).await.expect("a mail")
    }

    /// Types a code that may have been taken before.
    pub(crate) async fn type_code_or_hear_no(&self, code: &str) -> Option<Tokens> {
        match self.wire.verify(&self.email, code, &[200, 403]).await {
            Got::Fine(200, body) => {
                let tokens = Tokens::read(&body);
                self.world.ledger.signed_in(&self.email, &tokens);
                Some(tokens)
            }
            _ => None,
        }
    }

    /// Types a code that must not have been burnt, until it is taken.
    pub(crate) async fn type_code_until_taken(&self, code: &str) -> Tokens {
        let until = Instant::now() + PERSISTENCE;
        loop {
            match self.wire.verify(&self.email, code, &[200]).await {
                Got::Fine(_, body) => {
                    let tokens = Tokens::read(&body);
                    self.world.ledger.signed_in(&self.email, &tokens);
                    return tokens;
                }
                other => wait_after(&other).await,
            }
            assert!(Instant::now() < until, "the code was not taken");
        }
    }

    async fn look(&self, tokens: &Tokens) {
        if let Got::TurnedAway(wait) = self.wire.user(&tokens.access, &[200]).await {
            wait_after(&Got::TurnedAway(wait)).await;
        }
    }

    /// Refreshes until there is a successor: of the token that is presented, whatever was lost before.
    pub(crate) async fn refresh(&self, tokens: &Tokens) -> Option<Tokens> {
        let until = Instant::now() + PERSISTENCE;
        while Instant::now() < until {
            match self.wire.refresh(&tokens.refresh, &[200]).await {
                Got::Fine(_, body) => {
                    let next = Tokens::read(&body);
                    if (next.session, next.counter) != (tokens.session, tokens.counter + 1) {
                        let what = format!("after {} came {}", tokens.counter, next.counter);
                        self.world.tally.wrong(format!("no successor: {what}"));
                    }
                    self.world.ledger.refreshed(&next);
                    return Some(next);
                }
                other => {
                    self.world.ledger.refreshed_unheard(tokens);
                    wait_after(&other).await;
                }
            }
        }
        self.world.tally.wrong(format!("nobody could refresh for {PERSISTENCE:?}"));
        None
    }

    /// Signs out, and from then on nothing of the session may work.
    pub(crate) async fn sign_out(&self, tokens: &Tokens) {
        let until = Instant::now() + PERSISTENCE;
        let mut fine = vec![204];
        self.world.ledger.signing_out(tokens);
        while Instant::now() < until {
            match self.wire.sign_out(&tokens.access, &fine).await {
                Got::Fine(..) => {
                    self.world.ledger.signed_out(tokens);
                    let _ = self.wire.user(&tokens.access, &[403]).await;
                    let _ = self.wire.refresh(&tokens.refresh, &[400]).await;
                    return;
                }
                other => {
                    fine = vec![204, 403];
                    wait_after(&other).await;
                }
            }
        }
    }
}

/// People are less patient than `Retry-After` asks them to be.
async fn wait_after(got: &Got) {
    let wait = match got {
        Got::TurnedAway(wait) => (*wait).min(Duration::from_secs(1)),
        _ => Duration::from_millis(200),
    };
    tokio::time::sleep(wait).await;
}

/// How long it takes from now until somebody new can sign in and go on.
pub(crate) async fn recovery(world: &Arc<World>) -> Duration {
    let (began, person) = (Instant::now(), Person::new(world));
    let tokens = person.sign_in_now().await;
    person.refresh(&tokens).await.expect("a successor after the fault");
    began.elapsed()
}

/// What holds after every fault: service within ten seconds, no answer that was wrong, no promise that was broken.
pub(crate) async fn after(world: &Arc<World>, crowd: Crowd) -> Score {
    let took = recovery(world).await;
    assert!(took < RECOVERY, "no recovery within {RECOVERY:?}, but {took:?}");
    let score = crowd.leave().await;
    score.assert_nothing_wrong();
    let counted = world.ledger.settle(world).await;
    let ((turned_away, unknown), answers) = (score.failed(), score.answers());
    println!(
        "  {took:.1?} to recover; {answers} answers, {turned_away} of them not now, {unknown} none; {counted}"
    );
    assert!(score.with(Act::Verify, 200) > 0 && score.with(Act::Refresh, 200) > 0, "nobody was at work");
    score
}
