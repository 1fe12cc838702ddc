//! One suite for both code stores, however Redis is run, at their own interface: what HTTP does not show.

use std::time::Duration;

use doorcode::domain::{AddressTag, AuditAction, ChallengeId, CodeKind, LimitTag, Slot};
use doorcode::ports::clock::{Clock, ManualClock};
use doorcode::ports::codes::{
    Claim, ClaimCode, ClaimEnd, Claimed, CodeLimits, Codes, CountSend, Issue, IssueCode, Issued, KeepProof,
    KnownDeviceLimits, MemoryCodes, NetworkLimits, Proof, RedisAddress, RedisCodes, RedisSettings,
    TripLimits, Witness,
};
use doorcode::telemetry::StoreCounts;

use super::support::{OwnRedis, Services, redis};

const ADA: AddressTag = AddressTag([7; 16]);
const EVE: AddressTag = AddressTag([8; 16]);

struct Store {
    codes: Codes,
    clock: ManualClock,
    services: Option<Services>,
}

impl Store {
    async fn advance(&self, by: Duration) {
        self.clock.advance(by);
        if let Some(services) = &self.services {
            services.advance(by).await;
        }
    }

    async fn issue(&self, address: AddressTag, site: &str, mac: &str) -> (ChallengeId, Issued) {
        self.issue_as((address, site, Slot::SignIn), mac, b"context", Issue::New).await
    }

    #[expect(clippy::unused_self, reason = "reads as one with its neighbours")]
    fn send<'a>(&self, address: AddressTag, site: &'a str, slot: Slot) -> CountSend<'a> {
        let host = LimitTag([1; 16]);
        CountSend {
            address,
            device: None,
            site,
            slot,
            site_mails_per_hour: 100,
            host,
            client: None,
            witness: None,
        }
    }

    async fn issue_as(
        &self,
        (address, site, slot): (AddressTag, &str, Slot),
        mac: &str,
        context: &[u8],
        how: Issue,
    ) -> (ChallengeId, Issued) {
        let challenge = ChallengeId::new();
        let issue = IssueCode {
            send: self.send(address, site, slot),
            challenge,
            short_mac: mac,
            long_mac: "long",
            link_mac: "link",
            stop_mac: "stop",
            context,
            short_job: b"short job",
            long_job: b"long job",
            how,
        };
        (challenge, self.codes.issue(&issue).await.unwrap())
    }

    async fn claim(&self, site: &str, proof: Proof<'_>) -> Option<Claim> {
        self.claim_in(Slot::SignIn, site, proof).await
    }

    async fn claim_in(&self, slot: Slot, site: &str, proof: Proof<'_>) -> Option<Claim> {
        let claim = ClaimCode {
            address: ADA,
            device: None,
            site,
            slot,
            proof,
            client: None,
            witness: None,
            missing_is_no_news: false,
        };
        match self.codes.claim(&claim).await.unwrap() {
            Claimed::Claim(claim) => Some(claim),
            Claimed::Refused | Claimed::Missing | Claimed::ClientLimited(_) => None,
        }
    }
}

fn limits() -> CodeLimits {
    CodeLimits {
        life: Duration::from_secs(600),
        tries: 5,
        wrong_per_day: 20,
        lease: Duration::from_secs(10),
        send_gap: Duration::from_secs(60),
        sends_per_hour: 5,
        sends_per_day: 10,
        cooling: Duration::from_secs(3600),
        host_mails_per_hour: 1000,
        networks: NetworkLimits {
            client_sends_per_ten_minutes: 10,
            client_sends_per_hour: 30,
            network_sends_per_hour: 100,
            client_wrong_per_ten_minutes: 20,
            network_wrong_per_hour: 100,
        },
        trip: TripLimits { per_ten_minutes: 300, per_day: 2000 },
        known: KnownDeviceLimits { sends_per_hour: 3, wrong_per_day: 10 },
        events_waiting: 100,
    }
}

