//! From Arrow's columns to the fields of binary `COPY`, every value checked against the column
//! that it goes into: Postgres itself would round a decimal or a second without a word.

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Decimal128Array,
    Decimal256Array, Float32Array, Float64Array, Int64Array, StringArray,
};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Decimal256Type, Field, Float32Type, Float64Type,
    Int64Type, TimeUnit,
};
use flowglass_clients::exact::{Decimal, digits_of_i256, parse_scaled_wide, write_scaled};
use flowglass_clients::postgres::{
    ColumnType, Form, NATIVE_PREFIX, POSTGRES_EPOCH_DAYS, POSTGRES_EPOCH_MICROS, put_decimal,
    put_decimal_text,
};
use flowglass_connect::{Fault, NATIVE_TYPE_KEY};
use flowglass_model::ErrorClass;

/// Why a value was refused; the caller adds column and row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The column's type does not keep it exactly.
    Inexact,
    /// Longer than the column's declared length.
    TooLong,
    /// Text that is no value of the column's type.
    Unreadable,
}

impl Refusal {
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Inexact => "holds a value that the target's type does not keep exactly",
            Self::TooLong => "holds a text longer than the target's column",
            Self::Unreadable => "holds a text that is no value of the target's type",
        }
    }
}

/// A column of one batch, in a form whose cells can be written.
#[derive(Debug)]
pub(super) enum Cells {
    Bool(BooleanArray),
    /// Integers for a column of so many bytes; `true` is unsigned.
    Integer(Int64Array, u8, bool),
    Float4(Float32Array),
    Float8(Float64Array),
    /// Doubles for a `real` column.
    Float8As4(Float64Array),
    /// Unscaled integers, their scale, and the scale of the column if it has one.
    Decimal(Decimal128Array, i8, Option<i8>),
    Wide(Decimal256Array, i8, Option<i8>),
    /// Integers for a `numeric` column.
    IntegerAsNumeric(Int64Array),
    /// Text of numbers, and the column's precision and scale if it has them.
    Numeric(StringArray, Option<(u8, i8)>),
    /// Text, and how many characters the column takes.
    Text(StringArray, Option<usize>),
    Jsonb(StringArray),
    Uuid(StringArray),
    UuidBytes(BinaryArray),
    Bytea(BinaryArray),
    Date(Date32Array),
    /// Counts of units, units in a second, microseconds that a column with fewer digits keeps.
    Time(Int64Array, i64, i64),
    /// The same since 1970, and whether with a zone.
    Moment(Int64Array, i64, i64, bool),
    /// Where each list lies among the elements, and their type.
    List(Vec<Option<(usize, usize)>>, Box<Self>, u32),
    /// Text for a type that only the server reads.
    Spelled(StringArray),
}

fn per_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

/// Microseconds of the last digit that `time(p)` and `timestamp(p)` keep.
fn step_of(typmod: i32) -> i64 {
    u32::try_from(typmod)
        .ok()
        .and_then(|digits| 6u32.checked_sub(digits))
        .map_or(1, |cut| 10i64.pow(cut))
}

impl Cells {
    /// The cells of an array for a column of type `ty`.
    ///
    /// # Errors
    /// `schema` when the types have no exact way from one to the other, `inexact` when a cast of
    /// the whole column fails.
    pub(super) fn new(array: &ArrayRef, field: &Field, ty: &ColumnType) -> Result<Self, Fault> {
        let native = field.metadata().get(NATIVE_TYPE_KEY);
        let native = native.and_then(|native| native.strip_prefix(NATIVE_PREFIX));
        let from = From { name: field.name(), native, ty };
        from.cells(array, &ty.form)
    }

    /// Whether only the server can read what the cells say, so that the whole COPY is text.
    pub(super) fn needs_text(&self) -> bool {
        matches!(self, Self::Spelled(_))
    }
}

struct From<'a> {
    name: &'a str,
    native: Option<&'a str>,
    ty: &'a ColumnType,
}

