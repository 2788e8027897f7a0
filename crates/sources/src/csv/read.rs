//! Reads CSV chunk by chunk: one thread cuts, several parse, and batches leave in file order.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use flowglass_connect::{Batch, BlockingRead, Fault};
use flowglass_model::ErrorClass;

use super::open::check_text;
use super::scan::{self, Broken, Dialect, Flaw, Grid};
use crate::files::{
    Cells, Chunk, Chunks, CursorFilter, Found, OrderedPool, Rule, build_column, cut_fault,
    open_text, pieces, skip_mark, unfit,
};

/// All that parsing a chunk needs to know.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) dialect: Dialect,
    pub(super) nulls: Vec<Vec<u8>>,
    pub(super) names: Vec<String>,
    pub(super) rules: Vec<Rule>,
    /// Which columns are wanted, in the order of the schema.
    pub(super) picked: Vec<usize>,
    pub(super) schema: SchemaRef,
    pub(super) filter: Option<(usize, CursorFilter)>,
    pub(super) rows_max: usize,
}

struct Job {
    file: Arc<str>,
    chunk: Chunk,
    /// Where the rows start: past the header of a first chunk.
    rows_from: usize,
}

/// The reader behind the threads' doorframe.
pub(super) struct Reader {
    dialect: Dialect,
    header: bool,
    chunk_bytes: usize,
    bytes: Arc<AtomicU64>,
    files: VecDeque<Found>,
    current: Option<(Arc<str>, Chunks)>,
    pool: OrderedPool<Job, Result<Vec<RecordBatch>, Fault>>,
    ready: VecDeque<RecordBatch>,
    /// A fault of the cutting, told once all chunks before it are delivered.
    late: Option<Fault>,
}

impl Reader {
    pub(super) fn new(
        layout: Layout,
        files: Vec<Found>,
        header: bool,
        chunk_bytes: usize,
        bytes: Arc<AtomicU64>,
    ) -> Result<Self, Fault> {
        let dialect = layout.dialect;
        let pool = OrderedPool::start("csv-parse", move |job: Job| parse(&layout, &job))?;
        Ok(Self {
            dialect,
            header,
            chunk_bytes,
            bytes,
            files: files.into(),
            current: None,
            pool,
            ready: VecDeque::new(),
            late: None,
        })
    }

    /// The next chunk of this file, or the first of the next one.
    fn cut(&mut self) -> Result<Option<Job>, Fault> {
        loop {
            if let Some((name, chunks)) = &mut self.current {
                let chunk = chunks.next().map_err(|uncut| cut_fault(name, uncut))?;
                if let Some(chunk) = chunk {
                    return Ok(Some(Job { file: Arc::clone(name), chunk, rows_from: 0 }));
                }
                self.current = None;
            }
            let Some(file) = self.files.pop_front() else { return Ok(None) };
            let stream = open_text(&file, &self.bytes)?;
            let mut chunks = Chunks::new(stream, self.dialect.quote, self.chunk_bytes);
            let name: Arc<str> = file.name.as_str().into();
            let first = chunks.next().map_err(|uncut| cut_fault(&name, uncut))?;
            self.current = Some((Arc::clone(&name), chunks));
            let Some(mut chunk) = first else { continue };
            skip_mark(&file.name, &mut chunk.bytes)?;
            let mut rows_from = 0;
            if self.header {
                let complain = |flaw| broken(&name, &[], &chunk, flaw);
                let record = scan::first_record(self.dialect, &chunk.bytes).map_err(complain)?;
                rows_from = record.map_or(0, |(_cells, next)| next);
            }
            return Ok(Some(Job { file: name, chunk, rows_from }));
        }
    }

    fn hand_out(&mut self) -> Result<(), Fault> {
        while self.late.is_none() && self.pool.has_room() {
            match self.cut() {
                Ok(Some(job)) => self.pool.submit(job)?,
                Ok(None) => break,
                Err(fault) => self.late = Some(fault),
            }
        }
        Ok(())
    }
}

impl BlockingRead for Reader {
    fn next(&mut self) -> Result<Option<Batch>, Fault> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                return Ok(Some(Batch::Arrow(batch)));
            }
            self.hand_out()?;
            match self.pool.take() {
                Some(answer) => self.ready.extend(answer??),
                None => return self.late.take().map_or(Ok(None), Err),
            }
        }
    }
}

/// The cells of one column of a chunk.
struct Column<'a> {
    text: &'a [u8],
    grid: &'a Grid,
    column: usize,
    quote: Option<u8>,
    nulls: &'a [Vec<u8>],
    /// Whether only the empty text is null, which is the usual case.
    empty_is_null: bool,
}

impl Cells for Column<'_> {
    fn len(&self) -> usize {
        self.grid.rows()
    }

    #[inline]
    fn cell<'a>(&'a self, row: usize, scratch: &'a mut Vec<u8>) -> Option<&'a [u8]> {
        let (from, to) = self.grid.bounds(row, self.column)?;
        let cell = self.text.get(from..to)?;
        match cell.first() {
            Some(first) if Some(*first) == self.quote => {
                return Some(unquoted(cell, self.quote, scratch));
            }
            None if self.empty_is_null => return None,
            Some(_) if self.empty_is_null => return Some(cell),
            _ => {}
        }
        if self.nulls.iter().any(|null| null == cell) {
            return None;
        }
        Some(cell)
    }
}

