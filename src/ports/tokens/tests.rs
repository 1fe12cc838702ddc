//! What a verifier must refuse, tried one by one.

use serde_json::json;

use super::*;
use crate::domain::{EmailAddress, SigningKey, SiteKind};

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000 + seconds, 0).unwrap()
}

fn site(id: &str, algorithm: TokenAlgorithm) -> Site {
    Site { algorithm, ..crate::domain::test_site(id, SiteKind::Reader) }
}

fn user() -> User {
    User {
        id: UserId::new(),
        email: EmailAddress::parse("ada@example.org").unwrap(),
        email_confirmed_at: Some(at(0)),
        last_sign_in_at: Some(at(0)),
        app_metadata: Map::new(),
        user_metadata: json!({"display_name": "Ada"}).as_object().cloned().unwrap(),
        created_at: at(0),
        updated_at: at(0),
        email_change: None,
    }
}

fn key(site: &Site, kid: &str) -> (StoredSigningKey, KeyPair) {
    let pair = KeyPair::generate(site.algorithm).unwrap();
    (stored(site, kid, KeyState::Active, &pair), pair)
}

fn stored(site: &Site, kid: &str, state: KeyState, pair: &KeyPair) -> StoredSigningKey {
    let key = SigningKey {
        kid: kid.to_owned(),
        site: site.id.clone(),
        algorithm: pair.algorithm(),
        state,
        created_at: at(-7200),
        activated_at: (state == KeyState::Active).then(|| at(-3600)),
        promote_at: None,
        retired_at: None,
        drop_at: None,
        token_life: site.access_token_life,
    };
    StoredSigningKey { key, public_jwk: pair.public_jwk(kid), wrapped_private_key: Vec::new() }
}

fn tokens(sites: &[(&Site, &str)]) -> Tokens {
    let tokens = Tokens::default();
    let keys: Vec<_> = sites.iter().map(|(site, kid)| key(site, kid)).collect();
    tokens.replace(&keys).unwrap();
    tokens
}

fn remembered(tokens: &Tokens, site: &Site) -> usize {
    tokens.keys(site).verified.len()
}

#[test]
fn a_token_is_read_back_until_it_ends() {
    for algorithm in [TokenAlgorithm::Es256, TokenAlgorithm::Rs256] {
        let reader = site("reader", algorithm);
        let tokens = tokens(&[(&reader, "kid1")]);
        let session = SessionId(Uuid::new_v4());
        let issued = tokens.issue(&reader, &user(), session, at(-60), at(0)).unwrap();
        assert_eq!((issued.expires_in, issued.expires_at), (3600, at(3600).timestamp()));
        let claims = tokens.verify(&reader, &issued.text, at(3599)).unwrap();
        assert_eq!(claims.session_id, session.0);
        assert_eq!(claims.amr[0].timestamp, at(-60).timestamp());
        assert_eq!(
            tokens.verify(&reader, &issued.text, at(3600)).unwrap_err(),
            TokenError::Refused(jsonwebtoken::errors::ErrorKind::ExpiredSignature)
        );
    }
}

#[test]
fn t24_a_token_of_one_site_is_nothing_on_another() {
    let (reader, manage) = (site("reader", TokenAlgorithm::Es256), site("manage", TokenAlgorithm::Es256));
    let keys = tokens(&[(&reader, "kid1"), (&manage, "kid2")]);
    let token = keys.issue(&reader, &user(), SessionId(Uuid::new_v4()), at(-60), at(0)).unwrap().text;
    assert_eq!(keys.verify(&manage, &token, at(1)).unwrap_err(), TokenError::UnknownKey);
    assert!(keys.verify(&reader, &token, at(1)).is_ok());
    // Even with the same key id, as if somebody had copied the key's name.
    let same_kid = tokens(&[(&manage, "kid1")]);
    assert!(matches!(same_kid.verify(&manage, &token, at(1)), Err(TokenError::Refused(_))));
}

