//! The schemas of a document, in words: which fields there are, of what type, and a value to begin with.

use serde::Serialize;
use serde_json::{Map, Value, json};

/// How deep fields within fields are told.
const MAX_DEPTH: usize = 3;

/// The schemas that a document names.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schemas<'a>(&'a Value);

/// A field of an object, or of an object within it.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Field {
    /// With the names of the fields around it.
    name: String,
    #[serde(rename = "type")]
    kind: String,
    required: bool,
    about: String,
}

impl<'a> Schemas<'a> {
    pub(super) fn of(document: &'a Value) -> Self {
        Self(&document["components"]["schemas"])
    }

    /// What a schema says itself, or under the name that it gives.
    fn resolve(self, schema: &'a Value) -> &'a Value {
        let named = schema["$ref"].as_str().or_else(|| schema["allOf"][0]["$ref"].as_str());
        let name = named.and_then(|path| path.rsplit('/').next());
        name.map_or(schema, |name| &self.0[name])
    }

    /// A type in words.
    pub(super) fn name_of(self, schema: &'a Value) -> String {
        let schema = self.resolve(schema);
        match schema["type"].as_str() {
            Some("array") => format!("list of {}", self.name_of(&schema["items"])),
            Some(_) if schema["enum"].is_array() => self.words_of(schema).join(" | "),
            Some(kind) => match schema["format"].as_str().filter(|format| *format != "int64") {
                Some(format) => format!("{kind} ({format})"),
                None => kind.to_owned(),
            },
            None => "anything".to_owned(),
        }
    }

    /// The values that it may have, where they can be counted.
    pub(super) fn words_of(self, schema: &'a Value) -> Vec<String> {
        let words = self.resolve(schema)["enum"].as_array().into_iter().flatten();
        words.filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// The fields of an object, and of the objects within.
    pub(super) fn fields_of(self, schema: &'a Value) -> Vec<Field> {
        let mut fields = Vec::new();
        self.add_fields(schema, "", &mut fields);
        fields
    }

    fn add_fields(self, schema: &'a Value, around: &str, fields: &mut Vec<Field>) {
        let mut schema = self.resolve(schema);
        if schema["type"] == "array" {
            schema = self.resolve(&schema["items"]);
        }
        let is_required = |name: &str| {
            schema["required"].as_array().is_some_and(|required| required.iter().any(|one| one == name))
        };
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            let whole = format!("{around}{name}");
            let about = [&field["description"], &self.resolve(field)["description"]];
            fields.push(Field {
                kind: self.name_of(field),
                required: is_required(name),
                about: about.into_iter().find_map(Value::as_str).unwrap_or_default().replace('`', ""),
                name: whole.clone(),
            });
            if around.matches('.').count() < MAX_DEPTH {
                self.add_fields(field, &format!("{whole}."), fields);
            }
        }
    }

    /// What a body may be, by its example, or has to hold at least, as text.
    pub(super) fn sample_of(self, schema: &'a Value) -> String {
        serde_json::to_string_pretty(&self.sample(schema, 0)).unwrap_or_default()
    }

    fn sample(self, schema: &'a Value, depth: usize) -> Value {
        let schema = self.resolve(schema);
        if !schema["example"].is_null() {
            return schema["example"].clone();
        }
        if let Some(first) = schema["enum"].as_array().and_then(|words| words.first()) {
            return first.clone();
        }
        match (schema["type"].as_str(), schema["format"].as_str()) {
            (Some("object"), _) if depth <= MAX_DEPTH => {
                let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
                let field =
                    |name: &str| (name.to_owned(), self.sample(&schema["properties"][name], depth + 1));
                Value::Object(required.map(field).collect::<Map<_, _>>())
            }
            (Some("array"), _) => json!([]),
            (Some("integer" | "number"), _) => json!(0),
            (Some("boolean"), _) => json!(false),
            (Some("string"), _) => json!(""),
            _ => Value::Null,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_within_fields_are_told_and_a_schema_within_itself_ends() {
        let document = json!({"components": {"schemas": {
            "List": {"type": "object", "required": ["items"], "properties": {
                "items": {"type": "array", "items": {"$ref": "#/components/schemas/One"}},
            }},
            "One": {"type": "object", "properties": {
                "scope": {"allOf": [{"$ref": "#/components/schemas/Scope"}], "description": "How far."},
                "self": {"$ref": "#/components/schemas/One"},
            }},
            "Scope": {"type": "string", "enum": ["read", "admin"]},
            "Wish": {"type": "object", "required": ["scope"], "example": {"scope": "admin"}},
        }}});
        let schemas = Schemas::of(&document);
        let list = json!({"$ref": "#/components/schemas/List"});
        let fields = schemas.fields_of(&list);
        assert_eq!((fields[0].name.as_str(), fields[0].kind.as_str()), ("items", "list of object"));
        let scope = Field {
            name: "items.scope".to_owned(),
            kind: "read | admin".to_owned(),
            required: false,
            about: "How far.".to_owned(),
        };
        assert_eq!(fields[1], scope);
        assert!(fields.len() < 20, "{} fields", fields.len());
        assert_eq!(schemas.sample_of(&list), "{\n  \"items\": []\n}");
        let wish = json!({"$ref": "#/components/schemas/Wish"});
        assert_eq!(schemas.sample_of(&wish), "{\n  \"scope\": \"admin\"\n}");
    }
}
