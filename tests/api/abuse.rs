//! Guessing, flooding and locking out: what somebody with many addresses, or against many, gets nowhere with.

mod disown;
mod month;
mod networks;
mod owner;
mod trip;

use std::sync::atomic::{AtomicU32, Ordering};

use doorcode::domain::{AuditAction, AuditFilter, AuditRecord};
use reqwest::Method;
use serde_json::json;

use super::support::{Answer, TestApp};

/// All clients come through a proxy that is believed.
const PROXY: (&str, &str) = ("SERVER__TRUSTED_PROXIES", "127.0.0.1");

/// Tells a story on both backends, with these settings.
async fn on_both(changes: &[(&str, &str)], story: impl AsyncFn(&TestApp)) {
    let changes: Vec<_> = changes.iter().copied().chain([PROXY]).collect();
    for app in [TestApp::on_services_with(&changes).await, TestApp::on_embedded_with(&changes).await] {
        story(&app).await;
    }
}

/// What one client does.
struct Client<'a> {
    app: &'a TestApp,
    ip: String,
}

impl<'a> Client<'a> {
    fn at(app: &'a TestApp, ip: &str) -> Self {
        Self { app, ip: ip.to_owned() }
    }

    /// One of a network that nobody else is in.
    fn anywhere(app: &'a TestApp) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        Self::at(app, &format!("100.{}.{}.1", 64 + next / 256 % 64, next % 256))
    }

    async fn ask(&self, host: &str, email: &str) -> Answer {
        self.post(host, "/auth/v1/otp", json!({"email": email}).to_string()).await
    }

    async fn verify(&self, host: &str, email: &str, code: &str) -> Answer {
        let body = json!({"type": "email", "email": email, "token": code}).to_string();
        self.post(host, "/auth/v1/verify", body).await
    }

    async fn post(&self, host: &str, path: &str, body: String) -> Answer {
        self.app.send(host, Method::POST, path, &[("x-forwarded-for", &self.ip)], Some(body)).await
    }
}

/// Events of a kind, once all that happened is on record.
async fn events(app: &TestApp, action: AuditAction) -> Vec<AuditRecord> {
    app.flows.finish_audit().await;
    let filter = AuditFilter { action: Some(action), ..AuditFilter::default() };
    app.flows.search_audit(&filter, 100, None).await.unwrap().items
}

/// The line of a metric, by its name and labels.
async fn metric(app: &TestApp, series: &str) -> String {
    let (_, text) = app.get_private("/metrics").await;
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} in {text}")).to_owned()
}

/// How long a refusal says to wait, in seconds.
#[track_caller]
fn wait(answer: &Answer) -> u64 {
    answer.header("retry-after").unwrap().parse().unwrap()
}
