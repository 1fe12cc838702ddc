//! What a key of the ring must do, and what it must not.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::*;

fn ring(master: u8, older: &[u8]) -> KeyRing {
    KeyRing::new(&[master; 32], &older.iter().map(|byte| [*byte; 32]).collect::<Vec<_>>())
}

#[test]
fn a_sealed_text_opens_only_for_its_purpose_context_and_master() {
    let ours = ring(1, &[]);
    let sealed = ours.seal(Sealed::MailJob, "reader", b"123456").expect("randomness");
    assert!(!sealed.windows(6).any(|window| window == b"123456"));
    assert_eq!(ours.open(Sealed::MailJob, "reader", &sealed).as_deref(), Ok(b"123456".as_slice()));
    assert_eq!(ours.open(Sealed::Challenge, "reader", &sealed), Err(NotOurs));
    assert_eq!(ours.open(Sealed::MailJob, "management", &sealed), Err(NotOurs));
    assert_eq!(ring(2, &[]).open(Sealed::MailJob, "reader", &sealed), Err(NotOurs));
    for place in 0..sealed.len() {
        let mut bent = sealed.clone();
        bent[place] ^= 1;
        assert_eq!(ours.open(Sealed::MailJob, "reader", &bent), Err(NotOurs), "byte {place}");
    }
    assert_eq!(ours.open(Sealed::MailJob, "reader", &sealed[..11]), Err(NotOurs));
}

#[test]
fn after_a_rotation_old_values_are_still_read_and_new_ones_use_the_new_master() {
    let before = ring(1, &[]);
    let after = ring(2, &[1]);
    let session = SessionId(Uuid::from_u128(9));
    let old_mac = before.refresh_mac("reader", session, 3);
    assert!(after.knows_refresh_mac("reader", session, 3, &old_mac));
    assert!(!after.knows_refresh_mac("management", session, 3, &old_mac));
    assert!(!after.knows_refresh_mac("reader", session, 4, &old_mac));
    assert!(!before.knows_refresh_mac("reader", session, 3, &after.refresh_mac("reader", session, 3)));
    let sealed = before.seal(Sealed::SigningKey, "kid", b"key").expect("randomness");
    assert_eq!(after.open(Sealed::SigningKey, "kid", &sealed).as_deref(), Ok(b"key".as_slice()));
    let (master, anew) = after.reseal(Sealed::SigningKey, "kid", &sealed).expect("ours");
    let anew = anew.expect("it was under the older one");
    assert_eq!((master, after.reseal(Sealed::SigningKey, "kid", &anew)), (1, Ok((0, None))));
    assert_eq!(ring(2, &[]).open(Sealed::SigningKey, "kid", &anew).as_deref(), Ok(b"key".as_slice()));
    assert_eq!(ring(3, &[]).reseal(Sealed::SigningKey, "kid", &anew), Err(NotOurs));
}

#[test]
fn what_waits_under_any_master_of_the_ring_is_looked_for_the_newest_first() {
    let (before, after) = (ring(1, &[]), ring(2, &[1]));
    let ada = EmailAddress::parse("ada@example.org").expect("address");
    let code = SignInCode::parse("123456").expect("code");
    let waiting =
        |keys: &KeyRing| (keys.address_tag(&ada), keys.code_mac("reader", Slot::SignIn, &ada, None, &code));
    let proofs: Vec<_> = after.code_proofs("reader", Slot::SignIn, &ada, None, &code).collect();
    assert_eq!(proofs, [waiting(&after), waiting(&before)]);
    assert_eq!(
        after.address_tags(&ada).collect::<Vec<_>>(),
        [after.address_tag(&ada), before.address_tag(&ada)]
    );
    let kept = |keys: &KeyRing| {
        (keys.secret_tag("reader", &[7; 16]), keys.link_mac("reader", Slot::AuthCode, &[7; 16]))
    };
    let proofs: Vec<_> = after.secret_proofs("reader", Slot::AuthCode, &[7; 16]).collect();
    assert_eq!(proofs, [kept(&after), kept(&before)]);
    let macs: Vec<_> = after.link_macs("reader", Slot::AuthCode, &[7; 16]).collect();
    assert_eq!(macs, [kept(&after).1, kept(&before).1]);
}

#[test]
fn a_code_has_another_hash_for_another_site_address_browser_or_purpose() {
    let keys = ring(1, &[]);
    let ada = EmailAddress::parse("ada@example.org").expect("address");
    let eve = EmailAddress::parse("eve@example.org").expect("address");
    let code = SignInCode::parse("123456").expect("code");
    let code_mac = |site, slot, email, browser| keys.code_mac(site, slot, email, browser, &code);
    let hash = code_mac("reader", Slot::SignIn, &ada, None);
    assert_eq!(hash, code_mac("reader", Slot::SignIn, &ada, None));
    assert_ne!(hash, code_mac("management", Slot::SignIn, &ada, None));
    assert_ne!(hash, code_mac("reader", Slot::SignIn, &eve, None));
    let browsers = [BrowserId([1; 16]), BrowserId([2; 16])];
    let bound = browsers.each_ref().map(|browser| code_mac("reader", Slot::SignIn, &ada, Some(browser)));
    assert!(bound[0] != bound[1] && !bound.contains(&hash));
    let codes: BTreeSet<_> = Slot::ALL.map(|slot| code_mac("reader", slot, &ada, None)).into();
    let links: BTreeSet<_> = Slot::ALL.map(|slot| keys.link_mac("reader", slot, &[1; 16])).into();
    assert_eq!((codes.len(), links.len()), (Slot::ALL.len(), Slot::ALL.len()));
    assert!(!hash.contains("123456"));
}
