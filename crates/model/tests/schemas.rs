//! The published JSON Schemas: equal to the types, and true of what is written.

use std::path::PathBuf;

use flowglass_model::{Event, RunReport, Snapshot};
use proptest::prelude::*;
use serde_json::Value;

use crate::histories::histories;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../schemas")
}

fn read(path: &str) -> String {
    let path = folder().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| {
        panic!("{}: {error}; `cargo xtask generate` writes the schemas", path.display())
    })
}

fn schemas() -> [(&'static str, Value); 3] {
    [
        ("event.v1.json", schemars::schema_for!(Event).to_value()),
        ("snapshot.v1.json", schemars::schema_for!(Snapshot).to_value()),
        ("run-report.v1.json", schemars::schema_for!(RunReport).to_value()),
    ]
}

fn validator(name: &str) -> jsonschema::Validator {
    jsonschema::validator_for(&serde_json::from_str(&read(name)).unwrap()).unwrap()
}

fn complaints(validator: &jsonschema::Validator, value: &Value) -> Vec<String> {
    validator.iter_errors(value).map(|it| format!("{}: {it}", it.instance_path())).collect()
}

#[test]
fn the_published_schemas_are_those_of_the_types() {
    for (name, schema) in schemas() {
        let made = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
        assert!(
            made == read(name),
            "schemas/{name} is not of today's types: run `cargo xtask generate`"
        );
    }
}

#[test]
fn the_saved_samples_fit_their_schemas() {
    let event = validator("event.v1.json");
    for (at, line) in read("samples/event.v1.jsonl").lines().enumerate() {
        let none: Vec<String> = Vec::new();
        assert_eq!(
            complaints(&event, &serde_json::from_str(line).unwrap()),
            none,
            "line {}",
            at + 1
        );
    }
    for name in ["snapshot.v1.json", "run-report.v1.json"] {
        let sample = serde_json::from_str(&read(&format!("samples/{name}"))).unwrap();
        assert_eq!(complaints(&validator(name), &sample), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn the_schemas_refuse_what_the_types_refuse() {
    let event = validator("event.v1.json");
    let line = read("samples/event.v1.jsonl").lines().next().unwrap().to_owned();
    let good: Value = serde_json::from_str(&line).unwrap();
    for (key, wrong) in [
        ("seq", Value::from("first")),
        ("seq", Value::from(-1)),
        ("to", Value::from("done")),
        ("pipeline_id", Value::from("Not A Slug")),
        ("trace", Value::Null),
    ] {
        let mut bad = good.clone();
        bad[key] = wrong;
        assert!(!complaints(&event, &bad).is_empty(), "the schema takes {key}: {}", bad[key]);
        assert!(serde_json::from_value::<Event>(bad).is_err(), "the type takes it");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn every_history_fits_the_schemas(history in histories()) {
        let event = validator("event.v1.json");
        for told in &history {
            let value = serde_json::to_value(told).unwrap();
            prop_assert_eq!(complaints(&event, &value), Vec::<String>::new());
        }
        let snapshot = Snapshot::of(&history).unwrap();
        let report = serde_json::to_value(RunReport::of(&snapshot)).unwrap();
        prop_assert_eq!(complaints(&validator("run-report.v1.json"), &report), Vec::<String>::new());
        let snapshot = serde_json::to_value(&snapshot).unwrap();
        prop_assert_eq!(complaints(&validator("snapshot.v1.json"), &snapshot), Vec::<String>::new());
    }
}
