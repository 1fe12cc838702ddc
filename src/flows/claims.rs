//! A proof is claimed, something is done with it, the claim ends: what every story with a code has in common.
//!
//! The order is what makes it safe. A code claimed but not spent works again, so an outage of the database burns
//! nothing; what the code is good for can happen once, so nothing that crashes or repeats does it twice.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use tracing::Instrument as _;

use super::Flows;
use super::sealed::LinkToken;
use super::send_code::context_of;
use crate::domain::keys::{MAC_LENGTH, Sealed};
use crate::domain::{BrowserId, EmailAddress, SignInCode, Site, Slot};
use crate::ports::codes::{Claim, ClaimCode, ClaimEnd, Claimed, Proof};
use crate::ports::{Dependency, PortError};
use crate::telemetry::CodeCheck;

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
    pub(super) async fn claim_code(
        &self,
        site: &Site,
        slot: Slot,
        email: &EmailAddress,
        browser: Option<&BrowserId>,
        code: &SignInCode,
    ) -> Result<Option<Claim>, PortError> {
        for (address, mac) in self.keys.code_proofs(&site.id, slot, email, browser, code) {
            let proof = Proof::Code(code.kind(), &mac);
            let claim = self.claim(&ClaimCode { address, site: &site.id, slot, proof }).await?;
            if claim.is_some() {
                return Ok(claim);
            }
        }
        Ok(None)
    }

    /// Claims the proof of a link, for the first of these purposes that it fits.
    pub(super) async fn claim_link(
        &self,
        site: &Site,
        slots: &[Slot],
        text: &str,
    ) -> Result<Option<(Slot, Claim)>, PortError> {
        let Some(link) = LinkToken::parse(text) else { return Ok(None) };
        for &slot in slots {
            for mac in self.keys.link_macs(&site.id, slot, &link.secret) {
                let (address, proof) = (link.address, Proof::Link(&mac));
                let claim = self.claim(&ClaimCode { address, site: &site.id, slot, proof }).await?;
                if let Some(claim) = claim {
                    return Ok(Some((slot, claim)));
                }
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
    ) -> Result<Option<Claim>, PortError> {
        for (address, mac) in self.keys.secret_proofs(&site.id, slot, secret) {
            let proof = Proof::Link(&mac);
            let claim = self.claim(&ClaimCode { address, site: &site.id, slot, proof }).await?;
            if claim.is_some() {
                return Ok(claim);
            }
        }
        Ok(None)
    }

    async fn claim(&self, claim: &ClaimCode<'_>) -> Result<Option<Claim>, PortError> {
        let claimed = self.codes.claim(claim).await;
        let outcome = match &claimed {
            Ok(Claimed::Claim(_)) => CodeCheck::Accepted,
            Ok(Claimed::Refused) => CodeCheck::Refused,
            Err(_) => CodeCheck::Failed,
        };
        self.metrics.codes.checked(claim.site, claim.slot.as_str(), outcome);
        match claimed? {
            Claimed::Claim(claim) => Ok(Some(claim)),
            Claimed::Refused => Ok(None),
        }
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
                error = &error as &dyn std::error::Error,
                "a claimed code waits for its lease to end"
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
