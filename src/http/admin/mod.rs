//! The admin API: what whoever runs the server works with, by generated clients, the command line and the console.
//!
//! It has a document of its own. Each operation names the scope that it needs as the security scheme that it takes;
//! a caller without it gets no further. Errors are RFC 9457 problems.

mod access_requests;
mod audit;
mod caller;
mod creation;
mod errors;
mod figures;
mod libraries;
mod mail;
mod service_keys;
mod service_role;
mod sessions;
mod signing_keys;
mod staff;
mod strict;
mod users;

use poem::endpoint::BoxEndpoint;
use poem::http::header;
use poem::web::Data;
use poem::{Response, handler};
use poem_openapi::OpenApiService;
use serde_json::{Value, json};

use self::access_requests::AccessRequestsApi;
use self::audit::AuditApi;
pub(super) use self::caller::{Admin, Allowed, Facade, Read, Support};
use self::figures::FiguresApi;
use self::libraries::LibrariesApi;
use self::mail::MailApi;
use self::service_keys::ServiceKeysApi;
use self::service_role::ServiceRoleApi;
use self::sessions::SessionsApi;
use self::signing_keys::SigningKeysApi;
use self::staff::StaffApi;
use self::users::UsersApi;
use super::methods;
use crate::flows::SharedFlows;

/// Where it is served.
pub(super) const PATH: &str = "/admin/v1";

const DESCRIPTION: &str = "For whoever runs this server. Send a service key as `Authorization: Bearer doorcode_sk_…`; \
`doorcode service-key create --direct` makes the first one. A key has a scope, and each operation names the one it \
needs: `read` looks, `support` helps people, `admin` changes accounts and keys; each includes those before it.\n\nLists \
come in parts: send `next` back as `after`. Creations take an `Idempotency-Key`: sent again with the same request within \
24 hours, it creates nothing twice and answers as before. Fields that are not described are refused.";

/// All parts of it.
type Parts = (
    SessionsApi,
    UsersApi,
    LibrariesApi,
    StaffApi,
    AccessRequestsApi,
    MailApi,
    AuditApi,
    FiguresApi,
    SigningKeysApi,
    ServiceKeysApi,
    ServiceRoleApi,
);

fn api(flows: &SharedFlows) -> OpenApiService<Parts, ()> {
    let shared = || SharedFlows::clone(flows);
    let parts = (
        SessionsApi { flows: shared() },
        UsersApi { flows: shared() },
        LibrariesApi { flows: shared() },
        StaffApi { flows: shared() },
        AccessRequestsApi { flows: shared() },
        MailApi { flows: shared() },
        AuditApi { flows: shared() },
        FiguresApi { flows: shared() },
        SigningKeysApi { flows: shared() },
        ServiceKeysApi { flows: shared() },
        ServiceRoleApi { flows: shared() },
    );
    OpenApiService::new(parts, "Doorcode admin", env!("CARGO_PKG_VERSION"))
        .description(DESCRIPTION)
        .license("MIT OR Apache-2.0")
        .server(PATH)
}

/// The API, ready to be nested under [`PATH`].
pub(super) fn service(flows: &SharedFlows) -> BoxEndpoint<'static, Response> {
    methods::service(flows, api)
}

/// The document of the admin API as JSON.
#[must_use]
pub fn document(flows: &SharedFlows) -> String {
    // The description is ours: it parses.
    let mut document: Value = serde_json::from_str(&api(flows).spec()).unwrap_or_default();
    if let Some(schemas) = document["components"]["schemas"].as_object_mut() {
        // What is sent is read strictly. The framework does not say so.
        for (name, schema) in schemas {
            if name.ends_with("Request") {
                schema["additionalProperties"] = json!(false);
            }
        }
    }
    crate::http::openapi::complete(&mut document);
    document.to_string()
}

/// Serves the document. It is public: it says how, never who or what.
#[handler]
#[expect(clippy::needless_pass_by_value, reason = "extractors come by value")]
pub(super) fn show(flows: Data<&SharedFlows>) -> Response {
    Response::builder()
        .content_type("application/json; charset=utf-8")
        .header(header::CACHE_CONTROL, "public, max-age=600")
        .body(document(&flows))
}
