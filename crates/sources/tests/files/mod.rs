//! The file sources: what they read, what they refuse and how they say it.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails by a panic, as the test does")]

mod anything;
mod broken;
mod columnar;
mod reading;

use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use flowglass_connect::{Batch, Fault, ReadRequest, SourceConnector, Surroundings, SystemClock};
use serde_json::Value;

/// The connector of a kind.
pub(crate) fn connector(kind: &str) -> Box<dyn SourceConnector> {
    match kind {
        "csv" => Box::new(flowglass_sources::csv::Connector),
        "jsonl" => Box::new(flowglass_sources::jsonl::Connector),
        "parquet" => Box::new(flowglass_sources::parquet::Connector),
        other => panic!("no file source is called {other}"),
    }
}

/// Reads all rows of a source, batch by batch.
pub(crate) fn read(
    kind: &str,
    config: Value,
    base: &Path,
    request: ReadRequest,
) -> Result<(SchemaRef, Vec<RecordBatch>), Fault> {
    let around = Surroundings {
        base_dir: base.to_owned(),
        scratch_dir: base.to_owned(),
        clock: Arc::new(SystemClock::new()),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let source = connector(kind).build(config, &around)?;
        let mut reader = source.open(request).await?;
        let mut batches = Vec::new();
        while let Some(batch) = reader.next().await? {
            let Batch::Arrow(batch) = batch else { panic!("files give arrow batches") };
            assert!(batch.num_rows() > 0, "a batch is never empty");
            assert_eq!(batch.schema(), reader.schema());
            batches.push(batch);
        }
        Ok((reader.schema(), batches))
    })
}

/// A fault as the golden files show it.
pub(crate) fn told(fault: &Fault) -> String {
    format!("[{}] {}\n    {}", fault.class(), fault.chain(), fault.advice())
}
