//! One suite for both code stores, at their own interface: what HTTP does not show.

use std::time::Duration;

use doorcode::domain::{AddressTag, ChallengeId, CodeKind};
use doorcode::ports::clock::{Clock, ManualClock};
use doorcode::ports::codes::{
    Claim, ClaimCode, ClaimEnd, Claimed, CodeLimits, Codes, IssueCode, Issued, MemoryCodes, Proof,
    RedisCodes, RedisSettings,
};

use super::support::Services;
use super::support::services::setting;

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
        self.issue_as(address, site, mac, b"context", false).await
    }

    async fn issue_as(
        &self,
        address: AddressTag,
        site: &str,
        mac: &str,
        context: &[u8],
        only_replace: bool,
    ) -> (ChallengeId, Issued) {
        let challenge = ChallengeId::new();
        let issue = IssueCode {
            address,
            site,
            site_mails_per_hour: 100,
            challenge,
            short_mac: mac,
            long_mac: "long",
            link_mac: "link",
            context,
            short_job: b"short job",
            long_job: b"long job",
            only_replace,
        };
        (challenge, self.codes.issue(&issue).await.unwrap())
    }

    async fn claim(&self, site: &str, proof: Proof<'_>) -> Option<Claim> {
        match self.codes.claim(&ClaimCode { address: ADA, site, proof }).await.unwrap() {
            Claimed::Claim(claim) => Some(claim),
            Claimed::Refused => None,
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
    }
}

async fn on_both(story: impl AsyncFn(Store)) {
    let clock = ManualClock::default();
    let codes = Codes::Memory(MemoryCodes::new(limits(), Clock::Manual(clock.clone())));
    story(Store { codes, clock, services: None }).await;
    for partitions in [1, 16] {
        let services = Services::new().await;
        let prefix = services.settings().into_iter().find(|(name, _)| name == "REDIS__KEY_PREFIX").unwrap().1;
        let codes = RedisCodes::new(RedisSettings {
            url: setting("DOORCODE_TEST_REDIS_URL").into(),
            key_prefix: prefix,
            partitions,
            timeout: Duration::from_secs(3),
            limits: limits(),
        });
        story(Store {
            codes: Codes::Redis(Box::new(codes.unwrap())),
            clock: ManualClock::default(),
            services: Some(services),
        })
        .await;
    }
}

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
        assert!(!store.codes.is_current(ADA, "reader", challenge).await.unwrap());
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
        assert!(store.codes.is_current(ADA, "reader", newer).await.unwrap());
        assert_eq!(store.claim("reader", RIGHT).await, None);
        assert!(store.claim("reader", Proof::Code(CodeKind::Short, "newer")).await.is_some());
    })
    .await;
}

#[tokio::test]
async fn a_replacement_keeps_what_the_code_was_for_and_needs_one_to_replace() {
    on_both(async |store| {
        assert_eq!(store.issue_as(ADA, "reader", "x", b"", true).await.1, Issued::NothingToReplace);
        store.issue_as(ADA, "reader", "first", b"what for", false).await;
        store.advance(Duration::from_secs(61)).await;
        let (_, issued) = store.issue_as(ADA, "reader", "second", b"", true).await;
        assert_eq!(issued, Issued::Queued(CodeKind::Short));
        let claim = store.claim("reader", Proof::Code(CodeKind::Short, "second")).await.unwrap();
        assert_eq!(claim.context, b"what for");
        store.advance(Duration::from_secs(601)).await;
        assert_eq!(
            store.issue_as(ADA, "reader", "x", b"", true).await.1,
            Issued::NothingToReplace,
            "expired"
        );
    })
    .await;
}

#[tokio::test]
async fn a_refused_sending_changes_nothing() {
    on_both(async |store| {
        let (first, _) = store.issue(ADA, "reader", "right").await;
        let (_, refused) = store.issue(ADA, "reader", "second").await;
        assert!(matches!(refused, Issued::TooSoon(wait) if wait <= Duration::from_secs(60)), "{refused:?}");
        assert!(store.codes.is_current(ADA, "reader", first).await.unwrap());
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
        let keys = services.keys().await;
        // code, sends, wrong, lease, mails, mail, once
        assert_eq!(keys.len(), 7, "{keys:?}");
        let mut redis = services.redis().await;
        for key in keys {
            assert!(key.contains(&format!(":{{{partition}}}:")), "{key}");
            let left: i64 = redis::cmd("PTTL").arg(&key).query_async(&mut redis).await.unwrap();
            assert!(left > 0, "{key} has no end");
        }
    })
    .await;
}
