//! The exact text of every Arrow value.
//!
//! Numbers keep all their digits, floating-point numbers are written with the fewest digits that
//! read back as the same number, and nested values are JSON. A type that has no such text is
//! refused by the column's name.

use std::io::Write as _;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray as _};
use arrow::compute::cast;
use arrow::datatypes::{self as types, DataType, Field, IntervalUnit, TimeUnit};
use base64::Engine as _;
use flowglass_connect::{Fault, NATIVE_TYPE_KEY};
use flowglass_model::ErrorClass;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::civil;

/// How bytes become text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum BinaryText {
    /// Two hexadecimal digits a byte.
    #[default]
    Hex,
    /// Base64 with padding, RFC 4648 section 4.
    Base64,
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// Nothing: the value is null.
    Null,
    /// A number, `true` or `false`: the same in JSON.
    Bare,
    /// Text.
    Text,
    /// A JSON value.
    Json,
}

type WriteCell = Box<dyn Fn(usize, &mut Vec<u8>) -> Look>;

/// The texts of one column of a batch.
pub(crate) struct TextColumn {
    name: String,
    array: ArrayRef,
    cell: WriteCell,
}

impl TextColumn {
    /// For a column of a batch.
    ///
    /// # Errors
    /// `unsupported` naming the column whose type has no text.
    pub(crate) fn new(field: &Field, array: &ArrayRef, bytes: BinaryText) -> Result<Self, Fault> {
        let refuse = || {
            Fault::new(
                ErrorClass::Unsupported,
                format!("column `{}` of type {} has no text", field.name(), field.data_type()),
            )
        };
        let array = match array.data_type() {
            DataType::Dictionary(_, value) => cast(array, value).map_err(|_kind| refuse())?,
            _ => Arc::clone(array),
        };
        let native = field.metadata().get(NATIVE_TYPE_KEY).map_or("", String::as_str);
        let json = matches!(native.rsplit(':').next(), Some("json" | "jsonb"));
        let cell = writer(&array, json, bytes).ok_or_else(refuse)?;
        Ok(Self { name: field.name().clone(), array, cell })
    }

    /// The column's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Adds the text of a row's value.
    pub(crate) fn write(&self, row: usize, out: &mut Vec<u8>) -> Look {
        if self.array.is_null(row) { Look::Null } else { (self.cell)(row, out) }
    }

    /// Adds a row's value as JSON.
    pub(crate) fn write_json(&self, row: usize, out: &mut Vec<u8>) {
        let from = out.len();
        match self.write(row, out) {
            Look::Null => out.extend_from_slice(b"null"),
            Look::Bare | Look::Json => {}
            Look::Text => {
                let text = out.split_off(from);
                json_string(&text, out);
            }
        }
    }
}

/// Adds a JSON string. What is not UTF-8 cannot come here from an Arrow text.
pub(crate) fn json_string(text: &[u8], out: &mut Vec<u8>) {
    let plain = text.iter().all(|byte| *byte >= 0x20 && *byte != b'"' && *byte != b'\\');
    if plain {
        out.push(b'"');
        out.extend_from_slice(text);
        out.push(b'"');
        return;
    }
    // Writing to memory does not fail.
    serde_json::to_writer(out, &String::from_utf8_lossy(text)).unwrap_or_default();
}

macro_rules! shown {
    ($array:expr, $kind:ty) => {{
        let array = $array.as_primitive_opt::<$kind>()?.clone();
        Box::new(move |row: usize, out: &mut Vec<u8>| {
            write!(out, "{}", array.value(row)).unwrap_or_default();
            Look::Bare
        })
    }};
}

macro_rules! counted {
    ($array:expr, $kind:ty, $write:expr) => {{
        let array = $array.as_primitive_opt::<$kind>()?.clone();
        let write = $write;
        Box::new(move |row: usize, out: &mut Vec<u8>| {
            write(array.value(row), out);
            Look::Text
        })
    }};
}

macro_rules! decimal {
    ($array:expr, $kind:ty) => {{
        let array = $array.as_primitive_opt::<$kind>()?.clone();
        Box::new(move |row: usize, out: &mut Vec<u8>| {
            out.extend_from_slice(array.value_as_string(row).as_bytes());
            Look::Bare
        })
    }};
}

macro_rules! text_of {
    ($array:expr, $json:expr) => {{
        let (array, json) = ($array.clone(), $json);
        Box::new(move |row: usize, out: &mut Vec<u8>| text(array.value(row), json, out))
    }};
}

macro_rules! bytes_of {
    ($array:expr, $how:expr) => {{
        let (array, how) = ($array.clone(), $how);
        Box::new(move |row: usize, out: &mut Vec<u8>| {
            binary(array.value(row), how, out);
            Look::Text
        })
    }};
}

