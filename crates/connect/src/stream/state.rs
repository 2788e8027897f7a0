//! What a stream keeps outside of its sinks: positions of those that cannot keep their own, the rows
//! that were set aside, and what is asked of it.

use async_trait::async_trait;
use flowglass_model::ErrorClass;
use jiff::Timestamp;

use super::control::{Answer, Asked, Begin, Begun, Hold};
use super::letter::{DeadLetter, LetterFilter, LetterState, StoredLetter};
use super::position::Position;
use super::receipt::{Account, LateReceipt};
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
    pub at: Timestamp,
    /// What it has acknowledged up to there. Kept in the same commit; not given back.
    pub account: Option<Account>,
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
    /// Letters that take room now in all.
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
    /// Open letters kept at most.
    pub entries_max: u64,
    /// Older letters make room, whoever needs it.
    pub age_max: std::time::Duration,
    /// Bytes of a row that are kept with its letter.
    pub row_bytes_max: usize,
    /// What happens to one more.
    pub overflow: Overflow,
}

/// What a running stream needs kept, durably.
#[async_trait]
pub trait StreamState: Send + Sync {
    /// Takes the stream into this process's hands: it must not run twice at once, and its letters
    /// must not be sent while it runs.
    ///
    /// # Errors
    /// `conflict` when another process has it ([`Hold::taken`]); when it cannot be found out.
    async fn hold(&self, stream: &str) -> Result<Hold, Fault>;

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

    /// Keeps receipts of dead letters that were delivered after all.
    ///
    /// # Errors
    /// When the store does not take them.
    async fn receive_late(&self, receipts: Vec<LateReceipt>) -> Result<(), Fault>;

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

    /// The stream begins to run: it tells its limits and learns how it is meant to be. Requests that
    /// nobody has answered are turned away, as they were made of a process that is gone.
    ///
    /// # Errors
    /// When the store cannot be written.
    async fn begin(&self, begin: Begin) -> Result<Begun, Fault>;

    /// What was asked of the stream and has no answer yet.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn asked(&self, stream: &str) -> Result<Asked, Fault>;

    /// Answers a request. An answer that goes on from [`super::AnswerState::Accepted`] replaces it.
    ///
    /// # Errors
    /// When the store cannot be written.
    async fn answer(&self, request: u64, answer: Answer, at: Timestamp) -> Result<(), Fault>;
}

/// A letter that failed once more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedAgain {
    /// [`StoredLetter::number`].
    pub number: u64,
    /// Why.
    pub class: ErrorClass,
    /// Why, in words.
    pub detail: String,
}

/// The letters of streams, for whoever deals with them afterwards.
#[async_trait]
pub trait LetterBox: Send + Sync {
    /// The letters that fit, in the order in which they were set aside, behind the number `after`, at
    /// most `letters_max`.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn letters(
        &self,
        stream: &str,
        filter: &LetterFilter,
        (after, letters_max): (u64, usize),
    ) -> Result<Vec<StoredLetter>, Fault>;

    /// Puts letters into a state; how many were in another one.
    ///
    /// # Errors
    /// When the store cannot be written; then none has changed.
    async fn mark(
        &self,
        numbers: Vec<u64>,
        state: LetterState,
        at: Timestamp,
    ) -> Result<u64, Fault>;

    /// Letters that were sent again and refused again: they stay, with one attempt more.
    ///
    /// # Errors
    /// When the store cannot be written; then none has changed.
    async fn failed_again(&self, failed: Vec<FailedAgain>, at: Timestamp) -> Result<(), Fault>;
}
