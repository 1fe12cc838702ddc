//! "This was not me": a mail that nobody asked for ends its code, and the next ones do not come.

use std::time::Duration;

use doorcode::domain::AuditAction;

use super::{events, metric, on_both};
use crate::support::app::READER;
use crate::support::{Browser, TestApp};

const ADA: &str = "ada@example.org";

/// Token and purpose in the link of a mail, by which its reader ends the code.
fn link_in(text: &str) -> (String, String) {
    let link = text.split_whitespace().find(|word| word.contains("/not-me?")).expect("a link");
    let link = url::Url::parse(link).unwrap();
    assert_eq!(link.origin().ascii_serialization(), format!("http://{READER}"));
    let of = |name| link.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned();
    (of("token"), of("type"))
}

async fn press(browser: &mut Browser<'_>, (token, kind): &(String, String)) -> u16 {
    browser.open(&format!("/not-me?token={token}&type={kind}")).await.assert_shows("token");
    browser.submit("/not-me", &[("token", token), ("type", kind)]).await.status.as_u16()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t09_whoever_did_not_ask_ends_the_code_and_the_mails() {
    on_both(&[], async |app| {
        let mut owner = Browser::on(app, READER);
        owner.sign_in(ADA).await;
        owner.jar.retain(|name, _| name == "doorcode-device");
        app.advance(Duration::from_secs(61)).await;
        app.request_code(READER, ADA).await.assert_ok();
        let mail = app.mail(ADA, 2).await;
        let (code, link) = (app.code_in(&mail), link_in(&mail.text));
        assert!(mail.html.contains("/not-me?token="), "in the HTML part too");
        // A scanner of mails opens everything and ends nothing.
        let mut reader = Browser::on(app, READER);
        reader.open(&format!("/not-me?token={}&type={}", link.0, link.1)).await.assert_shows("token");
        assert_eq!(press(&mut reader, &link).await, 200);
        app.verify(READER, ADA, &code).await.assert_problem(403, "otp_expired");
        assert_eq!(press(&mut reader, &link).await, 403, "once");
        let told = events(app, AuditAction::CodeDisowned).await;
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0].details["purpose"], "sign_in");

        app.advance(Duration::from_secs(61)).await;
        let refused = app.request_code(READER, ADA).await;
        refused.assert_problem(429, "over_email_send_rate_limit");
        assert!((3500..=3600).contains(&super::wait(&refused)), "{}", super::wait(&refused));
        assert_eq!(metric(app, r#"doorcode_limits_hit_total{limit="address_cooling"}"#).await, "1");
        assert_eq!(app.mails_to(ADA), 2);
        owner.sign_in(ADA).await.assert_leads_to("/");
        app.advance(Duration::from_secs(3600)).await;
        app.request_code(READER, ADA).await.assert_ok();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t30_only_the_link_of_the_very_mail_ends_a_code() {
    on_both(&[], async |app| {
        app.request_code(READER, ADA).await.assert_ok();
        let mail = app.mail(ADA, 1).await;
        let link = link_in(&mail.text);
        app.request_code(READER, "eve@example.org").await.assert_ok();
        let eves = link_in(&app.mail("eve@example.org", 1).await.text);
        let mut browser = Browser::on(app, READER);
        let mixed = format!("{}{}", &link.0[..40], &eves.0[40..]);
        for (token, kind) in [
            (mixed.as_str(), "sign_in"),
            (&link.0, "delete_account"),
            (&link.0, "nothing"),
            (&link.0[1..], "sign_in"),
            ("x", "sign_in"),
        ] {
            assert_eq!(
                press(&mut browser, &(token.to_owned(), kind.to_owned())).await,
                403,
                "{token} {kind}"
            );
        }
        // Nor does it sign anybody in.
        browser.open(&format!("/confirm?token_hash={}&type=email", link.0)).await.assert_shows("token_hash");
        let signed_in = browser.submit("/confirm", &[("token_hash", &link.0), ("type", "email")]).await;
        signed_in.assert_status(403);
        let code = app.code_in(&mail);
        app.verify(READER, ADA, &code).await.assert_ok();
        assert_eq!(press(&mut browser, &link).await, 403, "a code that was used cannot be taken back here");
        app.advance(Duration::from_secs(61)).await;
        app.request_code(READER, ADA).await.assert_ok();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t08_a_known_device_can_be_disowned_too() {
    let app = TestApp::on_services().await;
    let mut browser = Browser::on(&app, READER);
    browser.sign_in(ADA).await;
    browser.jar.retain(|name, _| name == "doorcode-device");
    app.advance(Duration::from_secs(61)).await;
    browser.open("/login").await;
    browser.submit("/login", &[("email", ADA)]).await.assert_leads_to("/login");
    let mail = app.mail(ADA, 2).await;
    let mut reader = Browser::on(&app, READER);
    assert_eq!(press(&mut reader, &link_in(&mail.text)).await, 200);
    browser.submit("/login/code", &[("code", &app.code_in(&mail))]).await.assert_status(403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_site_without_pages_mails_no_link_to_one() {
    let app = TestApp::on_services_with(&[("SITES__READER__PAGES", "false")]).await;
    app.request_code(READER, ADA).await.assert_ok();
    assert!(!app.mail(ADA, 1).await.text.contains("/not-me"));
}