impl From<'_> {
    fn mismatch(&self, arrow: &DataType) -> Fault {
        Fault::new(
            ErrorClass::Schema,
            format!(
                "column `{}` of type {} does not keep {arrow} exactly",
                self.name, self.ty.name
            ),
        )
        .hint("Alter the target's column, or map the column to another type.")
    }

    fn cast(&self, array: &ArrayRef, to: &DataType) -> Result<ArrayRef, Fault> {
        let options = CastOptions { safe: false, ..CastOptions::default() };
        cast_with_options(array, to, &options).map_err(|_message_with_values| {
            let doing = format!("column `{}` holds a value that {to} does not keep", self.name);
            Fault::new(ErrorClass::Inexact, doing)
        })
    }

    fn integers(&self, array: &ArrayRef) -> Result<Int64Array, Fault> {
        Ok(self.cast(array, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
    }

    fn is_numeric(&self) -> bool {
        self.native.is_some_and(|native| native.starts_with("numeric"))
    }

    fn same_native(&self) -> bool {
        self.native == Some(self.ty.name.as_str())
    }

    fn cells(&self, array: &ArrayRef, form: &Form) -> Result<Cells, Fault> {
        let arrow = array.data_type();
        match arrow {
            DataType::Dictionary(_, values) => return self.cells(&self.cast(array, values)?, form),
            DataType::LargeUtf8 | DataType::Utf8View => {
                return self.cells(&self.cast(array, &DataType::Utf8)?, form);
            }
            DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
                return self.cells(&self.cast(array, &DataType::Binary)?, form);
            }
            DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
                let wider = DataType::Decimal128(*precision, *scale);
                return self.cells(&self.cast(array, &wider)?, form);
            }
            _ => {}
        }
        match form {
            Form::Bool if *arrow == DataType::Boolean => {
                Ok(Cells::Bool(array.as_boolean().clone()))
            }
            Form::Int2 if arrow.is_integer() => Ok(Cells::Integer(self.integers(array)?, 2, false)),
            Form::Int4 if arrow.is_integer() => Ok(Cells::Integer(self.integers(array)?, 4, false)),
            Form::Int8 if arrow.is_integer() => Ok(Cells::Integer(self.integers(array)?, 8, false)),
            Form::Oid if arrow.is_integer() => Ok(Cells::Integer(self.integers(array)?, 4, true)),
            Form::Float4 | Form::Float8 => self.floats(array, form),
            Form::Decimal { .. } | Form::Numeric => self.numbers(array, form),
            Form::Text | Form::Jsonb | Form::Uuid | Form::Spelled | Form::Bytea => {
                self.texts(array, form)
            }
            Form::Date if *arrow == DataType::Date32 => {
                Ok(Cells::Date(array.as_primitive::<Date32Type>().clone()))
            }
            Form::Time | Form::Timestamp | Form::Timestamptz => self.times(array, form),
            Form::List { element, element_oid } => self.lists(array, element, *element_oid),
            _ => Err(self.mismatch(arrow)),
        }
    }

    fn floats(&self, array: &ArrayRef, form: &Form) -> Result<Cells, Fault> {
        let arrow = array.data_type();
        let small = matches!(
            arrow,
            DataType::Float16
                | DataType::Int8
                | DataType::Int16
                | DataType::UInt8
                | DataType::UInt16
        );
        let double =
            small || matches!(arrow, DataType::Float32 | DataType::Int32 | DataType::UInt32);
        let float8 = |array: &ArrayRef| {
            Ok(self.cast(array, &DataType::Float64)?.as_primitive::<Float64Type>().clone())
        };
        match form {
            Form::Float4 if small || *arrow == DataType::Float32 => {
                let array = self.cast(array, &DataType::Float32)?;
                Ok(Cells::Float4(array.as_primitive::<Float32Type>().clone()))
            }
            Form::Float4 if *arrow == DataType::Float64 => Ok(Cells::Float8As4(float8(array)?)),
            Form::Float8 if double || *arrow == DataType::Float64 => {
                Ok(Cells::Float8(float8(array)?))
            }
            _ => Err(self.mismatch(arrow)),
        }
    }

    fn numbers(&self, array: &ArrayRef, form: &Form) -> Result<Cells, Fault> {
        let declared = match form {
            Form::Decimal { precision, scale } => Some((*precision, *scale)),
            // `numeric(5,-2)` and its like round; only their own values are known to fit.
            _ if self.ty.typmod >= 4 && !self.same_native() => {
                return Err(self.mismatch(array.data_type()));
            }
            _ => None,
        };
        let scale = declared.map(|(_precision, scale)| scale);
        match array.data_type() {
            DataType::UInt64 => {
                let array = self.cast(array, &DataType::Decimal128(20, 0))?;
                Ok(Cells::Decimal(array.as_primitive::<Decimal128Type>().clone(), 0, scale))
            }
            arrow if arrow.is_integer() => Ok(Cells::IntegerAsNumeric(self.integers(array)?)),
            DataType::Decimal128(_, from) => {
                Ok(Cells::Decimal(array.as_primitive::<Decimal128Type>().clone(), *from, scale))
            }
            DataType::Decimal256(_, from) => {
                Ok(Cells::Wide(array.as_primitive::<Decimal256Type>().clone(), *from, scale))
            }
            DataType::Utf8 if self.is_numeric() => {
                Ok(Cells::Numeric(array.as_string::<i32>().clone(), declared))
            }
            arrow => Err(self.mismatch(arrow)),
        }
    }

    fn texts(&self, array: &ArrayRef, form: &Form) -> Result<Cells, Fault> {
        let arrow = array.data_type();
        match (form, arrow) {
            (Form::Uuid, DataType::Binary) => {
                return Ok(Cells::UuidBytes(array.as_binary::<i32>().clone()));
            }
            (Form::Bytea, DataType::Binary) => {
                return Ok(Cells::Bytea(array.as_binary::<i32>().clone()));
            }
            (Form::Bytea, _) => return Err(self.mismatch(arrow)),
            (_, DataType::Utf8) => {}
            _ => return Err(self.mismatch(arrow)),
        }
        let text = array.as_string::<i32>().clone();
        Ok(match form {
            Form::Jsonb => Cells::Jsonb(text),
            Form::Uuid => Cells::Uuid(text),
            // `interval(2)` and its like round; only their own values are known to fit.
            Form::Spelled if self.ty.typmod < 0 || self.same_native() => Cells::Spelled(text),
            Form::Spelled => return Err(self.mismatch(arrow)),
            // varchar(n) and char(n): the typmod is n + 4.
            _ => {
                let limited = matches!(self.ty.oid, 1042 | 1043);
                let limit = usize::try_from(self.ty.typmod - 4).ok().filter(|_limit| limited);
                Cells::Text(text, limit)
            }
        })
    }

    fn times(&self, array: &ArrayRef, form: &Form) -> Result<Cells, Fault> {
        let step = step_of(self.ty.typmod);
        match (form, array.data_type()) {
            (Form::Time, DataType::Time64(unit)) => {
                Ok(Cells::Time(self.integers(array)?, per_second(*unit), step))
            }
            (Form::Time, DataType::Time32(unit)) => {
                let narrow = self.cast(array, &DataType::Int32)?;
                Ok(Cells::Time(self.integers(&narrow)?, per_second(*unit), step))
            }
            (Form::Timestamp, DataType::Date64) => {
                Ok(Cells::Moment(self.integers(array)?, 1_000, step, false))
            }
            (Form::Timestamp, DataType::Timestamp(unit, None)) => {
                Ok(Cells::Moment(self.integers(array)?, per_second(*unit), step, false))
            }
            (Form::Timestamptz, DataType::Timestamp(unit, Some(_))) => {
                Ok(Cells::Moment(self.integers(array)?, per_second(*unit), step, true))
            }
            (_, arrow) => Err(self.mismatch(arrow)),
        }
    }

    fn lists(&self, array: &ArrayRef, element: &Form, element_oid: u32) -> Result<Cells, Fault> {
        let list = match array.data_type() {
            DataType::List(_) => ArrayRef::clone(array),
            DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
                self.cast(array, &DataType::List(std::sync::Arc::clone(item)))?
            }
            // Arrays of several dimensions travel by their text.
            DataType::Utf8 if self.same_native() => {
                return Ok(Cells::Spelled(array.as_string::<i32>().clone()));
            }
            other => return Err(self.mismatch(other)),
        };
        let list = list.as_list::<i32>();
        let place = |at: i32| usize::try_from(at).unwrap_or_default();
        let spans = list.value_offsets().windows(2).enumerate().map(|(row, span)| match span {
            [start, end] if list.is_valid(row) => Some((place(*start), place(*end))),
            _ => None,
        });
        let cells = self.cells(list.values(), element)?;
        Ok(Cells::List(spans.collect(), Box::new(cells), element_oid))
    }
}

fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Refusal> {
    let length = i32::try_from(bytes.len()).map_err(|_long| Refusal::TooLong)?;
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
    Ok(())
}

/// Writes a field whose length is known only afterwards.
fn put_measured(
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    write(out)?;
    let length = i32::try_from(out.len() - start - 4).map_err(|_long| Refusal::TooLong)?;
    if let Some(slot) = out.get_mut(start..start + 4) {
        slot.copy_from_slice(&length.to_be_bytes());
    }
    Ok(())
}

/// Drops digits behind the column's scale, which must be zeros.
fn to_scale(value: i128, from: i8, to: Option<i8>) -> Result<(i128, i8), Refusal> {
    match to {
        Some(to) if to < from => {
            let power = 10i128.pow(u32::from((from - to).unsigned_abs()));
            if value % power != 0 {
                return Err(Refusal::Inexact);
            }
            Ok((value / power, to))
        }
        _ => Ok((value, from)),
    }
}

pub(super) fn micros_of(units: i64, per_second: i64, step: i64) -> Result<i64, Refusal> {
    let micros = if per_second > 1_000_000 {
        let cut = per_second / 1_000_000;
        if units % cut != 0 {
            return Err(Refusal::Inexact);
        }
        units / cut
    } else {
        units.checked_mul(1_000_000 / per_second).ok_or(Refusal::Inexact)?
    };
    if micros % step == 0 { Ok(micros) } else { Err(Refusal::Inexact) }
}

