//! What goes, goes by the rules, and leaves the chain whole.

use doorcode::domain::audit_chain::FaultKind;
use reqwest::Method;
use serde_json::json;

use super::{as_owner, found, log, signed, verify};
use crate::support::TestApp;
use crate::support::app::{READER, text};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_account_is_forgotten_and_the_chain_stays_whole_but_not_for_who_blanks_by_hand() {
    let app = TestApp::on_services().await;
    let session = app.sign_in(READER, "ada@example.org").await;
    app.sign_in(READER, "bob@example.org").await;
    signed(&app, 4).await;
    let access = text(&session, "access_token");
    app.as_bearer(READER, Method::POST, "/auth/v1/user/deletion-code", access, None).await.assert_ok();
    let code = app.code("ada@example.org", 2).await;
    let body = Some(json!({"token": code}));
    let gone = app.as_bearer(READER, Method::DELETE, "/auth/v1/user", access, body).await;
    assert!(gone.status.is_success(), "{gone:?}");
    let records = log(&app).await;
    let actions: Vec<_> = records.iter().map(|record| record.action.as_str()).collect();
    assert!(actions.contains(&"user_deleted") && actions.contains(&"personal_data_forgotten"), "{actions:?}");
    let report = verify(&app, None).await;
    assert!(report.is_whole(), "{report:?}");
    assert!(report.forgotten > 0);
    let named = records.iter().filter(|record| record.actor_id.is_some() || record.target_id.is_some());
    assert_eq!(named.count(), 1, "only Bob is named: {records:?}");

    let blank = "update auth.audit_log set actor_id = null, target_id = null, session_id = null, ip = null,
                        agent = null where actor_id is not null";
    assert_eq!(as_owner(&app, blank).await, 1);
    let report = verify(&app, None).await;
    assert!(matches!(found(&report).as_slice(), [(FaultKind::BlankedNames(_), None)]), "{report:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_addresses_are_cleared_old_months_dropped_and_what_is_left_is_whole() {
    // As if the server had run for two years: a month of its own, one that nobody prepared, and rows since.
    let years = "create table auth.audit_log_2024_03 partition of auth.audit_log
             for values from ('2024-03-01 00:00+00') to ('2024-04-01 00:00+00');
         alter table auth.audit_log_2024_03 enable row level security;
         alter table auth.audit_log_2024_03 force row level security;
         insert into auth.audit_log (action, created_at, ip, agent, arrived_at)
         select 'login', at, '192.0.2.1', 'Lynx', at
           from unnest(array['2024-03-05', '2024-03-06', '2024-04-07']::timestamptz[]) as at;
         insert into auth.audit_log (action, created_at, ip, agent, arrived_at)
         select 'login', now() - days * interval '1 day', '192.0.2.1', 'Lynx', now() - days * interval '1 day'
           from unnest(array[120, 100, 91, 89, 1]) as days";
    let app = TestApp::on_filled_services(years, &[]).await;
    app.sign_in(READER, "ada@example.org").await;
    signed(&app, 10).await;
    let before = verify(&app, None).await;
    assert!(before.is_whole() && before.rows == 14, "{before:?}");

    app.flows.keep_audit().await;
    signed(&app, 9).await;
    let services = app.services.as_ref().unwrap();
    assert_eq!(services.count("auth.audit_chain where seq <= 3").await, 0, "a checkpoint stands for them");
    let records = log(&app).await;
    let old = records.iter().filter(|record| record.action == "login").collect::<Vec<_>>();
    assert_eq!(old.len(), 5, "{old:?}");
    let kept = old.iter().map(|record| (record.ip.is_some(), record.agent.is_some())).collect::<Vec<_>>();
    assert_eq!(kept, [(false, false), (false, false), (false, false), (true, true), (true, true)]);
    for record in ["audit_addresses_cleared", "audit_months_dropped"] {
        assert_eq!(records.iter().filter(|found| found.action == record).count(), 1, "{record}");
    }
    assert_eq!(services.count("pg_class where relname = 'audit_log_2024_03'").await, 0);
    let report = verify(&app, Some(before.head)).await;
    assert!(report.is_whole(), "{report:?}");
    assert_eq!(report.rows, 13);

    // Doing it again changes nothing.
    app.flows.keep_audit().await;
    assert_eq!(log(&app).await, records);

    // Clearing more than is on record, or letting the chain begin later, is seen.
    as_owner(&app, "update auth.audit_log set ip = null where created_at > now() - interval '50 days' and action = 'login'").await;
    assert!(matches!(found(&verify(&app, None).await).as_slice(), [(FaultKind::AlteredRow, Some(_))]));
    as_owner(
        &app,
        "insert into auth.audit_checkpoints (seq, link, dropped_before, mac)
             select c.seq, c.link, now(), k.mac from auth.audit_chain c, auth.audit_checkpoints k where c.seq = 9;
         delete from auth.audit_log where id in (select event_id from auth.audit_chain where seq <= 9);
         delete from auth.audit_chain where seq <= 9",
    )
    .await;
    assert!(found(&verify(&app, None).await).contains(&(FaultKind::AlteredCheckpoint, None)));
}
