//! The query engine over sources in memory.

mod answers;
mod bounds;
mod faults;

use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::util::pretty::pretty_format_batches;
use flowglass_connect::{
    Batch, BatchReader, BatchSource, Fault, QueryEngine, QueryTable, ReadRequest, Surroundings,
};
use flowglass_query::DataFusion;
use flowglass_testkit::{FakeClock, MemorySource};

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, it)| (name, it, true)))
        .unwrap()
}

fn source(name: &str, columns: Vec<(&str, ArrayRef)>) -> Arc<MemorySource> {
    let batch = batch(columns);
    Arc::new(MemorySource::new(name, batch.schema(), vec![batch]))
}

/// Five orders with columns that need care: mixed case, a space, a quote, letters beyond ASCII.
fn orders() -> Arc<MemorySource> {
    let ids = Int64Array::from(vec![1, 2, 3, 4, i64::MAX]);
    let amounts =
        Decimal128Array::from(vec![Some(10), Some(20), Some(30), None, Some(99_999_999_999)])
            .with_precision_and_scale(12, 2)
            .unwrap();
    let days = Date32Array::from(vec![20_000, 20_000, 20_001, 20_001, 20_002]);
    let at = TimestampMicrosecondArray::from_iter_values((0..5).map(|i| 1_700_000_000_123_456 + i))
        .with_timezone("UTC");
    source(
        "orders",
        vec![
            ("OrderID", Arc::new(ids) as _),
            ("Amount", Arc::new(amounts) as _),
            ("Date", Arc::new(days) as _),
            ("updated_at", Arc::new(at) as _),
            (
                "Ship To",
                Arc::new(StringArray::from(vec![
                    Some("Köln"),
                    Some("Oslo"),
                    None,
                    Some("Oslo"),
                    Some(""),
                ])) as _,
            ),
            (
                "it's \"größe\"",
                Arc::new(Float64Array::from(vec![0.1, 0.2, 0.3, f64::NAN, 1e300])) as _,
            ),
        ],
    )
}

fn table(name: &str, source: &Arc<MemorySource>) -> QueryTable {
    QueryTable { name: name.to_owned(), source: Arc::clone(source) as Arc<dyn BatchSource> }
}

fn around(scratch: &Path) -> Surroundings {
    Surroundings {
        base_dir: scratch.to_owned(),
        scratch_dir: scratch.to_owned(),
        clock: Arc::new(FakeClock::new()),
    }
}

async fn drain(reader: &mut Box<dyn BatchReader>) -> Result<Vec<RecordBatch>, Fault> {
    let mut batches = Vec::new();
    while let Some(Batch::Arrow(batch)) = reader.next().await? {
        assert!(batch.num_rows() > 0, "a batch is never empty");
        assert_eq!(batch.schema(), reader.schema());
        batches.push(batch);
    }
    Ok(batches)
}

async fn ask_with(
    sql: &str,
    tables: Vec<QueryTable>,
    request: ReadRequest,
) -> Result<Vec<RecordBatch>, Fault> {
    let scratch = tempfile::tempdir().unwrap();
    let query = DataFusion::default().query(sql, tables, &around(scratch.path()))?;
    let mut reader = query.open(request).await?;
    let schema = reader.schema();
    let mut batches = drain(&mut reader).await?;
    if batches.is_empty() {
        batches.push(RecordBatch::new_empty(schema));
    }
    Ok(batches)
}

async fn ask(sql: &str, tables: Vec<QueryTable>) -> Result<Vec<RecordBatch>, Fault> {
    ask_with(sql, tables, ReadRequest::default()).await
}

/// The types of the columns and the rows, as text.
fn shown(batches: &[RecordBatch]) -> String {
    let schema = batches.first().map(RecordBatch::schema).unwrap();
    let types: Vec<String> = schema
        .fields()
        .iter()
        .map(|field| format!("{}: {}", field.name(), field.data_type()))
        .collect();
    format!("{}\n{}", types.join(", "), pretty_format_batches(batches).unwrap())
}
