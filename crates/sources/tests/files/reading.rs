//! What good files read as.

use arrow::array::{Array as _, AsArray as _, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Decimal128Type, Int64Type, SchemaRef, TimeUnit};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use flowglass_connect::{CursorBound, CursorKind, CursorValue, ReadRequest};
use serde_json::json;

use super::{read, told};

fn whole(kind: &str, text: impl AsRef<[u8]>, config: serde_json::Value) -> RecordBatch {
    asked(kind, text, config, ReadRequest::default())
}

fn asked(
    kind: &str,
    text: impl AsRef<[u8]>,
    config: serde_json::Value,
    request: ReadRequest,
) -> RecordBatch {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("in"), text).unwrap();
    let mut config = config;
    config.as_object_mut().unwrap().insert("path".to_owned(), json!("in"));
    let (schema, batches) = read(kind, config, folder.path(), request)
        .unwrap_or_else(|fault| panic!("{}", told(&fault)));
    joined(&schema, &batches)
}

fn joined(schema: &SchemaRef, batches: &[RecordBatch]) -> RecordBatch {
    concat_batches(schema, batches).unwrap()
}

/// Each row with its columns' names, types and values.
fn shown(batch: &RecordBatch) -> String {
    let mut all = String::new();
    for row in 0..batch.num_rows() {
        for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
            let options = FormatOptions::default().with_null("null");
            // The formatter knows no zone by name.
            let kind_shown = match column.data_type() {
                DataType::Timestamp(unit, Some(_utc)) => {
                    DataType::Timestamp(*unit, Some("+00:00".into()))
                }
                kind => kind.clone(),
            };
            let column = arrow::compute::cast(column, &kind_shown).unwrap();
            let value = ArrayFormatter::try_new(&column, &options).unwrap();
            let (name, kind) = (field.name(), field.data_type());
            all.push_str(&format!("{name} ({kind}): {}\n", value.value(row)));
        }
        all.push('\n');
    }
    all
}

fn kinds(batch: &RecordBatch) -> Vec<DataType> {
    batch.schema().fields().iter().map(|field| field.data_type().clone()).collect()
}

#[test]
fn csv_types_follow_the_sample() {
    let text = "id,zip,price,big,day,at,local,flag,ratio,note\r\n\
        1,01234,1.5,9223372036854775808,2024-02-29,2024-01-01T00:00:00+02:00,2024-01-01 10:00:00.5,true,1e3,\"a \"\"b\"\"\nc\"\r\n\
        -2,9,22.25,1,,,,,,\r\n";
    let batch = whole("csv", text, json!({}));
    assert_eq!(
        kinds(&batch),
        [
            DataType::Int64,
            DataType::Utf8,
            DataType::Decimal128(18, 2),
            DataType::Decimal128(38, 0),
            DataType::Date32,
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            DataType::Timestamp(TimeUnit::Microsecond, None),
            DataType::Boolean,
            DataType::Float64,
            DataType::Utf8,
        ]
    );
    insta::assert_snapshot!(shown(&batch));
}

#[test]
fn csv_tells_null_from_empty_and_obeys_its_dialect() {
    let batch = whole(
        "csv",
        "\u{feff}a;b\n'';NA\n;'NA'\n'x;''y';z",
        json!({ "delimiter": ";", "quote": "'", "null": ["NA", ""] }),
    );
    let (a, b) = (batch.column(0).as_string::<i32>(), batch.column(1).as_string::<i32>());
    assert_eq!(a.iter().collect::<Vec<_>>(), [Some(""), None, Some("x;'y")]);
    assert_eq!(b.iter().collect::<Vec<_>>(), [None, Some("NA"), Some("z")]);
    assert_eq!(batch.schema().field(0).name(), "a", "the byte order mark is no part of a name");
}

#[test]
fn csv_without_header_or_quotes() {
    let config =
        json!({ "header": false, "quote": "none", "delimiter": "tab", "names": ["x", "y"] });
    let batch = whole("csv", "1\t5\" pipe\n2\t\"\n", config);
    assert_eq!(batch.num_rows(), 2);
    assert_eq!(batch.column(1).as_string::<i32>().value(0), "5\" pipe");
}

