//! Changing the address of an account: two mailboxes, two codes, one winner.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::Barrier;

use super::sign_in::{claims, wrong_codes};
use super::support::app::{MANAGE, READER, text};
use super::support::{Answer, TestApp, on_both_backends};

const ADA: &str = "ada@example.org";
const LOVELACE: &str = "lovelace@example.net";

async fn ask(app: &TestApp, session: &Value, email: &str) -> Answer {
    let body = Some(json!({"email": email}));
    app.as_bearer(READER, Method::PUT, "/auth/v1/user", text(session, "access_token"), body).await
}

async fn prove(app: &TestApp, email: &str, code: &str) -> Answer {
    let body = json!({"type": "email_change", "email": email, "token": code});
    app.post(READER, "/auth/v1/verify", body).await
}

async fn who(app: &TestApp, session: &Value) -> Answer {
    app.get_with_token(READER, "/auth/v1/user", text(session, "access_token")).await
}

fn assert_halfway(answer: &Answer) {
    let message = "Confirmation link accepted. Please proceed to confirm link sent to the other email";
    assert_eq!(answer.assert_ok().body, json!({"code": "200", "msg": message}));
}

/// Signs Ada in and asks for her change of address: her session and the two codes, present address first.
async fn asked(app: &TestApp) -> (Value, String, String) {
    let session = app.sign_in(READER, ADA).await;
    ask(app, &session, LOVELACE).await.assert_ok();
    (session, app.code(ADA, 2).await, app.code(LOVELACE, 1).await)
}

