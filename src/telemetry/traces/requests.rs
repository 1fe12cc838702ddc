//! What a request's span is called is known when it ends: here it gets its name, and its kind.
//!
//! As fields of the span both would stand in every line that the log has of the request.

use std::time::Duration;

use opentelemetry::Context;
use opentelemetry::trace::SpanKind;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{BatchSpanProcessor, Span, SpanData, SpanProcessor};

/// The attribute that a request's span has, and no other.
pub(super) const OPERATION: &str = "operation";

/// Gathers spans, those of requests under the name of their operation.
#[derive(Debug)]
pub(super) struct NamingRequests(pub(super) BatchSpanProcessor);

impl SpanProcessor for NamingRequests {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.0.on_start(span, context);
    }

    fn on_end(&self, mut span: SpanData) {
        let operation = span.attributes.iter().find(|attribute| attribute.key.as_str() == OPERATION);
        if let Some(operation) = operation {
            span.name = operation.value.to_string().into();
            span.span_kind = SpanKind::Server;
        }
        self.0.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.0.set_resource(resource);
    }
}
