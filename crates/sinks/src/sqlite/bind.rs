//! From Arrow's columns to bound values, without an allocation a cell.

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Decimal128Array,
    Decimal256Array, Float64Array, Int64Array, StringArray,
};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Decimal256Type, Float64Type, Int64Type, TimeUnit,
};
use flowglass_clients::exact::{
    Decimal, digits_of_i256, write_date, write_scaled, write_time_of_day,
};
use flowglass_connect::Fault;
use flowglass_model::ErrorClass;
use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, ValueRef};

use super::plan::Written;

/// A column of one batch, in a form whose cells can be bound.
#[derive(Debug)]
pub(super) struct Cells {
    values: Values,
    number_text_is_lost: bool,
}

#[derive(Debug)]
enum Values {
    Boolean(BooleanArray),
    Integer(Int64Array),
    Real(Float64Array),
    Text(StringArray),
    Blob(BinaryArray),
    Decimal(Decimal128Array, i8),
    Wide(Decimal256Array, i8),
    Date(Date32Array),
    /// Units since 1970, units in a second, digits of the fraction, with zone.
    Moment(Int64Array, i64, usize, bool),
    /// Units since midnight, units in a second, digits of the fraction.
    Time(Int64Array, i64, usize),
}

/// Why a cell was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// SQLite keeps "not a number" as null.
    NotANumber,
    /// The column's affinity would make a number of the text.
    NumberText,
    /// A time of day outside of the day.
    OutOfRange,
}

impl Refusal {
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::NotANumber => "holds NaN, which SQLite would turn into null",
            Self::NumberText => {
                "holds text that the column's declared type would turn into a number"
            }
            Self::OutOfRange => "holds a time outside of the day",
        }
    }
}

/// A cell for rusqlite.
#[derive(Debug)]
pub(super) struct Cell<'a>(pub(super) ValueRef<'a>);

impl ToSql for Cell<'_> {
    #[inline]
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(self.0))
    }
}

fn units(unit: TimeUnit) -> (i64, usize) {
    match unit {
        TimeUnit::Second => (1, 0),
        TimeUnit::Millisecond => (1_000, 3),
        TimeUnit::Microsecond => (1_000_000, 6),
        TimeUnit::Nanosecond => (1_000_000_000, 9),
    }
}

