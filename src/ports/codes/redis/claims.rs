//! A proof is claimed, and the claim ends: with what came of it, or taken back where nobody knows.

use std::sync::LazyLock;
use std::time::Duration;

use redis::Script;
use uuid::Uuid;

use super::failure::may_have_been_done;
use super::keys::client_tags;
use super::{NOTE, RedisCodes, WINDOWS, millis, script, unexpected, unknown_word};
use crate::domain::ChallengeId;
use crate::ports::PortError;
use crate::ports::codes::{Claim, ClaimCode, ClaimEnd, Claimed, Proof, Witness};
use crate::telemetry::StoreCall;

static CLAIM: LazyLock<Script> = LazyLock::new(|| script(&[WINDOWS, NOTE, include_str!("../claim.lua")]));
static RELEASE: LazyLock<Script> = LazyLock::new(|| script(&[NOTE, include_str!("../release.lua")]));
static WITHDRAW: LazyLock<Script> = LazyLock::new(|| script(&[include_str!("../withdraw.lua")]));

/// Before each try to take a claim back. Past them, what is left of the lease ends by itself.
const WITHDRAWALS: [Duration; 4] =
    [Duration::from_millis(250), Duration::from_millis(750), Duration::from_secs(2), Duration::from_secs(4)];

impl RedisCodes {
    pub(in crate::ports::codes) async fn claim(&self, claim: &ClaimCode<'_>) -> Result<Claimed, PortError> {
        let (limits, address) = (&self.settings.limits, claim.address);
        let partition = self.partition(address);
        let holder = Uuid::new_v4();
        let (kind, mac) = match claim.proof {
            Proof::Code(kind, mac) => (kind.as_str(), mac),
            Proof::Link(mac) => ("link", mac),
        };
        let wrong = if claim.device.is_some() { "wrong_known" } else { "wrong" };
        let mut call = CLAIM.prepare_invoke();
        call.key(self.challenge_key(claim.place(), claim.site, claim.slot))
            .key(self.address_key(wrong, address))
            .key(self.lease_key(claim.place(), claim.site, claim.slot));
        for tag in client_tags(claim.client) {
            call.key(self.key(partition, "client_wrong", &tag));
        }
        call.key(self.partition_key(partition, "guesses"))
            .key(self.partition_key(partition, "tripped"))
            .key(self.address_key("spent", address));
        self.note_keys(&mut call, partition);
        let networks = self.network_limits(claim.client);
        call.arg(kind)
            .arg(mac)
            .arg(limits.tries)
            .arg(self.wrong_per_day(claim.device))
            .arg(millis(limits.lease))
            .arg(holder.to_string())
            .arg(u8::from(claim.missing_is_no_news))
            .arg(networks.client_wrong_per_ten_minutes)
            .arg(networks.network_wrong_per_hour)
            .arg(self.fair_share(limits.trip.per_ten_minutes))
            .arg(self.fair_share(limits.trip.per_day))
            .arg(u8::from(claim.device.is_some()))
            .arg(Uuid::new_v4().to_string());
        self.note_arguments(&mut call, claim.witness, claim.site, claim.slot);
        let answer: Result<Vec<Vec<u8>>, _> =
            self.timed(StoreCall::Claim, call.invoke_async(&mut self.at(claim.address))).await;
        let answer = answer.inspect_err(|error| {
            if may_have_been_done(error) {
                self.withdraw(claim, holder);
            }
        })?;
        match answer.as_slice() {
            [word, id, context] if word == b"claimed" => Ok(Claimed::Claim(Claim {
                challenge: ChallengeId(Uuid::try_parse_ascii(id).map_err(unexpected)?),
                context: context.clone(),
                place: claim.place(),
                site: claim.site.to_owned(),
                slot: claim.slot,
                by_code: matches!(claim.proof, Proof::Code(..)),
                holder,
            })),
            [word] if word == b"missing" => Ok(Claimed::Missing),
            [word, wait] if word == b"client" => {
                let wait = std::str::from_utf8(wait).ok().and_then(|wait| wait.parse().ok());
                Ok(Claimed::ClientLimited(Duration::from_millis(wait.unwrap_or(1000))))
            }
            [word] if [b"wrong".as_slice(), b"leased"].contains(&word.as_slice()) => Ok(Claimed::Refused),
            _ => Err(unknown_word(&String::from_utf8_lossy(answer.first().map_or(b"", Vec::as_slice)))),
        }
    }

    pub(in crate::ports::codes) async fn end_claim(
        &self,
        claim: &Claim,
        end: ClaimEnd,
        refused: Option<(&str, &Witness<'_>)>,
    ) -> Result<(), PortError> {
        let mut call = RELEASE.prepare_invoke();
        call.key(self.challenge_key(claim.place, &claim.site, claim.slot)).key(self.lease_key(
            claim.place,
            &claim.site,
            claim.slot,
        ));
        self.note_keys(&mut call, self.partition(claim.place));
        call.arg(if end == ClaimEnd::Spent { "spent" } else { "unused" })
            .arg(claim.challenge.0.to_string())
            .arg(claim.holder.to_string())
            .arg(u8::from(claim.by_code))
            .arg(refused.map_or("", |(reason, _)| reason));
        self.note_arguments(&mut call, refused.map(|(_, witness)| witness), &claim.site, claim.slot);
        self.timed(StoreCall::Release, call.invoke_async::<()>(&mut self.at(claim.place))).await
    }

    /// Takes a claim back whose answer was lost, as soon as Redis can be told: until then the right code is refused, as one
    /// that somebody is about to use. Nobody waits for it, and a server that stops meanwhile leaves it to the lease.
    fn withdraw(&self, claim: &ClaimCode<'_>, holder: Uuid) {
        let (store, place) = (self.clone(), claim.place());
        let lease = self.lease_key(place, claim.site, claim.slot);
        tokio::spawn(async move {
            for pause in WITHDRAWALS {
                tokio::time::sleep(pause).await;
                let mut call = WITHDRAW.key(&lease);
                call.arg(holder.to_string());
                let mut connection = store.at(place);
                let done = call.invoke_async::<()>(&mut connection);
                if store.timed(StoreCall::Withdraw, done).await.is_ok() {
                    return;
                }
            }
        });
    }
}
