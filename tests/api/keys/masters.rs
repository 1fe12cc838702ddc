//! The master secret is changed: nobody is signed out, no code under way is lost, and in the end the old one is not needed.

use reqwest::StatusCode;
use serde_json::json;

use super::*;
use crate::support::app::{MANAGE, MASTER};
use crate::support::process::{Process, run};
use crate::support::{Services, embedded};

const NEXT: &str = "q3Jm0u8T1yCw7nXzE5aKbLh2PvRfDgSo9iYt4UkMxAc=";

fn with(settings: &[(String, String)], more: &[(&str, &str)]) -> Vec<(String, String)> {
    let more = more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    settings.iter().cloned().chain(more).collect()
}

fn under(settings: &[(String, String)], master: &str, previous: &str) -> Vec<(String, String)> {
    with(settings, &[("SECRETS__MASTER", master), ("SECRETS__PREVIOUS", previous)])
}

/// Encrypts anew, and answers how many of each kind were, and which could not be.
async fn rewrap(settings: &[(String, String)], folder: &std::path::Path) -> (Option<i32>, Value) {
    let ended = run(&["key", "rewrap", "--json"], settings, folder).await;
    let json = ended.output.find('{').map(|start| &ended.output[start..]).unwrap_or_default();
    let json = &json[..json.rfind('}').map_or(0, |end| end + 1)];
    (ended.code, serde_json::from_str(json).unwrap_or_else(|_| panic!("{}", ended.output)))
}

