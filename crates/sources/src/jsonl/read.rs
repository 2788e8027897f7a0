//! Reads JSON Lines chunk by chunk: one thread cuts, several parse, and batches leave in order.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use flowglass_connect::{Batch, BlockingRead, Fault};
use flowglass_model::ErrorClass;

use super::config::UnknownKeys;
use super::line::{Flaw, Keys, read_line};
use crate::files::{
    Cells, Chunk, Chunks, ColumnType, CursorFilter, Found, OrderedPool, Rule, build_column,
    cut_fault, open_text, pieces, skip_mark, unfit,
};

/// All that parsing a chunk needs to know.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) keys: Keys,
    pub(super) unknown_keys: UnknownKeys,
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
}

/// The reader behind the threads' doorframe.
pub(super) struct Reader {
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
        chunk_bytes: usize,
        bytes: Arc<AtomicU64>,
    ) -> Result<Self, Fault> {
        let pool = OrderedPool::start("jsonl-parse", move |job: Job| parse(&layout, &job))?;
        let (files, ready) = (files.into(), VecDeque::new());
        Ok(Self { chunk_bytes, bytes, files, current: None, pool, ready, late: None })
    }

    /// The next chunk of this file, or the first of the next one.
    fn cut(&mut self) -> Result<Option<Job>, Fault> {
        loop {
            if let Some((name, chunks)) = &mut self.current {
                let chunk = chunks.next().map_err(|uncut| cut_fault(name, uncut))?;
                if let Some(chunk) = chunk {
                    return Ok(Some(Job { file: Arc::clone(name), chunk }));
                }
                self.current = None;
            }
            let Some(file) = self.files.pop_front() else { return Ok(None) };
            let stream = open_text(&file, &self.bytes)?;
            let mut chunks = Chunks::new(stream, None, self.chunk_bytes);
            let name: Arc<str> = file.name.as_str().into();
            let first = chunks.next().map_err(|uncut| cut_fault(&name, uncut))?;
            self.current = Some((Arc::clone(&name), chunks));
            let Some(mut chunk) = first else { continue };
            skip_mark(&name, &mut chunk.bytes)?;
            return Ok(Some(Job { file: name, chunk }));
        }
    }
}

impl BlockingRead for Reader {
    fn next(&mut self) -> Result<Option<Batch>, Fault> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                return Ok(Some(Batch::Arrow(batch)));
            }
            while self.late.is_none() && self.pool.has_room() {
                match self.cut() {
                    Ok(Some(job)) => self.pool.submit(job)?,
                    Ok(None) => break,
                    Err(fault) => self.late = Some(fault),
                }
            }
            match self.pool.take() {
                Some(answer) => self.ready.extend(answer??),
                None => return self.late.take().map_or(Ok(None), Err),
            }
        }
    }
}

/// The values of one column of a chunk, as JSON texts.
struct Column<'a> {
    values: &'a [Option<&'a str>],
    columns: usize,
    column: usize,
    kind: ColumnType,
}

/// What no column type but text and JSON takes: it never fits.
const UNFIT: &[u8] = b"{";

impl Cells for Column<'_> {
    fn len(&self) -> usize {
        self.values.len().checked_div(self.columns).unwrap_or(0)
    }

    fn cell<'a>(&'a self, row: usize, scratch: &'a mut Vec<u8>) -> Option<&'a [u8]> {
        let value = (*self.values.get(row * self.columns + self.column)?)?;
        if self.kind == ColumnType::Json {
            return (value != "null").then_some(value.as_bytes());
        }
        let number = matches!(
            self.kind,
            ColumnType::Integer { .. }
                | ColumnType::Decimal { .. }
                | ColumnType::Real
                | ColumnType::Double
        );
        match value.as_bytes().first()? {
            b'n' => None,
            // A number in quotes is a text, except for the three that JSON has no number for.
            b'"' if number => {
                let text = string_text(value, scratch);
                let named = matches!(text, b"NaN" | b"Infinity" | b"-Infinity");
                Some(if named { text } else { UNFIT })
            }
            b'"' => Some(string_text(value, scratch)),
            b't' | b'f' if self.kind == ColumnType::Boolean => Some(value.as_bytes()),
            b't' | b'f' | b'{' | b'[' if self.kind != ColumnType::Text => Some(UNFIT),
            b'0'..=b'9' | b'-' if !number && self.kind != ColumnType::Text => Some(UNFIT),
            _ => Some(value.as_bytes()),
        }
    }
}

