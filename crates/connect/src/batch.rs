//! The doorframes of batch copies: a source gives batches, a target takes them and commits once.
//!
//! The contract, which the acceptance suite of `testkit` holds every connector to:
//!
//! * **Reading.** `open` looks at the source and fixes the schema; `next` gives batches until it
//!   answers `None`. Rows of one batch share that schema. Memory is bounded by the request's batch
//!   bounds, whatever the size of the source. A value that the schema cannot hold exactly is a
//!   fault of class `inexact` or `malformed` that names the column and the row's place, and never
//!   shows the value.
//! * **Writing.** Nothing that `write` takes is visible in the target until `commit` has
//!   answered. Dropping or aborting a writer leaves the target as it was before `begin`.
//! * **Taken is not kept.** Only the figures of `commit` count; they come from the target.
//! * **The position lives with the data.** `commit` stores the cursor and the plan's token in the
//!   same transaction (or the same rename) as the rows. `committed` answers for a token that was
//!   kept before, so that a crash between commit and bookkeeping never doubles a row.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use bytes::Bytes;
use flowglass_model::AssetRef;
use serde::{Deserialize, Serialize};

use crate::fault::Fault;

/// Rows on their way from a source to a target.
#[derive(Debug, Clone)]
pub enum Batch {
    /// Columns in Arrow's layout: the common tongue of all connectors.
    Arrow(RecordBatch),
    /// Bytes in an encoding that both ends speak, handed through without decoding.
    Raw(RawBatch),
}

impl Batch {
    /// How many rows it holds.
    #[must_use]
    pub fn rows(&self) -> u64 {
        match self {
            Self::Arrow(batch) => batch.num_rows() as u64,
            Self::Raw(raw) => raw.rows,
        }
    }

    /// About how many bytes it holds in memory.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Arrow(batch) => batch.get_array_memory_size() as u64,
            Self::Raw(raw) => raw.bytes.len() as u64,
        }
    }
}

/// Whole rows in a shared encoding. Never splits a row.
#[derive(Debug, Clone)]
pub struct RawBatch {
    /// The rows' bytes, without any header or trailer of the stream.
    pub bytes: Bytes,
    /// How many rows `bytes` holds, counted by the source while it read them.
    pub rows: u64,
}

/// An encoding that some source can give and some target can take as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RawEncoding {
    /// Tuples of PostgreSQL's binary COPY format, columns in the order of the schema.
    /// <https://www.postgresql.org/docs/current/sql-copy.html>
    PostgresCopyBinary,
}

/// Key of the Arrow field metadata that holds the source's own type, for instance
/// `postgres:numeric`, where Arrow's type alone says too little.
pub const NATIVE_TYPE_KEY: &str = "flowglass.native_type";

/// What the reader is asked for.
#[derive(Debug, Clone)]
pub struct ReadRequest {
    /// Only these columns, in this order; all when `None`.
    pub columns: Option<Vec<String>>,
    /// Read only rows from this point on (`>=`), in any order. The engine itself drops the rows
    /// of the boundary that were delivered before.
    pub from_cursor: Option<CursorBound>,
    /// Raw encodings that the target takes; a source may answer in one of them when the schema
    /// allows, and must answer in Arrow otherwise.
    pub raw_accepted: Vec<RawEncoding>,
    /// Upper bound of rows in a batch.
    pub batch_rows_max: usize,
    /// Upper bound of bytes in a batch, approximate, one row excepted.
    pub batch_bytes_max: usize,
}

impl Default for ReadRequest {
    fn default() -> Self {
        Self {
            columns: None,
            from_cursor: None,
            raw_accepted: Vec::new(),
            batch_rows_max: 16_384,
            batch_bytes_max: 4 << 20,
        }
    }
}

/// Where an incremental read begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CursorBound {
    /// The cursor column.
    pub column: String,
    /// The highest value delivered so far; `None` reads all.
    pub value: Option<CursorValue>,
}

