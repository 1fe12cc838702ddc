//! What pages tell a browser by: the proof against forgery that every form of the hosted pages and the console carries, its
//! name, and that its owner has signed in with it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Flows;
use crate::domain::keys::MAC_LENGTH;
use crate::domain::{BrowserId, EmailAddress, KnownDevice, SessionId};

impl Flows {
    /// The proof for forms shown to this browser, signed in with this session or with none. `place` is the id of a site, or
    /// what [`console_place`](Self::console_place) says.
    #[must_use]
    pub fn form_proof(&self, place: &str, browser: &BrowserId, session: Option<SessionId>) -> String {
        URL_SAFE_NO_PAD.encode(self.keys.form_mac(place, browser, session))
    }

    /// Whether a form's proof was made for this browser and session. Constant time.
    #[must_use]
    pub fn is_form_proof(
        &self,
        place: &str,
        browser: &BrowserId,
        session: Option<SessionId>,
        proof: &str,
    ) -> bool {
        let given: Option<[u8; MAC_LENGTH]> =
            URL_SAFE_NO_PAD.decode(proof).ok().and_then(|bytes| bytes.try_into().ok());
        given.is_some_and(|given| self.keys.knows_form_mac(place, browser, session, &given))
    }

    /// The device that a cookie tells of, once the owner of an address has signed in to `site` with it.
    #[must_use]
    pub fn signed_in_device(
        &self,
        site: &str,
        told: Option<KnownDevice>,
        email: &EmailAddress,
    ) -> KnownDevice {
        let device = told.unwrap_or_else(|| KnownDevice::generate(&mut super::system_rng()));
        device.signed_in(site, email, &self.keys)
    }

    /// Names a browser that has no name yet.
    #[must_use]
    pub fn new_browser(&self) -> BrowserId {
        BrowserId::generate(&mut super::system_rng())
    }
}
