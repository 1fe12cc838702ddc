//! A server in this process, and a client of it.

use std::net::SocketAddr;
use std::time::Duration;

use doorcode::app::App;
use doorcode::config::Config;
use doorcode::flows::SharedFlows;
use doorcode::ports::clock::{Clock, ManualClock};
use doorcode::ports::db::EmbeddedPostgres;
use doorcode::ports::mail::Inbox;
use doorcode::ports::mail::inbox::CaughtMail;
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::embedded::PATIENCE;
use super::{Services, embedded};

pub(crate) const READER: &str = "reader.localhost:8080";
pub(crate) const MANAGE: &str = "manage.localhost:8080";

/// 32 bytes of no meaning, the same for all tests.
pub(crate) const MASTER: &str = "h1QeZbJkN0s3x5vY8aBcD2fGiKlMnOpQrStUwXzA46E=";

/// A running server with stores of its own.
pub(crate) struct TestApp {
    address: SocketAddr,
    metrics_address: Option<SocketAddr>,
    client: reqwest::Client,
    clock: ManualClock,
    inbox: Option<Inbox>,
    /// The stories, where a test tells one without HTTP.
    pub(crate) flows: SharedFlows,
    /// The stores, where they are real servers.
    pub(crate) services: Option<Services>,
    stop: Option<oneshot::Sender<()>>,
    served: Option<JoinHandle<()>>,
    _data: TempDir,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl TestApp {
    pub(crate) async fn on_services() -> Self {
        Self::on_services_with(&[]).await
    }

    pub(crate) async fn on_embedded() -> Self {
        Self::on_embedded_with(&[]).await
    }

    pub(crate) async fn on_embedded_with(changes: &[(&str, &str)]) -> Self {
        let data = embedded::data_folder().await;
        let settings = embedded::settings(data.path());
        Self::start(None, data, settings, changes).await
    }

    pub(crate) async fn on_services_with(changes: &[(&str, &str)]) -> Self {
        Self::on(Services::new().await, changes).await
    }

    /// A server on services that a test has prepared.
    pub(crate) async fn on(services: Services, changes: &[(&str, &str)]) -> Self {
        let settings = services.settings();
        Self::start(Some(services), tempfile::tempdir().unwrap(), settings, changes).await
    }

    /// A server with these settings on a database that holds what a statement has put there.
    pub(crate) async fn on_filled_services(statement: &str, changes: &[(&str, &str)]) -> Self {
        let services = Services::new().await;
        sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&services.sql).await.unwrap();
        let settings = services.settings();
        Self::start(Some(services), tempfile::tempdir().unwrap(), settings, changes).await
    }

