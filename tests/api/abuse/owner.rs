//! Whoever knows an address cannot keep its owner out, where they have signed in before.

use std::time::Duration;

use super::{Client, on_both};
use crate::sign_in::wrong_codes;
use crate::support::app::{MANAGE, READER};
use crate::support::{Browser, TestApp};

const ADA: &str = "ada@example.org";
const DEVICE: &str = "doorcode-device";

/// The same device, signed out and with nothing else left: only that it is known.
async fn known_device<'a>(app: &'a TestApp, host: &'a str) -> Browser<'a> {
    let mut browser = Browser::on(app, host);
    browser.sign_in(ADA).await;
    let known = browser.jar[DEVICE].clone();
    browser.jar.clear();
    browser.jar.insert(DEVICE.to_owned(), known);
    browser
}

/// Asks for a code on the page.
async fn ask(browser: &mut Browser<'_>) -> u16 {
    browser.jar.retain(|name, _| name == DEVICE);
    browser.open("/login").await.assert_shows("email");
    browser.submit("/login", &[("email", ADA)]).await.status.as_u16()
}

/// Signs in on the page; the length of the code that came.
async fn sign_in(app: &TestApp, browser: &mut Browser<'_>) -> usize {
    let before = app.mails_to(ADA);
    assert_eq!(ask(browser).await, 303);
    let code = app.code(ADA, before + 1).await;
    browser.submit("/login/code", &[("code", &code)]).await.assert_leads_to("/");
    code.len()
}

/// Every mail that can be had and every guess that counts, for half an hour: the codes that strangers cause.
async fn attack(app: &TestApp) {
    for _ in 0..30 {
        let before = app.mails_to(ADA);
        if Client::anywhere(app).ask(READER, ADA).await.status.is_success() {
            let code = app.code(ADA, before + 1).await;
            if code.len() == 6 {
                for wrong in wrong_codes(&code, 5) {
                    Client::anywhere(app)
                        .verify(READER, ADA, &wrong)
                        .await
                        .assert_problem(403, "otp_expired");
                }
            }
        }
        app.advance(Duration::from_secs(60)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t08_half_an_hour_of_strangers_does_not_keep_the_owner_out() {
    on_both(&[("CODES__GUESSES_PER_10MIN", "10"), ("CODES__WRONG_PER_DAY", "10")], async |app| {
        let mut owner = known_device(app, READER).await;
        attack(app).await;
        assert_eq!(Client::anywhere(app).ask(READER, ADA).await.status.as_u16(), 429, "no mails are left");
        assert_eq!(sign_in(app, &mut owner).await, 6, "the owner's codes are as ever");
        let mut stranger = Browser::on(app, READER);
        assert_eq!(ask(&mut stranger).await, 429);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t08_what_strangers_ask_for_and_guess_leaves_the_pending_code_of_the_owner_alone() {
    on_both(&[], async |app| {
        let mut owner = known_device(app, READER).await;
        app.advance(Duration::from_secs(61)).await;
        let before = app.mails_to(ADA);
        assert_eq!(ask(&mut owner).await, 303);
        let code = app.code(ADA, before + 1).await;
        app.advance(Duration::from_secs(61)).await;
        Client::anywhere(app).ask(READER, ADA).await.assert_ok();
        let theirs = app.code(ADA, before + 2).await;
        for wrong in wrong_codes(&theirs, 5) {
            Client::anywhere(app).verify(READER, ADA, &wrong).await.assert_problem(403, "otp_expired");
        }
        // The owner has five tries of their own.
        for wrong in wrong_codes(&code, 4) {
            owner.submit("/login/code", &[("code", &wrong)]).await.assert_status(403);
        }
        owner.submit("/login/code", &[("code", &code)]).await.assert_leads_to("/");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t08_a_known_device_has_limits_of_its_own() {
    on_both(&[("LIMITS__SENDS_PER_DAY", "5")], async |app| {
        let mut owner = known_device(app, READER).await;
        let mut wrong_codes_typed = 0;
        let mut sent = 1;
        loop {
            app.advance(Duration::from_secs(61)).await;
            let before = app.mails_to(ADA);
            if ask(&mut owner).await != 303 {
                break;
            }
            sent += 1;
            let code = app.code(ADA, before + 1).await;
            let expected = if wrong_codes_typed < 10 { 6 } else { 13 };
            assert_eq!(code.len(), expected, "after {wrong_codes_typed} wrong codes");
            if wrong_codes_typed < 10 {
                for wrong in wrong_codes(&code, 5) {
                    owner.submit("/login/code", &[("code", &wrong)]).await.assert_status(403);
                    wrong_codes_typed += 1;
                }
            }
        }
        assert_eq!(sent, 5 + 3, "those of the address, and three in reserve");
        assert_eq!(wrong_codes_typed, 10);
        app.advance(Duration::from_secs(3600)).await;
        assert_eq!(ask(&mut owner).await, 303, "an hour later there is a reserve again");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t08_a_device_is_known_for_its_own_people_and_site_and_cannot_be_made_up() {
    let app = TestApp::on_services_with(&[("LIMITS__SENDS_PER_DAY", "1")]).await;
    let mut owner = known_device(&app, READER).await;
    let cookie = owner.jar[DEVICE].clone();
    app.advance(Duration::from_secs(61)).await;
    let mut eve = Browser::on(&app, READER);
    eve.sign_in("eve@example.org").await;
    let eves = eve.jar[DEVICE].clone();
    let flipped = if &cookie[40..41] == "A" { "Q" } else { "A" };
    let bent = format!("{}{flipped}{}", &cookie[..40], &cookie[41..]);
    for (host, value) in [(READER, eves.as_str()), (READER, &bent), (MANAGE, &cookie), (READER, "dcdv_AQ")] {
        let mut browser = Browser::on(&app, host);
        browser.jar.insert(DEVICE.to_owned(), value.to_owned());
        assert_eq!(ask(&mut browser).await, 429, "{host}");
    }
    assert_eq!(ask(&mut owner).await, 303);
    let keys = app.services.as_ref().unwrap().keys().await;
    assert!(keys.iter().any(|key| key.contains(":reserve:")), "{keys:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_for_a_known_device_works_wherever_it_is_opened() {
    on_both(&[], async |app| {
        let mut owner = known_device(app, READER).await;
        app.advance(Duration::from_secs(61)).await;
        let before = app.mails_to(ADA);
        assert_eq!(ask(&mut owner).await, 303);
        let mail = app.mail(ADA, before + 1).await;
        let link = mail.text.split_whitespace().find(|word| word.contains("/confirm?")).unwrap();
        let query = url::Url::parse(link).unwrap();
        let proof = query.query_pairs().find(|(name, _)| name == "token_hash").unwrap().1.into_owned();
        let mut phone = Browser::on(app, READER);
        phone.open(&format!("/confirm?token_hash={proof}&type=email")).await.assert_shows("token_hash");
        let opened = phone.submit("/confirm", &[("token_hash", &proof), ("type", "email")]).await;
        opened.assert_leads_to("/");
        assert!(phone.jar.contains_key(DEVICE), "and makes that one known too");
    })
    .await;
}
