//! Who administers by the wire: the bearer is a service key or a token of the role `service_role`.

use crate::flows::AdminError;
use crate::http::Problem;
use crate::http::admin::{Allowed, Facade};

/// An administrator whose scope includes the one that the operation needs.
pub(super) type By<S> = Allowed<Wire, S>;

/// The wire.
pub(super) struct Wire;

impl Facade for Wire {
    const NO_KEY: &str = "This endpoint requires a valid Bearer token";

    fn refusal(error: AdminError) -> Problem {
        error.into()
    }
}
