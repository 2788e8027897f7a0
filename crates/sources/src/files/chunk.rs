//! Cuts a stream of records that end with lines into chunks, without parsing them.
//!
//! A line end is a record's end exactly when an even number of quotes stands before it, and that
//! number is counted by SIMD at memory speed. So one thread reads and cuts, and the threads that
//! parse need nothing from each other.

use std::io::Read;

use flowglass_connect::Fault;
use flowglass_model::ErrorClass;

use super::input::read_fault;

/// A record larger than this is refused: most likely a quote was never closed.
pub(crate) const RECORD_BYTES_MAX: usize = 64 << 20;

/// Largest chunk that one thread parses at a time; it is also the memory of a batch.
const CHUNK_BYTES_MAX: usize = 1 << 20;

/// Whole records.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) bytes: Vec<u8>,
    /// Line of the first byte, counted from 1.
    pub(crate) first_line: u64,
}

/// Why no chunk could be cut.
#[derive(Debug)]
pub(crate) enum Uncut {
    Read(std::io::Error),
    /// The record that starts on this line outgrew the bound.
    TooLong {
        line: u64,
    },
}

/// Reads a stream chunk by chunk.
pub(crate) struct Chunks {
    stream: Box<dyn Read + Send>,
    quote: Option<u8>,
    chunk_bytes: usize,
    /// The beginning of a record whose end was not read yet.
    carry: Vec<u8>,
    line: u64,
    ended: bool,
}

impl Chunks {
    pub(crate) fn new(stream: Box<dyn Read + Send>, quote: Option<u8>, chunk_bytes: usize) -> Self {
        Self { stream, quote, chunk_bytes, carry: Vec::new(), line: 1, ended: false }
    }

    /// The next chunk, of about the asked size and never empty; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Chunk>, Uncut> {
        let mut bytes = Vec::with_capacity(self.carry.len() + self.chunk_bytes);
        bytes.append(&mut self.carry);
        let mut even = self.quotes(&bytes).is_multiple_of(2);
        loop {
            let seen = bytes.len();
            self.fill(&mut bytes)?;
            let new = bytes.get(seen..).unwrap_or_default();
            if self.ended {
                break;
            }
            let even_at_end = even == self.quotes(new).is_multiple_of(2);
            if let Some(cut) = self.last_boundary(new, even_at_end) {
                self.carry = bytes.split_off(seen + cut);
                break;
            }
            even = even_at_end;
            if bytes.len() > RECORD_BYTES_MAX {
                return Err(Uncut::TooLong { line: self.line });
            }
        }
        if bytes.is_empty() {
            return Ok(None);
        }
        let first_line = self.line;
        self.line += memchr::memchr_iter(b'\n', &bytes).count() as u64;
        Ok(Some(Chunk { bytes, first_line }))
    }

    fn quotes(&self, bytes: &[u8]) -> usize {
        self.quote.map_or(0, |quote| memchr::memchr_iter(quote, bytes).count())
    }

    fn fill(&mut self, bytes: &mut Vec<u8>) -> Result<(), Uncut> {
        let wanted = u64::try_from(self.chunk_bytes).unwrap_or(u64::MAX);
        let got = self.stream.by_ref().take(wanted).read_to_end(bytes).map_err(Uncut::Read)?;
        self.ended = got < self.chunk_bytes;
        Ok(())
    }

    /// One past the last line end with an even number of quotes before it.
    fn last_boundary(&self, bytes: &[u8], even_at_end: bool) -> Option<usize> {
        let mut even = even_at_end;
        let mut end = bytes.len();
        loop {
            let before = bytes.get(..end)?;
            let at = memchr::memrchr(b'\n', before)?;
            let after = before.get(at + 1..).unwrap_or_default();
            even = even == self.quotes(after).is_multiple_of(2);
            if even {
                return Some(at + 1);
            }
            end = at;
        }
    }
}

/// Says why the stream could not be cut into records.
pub(crate) fn cut_fault(file: &str, uncut: Uncut) -> Fault {
    match uncut {
        Uncut::Read(error) => read_fault(file, error),
        Uncut::TooLong { line } => Fault::new(
            ErrorClass::Malformed,
            format!("`{file}` line {line}: a record is longer than {} MiB", RECORD_BYTES_MAX >> 20),
        )
        .hint(
            "Look for a quote that is never closed (csv: `quote: none` when quotes mean nothing), \
             or for line ends other than LF and CRLF.",
        ),
    }
}

/// Drops UTF-8's byte order mark and refuses that of UTF-16.
pub(crate) fn skip_mark(file: &str, bytes: &mut Vec<u8>) -> Result<(), Fault> {
    if bytes.starts_with(b"\xef\xbb\xbf") {
        bytes.drain(..3);
    }
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err(Fault::new(
            ErrorClass::Malformed,
            format!("`{file}` is in UTF-16; only UTF-8 is read"),
        )
        .hint(format!("Convert it: `iconv -f UTF-16 -t UTF-8 {file} > OUT`.")));
    }
    Ok(())
}

/// A chunk of about one batch, by the size of the sample's rows.
pub(crate) fn chunk_bytes(
    sample_bytes: usize,
    sample_rows: usize,
    request: &flowglass_connect::ReadRequest,
) -> usize {
    let row = sample_bytes.checked_div(sample_rows).unwrap_or(64).max(1);
    let batch = row.saturating_mul(request.batch_rows_max).min(request.batch_bytes_max);
    batch.clamp(4 << 10, CHUNK_BYTES_MAX)
}

impl Chunk {
    /// The line of one of its bytes, counted from 1.
    pub(crate) fn line_of(&self, at: usize) -> u64 {
        let before = self.bytes.get(..at).unwrap_or(&self.bytes);
        self.first_line + memchr::memchr_iter(b'\n', before).count() as u64
    }
}

/// A batch in pieces of at most so many rows.
pub(crate) fn pieces(
    batch: &arrow::array::RecordBatch,
    rows_max: usize,
) -> Vec<arrow::array::RecordBatch> {
    let rows = batch.num_rows();
    (0..rows).step_by(rows_max).map(|from| batch.slice(from, rows_max.min(rows - from))).collect()
}

/// The complaint about a value that does not fit its column's type.
pub(crate) fn unfit(file: &str, line: u64, name: &str, rule: super::Rule) -> Fault {
    let expected = rule.kind.expected();
    let place = format!("`{file}` line {line}, column `{name}`");
    if !rule.strict {
        return Fault::new(
            ErrorClass::Malformed,
            format!("{place}: expected {expected}, as declared"),
        );
    }
    Fault::new(
        ErrorClass::Inexact,
        format!("{place}: expected {expected}, as the first rows suggest"),
    )
    .hint(format!(
        "Declare the column's type under `columns`, for instance `{name}: text`, or correct the row."
    ))
}