#[test]
fn t22_the_header_picks_neither_key_nor_algorithm() {
    let reader = site("reader", TokenAlgorithm::Es256);
    let keys = tokens(&[(&reader, "kid1")]);
    let token = keys.issue(&reader, &user(), SessionId(Uuid::new_v4()), at(-60), at(0)).unwrap().text;
    let (_, rest) = token.split_once('.').unwrap();
    let encode = |header: Value| URL_SAFE_NO_PAD.encode(header.to_string());
    let headers = [
        json!({"alg": "none", "typ": "JWT", "kid": "kid1"}),
        json!({"alg": "HS256", "typ": "JWT", "kid": "kid1"}),
        json!({"alg": "RS256", "typ": "JWT", "kid": "kid1"}),
        json!({"alg": "ES384", "typ": "JWT", "kid": "kid1"}),
        json!({"alg": "ES256", "typ": "JWT"}),
        json!({"alg": "ES256", "typ": "JWT", "kid": "kid2"}),
        json!({"alg": "ES256", "typ": "JWT", "kid": ""}),
        json!({"alg": "ES256", "typ": "JWT", "kid": "kid1", "jwk": keys.jwks(&reader)[0]}),
    ];
    for header in headers {
        let bent = format!("{}.{rest}", encode(header.clone()));
        assert!(keys.verify(&reader, &bent, at(1)).is_err(), "accepted with {header}");
    }
    let public = keys.jwks(&reader)[0].to_string();
    let hmac = jsonwebtoken::encode(
        &Header { kid: Some("kid1".into()), ..Header::new(Algorithm::HS256) },
        &json!({"sub": Uuid::new_v4()}),
        &jsonwebtoken::EncodingKey::from_secret(public.as_bytes()),
    )
    .unwrap();
    assert!(keys.verify(&reader, &hmac, at(1)).is_err(), "HS256 over the public key");
    assert_eq!(keys.verify(&reader, &"a".repeat(9000), at(1)).unwrap_err(), TokenError::Malformed);
    assert_eq!(keys.verify(&reader, "sb_publishable_x", at(1)).unwrap_err(), TokenError::Malformed);
}

#[test]
fn t23_claims_have_their_types_or_the_token_is_refused() {
    let reader = site("reader", TokenAlgorithm::Es256);
    let pair = KeyPair::generate(TokenAlgorithm::Es256).unwrap();
    let tokens = Tokens::default();
    tokens.replace(&[(stored(&reader, "kid1", KeyState::Active, &pair), pair.clone())]).unwrap();
    let good = json!({
        "iss": reader.issuer(), "sub": Uuid::new_v4(), "aud": "reader", "exp": at(3600).timestamp(),
        "iat": at(0).timestamp(), "email": "ada@example.org", "phone": "", "app_metadata": {}, "user_metadata": {},
        "role": "authenticated", "aal": "aal1", "amr": [{"method": "otp", "timestamp": 1}],
        "session_id": Uuid::new_v4(), "is_anonymous": false, "site": "reader", "site_kind": "reader"});
    let sign = |claims: &Value| {
        let header = Header { kid: Some("kid1".into()), ..Header::new(Algorithm::ES256) };
        let signed = format!("{}.{}", encoded(&header).unwrap(), encoded(claims).unwrap());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(pair.sign(signed.as_bytes()).unwrap()))
    };
    assert!(tokens.verify(&reader, &sign(&good), at(1)).is_ok());
    let bends: [(&str, Value); 14] = [
        ("exp", json!("1990000000")),
        ("exp", json!(null)),
        ("exp", json!([1_990_000_000])),
        ("exp", json!(1.5e300)),
        ("iss", json!("http://evil.example/auth/v1")),
        ("iss", json!(null)),
        ("aud", json!(["reader"])),
        ("aud", json!("manage")),
        ("sub", json!("not-a-uuid")),
        ("sub", json!(7)),
        ("session_id", json!(null)),
        ("iat", json!("1")),
        ("site", json!("manage")),
        ("role", json!(["authenticated"])),
    ];
    for (claim, value) in bends {
        let mut bent = good.clone();
        bent[claim] = value.clone();
        assert!(tokens.verify(&reader, &sign(&bent), at(1)).is_err(), "accepted {claim} = {value}");
    }
    for claim in ["exp", "iss", "aud", "sub", "session_id", "site"] {
        let mut bent = good.clone();
        bent.as_object_mut().unwrap().remove(claim);
        assert!(tokens.verify(&reader, &sign(&bent), at(1)).is_err(), "accepted without {claim}");
    }
}