on_both_backends! {
    async fn an_address_changes_once_both_mailboxes_are_proven_in_either_order(app: TestApp) {
        for (old, new, current_first) in [(ADA, LOVELACE, true), ("eve@example.org", "eva@example.net", false)] {
            let session = app.sign_in(READER, old).await;
            let elsewhere = app.sign_in(MANAGE, old).await;
            let user = ask(&app, &session, new).await.assert_ok().body.clone();
            assert_eq!((text(&user, "email"), text(&user, "new_email")), (old, new));
            assert!(text(&user, "email_change_sent_at").ends_with('Z'));
            let seen = who(&app, &session).await.assert_ok().body.clone();
            assert_eq!((text(&seen, "email"), text(&seen, "new_email")), (old, new));
            let mut steps = [(old, app.code(old, 3).await), (new, app.code(new, 1).await)];
            if !current_first {
                steps.reverse();
            }
            assert_halfway(&prove(&app, steps[0].0, &steps[0].1).await);
            prove(&app, steps[0].0, &steps[0].1).await.assert_problem(403, "otp_expired");
            assert_eq!(text(&who(&app, &session).await.assert_ok().body, "email"), old, "not before both");
            let changed = prove(&app, steps[1].0, &steps[1].1).await.assert_ok().body.clone();
            assert_eq!(text(&changed["user"], "email"), new);
            assert_eq!(changed["user"]["id"], session["user"]["id"]);
            assert_eq!(text(&changed["user"]["user_metadata"], "email"), new);
            assert_eq!(text(&claims(&changed), "email"), new);
            let now = who(&app, &changed).await.assert_ok().body.clone();
            assert!(now.get("new_email").is_none() && text(&now, "email") == new, "{now}");
            // Every other session is over, on every site.
            who(&app, &session).await.assert_problem(403, "session_not_found");
            app.refresh(READER, text(&session, "refresh_token")).await.assert_problem(400, "session_not_found");
            app.refresh(MANAGE, text(&elsewhere, "refresh_token")).await.assert_problem(400, "session_not_found");
            app.refresh(READER, text(&changed, "refresh_token")).await.assert_ok();
            let notice = app.mail(old, 4).await;
            assert!(notice.subject.contains("was changed"), "{}", notice.subject);
            assert!(!notice.text.contains(new), "{}", notice.text);
            // The old address is nobody's now, the new one is this account's.
            app.advance(Duration::from_secs(61)).await;
            let before = app.mails_to(new);
            app.request_code(READER, new).await.assert_ok();
            let again = app.verify(READER, new, &app.code(new, before + 1).await).await;
            assert_eq!(again.assert_ok().body["user"]["id"], session["user"]["id"]);
        }
    }

    async fn each_mailbox_is_told_only_what_its_owner_must_know(app: TestApp) {
        asked(&app).await;
        let (current, new) = (app.mail(ADA, 2).await, app.mail(LOVELACE, 1).await);
        assert!(current.text.contains(LOVELACE) && current.html.contains(LOVELACE), "{}", current.text);
        assert!(!new.text.contains(ADA) && !new.html.contains(ADA), "{}", new.text);
        for mail in [&current, &new] {
            assert!(!mail.text.contains("token_hash"), "what changes an account is typed: {}", mail.text);
        }
    }

    async fn the_same_address_changes_nothing_and_a_taken_one_is_refused_at_the_price_of_a_mail(app: TestApp) {
        app.sign_in(READER, "eve@example.org").await;
        let session = app.sign_in(READER, ADA).await;
        let same = ask(&app, &session, "ADA@example.org").await.assert_ok().body.clone();
        assert!(same.get("new_email").is_none(), "{same}");
        ask(&app, &session, "eve@example.org").await.assert_problem(422, "email_exists");
        // Whoever goes on guessing waits as long as for a mail, whether or not the next address is taken.
        for next in ["eve@example.org", "nobody@example.org"] {
            ask(&app, &session, next).await.assert_problem(429, "over_email_send_rate_limit");
        }
        assert_eq!((app.mails_to(ADA), app.mails_to("eve@example.org"), app.mails_to("nobody@example.org")), (1, 1, 0));
        ask(&app, &session, "no address").await.assert_problem(400, "validation_failed");
    }

    async fn wrong_codes_of_a_change_count_as_everywhere(app: TestApp) {
        let (session, current, new) = asked(&app).await;
        for wrong in wrong_codes(&current, 5).iter().filter(|wrong| **wrong != new) {
            prove(&app, ADA, wrong).await.assert_problem(403, "otp_expired");
        }
        for text in ["", "12345", "no code"] {
            assert!(!prove(&app, ADA, text).await.status.is_success());
        }
        assert_halfway(&prove(&app, LOVELACE, &new).await);
        prove(&app, ADA, wrong_codes(&current, 9).last().unwrap()).await.assert_problem(403, "otp_expired");
        let dead = prove(&app, ADA, &current).await;
        dead.assert_problem(403, "otp_expired");
        assert_eq!(text(&who(&app, &session).await.assert_ok().body, "email"), ADA);
    }

    async fn codes_of_a_change_can_be_sent_again_and_those_typed_already_are_not(app: TestApp) {
        let resend = async |email: &str| {
            app.post(READER, "/auth/v1/resend", json!({"type": "email_change", "email": email})).await
        };
        assert_eq!(resend(ADA).await.assert_ok().body, json!({}));
        let (_, current, new) = asked(&app).await;
        resend(ADA).await.assert_problem(429, "over_email_send_rate_limit");
        assert_halfway(&prove(&app, ADA, &current).await);
        app.advance(Duration::from_secs(61)).await;
        assert_eq!(resend(LOVELACE).await.assert_ok().body, json!({}), "the present address is what names it");
        assert_eq!(resend(ADA).await.assert_ok().body, json!({}));
        let again = app.code(LOVELACE, 2).await;
        if again != new {
            prove(&app, LOVELACE, &new).await.assert_problem(403, "otp_expired");
        }
        let changed = prove(&app, LOVELACE, &again).await.assert_ok().body.clone();
        assert_eq!(text(&changed["user"], "email"), LOVELACE);
        app.mail(ADA, 3).await;
        assert_eq!((app.mails_to(ADA), app.mails_to(LOVELACE)), (3, 2), "two codes and the notice; two codes");
    }

    async fn t31_whoever_signs_up_with_an_address_meanwhile_keeps_it(app: TestApp) {
        let (session, current, new) = asked(&app).await;
        assert_halfway(&prove(&app, ADA, &current).await);
        let owner = app.sign_in(READER, LOVELACE).await;
        assert_ne!(owner["user"]["id"], session["user"]["id"]);
        prove(&app, LOVELACE, &new).await.assert_problem(422, "email_exists");
        prove(&app, LOVELACE, &new).await.assert_problem(403, "otp_expired");
        let now = who(&app, &session).await.assert_ok().body.clone();
        assert!(text(&now, "email") == ADA && now.get("new_email").is_none(), "{now}");
        assert_eq!(text(&who(&app, &owner).await.assert_ok().body, "email"), LOVELACE);
    }

    async fn a_change_that_is_replaced_taken_back_or_signed_out_of_is_worth_nothing(app: TestApp) {
        let (session, current, new) = asked(&app).await;
        app.advance(Duration::from_secs(61)).await;
        ask(&app, &session, "third@example.net").await.assert_ok();
        let newer = app.code(ADA, 3).await;
        prove(&app, LOVELACE, &new).await.assert_problem(403, "otp_expired");
        if current != newer {
            prove(&app, ADA, &current).await.assert_problem(403, "otp_expired");
        }
        assert_halfway(&prove(&app, ADA, &newer).await);
        let user = doorcode::domain::UserId(text(&session["user"], "id").parse().unwrap());
        let pending = app.flows.email_change_of(user).await.unwrap().expect("half of it is done");
        assert!(pending.current_proven && !pending.new_proven && pending.email.as_str() == "third@example.net");
        let visitor =
            doorcode::flows::Visitor { ip: [127, 0, 0, 1].into(), user_agent: None, locale: None };
        let site = app.flows.sites.find("reader").unwrap();
        assert!(app.flows.cancel_email_change(site, user, &visitor).await.unwrap());
        assert_eq!(app.flows.email_change_of(user).await.unwrap(), None);
        let third = app.code("third@example.net", 1).await;
        prove(&app, "third@example.net", &third).await.assert_problem(403, "otp_expired");
        app.advance(Duration::from_secs(61)).await;
        ask(&app, &session, LOVELACE).await.assert_ok();
        let (current, new) = (app.code(ADA, 4).await, app.code(LOVELACE, 2).await);
        app.logout(READER, "", text(&session, "access_token")).await;
        prove(&app, ADA, &current).await.assert_problem(403, "otp_expired");
        prove(&app, LOVELACE, &new).await.assert_problem(403, "otp_expired");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_takes_no_longer_than_its_codes_live() {
    let app = TestApp::on_services().await;
    let (session, current, new) = asked(&app).await;
    assert_halfway(&prove(&app, ADA, &current).await);
    app.advance(Duration::from_secs(601)).await;
    prove(&app, LOVELACE, &new).await.assert_problem(403, "otp_expired");
    let now = who(&app, &session).await.assert_ok().body.clone();
    assert!(now.get("new_email").is_none() && text(&now, "email") == ADA, "{now}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_is_audited_once_with_what_it_ended_and_without_an_address() {
    let app = TestApp::on_services().await;
    let (_, current, new) = asked(&app).await;
    app.sign_in(MANAGE, ADA).await;
    assert_halfway(&prove(&app, ADA, &current).await);
    prove(&app, LOVELACE, &new).await.assert_ok();
    let services = app.services.as_ref().unwrap();
    let (details,): (Value,) =
        sqlx::query_as("select details from auth.audit_log where action = 'user_modified'")
            .fetch_one(&services.sql)
            .await
            .unwrap();
    assert_eq!(details, json!({"fields": ["email"], "ended": 2}));
    assert_eq!(services.count("auth.email_changes").await, 0);
    assert_eq!(services.count("auth.sessions").await, 1);
    assert_eq!(services.count(&format!("public.user_profiles where email = '{LOVELACE}'")).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_halves_at_once_make_one_change() {
    let app = TestApp::on_services().await;
    let services = app.services.as_ref().unwrap();
    for round in 0..3 {
        let (old, new) = (format!("a{round}@example.org"), format!("b{round}@example.org"));
        let session = app.sign_in(READER, &old).await;
        ask(&app, &session, &new).await.assert_ok();
        let (current, fresh) = (app.code(&old, 2).await, app.code(&new, 1).await);
        // Both statements have begun before either can go on.
        let mut blocker = services.sql.begin().await.unwrap();
        sqlx::query("select from auth.email_changes for update").execute(&mut *blocker).await.unwrap();
        let release = async {
            while services.connections("wait_event_type = 'Lock'").await < 2 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            blocker.rollback().await.unwrap();
        };
        let (one, two, ()) = tokio::join!(prove(&app, &old, &current), prove(&app, &new, &fresh), release);
        let changed = [&one, &two].into_iter().filter(|answer| answer.body["access_token"].is_string());
        assert_eq!(changed.count(), 1, "{one:?} {two:?}");
        assert!(one.status.is_success() && two.status.is_success(), "{one:?} {two:?}");
    }
    assert_eq!(services.count("auth.users where email like 'b%'").await, 3);
    assert_eq!(services.count("auth.sessions").await, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t31_of_fifty_accounts_that_claim_one_address_at_once_one_gets_it() {
    const CLAIMS: usize = 50;
    let app = TestApp::on_services_with(&[
        ("LIMITS__SENDS_PER_HOUR", "1000"),
        ("LIMITS__SENDS_PER_DAY", "1000"),
        ("LIMITS__SEND_GAP_SECS", "1"),
        ("CODES__TTL_SECS", "600"),
    ])
    .await;
    let mut last_halves = Vec::new();
    for number in 0..CLAIMS {
        let old = format!("claimant{number}@example.org");
        let session = app.sign_in(READER, &old).await;
        ask(&app, &session, "wanted@example.org").await.assert_ok();
        let fresh = app.code("wanted@example.org", number + 1).await;
        assert_halfway(&prove(&app, "wanted@example.org", &fresh).await);
        last_halves.push((app.code(&old, 2).await, old));
        app.advance(Duration::from_millis(1100)).await;
    }
    let start = Arc::new(Barrier::new(CLAIMS));
    let answers = join_all(last_halves.iter().map(|(code, old)| {
        let (start, app) = (Arc::clone(&start), &app);
        async move {
            start.wait().await;
            prove(app, old, code).await
        }
    }))
    .await;
    let won: Vec<_> = answers.iter().filter(|answer| answer.status.is_success()).collect();
    assert_eq!(won.len(), 1);
    assert_eq!(text(&won[0].body["user"], "email"), "wanted@example.org");
    for answer in answers.iter().filter(|answer| !answer.status.is_success()) {
        answer.assert_problem(422, "email_exists");
    }
    let services = app.services.as_ref().unwrap();
    assert_eq!(services.count("auth.users where email = 'wanted@example.org'").await, 1);
    assert_eq!(services.count("auth.users where email like 'claimant%'").await, 49);
    assert_eq!(services.count("auth.email_changes").await, 0, "nobody waits for what is gone");
    // The losers are still signed in.
    assert_eq!(services.count("auth.sessions").await, 50);
}
