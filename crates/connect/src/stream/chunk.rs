//! A block of changes in the source's own bytes, and how a source fills one.
//!
//! A chunk costs five allocations however many rows it holds. Cells are ranges into its bytes; what
//! a processor changes is appended behind them, so that an untouched row is never copied.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use twox_hash::XxHash3_64;

use super::change::{Change, ChangeRef, Identity, Op, Transaction};
use super::datum::Cell;
use super::position::Position;
use super::ready::Ready;
use super::relation::Relation;

/// A place between two changes of a chunk where a transaction is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// How many of the chunk's changes come before it.
    pub after: usize,
    /// The position that is reached there.
    pub position: Position,
}

/// Changes in order, with their bytes. Never altered once it is made.
#[derive(Debug, Clone)]
pub struct Chunk {
    pub(super) bytes: Bytes,
    /// What processors added; its ranges begin where those of `bytes` end.
    pub(super) appended: Vec<u8>,
    pub(super) cells: Vec<Cell>,
    pub(super) changes: Vec<Change>,
    pub(super) relations: Vec<Arc<Relation>>,
    /// Relations, by index, whose rows are messages already.
    pub(super) ready: Vec<(u16, Arc<Ready>)>,
    pub(super) transactions: Vec<Transaction>,
    pub(super) marks: Vec<Mark>,
    pub(super) received: Duration,
}

impl Chunk {
    /// How many changes it holds; a chunk without any still moves the position by its marks.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether it holds no change.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The change with that index.
    #[must_use]
    pub fn change(&self, index: usize) -> Option<ChangeRef<'_>> {
        self.changes.get(index).map(|change| ChangeRef::new(self, change))
    }

    /// The changes of that range, in order; what is past the end is left out.
    pub fn changes(&self, from: usize, to: usize) -> impl ExactSizeIterator<Item = ChangeRef<'_>> {
        let to = to.min(self.changes.len());
        let part = self.changes.get(from.min(to)..to).unwrap_or_default();
        part.iter().map(|change| ChangeRef::new(self, change))
    }

    /// Where transactions end, in order.
    #[must_use]
    pub fn marks(&self) -> &[Mark] {
        &self.marks
    }

    /// When it was received, by the clock's monotonic time.
    #[must_use]
    pub const fn received(&self) -> Duration {
        self.received
    }

    /// About how many bytes it keeps in memory.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.bytes.len()
            + self.appended.len()
            + self.cells.len() * size_of::<Cell>()
            + self.changes.len() * size_of::<Change>()
            + self.transactions.len() * size_of::<Transaction>()
    }

    pub(super) fn bytes_of(&self, cell: Cell) -> &[u8] {
        let (start, end) = cell.range();
        match self.bytes.get(start..end) {
            Some(bytes) => bytes,
            None => self.appended_bytes(start, end),
        }
    }

    fn appended_bytes(&self, start: usize, end: usize) -> &[u8] {
        let before = self.bytes.len();
        let range = start.checked_sub(before).zip(end.checked_sub(before));
        // The builder made the range from these bytes; an empty answer is the worst of a defect.
        range.and_then(|(start, end)| self.appended.get(start..end)).unwrap_or_default()
    }

    pub(super) fn cells(&self, start: u32, count: usize) -> &[Cell] {
        let start = start as usize;
        self.cells.get(start..start + count).unwrap_or_default()
    }

    #[expect(clippy::indexing_slicing, reason = "the builder gave the index out")]
    pub(super) fn relation(&self, index: u16) -> &Arc<Relation> {
        &self.relations[usize::from(index)]
    }

    pub(super) fn ready(&self, index: u16) -> Option<&Arc<Ready>> {
        self.ready.iter().find(|(relation, _)| *relation == index).map(|(_, ready)| ready)
    }

    #[expect(clippy::indexing_slicing, reason = "the builder gave the index out")]
    pub(super) fn transaction(&self, index: u32) -> &Transaction {
        &self.transactions[index as usize]
    }
}

/// Where the cells of a row begin in the chunk that is being built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CellStart(pub(super) u32);

/// Fills a chunk: relation and transaction first, then cells, then the change that they belong to.
///
/// Bytes are appended by [`ChunkBuilder::push_bytes`], or brought whole by
/// [`ChunkBuilder::over`] when the source has them in one piece already.
#[derive(Debug)]
pub struct ChunkBuilder {
    bytes: Vec<u8>,
    whole: Option<Bytes>,
    cells: Vec<Cell>,
    changes: Vec<Change>,
    relations: Vec<Arc<Relation>>,
    transactions: Vec<Transaction>,
    marks: Vec<Mark>,
    received: Duration,
}

