//! From SQLite's values straight into Arrow's builders, each value checked.

use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Decimal256Builder,
    Float64Builder, Int64Builder, StringBuilder,
};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, TimeUnit};
use flowglass_clients::exact::{
    NotExact, parse_date, parse_moment, parse_scaled, parse_scaled_wide, parse_time,
};
use rusqlite::types::ValueRef;

use super::schema::Shape;

/// Why a value was refused; the caller adds column and row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The value's storage class, where another is needed.
    Class(&'static str),
    /// Text that is no value of the type.
    Unreadable,
    /// A value with more digits than the type keeps.
    Inexact,
    /// Text that is not UTF-8.
    NotUtf8,
}

impl From<NotExact> for Refusal {
    fn from(why: NotExact) -> Self {
        match why {
            NotExact::NotANumber => Self::Unreadable,
            NotExact::TooManyDigits => Self::Inexact,
        }
    }
}

/// A builder of one column.
#[derive(Debug)]
pub(super) struct Column {
    target: DataType,
    any: bool,
    builder: Builder,
}

#[derive(Debug)]
enum Builder {
    Boolean(BooleanBuilder),
    Integer(Int64Builder),
    Real(Float64Builder),
    Text(StringBuilder),
    Blob(BinaryBuilder),
    Decimal(Decimal128Builder, u8, i8),
    Wide(Decimal256Builder, u8, i8),
    Date(Date32Builder),
    /// Text of a moment as a count of units; `true` with a zone.
    Moment(Int64Builder, i64, bool),
    /// Text of a time of day as a count of units.
    Time(Int64Builder, i64),
}

impl Column {
    /// A builder for a column; `None` when the type is none that SQLite values are read as.
    pub(super) fn new(shape: &Shape) -> Option<Self> {
        let target = shape.field.data_type().clone();
        let builder = match &target {
            DataType::Boolean => Builder::Boolean(BooleanBuilder::new()),
            DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::UInt8
            | DataType::UInt16
            | DataType::UInt32
            | DataType::Duration(_) => Builder::Integer(Int64Builder::new()),
            DataType::Float32 | DataType::Float64 => Builder::Real(Float64Builder::new()),
            DataType::Utf8 => Builder::Text(StringBuilder::new()),
            DataType::Binary | DataType::FixedSizeBinary(_) => Builder::Blob(BinaryBuilder::new()),
            DataType::Decimal128(precision, scale) => {
                let builder = Decimal128Builder::new().with_data_type(target.clone());
                Builder::Decimal(builder, *precision, *scale)
            }
            DataType::Decimal256(precision, scale) => {
                let builder = Decimal256Builder::new().with_data_type(target.clone());
                Builder::Wide(builder, *precision, *scale)
            }
            DataType::Date32 => Builder::Date(Date32Builder::new()),
            DataType::Timestamp(unit, zone) => {
                Builder::Moment(Int64Builder::new(), per_second(*unit), zone.is_some())
            }
            DataType::Time32(unit) | DataType::Time64(unit) => {
                Builder::Time(Int64Builder::new(), per_second(*unit))
            }
            _ => return None,
        };
        Some(Self { target, any: shape.any, builder })
    }

    /// Adds a value; answers about how many bytes it takes.
    pub(super) fn push(&mut self, value: ValueRef<'_>) -> Result<usize, Refusal> {
        if matches!(value, ValueRef::Null) {
            self.push_null();
            return Ok(1);
        }
        match &mut self.builder {
            Builder::Boolean(builder) => builder.append_value(boolean(value)?),
            Builder::Integer(builder) => builder.append_value(integer(value)?),
            Builder::Real(builder) => builder.append_value(real(value)?),
            Builder::Text(builder) => return push_text(builder, value, self.any),
            Builder::Blob(builder) => {
                let ValueRef::Blob(bytes) = value else {
                    return Err(Refusal::Class(class_name(value)));
                };
                builder.append_value(bytes);
                return Ok(bytes.len() + 4);
            }
            Builder::Decimal(builder, precision, scale) => {
                let (precision, scale) = (*precision, *scale);
                let parsed = with_number_text(value, |text| parse_scaled(text, precision, scale))?;
                builder.append_value(parsed);
                return Ok(16);
            }
            Builder::Wide(builder, precision, scale) => {
                let (precision, scale) = (*precision, *scale);
                let parsed =
                    with_number_text(value, |text| parse_scaled_wide(text, precision, scale))?;
                builder.append_value(parsed);
                return Ok(32);
            }
            Builder::Date(builder) => {
                let days = parse_date(text_of(value)?).ok_or(Refusal::Unreadable)?;
                builder.append_value(i32::try_from(days).map_err(|_far| Refusal::Inexact)?);
            }
            Builder::Moment(builder, per_second, zoned) => {
                let moment = parse_moment(text_of(value)?).ok_or(Refusal::Unreadable)?;
                if moment.offset.is_some() != *zoned {
                    return Err(Refusal::Unreadable);
                }
                builder.append_value(moment.in_units(*per_second).ok_or(Refusal::Inexact)?);
            }
            Builder::Time(builder, per_second) => {
                let (seconds, nanos) = parse_time(text_of(value)?).ok_or(Refusal::Unreadable)?;
                let per_unit = 1_000_000_000 / *per_second;
                if i64::from(nanos) % per_unit != 0 {
                    return Err(Refusal::Inexact);
                }
                builder.append_value(seconds * *per_second + i64::from(nanos) / per_unit);
            }
        }
        Ok(8)
    }

