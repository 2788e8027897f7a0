//! From a cell's text to the value that SQLite keeps, the same that a copy would keep.
//!
//! Dates and times without an end, and those before the year 1, have no other form than the source's
//! own text: they stay that.

use flowglass_clients::exact::{Decimal, parse_moment, parse_time, write_time_of_day};
use flowglass_connect::stream::{Datum, Kind};
use flowglass_model::ErrorClass;
use rusqlite::types::ValueRef;

use crate::rows::unhex;
use crate::sqlite::bind::write_moment;

/// Digits of a second that are written.
const SECOND_DIGITS: usize = 6;

/// How the text of a column is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reads {
    Integer,
    Boolean,
    Real,
    /// Through 32 bits, as the source holds it.
    ShortReal,
    Blob,
    Time,
    /// With or without a zone.
    Moment(bool),
    /// As it is.
    Text,
}

/// Why a cell was refused.
pub(super) type Refusal = (ErrorClass, &'static str);

const NOT_A_NUMBER: Refusal = (ErrorClass::Inexact, "holds NaN, which SQLite would turn into null");
const NUMBER_TEXT: Refusal =
    (ErrorClass::Inexact, "holds text that the column's declared type would turn into a number");
const UNREADABLE: Refusal = (ErrorClass::Malformed, "holds a text that is no value of its type");
const NOT_UTF8: Refusal = (ErrorClass::Malformed, "holds text that is not valid UTF-8");
const BINARY: Refusal = (ErrorClass::Malformed, "came in the source's binary form");

impl Reads {
    /// How values of a kind are read.
    pub(super) const fn of(kind: &Kind) -> Self {
        match kind {
            Kind::Bool => Self::Boolean,
            Kind::Int16 | Kind::Int32 | Kind::Int64 => Self::Integer,
            Kind::Float32 => Self::ShortReal,
            Kind::Float64 => Self::Real,
            Kind::Bytes => Self::Blob,
            Kind::Time(_) => Self::Time,
            Kind::Timestamp(_) => Self::Moment(false),
            Kind::TimestampTz => Self::Moment(true),
            _ => Self::Text,
        }
    }

    /// The value of a cell. What has to be made is made in `scratch`. `number_text_is_lost`: the
    /// column would make a number of a text that looks like one.
    pub(super) fn value<'a>(
        self,
        cell: Datum<'a>,
        number_text_is_lost: bool,
        scratch: &'a mut Vec<u8>,
    ) -> Result<ValueRef<'a>, Refusal> {
        let text = match cell {
            Datum::Text(text) => text,
            Datum::Null | Datum::Unchanged => return Ok(ValueRef::Null),
            Datum::Binary(_) => return Err(BINARY),
        };
        Ok(match self {
            Self::Integer => ValueRef::Integer(parsed(text)?),
            Self::Boolean => match text {
                b"t" => ValueRef::Integer(1),
                b"f" => ValueRef::Integer(0),
                _ => return Err(UNREADABLE),
            },
            Self::Real => real(parsed(text)?)?,
            Self::ShortReal => real(f64::from(parsed::<f32>(text)?))?,
            Self::Blob => {
                unhex(text, scratch).ok_or(UNREADABLE)?;
                ValueRef::Blob(scratch)
            }
            Self::Text => {
                if number_text_is_lost && Decimal::parse(text.trim_ascii()).is_some() {
                    return Err(NUMBER_TEXT);
                }
                std::str::from_utf8(text).map_err(|_invalid| NOT_UTF8)?;
                ValueRef::Text(text)
            }
            Self::Time | Self::Moment(_) if self.rewrite(text, scratch) => ValueRef::Text(scratch),
            Self::Time | Self::Moment(_) => ValueRef::Text(text),
        })
    }

    /// Writes a time in the form of our tables; `false` when it has only the source's.
    fn rewrite(self, text: &[u8], out: &mut Vec<u8>) -> bool {
        out.clear();
        match self {
            Self::Moment(zoned) => {
                let units = parse_moment(text)
                    .filter(|it| it.offset.is_some() == zoned)
                    .and_then(|it| it.in_units(1_000_000));
                let Some(units) = units else { return false };
                write_moment(units, 1_000_000, SECOND_DIGITS, zoned, out);
            }
            _ => {
                let Some((seconds, nanos)) = parse_time(text).filter(|it| it.1 % 1_000 == 0) else {
                    return false;
                };
                write_time_of_day(seconds, u64::from(nanos / 1_000), SECOND_DIGITS, out);
            }
        }
        true
    }
}

fn parsed<T: std::str::FromStr>(text: &[u8]) -> Result<T, Refusal> {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(UNREADABLE)
}

fn real<'a>(value: f64) -> Result<ValueRef<'a>, Refusal> {
    if value.is_nan() { Err(NOT_A_NUMBER) } else { Ok(ValueRef::Real(value)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(kind: &Kind, text: &str) -> Result<rusqlite::types::Value, Refusal> {
        let mut scratch = Vec::new();
        let cell = Datum::Text(text.as_bytes());
        Reads::of(kind).value(cell, true, &mut scratch).map(|it| it.try_into().unwrap())
    }

    #[test]
    fn values_are_those_that_a_copy_would_write() {
        use rusqlite::types::Value;
        let text = |text: &str| Ok(Value::Text(text.to_owned()));
        assert_eq!(value(&Kind::Int64, "-9223372036854775808"), Ok(Value::Integer(i64::MIN)));
        assert_eq!(value(&Kind::Bool, "t"), Ok(Value::Integer(1)));
        assert_eq!(value(&Kind::Float32, "0.1"), Ok(Value::Real(f64::from(0.1_f32))));
        assert_eq!(value(&Kind::Float64, "-Infinity"), Ok(Value::Real(f64::NEG_INFINITY)));
        assert_eq!(value(&Kind::Bytes, "\\x00fF"), Ok(Value::Blob(vec![0, 255])));
        assert_eq!(value(&Kind::Time(6), "12:00:00.5"), text("12:00:00.500000"));
        assert_eq!(
            value(&Kind::Timestamp(3), "2024-02-29 23:59:59"),
            text("2024-02-29 23:59:59.000000")
        );
        assert_eq!(
            value(&Kind::TimestampTz, "2024-02-29 23:59:59.25+02"),
            text("2024-02-29 21:59:59.250000Z")
        );
        for kept in ["infinity", "0044-03-15 00:00:00+00 BC"] {
            assert_eq!(value(&Kind::TimestampTz, kept), text(kept));
        }
    }

    #[test]
    fn what_cannot_be_kept_is_refused_by_class() {
        for (kind, text, class) in [
            (Kind::Float64, "NaN", ErrorClass::Inexact),
            (Kind::Text, " 12e3 ", ErrorClass::Inexact),
            (Kind::Int64, "9223372036854775808", ErrorClass::Malformed),
            (Kind::Bool, "true", ErrorClass::Malformed),
            (Kind::Bytes, "\\x0", ErrorClass::Malformed),
        ] {
            assert_eq!(value(&kind, text).unwrap_err().0, class, "{text}");
        }
        let torn = Datum::Text(b"\xff");
        assert_eq!(Reads::Text.value(torn, false, &mut Vec::new()).unwrap_err(), NOT_UTF8);
    }
}