#[test]
fn only_an_active_key_signs_and_every_key_verifies() {
    let reader = site("reader", TokenAlgorithm::Es256);
    let in_state = |kid: &str, state| {
        let pair = KeyPair::generate(TokenAlgorithm::Es256).unwrap();
        (stored(&reader, kid, state, &pair), pair)
    };
    let mut keys = [in_state("kid1", KeyState::Active), in_state("kid2", KeyState::Next)];
    let tokens = Tokens::default();
    tokens.replace(&keys).unwrap();
    let issue = || tokens.issue(&reader, &user(), SessionId(Uuid::new_v4()), at(-60), at(0)).unwrap().text;
    let kid = |token: &str| jsonwebtoken::decode_header(token).unwrap().kid.unwrap();
    let first = issue();
    assert_eq!((kid(&first).as_str(), tokens.jwks(&reader).len()), ("kid1", 2));
    keys[0].0.key.state = KeyState::Retiring;
    keys[1].0.key.state = KeyState::Active;
    keys[1].0.key.activated_at = Some(at(0));
    tokens.replace(&keys).unwrap();
    let second = issue();
    assert_eq!((kid(&second).as_str(), tokens.jwks(&reader).len()), ("kid2", 2));
    assert_eq!(tokens.signing_since(&reader), Some(at(0)));
    for token in [&first, &second] {
        tokens.verify(&reader, token, at(1)).unwrap();
    }
    tokens.replace(&keys[1..]).unwrap();
    assert_eq!(tokens.verify(&reader, &first, at(1)).unwrap_err(), TokenError::UnknownKey);
    tokens.verify(&reader, &second, at(1)).unwrap();
    tokens.replace(&[]).unwrap();
    assert!(!tokens.can_sign(&reader) && tokens.signing_since(&reader).is_none());
}

#[test]
fn after_a_change_of_algorithm_the_old_key_signs_until_the_new_one_may() {
    let before = site("reader", TokenAlgorithm::Es256);
    let after = Site { algorithm: TokenAlgorithm::Rs256, ..before.clone() };
    let tokens = tokens(&[(&before, "kid1")]);
    assert!(tokens.can_sign(&after));
    let token = tokens.issue(&after, &user(), SessionId(Uuid::new_v4()), at(-60), at(0)).unwrap().text;
    tokens.verify(&after, &token, at(1)).unwrap();
}

#[test]
fn a_published_key_has_no_private_part_and_a_wrapped_one_comes_back() {
    for algorithm in [TokenAlgorithm::Es256, TokenAlgorithm::Rs256] {
        let pair = KeyPair::generate(algorithm).unwrap();
        let jwk = pair.public_jwk("kid1");
        let fields: Vec<_> = jwk.as_object().unwrap().keys().map(String::as_str).collect();
        assert!(
            ["d", "p", "q", "dp", "dq", "qi", "k"].iter().all(|private| !fields.contains(private)),
            "{jwk}"
        );
        let again = KeyPair::from_pkcs8(algorithm, pair.private_pkcs8().to_vec()).unwrap();
        assert_eq!(again.public_jwk("kid1"), jwk);
    }
}

#[test]
fn a_remembered_token_ends_with_its_time_and_stays_on_its_site() {
    let (reader, manage) = (site("reader", TokenAlgorithm::Es256), site("manage", TokenAlgorithm::Es256));
    let keys = tokens(&[(&reader, "kid1"), (&manage, "kid2")]);
    let token = keys.issue(&reader, &user(), SessionId(Uuid::new_v4()), at(-60), at(0)).unwrap().text;
    let first = keys.verify(&reader, &token, at(1)).unwrap();
    assert_eq!(remembered(&keys, &reader), 1);
    let again = keys.verify(&reader, &token, at(2)).unwrap();
    let json = |claims: &Claims| serde_json::to_value(claims).unwrap();
    assert_eq!(json(&first), json(&again), "from memory it says the same");
    assert_eq!(keys.verify(&manage, &token, at(2)).unwrap_err(), TokenError::UnknownKey);
    let renamed = Site { id: "renamed".to_owned(), ..reader.clone() };
    assert_eq!(keys.verify(&renamed, &token, at(2)).unwrap_err(), TokenError::UnknownKey);
    let ended = TokenError::Refused(jsonwebtoken::errors::ErrorKind::ExpiredSignature);
    assert_eq!(keys.verify(&reader, &token, at(3600)).unwrap_err(), ended);
    assert!(keys.verify(&reader, &token, at(3599)).is_ok());
}

