//! What a stream keeps outside of its sinks: positions of those that cannot keep their own, and the
//! rows that were set aside.

use async_trait::async_trait;
use flowglass_model::ErrorClass;

use super::change::Op;
use super::position::Position;
use crate::fault::Fault;

/// Where a sink stands, for sinks that do not keep it with the rows, and for people who ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The stream.
    pub stream: String,
    /// The sink.
    pub sink: String,
    /// Behind what it has acknowledged.
    pub position: Position,
    /// Rows delivered since the stream was made.
    pub rows: u64,
    /// When, by the wall clock.
    pub at: jiff::Timestamp,
}

/// A row that a sink could not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The stream.
    pub stream: String,
    /// The sink it failed at; a row that a processor refused names the processor.
    pub sink: String,
    /// `schema.table`.
    pub table: String,
    /// What happened to the row.
    pub op: Op,
    /// `0/16B3748/12`: names the change for ever. With the sink it names the letter: the same one
    /// again replaces it.
    pub id: String,
    /// Its key, as JSON.
    pub key: Option<String>,
    /// Why.
    pub class: ErrorClass,
    /// Why, in words; never with the row's values.
    pub detail: String,
    /// The row as JSON, cut off where it is longer than the limit.
    pub row: String,
    /// Whether `row` was cut off.
    pub truncated: bool,
    /// When, by the wall clock.
    pub at: jiff::Timestamp,
}

/// What happened to letters that were to be kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SetAside {
    /// Letters that are kept now and were not before.
    pub kept: u64,
    /// Older letters that had to make room.
    pub evicted: u64,
    /// Letters that found no room.
    pub rejected: u64,
    /// Letters that are kept now in all.
    pub entries: u64,
}

/// What happens to a letter when there is no room for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Overflow {
    /// The oldest makes room.
    #[default]
    DropOldest,
    /// The new one is dropped.
    Reject,
    /// Nothing is dropped: the sink waits until somebody makes room.
    Block,
}

/// How many letters a stream may have, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeadLetterLimits {
    /// Letters kept at most.
    pub entries_max: u64,
    /// Older letters make room, whoever needs it.
    pub age_max: std::time::Duration,
    /// Bytes of a row that are kept with its letter.
    pub row_bytes_max: usize,
    /// What happens to one more.
    pub overflow: Overflow,
}

/// Keeps checkpoints and dead letters, durably.
#[async_trait]
pub trait StreamState: Send + Sync {
    /// The checkpoints of a stream, one a sink.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn checkpoints(&self, stream: &str) -> Result<Vec<Checkpoint>, Fault>;

    /// Keeps checkpoints: all or none. One of the same stream and sink replaces the older.
    ///
    /// # Errors
    /// When the store does not take them.
    async fn save(&self, checkpoints: Vec<Checkpoint>) -> Result<(), Fault>;

    /// How many letters of a stream are kept.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn dead_letters(&self, stream: &str) -> Result<u64, Fault>;

    /// Keeps letters. Under [`Overflow::Block`] either all find room or none is kept, and
    /// `rejected` says how many there were.
    ///
    /// # Errors
    /// When the store does not take them: the rows must not count as set aside then.
    async fn set_aside(
        &self,
        letters: Vec<DeadLetter>,
        limits: DeadLetterLimits,
    ) -> Result<SetAside, Fault>;
}
