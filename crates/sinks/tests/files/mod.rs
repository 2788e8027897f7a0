//! The file targets: what they keep, what they refuse, and what a crash leaves.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails by a panic, as the test does")]

mod interrupted;
mod merging;
mod refused;
mod round_trip;
mod strategies;

use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use flowglass_connect::{
    Batch, BatchTarget, CursorKind, CursorState, CursorValue, Fault, Outcome, ReadRequest,
    SchemaChange, SourceConnector, Strategy, Surroundings, SystemClock, TargetConnector,
    WriteOwner, WritePlan,
};
use serde_json::{Value, json};

/// The kinds of file.
pub(crate) const KINDS: [&str; 3] = ["csv", "jsonl", "parquet"];

pub(crate) fn around(base: &Path) -> Surroundings {
    Surroundings {
        base_dir: base.to_owned(),
        scratch_dir: base.join("scratch"),
        clock: Arc::new(SystemClock::new()),
    }
}

/// A target of a kind, configured as said.
pub(crate) fn target(kind: &str, config: Value, base: &Path) -> Arc<dyn BatchTarget> {
    let connector: Box<dyn TargetConnector> = match kind {
        "csv" => Box::new(flowglass_sinks::csv::Connector),
        "jsonl" => Box::new(flowglass_sinks::jsonl::Connector),
        "parquet" => Box::new(flowglass_sinks::parquet::Connector),
        other => panic!("no file target is called {other}"),
    };
    connector.build(config, &around(base)).unwrap()
}

pub(crate) fn owner() -> WriteOwner {
    WriteOwner { tenant: "acme".into(), pipeline: "orders".into(), node: "load".into() }
}

pub(crate) fn plan(schema: &SchemaRef, strategy: Strategy, token: &str) -> WritePlan {
    WritePlan {
        schema: Arc::clone(schema),
        raw: None,
        strategy,
        key: vec!["id".to_owned()],
        schema_change: SchemaChange::Evolve,
        owner: owner(),
        token: token.to_owned(),
    }
}

pub(crate) fn cursor(text: &str) -> CursorState {
    CursorState {
        column: "id".into(),
        value: CursorValue { kind: CursorKind::Integer, text: text.into() },
        boundary: vec!["00ff".into()],
    }
}

/// Runs to the end on this thread.
pub(crate) fn wait<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

/// Writes batches and commits.
pub(crate) fn load(
    target: &dyn BatchTarget,
    plan: WritePlan,
    batches: &[RecordBatch],
    at: Option<CursorState>,
) -> Result<Outcome, Fault> {
    wait(async {
        let mut writer = target.begin(plan).await?;
        for batch in batches {
            writer.write(Batch::Arrow(batch.clone())).await?;
        }
        writer.commit(at).await
    })
}

/// Reads a file back with the source of its kind.
pub(crate) fn read(kind: &str, config: Value, base: &Path) -> RecordBatch {
    let connector: Box<dyn SourceConnector> = match kind {
        "csv" => Box::new(flowglass_sources::csv::Connector),
        "jsonl" => Box::new(flowglass_sources::jsonl::Connector),
        _ => Box::new(flowglass_sources::parquet::Connector),
    };
    wait(async {
        let source = connector.build(config, &around(base)).unwrap();
        let mut reader = match source.open(ReadRequest::default()).await {
            Ok(reader) => reader,
            Err(fault) => panic!("{}", fault.chain()),
        };
        let mut batches = Vec::new();
        while let Some(batch) = reader.next().await.unwrap_or_else(|it| panic!("{}", it.chain())) {
            let Batch::Arrow(batch) = batch else { panic!("files give arrow batches") };
            batches.push(batch);
        }
        arrow::compute::concat_batches(&reader.schema(), &batches).unwrap()
    })
}

/// Orders of the given ids: `id`, `name` (sometimes null or empty), `amount`.
pub(crate) fn orders(ids: impl IntoIterator<Item = i64>, mark: &str) -> RecordBatch {
    use arrow::array::{Decimal128Array, Int64Array, StringArray};
    use arrow::datatypes::{DataType, Field, Schema};
    let ids: Vec<i64> = ids.into_iter().collect();
    let names = ids.iter().map(|id| match id % 4 {
        0 => None,
        1 => Some(String::new()),
        _ => Some(format!("{mark}, \"{id}\"\nline")),
    });
    let amounts = ids.iter().map(|id| i128::from(*id) * 101);
    let schema = Schema::new(vec![
        Field::new("id", DataType::Int64, true),
        Field::new("name", DataType::Utf8, true),
        Field::new("amount", DataType::Decimal128(18, 2), true),
    ]);
    let amounts = Decimal128Array::from_iter_values(amounts).with_precision_and_scale(18, 2);
    RecordBatch::try_new(
        Arc::new(schema),
        vec![
            Arc::new(Int64Array::from(ids.clone())),
            Arc::new(StringArray::from_iter(names)),
            Arc::new(amounts.unwrap()),
        ],
    )
    .unwrap()
}

/// The declared types of [`orders`], which text files need to read back the same.
pub(crate) fn read_orders(kind: &str, base: &Path) -> RecordBatch {
    let config = match kind {
        "parquet" => json!({ "path": "out" }),
        _ => json!({ "path": "out",
            "columns": { "id": "bigint", "name": "text", "amount": "decimal(18,2)" } }),
    };
    read(kind, config, base)
}
