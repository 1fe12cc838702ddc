//! A line of the log as JSON, with what an error came from.
//!
//! The formatter that comes with tracing-subscriber takes an error's own words and leaves out its causes, which its text
//! lines do not. They are what says why "the code store is unavailable": no connection, no answer in time, or a rest.

use std::error::Error;
use std::fmt;

use serde::ser::{SerializeMap as _, Serializer as _};
use serde_json::ser::{CompactFormatter, Compound};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// One flat object a line: `timestamp`, `level`, the event's fields, and the span around it.
pub(super) struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut timestamp = String::new();
        SystemTime.format_time(&mut Writer::new(&mut timestamp))?;
        let mut line = Vec::with_capacity(512);
        let mut json = serde_json::Serializer::new(&mut line);
        let written = json.serialize_map(None).and_then(|mut map| {
            map.serialize_entry("timestamp", &timestamp)?;
            map.serialize_entry("level", event.metadata().level().as_str())?;
            let mut fields = Fields { map, written: Ok(()) };
            event.record(&mut fields);
            fields.written?;
            let mut map = fields.map;
            if let Some(span) = context.lookup_current() {
                // They were written as an object when the span began.
                let extensions = span.extensions();
                let fields = extensions.get::<FormattedFields<N>>();
                let fields = fields.and_then(|fields| serde_json::from_str(fields).ok());
                let mut fields: serde_json::Map<_, _> = fields.unwrap_or_default();
                fields.insert("name".to_owned(), span.name().into());
                map.serialize_entry("span", &fields)?;
            }
            map.end()
        });
        written.map_err(|_| fmt::Error)?;
        writeln!(writer, "{}", std::str::from_utf8(&line).map_err(|_| fmt::Error)?)
    }
}

/// The fields of an event, one after the other into an object.
struct Fields<'a> {
    map: Compound<'a, &'a mut Vec<u8>, CompactFormatter>,
    written: serde_json::Result<()>,
}

impl Fields<'_> {
    fn write(&mut self, field: &Field, value: &(impl serde::Serialize + ?Sized)) {
        if self.written.is_ok() {
            self.written = self.map.serialize_entry(field.name(), value);
        }
    }
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.write(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.write(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.write(field, &value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.write(field, &value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.write(field, &value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.write(field, &value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let mut words = value.to_string();
        let mut cause = value.source();
        while let Some(error) = cause {
            let more = error.to_string();
            // Some say what came from their cause as their own.
            if !words.ends_with(&more) {
                words.extend([": ", &more]);
            }
            cause = error.source();
        }
        self.write(field, &words);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use tracing_subscriber::fmt::format::JsonFields;

    use super::*;
    use crate::ports::{Dependency, PortError};
    use crate::telemetry::written::Written;

    #[test]
    fn a_line_says_what_an_error_came_from_and_in_which_request() {
        let written = Written::default();
        let into = written.clone();
        let lines = tracing_subscriber::fmt().fmt_fields(JsonFields::new()).event_format(JsonLines);
        tracing::subscriber::with_default(lines.with_writer(move || into.clone()).finish(), || {
            let _request = tracing::info_span!("request", id = "7").entered();
            let error = PortError::unavailable(Dependency::CodeStore, Error::from(ErrorKind::TimedOut));
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                wait.ms = 3,
                is_last = true,
                "no \"luck\""
            );
        });
        let text = written.text();
        assert_eq!(text.lines().count(), 1, "{text}");
        let line: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(line["error"], "the code store is unavailable: timed out");
        assert_eq!(line["span"], serde_json::json!({"name": "request", "id": "7"}));
        assert_eq!((&line["level"], &line["message"]), (&"WARN".into(), &"no \"luck\"".into()));
        assert_eq!((&line["wait.ms"], &line["is_last"]), (&3.into(), &true.into()));
        assert!(line["timestamp"].as_str().is_some_and(|at| at.ends_with('Z')), "{text}");
    }
}