impl Cells {
    /// The cells of an array; whole columns are cast where SQLite has fewer types than Arrow.
    pub(super) fn new(array: &ArrayRef, written: &Written) -> Result<Self, Fault> {
        let failed = |_error: arrow::error::ArrowError| {
            // Arrow's message holds the value.
            let doing = format!("column `{}` does not fit SQLite's types", written.name);
            Fault::new(ErrorClass::Inexact, doing)
        };
        let options = CastOptions { safe: false, ..CastOptions::default() };
        let to = |arrow: &DataType| cast_with_options(array, arrow, &options).map_err(failed);
        let integers = || to(&DataType::Int64).map(|it| it.as_primitive::<Int64Type>().clone());
        let values = match array.data_type() {
            DataType::Boolean => Values::Boolean(array.as_boolean().clone()),
            DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::UInt8
            | DataType::UInt16
            | DataType::UInt32
            | DataType::Duration(_) => Values::Integer(integers()?),
            DataType::Float16 | DataType::Float32 | DataType::Float64 => {
                Values::Real(to(&DataType::Float64)?.as_primitive::<Float64Type>().clone())
            }
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                Values::Text(to(&DataType::Utf8)?.as_string::<i32>().clone())
            }
            DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_) => {
                Values::Blob(to(&DataType::Binary)?.as_binary::<i32>().clone())
            }
            DataType::UInt64 => {
                let array = to(&DataType::Decimal128(20, 0))?;
                Values::Decimal(array.as_primitive::<Decimal128Type>().clone(), 0)
            }
            DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
                let array = to(&DataType::Decimal128(*precision, *scale))?;
                Values::Decimal(array.as_primitive::<Decimal128Type>().clone(), *scale)
            }
            DataType::Decimal128(_, scale) => {
                Values::Decimal(array.as_primitive::<Decimal128Type>().clone(), *scale)
            }
            DataType::Decimal256(_, scale) => {
                Values::Wide(array.as_primitive::<Decimal256Type>().clone(), *scale)
            }
            DataType::Date32 => Values::Date(array.as_primitive::<Date32Type>().clone()),
            DataType::Date64 => Values::Moment(integers()?, 1_000, 3, false),
            DataType::Timestamp(unit, zone) => {
                let (per_second, digits) = units(*unit);
                Values::Moment(integers()?, per_second, digits, zone.is_some())
            }
            DataType::Time32(unit) | DataType::Time64(unit) => {
                let (per_second, digits) = units(*unit);
                let array = match array.data_type() {
                    DataType::Time32(_) => to(&DataType::Int32)?,
                    _ => to(&DataType::Int64)?,
                };
                let array =
                    cast_with_options(&array, &DataType::Int64, &options).map_err(failed)?;
                Values::Time(array.as_primitive::<Int64Type>().clone(), per_second, digits)
            }
            DataType::Dictionary(_, values) => return Self::new(&to(values)?, written),
            other => {
                let doing = format!("column `{}` is of type {other}", written.name);
                return Err(Fault::new(ErrorClass::Unsupported, doing));
            }
        };
        Ok(Self { values, number_text_is_lost: written.number_text_is_lost })
    }

    /// The cell of a row. Text that has to be made is made in `scratch`.
    #[inline]
    pub(super) fn cell<'a>(
        &'a self,
        row: usize,
        scratch: &'a mut Vec<u8>,
    ) -> Result<ValueRef<'a>, Refusal> {
        if self.is_null(row) {
            return Ok(ValueRef::Null);
        }
        Ok(match &self.values {
            Values::Boolean(array) => ValueRef::Integer(i64::from(array.value(row))),
            Values::Integer(array) => ValueRef::Integer(array.value(row)),
            Values::Real(array) => {
                let value = array.value(row);
                if value.is_nan() {
                    return Err(Refusal::NotANumber);
                }
                ValueRef::Real(value)
            }
            Values::Text(array) => {
                let text = array.value(row).as_bytes();
                if self.number_text_is_lost && Decimal::parse(text.trim_ascii()).is_some() {
                    return Err(Refusal::NumberText);
                }
                ValueRef::Text(text)
            }
            Values::Blob(array) => ValueRef::Blob(array.value(row)),
            made => {
                scratch.clear();
                made.write_text(row, scratch)?;
                ValueRef::Text(scratch)
            }
        })
    }

    fn is_null(&self, row: usize) -> bool {
        match &self.values {
            Values::Boolean(array) => array.is_null(row),
            Values::Integer(array) | Values::Moment(array, ..) | Values::Time(array, ..) => {
                array.is_null(row)
            }
            Values::Real(array) => array.is_null(row),
            Values::Text(array) => array.is_null(row),
            Values::Blob(array) => array.is_null(row),
            Values::Decimal(array, _) => array.is_null(row),
            Values::Wide(array, _) => array.is_null(row),
            Values::Date(array) => array.is_null(row),
        }
    }
}

impl Values {
    fn write_text(&self, row: usize, out: &mut Vec<u8>) -> Result<(), Refusal> {
        match self {
            Self::Decimal(array, scale) => write_scaled(array.value(row), *scale, out),
            Self::Wide(array, scale) => digits_of_i256(array.value(row), *scale, out),
            Self::Date(array) => write_date(i64::from(array.value(row)), out),
            Self::Moment(array, per_second, digits, zoned) => {
                write_moment(array.value(row), *per_second, *digits, *zoned, out);
            }
            Self::Time(array, per_second, digits) => {
                let units = array.value(row);
                if !(0..86_400 * *per_second).contains(&units) {
                    return Err(Refusal::OutOfRange);
                }
                let fraction = (units % per_second).unsigned_abs();
                write_time_of_day(units / per_second, fraction, *digits, out);
            }
            Self::Boolean(_) | Self::Integer(_) | Self::Real(_) | Self::Text(_) | Self::Blob(_) => {
            }
        }
        Ok(())
    }
}

/// Writes a count of units since 1970 as the text that our tables hold: `2024-02-29 23:59:59.123456`,
/// and a `Z` at the end when it is a moment in UTC.
pub(super) fn write_moment(
    units: i64,
    per_second: i64,
    digits: usize,
    zoned: bool,
    out: &mut Vec<u8>,
) {
    let seconds = units.div_euclid(per_second);
    write_date(seconds.div_euclid(86_400), out);
    out.push(b' ');
    let fraction = units.rem_euclid(per_second).unsigned_abs();
    write_time_of_day(seconds.rem_euclid(86_400), fraction, digits, out);
    if zoned {
        out.push(b'Z');
    }
}
