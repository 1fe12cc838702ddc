//! The audit log: every event once, none changed or removed unnoticed, nothing in it that should not be.

mod chain;
mod events;
mod keeping;
mod words;

use std::collections::BTreeMap;
use std::time::Duration;

use doorcode::domain::audit_chain::{AuditReport, ChainHead, FaultKind};
use doorcode::domain::{AuditFilter, AuditRecord};
use doorcode::flows::AuditRange;
use sqlx::AssertSqlSafe;

use super::support::TestApp;

/// Events of the keys that a server makes for its two sites when it starts for the first time.
const KEYS: i64 = 4;

/// Everything in the log but those, oldest first, with what still waited to be told.
async fn log(app: &TestApp) -> Vec<AuditRecord> {
    app.flows.finish_audit().await;
    let (mut records, mut after) = (Vec::new(), None);
    loop {
        let part = app.flows.search_audit(&AuditFilter::default(), 100, after).await.unwrap();
        records.extend(part.items);
        after = part.next;
        if after.is_none() {
            records.reverse();
            records.retain(|record: &AuditRecord| !record.action.starts_with("signing_key_"));
            return records;
        }
    }
}

/// How often each action is in the log; a row that stands for several counts as many.
fn counted(records: &[AuditRecord]) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for record in records {
        *counts.entry(record.action.clone()).or_default() += record.details["count"].as_u64().unwrap_or(1);
    }
    counts
}

async fn verify(app: &TestApp, head: Option<ChainHead>) -> AuditReport {
    app.flows.verify_audit(AuditRange { since: None, head }, |_, _| {}).await.unwrap()
}

fn found(report: &AuditReport) -> Vec<(FaultKind, Option<i64>)> {
    report.faults.iter().map(|fault| (fault.kind.clone(), fault.seq)).collect()
}

/// A statement of whoever owns the tables.
async fn as_owner(app: &TestApp, statement: &str) -> u64 {
    let sql = &app.services.as_ref().unwrap().sql;
    sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(sql).await.unwrap().rows_affected()
}

/// Waits until so many rows have a link, beside those of the keys.
async fn signed(app: &TestApp, rows: i64) {
    for _ in 0..400 {
        app.flows.finish_audit().await;
        if app.services.as_ref().unwrap().count("auth.audit_chain").await >= rows + KEYS {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("{rows} rows were not signed");
}