macro_rules! list_of {
    ($array:expr, $json:expr, $bytes:expr) => {{
        let array = $array.clone();
        let field = Field::new("item", array.values().data_type().clone(), true);
        let values = TextColumn::new(&field, array.values(), $bytes).ok()?;
        Box::new(move |row: usize, out: &mut Vec<u8>| {
            let offsets = array.value_offsets();
            let end = |at: usize| offsets.get(at).and_then(|it| usize::try_from(*it).ok());
            list(&values, end(row).unwrap_or(0)..end(row + 1).unwrap_or(0), out)
        })
    }};
}

#[expect(clippy::too_many_lines, reason = "a flat table of types")]
fn writer(array: &ArrayRef, json: bool, bytes: BinaryText) -> Option<WriteCell> {
    use DataType as T;
    Some(match array.data_type() {
        T::Null => Box::new(|_row, _out| Look::Null),
        T::Boolean => {
            let array = array.as_boolean().clone();
            Box::new(move |row, out| {
                let text: &[u8] = if array.value(row) { b"true" } else { b"false" };
                out.extend_from_slice(text);
                Look::Bare
            })
        }
        T::Int8 => shown!(array, types::Int8Type),
        T::Int16 => shown!(array, types::Int16Type),
        T::Int32 => shown!(array, types::Int32Type),
        T::Int64 => shown!(array, types::Int64Type),
        T::UInt8 => shown!(array, types::UInt8Type),
        T::UInt16 => shown!(array, types::UInt16Type),
        T::UInt32 => shown!(array, types::UInt32Type),
        T::UInt64 => shown!(array, types::UInt64Type),
        T::Float16 => return writer(&cast(array, &T::Float32).ok()?, json, bytes),
        T::Float32 => {
            let array = array.as_primitive_opt::<types::Float32Type>()?.clone();
            Box::new(move |row, out| {
                let value = array.value(row);
                floating(value.into(), &format!("{value:?}"), out)
            })
        }
        T::Float64 => {
            let array = array.as_primitive_opt::<types::Float64Type>()?.clone();
            Box::new(move |row, out| {
                let value = array.value(row);
                floating(value, &format!("{value:?}"), out)
            })
        }
        T::Decimal32(..) => decimal!(array, types::Decimal32Type),
        T::Decimal64(..) => decimal!(array, types::Decimal64Type),
        T::Decimal128(..) => decimal!(array, types::Decimal128Type),
        T::Decimal256(..) => decimal!(array, types::Decimal256Type),
        T::Date32 => counted!(array, types::Date32Type, |days: i32, out: &mut Vec<u8>| {
            civil::date(days.into(), out);
        }),
        T::Date64 => counted!(array, types::Date64Type, |millis: i64, out: &mut Vec<u8>| {
            civil::date(millis.div_euclid(86_400_000), out);
        }),
        T::Time32(_) | T::Time64(_) | T::Timestamp(..) | T::Duration(_) | T::Interval(_) => {
            return moments(array);
        }
        T::Utf8 => text_of!(array.as_string::<i32>(), json),
        T::LargeUtf8 => text_of!(array.as_string::<i64>(), json),
        T::Utf8View => text_of!(array.as_string_view(), json),
        T::Binary => bytes_of!(array.as_binary::<i32>(), bytes),
        T::LargeBinary => bytes_of!(array.as_binary::<i64>(), bytes),
        T::BinaryView => bytes_of!(array.as_binary_view(), bytes),
        T::FixedSizeBinary(_) => bytes_of!(array.as_fixed_size_binary(), bytes),
        T::List(_) => list_of!(array.as_list::<i32>(), json, bytes),
        T::LargeList(_) => list_of!(array.as_list::<i64>(), json, bytes),
        T::FixedSizeList(item, size) => {
            let size = usize::try_from(*size).ok()?;
            let values = TextColumn::new(item, array.as_fixed_size_list().values(), bytes).ok()?;
            Box::new(move |row, out| list(&values, row * size..(row + 1) * size, out))
        }
        T::Struct(fields) => {
            let columns = array.as_struct().columns().iter();
            let columns = fields.iter().zip(columns);
            let columns: Vec<TextColumn> = columns
                .map(|(field, it)| TextColumn::new(field, it, bytes).ok())
                .collect::<Option<_>>()?;
            Box::new(move |row, out| {
                object(&columns, row, out);
                Look::Json
            })
        }
        T::Map(entries, _) => {
            let array = array.as_map().clone();
            let all: ArrayRef = Arc::new(array.entries().clone());
            let values = TextColumn::new(entries, &all, bytes).ok()?;
            Box::new(move |row, out| {
                let end = |at: usize| {
                    array.value_offsets().get(at).and_then(|it| usize::try_from(*it).ok())
                };
                list(&values, end(row).unwrap_or(0)..end(row + 1).unwrap_or(0), out)
            })
        }
        _ => return None,
    })
}

