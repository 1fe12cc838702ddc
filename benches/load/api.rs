//! The requests of a client library, and what it reads of the answers.

use std::net::SocketAddr;

use anyhow::{Context as _, ensure};
use hyper::body::Bytes;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, StatusCode};
use serde::Deserialize;

use crate::client::{Body, Client};

/// The keys of the sites in the default configuration.
const READER_KEY: HeaderValue = HeaderValue::from_static("doorcode_pub_reader_dev");
const MANAGEMENT_KEY: HeaderValue = HeaderValue::from_static("doorcode_pub_manage_dev");
const AGENT: HeaderValue = HeaderValue::from_static("doorcode-load-bench");
const JSON: HeaderValue = HeaderValue::from_static("application/json;charset=UTF-8");

/// One client of the server, or of the floors' server: both get the same requests.
pub(crate) struct Api {
    client: Client,
    host: String,
    key: HeaderValue,
}

/// The tokens of a session.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Session {
    pub(crate) access_token: String,
    pub(crate) refresh_token: String,
}

impl Api {
    /// A client of the reader site on the server at `address`.
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { client: Client::new(address), host: address.to_string(), key: READER_KEY }
    }

    /// A client of the management site.
    pub(crate) fn of_management(address: SocketAddr) -> Self {
        Self { key: MANAGEMENT_KEY, ..Self::new(address) }
    }

    /// Asks for a code, as supabase-js does.
    pub(crate) async fn ask(&mut self, path: &str, address: &str) -> anyhow::Result<()> {
        let body = format!(
            r#"{{"email":"{address}","data":{{}},"create_user":true,"gotrue_meta_security":{{}},"code_challenge":null,"code_challenge_method":null}}"#
        );
        self.post(path, body).await.map(drop)
    }

    /// Trades a code for a session.
    pub(crate) async fn verify(&mut self, address: &str, code: &str) -> anyhow::Result<Session> {
        let body =
            format!(r#"{{"email":"{address}","token":"{code}","type":"email","gotrue_meta_security":{{}}}}"#);
        session(&self.post("/auth/v1/verify", body).await?)
    }

    /// Trades a refresh token for the next tokens.
    pub(crate) async fn refresh(&mut self, token: &str) -> anyhow::Result<Session> {
        let body = format!(r#"{{"refresh_token":"{token}"}}"#);
        session(&self.post("/auth/v1/token?grant_type=refresh_token", body).await?)
    }

    /// Asks who the bearer of an access token is.
    pub(crate) async fn user(&mut self, path: &str, access_token: &str) -> anyhow::Result<()> {
        let bearer = HeaderValue::from_str(&format!("Bearer {access_token}"))?;
        let request = self.request(Method::GET, path).header(header::AUTHORIZATION, bearer);
        self.call(request.body(Body::default())?).await.map(drop)
    }

    async fn post(&mut self, path: &str, body: String) -> anyhow::Result<Bytes> {
        let request = self.request(Method::POST, path).header(header::CONTENT_TYPE, JSON);
        self.call(request.body(Body::from(body))?).await
    }

    fn request(&self, method: Method, path: &str) -> hyper::http::request::Builder {
        Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, &self.host)
            .header(header::USER_AGENT, AGENT)
            .header(header::ACCEPT_LANGUAGE, "en")
            .header("apikey", self.key.clone())
            .header("x-client-info", AGENT)
            .header("x-supabase-api-version", "2024-01-01")
    }

    async fn call(&mut self, request: Request<Body>) -> anyhow::Result<Bytes> {
        let path = request.uri().path().to_owned();
        let (status, body) = self
            .client
            .call(request)
            .await
            .with_context(|| format!("{path} at {}", self.client.address()))?;
        ensure!(status == StatusCode::OK, "{path} answered {status}: {}", String::from_utf8_lossy(&body));
        Ok(body)
    }
}

fn session(body: &Bytes) -> anyhow::Result<Session> {
    serde_json::from_slice(body).context("the answer holds no session")
}
