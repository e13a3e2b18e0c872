//! Makes the document complete: a description for every field, an example for every body and answer.
//!
//! What a declaration says itself stays; what it leaves out comes from the glossary and from the schema. So the document cannot go
//! stale, and an example cannot show a field that is not there.

use serde_json::{Map, Value, json};

use super::glossary;

/// Deepest nesting of an example.
const EXAMPLE_DEPTH_MAX: usize = 12;

/// Adds what is missing.
pub(super) fn complete(document: &mut Value) {
    if let Some(schemas) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut) {
        schemas.values_mut().for_each(describe_fields);
    }
    let schemas = document.pointer("/components/schemas").cloned().unwrap_or_default();
    for operation in operations_mut(document) {
        if let Some(parameters) = operation.get_mut("parameters").and_then(Value::as_array_mut) {
            parameters.iter_mut().for_each(|parameter| describe_parameter(parameter, &schemas));
        }
        if let Some(body) = operation.get_mut("requestBody") {
            contents(body).for_each(|content| show(content, &schemas));
        }
        let answers = operation.get_mut("responses").and_then(Value::as_object_mut);
        for answer in answers.into_iter().flat_map(|answers| answers.values_mut()) {
            contents(answer).for_each(|content| show(content, &schemas));
        }
    }
}

fn operations_mut(document: &mut Value) -> impl Iterator<Item = &mut Value> {
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    let items = paths.into_iter().flat_map(|paths| paths.values_mut());
    items
        .filter_map(Value::as_object_mut)
        .flat_map(|item| item.values_mut())
        .filter(|value| value.is_object())
}

/// What a body or an answer may be, by content type.
fn contents(holder: &mut Value) -> impl Iterator<Item = &mut Map<String, Value>> {
    let kinds = holder.get_mut("content").and_then(Value::as_object_mut);
    kinds.into_iter().flat_map(|kinds| kinds.values_mut()).filter_map(Value::as_object_mut)
}

/// Gives each field without a description the one of the glossary.
fn describe_fields(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else { return };
    if let Some(fields) = object.get_mut("properties").and_then(Value::as_object_mut) {
        for (name, field) in fields.iter_mut() {
            let Some(members) = field.as_object_mut() else { continue };
            if !members.contains_key("description")
                && let Some((_, about, _)) = glossary::word(name)
            {
                members.insert("description".into(), (*about).into());
            }
            describe_fields(field);
        }
    }
    for list in ["allOf", "anyOf", "oneOf"] {
        object.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten().for_each(describe_fields);
    }
    if let Some(items) = object.get_mut("items") {
        describe_fields(items);
    }
}

fn describe_parameter(parameter: &mut Value, schemas: &Value) {
    if parameter.get("description").is_some() {
        return;
    }
    let schema = parameter.get("schema").map(|schema| resolved(schema, schemas));
    let own = schema.and_then(|schema| schema.get("description")).and_then(Value::as_str);
    let name = parameter.get("name").and_then(Value::as_str).unwrap_or("");
    let about = own.or_else(|| glossary::word(name).map(|(_, about, _)| *about)).map(str::to_owned);
    if let (Some(about), Some(members)) = (about, parameter.as_object_mut()) {
        members.insert("description".into(), about.into());
    }
}

/// Adds an example to a body or an answer that has none.
fn show(content: &mut Map<String, Value>, schemas: &Value) {
    if content.contains_key("example") || content.contains_key("examples") {
        return;
    }
    if let Some(schema) = content.get("schema") {
        let example = example(schema, schemas, "", 0);
        content.insert("example".into(), example);
    }
}

fn resolved<'a>(schema: &'a Value, schemas: &'a Value) -> &'a Value {
    let name = schema.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next());
    name.and_then(|name| schemas.get(name)).unwrap_or(schema)
}

/// A value of a schema.
fn example(schema: &Value, schemas: &Value, name: &str, depth: usize) -> Value {
    if depth > EXAMPLE_DEPTH_MAX {
        return Value::Null;
    }
    let own = |place: &Value| {
        let first =
            place.get("examples").and_then(|examples| examples.get(0)).or_else(|| place.get("example"));
        first.or_else(|| place.get("const")).cloned()
    };
    let target = resolved(schema, schemas);
    if let Some(value) = own(schema).or_else(|| own(target)) {
        return value;
    }
    if let Some(value) = target.get("enum").and_then(|words| words.get(0)) {
        return value.clone();
    }
    let word = glossary::word(name).and_then(|(.., value)| serde_json::from_str::<Value>(value).ok());
    if let Some(word) = word.filter(|word| fits(word, target)) {
        return word;
    }
    for list in ["oneOf", "anyOf"] {
        let shapes = target.get(list).and_then(Value::as_array).into_iter().flatten();
        if let Some(shape) = shapes.into_iter().find(|shape| shape.get("type") != Some(&json!("null"))) {
            return example(shape, schemas, name, depth + 1);
        }
    }
    match kind(target) {
        "array" => {
            let item = target.get("items").map(|items| example(items, schemas, singular(name), depth + 1));
            Value::Array(item.into_iter().collect())
        }
        "string" => text(target),
        "integer" | "number" => {
            target.get("minimum").filter(|least| least.is_u64()).cloned().unwrap_or(json!(1))
        }
        "boolean" => true.into(),
        "null" => Value::Null,
        _ => object(target, schemas, depth),
    }
}