pub(super) fn check_length(text: &str, limit: Option<usize>) -> Result<(), Refusal> {
    match limit {
        Some(limit) if text.len() > limit && text.chars().count() > limit => Err(Refusal::TooLong),
        _ => Ok(()),
    }
}

pub(super) fn uuid_bytes(text: &str) -> Option<[u8; 16]> {
    let mut bytes = [0u8; 16];
    let mut digits = text.bytes().filter(|byte| !matches!(byte, b'-' | b'{' | b'}'));
    for byte in &mut bytes {
        let mut digit = || char::from(digits.next()?).to_digit(16);
        *byte = u8::try_from(digit()? * 16 + digit()?).ok()?;
    }
    digits.next().is_none().then_some(bytes)
}

#[expect(clippy::cast_possible_truncation, reason = "the cast back shows what was lost")]
pub(super) fn narrow(value: f64) -> Result<f32, Refusal> {
    let small = value as f32;
    let same = f64::from(small).to_bits() == value.to_bits() || value.is_nan();
    if same { Ok(small) } else { Err(Refusal::Inexact) }
}

/// The text of an exact number that goes into `numeric(precision, scale)`.
pub(super) fn check_number(text: &str, declared: Option<(u8, i8)>) -> Result<(), Refusal> {
    if matches!(text, "NaN" | "Infinity" | "-Infinity") {
        return Ok(());
    }
    match declared {
        Some((precision, scale)) => parse_scaled_wide(text.as_bytes(), precision, scale)
            .map(|_fits| ())
            .map_err(|_why| Refusal::Inexact),
        None if Decimal::parse(text.as_bytes()).is_some() => Ok(()),
        None => Err(Refusal::Unreadable),
    }
}

