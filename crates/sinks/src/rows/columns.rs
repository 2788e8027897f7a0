//! From cells' text to Arrow's columns, each value exact or refused.

use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Decimal256Builder,
    Float32Builder, Float64Builder, Int16Builder, Int32Builder, Int64Builder, StringBuilder,
    Time64MicrosecondBuilder, TimestampMicrosecondBuilder, UInt64Builder,
};
use arrow::datatypes::{DataType, i256};
use flowglass_clients::exact::{
    NotExact, parse_date, parse_moment, parse_scaled, parse_scaled_wide, parse_time,
};
use flowglass_connect::stream::{Datum, Kind};
use flowglass_model::ErrorClass;

use super::{arrow_type, unhex};

const SECOND_MICROS: i64 = 1_000_000;
const DAY_SECONDS: i64 = 86_400;

/// Why a cell was refused.
pub(crate) type Refusal = (ErrorClass, &'static str);

const UNREADABLE: Refusal = (ErrorClass::Malformed, "holds a text that is no value of its type");
const NOT_UTF8: Refusal = (ErrorClass::Malformed, "holds text that is not valid UTF-8");
const BINARY: Refusal = (ErrorClass::Malformed, "came in the source's binary form");
const OUTSIDE: Refusal =
    (ErrorClass::Inexact, "holds a date or time that the column's type does not reach");
const DIGITS: Refusal = (ErrorClass::Inexact, "holds a number that a decimal column cannot hold");

/// A cell that has been read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value<'a> {
    Null,
    Bool(bool),
    Integer(i64),
    Unsigned(u64),
    Float32(f32),
    Float64(f64),
    Decimal(i128),
    Wide(i256),
    Bytes(Vec<u8>),
    Text(&'a str),
}

/// Reads a cell of a kind.
///
/// # Errors
/// Why its column cannot hold it.
pub(crate) fn read<'a>(kind: &Kind, datum: Datum<'a>) -> Result<Value<'a>, Refusal> {
    let text = match datum {
        Datum::Text(text) => text,
        Datum::Null | Datum::Unchanged => return Ok(Value::Null),
        Datum::Binary(_) => return Err(BINARY),
    };
    Ok(match arrow_type(kind) {
        DataType::Boolean => match text {
            b"t" => Value::Bool(true),
            b"f" => Value::Bool(false),
            _ => return Err(UNREADABLE),
        },
        DataType::Int16 => Value::Integer(i64::from(parsed::<i16>(text)?)),
        DataType::Int32 => Value::Integer(i64::from(parsed::<i32>(text)?)),
        DataType::Int64 => Value::Integer(parsed(text)?),
        DataType::UInt64 => Value::Unsigned(parsed(text)?),
        DataType::Float32 => Value::Float32(parsed(text)?),
        DataType::Float64 => Value::Float64(parsed(text)?),
        DataType::Decimal128(precision, scale) => Value::Decimal(
            parse_scaled(text, precision, scale).map_err(|error| digits(error, text))?,
        ),
        DataType::Decimal256(precision, scale) => Value::Wide(
            parse_scaled_wide(text, precision, scale).map_err(|error| digits(error, text))?,
        ),
        DataType::Binary => {
            let mut bytes = Vec::with_capacity(text.len() / 2);
            unhex(text, &mut bytes).ok_or(UNREADABLE)?;
            Value::Bytes(bytes)
        }
        DataType::Date32 => {
            let days = parse_date(text).ok_or_else(|| moment(text))?;
            Value::Integer(i64::from(i32::try_from(days).map_err(|_| OUTSIDE)?))
        }
        DataType::Time64(_) => {
            let (seconds, nanos) = parse_time(text).ok_or_else(|| moment(text))?;
            if seconds >= DAY_SECONDS || nanos % 1_000 != 0 {
                return Err(OUTSIDE);
            }
            Value::Integer(seconds * SECOND_MICROS + i64::from(nanos / 1_000))
        }
        DataType::Timestamp(_, zone) => {
            let read = parse_moment(text).ok_or_else(|| moment(text))?;
            if read.offset.is_some() != zone.is_some() {
                return Err(UNREADABLE);
            }
            Value::Integer(read.in_units(SECOND_MICROS).ok_or(OUTSIDE)?)
        }
        _ => Value::Text(std::str::from_utf8(text).map_err(|_| NOT_UTF8)?),
    })
}

