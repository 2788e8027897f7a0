//! Rows as Parquet, read back by our own source: exactly once over crashes at any byte.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array as _, AsArray as _, RecordBatch};
use flowglass_connect::stream::{
    Delivery, Kind, Op, SinkWriter, StreamSink, StreamSinkConnector, Takes,
};
use flowglass_connect::{Batch, ReadRequest, SourceConnector};
use flowglass_model::ErrorClass;
use flowglass_sinks::folder::Connector;
use flowglass_testkit::Scratch;
use flowglass_testkit::row_sinks::RowFeed;
use serde_json::{Value, json};

use super::around;
use crate::tables::{Change, batch, deliver, refusals, relation};

fn sink(scratch: &Scratch, rows_max: u64) -> Arc<dyn StreamSink> {
    let folder = scratch.path("out");
    let config = json!({ "id": "a", "folder": folder, "format": "parquet",
        "roll": { "rows": rows_max } });
    Connector.build("s", config, &around()).unwrap()
}

/// The rows of a file.
async fn read(path: &Path) -> Vec<RecordBatch> {
    let config = json!({ "path": path });
    let source = flowglass_sources::parquet::Connector.build(config, &around()).unwrap();
    let mut reader = source.open(ReadRequest::default()).await.unwrap();
    let mut batches = Vec::new();
    while let Some(batch) = reader.next().await.unwrap() {
        let Batch::Arrow(batch) = batch else { panic!("not in columns") };
        batches.push(batch);
    }
    batches
}

/// The idempotency keys of all closed files of a table, in order.
async fn ids(scratch: &Scratch, table: &str) -> Vec<String> {
    let mut found = Vec::new();
    for name in scratch.files() {
        if name.starts_with(&format!("out/{table}/")) && name.ends_with(".parquet") {
            for batch in read(&scratch.path(&name)).await {
                let ids = batch.column_by_name("_flowglass_id").unwrap();
                found.extend(ids.as_string::<i32>().iter().flatten().map(str::to_owned));
            }
        }
    }
    found
}

/// What the ids of a table must be: a change each, and two where the key changed.
fn expected(feed: &RowFeed, batches: u64, table: &str) -> Vec<String> {
    let mut ids = Vec::new();
    for number in 0..batches {
        for (_, change) in feed.batch(number).batch.changes() {
            if change.relation().name() == table {
                let mut id = Vec::new();
                let renamed = change.op() == Op::Update && change.before().is_some();
                for part in 0..=u8::from(renamed) {
                    id.clear();
                    flowglass_connect::encode::idempotency_key(&change, part, &mut id);
                    ids.push(String::from_utf8(id.clone()).unwrap());
                }
            }
        }
    }
    ids
}

/// Delivers batches of the feed by a writer of its own.
async fn run(sink: &Arc<dyn StreamSink>, feed: &RowFeed, (from, to): (u64, u64)) {
    let mut writer: Box<dyn SinkWriter> = sink.open().await.unwrap();
    let kept = writer.committed().await.unwrap();
    let last = from.checked_sub(1).map(|last| feed.batch(last).batch.position().clone());
    assert_eq!(kept, last);
    for number in from..to {
        let batch = Arc::clone(&feed.batch(number).batch);
        let delivery = Delivery { number: number - from + 1, batch, messages: None };
        writer.send(delivery).await.unwrap();
        assert_eq!(writer.acknowledged().await.unwrap().refused.len(), 0);
    }
}

#[tokio::test]
async fn every_row_is_in_one_closed_file_whatever_a_crash_left() {
    let scratch = Scratch::new();
    let feed = RowFeed::new(60, 3);
    let sink = sink(&scratch, 25);
    assert!(matches!(sink.takes(), Takes::Rows));
    run(&sink, &feed, (0, 13)).await;
    // Half a batch is behind what counts, a file that was full is not closed, and one that a batch
    // with new columns began was never counted.
    for name in scratch.files().iter().filter(|name| name.ends_with(".open")) {
        let path = scratch.path(name);
        let bytes = std::fs::read(&path).unwrap();
        let (number, _) = name.rsplit('/').next().unwrap().split_once('.').unwrap();
        let number: u64 = number.parse().unwrap();
        let next = name.replace(&format!("{number:08}"), &format!("{:08}", number + 1));
        scratch.write(&next, &bytes);
        std::fs::write(&path, [&bytes[..], &bytes[..bytes.len() / 2]].concat()).unwrap();
    }
    run(&sink, &feed, (13, 41)).await;
    run(&sink, &feed, (41, 60)).await;
    // Age closes what is left.
    let manifest = scratch.read("out/_flowglass.s.a.json");
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    let open: u64 = manifest["files"]
        .as_object()
        .unwrap()
        .values()
        .map(|current| current["rows"].as_u64().unwrap())
        .sum();
    for table in ["public.accounts", "public.log"] {
        let (found, expected) = (ids(&scratch, table).await, expected(&feed, 60, table));
        assert!(found.len() > 100 && expected.starts_with(&found), "{table}: {found:?}");
    }
    let closed =
        ids(&scratch, "public.accounts").await.len() + ids(&scratch, "public.log").await.len();
    let all =
        expected(&feed, 60, "public.accounts").len() + expected(&feed, 60, "public.log").len();
    assert_eq!(closed as u64 + open, all as u64);
}

