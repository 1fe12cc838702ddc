//! T12 over three replicas: whoever asks for a code learns nothing about the account, not by the answer and not by the clock.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng};
use reqwest::header::{HOST, HeaderMap, HeaderValue};
use reqwest::{Method, Response, StatusCode};
use uuid::Uuid;

use crate::wire::{READER, Wire};
use crate::world::World;

const MANAGEMENT: &str = "manage.localhost:8080";
/// Asks by the clock for each kind of address, and as many for addresses of nobody.
const PAIRS: usize = 1000;
/// How often a slower answer may be the one about somebody, where one half says nothing.
const SAYS_NOTHING: std::ops::RangeInclusive<f64> = 0.46..=0.54;
/// Of so many pairs one may be left out, because the code store had no answer in time: on a machine that is at something else.
const OF_PAIRS_ONE_LEFT_OUT: usize = 50;
/// Longer than `limits.send_gap_secs`, as it is here.
const SEND_GAP: Duration = Duration::from_millis(1100);
/// Until a mail server has refused a thousand mails.
const BOUNCES_COME: Duration = Duration::from_secs(180);

/// Whom an address belongs to that is held against one of nobody, on the site where that would be news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    Reader,
    BannedReader,
    /// Its mail server has refused two mails, so that it gets none for a day.
    Bounced,
    ReaderAtManagement,
    Staff,
}

impl Whose {
    const ALL: [Self; 5] =
        [Self::Reader, Self::BannedReader, Self::Bounced, Self::ReaderAtManagement, Self::Staff];

    fn site(self) -> &'static str {
        match self {
            Self::Reader | Self::BannedReader | Self::Bounced => READER,
            Self::ReaderAtManagement | Self::Staff => MANAGEMENT,
        }
    }

    /// So many pairs of addresses, one of these and one of nobody, that have been asked for equally often.
    async fn beside_strangers(self, world: &Arc<World>, count: usize) -> Vec<(String, String)> {
        let start = if self == Self::Bounced { "bounce" } else { "a" };
        let new = |start| format!("{start}{}{}", Uuid::new_v4().simple(), world.domain);
        let pairs: Vec<_> = (0..count).map(|_| (new(start), new("nobody"))).collect();
        let somebody: Vec<_> = pairs.iter().map(|(somebody, _)| somebody.clone()).collect();
        if self == Self::Bounced {
            bounce_twice(world, &pairs).await;
            return pairs;
        }
        run(
            world,
            "insert into auth.users (id, email) select gen_random_uuid(), unnest($1::text[])",
            &somebody,
        )
        .await;
        match self {
            Self::BannedReader => {
                let ban =
                    "update auth.users set banned_until = now() + interval '1 day' where email = any($1)";
                run(world, ban, &somebody).await;
            }
            Self::Staff => {
                let employ = "with made as (insert into public.libraries (name, code)
                                            values ('Library', left(md5(random()::text), 12)) returning id)
                              insert into public.library_staff (user_id, library_id)
                              select u.id, made.id from auth.users u, made where u.email = any($1)";
                run(world, employ, &somebody).await;
            }
            Self::Reader | Self::ReaderAtManagement | Self::Bounced => {}
        }
        pairs
    }
}

/// A statement about addresses, past all rules.
async fn run(world: &World, statement: &'static str, addresses: &[String]) {
    let done = sqlx::query(statement).bind(addresses).execute(&world.sql).await.unwrap();
    assert_eq!(done.rows_affected(), addresses.len() as u64);
}