/// A cursor's value in a form that keeps every digit: text as the source writes it for numbers,
/// timestamps (RFC 3339 with all fractional digits) and strings, and the type to compare by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CursorValue {
    /// How two values compare.
    pub kind: CursorKind,
    /// The value itself, exact.
    pub text: String,
}

/// How cursor values compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CursorKind {
    /// Signed integers.
    Integer,
    /// Exact decimals.
    Decimal,
    /// Points in time with zone, as nanoseconds or coarser.
    Timestamp,
    /// Wall-clock date and time without zone.
    LocalTimestamp,
    /// Calendar dates.
    Date,
    /// Text by Unicode code points (a database's collation must agree: `C` or `BINARY`).
    Text,
}

/// What is stored with the data so that the next incremental run starts right: the highest cursor
/// value, and the hashes of the delivered rows that have exactly this value. The next run reads
/// from the value on (`>=`) and leaves out those rows, so that a row which arrives later with an
/// equal cursor is neither lost nor doubled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CursorState {
    /// The cursor column.
    pub column: String,
    /// The highest value delivered.
    pub value: CursorValue,
    /// Hex of 128-bit row hashes at `value`, sorted; bounded by the engine.
    pub boundary: Vec<String>,
}

/// How rows enter the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// Load aside, then swap in one step: the target holds exactly the source's rows.
    FullRefresh,
    /// Add all rows.
    Append,
    /// Add the rows past the stored cursor.
    IncrementalAppend,
    /// Insert or update by key the rows past the stored cursor.
    IncrementalMerge,
}

impl Strategy {
    /// The manifest's word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::FullRefresh => "full_refresh",
            Self::Append => "append",
            Self::IncrementalAppend => "incremental_append",
            Self::IncrementalMerge => "incremental_merge",
        }
    }

    /// Whether a cursor is kept from run to run.
    #[must_use]
    pub const fn incremental(self) -> bool {
        matches!(self, Self::IncrementalAppend | Self::IncrementalMerge)
    }
}

/// What happens when the source has a column that the target lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SchemaChange {
    /// Add the column to the target, null in the rows that are there.
    #[default]
    Evolve,
    /// Refuse, naming the column.
    Fail,
    /// Leave the column out.
    Ignore,
}

/// What the writer is told before the first batch.
#[derive(Debug, Clone)]
pub struct WritePlan {
    /// Columns in the order of the batches.
    pub schema: SchemaRef,
    /// The encoding of the batches: `None` is Arrow.
    pub raw: Option<RawEncoding>,
    /// How rows enter the target.
    pub strategy: Strategy,
    /// Key columns, for merges.
    pub key: Vec<String>,
    /// What to do with columns that the target lacks.
    pub schema_change: SchemaChange,
    /// Who writes: where the cursor and the token are kept in the target.
    pub owner: WriteOwner,
    /// Names this piece of work over all its attempts and resumed runs. A commit stores it.
    pub token: String,
}

/// Whose cursor it is: one per pipeline and node in a target.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct WriteOwner {
    /// The tenant.
    pub tenant: String,
    /// The pipeline.
    pub pipeline: String,
    /// The node.
    pub node: String,
}

/// What the target says it kept. Figures come from the target, not from counting what was sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Rows that are new in the target.
    pub inserted: u64,
    /// Rows that were there and changed.
    pub updated: u64,
    /// Rows that were there and equal (merges), or superseded by a later row of the same key in
    /// the same load.
    pub unchanged: u64,
    /// Rows that went away (full refresh does not count the rows it replaces).
    pub deleted: u64,
    /// Rows in the target after the commit.
    pub final_rows: u64,
    /// Bytes written, as the target knows them (file size, COPY bytes), before compression by
    /// the system below.
    pub bytes: u64,
    /// Columns that were added, with their type in the target's words.
    pub columns_added: Vec<(String, String)>,
}

/// A place that rows are read from.
#[async_trait]
pub trait BatchSource: Send + Sync {
    /// What is read, by the naming convention of OpenLineage. No credentials.
    fn asset(&self) -> AssetRef;

