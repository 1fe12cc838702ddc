//! What one client and its network may do at all replicas together, and what one mail host gets.

use std::time::Duration;

use doorcode::domain::AuditAction;

use super::{Client, PROXY, events, metric, on_both, wait};
use crate::sign_in::wrong_codes;
use crate::support::TestApp;
use crate::support::app::{MANAGE, READER, text};

const FEW: &[(&str, &str)] = &[
    ("LIMITS__CLIENT_SENDS_PER_10MIN", "3"),
    ("LIMITS__CLIENT_SENDS_PER_HOUR", "5"),
    ("LIMITS__NETWORK_SENDS_PER_HOUR", "7"),
    ("LIMITS__CLIENT_WRONG_PER_10MIN", "4"),
    ("LIMITS__NETWORK_WRONG_PER_HOUR", "6"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t09_a_client_and_its_network_ask_for_so_many_codes_and_no_more() {
    on_both(FEW, async |app| {
        let (one, other) = (Client::at(app, "192.0.2.1"), Client::at(app, "192.0.2.2"));
        let mut number = 0;
        let mut ask = async |client: &Client<'_>| {
            number += 1;
            client.ask(if number % 2 == 0 { READER } else { MANAGE }, &format!("p{number}@example.org")).await
        };
        for _ in 0..3 {
            ask(&one).await.assert_ok();
        }
        let refused = ask(&one).await;
        refused.assert_problem(429, "over_request_rate_limit");
        assert!((590..=600).contains(&wait(&refused)), "{}", wait(&refused));
        app.advance(Duration::from_secs(601)).await;
        for _ in 0..2 {
            ask(&one).await.assert_ok();
        }
        let refused = ask(&one).await;
        refused.assert_problem(429, "over_request_rate_limit");
        assert!((2900..=3000).contains(&wait(&refused)), "five an hour: {}", wait(&refused));
        for _ in 0..2 {
            ask(&other).await.assert_ok();
        }
        ask(&other).await.assert_problem(429, "over_request_rate_limit");
        Client::at(app, "192.0.3.1").ask(READER, "elsewhere@example.org").await.assert_ok();
        app.advance(Duration::from_secs(3601)).await;
        ask(&one).await.assert_ok();
        assert_eq!(metric(app, r#"doorcode_limits_hit_total{limit="network_sends"}"#).await, "3");
        let told = events(app, AuditAction::RequestLimited).await;
        assert_eq!(told.len(), 3, "one row a site, client and minute: {told:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t03_wrong_codes_of_a_client_and_its_network_are_counted_whether_or_not_a_code_waits() {
    on_both(FEW, async |app| {
        let owner = Client::anywhere(app);
        owner.ask(READER, "ada@example.org").await.assert_ok();
        let code = app.code("ada@example.org", 1).await;
        let wrong = wrong_codes(&code, 2);
        let (one, other) = (Client::at(app, "2001:db8:1:2::1"), Client::at(app, "2001:db8:1:3::1"));
        one.verify(READER, "ada@example.org", &wrong[0]).await.assert_problem(403, "otp_expired");
        for _ in 0..3 {
            one.verify(READER, "nobody@example.org", "123456").await.assert_problem(403, "otp_expired");
        }
        for (email, code) in [("ada@example.org", code.as_str()), ("nobody@example.org", "123456")] {
            let refused = one.verify(READER, email, code).await;
            refused.assert_problem(429, "over_request_rate_limit");
            assert!((590..=600).contains(&wait(&refused)), "{}", wait(&refused));
        }
        for _ in 0..2 {
            other.verify(READER, "nobody@example.org", "123456").await.assert_problem(403, "otp_expired");
        }
        other
            .verify(READER, "nobody@example.org", "123456")
            .await
            .assert_problem(429, "over_request_rate_limit");
        assert_eq!(metric(app, r#"doorcode_limits_hit_total{limit="network_wrong"}"#).await, "3");
        owner.verify(READER, "ada@example.org", &code).await.assert_ok();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t03_five_wrong_guesses_end_a_code_wherever_they_come_from() {
    on_both(&[], async |app| {
        Client::anywhere(app).ask(READER, "ada@example.org").await.assert_ok();
        let code = app.code("ada@example.org", 1).await;
        for wrong in wrong_codes(&code, 5) {
            let guess = Client::anywhere(app).verify(READER, "ada@example.org", &wrong).await;
            guess.assert_problem(403, "otp_expired");
        }
        let right = Client::anywhere(app).verify(READER, "ada@example.org", &code).await;
        right.assert_problem(403, "otp_expired");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t09_two_replicas_do_not_double_what_a_client_may_do() {
    let changes: Vec<_> = FEW.iter().copied().chain([PROXY]).collect();
    let app = TestApp::on_services_with(&changes).await;
    let replica = app.replica(&changes).await;
    let mut sent = 0;
    for number in 0..12 {
        let at = if number % 2 == 0 { &app } else { &replica };
        let answer = Client::at(at, "192.0.2.1").ask(READER, &format!("p{number}@example.org")).await;
        sent += usize::from(answer.status.is_success());
    }
    assert_eq!(sent, 3, "three in ten minutes, whichever replica is asked");
    let mut compared = 0;
    for number in 0..12 {
        let at = if number % 2 == 0 { &app } else { &replica };
        let answer = Client::at(at, "192.0.2.1").verify(READER, "nobody@example.org", "123456").await;
        compared += usize::from(answer.status.as_u16() == 403);
    }
    assert_eq!(compared, 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_many_share_may_do_more() {
    let changes: Vec<_> = FEW.iter().copied().chain([("LIMITS__NETWORKS", "198.51.100.0/24 2")]).collect();
    on_both(&changes, async |app| {
        let desk = Client::at(app, "198.51.100.7");
        for number in 0..6 {
            desk.ask(READER, &format!("p{number}@example.org")).await.assert_ok();
        }
        desk.ask(READER, "p6@example.org").await.assert_problem(429, "over_request_rate_limit");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t09_a_mail_host_gets_no_more_than_its_budget_over_all_sites() {
    on_both(&[("LIMITS__HOST_MAILS_PER_HOUR", "2")], async |app| {
        app.request_code(READER, "a@one.example").await.assert_ok();
        app.request_code(MANAGE, "b@one.example").await.assert_ok();
        let refused = app.request_code(READER, "c@one.example").await;
        refused.assert_problem(429, "over_email_send_rate_limit");
        assert_eq!(text(&refused.body, "message"), "email rate limit exceeded");
        app.request_code(READER, "c@two.example").await.assert_ok();
        assert_eq!(events(app, AuditAction::CodeLimited).await[0].details["limit"], "host");
        assert_eq!(metric(app, r#"doorcode_limits_hit_total{limit="host_mails"}"#).await, "1");
        app.advance(Duration::from_secs(3601)).await;
        app.request_code(READER, "c@one.example").await.assert_ok();
    })
    .await;
}
