//! Traces: which request took which steps, and how long each took, told to a collector by the OpenTelemetry protocol.
//!
//! Only where an endpoint is set; elsewhere a span is one look at a number. Spans are those that are written down here and
//! in `http/edge`, with names of operations, statements and scripts, and ids of sites: no values, no text of a log line.

mod post;
mod requests;

use std::sync::atomic::{AtomicBool, Ordering};

use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::{Status, TracerProvider as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider};
use tracing::{Metadata, Span, Subscriber};
use tracing_opentelemetry::{OpenTelemetryLayer, OpenTelemetrySpanExt as _};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

use self::post::Post;
use self::requests::{NamingRequests, OPERATION};
use super::afresh::Afresh;
use crate::config::TelemetryConfig;

/// The target of spans that are for traces alone.
pub(super) const TARGET: &str = "doorcode::traces";
/// The span of a request, which the log has too: its lines carry the id.
const REQUEST: &str = "request";

/// Whether anybody is told.
static ON: AtomicBool = AtomicBool::new(false);

/// Why traces cannot be sent.
#[derive(Debug, thiserror::Error)]
#[error("traces cannot be sent to telemetry.otlp_endpoint")]
pub struct TracesError(#[from] opentelemetry_otlp::ExporterBuildError);

/// What sends spans. Dropped, it sends those that wait.
#[must_use]
pub(super) struct Traces(SdkTracerProvider);

impl Traces {
    /// Prepares sending, where an endpoint is set. Spans leave in the background, over this runtime.
    pub(super) fn start(config: &TelemetryConfig) -> Result<Option<Self>, TracesError> {
        let Some(endpoint) = &config.otlp_endpoint else { return Ok(None) };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Post::new(tokio::runtime::Handle::current()))
            .with_endpoint(format!("{}/v1/traces", endpoint.as_str().trim_end_matches('/')))
            .build()?;
        let ratio = f64::from(config.sample_percent) / 100.0;
        let resource = Resource::builder_empty()
            .with_service_name(config.service_name.clone())
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(NamingRequests(BatchSpanProcessor::builder(exporter).build()))
            // A proxy of ours that has begun a trace has also decided whether it is kept.
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(ratio))))
            .with_resource(resource)
            .build();
        ON.store(true, Ordering::Relaxed);
        Ok(Some(Self(provider)))
    }

    /// Takes our own spans, and nothing else that is logged.
    pub(super) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let layer: OpenTelemetryLayer<S, SdkTracer> =
            tracing_opentelemetry::layer().with_tracer(self.0.tracer("doorcode"));
        layer
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_level(false)
            .with_tracked_inactivity(false)
            .with_filter(Afresh(filter_fn(is_ours)))
    }
}

fn is_ours(what: &Metadata<'_>) -> bool {
    what.is_span()
        && (what.target() == TARGET || what.name() == REQUEST && what.target().starts_with("doorcode"))
}

impl Drop for Traces {
    fn drop(&mut self) {
        if let Err(error) = self.0.shutdown() {
            tracing::warn!(%error, "the last spans were not sent");
        }
    }
}

fn are_on() -> bool {
    ON.load(Ordering::Relaxed)
}

/// A step of what is being done: none where nothing is, so that looking around begins no traces.
macro_rules! step {
    ($name:expr, $kind:literal, $($field:tt)*) => {
        if are_on() && !Span::current().is_none() {
            tracing::info_span!(target: TARGET, "step", otel.name = $name, otel.kind = $kind, $($field)*)
        } else {
            Span::none()
        }
    };
}

/// A statement of the database, by name.
pub(crate) fn statement(name: &'static str) -> Span {
    step!(name, "client", db.system.name = "postgresql", db.operation.name = name)
}

/// A call of the code store in Redis, by name.
pub(crate) fn store_call(name: &'static str) -> Span {
    step!(name, "client", db.system.name = "redis", db.operation.name = name)
}

/// Handing a mail to the mail server.
pub(crate) fn send_mail(site: &str) -> Span {
    step!("send mail", "client", site)
}

/// A worker's try to write and send a mail: a trace of its own, as whoever asked for it has long had their answer.
pub(crate) fn mail_try(queue: super::Queue) -> Span {
    if are_on() {
        let queue = queue.as_str();
        tracing::info_span!(target: TARGET, "step", otel.name = "deliver mail", otel.kind = "consumer", queue)
    } else {
        Span::none()
    }
}

/// Puts a request into the trace that the caller's `traceparent` names (W3C Trace Context, section 3.2).
pub(crate) fn continue_trace(request: &Span, traceparent: &str) {
    if are_on() {
        let around =
            TraceContextPropagator::new().extract_with_context(&Context::new(), &Traceparent(traceparent));
        // It was not begun yet, so it has no other.
        let _ = request.set_parent(around);
    }
}

/// Says how a request ended.
pub(crate) fn answered(
    request: &Span,
    operation: &'static str,
    method: &str,
    status: u16,
    site: Option<&str>,
) {
    if !are_on() {
        return;
    }
    request.set_attribute(OPERATION, operation);
    request.set_attribute("http.request.method", super::Method::of(method).as_str());
    request.set_attribute("http.response.status_code", i64::from(status));
    if let Some(site) = site {
        request.set_attribute("site", site.to_owned());
    }
    if status >= 500 {
        request.set_status(Status::error(""));
    }
}

/// The one header.
struct Traceparent<'a>(&'a str);

impl Extractor for Traceparent<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        (key == "traceparent").then_some(self.0)
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent"]
    }
}
