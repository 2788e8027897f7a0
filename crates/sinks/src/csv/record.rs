//! Reads records of the CSV file that is there, for appends and merges.

use std::fs::File;
use std::io::{BufRead, BufReader, Read as _, Seek as _};

/// The characters with a meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dialect {
    pub(super) delimiter: u8,
    pub(super) quote: Option<u8>,
}

/// A record longer than this is taken for one whose quote was never closed.
const RECORD_BYTES_MAX: usize = 64 << 20;

/// A field's text, and whether it stood in quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) text: Vec<u8>,
    pub(super) quoted: bool,
}

/// Reads record by record.
pub(super) struct Records<'a> {
    input: BufReader<&'a File>,
    dialect: Dialect,
    first: bool,
}

impl<'a> Records<'a> {
    pub(super) fn new(mut file: &'a File, dialect: Dialect) -> std::io::Result<Self> {
        file.rewind()?;
        Ok(Self { input: BufReader::with_capacity(1 << 20, file), dialect, first: true })
    }

    /// The next record without its line end; `false` at the end of the file.
    pub(super) fn next(&mut self, record: &mut Vec<u8>) -> std::io::Result<bool> {
        record.clear();
        let mut open = false;
        loop {
            let from = record.len();
            let left = RECORD_BYTES_MAX.saturating_sub(from) as u64 + 1;
            let got = self.input.by_ref().take(left).read_until(b'\n', record)?;
            let new = record.get(from..).unwrap_or_default();
            if let Some(quote) = self.dialect.quote {
                open ^= memchr::memchr_iter(quote, new).count() % 2 == 1;
            }
            let ended = record.ends_with(b"\n");
            if got == 0 || (ended && !open) {
                if open {
                    return Err(invalid("a quote of the file is never closed"));
                }
                break;
            }
            if record.len() > RECORD_BYTES_MAX {
                return Err(invalid("a record of the file is longer than 64 MiB"));
            }
        }
        if record.is_empty() {
            return Ok(false);
        }
        if record.ends_with(b"\n") {
            record.pop();
        }
        if record.ends_with(b"\r") {
            record.pop();
        }
        if std::mem::take(&mut self.first) && record.starts_with(b"\xef\xbb\xbf") {
            record.drain(..3);
        }
        Ok(true)
    }
}

fn invalid(what: &str) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, what.to_owned())
}

/// Cuts a record into its cells. A file that was written loosely reads as what it most likely
/// means: this is only for comparing and for keys.
pub(super) fn cells(dialect: Dialect, record: &[u8]) -> Vec<Cell> {
    let mut cells = Vec::new();
    let mut rest = Some(record);
    while let Some(text) = rest {
        let (cell, after) = cell(dialect, text);
        cells.push(cell);
        rest = after;
    }
    cells
}

fn cell(dialect: Dialect, text: &[u8]) -> (Cell, Option<&[u8]>) {
    let quote = dialect.quote.filter(|quote| text.first() == Some(quote));
    let Some(quote) = quote else {
        let end = memchr::memchr(dialect.delimiter, text);
        let (cell, after) = match end {
            Some(at) => (text.get(..at), text.get(at + 1..)),
            None => (Some(text), None),
        };
        return (Cell { text: cell.unwrap_or_default().to_vec(), quoted: false }, after);
    };
    let mut inside = Vec::new();
    let mut rest = text.get(1..).unwrap_or_default();
    loop {
        let Some(at) = memchr::memchr(quote, rest) else {
            inside.extend_from_slice(rest);
            return (Cell { text: inside, quoted: true }, None);
        };
        inside.extend_from_slice(rest.get(..at).unwrap_or_default());
        rest = rest.get(at + 1..).unwrap_or_default();
        match rest.first() {
            Some(next) if *next == quote => {
                inside.push(quote);
                rest = rest.get(1..).unwrap_or_default();
            }
            _ => break,
        }
    }
    let after = memchr::memchr(dialect.delimiter, rest).and_then(|at| rest.get(at + 1..));
    (Cell { text: inside, quoted: true }, after)
}

/// Counts records: line ends outside of quotes, and a last line without end. Empty lines are none
/// unless a record is a single field.
pub(super) fn count(mut file: File, dialect: Dialect, columns: usize) -> std::io::Result<u64> {
    let mut buffer = vec![0u8; 1 << 20];
    let (mut rows, mut inside, mut filled) = (0, false, false);
    loop {
        let got = file.read(&mut buffer)?;
        let text = buffer.get(..got).unwrap_or_default();
        if text.is_empty() {
            return Ok(rows + u64::from(filled));
        }
        let quote = dialect.quote.unwrap_or(b'\n');
        let mut from = 0;
        for at in memchr::memchr2_iter(b'\n', quote, text) {
            if text.get(at) != Some(&b'\n') {
                inside = !inside;
                continue;
            }
            if !inside {
                let line = text.get(from..at).unwrap_or_default();
                filled |= !line.is_empty() && line != b"\r";
                rows += u64::from(filled || columns == 1);
                filled = false;
                from = at + 1;
            }
        }
        filled |= from < text.len();
    }
}
