//! Cuts a chunk of CSV into cells, by RFC 4180 and no looser: a quote opens a field only at its
//! start, is doubled inside, and the field ends where it closes. A looser reading would make the
//! number of quotes before a line end say nothing, and that number is what finds the record
//! boundaries that chunks are cut at.

/// The characters with a meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dialect {
    pub(super) delimiter: u8,
    pub(super) quote: Option<u8>,
}

/// Where the cells of a chunk are: for each row its start, and the end of each of its cells.
#[derive(Debug, Default)]
pub(super) struct Grid {
    pub(super) columns: usize,
    pub(super) starts: Vec<u32>,
    pub(super) ends: Vec<u32>,
}

impl Grid {
    pub(super) fn rows(&self) -> usize {
        self.starts.len()
    }

    /// From and to of a cell in the chunk, quotes included.
    #[inline]
    pub(super) fn bounds(&self, row: usize, column: usize) -> Option<(usize, usize)> {
        let at = row * self.columns + column;
        let end = *self.ends.get(at)?;
        let start = match column {
            0 => *self.starts.get(row)?,
            // One delimiter lies between a cell and the next.
            _ => *self.ends.get(at - 1)? + 1,
        };
        Some((start as usize, end as usize))
    }
}

/// What broke, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken {
    /// Byte within the chunk.
    pub(super) at: usize,
    /// The cell of the record that was being read.
    pub(super) column: usize,
    pub(super) what: Flaw,
}

/// The ways a record can be broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    StrayQuote,
    TextAfterQuote,
    OpenQuote,
    Fields { found: usize },
    NotUtf8,
    Nul,
}

struct Scan<'a> {
    dialect: Dialect,
    text: &'a [u8],
    row_start: usize,
    field_start: usize,
    field: usize,
    /// Whether the scan is between an opening quote and its closing one.
    inside: bool,
    /// One past the last quote that closed, while the field is a quoted one.
    closed: Option<usize>,
}

/// Cuts `text`, whole records each of `columns` fields, into `grid`. Empty lines are skipped
/// unless a record is a single field.
pub(super) fn scan(
    dialect: Dialect,
    text: &[u8],
    columns: usize,
    grid: &mut Grid,
) -> Result<(), Broken> {
    grid.columns = columns;
    grid.starts.clear();
    grid.ends.clear();
    let mut scan = Scan::over(dialect, text);
    let quote = dialect.quote.unwrap_or(b'\n');
    for at in memchr::memchr3_iter(dialect.delimiter, b'\n', quote, text) {
        let Some(byte) = text.get(at) else { break };
        if *byte == b'\n' {
            if !scan.inside {
                scan.end_record(at, columns, grid)?;
            }
        } else if *byte == dialect.delimiter {
            if !scan.inside {
                scan.end_field(at, at, columns, grid)?;
            }
        } else {
            scan.quote(at)?;
        }
    }
    scan.finish(columns, grid)
}

/// From and to of each cell of a record.
pub(super) type Spans = Vec<(usize, usize)>;

/// The first record of `text` alone, and where the next one starts.
pub(super) fn first_record(
    dialect: Dialect,
    text: &[u8],
) -> Result<Option<(Spans, usize)>, Broken> {
    let mut grid = Grid::default();
    let mut scan = Scan::over(dialect, text);
    let quote = dialect.quote.unwrap_or(b'\n');
    let cells = |grid: &Grid| {
        let starts = std::iter::once(0).chain(grid.ends.iter().map(|end| *end as usize + 1));
        starts.zip(grid.ends.iter().map(|end| *end as usize)).collect()
    };
    for at in memchr::memchr3_iter(dialect.delimiter, b'\n', quote, text) {
        let Some(byte) = text.get(at) else { break };
        if *byte == b'\n' {
            if !scan.inside {
                let end = scan.without_return(at);
                scan.end_field(end, at, usize::MAX, &mut grid)?;
                return Ok(Some((cells(&grid), at + 1)));
            }
        } else if *byte == dialect.delimiter {
            if !scan.inside {
                scan.end_field(at, at, usize::MAX, &mut grid)?;
            }
        } else {
            scan.quote(at)?;
        }
    }
    if text.is_empty() {
        return Ok(None);
    }
    if scan.inside {
        return Err(scan.broken(scan.field_start, Flaw::OpenQuote));
    }
    scan.end_field(text.len(), text.len(), usize::MAX, &mut grid)?;
    Ok(Some((cells(&grid), text.len())))
}

impl<'a> Scan<'a> {
    fn over(dialect: Dialect, text: &'a [u8]) -> Self {
        Self { dialect, text, row_start: 0, field_start: 0, field: 0, inside: false, closed: None }
    }

    fn broken(&self, at: usize, what: Flaw) -> Broken {
        Broken { at, column: self.field, what }
    }

    #[inline]
    fn quote(&mut self, at: usize) -> Result<(), Broken> {
        if self.inside {
            self.inside = false;
            self.closed = Some(at + 1);
        } else if at == self.field_start || self.closed == Some(at) {
            self.inside = true;
        } else {
            let what = if self.closed.is_some() { Flaw::TextAfterQuote } else { Flaw::StrayQuote };
            return Err(self.broken(at, what));
        }
        Ok(())
    }

    #[inline]
    fn without_return(&self, at: usize) -> usize {
        let before = at.wrapping_sub(1);
        let returned = at > self.field_start && self.text.get(before) == Some(&b'\r');
        if returned { before } else { at }
    }

    #[inline]
    fn end_field(
        &mut self,
        end: usize,
        at: usize,
        columns: usize,
        grid: &mut Grid,
    ) -> Result<(), Broken> {
        if let Some(closed) = self.closed {
            if closed != end {
                return Err(self.broken(closed, Flaw::TextAfterQuote));
            }
            self.closed = None;
        }
        // More fields than columns are counted, to be told, but not kept.
        if self.field < columns {
            grid.ends.push(position(end));
        }
        self.field += 1;
        self.field_start = at + 1;
        Ok(())
    }

    #[inline]
    fn end_record(&mut self, at: usize, columns: usize, grid: &mut Grid) -> Result<(), Broken> {
        let end = self.without_return(at);
        let blank = self.field == 0 && end == self.row_start;
        if blank && columns > 1 {
            self.row_start = at + 1;
            self.field_start = at + 1;
            return Ok(());
        }
        self.end_field(end, at, columns, grid)?;
        if self.field != columns {
            let found = self.field;
            return Err(Broken {
                at: self.row_start,
                column: found.min(columns),
                what: Flaw::Fields { found },
            });
        }
        grid.starts.push(position(self.row_start));
        self.field = 0;
        self.row_start = at + 1;
        Ok(())
    }

    fn finish(mut self, columns: usize, grid: &mut Grid) -> Result<(), Broken> {
        if self.inside {
            return Err(self.broken(self.field_start, Flaw::OpenQuote));
        }
        // The last line may lack its end.
        if self.row_start < self.text.len() {
            self.end_record(self.text.len(), columns, grid)?;
        }
        let _same = self.dialect;
        Ok(())
    }
}

/// Chunks are cut below four gigabytes.
#[inline]
fn position(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
