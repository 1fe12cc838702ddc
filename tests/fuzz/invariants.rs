//! What must hold for every input that strangers send, however odd: shared by the property tests, which run with all
//! others on stable Rust, and the fuzz targets beside this file.

use std::net::IpAddr;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use doorcode::app;
use doorcode::config::Config;
use doorcode::domain::{
    EmailAddress, KeyRing, KeyState, Locale, RefreshToken, ServiceKey, SessionId, SigningKey, Site, Sites,
    Target, User, UserId, client_ip,
};
use doorcode::ports::db::StoredSigningKey;
use doorcode::ports::mail::templates::{Brand, Letter, Templates};
use doorcode::ports::tokens::{KeyPair, Tokens};
use serde_json::Map;
use uuid::Uuid;

static SITES: LazyLock<Sites> = LazyLock::new(|| {
    let config = Config::layered(None, std::iter::empty()).expect("the defaults");
    app::sites(&config)
});
static KEYS: LazyLock<KeyRing> = LazyLock::new(|| KeyRing::new(&[7; 32], &[]));
const NOW: DateTime<Utc> = DateTime::from_timestamp(1_790_000_000, 0).expect("a time");
/// The keys of two sites, and a token of the reader site.
static TOKENS: LazyLock<(Tokens, String)> = LazyLock::new(|| {
    let tokens = Tokens::default();
    let keys: Vec<_> = SITES.iter().map(|site| signing_key(site)).collect();
    tokens.replace(&keys).expect("good keys");
    let reader = SITES.iter().find(|site| site.id == "reader").expect("a reader site");
    let token = tokens.issue(reader, &user(), SessionId(Uuid::from_u128(1)), NOW, NOW).expect("a token");
    (tokens, token.text)
});
static TEMPLATES: LazyLock<Templates> = LazyLock::new(|| Templates::parse().expect("the templates"));

fn signing_key(site: &Site) -> (StoredSigningKey, KeyPair) {
    let pair = KeyPair::generate(site.algorithm).expect("a key pair");
    let key = SigningKey {
        kid: format!("{}-1", site.id),
        site: site.id.clone(),
        algorithm: site.algorithm,
        state: KeyState::Active,
        created_at: NOW,
        activated_at: Some(NOW),
        promote_at: None,
        retired_at: None,
        drop_at: None,
        token_life: site.access_token_life,
    };
    let public_jwk = pair.public_jwk(&key.kid);
    (StoredSigningKey { key, public_jwk, wrapped_private_key: Vec::new() }, pair)
}

fn user() -> User {
    User {
        id: UserId(Uuid::from_u128(2)),
        email: EmailAddress::parse("ada@example.org").expect("an address"),
        email_confirmed_at: Some(NOW),
        last_sign_in_at: Some(NOW),
        app_metadata: Map::new(),
        user_metadata: Map::new(),
        created_at: NOW,
        updated_at: NOW,
        email_change: None,
    }
}

/// An address that was read is one plain mailbox, and reading it again changes nothing (T13, T14).
pub(crate) fn email(text: &str) {
    let Ok(address) = EmailAddress::parse(text) else { return };
    let canonical = address.as_str();
    assert_eq!(EmailAddress::parse(canonical).as_ref(), Ok(&address));
    assert!(canonical.is_ascii() && canonical.len() <= 254, "{canonical:?}");
    assert!(!canonical.bytes().any(|b| b.is_ascii_uppercase() || b.is_ascii_control() || b == b' '));
    let (local, domain) = canonical.rsplit_once('@').expect("one at sign");
    assert!(!local.contains(['@', '"', '(', ')', ',', ';', ':', '<', '>', '\\', '[', ']']), "{canonical:?}");
    assert!(domain.contains('.') && !domain.starts_with('.') && !domain.ends_with('.'), "{canonical:?}");
    assert_eq!(format!("{address:?}"), format!("EmailAddress(***@{domain})"), "its debug form names nobody");
    // The mailer's own reading of it is the same one mailbox.
    let mailbox: lettre::Address = canonical.parse().expect("an address for the envelope");
    assert_eq!((mailbox.user(), mailbox.domain()), (local, domain));
}

/// Only what we made is a refresh token, and only on its site (T21).
pub(crate) fn refresh_token(text: &str) {
    let Ok(token) = RefreshToken::parse(text, "reader", &KEYS) else { return };
    assert_eq!(token.encode("reader", &KEYS), text, "a token has one form");
    assert!(RefreshToken::parse(text, "management", &KEYS).is_err());
}