async fn on_both(story: impl AsyncFn(Store)) {
    let clock = ManualClock::default();
    let codes = Codes::Memory(MemoryCodes::new(limits(), Clock::Manual(clock.clone())));
    story(Store { codes, clock, services: None }).await;
    // As people run it; and nowhere may the server's user do more than it says in config/redis.acl.
    let (guarded, sentinel, cluster) = tokio::join!(redis::guarded(), redis::sentinel(), redis::cluster());
    for (redis, partitions) in [(guarded, 1), (guarded, 16), (sentinel, 4), (cluster, 16)] {
        let services = Services::on(redis).await;
        let codes = RedisCodes::new(settings(redis, &services, partitions), StoreCounts::default());
        story(Store {
            codes: Codes::Redis(Box::new(codes.unwrap())),
            clock: ManualClock::default(),
            services: Some(services),
        })
        .await;
    }
}

fn settings(redis: &OwnRedis, services: &Services, partitions: u16) -> RedisSettings {
    let prefix = services.settings().into_iter().find(|(name, _)| name == "REDIS__KEY_PREFIX").unwrap().1;
    RedisSettings {
        address: RedisAddress::parse(&redis.url).unwrap(),
        ca_pem: None,
        sentinel_login: Some((String::new(), redis::WATCHWORD.into())),
        key_prefix: prefix,
        partitions,
        timeout: Duration::from_secs(3),
        limits: limits(),
    }
}

const ADA_READER: (AddressTag, &str, Slot) = (ADA, "reader", Slot::SignIn);
const RIGHT: Proof<'static> = Proof::Code(CodeKind::Short, "right");
const WRONG: Proof<'static> = Proof::Code(CodeKind::Short, "wrong");

