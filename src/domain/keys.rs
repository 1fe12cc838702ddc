//! The key ring: every secret the server works with, derived from one master secret.
//!
//! Each purpose has a key of its own (HKDF, RFC 5869, one label each), so that a value made for one purpose
//! means nothing in another. During a rotation the ring holds older masters too: new values are made under the
//! newest, old ones are still read.

mod derived;

use std::fmt;

use aws_lc_rs::aead::Aad;
use aws_lc_rs::constant_time;
use ipnet::IpNet;

use self::derived::{
    Derived, code_text, cookie_tag, device_name, device_proof, form_tag, limit_name, link_text, mac,
    refresh_tag, secret_name, service_key_digest, stop_text, tag, truncated,
};
use super::{BrowserId, EmailAddress, KnownDevice, ServiceKey, SessionId, SignInCode, Slot};

/// Bytes of a refresh token's and a link's MAC: 128 bits (RFC 6749 §10.10 asks for at most 2^-128 a guess).
pub const MAC_LENGTH: usize = 16;

/// The secrets of one installation.
pub struct KeyRing {
    /// In a box: they are large, and travel through the futures that start the server.
    newest: Box<Derived>,
    older: Vec<Derived>,
}

/// What a sealed text is for. It is bound into the text, so that one kind is never opened as another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sealed {
    /// A mail job: address, code, language.
    MailJob,
    /// What a challenge remembers until it is claimed: address, metadata, language.
    Challenge,
    /// A private signing key at rest.
    SigningKey,
    /// What a browser keeps between asking for a code and typing it: address, destination.
    SignIn,
    /// What a creation answered, for the same request sent again.
    Answer,
    /// What a browser keeps while somebody is at the console with a service key: the key.
    Console,
    /// The hash of a service key.
    ServiceKey,
}

/// A text that could not be opened: tampered with, of another purpose, or sealed under an unknown master.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("sealed data could not be opened with any key of the ring")]
pub struct NotOurs;

impl KeyRing {
    /// A ring from a master secret of 32 bytes, and older ones, newest first, that are still to be read.
    ///
    /// # Panics
    /// Never with masters of 32 bytes: the lengths asked of HKDF are constants within its bound.
    #[must_use]
    pub fn new(master: &[u8; 32], older: &[[u8; 32]]) -> Self {
        Self { newest: Box::new(Derived::from(master)), older: older.iter().map(Derived::from).collect() }
    }

    /// The keyed hash under which a code is stored. The same code for another address, site, browser or purpose is another
    /// hash.
    ///
    /// A code asked for on a hosted page is bound to its browser; one that a client library asked for is bound to none.
    #[must_use]
    pub fn code_mac(
        &self,
        site: &str,
        slot: Slot,
        email: &EmailAddress,
        browser: Option<&BrowserId>,
        code: &SignInCode,
    ) -> String {
        code_text(&self.newest, (site, slot, email, browser), code)
    }

    /// Where a code may wait, and the keyed hash it has there: under each master of the ring, the newest first. One that
    /// was asked for before a change of the master, or of a replica that is yet to change, is found under another.
    pub fn code_proofs(
        &self,
        site: &str,
        slot: Slot,
        email: &EmailAddress,
        browser: Option<&BrowserId>,
        code: &SignInCode,
    ) -> impl Iterator<Item = (AddressTag, String)> {
        self.all().map(move |keys| (tag(keys, email), code_text(keys, (site, slot, email, browser), code)))
    }

    /// The MAC in a session cookie of `site`: made under the newest master.
    #[must_use]
    pub fn cookie_mac(&self, site: &str, session: SessionId) -> [u8; MAC_LENGTH] {
        truncated(&cookie_tag(&self.newest, site, session))
    }

    /// Whether a session cookie's MAC was made by this installation for `site`, under any master of the ring.
    #[must_use]
    pub fn knows_cookie_mac(&self, site: &str, session: SessionId, given: &[u8; MAC_LENGTH]) -> bool {
        self.all().any(|keys| {
            let expected: [u8; MAC_LENGTH] = truncated(&cookie_tag(keys, site, session));
            constant_time::verify_slices_are_equal(&expected, given).is_ok()
        })
    }

    /// The proof that a form was served to this browser, on this site, to this session or to nobody signed in.
    #[must_use]
    pub fn form_mac(&self, site: &str, browser: &BrowserId, session: Option<SessionId>) -> [u8; MAC_LENGTH] {
        truncated(&form_tag(&self.newest, site, browser, session))
    }

    /// Whether a form's proof is one that we made, under any master of the ring.
    #[must_use]
    pub fn knows_form_mac(
        &self,
        site: &str,
        browser: &BrowserId,
        session: Option<SessionId>,
        given: &[u8; MAC_LENGTH],
    ) -> bool {
        self.all().any(|keys| {
            let expected: [u8; MAC_LENGTH] = truncated(&form_tag(keys, site, browser, session));
            constant_time::verify_slices_are_equal(&expected, given).is_ok()
        })
    }

