//! The same cells in COPY's text format, for tables with a column that only the server can read
//! (`interval`, `inet`, ranges, composites …): then the whole COPY is text.

use std::io::Write as _;

use flowglass_clients::exact::{
    civil_of, digits_of_i256, write_date, write_scaled, write_time_of_day,
};

use super::encode::{Cells, Refusal, check_length, check_number, micros_of, narrow};

/// Appends the cell as a field of text COPY, without the separator.
pub(super) fn spell(
    cells: &Cells,
    row: usize,
    scratch: &mut Vec<u8>,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    if cells.is_null(row) {
        out.extend_from_slice(b"\\N");
        return Ok(());
    }
    scratch.clear();
    plain(cells, row, scratch)?;
    for byte in scratch.iter() {
        let escaped = match byte {
            b'\\' => b'\\',
            b'\t' => b't',
            b'\n' => b'n',
            b'\r' => b'r',
            _ => {
                out.push(*byte);
                continue;
            }
        };
        out.extend_from_slice(&[b'\\', escaped]);
    }
    Ok(())
}

/// The cell as Postgres' input functions read it.
fn plain(cells: &Cells, row: usize, out: &mut Vec<u8>) -> Result<(), Refusal> {
    match cells {
        Cells::Bool(array) => out.push(if array.value(row) { b't' } else { b'f' }),
        Cells::Integer(array, ..) | Cells::IntegerAsNumeric(array) => number(array.value(row), out),
        Cells::Float4(array) => float(f64::from(array.value(row)), array.value(row), out),
        Cells::Float8(array) => float(array.value(row), array.value(row), out),
        Cells::Float8As4(array) => {
            float(array.value(row), narrow(array.value(row))?, out);
        }
        Cells::Decimal(array, from, to) => {
            write_scaled(array.value(row), *from, out);
            check_cut(out, *from, *to)?;
        }
        Cells::Wide(array, from, to) => {
            digits_of_i256(array.value(row), *from, out);
            check_cut(out, *from, *to)?;
        }
        Cells::Numeric(array, declared) => {
            check_number(array.value(row), *declared)?;
            out.extend_from_slice(array.value(row).as_bytes());
        }
        Cells::Text(array, limit) => {
            check_length(array.value(row), *limit)?;
            out.extend_from_slice(array.value(row).as_bytes());
        }
        Cells::Jsonb(array) | Cells::Uuid(array) | Cells::Spelled(array) => {
            out.extend_from_slice(array.value(row).as_bytes());
        }
        Cells::UuidBytes(array) => hex(array.value(row), out),
        Cells::Bytea(array) => {
            out.extend_from_slice(b"\\x");
            hex(array.value(row), out);
        }
        Cells::Date(array) => {
            let era = date(i64::from(array.value(row)), out);
            out.extend_from_slice(era);
        }
        Cells::Time(array, per_second, step) => {
            let micros = micros_of(array.value(row), *per_second, *step)?;
            let fraction = micros.rem_euclid(1_000_000).unsigned_abs();
            write_time_of_day(micros.div_euclid(1_000_000), fraction, 6, out);
        }
        Cells::Moment(array, per_second, step, zoned) => {
            let micros = micros_of(array.value(row), *per_second, *step)?;
            let seconds = micros.div_euclid(1_000_000);
            let era = date(seconds.div_euclid(86_400), out);
            out.push(b' ');
            let fraction = micros.rem_euclid(1_000_000).unsigned_abs();
            write_time_of_day(seconds.rem_euclid(86_400), fraction, 6, out);
            if *zoned {
                out.extend_from_slice(b"+00");
            }
            out.extend_from_slice(era);
        }
        Cells::List(spans, elements, _oid) => {
            let (start, end) = spans.get(row).copied().flatten().unwrap_or_default();
            list(elements, start..end, out)?;
        }
    }
    Ok(())
}

fn number(value: i64, out: &mut Vec<u8>) {
    // Writing to a vector does not fail.
    write!(out, "{value}").unwrap_or_default();
}

fn float(value: f64, shown: impl std::fmt::Display, out: &mut Vec<u8>) {
    if value.is_infinite() {
        out.extend_from_slice(if value > 0.0 { b"Infinity" } else { b"-Infinity" });
    } else {
        write!(out, "{shown}").unwrap_or_default();
    }
}

/// Digits behind the column's scale must be zeros.
fn check_cut(text: &[u8], from: i8, to: Option<i8>) -> Result<(), Refusal> {
    let cut = to.map_or(0, |to| usize::from((from - from.min(to)).unsigned_abs()));
    if text.iter().rev().take(cut).any(|digit| !matches!(digit, b'0' | b'.')) {
        return Err(Refusal::Inexact);
    }
    Ok(())
}

fn hex(bytes: &[u8], out: &mut Vec<u8>) {
    for byte in bytes {
        write!(out, "{byte:02x}").unwrap_or_default();
    }
}

/// Writes the date and answers what has to stand at the end: Postgres has no year 0 and writes
/// years before 1 as years BC.
fn date(days: i64, out: &mut Vec<u8>) -> &'static [u8] {
    let civil = civil_of(days);
    if civil.year > 0 {
        write_date(days, out);
        return b"";
    }
    write!(out, "{:04}-{:02}-{:02}", 1 - civil.year, civil.month, civil.day).unwrap_or_default();
    b" BC"
}

fn list(elements: &Cells, span: std::ops::Range<usize>, out: &mut Vec<u8>) -> Result<(), Refusal> {
    let mut text = Vec::new();
    out.push(b'{');
    for (count, at) in span.enumerate() {
        if count > 0 {
            out.push(b',');
        }
        if elements.is_null(at) {
            out.extend_from_slice(b"NULL");
            continue;
        }
        text.clear();
        plain(elements, at, &mut text)?;
        out.push(b'"');
        for byte in &text {
            if matches!(byte, b'"' | b'\\') {
                out.push(b'\\');
            }
            out.push(*byte);
        }
        out.push(b'"');
    }
    out.push(b'}');
    Ok(())
}
