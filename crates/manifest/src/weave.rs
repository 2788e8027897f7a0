//! Weaving the schemas of connectors into that of a manifest.
//!
//! The draft has one open definition for each role (`source`, `stream_sink` …). Here it becomes a
//! choice by `type`, with a branch for each connector, so that an editor completes its keys and the
//! checker complains about them with their places. What the open definition says of keys that every
//! connector has, such as `id`, is said in every branch.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::nearest::listed;

/// A role that connectors play.
pub(crate) struct Role<'a> {
    /// The name of its open definition.
    pub(crate) def: &'a str,
    /// What a person calls it: the checker's word for the choice.
    pub(crate) choice: &'a str,
    /// Whether the connector's keys stand under `config` and not beside `type`.
    pub(crate) nested: bool,
}

/// Replaces the open definition of a role by a choice of its connectors.
pub(crate) fn weave(root: &mut Value, role: &Role<'_>, connectors: &BTreeMap<String, Value>) {
    let Some(defs) = root.get_mut("$defs").and_then(Value::as_object_mut) else { return };
    let open = if role.nested { "/properties/config/properties" } else { "/properties" };
    let ours = defs.get(role.def).and_then(|def| def.pointer(open)).and_then(Value::as_object);
    let mut ours = ours.cloned().unwrap_or_default();
    ours.remove("type");
    let mut branches = Vec::new();
    for (kind, schema) in connectors {
        let mut ours = ours.clone();
        if let Some(Value::Object(id)) = ours.get_mut("id") {
            id.insert("default".to_owned(), json!(kind));
        }
        let name = format!("{}.{kind}", role.def);
        let branch = if role.nested {
            let config = format!("{name}.config");
            let schema = adopt(defs, &config, schema, &ours);
            let branch = around(&schema, &config);
            defs.insert(config, schema);
            with_type(branch, kind)
        } else {
            with_type(adopt(defs, &name, schema, &ours), kind)
        };
        branches.push(json!({ "$ref": format!("#/$defs/{name}") }));
        defs.insert(name, branch);
    }
    if let Some(Value::Object(def)) = defs.get_mut(role.def) {
        def.insert("x-flowglass-choice".to_owned(), json!(role.choice));
        if branches.is_empty() {
            def.insert("not".to_owned(), json!({}));
        } else {
            def.remove("properties");
            def.remove("additionalProperties");
            def.insert("oneOf".to_owned(), Value::Array(branches));
        }
    }
}

/// A connector's schema as a part of ours: its definitions under names of their own, and our keys in
/// place of its keys of the same names.
fn adopt(
    defs: &mut Map<String, Value>,
    name: &str,
    schema: &Value,
    ours: &Map<String, Value>,
) -> Value {
    let mut schema = schema.clone();
    prefix_refs(&mut schema, name);
    if let Some(schema) = schema.as_object_mut() {
        if let Some(Value::Object(inner)) = schema.remove("$defs") {
            let inner = inner.into_iter().map(|(key, value)| (format!("{name}.{key}"), value));
            defs.extend(inner);
        }
        schema.remove("$schema");
        add(schema, ours);
    }
    schema
}

/// The schema of a mapping with `config`, which is needed when the connector needs any key.
fn around(config: &Value, name: &str) -> Value {
    let needed = config.get("required").and_then(Value::as_array).into_iter().flatten();
    let needed: Vec<&str> = needed.filter_map(Value::as_str).collect();
    let about = match needed.as_slice() {
        [] => "How it is set up.".to_owned(),
        keys => format!("How it is set up, with at least {}.", listed(keys.iter().copied(), "and")),
    };
    let mut schema = json!({
        "type": "object",
        "properties": { "config": { "description": about, "$ref": format!("#/$defs/{name}") } },
        "required": if needed.is_empty() { Vec::new() } else { vec!["config"] },
        "additionalProperties": false,
    });
    if let (Some(schema), Some(about)) = (schema.as_object_mut(), config.get("description")) {
        schema.insert("description".to_owned(), about.clone());
    }
    schema
}

/// Adds `type: {const: kind}` to an object schema.
fn with_type(mut schema: Value, kind: &str) -> Value {
    let constant = json!({ "description": "The connector.", "const": kind });
    if let Some(map) = schema.as_object_mut() {
        add(map, &Map::from_iter([("type".to_owned(), constant)]));
        let required = map.entry("required").or_insert_with(|| json!([]));
        if let Some(required) = required.as_array_mut() {
            required.insert(0, json!("type"));
        }
    }
    schema
}

/// Adds keys to an object schema, and to each of its alternatives.
fn add(schema: &mut Map<String, Value>, ours: &Map<String, Value>) {
    for word in ["oneOf", "anyOf"] {
        let alternatives = schema.get_mut(word).and_then(Value::as_array_mut);
        for branch in alternatives.into_iter().flatten().filter_map(Value::as_object_mut) {
            // Only where the branch is an object of its own; "one of these keys" is none.
            if branch.contains_key("properties") {
                add(branch, ours);
            }
        }
    }
    let properties = schema.entry("properties").or_insert_with(|| json!({}));
    if let Some(properties) = properties.as_object_mut() {
        properties.extend(ours.clone());
    }
    // What is ours has a default of ours.
    if let Some(Value::Array(required)) = schema.get_mut("required") {
        required.retain(|key| key.as_str().is_none_or(|key| !ours.contains_key(key)));
    }
}

fn prefix_refs(value: &mut Value, prefix: &str) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match value {
                    Value::String(text) if key == "$ref" => {
                        *text = match text.strip_prefix("#/$defs/") {
                            Some(name) => format!("#/$defs/{prefix}.{name}"),
                            None => format!("#/$defs/{prefix}"),
                        };
                    }
                    value => prefix_refs(value, prefix),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| prefix_refs(item, prefix)),
        _ => {}
    }
}