    /// As [`TestApp::on_filled_services`], on the embedded stores.
    pub(crate) async fn on_filled_embedded(statement: &str, changes: &[(&str, &str)]) -> Self {
        let data = embedded::data_folder().await;
        let server = EmbeddedPostgres::start(&data.path().join("postgres")).await.unwrap();
        let mut owner = PgConnection::connect(server.owner_url().expose_secret()).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut owner).await.unwrap();
        owner.close().await.unwrap();
        server.stop().await.unwrap();
        let settings = embedded::settings(data.path());
        Self::start(None, data, settings, changes).await
    }

    /// Stops the server and starts another on the same stores, with other settings.
    pub(crate) async fn restart_with(mut self, changes: &[(&str, &str)]) -> Self {
        self.stop().await;
        let services = self.services.take().expect("a server on real stores");
        let settings = services.settings();
        Box::pin(Self::start(Some(services), tempfile::tempdir().unwrap(), settings, changes)).await
    }

    async fn start(
        services: Option<Services>,
        data: TempDir,
        settings: Vec<(String, String)>,
        changes: &[(&str, &str)],
    ) -> Self {
        Box::pin(Self::start_at(ManualClock::default(), services, data, settings, changes)).await
    }

    /// Another replica beside this one: the same stores, the same time.
    pub(crate) async fn replica(&self, changes: &[(&str, &str)]) -> Self {
        let settings = self.services.as_ref().expect("a server on real stores").settings();
        let data = tempfile::tempdir().unwrap();
        Box::pin(Self::start_at(self.clock.clone(), None, data, settings, changes)).await
    }

    async fn start_at(
        clock: ManualClock,
        services: Option<Services>,
        data: TempDir,
        settings: Vec<(String, String)>,
        changes: &[(&str, &str)],
    ) -> Self {
        let changes = changes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let config = config(settings.into_iter().chain(changes));
        let app = Box::pin(App::start(&config, Clock::Manual(clock.clone())))
            .await
            .unwrap_or_else(|error| panic!("the server does not start: {error:?}"))
            .with_mail_retries(vec![Duration::from_millis(50)]);
        let metrics_address = app.metrics_addr();
        let (address, inbox, flows) = (app.local_addr().unwrap(), app.inbox(), app.flows());
        let (stop, stopped) = oneshot::channel();
        let served = tokio::spawn(async move {
            app.run(async {
                let _ = stopped.await;
            })
            .await;
        });
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(30))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        Self {
            address,
            metrics_address,
            client,
            clock,
            inbox,
            flows,
            services,
            stop: Some(stop),
            served: Some(served),
            _data: data,
        }
    }

    /// Lets time pass, for the server and its stores.
    pub(crate) async fn advance(&self, by: Duration) {
        self.clock.advance(by);
        if let Some(services) = &self.services {
            services.advance(by).await;
        }
    }

    /// Stops the server as a signal would and waits until it is gone.
    pub(crate) async fn stop(&mut self) {
        drop(self.stop.take());
        if let Some(served) = self.served.take() {
            tokio::time::timeout(Duration::from_secs(40), served).await.unwrap().unwrap();
        }
    }

    /// Where a path is served.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Where a path of the private listener is served.
    pub(crate) fn private_url(&self, path: &str) -> String {
        format!("http://{}{path}", self.metrics_address.expect("this server has a private listener"))
    }

    /// Reads a path of the private listener.
    pub(crate) async fn get_private(&self, path: &str) -> (StatusCode, String) {
        let answer = self.client.get(self.private_url(path)).send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    }

    /// Sends a request to `host` with these headers.
    pub(crate) async fn send(
        &self,
        host: &str,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Answer {
        let mut request = self
            .client
            .request(method, self.url(path))
            .header("host", host)
            .header("x-supabase-api-version", "2024-01-01");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json;charset=UTF-8").body(body);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.unwrap();
        let body =
            serde_json::from_str(&text).unwrap_or(if text.is_empty() { Value::Null } else { json!(text) });
        Answer { status, headers, body }
    }

    pub(crate) async fn post(&self, host: &str, path: &str, body: Value) -> Answer {
        self.send(host, Method::POST, path, &[], Some(body.to_string())).await
    }

    pub(crate) async fn get_with_token(&self, host: &str, path: &str, token: &str) -> Answer {
        self.send(host, Method::GET, path, &[("authorization", &format!("Bearer {token}"))], None).await
    }

    pub(crate) async fn request_code(&self, host: &str, email: &str) -> Answer {
        self.post(host, "/auth/v1/otp", json!({"email": email})).await
    }

    pub(crate) async fn verify(&self, host: &str, email: &str, code: &str) -> Answer {
        self.post(host, "/auth/v1/verify", json!({"type": "email", "email": email, "token": code})).await
    }

    pub(crate) async fn refresh(&self, host: &str, token: &str) -> Answer {
        self.post(host, "/auth/v1/token?grant_type=refresh_token", json!({"refresh_token": token})).await
    }

    pub(crate) async fn logout(&self, host: &str, scope: &str, token: &str) -> Answer {
        let bearer = format!("Bearer {token}");
        let path = format!("/auth/v1/logout{scope}");
        self.send(host, Method::POST, &path, &[("authorization", &bearer)], None).await
    }

    /// Sends a request with an access token.
    pub(crate) async fn as_bearer(
        &self,
        host: &str,
        method: Method,
        path: &str,
        token: &str,
        body: Option<Value>,
    ) -> Answer {
        let bearer = format!("Bearer {token}");
        let body = body.map(|body| body.to_string());
        self.send(host, method, path, &[("authorization", &bearer)], body).await
    }

    /// Asks for a code and signs in with it.
    pub(crate) async fn sign_in(&self, host: &str, email: &str) -> Value {
        let before = self.mails_to(email);
        self.request_code(host, email).await.assert_ok();
        let code = self.code_in(&self.mail(email, before + 1).await);
        self.verify(host, email, &code).await.assert_ok().body.clone()
    }

    pub(crate) fn inbox(&self) -> &Inbox {
        self.inbox.as_ref().expect("this server has an inbox")
    }

    /// The `count`-th mail to an address.
    pub(crate) async fn mail(&self, email: &str, count: usize) -> CaughtMail {
        let mail = self.inbox().wait_for(email, count, PATIENCE).await;
        mail.unwrap_or_else(|| panic!("mail {count} to {email} did not come"))
    }

    pub(crate) fn mails_to(&self, email: &str) -> usize {
        self.inbox().search(&format!("to:{email}")).len()
    }

    /// The code of the `count`-th mail to an address.
    pub(crate) async fn code(&self, email: &str, count: usize) -> String {
        self.code_in(&self.mail(email, count).await)
    }

    #[expect(clippy::unused_self, reason = "reads as one with its neighbours")]
    pub(crate) fn code_in(&self, mail: &CaughtMail) -> String {
        super::process::code_in(&mail.text)
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        drop(self.stop.take());
    }
}

