//! The admin API, called in the process: whatever the console knows and does, it does through here.

use std::sync::Arc;

use poem::endpoint::BoxEndpoint;
use poem::http::{HeaderValue, Method, StatusCode, Uri, header};
use poem::{Endpoint, Request, Response};
use serde_json::Value;

use crate::flows::{AdminCaller, SharedFlows};
use crate::http::edge::problem_of;
use crate::http::{HttpSettings, Problem, admin};

/// The API. A call is answered as it would be over the network, by the same code.
pub(in crate::http) struct AdminApi {
    endpoint: BoxEndpoint<'static, Response>,
    flows: SharedFlows,
}

/// One call of an operation.
pub(super) struct Call<'a> {
    method: Method,
    /// Path and query, below the API's own.
    path: &'a str,
    body: Option<Value>,
    if_match: Option<&'a str>,
    once: Option<&'a str>,
}

impl<'a> Call<'a> {
    pub(super) fn new(method: Method, path: &'a str) -> Self {
        Self { method, path, body: None, if_match: None, once: None }
    }

    /// What is sent along.
    pub(super) fn with(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    /// Only for what still has this version.
    pub(super) fn if_still(mut self, version: &'a str) -> Self {
        self.if_match = Some(version);
        self
    }

    /// A creation that happens once under this name.
    pub(super) fn once(mut self, name: &'a str) -> Self {
        self.once = Some(name);
        self
    }
}

/// What the API says.
pub(super) struct Answer {
    /// The version of what was read.
    pub(super) version: Option<String>,
    /// `null` where there is nothing to say.
    pub(super) body: Value,
}

impl AdminApi {
    pub(in crate::http) fn of(flows: &SharedFlows) -> Arc<Self> {
        Arc::new(Self { endpoint: admin::service(flows), flows: Arc::clone(flows) })
    }

    /// Calls an operation as `caller`.
    ///
    /// # Errors
    /// What the API refuses, in its own words.
    pub(super) async fn call(
        &self,
        caller: &AdminCaller,
        settings: &Arc<HttpSettings>,
        call: Call<'_>,
    ) -> Result<Answer, Problem> {
        let uri: Uri = call.path.parse().map_err(|_| unusable())?;
        let mut builder = Request::builder().method(call.method).uri(uri);
        for (name, value) in [("if-match", call.if_match), ("idempotency-key", call.once)] {
            if let Some(value) = value {
                builder = builder.header(name, HeaderValue::from_str(value).map_err(|_| unusable())?);
            }
        }
        let mut request = match call.body {
            Some(body) => builder.content_type("application/json").body(body.to_string()),
            None => builder.finish(),
        };
        request.set_data(caller.clone());
        request.set_data(Arc::clone(&self.flows));
        request.set_data(Arc::clone(settings));
        let response = self.endpoint.call(request).await.map_err(|error| problem_of(&error))?;
        let version = response.headers().get(header::ETAG).and_then(|tag| tag.to_str().ok());
        let version = version.map(str::to_owned);
        let bytes = response.into_body().into_vec().await.map_err(|_| Problem::internal())?;
        // No content says nothing; all else of the API is JSON.
        Ok(Answer { version, body: serde_json::from_slice(&bytes).unwrap_or_default() })
    }
}

/// What was typed into an address or a form cannot be asked for.
fn unusable() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "validation_failed", "The request could not be read")
}
