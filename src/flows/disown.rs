//! Somebody got a mail with a code that they did not ask for: the code ends, and strangers cause no more mails for a while.

use super::audit::By;
use super::sealed::DisownToken;
use super::{Flows, VerifyCodeError, Visitor};
use crate::domain::{Site, Slot};
use crate::ports::codes::{StopCode, Witness};
use crate::ports::limits::Act;

impl Flows {
    /// Ends the code that came with a token, once. Devices that the address's owner has signed in with still get codes.
    ///
    /// # Errors
    /// [`VerifyCodeError::Rejected`] if its code is over already; then nothing has changed.
    pub async fn disown_code(
        &self,
        site: &Site,
        token: &str,
        slot: Slot,
        visitor: &Visitor,
    ) -> Result<(), VerifyCodeError> {
        self.count_act(Act::Verify, site, visitor.ip).map_err(VerifyCodeError::ClientLimited)?;
        let token = DisownToken::parse(token).ok_or(VerifyCodeError::Rejected)?;
        let witness = Witness { address: Some(token.address), ..self.witness(By::visitor(visitor), None) };
        for stop_mac in self.keys.stop_macs(&site.id, slot, &token.secret) {
            let stop = StopCode {
                address: token.address,
                place: token.place,
                site: &site.id,
                slot,
                stop_mac: &stop_mac,
                witness: &witness,
            };
            if self.codes.stop(&stop).await? {
                return Ok(());
            }
        }
        Err(VerifyCodeError::Rejected)
    }
}
