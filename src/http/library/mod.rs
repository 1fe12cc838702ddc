//! The library API: what a signed-in person may read and change, with the database as the judge.
//!
//! Handlers here hold no permission logic. Errors are RFC 9457 problems; what can be changed carries a version in `ETag`
//! and wants it back in `If-Match`.

mod access_requests;
mod caller;
mod errors;
mod invitations;
mod libraries;
mod page;
mod preferences;
mod profile;
mod refusals;
mod staff;
mod version;

use poem::Response;
use poem::endpoint::BoxEndpoint;
use poem_openapi::OpenApiService;

pub(super) use self::access_requests::AccessRequestObject;
use self::access_requests::AccessRequestsApi;
pub(super) use self::errors::{described, register_problem, render};
use self::invitations::InvitationsApi;
pub(super) use self::invitations::note;
use self::libraries::LibrariesApi;
pub(super) use self::page::{List, page};
use self::preferences::PreferencesApi;
pub(super) use self::preferences::preferences_change;
use self::profile::ProfileApi;
pub(super) use self::profile::profile_change;
pub(super) use self::staff::Gone;
pub(super) use self::staff::RoleWord;
use self::staff::StaffApi;
pub(super) use self::version::{entity_tag, required};
use super::methods;
use crate::flows::SharedFlows;

/// Where it is served.
pub(super) const PATH: &str = "/api/v1";

/// All parts of it.
type Parts = (ProfileApi, PreferencesApi, LibrariesApi, StaffApi, InvitationsApi, AccessRequestsApi);

/// The API, for the document and for serving.
pub(super) fn api(flows: &SharedFlows) -> OpenApiService<Parts, ()> {
    let shared = || SharedFlows::clone(flows);
    let parts = (
        ProfileApi { flows: shared() },
        PreferencesApi { flows: shared() },
        LibrariesApi { flows: shared() },
        StaffApi { flows: shared() },
        InvitationsApi { flows: shared() },
        AccessRequestsApi { flows: shared() },
    );
    OpenApiService::new(parts, "Doorcode", env!("CARGO_PKG_VERSION"))
}

/// The API, ready to be nested under [`PATH`].
pub(super) fn service(flows: &SharedFlows) -> BoxEndpoint<'static, Response> {
    methods::service(flows, api)
}