/// Asks twice for everybody, until the mail server's refusals of the first of each pair are on record.
async fn bounce_twice(world: &Arc<World>, pairs: &[(String, String)]) {
    let domain = world.domain.trim_start_matches('@');
    let on_record = |what| format!("auth.mail_suppressions where domain = '{domain}' and {what}");
    let on_record = [on_record("last_bounce_at is not null"), on_record("reason = 'bounced'")];
    let more = i64::try_from(pairs.len()).unwrap();
    let wanted = [world.count(&on_record[0]).await + more, world.count(&on_record[1]).await + more];
    for (on_record, wanted) in on_record.iter().zip(wanted) {
        let until = Instant::now() + BOUNCES_COME;
        // A client asks only so often.
        for addresses in pairs.chunks(10) {
            let wire = Wire::new(world);
            for email in addresses.iter().flat_map(|(one, other)| [one, other]) {
                ask_until_answered(world, &wire, READER, email).await;
            }
        }
        while world.count(on_record).await < wanted {
            assert!(Instant::now() < until, "{} of {wanted} bounced", world.count(on_record).await);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        // The next ask is to be answered as the first.
        tokio::time::sleep(SEND_GAP).await;
    }
}

/// Asks for a code. Nothing if the answer is "not now", which is about no address.
async fn ask(world: &World, wire: &Wire, site: &'static str, email: &str) -> Option<Response> {
    world.ledger.asks(email);
    let host = HeaderMap::from_iter([(HOST, HeaderValue::from_static(site))]);
    let request = wire.post("/auth/v1/otp", &serde_json::json!({"email": email})).headers(host);
    let answer = request.send().await.unwrap();
    match answer.status() {
        StatusCode::OK => Some(answer),
        StatusCode::SERVICE_UNAVAILABLE => None,
        other => panic!("{other}: {}", answer.text().await.unwrap()),
    }
}

async fn ask_until_answered(world: &World, wire: &Wire, site: &'static str, email: &str) -> Response {
    for _ in 0..20 {
        if let Some(answer) = ask(world, wire, site, email).await {
            return answer;
        }
        // The address may have to wait, if it was counted all the same.
        tokio::time::sleep(SEND_GAP).await;
    }
    panic!("not now, twenty times");
}

pub(crate) async fn t12_asking_looks_the_same_whoever_has_the_address(world: Arc<World>) {
    for whose in Whose::ALL {
        for (somebody, nobody) in whose.beside_strangers(&world, 1).await {
            let wire = Wire::new(&world);
            let one = seen(ask_until_answered(&world, &wire, whose.site(), &somebody).await).await;
            let other = seen(ask_until_answered(&world, &wire, whose.site(), &nobody).await).await;
            assert_eq!(one, other, "{whose:?}");
        }
        let pairs = world.rounds(0, PAIRS);
        if pairs > 0 {
            let (share, [somebody, nobody]) = slower_share(&world, whose, pairs).await;
            println!(
                "  {whose:?}: the slower answer in {share:.3} of all pairs; half within {somebody:.1?}, of strangers' \
                 within {nobody:.1?}"
            );
            assert!(SAYS_NOTHING.contains(&share), "{whose:?}: {share}");
        }
    }
}

/// What can be told apart in an answer.
pub(crate) async fn seen(answer: Response) -> (BTreeMap<String, HeaderValue>, String) {
    // These name the moment and the request.
    let own = ["date", "x-request-id"];
    let headers = answer.headers().iter().map(|(name, value)| (name.to_string(), value.clone()));
    let headers = headers.filter(|(name, _)| !own.contains(&name.as_str())).collect();
    (headers, answer.text().await.unwrap())
}

/// How often an answer about somebody takes longer than one about nobody: the area under the curve of whoever guesses
/// by the clock, one half if the clock says nothing. And half of either take no longer than this.
async fn slower_share(world: &Arc<World>, whose: Whose, pairs: usize) -> (f64, [Duration; 2]) {
    let (mut somebodys, mut nobodys, mut left_out) = (Vec::new(), Vec::new(), 0);
    let mut rng = StdRng::seed_from_u64(12);
    for (somebody, nobody) in whose.beside_strangers(world, pairs).await {
        // A connection that is there already, as a patient guesser has it.
        let wire = Wire::new(world);
        wire.request(Method::GET, "/health/live").send().await.unwrap().bytes().await.unwrap();
        let mut both = [(somebody, &mut somebodys), (nobody, &mut nobodys)];
        // What the first leaves to be done after its answer may slow down the second.
        if rng.random_bool(0.5) {
            both.reverse();
        }
        let mut times = Vec::with_capacity(2);
        for (email, _) in &both {
            let began = Instant::now();
            let Some(answer) = ask(world, &wire, whose.site(), email).await else { break };
            answer.bytes().await.unwrap();
            times.push(began.elapsed());
        }
        if times.len() < both.len() {
            left_out += 1;
            continue;
        }
        for ((_, took), time) in both.into_iter().zip(times) {
            took.push(time);
        }
    }
    assert!(left_out * OF_PAIRS_ONE_LEFT_OUT <= pairs, "{left_out} pairs were turned away");
    somebodys.sort_unstable();
    nobodys.sort_unstable();
    let orders = somebodys.iter().flat_map(|one| nobodys.iter().map(move |other| one.cmp(other)));
    let (slower, all) = orders.fold((0.0, 0.0), |(slower, all), order| {
        let counts = match order {
            Ordering::Less => 0.0,
            Ordering::Equal => 0.5,
            Ordering::Greater => 1.0,
        };
        (slower + counts, all + 1.0)
    });
    (slower / all, [somebodys[somebodys.len() / 2], nobodys[nobodys.len() / 2]])
}
