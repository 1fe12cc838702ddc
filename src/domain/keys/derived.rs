//! What one master secret gives: a key for each purpose, and what is made with each.

use aws_lc_rs::aead::{AES_256_GCM, RandomizedNonceKey};
use aws_lc_rs::{digest, hkdf, hmac};

use super::{AddressTag, LimitTag, MAC_LENGTH, Sealed};
use crate::domain::{BrowserId, EmailAddress, ServiceKey, SessionId, SignInCode, Slot};

/// The keys of one master secret.
pub(super) struct Derived {
    pub(super) codes: hmac::Key,
    pub(super) refresh: hmac::Key,
    pub(super) addresses: hmac::Key,
    pub(super) links: hmac::Key,
    pub(super) cookies: hmac::Key,
    pub(super) forms: hmac::Key,
    pub(super) secrets: hmac::Key,
    pub(super) audit: hmac::Key,
    pub(super) limits: hmac::Key,
    pub(super) devices: hmac::Key,
    pub(super) mail_jobs: RandomizedNonceKey,
    pub(super) challenges: RandomizedNonceKey,
    pub(super) signing_keys: RandomizedNonceKey,
    pub(super) sign_ins: RandomizedNonceKey,
    pub(super) answers: RandomizedNonceKey,
    pub(super) consoles: RandomizedNonceKey,
    pub(super) service_keys: RandomizedNonceKey,
}

impl Derived {
    pub(super) fn from(master: &[u8; 32]) -> Self {
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"doorcode v1");
        let secret = salt.extract(master);
        let key = |label: &'static str| -> [u8; 32] {
            let mut out = [0; 32];
            secret
                .expand(&[label.as_bytes()], hkdf::HKDF_SHA256)
                .and_then(|okm| okm.fill(&mut out))
                .expect("32 bytes are within what HKDF-SHA-256 gives");
            out
        };
        let signing = |label| hmac::Key::new(hmac::HMAC_SHA256, &key(label));
        let sealing =
            |label| RandomizedNonceKey::new(&AES_256_GCM, &key(label)).expect("AES-256 takes 32 bytes");
        Self {
            codes: signing("code mac"),
            refresh: signing("refresh mac"),
            addresses: signing("address tag"),
            links: signing("link mac"),
            cookies: signing("cookie mac"),
            forms: signing("form mac"),
            secrets: signing("secret tag"),
            audit: signing("audit chain"),
            limits: signing("limit tag"),
            devices: signing("known device"),
            mail_jobs: sealing("mail job"),
            challenges: sealing("challenge"),
            signing_keys: sealing("signing key"),
            sign_ins: sealing("sign-in"),
            service_keys: sealing("service key"),
            answers: sealing("answer"),
            consoles: sealing("console"),
        }
    }

    pub(super) fn sealing(&self, purpose: Sealed) -> &RandomizedNonceKey {
        match purpose {
            Sealed::MailJob => &self.mail_jobs,
            Sealed::Challenge => &self.challenges,
            Sealed::SigningKey => &self.signing_keys,
            Sealed::SignIn => &self.sign_ins,
            Sealed::Answer => &self.answers,
            Sealed::Console => &self.consoles,
            Sealed::ServiceKey => &self.service_keys,
        }
    }
}

pub(super) fn code_text(
    keys: &Derived,
    (site, slot, email, browser): (&str, Slot, &EmailAddress, Option<&BrowserId>),
    code: &SignInCode,
) -> String {
    let browser = browser.map_or(&[][..], |browser| &browser.0);
    let [site, slot, email, code] = [site, slot.as_str(), email.as_str(), code.expose()].map(str::as_bytes);
    data_encoding::HEXLOWER.encode(mac(&keys.codes, &[site, slot, email, browser, code]).as_ref())
}

pub(super) fn tag(keys: &Derived, email: &EmailAddress) -> AddressTag {
    AddressTag(truncated(&mac(&keys.addresses, &[email.as_str().as_bytes()])))
}

/// A device that an address's owner has signed in to `site` with.
pub(super) fn device_proof(
    keys: &Derived,
    site: &str,
    device: &[u8; 16],
    email: &EmailAddress,
) -> [u8; MAC_LENGTH] {
    truncated(&mac(&keys.devices, &[b"proof", site.as_bytes(), device, email.as_str().as_bytes()]))
}

/// Where codes for an address wait that such a device asks for: in the partition of the address.
pub(super) fn device_name(keys: &Derived, device: &[u8; 16], email: &EmailAddress) -> AddressTag {
    let mut name = truncated(&mac(&keys.devices, &[b"name", device, email.as_str().as_bytes()]));
    name[0] = tag(keys, email).0[0];
    AddressTag(name)
}

pub(super) fn limit_name(keys: &Derived, kind: &str, what: &str) -> LimitTag {
    LimitTag(truncated(&mac(&keys.limits, &[kind.as_bytes(), what.as_bytes()])))
}

pub(super) fn link_text(keys: &Derived, site: &str, slot: Slot, secret: &[u8; MAC_LENGTH]) -> String {
    let parts = [site.as_bytes(), slot.as_str().as_bytes(), secret];
    data_encoding::HEXLOWER.encode(mac(&keys.links, &parts).as_ref())
}

pub(super) fn stop_text(keys: &Derived, site: &str, slot: Slot, secret: &[u8; MAC_LENGTH]) -> String {
    let parts = [b"stop".as_slice(), site.as_bytes(), slot.as_str().as_bytes(), secret];
    data_encoding::HEXLOWER.encode(mac(&keys.links, &parts).as_ref())
}

pub(super) fn secret_name(keys: &Derived, site: &str, secret: &[u8; MAC_LENGTH]) -> AddressTag {
    AddressTag(truncated(&mac(&keys.secrets, &[site.as_bytes(), secret])))
}

pub(super) fn refresh_tag(keys: &Derived, site: &str, session: SessionId, counter: u32) -> hmac::Tag {
    mac(&keys.refresh, &[site.as_bytes(), session.0.as_bytes(), &counter.to_be_bytes()])
}

pub(super) fn cookie_tag(keys: &Derived, site: &str, session: SessionId) -> hmac::Tag {
    mac(&keys.cookies, &[site.as_bytes(), session.0.as_bytes()])
}

/// 256 random bits need no slow hash.
pub(super) fn service_key_digest(key: &ServiceKey) -> digest::Digest {
    digest::digest(&digest::SHA256, &key.secret)
}

pub(super) fn form_tag(
    keys: &Derived,
    site: &str,
    browser: &BrowserId,
    session: Option<SessionId>,
) -> hmac::Tag {
    let session = session.map(|session| session.0.into_bytes());
    mac(&keys.forms, &[site.as_bytes(), &browser.0, session.as_ref().map_or(&[][..], |bytes| bytes)])
}

/// HMAC over parts with their lengths, so that moving a byte from one part to the next changes the result.
pub(super) fn mac(key: &hmac::Key, parts: &[&[u8]]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    context.sign()
}

pub(super) fn truncated(tag: &hmac::Tag) -> [u8; MAC_LENGTH] {
    let mut out = [0; MAC_LENGTH];
    out.copy_from_slice(&tag.as_ref()[..MAC_LENGTH]);
    out
}
