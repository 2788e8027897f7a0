//! What a batch adds to a file.

use flowglass_connect::Fault;
use flowglass_connect::stream::{Refused, Tally};

/// Bytes for the file of a destination.
#[derive(Debug, Default)]
pub(super) struct Piece {
    pub(super) destination: String,
    /// Which columns the bytes are of; a file holds those of one shape.
    pub(super) shape: Option<String>,
    /// What a new file begins with.
    pub(super) head: Vec<u8>,
    pub(super) bytes: Vec<u8>,
    pub(super) rows: u64,
    /// What can be held against rows in columns later; lines are counted by who encoded them.
    pub(super) sum: Tally,
}

/// All of a batch, in order.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    pub(super) pieces: Vec<Piece>,
    /// Rows that go into no file.
    pub(super) refused: Vec<Refused>,
}

/// What makes pieces of a batch.
pub(super) type Made = Result<Pieces, Fault>;
