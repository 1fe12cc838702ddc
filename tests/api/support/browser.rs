//! A browser without scripts: it keeps cookies, follows no redirect by itself, and sends forms as browsers do.

use std::collections::BTreeMap;

use reqwest::header::{HeaderMap, SET_COOKIE};
use reqwest::{Method, StatusCode, redirect};

use super::TestApp;

/// One browser on one site.
pub(crate) struct Browser<'a> {
    app: &'a TestApp,
    host: &'a str,
    client: reqwest::Client,
    /// What it keeps for the site.
    pub(crate) jar: BTreeMap<String, String>,
    /// The proof in the forms of the page it shows.
    pub(crate) token: String,
}

/// What it was answered.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) html: String,
}

impl<'a> Browser<'a> {
    pub(crate) fn on(app: &'a TestApp, host: &'a str) -> Self {
        let client = reqwest::Client::builder().redirect(redirect::Policy::none()).build().unwrap();
        Self { app, host, client, jar: BTreeMap::new(), token: String::new() }
    }

    /// Opens an address of the site.
    pub(crate) async fn open(&mut self, path: &str) -> Shown {
        self.send(Method::GET, path, &[("sec-fetch-site", "none"), ("accept-language", "en")], None).await
    }

    /// Sends the form of the page it shows.
    pub(crate) async fn submit(&mut self, path: &str, fields: &[(&str, &str)]) -> Shown {
        let origin = format!("http://{}", self.host);
        let token = self.token.clone();
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields).append_pair("_token", &token);
        let headers = [
            ("origin", origin.as_str()),
            ("sec-fetch-site", "same-origin"),
            ("content-type", "application/x-www-form-urlencoded"),
            ("accept-language", "en"),
        ];
        self.send(Method::POST, path, &headers, Some(form.finish())).await
    }

    /// Sends anything, with the cookies it has, and keeps those it is given.
    pub(crate) async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Shown {
        let mut request = self.client.request(method, self.app.url(path)).header("host", self.host);
        if !self.jar.is_empty() {
            let pairs: Vec<_> = self.jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header("cookie", pairs.join("; "));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.body(body.unwrap_or_default()).send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        for cookie in headers.get_all(SET_COOKIE) {
            let (pair, rest) = cookie.to_str().unwrap().split_once("; ").unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if rest.contains("Max-Age=0") {
                self.jar.remove(name);
            } else {
                self.jar.insert(name.to_owned(), value.to_owned());
            }
        }
        let html = response.text().await.unwrap();
        if let Some((_, rest)) = html.split_once("name=\"_token\" value=\"") {
            rest.split('"').next().unwrap().clone_into(&mut self.token);
        }
        Shown { status, headers, html }
    }

    /// Signs in by the pages, and answers what came of the code.
    pub(crate) async fn sign_in(&mut self, email: &str) -> Shown {
        let before = self.app.mails_to(email);
        self.open("/login").await.assert_shows("email");
        self.submit("/login", &[("email", email)]).await.assert_leads_to("/login");
        self.open("/login").await.assert_shows("code");
        let code = self.app.code(email, before + 1).await;
        self.submit("/login/code", &[("code", &code)]).await
    }
}

impl Shown {
    /// A page with a field of this name.
    #[track_caller]
    pub(crate) fn assert_shows(&self, field: &str) -> &Self {
        assert!(
            self.status == StatusCode::OK && self.html.contains(&format!("name=\"{field}\"")),
            "no field {field}: {self:?}"
        );
        self
    }

    #[track_caller]
    pub(crate) fn assert_leads_to(&self, location: &str) -> &Self {
        assert_eq!(
            (self.status, self.header("location")),
            (StatusCode::SEE_OTHER, Some(location)),
            "{self:?}"
        );
        self
    }

    #[track_caller]
    pub(crate) fn assert_status(&self, status: u16) -> &Self {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        self
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}