#[test]
fn a_remembered_token_is_refused_as_soon_as_its_key_is_gone() {
    let reader = site("reader", TokenAlgorithm::Es256);
    let (old, new) = (key(&reader, "kid1"), key(&reader, "kid2"));
    let tokens = Tokens::default();
    tokens.replace(std::slice::from_ref(&old)).unwrap();
    let token = tokens.issue(&reader, &user(), SessionId(Uuid::new_v4()), at(-60), at(0)).unwrap().text;
    tokens.verify(&reader, &token, at(1)).unwrap();
    // Read again and unchanged, as every few minutes.
    tokens.replace(std::slice::from_ref(&old)).unwrap();
    assert_eq!(remembered(&tokens, &reader), 1);
    // A check that began with the keys as they were and ends after they were replaced.
    let late = tokens.keys(&reader);
    tokens.replace(std::slice::from_ref(&new)).unwrap();
    late.verify(&reader, &token).unwrap();
    late.verified.insert(&token);
    assert_eq!(tokens.verify(&reader, &token, at(2)).unwrap_err(), TokenError::UnknownKey);
    // The same name for another key.
    tokens.replace(std::slice::from_ref(&old)).unwrap();
    tokens.verify(&reader, &token, at(3)).unwrap();
    tokens.replace(&[key(&reader, "kid1")]).unwrap();
    assert!(matches!(tokens.verify(&reader, &token, at(4)), Err(TokenError::Refused(_))));
    // No key at all.
    tokens.replace(&[old]).unwrap();
    tokens.verify(&reader, &token, at(5)).unwrap();
    tokens.replace(&[]).unwrap();
    assert_eq!(tokens.verify(&reader, &token, at(6)).unwrap_err(), TokenError::UnknownKey);
}

#[test]
fn only_good_tokens_are_remembered_and_no_more_than_there_is_room_for() {
    let reader = site("reader", TokenAlgorithm::Es256);
    let keys = tokens(&[(&reader, "kid1")]);
    let issue = || keys.issue(&reader, &user(), SessionId(Uuid::new_v4()), at(-60), at(0)).unwrap().text;
    let token = issue();
    assert!(keys.verify(&reader, &token, at(3600)).is_err(), "ended before it was first seen");
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let other = issue();
    let forged = format!("{signed}.{}", other.rsplit_once('.').unwrap().1);
    assert!(keys.verify(&reader, &forged, at(1)).is_err());
    assert_eq!(remembered(&keys, &reader), 0);
    keys.verify(&reader, &token, at(1)).unwrap();
    // One letter of a remembered token is another token.
    let shortened = &signature[..signature.len() - 1];
    assert!(keys.verify(&reader, &format!("{signed}.{shortened}"), at(1)).is_err());
    assert!(keys.verify(&reader, &forged, at(1)).is_err());
    assert_eq!(remembered(&keys, &reader), 1);
    let verified = &keys.keys(&reader).verified;
    assert!(verified.knows(&token));
    for place in 0..3 * verified::MOST_REMEMBERED {
        verified.insert(&format!("{place}"));
        verified.insert(&format!("{place}"));
    }
    assert_eq!(verified.len(), verified::MOST_REMEMBERED);
    assert!(!verified.knows("0"), "the oldest went first");
    assert!(verified.knows(&format!("{}", 3 * verified::MOST_REMEMBERED - 1)));
    // Forgotten is not refused.
    assert!(keys.verify(&reader, &token, at(2)).is_ok());
}