#[test]
fn declared_types_take_other_spellings_of_the_same_value() {
    let columns = json!({ "columns": { "n": "integer", "d": "decimal(5,2)", "b": "boolean",
        "h": "binary", "t": "time(3)", "u": "ubigint", "r": "real", "z": "timestamptz(9)" } });
    let text = "n,d,b,h,t,u,r,z\n+007,.5,YES,\\xDEad,10:00:00.25,18446744073709551615,0.1,\
        2024-01-01T00:00:00.123456789Z\n";
    let batch = whole("csv", text, columns);
    insta::assert_snapshot!(shown(&batch));
}

#[test]
fn jsonl_keeps_every_digit() {
    let text = "{\"id\":9007199254740993,\"d\":12345678901234567.890123456789,\"n\":{\"a\":[1.10]},\
        \"m\":1,\"s\":\"\\u00e9\",\"huge\":1e400}\n\n\
        {\"id\":null,\"m\":\"1\",\"d\":1,\"late\":true}\r\n";
    let batch = whole("jsonl", text, json!({}));
    assert_eq!(batch.column(0).as_primitive::<Int64Type>().value(0), 9_007_199_254_740_993);
    let decimal = batch.column(1).as_primitive::<Decimal128Type>();
    assert_eq!(decimal.value_as_string(0), "12345678901234567.890123456789");
    assert!(batch.column(0).is_null(1));
    insta::assert_snapshot!(shown(&batch));
}

#[test]
fn columns_and_cursor_narrow_the_read() {
    let mut text = String::from("id,at,name\n");
    for id in 0..50_000 {
        text.push_str(&format!("{id},2024-01-01T00:{:02}:00Z,n{id}\n", id % 60));
    }
    let bound = |column: &str, kind, value: &str| {
        let value = Some(CursorValue { kind, text: value.to_owned() });
        Some(CursorBound { column: column.to_owned(), value })
    };
    let request = ReadRequest {
        columns: Some(vec!["name".to_owned(), "id".to_owned()]),
        from_cursor: bound("id", CursorKind::Integer, "49990"),
        batch_rows_max: 7,
        ..ReadRequest::default()
    };
    let batch = asked("csv", &text, json!({}), request);
    assert_eq!(batch.num_rows(), 10);
    assert_eq!(batch.column(0).as_string::<i32>().value(0), "n49990");
    let request = ReadRequest {
        columns: Some(vec!["id".to_owned()]),
        from_cursor: bound("at", CursorKind::Timestamp, "2024-01-01T00:58:00.000001Z"),
        ..ReadRequest::default()
    };
    let batch = asked("csv", &text, json!({}), request);
    assert_eq!(batch.num_rows(), (0..50_000).filter(|id| id % 60 == 59).count());
}

#[test]
fn a_folder_and_a_pattern_read_in_the_order_of_names() {
    let folder = tempfile::tempdir().unwrap();
    for (name, id) in [("b.csv", 2), ("a.csv", 1), ("c.txt", 3), (".hidden.csv", 9)] {
        std::fs::write(folder.path().join(name), format!("id\n{id}\n")).unwrap();
    }
    std::fs::write(folder.path().join("a.csv.flowglass.json"), "{}").unwrap();
    for (path, want) in [(".", vec![1, 2, 3]), ("*.csv", vec![1, 2])] {
        let (schema, batches) =
            read("csv", json!({ "path": path }), folder.path(), ReadRequest::default()).unwrap();
        let batch = joined(&schema, &batches);
        assert_eq!(batch.column(0).as_primitive::<Int64Type>().values(), want.as_slice());
    }
    std::fs::write(folder.path().join("d.csv"), "other\n1\n").unwrap();
    let fault =
        read("csv", json!({ "path": "*.csv" }), folder.path(), ReadRequest::default()).unwrap_err();
    assert_eq!(fault.to_string(), "`d.csv` has other columns than `a.csv`");
}

#[test]
fn large_files_are_read_in_order_and_in_bounded_batches() {
    let mut text = String::from("id,text\n");
    for id in 0..200_000u32 {
        text.push_str(&format!("{id},\"line {id}\nnext, {}\"\n", "\"\"".repeat(id as usize % 3)));
    }
    let request = ReadRequest { batch_rows_max: 5_000, ..ReadRequest::default() };
    let batch = asked("csv", &text, json!({}), request);
    let ids = batch.column(0).as_primitive::<Int64Type>();
    assert_eq!(ids.len(), 200_000);
    assert!(ids.values().iter().enumerate().all(|(at, id)| at as i64 == *id));
    assert_eq!(batch.column(1).as_string::<i32>().value(2), "line 2\nnext, \"\"");
}
