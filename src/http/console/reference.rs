//! The reference of the two APIs, made from their documents: every operation with what it takes and answers, and a form to
//! try it.
//!
//! Made here, and not by one of the known viewers: they are 0.6 to 3 MB of somebody else's script, need styles that are
//! written into the page, and would run where administrators are signed in. This one adds a template and 5 KB of script.

use std::collections::BTreeMap;

use poem::http::StatusCode;
use poem::{Response, Result, handler};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::schema::Schemas;
use super::view::View;
use super::visit::Visit;
use crate::http::{admin, openapi};

/// The methods that a path can have, in the order in which they are shown.
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// The reference of the admin API.
#[handler]
pub(super) fn show_admin(visit: Visit) -> Result<Response> {
    let document = admin::document(&visit.flows);
    show(visit, &document, "admin")
}

/// The reference of the API that sites and their clients use.
#[handler]
pub(super) fn show_public(visit: Visit) -> Result<Response> {
    let document = openapi::document(&visit.flows);
    show(visit, &document, "public")
}

fn show(visit: Visit, document: &str, which: &str) -> Result<Response> {
    // Ours: it parses.
    let document: Value = serde_json::from_str(document).unwrap_or_default();
    let values = json!({
        "which": which, "about": prose(&document["info"]["description"]), "version": document["info"]["version"],
        "groups": groups(&document),
    });
    let view = View { template: "reference", title: "API reference".to_owned(), values };
    visit.show_as(StatusCode::OK, &view)
}

/// Operations of one kind.
#[derive(Debug, Serialize)]
struct Group<'a> {
    name: &'a str,
    about: Vec<Vec<Words>>,
    operations: Vec<Operation<'a>>,
}

#[derive(Debug, Serialize)]
struct Operation<'a> {
    id: &'a str,
    method: String,
    /// Whole, from the host's root.
    path: String,
    summary: &'a str,
    about: Vec<Vec<Words>>,
    /// The narrowest scope that it takes, on the admin API.
    scope: Option<String>,
    parameters: Vec<Value>,
    /// The fields of its body, and one to begin with.
    body: Option<Value>,
    answers: Vec<Value>,
}

/// A stretch of text.
#[derive(Debug, PartialEq, Serialize)]
struct Words {
    text: String,
    is_code: bool,
}

fn groups(document: &Value) -> Vec<Group<'_>> {
    let schemas = Schemas::of(document);
    let server = document["servers"][0]["url"].as_str().unwrap_or_default().trim_end_matches('/');
    let mut by_tag: BTreeMap<&str, Vec<Operation<'_>>> = BTreeMap::new();
    for (path, operations) in document["paths"].as_object().into_iter().flatten() {
        for method in METHODS {
            let Some(operation) = operations.get(method) else { continue };
            let tag = operation["tags"][0].as_str().unwrap_or("Other");
            let path = format!("{server}{path}");
            by_tag.entry(tag).or_default().push(Operation::of(method, path, operation, schemas));
        }
    }
    let about = |name: &str| {
        let tags = document["tags"].as_array().into_iter().flatten();
        tags.into_iter()
            .find(|tag| tag["name"] == name)
            .map_or_else(Vec::new, |tag| prose(&tag["description"]))
    };
    by_tag.into_iter().map(|(name, operations)| Group { name, about: about(name), operations }).collect()
}

impl<'a> Operation<'a> {
    fn of(method: &str, path: String, operation: &'a Value, schemas: Schemas<'a>) -> Self {
        let text = |key: &str| operation[key].as_str().unwrap_or_default();
        let needs = operation["security"].as_array().into_iter().flatten().filter_map(Value::as_object);
        let scope = needs.flat_map(Map::keys).find_map(|name| name.strip_prefix("ServiceKey"));
        let parameters = operation["parameters"].as_array().into_iter().flatten().map(|parameter| {
            json!({
                "name": parameter["name"], "in": parameter["in"], "required": parameter["required"],
                "about": prose(&parameter["description"]), "type": schemas.name_of(&parameter["schema"]),
                "words": schemas.words_of(&parameter["schema"]),
            })
        });
        let body = content(&operation["requestBody"])
            .map(|schema| json!({"fields": schemas.fields_of(schema), "sample": schemas.sample_of(schema)}));
        let answers = operation["responses"].as_object().into_iter().flatten().map(|(status, answer)| {
            let fields = content(answer).filter(|_| status.starts_with('2'));
            json!({
                "status": status, "about": prose(&answer["description"]),
                "fields": fields.map(|schema| schemas.fields_of(schema)),
            })
        });
        Self {
            id: text("operationId"),
            method: method.to_uppercase(),
            path,
            summary: text("summary"),
            about: prose(&operation["description"]),
            scope: scope.map(str::to_lowercase),
            parameters: parameters.collect(),
            body,
            answers: answers.collect(),
        }
    }
}

/// The schema of what is sent or answered.
fn content(part: &Value) -> Option<&Value> {
    part["content"].as_object()?.values().next().map(|media| &media["schema"])
}

/// Paragraphs, with what stands between backticks set apart.
fn prose(text: &Value) -> Vec<Vec<Words>> {
    let text = text.as_str().unwrap_or_default();
    let paragraphs = text.split("\n\n").map(str::trim).filter(|paragraph| !paragraph.is_empty());
    let words = |(place, text): (usize, &str)| Words { text: text.to_owned(), is_code: place % 2 == 1 };
    paragraphs.map(|paragraph| paragraph.split('`').enumerate().map(words).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_told_from_code_and_parted_into_paragraphs() {
        let words = |text: &str, is_code| Words { text: text.to_owned(), is_code };
        let made = prose(&json!("Send `next` back.\n\n\n<b>x"));
        let first = vec![words("Send ", false), words("next", true), words(" back.", false)];
        assert_eq!(made, vec![first, vec![words("<b>x", false)]]);
        assert!(prose(&Value::Null).is_empty());
    }

    #[test]
    fn an_operation_tells_its_scope_its_fields_and_a_body_to_begin_with() {
        let document = json!({
            "servers": [{"url": "/admin/v1"}],
            "tags": [{"name": "Things", "description": "Of all kinds."}],
            "paths": {"/things": {"post": {
                "tags": ["Things"], "operationId": "makeThing", "summary": "Make a thing",
                "security": [{"ServiceKeyAdmin": []}],
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}},
                "responses": {"201": {"description": "The thing"}, "403": {"description": "No"}},
            }}},
            "components": {"schemas": {"Thing": {
                "type": "object", "required": ["name"],
                "properties": {"name": {"type": "string"}, "size": {"type": "integer", "format": "int64"}},
            }}},
        });
        let groups = groups(&document);
        let operation = &groups[0].operations[0];
        assert_eq!((operation.path.as_str(), operation.method.as_str()), ("/admin/v1/things", "POST"));
        assert_eq!(operation.scope.as_deref(), Some("admin"));
        let body = operation.body.as_ref().unwrap();
        assert_eq!(body["sample"], "{\n  \"name\": \"\"\n}");
        assert_eq!(body["fields"].as_array().unwrap().len(), 2);
        assert_eq!(operation.answers.len(), 2);
    }
}
