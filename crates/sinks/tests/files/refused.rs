//! What the file targets refuse, in their own words, leaving the target as it was.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, UnionArray};
use arrow::datatypes::{DataType, Field, Schema, UnionFields};
use flowglass_connect::Strategy;
use serde_json::json;

use super::{load, orders, plan, target};

fn one(name: &str, array: ArrayRef) -> RecordBatch {
    let field = Field::new(name, array.data_type().clone(), true);
    RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![array]).unwrap()
}

#[test]
fn refusals_say_where_and_what() {
    let folder = tempfile::tempdir().unwrap();
    let mut all = String::new();
    let mut check = |kind: &str, config: serde_json::Value, strategy, batch: &RecordBatch| {
        let mut config = config;
        let path = config.get("path").map_or("out", |it| it.as_str().unwrap()).to_owned();
        config["path"] = json!(path);
        let target = target(kind, config, folder.path());
        let before = std::fs::read(folder.path().join(&path)).ok();
        let fault =
            load(&*target, plan(&batch.schema(), strategy, "t"), std::slice::from_ref(batch), None)
                .unwrap_err();
        let chain = fault.chain();
        assert!(!chain.contains("secret"), "{chain}");
        writeln!(all, "{kind} [{}] {chain}\n    {}", fault.class(), fault.advice()).unwrap();
        assert_eq!(std::fs::read(folder.path().join(&path)).ok(), before, "untouched");
    };
    let text = |text: &str| one("t", Arc::new(StringArray::from(vec![text])));
    let refresh = Strategy::FullRefresh;
    check("csv", json!({}), refresh, &text("secret\0"));
    check("csv", json!({ "quote": "none" }), refresh, &text("secret,"));
    let empty: Vec<(i8, Arc<Field>)> = vec![(0, Arc::new(Field::new("a", DataType::Int64, true)))];
    let union = UnionArray::try_new(
        UnionFields::from_iter(empty),
        vec![0i8].into(),
        None,
        vec![Arc::new(Int64Array::from(vec![1]))],
    )
    .unwrap();
    check("csv", json!({}), refresh, &one("u", Arc::new(union)));
    std::fs::create_dir(folder.path().join("dir")).unwrap();
    for kind in super::KINDS {
        check(kind, json!({ "path": "dir/../dir" }), refresh, &orders([1], "a"));
    }
    std::fs::write(folder.path().join("plain"), "x").unwrap();
    check("jsonl", json!({ "path": "plain/out" }), refresh, &orders([1], "a"));
    std::fs::write(folder.path().join("odd.jsonl"), "{\"id\":1}\nsecret\n").unwrap();
    check("jsonl", json!({ "path": "odd.jsonl" }), Strategy::Append, &orders([1], "a"));
    std::fs::write(folder.path().join("odd.csv"), "id,name,amount\n1,a\n").unwrap();
    check("csv", json!({ "path": "odd.csv" }), Strategy::IncrementalMerge, &orders([1], "a"));
    check("csv", json!({ "path": "odd.csv" }), Strategy::IncrementalMerge, &text("secret"));
    std::fs::write(folder.path().join("odd.parquet"), "no parquet").unwrap();
    check("parquet", json!({ "path": "odd.parquet" }), Strategy::Append, &orders([1], "a"));
    let good = target("parquet", json!({ "path": "good.parquet" }), folder.path());
    load(&*good, plan(&orders([1], "a").schema(), refresh, "t"), &[orders([1], "a")], None)
        .unwrap();
    let mistyped = one("id", Arc::new(StringArray::from(vec!["secret"])));
    check("parquet", json!({ "path": "good.parquet" }), Strategy::Append, &mistyped);
    insta::assert_snapshot!(all);
}

#[test]
fn a_place_that_cannot_be_written_leaves_the_target_as_it_was() {
    // A device takes no file's length, which is where writing beside starts.
    let folder = tempfile::tempdir().unwrap();
    for kind in super::KINDS {
        std::fs::write(folder.path().join("out"), "old").unwrap();
        let beside = folder.path().join(".out.flowglass-new");
        std::os::unix::fs::symlink("/dev/full", &beside).unwrap();
        let target = target(kind, json!({ "path": "out" }), folder.path());
        let batch = orders(0..10, "a");
        let fault =
            load(&*target, plan(&batch.schema(), Strategy::FullRefresh, "t"), &[batch], None)
                .unwrap_err();
        assert_eq!(fault.to_string(), "writing beside `out`", "{kind}");
        assert_eq!(std::fs::read(folder.path().join("out")).unwrap(), b"old", "{kind}");
        std::fs::remove_file(&beside).unwrap();
    }
}