fn moments(array: &ArrayRef) -> Option<WriteCell> {
    use DataType as T;
    use TimeUnit as U;
    let time = |digits| move |count: i64, out: &mut Vec<u8>| civil::time(count, digits, out);
    let time32 =
        |digits| move |count: i32, out: &mut Vec<u8>| civil::time(count.into(), digits, out);
    let stamp = |digits, zoned| {
        move |count: i64, out: &mut Vec<u8>| civil::timestamp(count, digits, zoned, out)
    };
    let span =
        |digits| move |count: i64, out: &mut Vec<u8>| civil::duration(count.into(), digits, out);
    Some(match array.data_type() {
        T::Time32(U::Second) => counted!(array, types::Time32SecondType, time32(0)),
        T::Time32(_) => counted!(array, types::Time32MillisecondType, time32(3)),
        T::Time64(U::Microsecond) => counted!(array, types::Time64MicrosecondType, time(6)),
        T::Time64(_) => counted!(array, types::Time64NanosecondType, time(9)),
        T::Timestamp(unit, zone) => {
            let zoned = zone.is_some();
            match unit {
                U::Second => counted!(array, types::TimestampSecondType, stamp(0, zoned)),
                U::Millisecond => counted!(array, types::TimestampMillisecondType, stamp(3, zoned)),
                U::Microsecond => counted!(array, types::TimestampMicrosecondType, stamp(6, zoned)),
                U::Nanosecond => counted!(array, types::TimestampNanosecondType, stamp(9, zoned)),
            }
        }
        T::Duration(unit) => match unit {
            U::Second => counted!(array, types::DurationSecondType, span(0)),
            U::Millisecond => counted!(array, types::DurationMillisecondType, span(3)),
            U::Microsecond => counted!(array, types::DurationMicrosecondType, span(6)),
            U::Nanosecond => counted!(array, types::DurationNanosecondType, span(9)),
        },
        T::Interval(IntervalUnit::YearMonth) => {
            counted!(array, types::IntervalYearMonthType, |months: i32, out: &mut Vec<u8>| {
                write!(out, "P{months}M").unwrap_or_default();
            })
        }
        T::Interval(IntervalUnit::DayTime) => counted!(
            array,
            types::IntervalDayTimeType,
            |it: types::IntervalDayTime, out: &mut Vec<u8>| {
                write!(out, "P{}D", it.days).unwrap_or_default();
                time_part(i128::from(it.milliseconds), 3, out);
            }
        ),
        T::Interval(IntervalUnit::MonthDayNano) => counted!(
            array,
            types::IntervalMonthDayNanoType,
            |it: types::IntervalMonthDayNano, out: &mut Vec<u8>| {
                write!(out, "P{}M{}D", it.months, it.days).unwrap_or_default();
                time_part(i128::from(it.nanoseconds), 9, out);
            }
        ),
        _ => return None,
    })
}

/// The `T…S` of an interval, where ISO 8601 puts a sign before the number.
fn time_part(count: i128, digits: u32, out: &mut Vec<u8>) {
    let mut part = Vec::new();
    civil::duration(count.abs(), digits, &mut part);
    let number = part.strip_prefix(b"PT").unwrap_or(&part);
    out.extend_from_slice(if count < 0 { b"T-" } else { b"T" });
    out.extend_from_slice(number);
}

/// JSON has no word for these three: they are texts there.
fn floating(value: f64, shortest: &str, out: &mut Vec<u8>) -> Look {
    let name: &[u8] = if value.is_nan() {
        b"NaN"
    } else if value == f64::INFINITY {
        b"Infinity"
    } else if value == f64::NEG_INFINITY {
        b"-Infinity"
    } else {
        out.extend_from_slice(shortest.as_bytes());
        return Look::Bare;
    };
    out.extend_from_slice(name);
    Look::Text
}

/// A text, or the JSON that it is said to be. JSON is put on one line; its numbers keep their
/// digits.
fn text(text: &str, json: bool, out: &mut Vec<u8>) -> Look {
    if json && let Ok(value) = serde_json::from_str::<&RawValue>(text) {
        let value = value.get();
        // A line end in valid JSON can only be blank space between its parts.
        out.extend(value.bytes().filter(|byte| !matches!(byte, b'\n' | b'\r')));
        return Look::Json;
    }
    out.extend_from_slice(text.as_bytes());
    Look::Text
}

fn binary(bytes: &[u8], how: BinaryText, out: &mut Vec<u8>) {
    match how {
        BinaryText::Hex => {
            for byte in bytes {
                write!(out, "{byte:02x}").unwrap_or_default();
            }
        }
        BinaryText::Base64 => {
            let text = base64::engine::general_purpose::STANDARD.encode(bytes);
            out.extend_from_slice(text.as_bytes());
        }
    }
}

fn list(values: &TextColumn, rows: std::ops::Range<usize>, out: &mut Vec<u8>) -> Look {
    out.push(b'[');
    for (at, row) in rows.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        values.write_json(row, out);
    }
    out.push(b']');
    Look::Json
}

/// Adds a row as a JSON object.
pub(crate) fn object(columns: &[TextColumn], row: usize, out: &mut Vec<u8>) {
    out.push(b'{');
    for (at, column) in columns.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        json_string(column.name().as_bytes(), out);
        out.push(b':');
        column.write_json(row, out);
    }
    out.push(b'}');
}
