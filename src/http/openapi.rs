//! The OpenAPI document: what client generators and people read.

use poem::http::header;
use poem::web::Data;
use poem::{Response, handler};
use serde_json::{Map, Value, json};

use super::{auth, library};
use crate::flows::SharedFlows;

const DESCRIPTION: &str = "Sign-in with a code sent by email. One user base, many sites; each site has its own sessions \
and tokens.\n\nA request says which site it is for by the `apikey` header (the site's publishable key), by the site's \
own host, or by the `Origin` of a listed page; contradictions are refused. Send `X-Supabase-Api-Version: 2024-01-01` to \
get errors as `{\"code\", \"message\"}`.\n\nThe operations under `/auth/v1` are served at `/` too, but for \
those of the group Admin.";

const LICENSE_URL: &str = "https://spdx.org/licenses/";

/// The document as JSON.
#[must_use]
pub fn document(flows: &SharedFlows) -> String {
    let described = auth::api(flows).description(DESCRIPTION).license("MIT OR Apache-2.0").server("/");
    let parts = [(auth::PATH, described.spec()), (library::PATH, library::api(flows).spec())];
    let mut document = merge(&parts);
    // Nobody is signed in: the framework describes the object that there is otherwise.
    document["components"]["schemas"]["PageSession"]["nullable"] = true.into();
    complete(&mut document);
    document.to_string()
}

/// Says in a document, ours or the admin API's, what the framework leaves to be guessed.
pub(super) fn complete(document: &mut Value) {
    document["info"]["license"]["url"] = LICENSE_URL.into();
    let operations = document["paths"].as_object_mut().into_iter().flat_map(|paths| paths.values_mut());
    for operation in operations.filter_map(Value::as_object_mut).flat_map(|methods| methods.values_mut()) {
        // Open to everybody. A document that is silent may also mean that somebody forgot.
        if operation["security"].is_null() {
            operation["security"] = json!([]);
        }
    }
    for schema in
        document["components"]["schemas"].as_object_mut().into_iter().flat_map(|all| all.values_mut())
    {
        describe_properties(schema);
    }
}

/// What an object need not have may be null too: we write it so, and read both alike. A schema without a type of its
/// own cannot say it (OpenAPI 3.0.3 §4.7.24.1).
fn describe_properties(schema: &mut Value) {
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    for (name, property) in schema.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten()
    {
        let optional = !required.iter().any(|one| one == name) && property["default"].is_null();
        if optional && property["type"].is_string() {
            property["nullable"] = true.into();
        }
        // The framework says the description twice, and generators take the second time for a type.
        if let Some(all) = property.get_mut("allOf").and_then(Value::as_array_mut) {
            all.retain(|part| !part["$ref"].is_null());
        }
    }
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
