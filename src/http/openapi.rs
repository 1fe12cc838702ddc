//! The OpenAPI document: what client generators and people read.

use poem::http::header;
use poem::web::Data;
use poem::{Response, handler};

use super::auth;
use crate::flows::SharedFlows;

const DESCRIPTION: &str = "Sign-in with a code sent by email. One user base, many sites; each site has its own sessions \
and tokens.\n\nA request says which site it is for by the `apikey` header (the site's publishable key), by the site's \
own host, or by the `Origin` of a listed page; contradictions are refused. Send `X-Supabase-Api-Version: 2024-01-01` to \
get errors as `{\"code\", \"message\"}`.\n\nThe same operations are served at `/auth/v1` and at `/`.";

/// The document as JSON.
#[must_use]
pub fn document(flows: SharedFlows) -> String {
    auth::api(flows).description(DESCRIPTION).license("MIT OR Apache-2.0").server("/auth/v1").spec()
}

/// Serves the document; it is public and may be kept for a while.
#[handler]
#[expect(clippy::needless_pass_by_value, reason = "extractors come by value")]
pub(super) fn show(flows: Data<&SharedFlows>) -> Response {
    Response::builder()
        .content_type("application/json; charset=utf-8")
        .header(header::CACHE_CONTROL, "public, max-age=600")
        .body(document(SharedFlows::clone(&flows)))
}
