//! A chunk made from another one: the same bytes, the same heads, other columns.
//!
//! Cells of the new chunk are ranges of the old one's bytes or of what is appended here, so that a
//! value which a processor does not change is not copied. There is no way to change a head.

use std::sync::Arc;

use bytes::Bytes;

use super::batch::Slice;
use super::change::{Change, ChangeRef, Identity};
use super::chunk::{CellStart, Chunk, Mark};
use super::datum::{Cell, RowRef};
use super::ready::Ready;
use super::relation::Relation;

/// Derives a chunk from the changes of a slice: one call of [`ChunkOverlay::keep`] or
/// [`ChunkOverlay::replace`] for each of them, in order.
#[derive(Debug)]
pub struct ChunkOverlay {
    base: Arc<Chunk>,
    from: usize,
    to: usize,
    bytes: Bytes,
    appended: Vec<u8>,
    cells: Vec<Cell>,
    changes: Vec<Change>,
    relations: Vec<Arc<Relation>>,
    ready: Vec<(u16, Arc<Ready>)>,
    /// The new index of the base's relations that are kept, by their old one.
    kept: Vec<Option<u16>>,
    /// The first of the base's transactions that the slice needs.
    transaction: u32,
}

/// What stands in the place of a change's rows.
#[derive(Debug, Clone, Copy)]
pub struct Replaced {
    /// From [`ChunkOverlay::relation`].
    pub relation: u16,
    /// How much of the row before is known.
    pub identity: Identity,
    /// Where the row before begins, when there is one.
    pub before: Option<CellStart>,
    /// Where the row after begins, when there is one.
    pub after: Option<CellStart>,
}

impl ChunkOverlay {
    /// Begins a chunk for the changes of a slice.
    #[must_use]
    pub fn new(slice: &Slice) -> Self {
        let base = Arc::clone(&slice.chunk);
        let part = base.changes.get(slice.from..slice.to).unwrap_or_default();
        let transaction = part.iter().map(|change| change.transaction).min().unwrap_or_default();
        Self {
            from: slice.from,
            to: slice.to,
            bytes: base.bytes.clone(),
            // Ranges of cells that are kept stay what they are.
            appended: base.appended.clone(),
            cells: Vec::new(),
            changes: Vec::with_capacity(part.len()),
            relations: Vec::new(),
            ready: Vec::new(),
            kept: vec![None; base.relations.len()],
            transaction,
            base,
        }
    }

    /// How many changes have been given.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether no change has been given.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Makes a relation known; its index. The same one again gets the same index.
    pub fn relation(&mut self, relation: &Arc<Relation>) -> u16 {
        let known = self.relations.iter().rposition(|it| Arc::ptr_eq(it, relation));
        let index = known.unwrap_or_else(|| {
            self.relations.push(Arc::clone(relation));
            self.relations.len() - 1
        });
        u16::try_from(index).unwrap_or(u16::MAX)
    }

    /// The same for a relation whose rows are messages already.
    pub fn ready_relation(&mut self, relation: &Arc<Relation>, ready: &Arc<Ready>) -> u16 {
        let index = self.relation(relation);
        if !self.ready.iter().any(|(known, _)| *known == index) {
            self.ready.push((index, Arc::clone(ready)));
        }
        index
    }

    /// Where the row that is pushed next begins.
    #[must_use]
    pub fn cell_start(&self) -> CellStart {
        CellStart(u32::try_from(self.cells.len()).unwrap_or(u32::MAX))
    }

    /// Adds a cell of the base, [`Cell::NULL`] or [`Cell::UNCHANGED`] to the row that is being pushed.
    pub fn push_cell(&mut self, cell: Cell) {
        self.cells.push(cell);
    }

    /// Appends a cell of text that `write` puts at the end of the bytes; `false`, and nothing is left of
    /// it, when there is no room for so long a text.
    #[must_use]
    pub fn push_text(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> bool {
        let start = self.appended.len();
        write(&mut self.appended);
        let length = self.appended.len().saturating_sub(start);
        if let Some(cell) = Cell::text(self.bytes.len() + start, length) {
            self.cells.push(cell);
            return true;
        }
        self.appended.truncate(start);
        false
    }

    /// Takes back the cells of a row that could not be finished.
    pub fn rewind(&mut self, to: CellStart) {
        self.cells.truncate(to.0 as usize);
    }

    /// Gives a change as it is.
    pub fn keep(&mut self, change: &ChangeRef<'_>) {
        let head = change.head();
        let old = usize::from(head.relation);
        let relation = match self.kept.get(old).copied().flatten() {
            Some(known) => known,
            None => {
                let index = match change.ready() {
                    Some(ready) => self.ready_relation(change.relation(), ready),
                    None => self.relation(change.relation()),
                };
                if let Some(slot) = self.kept.get_mut(old) {
                    *slot = Some(index);
                }
                index
            }
        };
        let before = change.before().map(|row| self.copy(row));
        let after = change.after().map(|row| self.copy(row));
        self.replace(change, Replaced { relation, identity: head.identity, before, after });
    }

    fn copy(&mut self, row: RowRef<'_>) -> CellStart {
        let start = self.cell_start();
        self.cells.extend_from_slice(row.cells());
        start
    }

    /// Gives a change with other rows.
    pub fn replace(&mut self, change: &ChangeRef<'_>, with: Replaced) {
        let head = change.head();
        let identity = if with.before.is_some() { with.identity } else { Identity::None };
        self.changes.push(Change {
            identity,
            relation: with.relation,
            transaction: head.transaction - self.transaction,
            before: with.before.map_or(u32::MAX, |start| start.0),
            after: with.after.map_or(u32::MAX, |start| start.0),
            ..head.clone()
        });
    }

    /// The slice over the new chunk; `None` when not every change was given.
    #[must_use]
    pub fn finish(self) -> Option<Slice> {
        let (base, from, to) = (&self.base, self.from, self.to);
        if self.changes.len() != to.saturating_sub(from) {
            return None;
        }
        let last = self.changes.iter().map(|change| change.transaction).max();
        let first = self.transaction as usize;
        let end = last.map_or(first, |last| first + last as usize + 1);
        let chunk = Chunk {
            bytes: self.bytes,
            appended: self.appended,
            cells: self.cells,
            changes: self.changes,
            relations: self.relations,
            ready: self.ready,
            transactions: base.transactions.get(first..end).unwrap_or_default().to_vec(),
            marks: marks(&base.marks, from, to),
            received: base.received,
        };
        Some(Slice::new(Arc::new(chunk), 0, to - from))
    }
}

/// The marks of a slice, counted from its first change. The first one behind it is kept at its end:
/// who has reached that has all of the slice.
fn marks(marks: &[Mark], from: usize, to: usize) -> Vec<Mark> {
    let first = marks.partition_point(|mark| mark.after < from);
    let behind = marks.partition_point(|mark| mark.after <= to);
    let part = marks.get(first..marks.len().min(behind + 1)).unwrap_or_default();
    let moved =
        |mark: &Mark| Mark { after: mark.after.min(to) - from, position: mark.position.clone() };
    part.iter().map(moved).collect()
}
