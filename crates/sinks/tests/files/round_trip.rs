//! Every type through every kind of file and back.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Decimal256Array,
    Float32Array, Float64Array, Int8Array, Int16Array, Int32Array, Int64Array, ListArray,
    RecordBatch, StringArray, StructArray, Time32MillisecondArray, Time64NanosecondArray,
    TimestampMicrosecondArray, TimestampNanosecondArray, UInt64Array,
};
use arrow::datatypes::{Field, Fields, Int64Type, Schema, i256};
use flowglass_connect::Strategy as Way;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::json;

use super::{load, plan, read, target};

/// A column with the type that a text file must be told.
type Column = (&'static str, ArrayRef);

const YEAR_1: i64 = -62_135_596_800;
const YEAR_9999: i64 = 253_402_300_799;

fn columns(rows: usize) -> impl Strategy<Value = Vec<Column>> {
    fn of<V: std::fmt::Debug + Clone>(
        rows: usize,
        value: impl Strategy<Value = V>,
    ) -> impl Strategy<Value = Vec<Option<V>>> {
        vec(option::of(value), rows)
    }
    let micros = YEAR_1 * 1_000_000..YEAR_9999 * 1_000_000;
    let numbers = (
        of(rows, any::<i8>()),
        of(rows, any::<i16>()),
        of(rows, any::<i32>()),
        of(rows, any::<i64>()),
        of(rows, any::<u64>()),
        of(rows, -(10i128.pow(38) - 1)..10i128.pow(38)),
        of(rows, any::<i128>()),
        of(rows, any::<f32>()),
        of(rows, any::<f64>()),
        of(rows, any::<bool>()),
    );
    let others = (
        of(rows, "(?s)[^\0]{0,12}"),
        of(rows, vec(any::<u8>(), 0..9)),
        of(rows, -719_162i32..2_932_896),
        of(rows, 0i32..86_400_000),
        of(rows, 0i64..86_400_000_000_000),
        of(rows, micros.clone()),
        of(rows, micros),
        of(rows, any::<i64>()),
    );
    (numbers, others).prop_map(|(numbers, others)| {
        let (i8s, i16s, i32s, i64s, u64s, d38, d76, f32s, f64s, bools) = numbers;
        let (texts, bytes, days, millis, nanos, zoned, local, stamps) = others;
        let d38 = Decimal128Array::from(d38).with_precision_and_scale(38, 10).unwrap();
        let d76 = d76.into_iter().map(|it| it.map(i256::from_i128));
        let d76 = Decimal256Array::from_iter(d76).with_precision_and_scale(76, 7).unwrap();
        let bytes = BinaryArray::from_iter(bytes);
        let zoned = TimestampMicrosecondArray::from(zoned).with_timezone("UTC");
        vec![
            ("tinyint", Arc::new(Int8Array::from(i8s)) as ArrayRef),
            ("smallint", Arc::new(Int16Array::from(i16s))),
            ("integer", Arc::new(Int32Array::from(i32s))),
            ("bigint", Arc::new(Int64Array::from(i64s))),
            ("ubigint", Arc::new(UInt64Array::from(u64s))),
            ("decimal(38,10)", Arc::new(d38)),
            ("decimal(76,7)", Arc::new(d76)),
            ("real", Arc::new(Float32Array::from(f32s))),
            ("double", Arc::new(Float64Array::from(f64s))),
            ("boolean", Arc::new(BooleanArray::from(bools))),
            ("text", Arc::new(StringArray::from(texts))),
            ("binary", Arc::new(bytes)),
            ("date", Arc::new(Date32Array::from(days))),
            ("time(3)", Arc::new(Time32MillisecondArray::from(millis))),
            ("time(9)", Arc::new(Time64NanosecondArray::from(nanos))),
            ("timestamptz", Arc::new(zoned)),
            ("timestamp", Arc::new(TimestampMicrosecondArray::from(local))),
            ("timestamp(9)", Arc::new(TimestampNanosecondArray::from(stamps))),
        ]
    })
}

fn batch(columns: &[Column]) -> RecordBatch {
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, array)| Field::new(*name, array.data_type().clone(), true))
        .collect();
    let arrays = columns.iter().map(|(_name, array)| Arc::clone(array)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn every_value_comes_back(columns in (1usize..12).prop_flat_map(columns)) {
        let rows = batch(&columns);
        let declared: serde_json::Map<_, _> =
            columns.iter().map(|(name, _array)| ((*name).to_owned(), json!(name))).collect();
        for (kind, to, from) in [
            ("parquet", json!({}), json!({})),
            ("parquet", json!({ "compression": "snappy" }), json!({})),
            ("csv", json!({}), json!({ "columns": declared })),
            ("csv", json!({ "delimiter": ";", "quote": "'", "null": "\\N" }),
                json!({ "columns": declared, "delimiter": ";", "quote": "'", "null": ["\\N"] })),
            ("jsonl", json!({}), json!({ "columns": declared })),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let (mut to, mut from) = (to, from);
            to["path"] = json!("out");
            from["path"] = json!("out");
            let target = target(kind, to, folder.path());
            let plan = plan(&rows.schema(), Way::FullRefresh, "t");
            let told = load(&*target, plan, std::slice::from_ref(&rows), None).unwrap();
            prop_assert_eq!(told.final_rows, rows.num_rows() as u64);
            prop_assert_eq!(&read(kind, from, folder.path()), &rows, "{}", kind);
        }
    }
}

#[test]
fn nested_values_stay_in_parquet_and_are_json_in_text() {
    let list = ListArray::from_iter_primitive::<Int64Type, _, _>(vec![
        Some(vec![Some(1), None]),
        None,
        Some(vec![]),
    ]);
    let inner =
        Fields::from(vec![Field::new("a \"b\"", arrow::datatypes::DataType::Float64, true)]);
    let floats = Float64Array::from(vec![Some(f64::NAN), Some(-0.5), None]);
    let record = StructArray::new(inner, vec![Arc::new(floats)], None);
    let rows = batch(&[("list", Arc::new(list)), ("record", Arc::new(record))]);
    let folder = tempfile::tempdir().unwrap();
    let write = |kind: &str| {
        let target = target(kind, json!({ "path": kind }), folder.path());
        load(
            &*target,
            plan(&rows.schema(), Way::FullRefresh, "t"),
            std::slice::from_ref(&rows),
            None,
        )
        .unwrap();
    };
    ["parquet", "csv", "jsonl"].into_iter().for_each(write);
    assert_eq!(read("parquet", json!({ "path": "parquet" }), folder.path()), rows);
    let text = |kind: &str| std::fs::read_to_string(folder.path().join(kind)).unwrap();
    insta::assert_snapshot!(format!("{}\n{}", text("csv"), text("jsonl")));
    // What JSON says comes back as JSON text, and goes out as the same JSON again.
    let back = read("jsonl", json!({ "path": "jsonl" }), folder.path());
    let again = target("jsonl", json!({ "path": "again" }), folder.path());
    load(&*again, plan(&back.schema(), Way::FullRefresh, "t"), &[back], None).unwrap();
    assert_eq!(text("again"), text("jsonl"));
}