    /// Looks at the source, fixes the schema and starts reading.
    async fn open(&self, request: ReadRequest) -> Result<Box<dyn BatchReader>, Fault>;
}

/// An open read.
#[async_trait]
pub trait BatchReader: Send {
    /// The columns of every batch.
    fn schema(&self) -> SchemaRef;

    /// The encoding of every batch: `None` is Arrow.
    fn raw(&self) -> Option<RawEncoding> {
        None
    }

    /// How many rows there will be, when the source can say so cheaply. For progress only.
    fn rows_expected(&self) -> Option<u64> {
        None
    }

    /// Bytes read from the source so far.
    fn bytes_read(&self) -> u64;

    /// The next batch, never empty; `None` at the end. Cancel-safe is not required: the engine
    /// drops the reader when it stops early.
    async fn next(&mut self) -> Result<Option<Batch>, Fault>;
}

/// A place that rows are written to.
#[async_trait]
pub trait BatchTarget: Send + Sync {
    /// What is written, by the naming convention of OpenLineage. No credentials.
    fn asset(&self) -> AssetRef;

    /// Raw encodings that [`BatchWriter::write`] takes for some schema.
    fn raw_accepted(&self) -> &[RawEncoding] {
        &[]
    }

    /// The cursor that was kept with the data, if any.
    async fn cursor(&self, owner: &WriteOwner) -> Result<Option<CursorState>, Fault>;

    /// The outcome of the work that `token` names, when it was committed before.
    async fn committed(&self, owner: &WriteOwner, token: &str) -> Result<Option<Outcome>, Fault>;

    /// Checks the plan against the target and makes ready to write aside. Leftovers of a writer
    /// that was killed are removed here.
    async fn begin(&self, plan: WritePlan) -> Result<Box<dyn BatchWriter>, Fault>;
}

/// An open write. Nothing is visible before `commit`.
#[async_trait]
pub trait BatchWriter: Send {
    /// Takes a batch. It is not kept yet.
    async fn write(&mut self, batch: Batch) -> Result<(), Fault>;

    /// Makes all that was written visible, in one step, together with cursor and token.
    async fn commit(self: Box<Self>, cursor: Option<CursorState>) -> Result<Outcome, Fault>;

    /// Leaves the target as it was. Dropping the writer must come to the same.
    async fn abort(self: Box<Self>) -> Result<(), Fault>;
}

/// Where a connector finds its surroundings, since nothing below the binary asks for them.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// Folder that relative paths start from: the manifest's own.
    pub base_dir: std::path::PathBuf,
    /// Folder for files that outgrow memory. Emptied of its own leftovers by whoever made them.
    pub scratch_dir: std::path::PathBuf,
    /// The clock.
    pub clock: Arc<dyn crate::clock::Clock>,
}

/// Makes sources of one type from their configuration. Building touches nothing outside.
pub trait SourceConnector: Send + Sync {
    /// The manifest's word, for instance `csv`.
    fn kind(&self) -> &'static str;

    /// JSON Schema of the configuration, without the key `type`. Unknown keys are refused.
    fn schema(&self) -> serde_json::Value;

    /// Builds a source from a configuration that fits [`Self::schema`].
    fn build(
        &self,
        config: serde_json::Value,
        around: &Surroundings,
    ) -> Result<Arc<dyn BatchSource>, Fault>;
}

/// Makes targets of one type from their configuration. Building touches nothing outside.
pub trait TargetConnector: Send + Sync {
    /// The manifest's word, for instance `csv`.
    fn kind(&self) -> &'static str;

    /// JSON Schema of the configuration, without the key `type`. Unknown keys are refused.
    fn schema(&self) -> serde_json::Value;

    /// Builds a target from a configuration that fits [`Self::schema`].
    fn build(
        &self,
        config: serde_json::Value,
        around: &Surroundings,
    ) -> Result<Arc<dyn BatchTarget>, Fault>;
}