/// A configuration as these settings make it, over what tests have in common.
pub(crate) fn config(settings: impl Iterator<Item = (String, String)>) -> Config {
    let common = [
        ("SERVER__LISTEN", "127.0.0.1:0"),
        ("SERVER__DRAIN_SECS", "5"),
        ("SERVER__METRICS_LISTEN", "127.0.0.1:0"),
        ("SERVER__SHARED_HOSTS", "127.0.0.1:8080"),
        ("SECRETS__MASTER", MASTER),
        ("MAIL__TRANSPORT", "inbox"),
        ("MAIL__INBOX_LISTEN", "127.0.0.1:0"),
        ("DATABASE__MIGRATE_AT_START", "false"),
        ("SERVER__MAX_CONNECTIONS_PER_CLIENT", "100000"),
        ("LIMITS__CODE_REQUESTS", "100000"),
        ("LIMITS__VERIFIES", "100000"),
        ("LIMITS__REFRESHES", "100000"),
        ("LIMITS__CLIENT_SENDS_PER_10MIN", "100000"),
        ("LIMITS__CLIENT_SENDS_PER_HOUR", "100000"),
        ("LIMITS__NETWORK_SENDS_PER_HOUR", "100000"),
        ("LIMITS__CLIENT_WRONG_PER_10MIN", "100000"),
        ("LIMITS__NETWORK_WRONG_PER_HOUR", "100000"),
        ("CODES__GUESSES_PER_10MIN", "100000"),
        ("CODES__GUESSES_PER_DAY", "100000"),
    ];
    let common = common.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    let environment = common.chain(settings).map(|(name, value)| (format!("DOORCODE__{name}"), value));
    Config::layered(None, environment).unwrap_or_else(|problems| panic!("{problems}"))
}

impl Answer {
    #[track_caller]
    pub(crate) fn assert_ok(&self) -> &Self {
        assert_eq!(self.status, StatusCode::OK, "{self:?}");
        self
    }

    #[track_caller]
    pub(crate) fn assert_problem(&self, status: u16, code: &str) -> &Self {
        assert_eq!(
            (self.status.as_u16(), self.body["code"].as_str(), self.header("x-sb-error-code")),
            (status, Some(code), Some(code)),
            "{self:?}"
        );
        self
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// A text field of a JSON object.
#[track_caller]
pub(crate) fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object[field].as_str().unwrap_or_else(|| panic!("no {field} in {object}"))
}