    /// The name of an address in the store: 128 bits of a keyed hash, so that a dump names nobody.
    #[must_use]
    pub fn address_tag(&self, email: &EmailAddress) -> AddressTag {
        tag(&self.newest, email)
    }

    /// The names that an address may have in the store: under each master of the ring, the newest first.
    pub fn address_tags(&self, email: &EmailAddress) -> impl Iterator<Item = AddressTag> {
        self.all().map(move |keys| tag(keys, email))
    }

    /// The proof that the owner of an address has signed in to `site` with a device: made under the newest master.
    #[must_use]
    pub fn device_mac(&self, site: &str, device: &[u8; 16], email: &EmailAddress) -> [u8; MAC_LENGTH] {
        device_proof(&self.newest, site, device, email)
    }

    /// Whether such a proof was made by this installation, under any master of the ring.
    #[must_use]
    pub fn knows_device_mac(
        &self,
        site: &str,
        device: &[u8; 16],
        email: &EmailAddress,
        given: &[u8; MAC_LENGTH],
    ) -> bool {
        self.all().any(|keys| {
            constant_time::verify_slices_are_equal(&device_proof(keys, site, device, email), given).is_ok()
        })
    }

    /// The name under which a code for an address waits that a known device asks for.
    #[must_use]
    pub fn device_tag(&self, device: &KnownDevice, email: &EmailAddress) -> AddressTag {
        device_name(&self.newest, device.id(), email)
    }

    /// The names that it may have: under each master of the ring, in the order of [`code_proofs`](Self::code_proofs).
    pub fn device_tags(
        &self,
        device: &KnownDevice,
        email: &EmailAddress,
    ) -> impl Iterator<Item = AddressTag> {
        self.all().map(move |keys| device_name(keys, device.id(), email))
    }

    /// What limits know a client's network by.
    #[must_use]
    pub fn network_tag(&self, network: &IpNet) -> LimitTag {
        limit_name(&self.newest, "network", &network.to_string())
    }

    /// What limits know a mail host by.
    #[must_use]
    pub fn mail_host_tag(&self, domain: &str) -> LimitTag {
        limit_name(&self.newest, "mail host", domain)
    }

    /// The keyed hash under which a link's secret is stored.
    #[must_use]
    pub fn link_mac(&self, site: &str, slot: Slot, secret: &[u8; MAC_LENGTH]) -> String {
        link_text(&self.newest, site, slot, secret)
    }

    /// The keyed hashes that a link's secret may have in the store: under each master of the ring, the newest first.
    pub fn link_macs(
        &self,
        site: &str,
        slot: Slot,
        secret: &[u8; MAC_LENGTH],
    ) -> impl Iterator<Item = String> {
        self.all().map(move |keys| link_text(keys, site, slot, secret))
    }

    /// The keyed hash under which a secret is stored that ends a challenge.
    #[must_use]
    pub fn stop_mac(&self, site: &str, slot: Slot, secret: &[u8; MAC_LENGTH]) -> String {
        stop_text(&self.newest, site, slot, secret)
    }

    /// The keyed hashes that such a secret may have in the store: under each master of the ring, the newest first.
    pub fn stop_macs(
        &self,
        site: &str,
        slot: Slot,
        secret: &[u8; MAC_LENGTH],
    ) -> impl Iterator<Item = String> {
        self.all().map(move |keys| stop_text(keys, site, slot, secret))
    }

    /// The name in the store of a secret that comes without an address: an authorization code.
    #[must_use]
    pub fn secret_tag(&self, site: &str, secret: &[u8; MAC_LENGTH]) -> AddressTag {
        secret_name(&self.newest, site, secret)
    }

    /// Where a secret that comes without an address may be, and the keyed hash it has there: under each master of the ring,
    /// the newest first.
    pub fn secret_proofs(
        &self,
        site: &str,
        slot: Slot,
        secret: &[u8; MAC_LENGTH],
    ) -> impl Iterator<Item = (AddressTag, String)> {
        self.all().map(move |keys| (secret_name(keys, site, secret), link_text(keys, site, slot, secret)))
    }

    /// A service key as it is stored: its hash, sealed. Whoever reads it learns no key, whoever can write it makes none that
    /// works, and unlike a keyed hash it can be taken over by the next master.
    ///
    /// # Errors
    /// [`NotOurs`] only if the system has no randomness.
    pub fn seal_service_key(&self, key: &ServiceKey) -> Result<Vec<u8>, NotOurs> {
        self.seal(Sealed::ServiceKey, &key.id.to_string(), service_key_digest(key).as_ref())
    }

    /// Whether what is stored is this service key, sealed under any master of the ring.
    #[must_use]
    pub fn knows_service_key(&self, key: &ServiceKey, stored: &[u8]) -> bool {
        self.open(Sealed::ServiceKey, &key.id.to_string(), stored).is_ok_and(|known| {
            constant_time::verify_slices_are_equal(service_key_digest(key).as_ref(), &known).is_ok()
        })
    }