fn parsed<T: std::str::FromStr>(text: &[u8]) -> Result<T, Refusal> {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(UNREADABLE)
}

/// `NaN` and the infinities are numbers that no decimal is.
fn digits(error: NotExact, text: &[u8]) -> Refusal {
    let is_word = matches!(text, b"NaN" | b"Infinity" | b"-Infinity");
    match error {
        NotExact::NotANumber if !is_word => UNREADABLE,
        _ => DIGITS,
    }
}

/// Dates without an end, before the year 1, and the end of a day are what Postgres has and Arrow has
/// not.
fn moment(text: &[u8]) -> Refusal {
    let is_word = matches!(text, b"infinity" | b"-infinity");
    if is_word || text.ends_with(b" BC") || text.starts_with(b"24:00:00") {
        OUTSIDE
    } else {
        UNREADABLE
    }
}

/// A column that is being filled.
#[derive(Debug)]
pub(crate) enum Filling {
    Bool(BooleanBuilder),
    Int16(Int16Builder),
    Int32(Int32Builder),
    Int64(Int64Builder),
    UInt64(UInt64Builder),
    Float32(Float32Builder),
    Float64(Float64Builder),
    Decimal(Decimal128Builder),
    Wide(Decimal256Builder),
    Bytes(BinaryBuilder),
    Date(Date32Builder),
    Time(Time64MicrosecondBuilder),
    Moment(TimestampMicrosecondBuilder),
    Text(StringBuilder),
}

impl Filling {
    /// An empty column for values of a kind.
    pub(crate) fn of(kind: &Kind) -> Self {
        let arrow = arrow_type(kind);
        match &arrow {
            DataType::Boolean => Self::Bool(BooleanBuilder::new()),
            DataType::Int16 => Self::Int16(Int16Builder::new()),
            DataType::Int32 => Self::Int32(Int32Builder::new()),
            DataType::Int64 => Self::Int64(Int64Builder::new()),
            DataType::UInt64 => Self::UInt64(UInt64Builder::new()),
            DataType::Float32 => Self::Float32(Float32Builder::new()),
            DataType::Float64 => Self::Float64(Float64Builder::new()),
            DataType::Decimal128(..) => {
                Self::Decimal(Decimal128Builder::new().with_data_type(arrow))
            }
            DataType::Decimal256(..) => Self::Wide(Decimal256Builder::new().with_data_type(arrow)),
            DataType::Binary => Self::Bytes(BinaryBuilder::new()),
            DataType::Date32 => Self::Date(Date32Builder::new()),
            DataType::Time64(_) => Self::Time(Time64MicrosecondBuilder::new()),
            DataType::Timestamp(..) => {
                Self::Moment(TimestampMicrosecondBuilder::new().with_data_type(arrow))
            }
            _ => Self::Text(StringBuilder::new()),
        }
    }

    /// Adds a value that [`read`] gave for the same kind.
    pub(crate) fn push(&mut self, value: &Value<'_>) {
        let integer = match value {
            Value::Integer(integer) => Some(*integer),
            _ => None,
        };
        match self {
            Self::Bool(it) => it.append_option(match value {
                Value::Bool(value) => Some(*value),
                _ => None,
            }),
            // They were read as what they are here.
            Self::Int16(it) => it.append_option(integer.and_then(|it| it.try_into().ok())),
            Self::Int32(it) => it.append_option(integer.and_then(|it| it.try_into().ok())),
            Self::Date(it) => it.append_option(integer.and_then(|it| it.try_into().ok())),
            Self::Int64(it) => it.append_option(integer),
            Self::Time(it) => it.append_option(integer),
            Self::Moment(it) => it.append_option(integer),
            Self::UInt64(it) => it.append_option(match value {
                Value::Unsigned(value) => Some(*value),
                _ => None,
            }),
            Self::Float32(it) => it.append_option(match value {
                Value::Float32(value) => Some(*value),
                _ => None,
            }),
            Self::Float64(it) => it.append_option(match value {
                Value::Float64(value) => Some(*value),
                _ => None,
            }),
            Self::Decimal(it) => it.append_option(match value {
                Value::Decimal(value) => Some(*value),
                _ => None,
            }),
            Self::Wide(it) => it.append_option(match value {
                Value::Wide(value) => Some(*value),
                _ => None,
            }),
            Self::Bytes(it) => it.append_option(match value {
                Value::Bytes(value) => Some(value),
                _ => None,
            }),
            Self::Text(it) => it.append_option(match value {
                Value::Text(value) => Some(*value),
                _ => None,
            }),
        }
    }

