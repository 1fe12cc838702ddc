//! A proof is claimed, something is done with it, the claim ends: what every story with a code has in common.
//!
//! The order is what makes it safe. A code claimed but not spent works again, so an outage of the database burns
//! nothing; what the code is good for can happen once, so nothing that crashes or repeats does it twice.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use tracing::Instrument as _;

use super::audit::By;
use super::sealed::LinkToken;
use super::send_code::context_of;
use super::{Flows, Visitor};
use crate::domain::keys::{MAC_LENGTH, Sealed};
use crate::domain::{AddressTag, BrowserId, EmailAddress, KnownDevice, SignInCode, Site, Slot};
use crate::ports::codes::{Claim, ClaimCode, ClaimEnd, Claimed, Proof, Witness};
use crate::ports::limits::Act;
use crate::ports::refusals::Refusal;
use crate::ports::{Dependency, PortError};
use crate::telemetry::{CodeCheck, Limit, causes};

/// A code as somebody typed it, and what they typed it for.
#[derive(Clone, Copy)]
pub(super) struct TypedCode<'a> {
    pub site: &'a Site,
    pub slot: Slot,
    pub email: &'a EmailAddress,
    /// The browser that presents it, on a hosted page.
    pub browser: Option<&'a BrowserId>,
    /// The device, as its cookie tells there.
    pub device: Option<&'a KnownDevice>,
    pub code: &'a SignInCode,
    pub by: By<'a>,
}

/// Whether a refusal is put on record.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Telling {
    Always,
    /// Not that nothing waits here: it may wait elsewhere.
    UnlessMissing,
    /// It has been told.
    Never,
}

/// Why nothing was compared.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClaimError {
    /// This client, or its network, has presented too many that were wrong.
    #[error("too many wrong proofs from this client")]
    ClientLimited(Duration),
    /// The store failed.
    #[error("the code store failed")]
    Unavailable(#[from] PortError),
}

/// The claim, if there is one.
pub(super) fn right(claimed: Claimed) -> Result<Option<Claim>, ClaimError> {
    match claimed {
        Claimed::Claim(claim) => Ok(Some(claim)),
        Claimed::Refused | Claimed::Missing => Ok(None),
        Claimed::ClientLimited(wait) => Err(ClaimError::ClientLimited(wait)),
    }
}