#[tokio::test]
async fn columns_are_exact_and_a_new_one_begins_a_file() {
    let scratch = Scratch::new();
    let sink = sink(&scratch, 3);
    let mut columns = vec![
        ("id", Kind::Int64, "bigint"),
        ("price", Kind::Decimal(Some((30, 10))), "numeric(30,10)"),
        ("at", Kind::TimestampTz, "timestamp with time zone"),
        ("note", Kind::Text, "text"),
        ("tags", Kind::Array(Box::new(Kind::Text)), "text[]"),
    ];
    let narrow = relation("things", 1, &columns);
    columns.push(("extra", Kind::Bool, "boolean"));
    let wide = relation("things", 1, &columns);
    let price = "12345678901234567890.0123456789";
    let at = "2024-02-29 23:59:59.123456+00";
    let changes: [(_, Change<'_>); 6] = [
        (&narrow, (Op::Insert, None, Some(&["9223372036854775807", price, at, "n", "{a,\"b\"}"]))),
        (&narrow, (Op::Insert, None, Some(&["2", "1", "infinity", "n", "_"]))),
        (&narrow, (Op::Update, Some(&["1", "_", "_", "_", "_"]), Some(&["7", "_", "_", "=", "_"]))),
        (&wide, (Op::Insert, None, Some(&["3", "_", "_", "_", "_", "t"]))),
        (&wide, (Op::Truncate, None, None)),
        (&wide, (Op::Delete, Some(&["3", "_", "_", "_", "_", "_"]), None)),
    ];
    let said = deliver(&sink, batch(0, &changes)).await.unwrap();
    let refused: Vec<_> = said.refused.iter().map(|it| (it.change, it.fault.class())).collect();
    assert_eq!(refused, [(1, ErrorClass::Inexact)], "{:?}", refusals(&said));
    let first = read(&scratch.path("out/public.things/00000001.parquet")).await;
    let shown = arrow::util::pretty::pretty_format_batches(&first).unwrap().to_string();
    for value in ["9223372036854775807", price, "2024-02-29T23:59:59.123456Z", "{a,\"b\"}"] {
        assert!(shown.contains(value), "{value}: {shown}");
    }
    let ops = first[0].column_by_name("_flowglass_op").unwrap().as_string::<i32>();
    assert_eq!(ops.iter().flatten().collect::<Vec<_>>(), ["insert", "delete", "update"]);
    let unchanged = first[0].column_by_name("_flowglass_unchanged").unwrap().as_list::<i32>();
    assert!(unchanged.is_null(0) && unchanged.is_null(1));
    assert_eq!(unchanged.value(2).as_string::<i32>().value(0), "note");
    let types: Vec<String> =
        first[0].schema().fields().iter().skip(4).map(|it| it.data_type().to_string()).collect();
    let expected = ["Int64", "Decimal128(30, 10)", "Timestamp(µs, \"UTC\")", "Utf8", "Utf8"];
    assert_eq!(types, expected);
    let second = read(&scratch.path("out/public.things/00000002.parquet")).await;
    let ops = second[0].column_by_name("_flowglass_op").unwrap().as_string::<i32>();
    assert_eq!(ops.iter().flatten().collect::<Vec<_>>(), ["insert", "truncate", "delete"]);
    assert!(second[0].column_by_name("extra").unwrap().as_boolean().value(0));
    assert!(!scratch.files().iter().any(|name| name.ends_with(".open")), "{:?}", scratch.files());
}

#[test]
fn what_cannot_be_used_is_refused() {
    for (config, said) in [
        (json!({ "envelope": "debezium" }), "there are no messages"),
        (json!({ "path": "{table}/{op}" }), "there are `{schema}` and `{table}`"),
    ] {
        let mut whole = json!({ "id": "a", "folder": "x", "format": "parquet" });
        whole.as_object_mut().unwrap().extend(config.as_object().unwrap().clone());
        let fault = Connector.build("s", whole, &around()).err().unwrap();
        assert_eq!(fault.class(), ErrorClass::Config);
        assert!(fault.chain().contains(said), "{}", fault.chain());
    }
}
