//! HTTP and nothing else: read a request, call one flow, write the answer.

mod admin;
mod admission;
mod auth;
mod body;
mod console;
mod cors;
mod edge;
mod forward_auth;
mod health;
pub mod inbox;
mod library;
mod methods;
mod openapi;
pub mod pages;
mod problem;
mod serve;
mod site;
mod timestamp;
mod visitor;
pub mod watch;

use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use poem::endpoint::BoxEndpoint;
use poem::middleware::CatchPanic;
use poem::{Endpoint, EndpointExt, Response, Route};

pub use self::admin::document as admin_document;
pub use self::openapi::document;
pub use self::pages::{LookError, Pages};
pub use self::problem::Problem;
pub use self::serve::Limits as ConnectionLimits;
pub(crate) use self::serve::serve;
use crate::flows::{AdminCaller, SharedFlows};

/// What HTTP needs besides the flows.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// Networks of the proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Largest request body, in octets.
    pub body_limit: usize,
    /// Longest target of a request, in octets.
    pub url_limit: usize,
    /// Longest a request may take.
    pub request_timeout: Duration,
    /// Tell browsers to come back by TLS only.
    pub strict_transport: bool,
}

/// The admin API for a caller in this process who holds the configuration: what a command or a console works with.
#[must_use]
pub fn operator_api(flows: &SharedFlows, settings: HttpSettings) -> BoxEndpoint<'static, Response> {
    Route::new()
        .nest(admin::PATH, admin::service(flows))
        .around(edge::answer_problems)
        .data(SharedFlows::clone(flows))
        .data(AdminCaller::operator())
        .data(Arc::new(settings))
        .boxed()
}

/// Every route, and around them, from the outside in: the log line and the headers of every answer; cross-origin rules;
/// errors in the shape that the caller reads; what no handler should have to think of; the deadline.
pub fn routes(
    flows: SharedFlows,
    pages: Arc<Pages>,
    settings: HttpSettings,
) -> impl Endpoint<Output = Response> {
    let settings = Arc::new(settings);
    // The same API at both places: clients of one kind are given `…/auth/v1`, those of the other the bare host.
    console::add(pages::add(Route::new()))
        .at("/openapi.json", methods::get(openapi::show))
        .at("/admin/openapi.json", methods::get(admin::show))
        .nest(admin::PATH, admin::service(&flows))
        .nest(library::PATH, library::service(&flows))
        .nest(auth::PATH, auth::service(&flows))
        .nest("/", pages::before(auth::bare_service(&flows)))
        .with(CatchPanic::new().with_handler(edge::PanicToProblem))
        .around(edge::deadline)
        .around(admission::admit)
        .around(edge::answer_problems)
        .around(cors::allow)
        .around(edge::log_and_protect)
        .data(console::AdminApi::of(&flows))
        .data(flows)
        .data(pages)
        .data(settings)
}
