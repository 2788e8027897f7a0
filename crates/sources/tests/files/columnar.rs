//! Parquet: row groups in order, columns in the order that is asked for, and cursors that skip.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray as _, Decimal128Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::Int64Type;
use flowglass_connect::{CursorBound, CursorKind, CursorValue, ReadRequest};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use serde_json::json;

use super::{read, told};

/// 1,000 rows in ten row groups.
fn rows() -> RecordBatch {
    let ids: Vec<i64> = (0..1_000).collect();
    let moments = ids.iter().map(|id| id * 1_500_000);
    let moments = TimestampMicrosecondArray::from_iter_values(moments).with_timezone("+00:00");
    let amounts = Decimal128Array::from_iter_values(ids.iter().map(|id| i128::from(*id) * 5));
    let names = ids.iter().map(|id| if id % 3 == 0 { None } else { Some(format!("n{id:04}")) });
    RecordBatch::try_from_iter_with_nullable(vec![
        ("id", Arc::new(Int64Array::from(ids.clone())) as ArrayRef, true),
        ("at", Arc::new(moments), true),
        ("amount", Arc::new(amounts.with_precision_and_scale(9, 1).unwrap()), true),
        ("name", Arc::new(StringArray::from_iter(names)), true),
    ])
    .unwrap()
}

fn write(folder: &Path) {
    let rows = rows();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(100)).build();
    let file = File::create(folder.join("in.parquet")).unwrap();
    let mut writer = ArrowWriter::try_new(file, rows.schema(), Some(properties)).unwrap();
    writer.write(&rows).unwrap();
    writer.close().unwrap();
}

fn ids(request: ReadRequest) -> Vec<i64> {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    let config = json!({ "path": "*.parquet" });
    let (_schema, batches) = read("parquet", config, folder.path(), request)
        .unwrap_or_else(|fault| panic!("{}", told(&fault)));
    let ids = |batch: &RecordBatch| {
        let column = batch.column_by_name("id").unwrap();
        column.as_primitive::<Int64Type>().values().to_vec()
    };
    batches.iter().flat_map(ids).collect()
}

#[test]
fn row_groups_come_in_order_and_batches_are_bounded() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    let request = ReadRequest { batch_rows_max: 33, ..ReadRequest::default() };
    let (schema, batches) =
        read("parquet", json!({ "path": "in.parquet" }), folder.path(), request).unwrap();
    assert!(batches.iter().all(|batch| batch.num_rows() <= 33));
    assert_eq!(arrow::compute::concat_batches(&schema, &batches).unwrap(), rows());
}

#[test]
fn columns_come_in_the_order_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    let config = json!({ "path": "in.parquet", "columns": ["name", "id"] });
    let (schema, batches) = read("parquet", config, folder.path(), ReadRequest::default()).unwrap();
    let batch = arrow::compute::concat_batches(&schema, &batches).unwrap();
    assert_eq!(batch, rows().project(&[3, 0]).unwrap());
    let request = ReadRequest { columns: Some(vec!["nmae".to_owned()]), ..ReadRequest::default() };
    let fault =
        read("parquet", json!({ "path": "in.parquet" }), folder.path(), request).unwrap_err();
    assert_eq!(
        told(&fault),
        "[schema] `in.parquet` has no column `nmae`\n    Its columns are: id, at, amount, name."
    );
}

#[test]
fn cursors_compare_by_value() {
    for (column, kind, text, first) in [
        ("id", CursorKind::Integer, "990", 990),
        ("id", CursorKind::Decimal, "989.5", 990),
        ("id", CursorKind::Integer, "-5", 0),
        ("id", CursorKind::Integer, "99999999999999999999", 1_000),
        ("at", CursorKind::Timestamp, "1970-01-01T00:24:45Z", 990),
        ("at", CursorKind::Timestamp, "1970-01-01T00:24:45.000000001Z", 991),
        ("at", CursorKind::Timestamp, "1970-01-01T02:24:45+02:00", 990),
        ("amount", CursorKind::Decimal, "495", 990),
        ("amount", CursorKind::Decimal, "495.01", 991),
    ] {
        let value = Some(CursorValue { kind, text: text.to_owned() });
        let bound = CursorBound { column: column.to_owned(), value };
        let request = ReadRequest {
            columns: Some(vec!["id".to_owned()]),
            from_cursor: Some(bound),
            ..ReadRequest::default()
        };
        assert_eq!(ids(request), (first..1_000).collect::<Vec<_>>(), "{column} >= {text}");
    }
    let value = Some(CursorValue { kind: CursorKind::Text, text: "n0997".to_owned() });
    let bound = CursorBound { column: "name".to_owned(), value };
    let request = ReadRequest { from_cursor: Some(bound), ..ReadRequest::default() };
    assert_eq!(ids(request), [997, 998], "rows without cursor are left out");
}
