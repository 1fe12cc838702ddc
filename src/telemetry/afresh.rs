//! A filter of one layer that is asked each time.
//!
//! Of what every layer always takes, tracing remembers that, and asks no filter. It then goes by what the filters said last
//! on that thread, and where somebody only asked whether something is on (sqlx does, for each statement) that was about
//! something else: the next span or line would be lost. A filter that never says "always" is asked, and right.

use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Filter};

/// As the filter inside, asked each time.
pub(super) struct Afresh<F>(pub(super) F);

impl<S, F: Filter<S>> Filter<S> for Afresh<F> {
    fn enabled(&self, what: &Metadata<'_>, context: &Context<'_, S>) -> bool {
        self.0.enabled(what, context)
    }

    fn callsite_enabled(&self, what: &'static Metadata<'static>) -> Interest {
        let interest = self.0.callsite_enabled(what);
        if interest.is_never() { interest } else { Interest::sometimes() }
    }

    fn event_enabled(&self, event: &Event<'_>, context: &Context<'_, S>) -> bool {
        self.0.event_enabled(event, context)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        self.0.max_level_hint()
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        self.0.on_new_span(attributes, id, context);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        self.0.on_record(id, values, context);
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        self.0.on_enter(id, context);
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        self.0.on_exit(id, context);
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        self.0.on_close(id, context);
    }
}
