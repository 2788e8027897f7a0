//! What a source of changes has to do.

use std::sync::Arc;

use async_trait::async_trait;
use flowglass_model::AssetRef;

use super::chunk::Chunk;
use super::position::Position;
use crate::batch::Surroundings;
use crate::clock::Clock;
use crate::fault::Fault;

/// Makes sources of one kind from their configuration.
pub trait StreamSourceConnector: Send + Sync {
    /// The manifest's word for it.
    fn kind(&self) -> &'static str;

    /// JSON Schema of its `config`.
    fn schema(&self) -> serde_json::Value;

    /// Makes a source; touches nothing outside.
    ///
    /// # Errors
    /// `config` when the configuration cannot be used.
    fn build(
        &self,
        config: serde_json::Value,
        around: &Surroundings,
    ) -> Result<Arc<dyn StreamSource>, Fault>;
}

/// A log of changes that can be read from a position.
#[async_trait]
pub trait StreamSource: Send + Sync {
    /// Its `id` in the manifest: the label `source` of its metrics.
    fn id(&self) -> &str;

    /// What it reads, without credentials.
    fn asset(&self) -> AssetRef;

    /// After how long without a change it counts as idle, where the configuration says so.
    fn idle_after(&self) -> Option<std::time::Duration> {
        None
    }

    /// Looks at everything that has to be right before it can be opened.
    ///
    /// # Errors
    /// Only when the source cannot be asked at all.
    async fn examine(&self) -> Result<Vec<Precondition>, Fault>;

    /// Begins to read behind `from`; without one at the beginning, which is a snapshot where the
    /// configuration asks for it.
    ///
    /// # Errors
    /// `position_lost` when the log no longer reaches back to `from`; else what stands in the way.
    async fn open(
        &self,
        from: Option<Position>,
        clock: Arc<dyn Clock>,
    ) -> Result<Box<dyn StreamReader>, Fault>;

    /// A second reader behind `from`, beside one that is open and further on: for a sink that fell
    /// behind and catches up by itself. Neither reader hears of the other; what this one confirms
    /// lets the source forget nothing that the other needs.
    ///
    /// # Errors
    /// `unsupported` where the source cannot; `position_lost` when what comes after `from` was
    /// confirmed by the other reader already; else as for [`StreamSource::open`].
    async fn open_beside(
        &self,
        from: Position,
        clock: Arc<dyn Clock>,
    ) -> Result<Box<dyn StreamReader>, Fault> {
        drop((from, clock));
        let said = format!("the source {} cannot be read twice at once", self.id());
        Err(Fault::new(flowglass_model::ErrorClass::Unsupported, said))
    }
}

/// An open source. Dropping it closes the connection and confirms nothing.
#[async_trait]
pub trait StreamReader: Send {
    /// The next chunk; `None` when a source that ends has ended. May be dropped while it waits,
    /// without losing anything.
    ///
    /// # Errors
    /// A retryable class when opening the source again may help.
    async fn next(&mut self) -> Result<Option<Chunk>, Fault>;

    /// The source may forget what is before `position`: every sink that counts has it for good.
    fn confirm(&mut self, position: &Position);

    /// Reads the rows of one table again, beside the log: they come as [`super::Op::Read`], and no row
    /// that was read follows a newer one of the log. Returns as soon as it is asked for.
    ///
    /// # Errors
    /// `unsupported` where the source cannot; `not_found` when it does not carry the table.
    async fn resync(&mut self, table: &str) -> Result<(), Fault> {
        let said = format!("this source cannot read the table {table} again");
        Err(Fault::new(flowglass_model::ErrorClass::Unsupported, said))
    }

    /// Tells the source what was confirmed last, and closes. Without it the source learns it at the
    /// next opening.
    async fn close(&mut self) {}

    /// Where the source's log ends now, as far as the reader knows.
    fn head(&self) -> Head;
}

/// The end of the source's log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// The end of the log, comparable with [`Position::commit`].
    pub end: u64,
    /// When the source said so, by the clock's monotonic time.
    pub seen_at: std::time::Duration,
    /// Bytes of the log that the source keeps for us and could otherwise drop.
    pub retained_bytes: Option<u64>,
    /// How often the connection was made anew.
    pub reconnects: u64,
    /// Bytes taken from the wire so far.
    pub wire_bytes: u64,
    /// Rows of the running snapshot: done and expected.
    pub snapshot: Option<(u64, u64)>,
    /// How far each table of the last snapshot has been read.
    pub tables: Vec<TableProgress>,
}

/// How far a table has been read by a snapshot, in parts of about the same size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableProgress {
    /// `schema.table`.
    pub table: String,
    /// Parts that have been read.
    pub done: u64,
    /// All parts.
    pub parts: u64,
}

/// Something that has to be right before a stream can run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Precondition {
    /// What was looked at, such as `wal_level`.
    pub name: String,
    /// Whether it is right.
    pub fine: bool,
    /// Whether the stream can run all the same.
    pub optional: bool,
    /// What was found.
    pub found: String,
    /// How to mend it, as SQL or a command where there is one.
    pub remedy: Option<String>,
}