    /// The MAC of a refresh token of `site`: made under the newest master.
    #[must_use]
    pub fn refresh_mac(&self, site: &str, session: SessionId, counter: u32) -> [u8; MAC_LENGTH] {
        truncated(&refresh_tag(&self.newest, site, session, counter))
    }

    /// Whether a refresh token's MAC was made by this installation for `site`, under any master of the ring.
    #[must_use]
    pub fn knows_refresh_mac(
        &self,
        site: &str,
        session: SessionId,
        counter: u32,
        given: &[u8; MAC_LENGTH],
    ) -> bool {
        self.all().any(|keys| {
            let expected: [u8; MAC_LENGTH] = truncated(&refresh_tag(keys, site, session, counter));
            constant_time::verify_slices_are_equal(&expected, given).is_ok()
        })
    }

    /// The MACs of a part of the audit chain, under each master of the ring, the newest first: new parts are made with that.
    pub(super) fn audit_macs(&self, parts: &[&[u8]]) -> impl Iterator<Item = [u8; 32]> {
        self.all().map(|keys| {
            let mut out = [0; 32];
            out.copy_from_slice(mac(&keys.audit, parts).as_ref());
            out
        })
    }

    /// Encrypts `plain` for one purpose (AES-256-GCM, random nonce in front, RFC 5116 §5.2).
    ///
    /// # Errors
    /// [`NotOurs`] only if the system has no randomness for the nonce.
    pub fn seal(&self, purpose: Sealed, context: &str, plain: &[u8]) -> Result<Vec<u8>, NotOurs> {
        let mut text = plain.to_vec();
        let nonce = self
            .newest
            .sealing(purpose)
            .seal_in_place_append_tag(Aad::from(context.as_bytes()), &mut text)
            .map_err(|_| NotOurs)?;
        Ok([nonce.as_ref().as_slice(), &text].concat())
    }

    /// Decrypts what [`seal`](Self::seal) made for the same purpose and context, under any master of the ring.
    ///
    /// # Errors
    /// [`NotOurs`] if no key of the ring opens it.
    pub fn open(&self, purpose: Sealed, context: &str, sealed: &[u8]) -> Result<Vec<u8>, NotOurs> {
        self.open_under(purpose, context, sealed).map(|(_, plain)| plain)
    }

    /// Under which master of the ring something is sealed, counted from the newest, which is 0; and if it is another, the
    /// same sealed under the newest.
    ///
    /// # Errors
    /// [`NotOurs`] if no key of the ring opens it.
    pub fn reseal(
        &self,
        purpose: Sealed,
        context: &str,
        sealed: &[u8],
    ) -> Result<(usize, Option<Vec<u8>>), NotOurs> {
        let (master, plain) = self.open_under(purpose, context, sealed)?;
        let anew = if master == 0 { None } else { Some(self.seal(purpose, context, &plain)?) };
        Ok((master, anew))
    }

    /// How many masters are in the ring.
    #[must_use]
    pub fn masters(&self) -> usize {
        1 + self.older.len()
    }

    fn open_under(&self, purpose: Sealed, context: &str, sealed: &[u8]) -> Result<(usize, Vec<u8>), NotOurs> {
        let (nonce, text) = sealed.split_first_chunk::<12>().ok_or(NotOurs)?;
        self.all()
            .enumerate()
            .find_map(|(master, keys)| {
                let mut text = text.to_vec();
                let length = keys
                    .sealing(purpose)
                    .open_in_place(nonce.into(), Aad::from(context.as_bytes()), &mut text)
                    .ok()?
                    .len();
                text.truncate(length);
                Some((master, text))
            })
            .ok_or(NotOurs)
    }

    fn all(&self) -> impl Iterator<Item = &Derived> {
        std::iter::once(&*self.newest).chain(&self.older)
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRing({} masters)", 1 + self.older.len())
    }
}

/// An address as the store knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AddressTag(pub [u8; MAC_LENGTH]);

impl AddressTag {
    /// Lower-case hexadecimal, for a key in the store.
    #[must_use]
    pub fn to_hex(self) -> String {
        data_encoding::HEXLOWER.encode(&self.0)
    }

    /// Reads what [`AddressTag::to_hex`] wrote. `None` for everything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = data_encoding::HEXLOWER.decode(text.as_bytes()).ok()?;
        Some(Self(bytes.try_into().ok()?))
    }
}

/// A client's network or a mail host, as limits know it: 128 bits of a keyed hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LimitTag(pub [u8; MAC_LENGTH]);

impl LimitTag {
    /// Lower-case hexadecimal, for a key in the store.
    #[must_use]
    pub fn to_hex(self) -> String {
        data_encoding::HEXLOWER.encode(&self.0)
    }
}

#[cfg(test)]
mod tests;
