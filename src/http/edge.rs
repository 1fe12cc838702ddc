//! What holds for every answer: a deadline, errors in one shape, protective headers, one line in the log.

use std::any::Any;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use http_body_util::combinators::BoxBody;
use hyper::body::{Body as _, Bytes};
use poem::http::header::{self, HeaderName, HeaderValue};
use poem::http::{HeaderMap, Method, StatusCode};
use poem::{Endpoint, Error, IntoResponse, Request, Response, Result};
use poem_openapi::OperationId;
use tracing::Instrument as _;
use uuid::Uuid;

use super::auth::render;
use super::site::text;
use super::{HttpSettings, Problem, admin, library, visitor};
use crate::domain::Site;
use crate::flows::SharedFlows;
use crate::telemetry::traces;

/// What an answer gets here at most.
const MOST_HEADERS: usize = 8;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The site that a request turns out to be for, noted for the log.
#[derive(Debug, Clone, Default)]
pub(super) struct NotedSite(Arc<OnceLock<Arc<Site>>>);

impl NotedSite {
    pub(super) fn note(request: &Request, site: &Arc<Site>) {
        if let Some(noted) = request.data::<Self>() {
            // Asked twice, a request is for the same site both times.
            let _ = noted.0.set(Arc::clone(site));
        }
    }
}

/// The id of a request, for pages that show it.
#[derive(Debug, Clone)]
pub(super) struct RequestId(pub(super) String);

/// Ends a request that takes too long. What must not end halfway runs in a task of its own.
pub(super) async fn deadline<E: Endpoint>(next: Arc<E>, request: Request) -> Result<Response> {
    let limit =
        request.data::<Arc<HttpSettings>>().map(|settings| settings.request_timeout).unwrap_or_default();
    match tokio::time::timeout(limit, next.call(request)).await {
        Ok(answer) => answer.map(IntoResponse::into_response),
        Err(_) => Err(Problem {
            retry_after: Some(1),
            ..Problem::new(
                StatusCode::GATEWAY_TIMEOUT,
                "request_timeout",
                "Processing this request took too long; please try again",
            )
        }
        .into()),
    }
}

/// Gives every error, the framework's own too, its code and the shape that the caller's version reads.
pub(super) async fn answer_problems<E: Endpoint>(next: Arc<E>, request: Request) -> Result<Response> {
    let version = text(request.headers(), "x-supabase-api-version").map(str::to_owned);
    let path = request.uri().path();
    let is_rfc9457 = path.starts_with(library::PATH) || path.starts_with(admin::PATH);
    match next.call(request).await {
        Ok(answer) => Ok(answer.into_response()),
        Err(error) => {
            let problem = problem_of(&error);
            let mut response =
                if is_rfc9457 { library::render(&problem) } else { render(&problem, version.as_deref()) };
            if let Some(operation) = error.data::<OperationId>() {
                response.set_data(*operation);
            }
            Ok(response)
        }
    }
}

/// Errors of ours carry a problem; the framework's have only a status worth keeping.
pub(super) fn problem_of(error: &Error) -> Problem {
    if let Some(problem) = error.downcast_ref::<Problem>() {
        return problem.clone();
    }
    match error.status() {
        StatusCode::NOT_FOUND => Problem::new(
            StatusCode::NOT_FOUND,
            "not_found",
            "There is nothing at this path; see /openapi.json",
        ),
        status @ StatusCode::METHOD_NOT_ALLOWED => Problem::new(
            status,
            "method_not_allowed",
            "This path does not take this method; see /openapi.json",
        ),
        status if status.is_client_error() => {
            Problem::new(status, "validation_failed", "The request could not be read; see /openapi.json")
        }
        _ => {
            tracing::error!(%error, "an error without an answer of its own");
            Problem::internal()
        }
    }
}

/// Turns a panic in a handler into an answer; the message stays in the log.
#[derive(Debug, Clone)]
pub(super) struct PanicToProblem;

impl poem::middleware::PanicHandler for PanicToProblem {
    type Response = Response;

    fn get_response(&self, _: Box<dyn Any + Send + 'static>) -> Response {
        render(&Problem::internal(), None)
    }
}

/// Logs one line a request and protects every answer.
///
/// The line has the operation, not the path, and nothing that a caller sent: no address, token, query or body.
pub(super) async fn log_and_protect<E: Endpoint>(next: Arc<E>, mut request: Request) -> Result<Response> {
    let started = Instant::now();
    let id = request_id(request.headers());
    request.set_data(RequestId(id.clone()));
    let site = NotedSite::default();
    request.set_data(site.clone());
    let counts = request.data::<SharedFlows>().map(|flows| flows.metrics.http.clone()).unwrap_or_default();
    let in_flight = counts.begin();
    let strict = request.data::<Arc<HttpSettings>>().is_some_and(|settings| settings.strict_transport);
    let method = request.method().clone();
    if method == Method::HEAD {
        // RFC 9110 §9.3.2: the answer to GET without its content. No GET here changes anything.
        request.set_method(Method::GET);
    }
    let span = tracing::info_span!("request", id);
    if let Some(traceparent) = trusted_traceparent(&request) {
        traces::continue_trace(&span, traceparent);
    }
    let traced = span.clone();
    let mut response = async {
        let response = match next.call(request).await {
            Ok(answer) => answer.into_response(),
            Err(error) => render(&problem_of(&error), None),
        };
        let operation = response.data::<OperationId>().map_or("-", |operation| operation.0);
        let status = response.status().as_u16();
        let elapsed = started.elapsed();
        counts.answered(operation, method.as_str(), status, elapsed);
        // Tenths of a millisecond: what is below is noise.
        let elapsed_ms = (elapsed.as_secs_f64() * 1e4).round() / 10.0;
        let code = text(response.headers(), "x-sb-error-code");
        let site = site.0.get().map(|site| site.id.as_str());
        tracing::info!(%method, operation, status, site, code, elapsed_ms, "answered");
        traces::answered(&traced, operation, method.as_str(), status, site);
        response
    }
    .instrument(span)
    .await;
    drop(in_flight);
    protect(response.headers_mut(), &id, strict);
    if method == Method::HEAD {
        drop_content(&mut response);
    }
    Ok(response)
}

/// Leaves of an answer what HEAD asks for, the length of the rest included.
fn drop_content(response: &mut Response) {
    let body: BoxBody<Bytes, std::io::Error> = response.take_body().into();
    if let Some(length) = body.size_hint().exact() {
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
}

/// The trace that a proxy of ours has begun; anybody else's is not asked for.
fn trusted_traceparent(request: &Request) -> Option<&str> {
    let settings = request.data::<Arc<HttpSettings>>()?;
    text(request.headers(), "traceparent")
        .filter(|_| visitor::is_from_proxy(request, &settings.trusted_proxies))
}

/// A caller's own id if it is harmless in a log, else a new one.
fn request_id(headers: &HeaderMap) -> String {
    text(headers, REQUEST_ID.as_str())
        .filter(|id| {
            (8..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        })
        .map_or_else(|| Uuid::now_v7().to_string(), str::to_owned)
}

/// Gives an answer the headers that every answer has; what it says itself stays.
pub(super) fn protect(headers: &mut HeaderMap, id: &str, strict: bool) {
    // The map grows by doubling, and moves everything each time.
    headers.reserve(MOST_HEADERS);
    let mut set = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    // Tokens and accounts are in most answers; what may be kept says so itself.
    set(header::CACHE_CONTROL, "no-store");
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "no-referrer");
    set(
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'",
    );
    set(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    if strict {
        set(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000; includeSubDomains");
    }
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, id);
    }
}
