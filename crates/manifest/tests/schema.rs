//! The committed schema and reference page are what the program prints.

use std::path::PathBuf;

use flowglass_manifest::{Vocabulary, reference, schema};
use serde_json::Value;

use crate::support::vocabulary;

fn committed(path: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    let text = std::fs::read_to_string(&path);
    text.unwrap_or_else(|error| panic!("{}: {error}: run `cargo xtask generate`", path.display()))
}

/// The definitions that connectors are woven into.
const ROLES: [&str; 5] = ["source", "target", "stream_source", "stream_sink", "processor"];

/// The part of a schema that does not depend on which connectors the program has.
fn without_connectors(mut schema: Value) -> Value {
    let defs = schema.get_mut("$defs").and_then(Value::as_object_mut).expect("it has definitions");
    defs.retain(|name, _| !ROLES.contains(&name.as_str()) && !name.contains('.'));
    schema
}

#[test]
fn the_committed_schema_is_the_types() {
    let committed = serde_json::from_str(&committed("schemas/manifest.v1.json")).expect("JSON");
    assert!(
        without_connectors(committed) == without_connectors(schema(&Vocabulary::any())),
        "schemas/manifest.v1.json differs from the types: run `cargo xtask generate`"
    );
}

#[test]
fn the_committed_page_is_the_schema() {
    let page = committed("docs/src/reference/manifest.md");
    let now = reference(&schema(&Vocabulary::any()));
    let sections = |page: &str| -> Vec<String> {
        let all = page.split("\n## ").map(str::trim_end).map(str::to_owned);
        let heads = ROLES.map(|it| it.replace('_', " "));
        all.filter(|it| !heads.iter().any(|head| it.starts_with(head))).collect()
    };
    assert!(
        sections(&page) == sections(&now),
        "docs/src/reference/manifest.md differs from the schema: run `cargo xtask generate`"
    );
}

#[test]
fn connectors_are_woven_in() {
    let schema = schema(vocabulary());
    assert_eq!(
        schema.pointer("/$defs/source/oneOf").and_then(|it| it.as_array()).map(Vec::len),
        Some(5)
    );
    let csv = schema.pointer("/$defs/source.csv").expect("a branch");
    assert_eq!(csv.pointer("/properties/type/const").and_then(|it| it.as_str()), Some("csv"));
    assert_eq!(
        csv.pointer("/properties/delimiter/type").and_then(|it| it.as_str()),
        Some("string")
    );
    let mode =
        schema.pointer("/$defs/target.postgres/properties/mode/$ref").and_then(|it| it.as_str());
    assert_eq!(mode, Some("#/$defs/target.postgres.Mode"));
    assert!(schema.pointer("/$defs/target.postgres.Mode/enum").is_some());
}

#[test]
fn parts_of_streams_are_woven_in_with_the_keys_that_are_ours() {
    let schema = schema(vocabulary());
    let text = |pointer: &str| schema.pointer(pointer).and_then(|it| it.as_str());
    let kafka = "/$defs/stream_sink.kafka";
    assert_eq!(text(&format!("{kafka}/properties/type/const")), Some("kafka"));
    let config = text(&format!("{kafka}/properties/config/$ref"));
    assert_eq!(config, Some("#/$defs/stream_sink.kafka.config"));
    let required = |pointer: &str| schema.pointer(pointer).cloned().expect(pointer);
    assert_eq!(required(&format!("{kafka}/required")), serde_json::json!(["type", "config"]));
    assert_eq!(required(&format!("{kafka}.config/required")), serde_json::json!(["brokers"]));
    assert_eq!(text(&format!("{kafka}.config/properties/id/default")), Some("kafka"));
    // A connector that needs nothing needs no `config`.
    assert_eq!(required("/$defs/stream_sink.stdout/required"), serde_json::json!(["type"]));
    assert!(schema.pointer("/$defs/stream_sink.stdout.config/properties/required").is_some());
    assert!(schema.pointer("/$defs/stream_source.postgres.config/properties/required").is_none());
    assert!(schema.pointer("/$defs/processor.filter/properties/where").is_some());
    assert_eq!(text("/$defs/processor.filter/properties/id/default"), Some("filter"));
}

/// Every `$ref` of the schema leads somewhere.
#[test]
fn references_resolve() {
    fn walk(root: &Value, value: &Value) {
        match value {
            Value::Object(map) => {
                if let Some(reference) = map.get("$ref").and_then(|it| it.as_str()) {
                    assert!(
                        root.pointer(reference.trim_start_matches('#')).is_some(),
                        "{reference}"
                    );
                }
                map.values().for_each(|it| walk(root, it));
            }
            Value::Array(items) => items.iter().for_each(|it| walk(root, it)),
            _ => {}
        }
    }
    let schema = schema(vocabulary());
    walk(&schema, &schema);
}
