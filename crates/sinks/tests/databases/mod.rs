//! The database connectors against real databases, source and target together: what goes in at
//! one end comes out at the other to the last digit.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails by a panic, as the test does")]
#![expect(clippy::indexing_slicing, reason = "a test knows how many batches it made")]

mod postgres;
mod postgres_types;
mod sqlite;
mod strategies;

use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use flowglass_connect::{
    Batch, BatchSource, BatchTarget, BatchWriter, CursorState, Fault, Outcome, RawEncoding,
    ReadRequest, SchemaChange, SourceConnector, Strategy, Surroundings, SystemClock,
    TargetConnector, WriteOwner, WritePlan,
};
use flowglass_model::ErrorClass;
use serde_json::Value;

pub(crate) fn around(folder: &Path) -> Surroundings {
    Surroundings {
        base_dir: folder.to_owned(),
        scratch_dir: folder.to_owned(),
        clock: Arc::new(SystemClock::new()),
    }
}

pub(crate) fn source(config: Value) -> Arc<dyn BatchSource> {
    let here = around(Path::new("/"));
    if config.get("dsn").is_some() {
        flowglass_sources::postgres::Connector.build(config, &here).unwrap()
    } else {
        flowglass_sources::sqlite::Connector.build(config, &here).unwrap()
    }
}

pub(crate) fn target(config: Value) -> Arc<dyn BatchTarget> {
    let here = around(Path::new("/"));
    if config.get("dsn").is_some() {
        flowglass_sinks::postgres::Connector.build(config, &here).unwrap()
    } else {
        flowglass_sinks::sqlite::Connector.build(config, &here).unwrap()
    }
}

pub(crate) fn owner() -> WriteOwner {
    WriteOwner { tenant: "acme".into(), pipeline: "orders".into(), node: "load".into() }
}

/// How a copy is made.
#[derive(Clone)]
pub(crate) struct Job {
    pub(crate) strategy: Strategy,
    pub(crate) key: Vec<String>,
    pub(crate) schema_change: SchemaChange,
    pub(crate) token: String,
    pub(crate) raw: bool,
    pub(crate) request: ReadRequest,
    pub(crate) cursor: Option<CursorState>,
}

impl Job {
    pub(crate) fn new(strategy: Strategy) -> Self {
        Self {
            strategy,
            key: Vec::new(),
            schema_change: SchemaChange::Evolve,
            token: "t".into(),
            raw: false,
            request: ReadRequest { batch_rows_max: 100, ..ReadRequest::default() },
            cursor: None,
        }
    }

    pub(crate) fn raw(mut self) -> Self {
        self.raw = true;
        self
    }

    pub(crate) fn key(mut self, key: &[&str]) -> Self {
        self.key = key.iter().map(|&name| name.to_owned()).collect();
        self
    }

    pub(crate) fn plan(
        &self,
        schema: arrow::datatypes::SchemaRef,
        raw: Option<RawEncoding>,
    ) -> WritePlan {
        WritePlan {
            schema,
            raw,
            strategy: self.strategy,
            key: self.key.clone(),
            schema_change: self.schema_change,
            owner: owner(),
            token: self.token.clone(),
        }
    }
}

/// What a copy came to, and whether the rows went through as they were.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) outcome: Outcome,
    pub(crate) raw: bool,
}

/// Copies as the engine does: raw where both ends can, in Arrow when the target refuses.
pub(crate) async fn copy(
    from: &Arc<dyn BatchSource>,
    to: &Arc<dyn BatchTarget>,
    job: &Job,
) -> Result<Done, Fault> {
    let mut request = job.request.clone();
    if job.raw {
        request.raw_accepted = to.raw_accepted().to_vec();
    }
    let mut reader = from.open(request.clone()).await?;
    let mut writer = match to.begin(job.plan(reader.schema(), reader.raw())).await {
        Err(fault) if fault.class() == ErrorClass::Unsupported && reader.raw().is_some() => {
            assert!(fault.chain().starts_with(flowglass_clients::postgres::RAW_REFUSED));
            request.raw_accepted.clear();
            reader = from.open(request).await?;
            to.begin(job.plan(reader.schema(), None)).await?
        }
        other => other?,
    };
    while let Some(batch) = reader.next().await? {
        assert!(batch.rows() > 0 && batch.rows() <= job.request.batch_rows_max as u64);
        writer.write(batch).await?;
    }
    let raw = reader.raw().is_some();
    let outcome = writer.commit(job.cursor.clone()).await?;
    Ok(Done { outcome, raw })
}

/// Reads everything, in Arrow.
pub(crate) async fn read(
    from: &Arc<dyn BatchSource>,
    request: ReadRequest,
) -> Result<Vec<RecordBatch>, Fault> {
    let mut reader = from.open(request).await?;
    let mut batches = Vec::new();
    while let Some(batch) = reader.next().await? {
        match batch {
            Batch::Arrow(batch) => batches.push(batch),
            Batch::Raw(_) => panic!("raw rows were not asked for"),
        }
    }
    Ok(batches)
}

/// Writes batches with a job; the writer is given back before its commit.
pub(crate) async fn filled(
    to: &Arc<dyn BatchTarget>,
    job: &Job,
    batches: &[RecordBatch],
) -> Result<Box<dyn BatchWriter>, Fault> {
    let mut writer = to.begin(job.plan(batches[0].schema(), None)).await?;
    for batch in batches {
        writer.write(Batch::Arrow(batch.clone())).await?;
    }
    Ok(writer)
}

/// The fault of something that must fail.
pub(crate) fn refused<T>(answer: Result<T, Fault>) -> Fault {
    match answer {
        Ok(_) => panic!("this must be refused"),
        Err(fault) => fault,
    }
}
