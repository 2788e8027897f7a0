//! What goes to the sinks at once: slices of chunks, in order, without copying a byte.

use std::sync::Arc;
use std::time::Duration;

use super::change::ChangeRef;
use super::chunk::Chunk;
use super::position::Position;
use crate::fault::Fault;

/// A run of changes of one chunk.
#[derive(Debug, Clone)]
pub struct Slice {
    /// The chunk; shared by all batches and sinks that hold a part of it.
    pub chunk: Arc<Chunk>,
    /// Index of the first change.
    pub from: usize,
    /// Index behind the last change.
    pub to: usize,
    /// One mark a change of the slice: `true` leaves it out (a processor said so). `None` keeps all.
    pub left_out: Option<Arc<[bool]>>,
    /// Those of the changes left out that a processor refused, in order; ones before `from` do not
    /// count any more. `None` when there are none.
    pub refused: Option<Arc<[RefusedRow]>>,
}

/// A row that a processor could not do its work on. It becomes a dead letter of every sink.
#[derive(Debug, Clone)]
pub struct RefusedRow {
    /// Index of the change in its chunk.
    pub change: usize,
    /// The processor's id.
    pub processor: Arc<str>,
    /// Why; its class says [`flowglass_model::Policy::SetAside`].
    pub fault: Arc<Fault>,
}

impl Slice {
    /// A slice that keeps all of its changes.
    #[must_use]
    pub const fn new(chunk: Arc<Chunk>, from: usize, to: usize) -> Self {
        Self { chunk, from, to, left_out: None, refused: None }
    }

    /// Whether the change with that index, counted from the slice's first, goes no further.
    #[must_use]
    pub fn is_left_out(&self, index: usize) -> bool {
        self.left_out.as_deref().is_some_and(|marks| marks.get(index).copied().unwrap_or(false))
    }

    /// The rows of the slice that a processor refused, in order.
    pub fn refused(&self) -> impl Iterator<Item = &RefusedRow> {
        let rows = self.refused.as_deref().unwrap_or_default();
        rows.iter().filter(|row| row.change >= self.from && row.change < self.to)
    }

    /// How many changes it spans, those left out included.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.to - self.from
    }

    /// Whether it spans no change.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.to == self.from
    }
}

/// Changes in order and the position behind the last of them.
#[derive(Debug, Clone)]
pub struct StreamBatch {
    slices: Vec<Slice>,
    spanned: usize,
    wire_bytes: u64,
    position: Position,
    oldest: Duration,
}

impl StreamBatch {
    /// A batch of these slices that ends at `position`.
    #[must_use]
    pub fn new(slices: Vec<Slice>, position: Position) -> Self {
        let spanned = slices.iter().map(Slice::len).sum();
        let wire_bytes = slices
            .iter()
            .flat_map(|slice| slice.chunk.changes(slice.from, slice.to))
            .map(|change| u64::from(change.head().wire_bytes))
            .sum();
        let oldest = slices.iter().map(|slice| slice.chunk.received()).min().unwrap_or_default();
        Self { slices, spanned, wire_bytes, position, oldest }
    }

    /// The same batch after a processor: as many changes in the same places, in other slices.
    #[must_use]
    pub fn with_slices(self, slices: Vec<Slice>) -> Self {
        let spanned = slices.iter().map(Slice::len).sum();
        Self { slices, spanned, ..self }
    }

    /// The slices.
    #[must_use]
    pub fn slices(&self) -> &[Slice] {
        &self.slices
    }

    /// How many changes it spans, those left out included.
    #[must_use]
    pub const fn spanned(&self) -> usize {
        self.spanned
    }

    /// Whether it spans no change: it only moves the position.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.spanned == 0
    }

    /// Bytes of the wire that it spans.
    #[must_use]
    pub const fn wire_bytes(&self) -> u64 {
        self.wire_bytes
    }

    /// The position behind it.
    #[must_use]
    pub const fn position(&self) -> &Position {
        &self.position
    }

    /// When the oldest of its chunks was received, by the clock's monotonic time.
    #[must_use]
    pub const fn oldest_received(&self) -> Duration {
        self.oldest
    }

    /// The changes to deliver, each with its index among those spanned.
    pub fn changes(&self) -> impl Iterator<Item = (usize, ChangeRef<'_>)> {
        let mut before = 0;
        self.slices.iter().flat_map(move |slice| {
            let first = before;
            before += slice.len();
            let left_out = slice.left_out.as_deref();
            slice
                .chunk
                .changes(slice.from, slice.to)
                .enumerate()
                .filter(move |(index, _)| {
                    left_out.is_none_or(|marks| !marks.get(*index).copied().unwrap_or(false))
                })
                .map(move |(index, change)| (first + index, change))
        })
    }

    /// The rows that processors refused, each with its index among the changes spanned.
    pub fn refused(&self) -> impl Iterator<Item = (usize, &RefusedRow)> {
        let mut before = 0;
        self.slices.iter().flat_map(move |slice| {
            let first = before;
            before += slice.len();
            slice.refused().map(move |row| (first + row.change - slice.from, row))
        })
    }

    /// The change with that index among those spanned, left out or not.
    #[must_use]
    pub fn change(&self, index: usize) -> Option<ChangeRef<'_>> {
        let mut left = index;
        for slice in &self.slices {
            if left < slice.len() {
                return slice.chunk.change(slice.from + left);
            }
            left -= slice.len();
        }
        None
    }
}