impl ChunkBuilder {
    /// An empty chunk whose bytes will be appended.
    #[must_use]
    pub fn new(received: Duration, bytes_expected: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(bytes_expected),
            whole: None,
            cells: Vec::new(),
            changes: Vec::new(),
            relations: Vec::new(),
            transactions: Vec::new(),
            marks: Vec::new(),
            received,
        }
    }

    /// A chunk whose cells are ranges of these bytes.
    #[must_use]
    pub fn over(received: Duration, bytes: Bytes) -> Self {
        Self { whole: Some(bytes), ..Self::new(received, 0) }
    }

    /// Where the next appended byte will be.
    #[must_use]
    pub const fn here(&self) -> usize {
        self.bytes.len()
    }

    /// How many changes it holds so far.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether it holds neither a change nor a mark.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.marks.is_empty()
    }

    /// Appends bytes; where they begin.
    pub fn push_bytes(&mut self, bytes: &[u8]) -> usize {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        start
    }

    /// Makes a relation known; its index. The same one again gets the same index.
    pub fn relation(&mut self, relation: &Arc<Relation>) -> u16 {
        let known = self.relations.iter().rposition(|it| Arc::ptr_eq(it, relation));
        let index = known.unwrap_or_else(|| {
            self.relations.push(Arc::clone(relation));
            self.relations.len() - 1
        });
        // A chunk is cut long before it has seen so many tables change their shape.
        u16::try_from(index).unwrap_or(u16::MAX)
    }

    /// Makes a transaction known; its index.
    pub fn transaction(&mut self, transaction: Transaction) -> u32 {
        self.transactions.push(transaction);
        u32::try_from(self.transactions.len() - 1).unwrap_or(u32::MAX)
    }

    /// Where the row that is pushed next begins.
    #[must_use]
    pub fn cell_start(&self) -> CellStart {
        CellStart(u32::try_from(self.cells.len()).unwrap_or(u32::MAX))
    }

    /// Adds a cell to the row that is being pushed.
    pub fn push_cell(&mut self, cell: Cell) {
        self.cells.push(cell);
    }

    /// Adds a change whose rows have been pushed. `wire` are its bytes as they came, for its hash.
    pub fn push_change(&mut self, change: NewChange, wire: &[u8]) {
        self.changes.push(Change {
            op: change.op,
            identity: if change.before.is_some() { change.identity } else { Identity::None },
            relation: change.relation,
            transaction: change.transaction,
            before: change.before.map_or(u32::MAX, |start| start.0),
            after: change.after.map_or(u32::MAX, |start| start.0),
            row: change.row,
            place: change.place,
            hash: XxHash3_64::oneshot_with_seed(change.row, wire),
            wire_bytes: u32::try_from(wire.len()).unwrap_or(u32::MAX),
        });
    }

    /// Adds a change whose bytes were appended from `start` on: those are what its hash is over.
    pub fn push_change_from(&mut self, change: NewChange, start: usize) {
        let bytes = std::mem::take(&mut self.bytes);
        self.push_change(change, bytes.get(start..).unwrap_or_default());
        self.bytes = bytes;
    }

    /// Appends a cell of text that `write` puts at the end of the bytes. A text that is too long
    /// for a chunk becomes an empty one: a source cuts its chunks long before.
    pub fn push_text(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        write(&mut self.bytes);
        let length = self.bytes.len().saturating_sub(start);
        self.cells.push(Cell::text(start, length).unwrap_or(Cell::NULL));
    }

    /// Says that a position is reached behind the changes so far. Of several at one place only the
    /// last is kept: a log full of transactions that do not concern us costs one mark.
    pub fn mark(&mut self, position: Position) {
        let after = self.changes.len();
        match self.marks.last_mut() {
            Some(last) if last.after == after => last.position = position,
            _ => self.marks.push(Mark { after, position }),
        }
    }

    /// The chunk, when its cells are ranges of bytes that were still coming in while they were
    /// pushed.
    #[must_use]
    pub fn finish_over(mut self, bytes: Bytes) -> Chunk {
        self.whole = Some(bytes);
        self.finish()
    }

    /// The chunk.
    #[must_use]
    pub fn finish(self) -> Chunk {
        Chunk {
            bytes: self.whole.unwrap_or_else(|| Bytes::from(self.bytes)),
            appended: Vec::new(),
            cells: self.cells,
            changes: self.changes,
            relations: self.relations,
            ready: Vec::new(),
            transactions: self.transactions,
            marks: self.marks,
            received: self.received,
        }
    }
}

/// What a source says of a change; the chunk adds its hash and size.
#[derive(Debug, Clone, Copy)]
pub struct NewChange {
    /// What happened.
    pub op: Op,
    /// How much of `before` is known.
    pub identity: Identity,
    /// From [`ChunkBuilder::relation`].
    pub relation: u16,
    /// From [`ChunkBuilder::transaction`].
    pub transaction: u32,
    /// From [`ChunkBuilder::cell_start`], before the row's cells were pushed.
    pub before: Option<CellStart>,
    /// The same for the row after.
    pub after: Option<CellStart>,
    /// [`Change::row`].
    pub row: u64,
    /// [`Change::place`].
    pub place: u64,
}
