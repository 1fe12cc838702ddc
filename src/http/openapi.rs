//! The OpenAPI document: what client generators and people read.

use poem::http::header;
use poem::web::Data;
use poem::{Response, handler};
use serde_json::{Map, Value};

use super::{auth, library};
use crate::flows::SharedFlows;

const DESCRIPTION: &str = "Sign-in with a code sent by email. One user base, many sites; each site has its own sessions \
and tokens.\n\nA request says which site it is for by the `apikey` header (the site's publishable key), by the site's \
own host, or by the `Origin` of a listed page; contradictions are refused. Send `X-Supabase-Api-Version: 2024-01-01` to \
get errors as `{\"code\", \"message\"}`.\n\nThe operations under `/auth/v1` are served at `/` too, but for \
those of the group Admin.";

/// The document as JSON.
#[must_use]
pub fn document(flows: &SharedFlows) -> String {
    let described = auth::api(flows).description(DESCRIPTION).license("MIT OR Apache-2.0").server("/");
    let parts = [(auth::PATH, described.spec()), (library::PATH, library::api(flows).spec())];
    merge(&parts).to_string()
}

/// One document of parts that are served under different paths; the first says what the whole is.
fn merge(parts: &[(&str, String)]) -> Value {
    let mut whole = Value::Null;
    let mut paths = Map::new();
    let (mut schemas, mut security) = (Map::new(), Map::new());
    for (prefix, part) in parts {
        let Ok(mut part) = serde_json::from_str::<Value>(part) else { continue };
        for (path, operations) in take(&mut part["paths"]) {
            paths.insert(format!("{prefix}{path}"), operations);
        }
        schemas.extend(take(&mut part["components"]["schemas"]));
        security.extend(take(&mut part["components"]["securitySchemes"]));
        if whole.is_null() {
            whole = part;
        } else if let (Some(all), Value::Array(more)) = (whole["tags"].as_array_mut(), part["tags"].take()) {
            all.extend(more);
        }
    }
    whole["paths"] = Value::Object(paths);
    whole["components"]["schemas"] = Value::Object(schemas);
    whole["components"]["securitySchemes"] = Value::Object(security);
    whole
}

fn take(value: &mut Value) -> Map<String, Value> {
    match value.take() {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

/// Serves the document; it is public and may be kept for a while.
#[handler]
#[expect(clippy::needless_pass_by_value, reason = "extractors come by value")]
pub(super) fn show(flows: Data<&SharedFlows>) -> Response {
    Response::builder()
        .content_type("application/json; charset=utf-8")
        .header(header::CACHE_CONTROL, "public, max-age=600")
        .body(document(&flows))
}
