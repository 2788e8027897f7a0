//! One change of one row, as ranges into its chunk.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::chunk::Chunk;
use super::datum::RowRef;
use super::position::Position;
use super::ready::Ready;
use super::relation::Relation;

/// What happened to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// It was made.
    Insert,
    /// It was changed.
    Update,
    /// It was removed.
    Delete,
    /// It was there when a snapshot looked.
    Read,
    /// All rows of the table were removed at once.
    Truncate,
}

impl Op {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Insert, Self::Update, Self::Delete, Self::Read, Self::Truncate];

    /// The operation with that word.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }

    /// The word used on the wire and in labels.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Read => "read",
            Self::Truncate => "truncate",
        }
    }
}

/// How much of the row before the change is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Identity {
    /// Nothing: the key did not change.
    None,
    /// The columns of the key; the others are null without meaning it.
    Key,
    /// Every column.
    Full,
}

/// A transaction that has been committed at the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// The source's own number for it.
    pub id: u64,
    /// Where its commit is in the log: [`Position::commit`].
    pub commit: u64,
    /// When it was committed, in microseconds since 1970 in UTC, by the source's clock.
    pub committed_at_micros: i64,
}

/// A change's head. Its cells and its transaction are in the chunk that holds it.
#[derive(Debug, Clone)]
pub struct Change {
    /// What happened.
    pub op: Op,
    /// How much of `before` is known.
    pub identity: Identity,
    /// Index into the chunk's relations.
    pub relation: u16,
    /// Index into the chunk's transactions.
    pub transaction: u32,
    /// Index of the first cell of the row before; meaningless without identity.
    pub(super) before: u32,
    /// Index of the first cell of the row after; `u32::MAX` without one.
    pub(super) after: u32,
    /// Number of the change in its transaction, from 0. A snapshot's rows carry their place in the
    /// table instead, so that reading them again gives the same number.
    pub row: u64,
    /// The change's own place in the log.
    pub place: u64,
    /// Hash over the change's bytes as they came over the wire: what the ledger sums.
    pub hash: u64,
    /// How many bytes of the wire it took.
    pub wire_bytes: u32,
}

/// A change together with the chunk that holds its bytes.
#[derive(Debug, Clone, Copy)]
pub struct ChangeRef<'a> {
    chunk: &'a Chunk,
    change: &'a Change,
}

impl<'a> ChangeRef<'a> {
    pub(super) const fn new(chunk: &'a Chunk, change: &'a Change) -> Self {
        Self { chunk, change }
    }

    /// The head.
    #[must_use]
    pub const fn head(&self) -> &'a Change {
        self.change
    }

    /// What happened.
    #[must_use]
    pub const fn op(&self) -> Op {
        self.change.op
    }

    /// The table.
    #[must_use]
    pub fn relation(&self) -> &'a Arc<Relation> {
        self.chunk.relation(self.change.relation)
    }

    /// What stands in the row's columns when the row is a message already.
    #[must_use]
    pub fn ready(&self) -> Option<&'a Arc<Ready>> {
        self.chunk.ready(self.change.relation)
    }

    /// The transaction.
    #[must_use]
    pub fn transaction(&self) -> &'a Transaction {
        self.chunk.transaction(self.change.transaction)
    }

    /// The row before, as far as [`Change::identity`] says.
    #[must_use]
    pub fn before(&self) -> Option<RowRef<'a>> {
        match self.change.identity {
            Identity::None => None,
            Identity::Key | Identity::Full => Some(self.row_at(self.change.before)),
        }
    }

    /// The row after; none for deletes and truncates.
    #[must_use]
    pub fn after(&self) -> Option<RowRef<'a>> {
        (self.change.after != u32::MAX).then(|| self.row_at(self.change.after))
    }

    /// The row that names the subject: after, else before.
    #[must_use]
    pub fn row(&self) -> Option<RowRef<'a>> {
        self.after().or_else(|| self.before())
    }

    /// The position behind this change.
    #[must_use]
    pub fn position(&self) -> Position {
        Position::inside(self.transaction().commit, self.change.row.saturating_add(1))
    }

    /// When its chunk was received, by the clock's monotonic time.
    #[must_use]
    pub fn received(&self) -> std::time::Duration {
        self.chunk.received()
    }

    fn row_at(&self, start: u32) -> RowRef<'a> {
        let columns = self.relation().columns.len();
        RowRef { chunk: self.chunk, cells: self.chunk.cells(start, columns) }
    }
}