/// The text of a JSON string.
pub(super) fn string_text<'a>(value: &'a str, scratch: &'a mut Vec<u8>) -> &'a [u8] {
    let inside = value.as_bytes().get(1..value.len().saturating_sub(1)).unwrap_or_default();
    if memchr::memchr(b'\\', inside).is_none() {
        return inside;
    }
    scratch.clear();
    // The line was checked before: an escape that is none cannot be here.
    scratch.extend_from_slice(serde_json::from_str::<String>(value).unwrap_or_default().as_bytes());
    scratch
}

fn parse(layout: &Layout, job: &Job) -> Result<Vec<RecordBatch>, Fault> {
    let chunk = &job.chunk;
    let text = std::str::from_utf8(&chunk.bytes)
        .map_err(|error| not_text(&job.file, chunk, error.valid_up_to()))?;
    let columns = layout.keys.names.len();
    let mut values: Vec<Option<&str>> = Vec::new();
    let mut lines: Vec<u64> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let line_number = chunk.first_line + at as u64;
        let from = values.len();
        values.resize(from + columns, None);
        let row = values.get_mut(from..).unwrap_or_default();
        let read = read_line(line, &mut |key, value| {
            let Some(slot) = layout.keys.place(key).and_then(|at| row.get_mut(at)) else {
                return match layout.unknown_keys {
                    UnknownKeys::Ignore => Ok(()),
                    UnknownKeys::Fail => Err(Flaw::Unknown { key: key.to_owned() }),
                };
            };
            match slot.replace(value) {
                None => Ok(()),
                Some(_first) => Err(Flaw::Twice { key: key.to_owned() }),
            }
        });
        read.map_err(|flaw| flawed(&job.file, line_number, &flaw))?;
        lines.push(line_number);
    }
    let misfit = |row: usize, column: usize, rule: Rule| {
        let line = lines.get(row).copied().unwrap_or(chunk.first_line);
        let name = layout.keys.names.get(column).map_or("", String::as_str);
        unfit(&job.file, line, name, rule)
    };
    let build = |column: usize| -> Result<ArrayRef, Fault> {
        let rule = layout.rules.get(column).copied().ok_or_else(lost)?;
        if rule == (Rule { kind: ColumnType::Text, strict: true }) {
            // A number among texts would read as the text of its digits.
            let mut texts = values.iter().skip(column).step_by(columns);
            let other = |it: &Option<&str>| it.is_some_and(|it| !it.starts_with(['"', 'n']));
            if let Some(row) = texts.position(other) {
                return Err(misfit(row, column, rule));
            }
        }
        let cells = Column { values: &values, columns, column, kind: rule.kind };
        build_column(rule, &cells).map_err(|at| misfit(at.row, column, rule))
    };
    let arrays = layout.picked.iter().map(|at| build(*at)).collect::<Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(lines.len()));
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
    Fault::new(ErrorClass::Internal, "putting the columns of a jsonl chunk together")
}

/// The complaint about bytes that are no text.
pub(super) fn not_text(file: &str, chunk: &Chunk, at: usize) -> Fault {
    let line = chunk.line_of(at);
    Fault::new(
        ErrorClass::Malformed,
        format!("`{file}` line {line}: the bytes are not valid UTF-8"),
    )
    .hint("Convert the file, for instance `iconv -f WINDOWS-1252 -t UTF-8 IN > OUT`.")
}

/// The complaint about a line.
pub(super) fn flawed(file: &str, line: u64, flaw: &Flaw) -> Fault {
    let place = format!("`{file}` line {line}");
    let (what, hint) = match flaw {
        Flaw::Syntax { column, cut_off: true } => (
            format!("{place}, column {column}: the JSON is cut off"),
            "Write each object on one line, and look for a file that was cut short.".to_owned(),
        ),
        Flaw::Syntax { column, cut_off: false } => (
            format!("{place}, column {column}: this is no valid JSON"),
            "Correct the line.".to_owned(),
        ),
        Flaw::NotAnObject => (
            format!("{place}: the line is valid JSON, but no object"),
            "Every line must be an object, `{\"key\": value, …}`.".to_owned(),
        ),
        Flaw::Surrogate => (
            format!("{place}: an escape `\\u…` is half of a character"),
            "Write both halves, or the character itself.".to_owned(),
        ),
        Flaw::Twice { key } => {
            (format!("{place}: the key `{key}` stands twice"), "Remove one of the two.".to_owned())
        }
        Flaw::Unknown { key } => (
            format!("{place}: the key `{key}` is new: the first lines do not have it"),
            format!(
                "Declare it under `columns`, for instance `{key}: text`, or set `unknown_keys: ignore`."
            ),
        ),
    };
    Fault::new(ErrorClass::Malformed, what).hint(hint)
}
