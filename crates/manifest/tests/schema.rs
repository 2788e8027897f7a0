//! The committed schema and reference page are what the program prints.

use std::path::PathBuf;

use flowglass_manifest::{Vocabulary, reference, schema};

use crate::support::vocabulary;

fn committed(path: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    let text = std::fs::read_to_string(&path);
    text.unwrap_or_else(|error| panic!("{}: {error}: run `cargo xtask generate`", path.display()))
}

#[test]
fn the_committed_schema_is_the_types() {
    let text = serde_json::to_string_pretty(&schema(&Vocabulary::any())).expect("it is JSON");
    assert!(
        committed("schemas/manifest.v1.json") == format!("{text}\n"),
        "schemas/manifest.v1.json differs from the types: run `cargo xtask generate`"
    );
}

#[test]
fn the_committed_page_is_the_schema() {
    assert!(
        committed("docs/src/reference/manifest.md") == reference(&schema(&Vocabulary::any())),
        "docs/src/reference/manifest.md differs from the schema: run `cargo xtask generate`"
    );
}

#[test]
fn connectors_are_woven_in() {
    let schema = schema(&vocabulary());
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

/// Every `$ref` of the schema leads somewhere.
#[test]
fn references_resolve() {
    fn walk(root: &serde_json::Value, value: &serde_json::Value) {
        match value {
            serde_json::Value::Object(map) => {
                if let Some(reference) = map.get("$ref").and_then(|it| it.as_str()) {
                    assert!(root.pointer(&reference[1..]).is_some(), "{reference}");
                }
                map.values().for_each(|it| walk(root, it));
            }
            serde_json::Value::Array(items) => items.iter().for_each(|it| walk(root, it)),
            _ => {}
        }
    }
    let schema = schema(&vocabulary());
    walk(&schema, &schema);
}