/// A token with a bent byte is none.
pub(crate) fn bent_refresh_token(session: u128, counter: u32, place: usize, bend: u8) {
    let token = RefreshToken { session: SessionId(Uuid::from_u128(session)), counter };
    let text = token.encode("reader", &KEYS);
    assert_eq!(RefreshToken::parse(&text, "reader", &KEYS), Ok(token));
    let mut changed = text.clone().into_bytes();
    let place = place % changed.len();
    changed[place] ^= bend;
    if let Ok(changed) = String::from_utf8(changed)
        && changed != text
    {
        assert!(RefreshToken::parse(&changed, "reader", &KEYS).is_err(), "byte {place}");
    }
}

/// Only what a site has signed is an access token, and only there (T22, T24).
pub(crate) fn access_token(text: &str) {
    let (tokens, ours) = &*TOKENS;
    for site in SITES.iter() {
        let is_good = tokens.verify(site, text, NOW).is_ok();
        assert_eq!(is_good, site.id == "reader" && text == ours, "on {}: {text:?}", site.id);
    }
}

/// A token of ours with another header or other claims under its signature is none.
pub(crate) fn altered_access_token(header: Option<&str>, claims: Option<&str>) {
    let parts: Vec<_> = TOKENS.1.split('.').collect();
    let part =
        |json: Option<&str>, ours: &str| json.map_or(ours.to_owned(), |json| URL_SAFE_NO_PAD.encode(json));
    access_token(&[&part(header, parts[0]), &part(claims, parts[1]), parts[2]].join("."));
}

/// A service key has one form.
pub(crate) fn service_key(text: &str) {
    if let Some(key) = ServiceKey::parse(text) {
        assert_eq!(key.expose(), text);
    }
}

/// A destination is on this site or on a listed origin, as a browser reads it too (T42).
pub(crate) fn destination(wished: &str) {
    for site in SITES.iter() {
        let Some(target) = site.destination(wished) else { continue };
        let reached = site.url.join(&target).expect("what was allowed can be joined");
        let origin = reached.origin().ascii_serialization();
        assert!(site.allows_origin(&origin), "{wished:?} leads to {origin}");
        assert!(!target.starts_with("//") && !target.starts_with("/\\"), "{wished:?} gives {target:?}");
        assert!(!target.contains(|c: char| c.is_control()), "{target:?}");
        assert!(reached.username().is_empty() && reached.password().is_none());
    }
}

/// What the gate has read means one thing: no dot segments, no hidden slashes.
pub(crate) fn gate_target(text: &str) {
    let Ok(target) = Target::parse(text) else { return };
    assert_eq!(target.as_str(), text);
    let base = url::Url::parse("http://site.example").expect("a URL");
    let path = text.split('?').next().unwrap_or_default();
    let read = base.join(text).expect("a path");
    assert_eq!(read.host_str(), Some("site.example"), "{text:?}");
    // A browser's reading keeps every segment where it was.
    assert_eq!(read.path().split('/').count(), path.split('/').count(), "{text:?}");
}

/// Behind proxies of ours the client is somebody who is none of them; without them it is the peer (T17).
pub(crate) fn forwarded(peer: IpAddr, header: &str) {
    let trusted = ["10.0.0.0/8".parse().expect("a network"), "fd00::/8".parse().expect("a network")];
    let client = client_ip(peer, &[header], &trusted);
    let is_proxy = |ip: &IpAddr| trusted.iter().any(|network: &ipnet::IpNet| network.contains(ip));
    if !is_proxy(&peer) {
        assert_eq!(client, peer, "{header:?}");
    }
    // What stands left of the first stranger is the stranger's to invent.
    let invented = client_ip(peer, &[&format!("203.0.113.99, {header}")], &trusted);
    if !is_proxy(&client) {
        assert_eq!(invented, client, "{header:?}");
    }
}

/// A name that somebody chose is shown as text: it starts no tag, evaluates to nothing and makes no header (T15).
pub(crate) fn letter(name: &str, message: &str) {
    let brand = Brand { name, url: "https://reader.example" };
    let letter = Letter::AccessDecided {
        library: name,
        approved: true,
        role: Some("librarian"),
        note: Some(message),
        link: "https://reader.example/libraries",
    };
    for locale in Locale::ALL {
        let Ok(mail) = TEMPLATES.render(&letter, locale, &brand) else { continue };
        assert!(!mail.subject.contains(|c: char| c.is_control()), "{:?}", mail.subject);
        let plain = TEMPLATES
            .render(
                &Letter::AccessDecided {
                    library: "Name",
                    approved: true,
                    role: Some("librarian"),
                    note: Some("text"),
                    link: "https://reader.example/libraries",
                },
                locale,
                &Brand { name: "Name", url: "https://reader.example" },
            )
            .expect("an ordinary letter");
        let tags = |html: &str| {
            html.matches("<a ").count() + html.matches("<img").count() + html.matches("<script").count()
        };
        assert_eq!(tags(&mail.html), tags(&plain.html), "{name:?} {message:?}");
    }
}
