//! A cell: where its bytes are, and what they say.

use super::chunk::Chunk;

/// Where a cell's bytes lie in its chunk: eight bytes a cell, whatever it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    start: u32,
    /// The length in the lower 30 bits, the state in the upper two.
    tagged: u32,
}

const LENGTH_BITS: u32 = 30;
const LENGTH_MAX: u32 = (1 << LENGTH_BITS) - 1;
const TEXT: u32 = 0;
const BINARY: u32 = 1;
const NULL: u32 = 2;
const UNCHANGED: u32 = 3;

impl Cell {
    /// No value.
    pub const NULL: Self = Self { start: 0, tagged: NULL << LENGTH_BITS };
    /// A value that the source did not send because it did not change.
    pub const UNCHANGED: Self = Self { start: 0, tagged: UNCHANGED << LENGTH_BITS };

    /// Text at that place; `None` when it is too long for a chunk.
    #[must_use]
    pub fn text(start: usize, length: usize) -> Option<Self> {
        Self::at(start, length, TEXT)
    }

    /// The source's binary form at that place.
    #[must_use]
    pub fn binary(start: usize, length: usize) -> Option<Self> {
        Self::at(start, length, BINARY)
    }

    fn at(start: usize, length: usize, state: u32) -> Option<Self> {
        let start = u32::try_from(start).ok()?;
        let length = u32::try_from(length).ok().filter(|length| *length <= LENGTH_MAX)?;
        Some(Self { start, tagged: length | (state << LENGTH_BITS) })
    }

    /// The bytes' range, empty for cells without bytes.
    pub(super) const fn range(self) -> (usize, usize) {
        let start = self.start as usize;
        (start, start + (self.tagged & LENGTH_MAX) as usize)
    }

    const fn state(self) -> u32 {
        self.tagged >> LENGTH_BITS
    }
}

/// What a cell says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Datum<'a> {
    /// No value.
    Null,
    /// A large value that did not change and that the source therefore left out. Never written as
    /// null.
    Unchanged,
    /// The value's text, as [`super::Kind`] describes it. UTF-8 unless the database holds something
    /// else; whoever needs UTF-8 checks it.
    Text(&'a [u8]),
    /// The value in the source's binary form.
    Binary(&'a [u8]),
}

/// The cells of one row, as many as its relation has columns.
#[derive(Debug, Clone, Copy)]
pub struct RowRef<'a> {
    pub(super) chunk: &'a Chunk,
    pub(super) cells: &'a [Cell],
}

impl<'a> RowRef<'a> {
    /// How many cells.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether it has no cell.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// The cell with that index; [`Datum::Null`] past the end, as a column that was added later.
    #[must_use]
    pub fn datum(&self, index: usize) -> Datum<'a> {
        self.cells.get(index).map_or(Datum::Null, |cell| read(self.chunk, *cell))
    }

    /// Where the cells lie: of use to who derives a chunk from this one.
    #[must_use]
    pub const fn cells(&self) -> &'a [Cell] {
        self.cells
    }

    /// All cells in order.
    pub fn data(&self) -> impl ExactSizeIterator<Item = Datum<'a>> + use<'a> {
        let chunk = self.chunk;
        self.cells.iter().map(move |cell| read(chunk, *cell))
    }
}

fn read(chunk: &Chunk, cell: Cell) -> Datum<'_> {
    match cell.state() {
        NULL => Datum::Null,
        UNCHANGED => Datum::Unchanged,
        BINARY => Datum::Binary(chunk.bytes_of(cell)),
        _ => Datum::Text(chunk.bytes_of(cell)),
    }
}
