//! Two libraries, everybody who has to do with them, and a proxy that asks about their requests.

use reqwest::header::{HeaderMap, HeaderValue};
use serde_json::Value;
use sqlx::AssertSqlSafe;

use crate::support::TestApp;
use crate::support::app::{Answer, MANAGE, text};

/// The management site's rules in these tests.
pub(super) const RULES: (&str, &str) = (
    "SITES__MANAGEMENT__GATE",
    "public /health, public /open/**, signed_in /me/**, library /libraries/{library}, \
     permission:manage_staff /libraries/{library}/staff/**, permission:manage_catalog /catalogue/**, staff /**",
);

/// `owner`, `librarian` (without the catalogue) and `volunteer` work at north, `elsewhere` owns south, `removed` was an
/// owner of north, `closed` owns a library that is inactive, `patron` is nobody's staff.
pub(super) const PEOPLE: &str = "
    insert into auth.users (id, email, email_confirmed_at)
    select gen_random_uuid(), name || '@example.org', now()
      from unnest(array['owner', 'librarian', 'volunteer', 'elsewhere', 'removed', 'closed', 'patron']) as name;
    insert into public.libraries (name, code, status)
    values ('North', 'north', 'active'), ('South', 'south', 'active'), ('Closed', 'closed', 'inactive');
    insert into public.library_staff (user_id, library_id, role, permissions)
    select u.id, l.id, role, permissions::jsonb
      from (values ('owner', 'north', 'owner', '{}'), ('librarian', 'north', 'librarian', '{\"manage_catalog\": false}'),
                   ('volunteer', 'north', 'volunteer', '{}'), ('elsewhere', 'south', 'owner', '{}'),
                   ('removed', 'north', 'owner', '{}'), ('closed', 'closed', 'owner', '{}')) as staff (name, code, role, permissions)
      join auth.users u on u.email = name || '@example.org' join public.libraries l using (code);
    update public.library_staff set is_deleted = true
     where user_id = (select id from auth.users where email = 'removed@example.org')";

/// Asks as a proxy does, and follows no redirect.
pub(super) struct Proxy {
    pub(super) app: TestApp,
    client: reqwest::Client,
}

impl Proxy {
    pub(super) fn before(app: TestApp) -> Self {
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { app, client }
    }

    /// The server of these tests on PostgreSQL and Redis.
    pub(super) async fn on_services() -> Self {
        Self::before(TestApp::on_filled_services(PEOPLE, &[RULES]).await)
    }

    /// Asks with exactly these headers beside `Host`.
    pub(super) async fn ask_with(&self, host: &str, query: &str, headers: &[(&str, &str)]) -> Answer {
        let mut all = HeaderMap::new();
        for (name, value) in headers {
            let name: reqwest::header::HeaderName = name.parse().unwrap();
            all.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let request = self.client.get(self.app.url(&format!("/auth/v1/forward{query}"))).header("host", host);
        let request = request.header("x-supabase-api-version", "2024-01-01").headers(all);
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.text().await.unwrap();
        Answer { status, headers, body: serde_json::from_str(&body).unwrap_or(Value::Null) }
    }

    /// Asks about a GET of a path on the management site, with a token if there is one.
    pub(super) async fn ask(&self, path: &str, token: Option<&str>) -> Answer {
        self.ask_at(MANAGE, path, token).await
    }

    pub(super) async fn ask_at(&self, host: &str, path: &str, token: Option<&str>) -> Answer {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let mut headers = vec![("x-forwarded-method", "GET"), ("x-forwarded-uri", path)];
        headers.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
        self.ask_with(host, "", &headers).await
    }

    /// An access token of somebody for the management site.
    pub(super) async fn token(&self, name: &str) -> String {
        let session = self.app.sign_in(MANAGE, &format!("{name}@example.org")).await;
        text(&session, "access_token").to_owned()
    }

    pub(super) async fn sql(&self, statement: &str) {
        let services = self.app.services.as_ref().unwrap();
        sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&services.sql).await.unwrap();
    }
}

/// What the application behind is told: user, email, session, libraries, authorization.
pub(super) fn told(answer: &Answer) -> [Option<&str>; 5] {
    ["x-doorcode-user", "x-doorcode-email", "x-doorcode-session", "x-doorcode-libraries", "authorization"]
        .map(|name| answer.header(name))
}

/// What it is told of somebody unknown: everything, and nothing in it.
pub(super) const NOBODY: [Option<&str>; 5] = [Some(""); 5];
