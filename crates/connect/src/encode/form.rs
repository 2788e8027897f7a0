//! How a cell is written: chosen once per column, applied once per cell.

use super::array::ArrayForm;
use super::debezium::{BitsForm, DecimalForm, EpochForm, HstoreForm, IntervalForm};
use super::json::{self, Alphabet, Nesting, write_string};
use super::refusal::Trouble;
use super::settings::BinaryMode;
use super::{debezium, temporal};
use crate::stream::{Column, Kind};

/// How a cell of a column is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Form {
    /// `true`, `false`.
    Bool,
    /// A whole number with all its digits.
    Integer,
    /// A number as the source writes it; text for what JSON has no number for.
    Float,
    /// A string.
    Text,
    /// Bytes from their hexadecimal digits.
    Bytes(BinaryMode),
    /// A document, embedded.
    Json,
    /// A date and time of day, in ISO's form.
    Timestamp,
    /// The same with a zone.
    TimestampTz,
    /// A time of day with a zone, in ISO's form.
    TimeTz,
    /// A list of one of the others.
    Array(Box<ArrayForm>),
    /// `numeric` as Debezium writes it.
    Decimal(DecimalForm),
    /// `bit` as Debezium writes it.
    Bits(BitsForm),
    /// Dates and times as Debezium counts them.
    Epoch(EpochForm),
    /// `interval` as Debezium writes it.
    Interval(IntervalForm),
    /// `hstore` as Debezium writes it.
    Hstore(HstoreForm),
}

/// Room that the forms use and leave; kept from cell to cell so that none allocates.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// An array's element without its escapes.
    pub element: Vec<u8>,
    /// A text that is made before it is written as a string.
    pub text: Vec<u8>,
    /// Bytes that are made before they are written as base64.
    pub bytes: Vec<u8>,
    /// A large number's digits in base 2^32, least first.
    pub limbs: Vec<u32>,
    /// What encloses a JSON value.
    pub nesting: Nesting,
}

impl Form {
    /// The form in the native envelope.
    pub(super) fn native(column: &Column) -> Self {
        Self::of_kind(&column.kind, &column.native, &|kind| match kind {
            Kind::Bool => Self::Bool,
            Kind::Int16 | Kind::Int32 | Kind::Int64 | Kind::UInt64 => Self::Integer,
            Kind::Float32 | Kind::Float64 => Self::Float,
            Kind::Bytes => Self::Bytes(BinaryMode::Base64),
            Kind::Json => Self::Json,
            Kind::Timestamp(_) => Self::Timestamp,
            Kind::TimestampTz => Self::TimestampTz,
            Kind::TimeTz => Self::TimeTz,
            // A decimal is text so that no reader takes it for a double; dates and times of day are
            // in ISO's form already; the rest has no other exact form than its text.
            Kind::Decimal(_)
            | Kind::Money
            | Kind::Text
            | Kind::Enum
            | Kind::Bits(_)
            | Kind::Uuid
            | Kind::Date
            | Kind::Time(_)
            | Kind::Interval
            | Kind::Array(_)
            | Kind::Hstore
            | Kind::Other => Self::Text,
        })
    }

    /// The form of a kind, where `simple` gives that of everything but arrays.
    pub(super) fn of_kind(kind: &Kind, native: &str, simple: &dyn Fn(&Kind) -> Self) -> Self {
        match kind {
            Kind::Array(element) => {
                let element = Self::of_kind(element, native, simple);
                let delimiter = if native.starts_with("box") { b';' } else { b',' };
                Self::Array(Box::new(ArrayForm { element, delimiter }))
            }
            simple_kind => simple(simple_kind),
        }
    }

    /// Writes a cell's text as a JSON value.
    #[inline]
    pub(super) fn write(
        &self,
        text: &[u8],
        out: &mut Vec<u8>,
        scratch: &mut Scratch,
    ) -> Result<(), Trouble> {
        match self {
            Self::Text => write_string(text, out),
            Self::Integer => write_integer(text, out),
            Self::TimestampTz => temporal::write_timestamp_tz(text, out),
            Self::Json => json::write_document(text, &mut scratch.nesting, out),
            Self::Bool => write_bool(text, out),
            Self::Float => write_float(text, out),
            Self::Bytes(mode) => write_bytes(text, *mode, out),
            Self::Timestamp => temporal::write_timestamp(text, out),
            Self::TimeTz => temporal::write_time_tz(text, out),
            Self::Array(array) => array.write(text, out, scratch),
            Self::Decimal(form) => form.write(text, out, scratch),
            Self::Bits(form) => form.write(text, out, scratch),
            Self::Epoch(form) => form.write(text, out),
            Self::Interval(form) => form.write(text, out),
            Self::Hstore(form) => form.write(text, out, scratch),
        }
    }