#[tokio::test]
async fn a_claim_is_held_alone_until_it_ends() {
    on_both(async |store| {
        let (challenge, issued) = store.issue(ADA, "reader", "right").await;
        assert_eq!(issued, Issued::Queued(CodeKind::Short));
        let claim = store.claim("reader", RIGHT).await.unwrap();
        assert_eq!((claim.challenge, claim.context.as_slice()), (challenge, b"context".as_slice()));
        assert_eq!(store.claim("reader", RIGHT).await, None, "somebody holds it");
        assert_eq!(store.claim("reader", Proof::Link("link")).await, None, "by link too");
        store.codes.end_claim(&claim, ClaimEnd::Unused).await.unwrap();
        let claim = store.claim("reader", RIGHT).await.unwrap();
        store.codes.end_claim(&claim, ClaimEnd::Spent).await.unwrap();
        assert_eq!(store.claim("reader", RIGHT).await, None, "spent");
        assert!(!store.codes.is_current(ADA, "reader", Slot::SignIn, challenge).await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn a_holder_that_dies_blocks_the_code_no_longer_than_its_lease() {
    on_both(async |store| {
        store.issue(ADA, "reader", "right").await;
        let dead = store.claim("reader", RIGHT).await.unwrap();
        store.advance(Duration::from_secs(11)).await;
        let claim = store.claim("reader", RIGHT).await.unwrap();
        // The first holder comes back too late: its ending must not free the second's lease.
        store.codes.end_claim(&dead, ClaimEnd::Unused).await.unwrap();
        assert_eq!(store.claim("reader", RIGHT).await, None);
        store.codes.end_claim(&claim, ClaimEnd::Spent).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_outage_between_claim_and_session_costs_no_tries() {
    on_both(async |store| {
        store.issue(ADA, "reader", "right").await;
        for _ in 0..8 {
            let claim = store.claim("reader", RIGHT).await.unwrap();
            store.codes.end_claim(&claim, ClaimEnd::Unused).await.unwrap();
        }
        for _ in 0..4 {
            assert_eq!(store.claim("reader", WRONG).await, None);
        }
        assert!(store.claim("reader", RIGHT).await.is_some(), "the fifth try is the owner's");
    })
    .await;
}

#[tokio::test]
async fn codes_of_other_sites_and_addresses_are_apart_and_a_link_is_not_a_code() {
    on_both(async |store| {
        store.issue(ADA, "reader", "right").await;
        store.issue(EVE, "reader", "other").await;
        assert_eq!(store.claim("management", RIGHT).await, None);
        assert_eq!(store.claim("reader", Proof::Code(CodeKind::Short, "other")).await, None);
        assert_eq!(store.claim("reader", Proof::Code(CodeKind::Long, "right")).await, None);
        assert_eq!(store.claim("reader", Proof::Code(CodeKind::Short, "link")).await, None);
        assert_eq!(store.claim("reader", Proof::Link("right")).await, None);
        assert!(store.claim("reader", Proof::Link("link")).await.is_some());
    })
    .await;
}

#[tokio::test]
async fn ending_an_old_claim_leaves_a_newer_code_alone() {
    on_both(async |store| {
        store.issue(ADA, "reader", "right").await;
        let old = store.claim("reader", RIGHT).await.unwrap();
        store.advance(Duration::from_secs(61)).await;
        let (newer, _) = store.issue(ADA, "reader", "newer").await;
        store.codes.end_claim(&old, ClaimEnd::Spent).await.unwrap();
        assert!(store.codes.is_current(ADA, "reader", Slot::SignIn, newer).await.unwrap());
        assert_eq!(store.claim("reader", RIGHT).await, None);
        assert!(store.claim("reader", Proof::Code(CodeKind::Short, "newer")).await.is_some());
    })
    .await;
}

#[tokio::test]
async fn a_replacement_keeps_what_the_code_was_for_and_needs_one_to_replace() {
    on_both(async |store| {
        assert_eq!(
            store.issue_as(ADA_READER, "x", b"", Issue::Replacement).await.1,
            Issued::NothingToReplace
        );
        store.issue_as(ADA_READER, "first", b"what for", Issue::New).await;
        store.advance(Duration::from_secs(61)).await;
        let (_, issued) = store.issue_as(ADA_READER, "second", b"", Issue::Replacement).await;
        assert_eq!(issued, Issued::Queued(CodeKind::Short));
        let claim = store.claim("reader", Proof::Code(CodeKind::Short, "second")).await.unwrap();
        assert_eq!(claim.context, b"what for");
        store.advance(Duration::from_secs(601)).await;
        assert_eq!(
            store.issue_as(ADA_READER, "x", b"", Issue::Replacement).await.1,
            Issued::NothingToReplace,
            "expired"
        );
    })
    .await;
}

#[tokio::test]
async fn t30_a_code_works_for_its_own_purpose_alone_and_leaves_the_others_be() {
    on_both(async |store| {
        let mailed = &Slot::ALL[..4];
        for slot in mailed {
            let (_, issued) = store
                .issue_as((ADA, "reader", *slot), slot.as_str(), slot.as_str().as_bytes(), Issue::New)
                .await;
            assert_eq!(issued, Issued::Queued(CodeKind::Short), "{slot:?} waits for no other purpose");
        }
        let (_, again) = store.issue_as(ADA_READER, "x", b"", Issue::New).await;
        assert!(matches!(again, Issued::TooSoon(wait) if wait <= Duration::from_secs(60)), "{again:?}");
        for slot in mailed {
            for other in mailed.iter().filter(|other| *other != slot) {
                let proof = Proof::Code(CodeKind::Short, other.as_str());
                assert_eq!(store.claim_in(*slot, "reader", proof).await, None, "{other:?} in {slot:?}");
            }
            let proof = Proof::Code(CodeKind::Short, slot.as_str());
            let claim = store.claim_in(*slot, "reader", proof).await.expect("its own");
            assert_eq!(claim.context, slot.as_str().as_bytes());
            store.codes.end_claim(&claim, ClaimEnd::Spent).await.unwrap();
            assert_eq!(store.claim_in(*slot, "reader", proof).await, None);
        }
    })
    .await;
}

#[tokio::test]
async fn limits_of_an_address_are_counted_over_all_purposes_and_a_sending_ahead_counts_once() {
    on_both(async |store| {
        let send = |slot| store.send(ADA, "reader", slot);
        let current = Slot::EmailChangeCurrent;
        assert_eq!(store.codes.count_send(&send(current)).await.unwrap(), Issued::Counted);
        let too_soon = store.codes.count_send(&send(current)).await.unwrap();
        assert!(matches!(too_soon, Issued::TooSoon(wait) if wait <= Duration::from_secs(60)), "{too_soon:?}");
        let (challenge, issued) =
            store.issue_as((ADA, "reader", current), "right", b"context", Issue::Counted).await;
        assert_eq!(issued, Issued::Queued(CodeKind::Short));
        assert!(store.codes.is_current(ADA, "reader", current, challenge).await.unwrap());
        for slot in [Slot::SignIn, Slot::EmailChangeNew, Slot::DeleteAccount] {
            assert_eq!(store.codes.count_send(&send(slot)).await.unwrap(), Issued::Counted, "{slot:?}");
        }
        store.advance(Duration::from_secs(61)).await;
        assert_eq!(store.codes.count_send(&send(current)).await.unwrap(), Issued::Counted, "the fifth");
        let refused = store.codes.count_send(&send(Slot::AuthCode)).await.unwrap();
        assert!(
            matches!(refused, Issued::TooSoon(wait) if wait > Duration::from_secs(3000)),
            "five an hour, whatever for: {refused:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_proof_that_is_kept_is_claimed_by_its_secret_alone_once_and_in_its_time() {
    on_both(async |store| {
        let challenge = ChallengeId::new();
        let keep = KeepProof {
            tag: ADA,
            site: "reader",
            slot: Slot::AuthCode,
            challenge,
            link_mac: "secret",
            short_mac: None,
            context: b"context",
            life: Duration::from_secs(300),
            witness: None,
        };
        store.codes.keep(&keep).await.unwrap();
        for (slot, site, proof) in [
            (Slot::SignIn, "reader", Proof::Link("secret")),
            (Slot::AuthCode, "management", Proof::Link("secret")),
            (Slot::AuthCode, "reader", Proof::Link("other")),
            (Slot::AuthCode, "reader", Proof::Code(CodeKind::Short, "secret")),
            (Slot::AuthCode, "reader", Proof::Code(CodeKind::Long, "")),
        ] {
            assert_eq!(store.claim_in(slot, site, proof).await, None, "{slot:?} {site} {proof:?}");
        }
        let claim = store.claim_in(Slot::AuthCode, "reader", Proof::Link("secret")).await.unwrap();
        assert_eq!((claim.challenge, claim.context.as_slice()), (challenge, b"context".as_slice()));
        store.codes.end_claim(&claim, ClaimEnd::Spent).await.unwrap();
        assert_eq!(store.claim_in(Slot::AuthCode, "reader", Proof::Link("secret")).await, None);
        store.codes.keep(&keep).await.unwrap();
        store.advance(Duration::from_secs(301)).await;
        assert_eq!(store.claim_in(Slot::AuthCode, "reader", Proof::Link("secret")).await, None);
    })
    .await;
}

#[tokio::test]
async fn a_kept_proof_may_have_a_code_whose_guesses_are_counted_as_ever() {
    on_both(async |store| {
        let keep = |short_mac| KeepProof {
            tag: ADA,
            site: "reader",
            slot: Slot::SignIn,
            challenge: ChallengeId::new(),
            link_mac: "secret",
            short_mac,
            context: b"context",
            life: Duration::from_secs(600),
            witness: None,
        };
        let short = |mac| Proof::Code(CodeKind::Short, mac);
        store.codes.keep(&keep(Some("right"))).await.unwrap();
        assert!(store.claim("reader", short("wrong")).await.is_none());
        assert!(store.claim("reader", Proof::Code(CodeKind::Long, "right")).await.is_none());
        let claim = store.claim("reader", short("right")).await.unwrap();
        store.codes.end_claim(&claim, ClaimEnd::Unused).await.unwrap();
        for _ in 0..4 {
            assert!(store.claim("reader", short("wrong")).await.is_none());
        }
        assert!(store.claim("reader", short("right")).await.is_none(), "five guesses and it is dead");
        assert!(store.claim("reader", Proof::Link("secret")).await.is_none(), "and its link with it");
        // Without a code, nothing that looks like one fits.
        store.codes.keep(&keep(None)).await.unwrap();
        for guess in ["", "none", "right"] {
            assert!(store.claim("reader", short(guess)).await.is_none(), "{guess:?}");
        }
        assert!(store.claim("reader", Proof::Link("secret")).await.is_some());
    })
    .await;
}

#[tokio::test]
async fn a_refused_sending_changes_nothing() {
    on_both(async |store| {
        let (first, _) = store.issue(ADA, "reader", "right").await;
        let (_, refused) = store.issue(ADA, "reader", "second").await;
        assert!(matches!(refused, Issued::TooSoon(wait) if wait <= Duration::from_secs(60)), "{refused:?}");
        assert!(store.codes.is_current(ADA, "reader", Slot::SignIn, first).await.unwrap());
        assert!(store.claim("reader", RIGHT).await.is_some());
        let mut queued = 0;
        for partition in 0..store.codes.partitions() {
            while let Some(mail) = next_now(&store, partition).await {
                assert_eq!(mail.job, b"short job");
                store.codes.mail_done(&mail).await.unwrap();
                queued += 1;
            }
            // All of an address is in one partition; the rest would only be waited for.
            if queued > 0 {
                break;
            }
        }
        assert_eq!(queued, 1);
    })
    .await;
}

#[tokio::test]
async fn f10_a_mail_that_its_worker_gave_back_or_abandoned_is_taken_by_another() {
    on_both(async |store| {
        store.issue(ADA, "reader", "right").await;
        let partition = u16::from(ADA.0[0]) % store.codes.partitions();
        let mail = next_now(&store, partition).await.unwrap();
        assert_eq!(next_now(&store, partition).await, None, "taken");
        store.codes.mail_give_back(mail).await.unwrap();
        let mail = next_now(&store, partition).await.unwrap();
        store.codes.mail_renew(&mail).await.unwrap();
        assert_eq!(next_now(&store, partition).await, None);
        store.codes.mail_done(&mail).await.unwrap();
        assert_eq!(next_now(&store, partition).await, None, "done");
    })
    .await;
}

async fn next_now(store: &Store, partition: u16) -> Option<doorcode::ports::codes::QueuedMail> {
    store.codes.next_mail(partition).await.unwrap()
}

#[tokio::test]
async fn rare_mails_go_out_once_in_their_time() {
    on_both(async |store| {
        let day = Duration::from_secs(86_400);
        assert!(store.codes.once_per(ADA, "no-account", day).await.unwrap());
        assert!(!store.codes.once_per(ADA, "no-account", day).await.unwrap());
        assert!(store.codes.once_per(EVE, "no-account", day).await.unwrap());
        store.advance(day).await;
        assert!(store.codes.once_per(ADA, "no-account", day).await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn every_key_in_redis_has_an_end_and_one_slot_an_operation() {
    on_both(async |store| {
        let Some(services) = &store.services else { return };
        store.issue(ADA, "reader", "right").await;
        store.claim("reader", WRONG).await;
        store.claim("reader", RIGHT).await.unwrap();
        store.codes.once_per(ADA, "no-account", Duration::from_secs(9)).await.unwrap();
        let partition = u16::from(ADA.0[0]) % store.codes.partitions();
        next_now(&store, partition).await;
        let servers = services.keys_and_ends().await;
        let keys: Vec<_> = servers.iter().filter(|keys| !keys.is_empty()).collect();
        assert_eq!(keys.len(), 1, "on one server: {servers:?}");
        // code, sends, wrong, lease, mails, host_mails, mail, once
        assert_eq!(keys[0].len(), 8, "{keys:?}");
        for (key, left) in keys[0] {
            assert!(key.contains(&format!(":{{{partition}}}:")), "{key}");
            assert!(*left > 0, "{key} has no end");
        }
    })
    .await;
}

#[tokio::test]
async fn a_slot_on_its_way_to_another_node_is_asked_for_where_it_goes() {
    let cluster = OwnRedis::start(&["cluster"]).await;
    let services = Services::on(&cluster).await;
    let from = cluster.master_of("t-{0}").await.unwrap();
    let to = *cluster.masters.iter().find(|port| **port != from).unwrap();
    // Nothing is there yet, so that everything new is made at the target.
    let mut nodes = [from, to].map(|port| (redis::client_of(port), String::new()));
    for (client, id) in &mut nodes {
        let mut node = client.get_multiplexed_async_connection().await.unwrap();
        *id = ask(&mut node, &["MYID"]).await;
    }
    for (place, state) in [(1, "IMPORTING"), (0, "MIGRATING")] {
        let mut node = nodes[place].0.get_multiplexed_async_connection().await.unwrap();
        let slot: u16 = ask(&mut node, &["KEYSLOT", "{0}"]).await;
        let () = ask(&mut node, &["SETSLOT", &slot.to_string(), state, &nodes[1 - place].1]).await;
    }
    let codes = RedisCodes::new(settings(&cluster, &services, 1), StoreCounts::default());
    let codes = Codes::Redis(Box::new(codes.unwrap()));
    let day = Duration::from_secs(86_400);
    assert!(codes.once_per(ADA, "no-account", day).await.unwrap());
    assert!(!codes.once_per(ADA, "no-account", day).await.unwrap());
    for (client, keys) in [(&nodes[0].0, 0), (&nodes[1].0, 1)] {
        let mut node = client.get_multiplexed_async_connection().await.unwrap();
        let slot: u16 = ask(&mut node, &["KEYSLOT", "{0}"]).await;
        let count: u64 = ask(&mut node, &["COUNTKEYSINSLOT", &slot.to_string()]).await;
        assert_eq!(count, keys);
    }
    // Several keys, not all of which are there, a node answers for no sooner than the slot is its own.
    let guess = ClaimCode {
        address: ADA,
        device: None,
        site: "reader",
        slot: Slot::SignIn,
        proof: RIGHT,
        client: None,
        witness: None,
        missing_is_no_news: false,
    };
    let error = codes.claim(&guess).await.unwrap_err();
    assert!(error.is_unavailable(), "{error:?}");
    for place in [1, 0] {
        let mut node = nodes[place].0.get_multiplexed_async_connection().await.unwrap();
        let slot: u16 = ask(&mut node, &["KEYSLOT", "{0}"]).await;
        let () = ask(&mut node, &["SETSLOT", &slot.to_string(), "NODE", &nodes[1].1]).await;
    }
    let store = Store { codes, clock: ManualClock::default(), services: None };
    let (challenge, _) = store.issue(ADA, "reader", "right").await;
    assert!(store.codes.is_current(ADA, "reader", Slot::SignIn, challenge).await.unwrap());
    assert!(store.claim("reader", RIGHT).await.is_some());
}

async fn ask<T: ::redis::FromRedisValue>(
    node: &mut ::redis::aio::MultiplexedConnection,
    words: &[&str],
) -> T {
    ::redis::cmd("CLUSTER").arg(words).query_async(node).await.unwrap()
}

#[tokio::test]
async fn events_wait_up_to_their_number_and_how_many_found_no_room_is_an_event() {
    on_both(async |store| {
        let witness = Witness {
            ip: [192, 0, 2, 1].into(),
            agent: Some("Lynx"),
            caller: None,
            address: Some(ADA),
            domain: Some("example.org"),
        };
        let guess = ClaimCode {
            address: ADA,
            device: None,
            site: "reader",
            slot: Slot::SignIn,
            proof: Proof::Link("none"),
            client: None,
            witness: Some(&witness),
            missing_is_no_news: false,
        };
        for _ in 0..150 {
            assert_eq!(store.codes.claim(&guess).await.unwrap(), Claimed::Missing);
        }
        let full = u16::from(ADA.0[0]) % store.codes.partitions();
        assert!(store.codes.events_pile_up(full).await.unwrap());
        let (mut told, mut dropped) = (0, 0);
        for partition in 0..store.codes.partitions() {
            loop {
                let taken = store.codes.take_events(partition).await.unwrap();
                let again = store.codes.take_events(partition).await.unwrap();
                assert_eq!(taken.events, again.events, "they stay until they are on record");
                for event in &taken.events {
                    match event.action {
                        AuditAction::CodeRefused => {
                            assert_eq!(event.details["reason"], "none_waiting");
                            told += 1;
                        }
                        AuditAction::AuditEventsDropped => {
                            dropped += event.details["count"].as_u64().unwrap();
                        }
                        other => panic!("{other:?}"),
                    }
                }
                if taken.events.is_empty() {
                    break;
                }
                store.codes.events_done(&taken).await.unwrap();
            }
        }
        assert!(!store.codes.events_pile_up(full).await.unwrap());
        assert!(told <= 100 && dropped > 0, "{told} told, {dropped} dropped");
        assert_eq!(told + dropped, 150);
    })
    .await;
}
