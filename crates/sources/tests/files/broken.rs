//! Broken files, each with its golden complaint. No complaint shows a value.

use std::fmt::Write as _;
use std::path::Path;

use flowglass_connect::ReadRequest;
use serde_json::json;

use super::{read, told};

fn complaints(kind: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken").join(kind);
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert!(names.len() >= 10);
    let mut all = String::new();
    for name in names {
        let answer = read(kind, json!({ "path": name }), &folder, ReadRequest::default());
        let fault = answer.expect_err(&name);
        let told = told(&fault);
        assert!(!told.contains("secret"), "a value is shown: {told}");
        writeln!(all, "{name}\n    {told}").unwrap();
    }
    all
}

#[test]
fn broken_csv_is_refused_with_its_place() {
    insta::assert_snapshot!(complaints("csv"));
}

#[test]
fn broken_jsonl_is_refused_with_its_place() {
    insta::assert_snapshot!(complaints("jsonl"));
}

#[test]
fn broken_parquet_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.parquet"), b"PAR1 this is no parquet file PAR1").unwrap();
    let fault =
        read("parquet", json!({ "path": "a.parquet" }), folder.path(), ReadRequest::default())
            .unwrap_err();
    assert!(told(&fault).starts_with("[malformed] `a.parquet` is broken or no parquet file"));
}

#[test]
fn configurations_that_cannot_be_used_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.csv"), "id,name\n1,x\n").unwrap();
    let mut all = String::new();
    for config in [
        json!({ "path": "a.csv", "delimeter": ";" }),
        json!({ "path": "a.csv", "delimiter": ";;" }),
        json!({ "path": "a.csv", "quote": "," }),
        json!({ "path": "a.csv", "names": ["a", "b"] }),
        json!({ "path": "a.csv", "encoding": "latin-1" }),
        json!({ "path": "a.csv", "columns": { "id": "number" } }),
        json!({ "path": "a.csv", "columns": { "idd": "bigint" } }),
        json!({ "path": "b.csv" }),
        json!({ "path": "*.tsv" }),
        json!({ "path": "." , "columns": { "name": "integer" } }),
    ] {
        let fault = read("csv", config.clone(), folder.path(), ReadRequest::default()).unwrap_err();
        writeln!(all, "{config}\n    {}", told(&fault)).unwrap();
    }
    insta::assert_snapshot!(all);
}