    /// The column.
    pub(crate) fn finish(&mut self) -> ArrayRef {
        use std::sync::Arc;
        match self {
            Self::Bool(it) => Arc::new(it.finish()),
            Self::Int16(it) => Arc::new(it.finish()),
            Self::Int32(it) => Arc::new(it.finish()),
            Self::Int64(it) => Arc::new(it.finish()),
            Self::UInt64(it) => Arc::new(it.finish()),
            Self::Float32(it) => Arc::new(it.finish()),
            Self::Float64(it) => Arc::new(it.finish()),
            Self::Decimal(it) => Arc::new(it.finish()),
            Self::Wide(it) => Arc::new(it.finish()),
            Self::Bytes(it) => Arc::new(it.finish()),
            Self::Date(it) => Arc::new(it.finish()),
            Self::Time(it) => Arc::new(it.finish()),
            Self::Moment(it) => Arc::new(it.finish()),
            Self::Text(it) => Arc::new(it.finish()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: &Kind, text: &str) -> Result<Value<'static>, ErrorClass> {
        let text: &'static str = text.to_owned().leak();
        read(kind, Datum::Text(text.as_bytes())).map_err(|(class, _)| class)
    }

    #[test]
    fn values_are_exact_or_refused() {
        let decimal = Kind::Decimal(Some((5, 2)));
        assert_eq!(of(&decimal, "-123.45"), Ok(Value::Decimal(-12_345)));
        assert_eq!(of(&Kind::Date, "1969-12-31"), Ok(Value::Integer(-1)));
        assert_eq!(of(&Kind::Time(6), "00:00:01.5"), Ok(Value::Integer(1_500_000)));
        assert_eq!(of(&Kind::TimestampTz, "1970-01-01 02:00:00.000001+02"), Ok(Value::Integer(1)));
        assert_eq!(of(&Kind::Bytes, "\\x00ff"), Ok(Value::Bytes(vec![0, 255])));
        assert_eq!(of(&Kind::Decimal(None), "NaN"), Ok(Value::Text("NaN")));
        for (kind, text) in [
            (&decimal, "NaN"),
            (&decimal, "1234.00"),
            (&decimal, "1.005"),
            (&Kind::Date, "infinity"),
            (&Kind::Timestamp(6), "0044-03-15 00:00:00 BC"),
            (&Kind::Time(6), "24:00:00"),
        ] {
            assert_eq!(of(kind, text), Err(ErrorClass::Inexact), "{text}");
        }
        for (kind, text) in [
            (&decimal, "x"),
            (&Kind::Int16, "32768"),
            (&Kind::Date, "soon"),
            (&Kind::Timestamp(6), "2024-01-01 00:00:00+00"),
        ] {
            assert_eq!(of(kind, text), Err(ErrorClass::Malformed), "{text}");
        }
    }

    #[test]
    fn a_column_holds_what_was_read() {
        use arrow::array::Array as _;
        for kind in [Kind::Bool, Kind::Int64, Kind::Decimal(Some((50, 3))), Kind::TimestampTz] {
            let mut filling = Filling::of(&kind);
            filling.push(&Value::Null);
            let column = filling.finish();
            assert_eq!((column.data_type(), column.null_count()), (&arrow_type(&kind), 1));
        }
    }
}