impl Flows {
    /// Runs a story to its end even if the client hangs up: it must not leave a claim between its two halves.
    pub(super) async fn to_its_end<T, E>(
        &self,
        story: impl Future<Output = Result<T, E>> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<PortError> + Send + 'static,
    {
        let told = self.unfinished.spawn(story.in_current_span()).await;
        told.unwrap_or_else(|error| Err(PortError::unexpected(Dependency::CodeStore, error).into()))
    }

    /// Claims a typed code. `None` if it is wrong, spent, expired, never issued, or for something else.
    pub(super) async fn claim_code(&self, typed: &TypedCode<'_>) -> Result<Option<Claim>, ClaimError> {
        right(self.claim_typed(typed, Telling::Always).await?)
    }

    /// As [`claim_code`](Self::claim_code), where the code may also wait elsewhere.
    pub(super) async fn claim_typed(
        &self,
        typed: &TypedCode<'_>,
        telling: Telling,
    ) -> Result<Claimed, PortError> {
        let TypedCode { site, email, device, .. } = *typed;
        // A code that a known device asked for waits in a place of its own. Where none does, the device may have become known
        // only since it asked.
        if let Some(device) = self.device_of(site, email, device) {
            let places = self.keys.device_tags(device, email).map(Some);
            match self.claim_at(typed, places, Telling::UnlessMissing).await? {
                Claimed::Missing => {}
                end => return Ok(end),
            }
        }
        self.claim_at(typed, std::iter::repeat(None), telling).await
    }

    /// Claims a typed code under each name that it may have, at the places that go with them.
    async fn claim_at(
        &self,
        typed: &TypedCode<'_>,
        places: impl Iterator<Item = Option<AddressTag>>,
        telling: Telling,
    ) -> Result<Claimed, PortError> {
        let TypedCode { site, slot, email, browser, code, by, .. } = *typed;
        let witness = self.witness(by, Some(email));
        let names = self.keys.code_proofs(&site.id, slot, email, browser, code);
        let mut names = names.zip(places).peekable();
        let (mut telling, mut answer) = (telling, Claimed::Missing);
        // One answer is one event: a refusal is told by the first name under which a code waits.
        while let Some(((address, mac), device)) = names.next() {
            let is_last = names.peek().is_none();
            let claim = ClaimCode {
                address,
                device,
                site: &site.id,
                slot,
                proof: Proof::Code(code.kind(), &mac),
                // What strangers at the same network do is nothing to a device that has guesses of its own.
                client: device.is_none().then(|| self.client_tags(by.visitor.ip)),
                witness: (telling != Telling::Never).then_some(&witness),
                missing_is_no_news: telling == Telling::UnlessMissing || !is_last,
            };
            match self.claim(&claim, by.visitor.ip).await? {
                end @ (Claimed::Claim(_) | Claimed::ClientLimited(_)) => return Ok(end),
                Claimed::Refused => (telling, answer) = (Telling::Never, Claimed::Refused),
                Claimed::Missing => {}
            }
        }
        Ok(answer)
    }

    /// Claims the proof of a link, for the first of these purposes that it fits.
    pub(super) async fn claim_link(
        &self,
        site: &Site,
        slots: &[Slot],
        text: &str,
        visitor: &Visitor,
    ) -> Result<Option<(Slot, Claim)>, ClaimError> {
        let Some(link) = LinkToken::parse(text) else {
            self.note_malformed(site, visitor);
            return Ok(None);
        };
        let witness = Witness { address: Some(link.address), ..self.witness(By::visitor(visitor), None) };
        let mut slots = slots.iter().copied().peekable();
        while let Some(slot) = slots.next() {
            // One answer is one event: the last purpose tells.
            let witness = slots.peek().is_none().then_some(&witness);
            let names = self.keys.link_macs(&site.id, slot, &link.secret).map(|mac| (link.address, mac));
            if let Some(claim) = self.claim_by_secret(site, slot, names, (visitor.ip, witness)).await? {
                return Ok(Some((slot, claim)));
            }
        }
        Ok(None)
    }

    /// Claims what is kept under a secret that comes without an address.
    pub(super) async fn claim_secret(
        &self,
        site: &Site,
        slot: Slot,
        secret: &[u8; MAC_LENGTH],
        witness: &Witness<'_>,
    ) -> Result<Option<Claim>, ClaimError> {
        let names = self.keys.secret_proofs(&site.id, slot, secret);
        self.claim_by_secret(site, slot, names, (witness.ip, Some(witness))).await
    }

    /// A secret that is wrong under one master may be right under the next: only the last tells.
    async fn claim_by_secret(
        &self,
        site: &Site,
        slot: Slot,
        names: impl Iterator<Item = (AddressTag, String)>,
        (ip, witness): (IpAddr, Option<&Witness<'_>>),
    ) -> Result<Option<Claim>, ClaimError> {
        let mut names = names.peekable();
        while let Some((address, mac)) = names.next() {
            let claim = ClaimCode {
                address,
                device: None,
                site: &site.id,
                slot,
                proof: Proof::Link(&mac),
                client: Some(self.client_tags(ip)),
                witness: witness.filter(|_| names.peek().is_none()),
                missing_is_no_news: false,
            };
            if let Some(claim) = right(self.claim(&claim, ip).await?)? {
                return Ok(Some(claim));
            }
        }
        Ok(None)
    }

    async fn claim(&self, claim: &ClaimCode<'_>, ip: IpAddr) -> Result<Claimed, PortError> {
        let claimed = self.codes.claim(claim).await;
        if matches!(claimed, Ok(Claimed::ClientLimited(_))) {
            self.metrics.limits.hit(Limit::NetworkWrong);
            self.refusals.count(Refusal::Limited(Act::Verify), claim.site, ip);
        }
        let outcome = match &claimed {
            Ok(Claimed::Claim(_)) => CodeCheck::Accepted,
            Ok(Claimed::Refused | Claimed::Missing) => CodeCheck::Refused,
            Ok(Claimed::ClientLimited(_)) => CodeCheck::Limited,
            Err(_) => CodeCheck::Failed,
        };
        self.metrics.codes.checked(claim.site, claim.slot.as_str(), outcome);
        claimed
    }

    /// What was kept with a challenge.
    pub(super) fn open_context<C: DeserializeOwned>(
        &self,
        site: &Site,
        slot: Slot,
        claim: &Claim,
    ) -> Result<C, PortError> {
        self.open(Sealed::Challenge, &context_of(site, slot), &claim.context)
    }

    /// Spends the code or gives it back. If the store is out of reach now, the lease runs out by itself: an unused code
    /// works again then, and a spent one is refused by what it did.
    pub(super) async fn end_claim(&self, claim: &Claim, end: ClaimEnd) {
        if let Err(error) = self.codes.end_claim(claim, end).await {
            tracing::warn!(
                error = %causes(&error),
                "a claimed code waits for its lease to end"
            );
        }
    }

    /// Ends a claim that was right and led to nothing, and puts on record why.
    pub(super) async fn end_refused_claim(
        &self,
        claim: &Claim,
        end: ClaimEnd,
        reason: &str,
        witness: &Witness<'_>,
    ) {
        if let Err(error) = self.codes.end_refused_claim(claim, end, reason, witness).await {
            tracing::warn!(
                error = %causes(&error),
                reason,
                "a refused code waits for its lease to end, and is not on record"
            );
        }
    }

    /// Spends the code while the person has their answer already.
    pub(super) fn spend_later(self: &Arc<Self>, claim: Claim) {
        let flows = Arc::clone(self);
        let spend = async move { flows.end_claim(&claim, ClaimEnd::Spent).await };
        self.unfinished.spawn(spend.in_current_span());
    }
}