fn object(schema: &Value, schemas: &Value, depth: usize) -> Value {
    let mut members = Map::new();
    for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
        if let Value::Object(more) = example(part, schemas, "", depth + 1) {
            members.extend(more);
        }
    }
    for (name, field) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        members.insert(name.clone(), example(field, schemas, name, depth + 1));
    }
    Value::Object(members)
}

fn text(schema: &Value) -> Value {
    match schema.get("format").and_then(Value::as_str) {
        Some("date-time") => "2026-11-26T18:00:00.000Z".into(),
        Some("date") => "2026-11-26".into(),
        _ => "…".into(),
    }
}

/// The first type that is not null; of a schema without one, what its keywords tell.
fn kind(schema: &Value) -> &str {
    match schema.get("type") {
        Some(Value::String(kind)) => kind,
        Some(Value::Array(kinds)) => {
            kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null").unwrap_or("null")
        }
        _ => "object",
    }
}

/// Whether a word of the glossary is of the schema's type, as far as an example must know.
fn fits(word: &Value, schema: &Value) -> bool {
    let kinds: Vec<&str> = match schema.get("type") {
        Some(Value::String(kind)) => vec![kind],
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => return false,
    };
    let of = match word {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_u64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        // An empty list shows less than one of the schema's items.
        Value::Array(items) if items.is_empty() => return false,
        Value::Array(_) => return kinds.contains(&"array") && !has_items_of_their_own(schema),
        Value::Object(_) => return kinds.contains(&"object") && schema.get("properties").is_none(),
    };
    kinds.contains(&of) || (of == "integer" && kinds.contains(&"number"))
}

fn has_items_of_their_own(schema: &Value) -> bool {
    let items = schema.get("items");
    items.is_some_and(|items| items.get("$ref").is_some() || items.get("properties").is_some())
}

fn singular(name: &str) -> &str {
    name.strip_suffix('s').unwrap_or(name)
}

/// What is still missing.
#[cfg(test)]
pub(super) fn faults(document: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    let schemas = document.pointer("/components/schemas").unwrap();
    for (name, schema) in schemas.as_object().unwrap() {
        undescribed(name, schema, schemas, &mut faults);
    }
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                if parameter.get("description").is_none() {
                    faults.push(format!(
                        "{method} {path}: the parameter {} has no description",
                        parameter["name"]
                    ));
                }
            }
        }
    }
    faults
}

#[cfg(test)]
fn undescribed(place: &str, schema: &Value, schemas: &Value, faults: &mut Vec<String>) {
    for (name, field) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let shapes = ["oneOf", "anyOf", "allOf"].map(|list| field.get(list).and_then(Value::as_array));
        let mut said = shapes.into_iter().flatten().flatten().chain([field]);
        if !said.any(|shape| {
            shape.get("description").is_some() || resolved(shape, schemas).get("description").is_some()
        }) {
            let fix = "write a doc comment, or a line in endpoint/glossary/";
            faults.push(format!("{place}.{name} has no description: {fix}"));
        }
        undescribed(&format!("{place}.{name}"), field, schemas, faults);
    }
    for list in ["allOf", "anyOf", "oneOf"] {
        for part in schema.get(list).and_then(Value::as_array).into_iter().flatten() {
            undescribed(place, part, schemas, faults);
        }
    }
    if let Some(items) = schema.get("items") {
        undescribed(&format!("{place}[]"), items, schemas, faults);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_comes_from_the_glossary_and_the_schema() {
        let mut document = json!({
            "paths": {"/v1/things": {"get": {
                "parameters": [{"name": "agent_id", "in": "query", "schema": {"type": "string"}}],
                "responses": {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Things"}}}}},
            }}},
            "components": {"schemas": {
                "Things": {"type": "object", "properties": {"items": {"type": "array", "items": {"$ref": "#/components/schemas/Thing"}}}},
                "Thing": {"allOf": [
                    {"type": "object", "properties": {"log_index": {"type": "integer"}, "seen": {"type": ["string", "null"], "format": "date-time"}}},
                    {"type": "object", "properties": {"colour": {"enum": ["red"]}, "name": {"type": "string", "description": "Own."}}},
                ]},
            }},
        });
        complete(&mut document);
        let get = &document["paths"]["/v1/things"]["get"];
        assert_eq!(get["parameters"][0]["description"], "The agent.");
        let thing = json!({"log_index": 4711, "seen": "2026-11-26T18:00:00.000Z", "colour": "red", "name": "Billing bot"});
        assert_eq!(
            get["responses"]["200"]["content"]["application/json"]["example"],
            json!({"items": [thing]})
        );
        assert_eq!(
            document["components"]["schemas"]["Thing"]["allOf"][1]["properties"]["name"]["description"],
            "Own."
        );
        assert_eq!(
            faults(&document).iter().filter(|fault| fault.contains("has no description")).count(),
            2,
            "seen and colour: {:?}",
            faults(&document)
        );
    }
}