/// A cell's text without its quotes.
#[inline]
pub(super) fn unquoted<'a>(
    cell: &'a [u8],
    quote: Option<u8>,
    scratch: &'a mut Vec<u8>,
) -> &'a [u8] {
    let Some(quote) = quote else { return cell };
    if cell.first() != Some(&quote) {
        return cell;
    }
    let inside = cell.get(1..cell.len().saturating_sub(1)).unwrap_or_default();
    if memchr::memchr(quote, inside).is_none() {
        return inside;
    }
    scratch.clear();
    let mut rest = inside;
    while let Some(at) = memchr::memchr(quote, rest) {
        let (before, after) = rest.split_at(at + 1);
        scratch.extend_from_slice(before);
        rest = after.get(1..).unwrap_or_default();
    }
    scratch.extend_from_slice(rest);
    scratch
}

fn parse(layout: &Layout, job: &Job) -> Result<Vec<RecordBatch>, Fault> {
    let complain = |flaw: Broken| broken(&job.file, &layout.names, &job.chunk, flaw);
    check_text(&job.chunk.bytes).map_err(complain)?;
    let text = job.chunk.bytes.get(job.rows_from..).unwrap_or_default();
    let mut grid = Grid::default();
    grid.starts.reserve(text.len() / 64);
    grid.ends.reserve(text.len() / 8);
    scan::scan(layout.dialect, text, layout.names.len(), &mut grid)
        .map_err(|flaw| complain(Broken { at: flaw.at + job.rows_from, ..flaw }))?;
    let build = |column: usize| {
        let cells = Column {
            text,
            grid: &grid,
            column,
            quote: layout.dialect.quote,
            nulls: &layout.nulls,
            empty_is_null: matches!(layout.nulls.as_slice(), [only] if only.is_empty()),
        };
        let rule = layout.rules.get(column).copied().ok_or_else(lost)?;
        build_column(rule, &cells).map_err(|misfit| {
            let at = grid.bounds(misfit.row, column).map_or(0, |(from, _to)| from);
            let line = job.chunk.line_of(at + job.rows_from);
            let name = layout.names.get(column).map_or("", String::as_str);
            unfit(&job.file, line, name, rule)
        })
    };
    let arrays = layout.picked.iter().map(|at| build(*at)).collect::<Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(grid.rows()));
    let schema = SchemaRef::clone(&layout.schema);
    let mut batch = RecordBatch::try_new_with_options(schema, arrays, &options)
        .map_err(|error| lost().because(error))?;
    if let Some((column, filter)) = &layout.filter {
        let picked = layout.picked.iter().position(|at| at == column);
        let cursor = match picked {
            Some(at) => Arc::clone(batch.column(at)),
            None => build(*column)?,
        };
        batch = filter.keep(&batch, &cursor)?;
    }
    Ok(pieces(&batch, layout.rows_max))
}

fn lost() -> Fault {
    Fault::new(ErrorClass::Internal, "putting the columns of a csv chunk together")
}

/// The complaint about a broken record.
pub(super) fn broken(file: &str, names: &[String], chunk: &Chunk, flaw: Broken) -> Fault {
    let line = chunk.line_of(flaw.at);
    let column = match names.get(flaw.column) {
        Some(name) => format!(", column `{name}`"),
        None if flaw.column == usize::MAX || matches!(flaw.what, Flaw::Fields { .. }) => {
            String::new()
        }
        None => format!(", field {}", flaw.column + 1),
    };
    let column = if matches!(flaw.what, Flaw::Fields { .. }) { String::new() } else { column };
    let (what, hint) = match flaw.what {
        Flaw::StrayQuote => (
            "a quote stands inside a field that does not start with one".to_owned(),
            "Quote the whole field and double the quotes inside, or set `quote: none`.",
        ),
        Flaw::TextAfterQuote => (
            "text follows the closing quote".to_owned(),
            "Double the quotes inside a quoted field, or set `quote: none`.",
        ),
        Flaw::OpenQuote => (
            "the quote is never closed".to_owned(),
            "Close it, or set `quote: none` when quotes mean nothing in this file.",
        ),
        Flaw::Fields { found } => (
            format!(
                "the row has {found} field{}, the file has {} columns",
                if found == 1 { "" } else { "s" },
                names.len()
            ),
            "Correct the row; check `delimiter` and `quote` when it looks right.",
        ),
        Flaw::NotUtf8 => (
            "the bytes are not valid UTF-8".to_owned(),
            "Convert the file, for instance `iconv -f WINDOWS-1252 -t UTF-8 IN > OUT`.",
        ),
        Flaw::Nul => (
            "a NUL byte: this is no text, or it is cut off".to_owned(),
            "Look for a binary file, UTF-16, or a hole left by a full disk.",
        ),
    };
    Fault::new(ErrorClass::Malformed, format!("`{file}` line {line}{column}: {what}")).hint(hint)
}
