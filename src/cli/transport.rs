//! How a command reaches the admin API: at a running server, or in this process on the configured database. Either way it
//! is the same API, with the same answers.

mod direct;
mod http;

use poem::http::Method;
use serde_json::Value;
use url::form_urlencoded;

pub(super) use self::direct::Direct;
pub(super) use self::http::Http;

/// Where the API is.
const BASE: &str = "/admin/v1";

/// A way to it.
pub(super) enum Transport {
    /// At a server, with a service key.
    Http(Http),
    /// In this process, as the operator.
    Direct(Box<Direct>),
}

/// A request.
#[derive(Debug, Clone)]
pub(super) struct Call {
    method: Method,
    path: String,
    query: Vec<(&'static str, String)>,
    body: Option<Value>,
    headers: Vec<(&'static str, String)>,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// The version of what was read.
    pub(super) etag: Option<String>,
    /// Null where there is no body.
    pub(super) body: Value,
}

/// The server cannot be reached, or does not speak our language.
#[derive(Debug, thiserror::Error)]
#[error("cannot reach the server at {place}")]
pub(super) struct Unreachable {
    pub(super) place: String,
    pub(super) source: Box<dyn std::error::Error + Send + Sync>,
}

impl Call {
    pub(super) fn new(method: Method, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), query: Vec::new(), body: None, headers: Vec::new() }
    }

    pub(super) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    /// Adds a parameter that was given.
    pub(super) fn with(mut self, name: &'static str, value: Option<impl ToString>) -> Self {
        self.query.extend(value.map(|value| (name, value.to_string())));
        self
    }

    /// Sets a parameter anew.
    pub(super) fn set(&mut self, name: &'static str, value: &str) {
        self.query.retain(|(other, _)| *other != name);
        self.query.push((name, value.to_owned()));
    }

    pub(super) fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    /// For the version that was read.
    pub(super) fn if_match(mut self, etag: Option<String>) -> Self {
        self.headers.extend(etag.map(|etag| ("if-match", etag)));
        self
    }

    /// A creation: sent twice, it still creates once.
    pub(super) fn once(mut self) -> Self {
        self.headers.push(("idempotency-key", uuid::Uuid::new_v4().to_string()));
        self
    }

    /// Path and query.
    fn target(&self) -> String {
        let mut target = format!("{BASE}{}", self.path);
        if !self.query.is_empty() {
            let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.query).finish();
            target.push('?');
            target.push_str(&query);
        }
        target
    }

    /// Whether it may be sent again when nobody knows what became of it.
    fn is_safe_to_repeat(&self) -> bool {
        self.method == Method::GET || self.headers.iter().any(|(name, _)| *name == "idempotency-key")
    }
}

impl Transport {
    pub(super) async fn call(&self, call: &Call) -> anyhow::Result<Answer> {
        match self {
            Self::Http(http) => http.call(call).await,
            Self::Direct(direct) => direct.call(call).await,
        }
    }

    pub(super) async fn close(self) {
        match self {
            Self::Http(_) => {}
            Self::Direct(direct) => direct.close().await,
        }
    }
}

/// JSON, or null where there is none.
fn read(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_encoded_and_absent_ones_left_out() {
        let mut call =
            Call::get("/users").with("email", Some("a+b&c")).with("id", None::<&str>).with("limit", Some(5));
        assert_eq!(call.target(), "/admin/v1/users?email=a%2Bb%26c&limit=5");
        call.set("limit", "7");
        assert_eq!(call.target(), "/admin/v1/users?email=a%2Bb%26c&limit=7");
        assert!(call.is_safe_to_repeat());
        let creation = Call::new(Method::POST, "/users");
        assert!(!creation.is_safe_to_repeat() && creation.once().is_safe_to_repeat());
    }
}