#[track_caller]
fn assert_signing_keys(report: &Value, up_to_date: u64, rewrapped: &[u64], unreadable: usize) {
    let kind = &report["kinds"][0];
    assert_eq!(kind["what"], "signing keys");
    assert_eq!(
        (&kind["up_to_date"], &kind["rewrapped"]),
        (&json!(up_to_date), &json!(rewrapped)),
        "{report}"
    );
    assert_eq!(kind["unreadable"].as_array().unwrap().len(), unreadable, "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_rewrap_the_new_master_alone_is_enough_and_tokens_of_before_are_good() {
    let folder = tempfile::tempdir().unwrap();
    let services = Services::new().await;
    let settings = with(&services.settings(), &[("DATABASE__MIGRATE_AT_START", "false")]);
    let process = Process::start(&under(&settings, MASTER, ""), folder.path()).await;
    process.post(READER, "/auth/v1/otp", json!({"email": "ada@example.org"})).await;
    let code = process.code_from_inbox("ada@example.org").await;
    let (status, session) = process.verify(READER, "ada@example.org", &code).await;
    assert_eq!(status, StatusCode::OK, "{session}");
    let access = text(&session, "access_token").to_owned();
    assert_eq!(process.stop().await.0, Some(0));

    // A secret that is not in the ring opens nothing, and nothing is lost by trying.
    let (code, report) = rewrap(&under(&settings, NEXT, ""), folder.path()).await;
    assert_eq!((code, &report["complete"]), (Some(1), &json!(false)));
    assert_signing_keys(&report, 0, &[], 2);
    // Two at once: each key is done by one of them.
    let both = under(&settings, NEXT, MASTER);
    let (one, other) = tokio::join!(rewrap(&both, folder.path()), rewrap(&both, folder.path()));
    let count = |(code, report): &(Option<i32>, Value)| {
        assert_eq!((*code, &report["complete"]), (Some(0), &json!(true)));
        report["kinds"][0]["rewrapped"][0].as_u64().unwrap()
    };
    assert_eq!(count(&one) + count(&other), 2, "{one:?} {other:?}");
    assert_eq!(
        services
            .count("auth.audit_log where action = 'signing_key_rewrapped' and actor_kind = 'operator'")
            .await,
        2
    );
    let (code, report) = rewrap(&both, folder.path()).await;
    assert_eq!(code, Some(0));
    assert_signing_keys(&report, 2, &[0], 0);
    assert!(report["sessions_end_at"].is_string(), "a session is open: {report}");

    let process = Process::start(&under(&settings, NEXT, ""), folder.path()).await;
    let user = process.get_with_token(READER, "/auth/v1/user", &access).await;
    assert_eq!(user["email"], "ada@example.org");
    assert_eq!(process.stop().await.0, Some(0));
    // The old master alone is nothing any more.
    let ended = run(&["serve"], &under(&settings, MASTER, ""), folder.path()).await;
    assert!(ended.output.contains("was wrapped under another master secret"), "{}", ended.output);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_embedded_database_is_rewrapped_too() {
    let folder = embedded::data_folder().await;
    let settings = embedded::settings(folder.path());
    let process = Process::start(&under(&settings, MASTER, ""), folder.path()).await;
    assert_eq!(process.stop().await.0, Some(0));
    let (code, report) = rewrap(&under(&settings, NEXT, MASTER), folder.path()).await;
    assert_eq!(code, Some(0));
    assert_signing_keys(&report, 0, &[2], 0);
    let process = Process::start(&under(&settings, NEXT, ""), folder.path()).await;
    assert_eq!(process.stop().await.0, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_master_changes_replica_by_replica_codes_and_sessions_work_on_both_kinds() {
    let before = [("SECRETS__MASTER", MASTER), ("SECRETS__PREVIOUS", NEXT)];
    let after = [("SECRETS__MASTER", NEXT), ("SECRETS__PREVIOUS", MASTER)];
    let app = TestApp::on_services_with(&before).await;
    let other = app.replica(&after).await;
    for (number, (asked, verified)) in [(&app, &other), (&other, &app)].into_iter().enumerate() {
        let email = format!("ada{number}@example.org");
        asked.request_code(READER, &email).await.assert_ok();
        let code = tokio::select! {
            mail = app.mail(&email, 1) => app.code_in(&mail),
            mail = other.mail(&email, 1) => other.code_in(&mail),
        };
        let wrong = if code == "123456" { "654321" } else { "123456" };
        verified.verify(READER, &email, wrong).await.assert_problem(403, "otp_expired");
        let session = verified.verify(READER, &email, &code).await.assert_ok().body.clone();
        asked.verify(READER, &email, &code).await.assert_problem(403, "otp_expired");
        let refreshed = asked.refresh(READER, text(&session, "refresh_token")).await;
        let refreshed = verified.refresh(READER, text(&refreshed.assert_ok().body, "refresh_token")).await;
        assert!(recognises(asked, text(&refreshed.assert_ok().body, "access_token")).await);
    }
    // Nothing that one kind makes is unreadable to the other.
    let kid = the_key(&other, KeyState::Active).await;
    let operator = doorcode::flows::KeyActor { kind: "operator", id: None, ip: None, agent: None };
    other.flows.revoke_signing_key(&kid, operator).await.unwrap();
    app.flows.load_signing_keys().await.unwrap();
    assert_eq!(published(&app).await, published(&other).await);
    app.send(MANAGE, reqwest::Method::GET, "/health/ready", &[], None).await.assert_ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_after_a_key_was_made_the_next_start_goes_on_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let services = Services::new().await;
    let settings = with(
        &services.settings(),
        &[("DATABASE__MIGRATE_AT_START", "false"), ("KEYS__ROTATE_DAYS", "1"), ("SECRETS__MASTER", MASTER)],
    );
    let hour = std::time::Duration::from_secs(3600);
    Process::start(&settings, folder.path()).await.kill().await;
    let kids = async |state: &str| -> Vec<String> {
        sqlx::query_scalar("select kid from auth.signing_keys where site = 'reader' and state = $1")
            .bind(state)
            .fetch_all(&services.sql)
            .await
            .unwrap()
    };
    let first = kids("active").await;
    services.advance(23 * hour + hour / 2).await;
    Process::start(&settings, folder.path()).await.kill().await;
    let next = kids("next").await;
    assert_eq!((next.len(), kids("active").await), (1, first.clone()));
    services.advance(hour + hour / 2).await;
    Process::start(&settings, folder.path()).await.kill().await;
    assert_eq!((kids("active").await, kids("retiring").await), (next.clone(), first.clone()));
    services.advance(2 * hour).await;
    let process = Process::start(&settings, folder.path()).await;
    assert_eq!((kids("active").await, kids("gone").await), (next, first));
    assert_eq!(process.stop().await.0, Some(0));
}
