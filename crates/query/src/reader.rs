//! A running query as a reader of batches: plain types, bounded batches, and a second try with
//! operators that spill when memory ran short before the first row.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::error::DataFusionError;
use flowglass_connect::{Batch, BatchReader, Fault};
use flowglass_model::ErrorClass;
use futures::StreamExt;

use super::error::{During, fault, memory_is_short};
use super::plan::{Planner, Running};

/// An open query. Dropping it ends the query's tasks and closes its sources.
pub(crate) struct QueryReader {
    // Dropped before the planner, whose spill folder its files are in.
    running: Running,
    planner: Planner,
    schema: SchemaRef,
    bounds: Bounds,
    ready: VecDeque<RecordBatch>,
    begun: bool,
}

/// How large a batch may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) rows_max: usize,
    pub(crate) bytes_max: usize,
}

impl QueryReader {
    pub(crate) fn new(planner: Planner, running: Running, bounds: Bounds) -> Self {
        let schema = Arc::clone(&running.schema);
        Self { running, planner, schema, bounds, ready: VecDeque::new(), begun: false }
    }

    /// What stopped the query: a source's own fault tells more than what the plan made of it.
    fn stopped(&self, error: &DataFusionError) -> Fault {
        self.planner
            .told()
            .take_fault()
            .unwrap_or_else(|| fault(error, During::Running, self.planner.names()))
    }

    fn give(&mut self, batch: &RecordBatch) -> Result<(), Fault> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        self.begun = true;
        let plain = plain(batch, &self.schema)?;
        self.ready.extend(self.bounds.cut(&plain));
        Ok(())
    }
}

#[async_trait]
impl BatchReader for QueryReader {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn bytes_read(&self) -> u64 {
        self.planner.told().bytes()
    }

    async fn next(&mut self) -> Result<Option<Batch>, Fault> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                return Ok(Some(Batch::Arrow(batch)));
            }
            match self.running.stream.next().await {
                None => return Ok(None),
                Some(Ok(batch)) => self.give(&batch)?,
                Some(Err(error))
                    if !self.running.frugal && !self.begun && memory_is_short(&error) =>
                {
                    self.running = self.planner.start(true).await?;
                }
                Some(Err(error)) => return Err(self.stopped(&error)),
            }
        }
    }
}

/// The batch in the types that are given out.
fn plain(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, Fault> {
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    let columns: Result<Vec<ArrayRef>, _> = batch
        .columns()
        .iter()
        .zip(schema.fields())
        .map(|(column, field)| match column.data_type() == field.data_type() {
            true => Ok(Arc::clone(column)),
            false => cast_with_options(column, field.data_type(), &strict),
        })
        .collect();
    let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    columns
        .and_then(|columns| RecordBatch::try_new_with_options(Arc::clone(schema), columns, &rows))
        .map_err(|_values| {
            Fault::new(ErrorClass::Internal, "the query's result does not fit its columns")
        })
}

impl Bounds {
    /// Cuts a batch into pieces that keep the bounds. The pieces share the batch's memory.
    fn cut(self, batch: &RecordBatch) -> Vec<RecordBatch> {
        let rows = batch.num_rows();
        let bytes = batch.get_array_memory_size().max(1);
        let by_bytes = (rows.saturating_mul(self.bytes_max) / bytes).max(1);
        let step = self.rows_max.max(1).min(by_bytes);
        (0..rows).step_by(step).map(|from| batch.slice(from, step.min(rows - from))).collect()
    }
}