    fn push_null(&mut self) {
        match &mut self.builder {
            Builder::Boolean(builder) => builder.append_null(),
            Builder::Integer(builder)
            | Builder::Moment(builder, ..)
            | Builder::Time(builder, _) => builder.append_null(),
            Builder::Real(builder) => builder.append_null(),
            Builder::Text(builder) => builder.append_null(),
            Builder::Blob(builder) => builder.append_null(),
            Builder::Decimal(builder, ..) => builder.append_null(),
            Builder::Wide(builder, ..) => builder.append_null(),
            Builder::Date(builder) => builder.append_null(),
        }
    }

    /// The column so far, in its type; the builder is empty again.
    pub(super) fn finish(&mut self) -> Result<ArrayRef, Refusal> {
        let array: ArrayRef = match &mut self.builder {
            Builder::Boolean(builder) => std::sync::Arc::new(builder.finish()),
            Builder::Integer(builder)
            | Builder::Moment(builder, ..)
            | Builder::Time(builder, _) => std::sync::Arc::new(builder.finish()),
            Builder::Real(builder) => std::sync::Arc::new(builder.finish()),
            Builder::Text(builder) => std::sync::Arc::new(builder.finish()),
            Builder::Blob(builder) => std::sync::Arc::new(builder.finish()),
            Builder::Decimal(builder, ..) => std::sync::Arc::new(builder.finish()),
            Builder::Wide(builder, ..) => std::sync::Arc::new(builder.finish()),
            Builder::Date(builder) => std::sync::Arc::new(builder.finish()),
        };
        if *array.data_type() == self.target {
            return Ok(array);
        }
        // `safe` would turn what does not fit into nulls.
        let options = CastOptions { safe: false, ..CastOptions::default() };
        // Milliseconds and seconds of the day are 32 bits wide in Arrow.
        let array = match &self.target {
            DataType::Time32(_) => cast_with_options(&array, &DataType::Int32, &options),
            _ => Ok(array),
        };
        array
            .and_then(|array| cast_with_options(&array, &self.target, &options))
            .map_err(|_message_with_values| Refusal::Inexact)
    }
}

fn per_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

fn class_name(value: ValueRef<'_>) -> &'static str {
    match value {
        ValueRef::Null => "null",
        ValueRef::Integer(_) => "integer",
        ValueRef::Real(_) => "real",
        ValueRef::Text(_) => "text",
        ValueRef::Blob(_) => "blob",
    }
}

fn boolean(value: ValueRef<'_>) -> Result<bool, Refusal> {
    match value {
        ValueRef::Integer(0) => Ok(false),
        ValueRef::Integer(1) => Ok(true),
        ValueRef::Integer(_) => Err(Refusal::Inexact),
        other => Err(Refusal::Class(class_name(other))),
    }
}

fn integer(value: ValueRef<'_>) -> Result<i64, Refusal> {
    match value {
        ValueRef::Integer(number) => Ok(number),
        other => Err(Refusal::Class(class_name(other))),
    }
}

#[expect(clippy::cast_precision_loss, reason = "integers past 2^53 are refused")]
fn real(value: ValueRef<'_>) -> Result<f64, Refusal> {
    match value {
        ValueRef::Real(number) => Ok(number),
        ValueRef::Integer(number) if number.unsigned_abs() <= 1 << 53 => Ok(number as f64),
        ValueRef::Integer(_) => Err(Refusal::Inexact),
        other => Err(Refusal::Class(class_name(other))),
    }
}

fn text_of(value: ValueRef<'_>) -> Result<&[u8], Refusal> {
    match value {
        ValueRef::Text(text) => Ok(text),
        other => Err(Refusal::Class(class_name(other))),
    }
}

/// Text, integers, and doubles by their shortest text that reads back as the same double.
fn with_number_text<T>(
    value: ValueRef<'_>,
    parse: impl FnOnce(&[u8]) -> Result<T, NotExact>,
) -> Result<T, Refusal> {
    let parsed = match value {
        ValueRef::Text(text) => parse(text),
        ValueRef::Integer(number) => parse(number.to_string().as_bytes()),
        ValueRef::Real(number) => parse(format!("{number:?}").as_bytes()),
        other => return Err(Refusal::Class(class_name(other))),
    };
    Ok(parsed?)
}

fn push_text(
    builder: &mut StringBuilder,
    value: ValueRef<'_>,
    any: bool,
) -> Result<usize, Refusal> {
    match value {
        ValueRef::Text(text) => {
            let text = std::str::from_utf8(text).map_err(|_where| Refusal::NotUtf8)?;
            builder.append_value(text);
            Ok(text.len() + 4)
        }
        ValueRef::Integer(number) if any => {
            builder.append_value(number.to_string());
            Ok(24)
        }
        ValueRef::Real(number) if any => {
            builder.append_value(format!("{number:?}"));
            Ok(24)
        }
        other => Err(Refusal::Class(class_name(other))),
    }
}