    /// Writes a cell that the source sent in its binary form.
    pub(super) fn write_binary(&self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Trouble> {
        let Self::Bytes(mode) = self else { return Err(Trouble::BINARY) };
        out.push(b'"');
        match mode {
            BinaryMode::Bytes | BinaryMode::Base64 => {
                json::write_base64(bytes, Alphabet::Standard, out);
            }
            BinaryMode::Base64UrlSafe => json::write_base64(bytes, Alphabet::UrlSafe, out),
            BinaryMode::Hex => debezium::write_hex(bytes, out),
        }
        out.push(b'"');
        Ok(())
    }
}

fn write_bool(text: &[u8], out: &mut Vec<u8>) -> Result<(), Trouble> {
    let word: &[u8] = match text {
        b"t" => b"true",
        b"f" => b"false",
        _ => return Err(Trouble::malformed("holds neither `t` nor `f`")),
    };
    out.extend_from_slice(word);
    Ok(())
}

fn write_integer(text: &[u8], out: &mut Vec<u8>) -> Result<(), Trouble> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let fine = match digits {
        [] => false,
        [b'0'] => true,
        [b'0', ..] => false,
        digits => digits.iter().all(u8::is_ascii_digit),
    };
    if !fine {
        return Err(Trouble::malformed("does not hold a whole number"));
    }
    out.extend_from_slice(text);
    Ok(())
}

fn write_float(text: &[u8], out: &mut Vec<u8>) -> Result<(), Trouble> {
    if json::is_number(text) {
        out.extend_from_slice(text);
        return Ok(());
    }
    match text {
        b"NaN" | b"Infinity" | b"-Infinity" => write_string(text, out),
        _ => Err(Trouble::malformed("does not hold a number")),
    }
}

fn write_bytes(text: &[u8], mode: BinaryMode, out: &mut Vec<u8>) -> Result<(), Trouble> {
    let Some(digits) = text.strip_prefix(b"\\x") else {
        return Err(Trouble::malformed("does not hold bytes as `\\x` and hexadecimal digits"));
    };
    out.push(b'"');
    match mode {
        BinaryMode::Bytes | BinaryMode::Base64 => {
            json::write_hex_as_base64(digits, Alphabet::Standard, out)?;
        }
        BinaryMode::Base64UrlSafe => json::write_hex_as_base64(digits, Alphabet::UrlSafe, out)?,
        BinaryMode::Hex => {
            if digits.len() % 2 != 0 || !digits.iter().all(u8::is_ascii_hexdigit) {
                return Err(Trouble::malformed("does not hold hexadecimal digits"));
            }
            out.extend_from_slice(digits);
        }
    }
    out.push(b'"');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Form, Scratch};
    use crate::encode::settings::BinaryMode;

    fn written(form: &Form, text: &str) -> Option<String> {
        let mut out = Vec::new();
        form.write(text.as_bytes(), &mut out, &mut Scratch::default()).ok()?;
        Some(String::from_utf8(out).unwrap())
    }

    #[test]
    fn numbers_keep_every_digit() {
        for text in ["0", "-1", "9223372036854775807", "18446744073709551615"] {
            assert_eq!(written(&Form::Integer, text).unwrap(), text);
        }
        for text in ["", "-", "01", "+1", "1.0", "1e3", " 1", "x"] {
            assert_eq!(written(&Form::Integer, text), None, "{text}");
        }
        assert_eq!(written(&Form::Float, "1e-07").unwrap(), "1e-07");
        assert_eq!(written(&Form::Float, "-Infinity").unwrap(), "\"-Infinity\"");
        assert_eq!(written(&Form::Float, "inf"), None);
    }

    #[test]
    fn bytes_in_each_mode() {
        for (mode, wanted) in [
            (BinaryMode::Bytes, "\"AP/7\""),
            (BinaryMode::Base64, "\"AP/7\""),
            (BinaryMode::Base64UrlSafe, "\"AP_7\""),
            (BinaryMode::Hex, "\"00fffb\""),
        ] {
            assert_eq!(written(&Form::Bytes(mode), "\\x00fffb").unwrap(), wanted);
            let mut out = Vec::new();
            Form::Bytes(mode).write_binary(&[0, 0xff, 0xfb], &mut out).unwrap();
            assert_eq!(out, wanted.as_bytes());
            assert_eq!(written(&Form::Bytes(mode), "\\x0"), None);
            assert_eq!(written(&Form::Bytes(mode), "00"), None);
        }
    }
}