impl Cells {
    /// Whether the cell is null.
    #[inline]
    pub(super) fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Bool(array) => array.is_null(row),
            Self::Integer(array, ..)
            | Self::IntegerAsNumeric(array)
            | Self::Time(array, ..)
            | Self::Moment(array, ..) => array.is_null(row),
            Self::Float4(array) => array.is_null(row),
            Self::Float8(array) | Self::Float8As4(array) => array.is_null(row),
            Self::Decimal(array, ..) => array.is_null(row),
            Self::Wide(array, ..) => array.is_null(row),
            Self::Numeric(array, _)
            | Self::Text(array, _)
            | Self::Jsonb(array)
            | Self::Uuid(array)
            | Self::Spelled(array) => array.is_null(row),
            Self::UuidBytes(array) | Self::Bytea(array) => array.is_null(row),
            Self::Date(array) => array.is_null(row),
            Self::List(spans, ..) => spans.get(row).is_none_or(Option::is_none),
        }
    }

    /// Appends the cell as a field of binary COPY.
    #[inline]
    pub(super) fn put(&self, row: usize, out: &mut Vec<u8>) -> Result<(), Refusal> {
        if self.is_null(row) {
            out.extend_from_slice(&(-1i32).to_be_bytes());
            return Ok(());
        }
        match self {
            Self::Bool(array) => put_bytes(&[u8::from(array.value(row))], out),
            Self::Integer(array, width, unsigned) => {
                put_integer(array.value(row), *width, *unsigned, out)
            }
            Self::Float4(array) => put_bytes(&array.value(row).to_be_bytes(), out),
            Self::Float8(array) => put_bytes(&array.value(row).to_be_bytes(), out),
            Self::Float8As4(array) => put_bytes(&narrow(array.value(row))?.to_be_bytes(), out),
            Self::Text(array, limit) => {
                let text = array.value(row);
                check_length(text, *limit)?;
                put_bytes(text.as_bytes(), out)
            }
            Self::Spelled(array) => put_bytes(array.value(row).as_bytes(), out),
            Self::Bytea(array) => put_bytes(array.value(row), out),
            Self::UuidBytes(array) => match array.value(row) {
                bytes if bytes.len() == 16 => put_bytes(bytes, out),
                _ => Err(Refusal::Unreadable),
            },
            Self::Uuid(array) => {
                put_bytes(&uuid_bytes(array.value(row)).ok_or(Refusal::Unreadable)?, out)
            }
            Self::Jsonb(array) => put_measured(out, |out| {
                out.push(1);
                out.extend_from_slice(array.value(row).as_bytes());
                Ok(())
            }),
            Self::Date(array) => {
                let days = array.value(row).checked_sub(POSTGRES_EPOCH_DAYS);
                // The two ends of the range mean infinity.
                let days = days.filter(|days| !matches!(*days, i32::MIN | i32::MAX));
                put_bytes(&days.ok_or(Refusal::Inexact)?.to_be_bytes(), out)
            }
            Self::Time(array, per_second, step) => {
                let micros = micros_of(array.value(row), *per_second, *step)?;
                put_bytes(&micros.to_be_bytes(), out)
            }
            Self::Moment(array, per_second, step, _zoned) => {
                let micros = micros_of(array.value(row), *per_second, *step)?;
                let micros = micros.checked_sub(POSTGRES_EPOCH_MICROS);
                let micros = micros.filter(|micros| !matches!(*micros, i64::MIN | i64::MAX));
                put_bytes(&micros.ok_or(Refusal::Inexact)?.to_be_bytes(), out)
            }
            numbers => put_measured(out, |out| numbers.put_measured_form(row, out)),
        }
    }

    fn put_measured_form(&self, row: usize, out: &mut Vec<u8>) -> Result<(), Refusal> {
        match self {
            Self::IntegerAsNumeric(array) => put_decimal(i128::from(array.value(row)), 0, out),
            Self::Decimal(array, from, to) => {
                let (value, scale) = to_scale(array.value(row), *from, *to)?;
                match u8::try_from(scale) {
                    Ok(scale) => put_decimal(value, scale, out),
                    Err(_below_zero) => {
                        let mut text = Vec::new();
                        write_scaled(value, scale, &mut text);
                        put_decimal_text(&text, out);
                    }
                }
            }
            Self::Wide(array, from, to) => {
                let mut text = Vec::with_capacity(80);
                digits_of_i256(array.value(row), *from, &mut text);
                if let Some(to) = to {
                    let cut = usize::from((*from - (*from).min(*to)).unsigned_abs());
                    if text.iter().rev().take(cut).any(|digit| *digit != b'0') {
                        return Err(Refusal::Inexact);
                    }
                }
                put_decimal_text(&text, out);
            }
            Self::Numeric(array, declared) => {
                check_number(array.value(row), *declared)?;
                if !put_decimal_text(array.value(row).as_bytes(), out) {
                    return Err(Refusal::Unreadable);
                }
            }
            Self::List(spans, elements, element_oid) => {
                let (start, end) = spans.get(row).copied().flatten().unwrap_or_default();
                let mut put = |number: i32| out.extend_from_slice(&number.to_be_bytes());
                let has_null = (start..end).any(|at| elements.is_null(at));
                put(i32::from(end > start));
                put(i32::from(has_null));
                out.extend_from_slice(&element_oid.to_be_bytes());
                if end > start {
                    let count = i32::try_from(end - start).map_err(|_long| Refusal::TooLong)?;
                    out.extend_from_slice(&count.to_be_bytes());
                    out.extend_from_slice(&1i32.to_be_bytes());
                }
                for at in start..end {
                    elements.put(at, out)?;
                }
            }
            _ => {}
        }
        Ok(())
    }
}

fn put_integer(value: i64, width: u8, unsigned: bool, out: &mut Vec<u8>) -> Result<(), Refusal> {
    let lost = |_out_of_range| Refusal::Inexact;
    match (width, unsigned) {
        (2, _) => put_bytes(&i16::try_from(value).map_err(lost)?.to_be_bytes(), out),
        (4, false) => put_bytes(&i32::try_from(value).map_err(lost)?.to_be_bytes(), out),
        (4, true) => put_bytes(&u32::try_from(value).map_err(lost)?.to_be_bytes(), out),
        _ => put_bytes(&value.to_be_bytes(), out),
    }
}
