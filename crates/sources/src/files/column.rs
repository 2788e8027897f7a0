//! From the texts of one column to an Arrow array, in one tight loop a type.
//!
//! A chunk is cut into cells first and each column is then built on its own: the type is looked
//! at once a chunk and not once a cell, and no cell becomes a `String` on the way.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, ArrowPrimitiveType, BinaryArray, BooleanArray, BooleanBufferBuilder,
    NullBufferBuilder, PrimitiveArray, StringArray,
};
use arrow::buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes as types;
use base64::Engine as _;

use super::kinds::{ColumnType, unit};
use super::{number, time};

/// The texts of one column of a chunk.
pub(crate) trait Cells {
    /// How many rows.
    fn len(&self) -> usize;

    /// The text of a row's cell; `None` is null. `scratch` is for texts that must be put
    /// together first, such as those with escapes.
    fn cell<'a>(&'a self, row: usize, scratch: &'a mut Vec<u8>) -> Option<&'a [u8]>;
}

/// A cell that the column's type cannot hold exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Misfit {
    /// Row within the chunk.
    pub(crate) row: usize,
}

/// How a column is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rule {
    /// The type.
    pub(crate) kind: ColumnType,
    /// Whether only canonical spellings fit: the type was inferred, not declared.
    pub(crate) strict: bool,
}

/// Builds the array of a column.
///
/// # Errors
/// The first row whose text does not fit.
pub(crate) fn build_column(rule: Rule, cells: &impl Cells) -> Result<ArrayRef, Misfit> {
    let strict = rule.strict;
    match rule.kind {
        ColumnType::Boolean => booleans(cells, strict),
        ColumnType::Integer { bits, signed } => integers(cells, bits, signed, strict),
        ColumnType::Decimal { precision, scale } => decimals(cells, precision, scale, strict),
        ColumnType::Real => primitive::<types::Float32Type>(cells, |text| {
            let value = number::double(std::str::from_utf8(text).ok()?, strict)?;
            real(std::str::from_utf8(text).ok()?, value)
        }),
        ColumnType::Double => primitive::<types::Float64Type>(cells, |text| {
            number::double(std::str::from_utf8(text).ok()?, strict)
        }),
        ColumnType::Date => primitive::<types::Date32Type>(cells, time::date),
        ColumnType::Time { digits } => times(cells, digits),
        ColumnType::Timestamp { digits, zoned } => timestamps(cells, digits, zoned),
        ColumnType::Text => texts(cells, |_| true),
        ColumnType::Json => texts(cells, |text| {
            serde_json::from_slice::<&serde_json::value::RawValue>(text).is_ok()
        }),
        ColumnType::Uuid => texts(cells, is_uuid),
        ColumnType::Binary { base64 } => binaries(cells, base64),
    }
}

/// A `real` is parsed on its own: going through `double` would round twice.
fn real(text: &str, double: f64) -> Option<f32> {
    if double.is_nan() {
        return Some(f32::NAN);
    }
    if double.is_infinite() {
        return Some(if double > 0.0 { f32::INFINITY } else { f32::NEG_INFINITY });
    }
    text.parse().ok().filter(|value: &f32| value.is_finite())
}

#[inline]
fn primitive<T: ArrowPrimitiveType>(
    cells: &impl Cells,
    parse: impl Fn(&[u8]) -> Option<T::Native>,
) -> Result<ArrayRef, Misfit> {
    let (values, nulls) = values::<T>(cells, parse)?;
    Ok(Arc::new(PrimitiveArray::<T>::new(values, nulls)))
}

type Values<T> =
    (ScalarBuffer<<T as ArrowPrimitiveType>::Native>, Option<arrow::buffer::NullBuffer>);

#[inline]
fn values<T: ArrowPrimitiveType>(
    cells: &impl Cells,
    parse: impl Fn(&[u8]) -> Option<T::Native>,
) -> Result<Values<T>, Misfit> {
    let rows = cells.len();
    let mut scratch = Vec::new();
    let mut values = Vec::with_capacity(rows);
    let mut nulls = NullBufferBuilder::new(rows);
    for row in 0..rows {
        match cells.cell(row, &mut scratch) {
            Some(text) => {
                values.push(parse(text).ok_or(Misfit { row })?);
                nulls.append_non_null();
            }
            None => {
                values.push(T::Native::default());
                nulls.append_null();
            }
        }
    }
    Ok((ScalarBuffer::from(values), nulls.finish()))
}

fn integers(cells: &impl Cells, bits: u8, signed: bool, strict: bool) -> Result<ArrayRef, Misfit> {
    macro_rules! narrow {
        ($kind:ty, $parse:path) => {
            primitive::<$kind>(cells, |text| $parse(text, strict)?.try_into().ok())
        };
    }
    match (bits, signed) {
        (8, true) => narrow!(types::Int8Type, number::integer),
        (16, true) => narrow!(types::Int16Type, number::integer),
        (32, true) => narrow!(types::Int32Type, number::integer),
        (_, true) => primitive::<types::Int64Type>(cells, |text| number::integer(text, strict)),
        (8, false) => narrow!(types::UInt8Type, number::unsigned),
        (16, false) => narrow!(types::UInt16Type, number::unsigned),
        (32, false) => narrow!(types::UInt32Type, number::unsigned),
        (_, false) => primitive::<types::UInt64Type>(cells, |text| number::unsigned(text, strict)),
    }
}

fn decimals(
    cells: &impl Cells,
    precision: u8,
    scale: u8,
    strict: bool,
) -> Result<ArrayRef, Misfit> {
    let wrong = |_| Misfit { row: 0 };
    if precision > 38 {
        let (values, nulls) = values::<types::Decimal256Type>(cells, |text| {
            number::decimal256(text, precision, scale, strict)
        })?;
        let array = PrimitiveArray::<types::Decimal256Type>::new(values, nulls);
        let array = array.with_precision_and_scale(precision, scale.cast_signed());
        return Ok(Arc::new(array.map_err(wrong)?));
    }
    let (values, nulls) = values::<types::Decimal128Type>(cells, |text| {
        number::decimal128(text, precision, scale, strict)
    })?;
    let array = PrimitiveArray::<types::Decimal128Type>::new(values, nulls);
    let array = array.with_precision_and_scale(precision, scale.cast_signed());
    Ok(Arc::new(array.map_err(wrong)?))
}

fn times(cells: &impl Cells, digits: u8) -> Result<ArrayRef, Misfit> {
    let places = u32::from(digits);
    let count = move |text: &[u8]| {
        let (seconds, nanos, _digits) = time::time_of_day(text)?;
        let step = 10u32.pow(9 - places);
        nanos
            .is_multiple_of(step)
            .then(|| i64::from(seconds) * 10i64.pow(places) + i64::from(nanos / step))
    };
    let narrow = move |text: &[u8]| i32::try_from(count(text)?).ok();
    match unit(digits) {
        types::TimeUnit::Second => primitive::<types::Time32SecondType>(cells, narrow),
        types::TimeUnit::Millisecond => primitive::<types::Time32MillisecondType>(cells, narrow),
        types::TimeUnit::Microsecond => primitive::<types::Time64MicrosecondType>(cells, count),
        types::TimeUnit::Nanosecond => primitive::<types::Time64NanosecondType>(cells, count),
    }
}

fn timestamps(cells: &impl Cells, digits: u8, zoned: bool) -> Result<ArrayRef, Misfit> {
    fn of<T: types::ArrowTimestampType>(
        cells: &impl Cells,
        digits: u8,
        zoned: bool,
    ) -> Result<ArrayRef, Misfit> {
        let (values, nulls) = values::<T>(cells, |text| {
            time::timestamp(text).filter(|moment| moment.zoned == zoned)?.count(u32::from(digits))
        })?;
        let array = PrimitiveArray::<T>::new(values, nulls);
        Ok(Arc::new(array.with_timezone_opt(zoned.then_some("UTC"))))
    }
    match unit(digits) {
        types::TimeUnit::Second => of::<types::TimestampSecondType>(cells, digits, zoned),
        types::TimeUnit::Millisecond => of::<types::TimestampMillisecondType>(cells, digits, zoned),
        types::TimeUnit::Microsecond => of::<types::TimestampMicrosecondType>(cells, digits, zoned),
        types::TimeUnit::Nanosecond => of::<types::TimestampNanosecondType>(cells, digits, zoned),
    }
}

fn booleans(cells: &impl Cells, strict: bool) -> Result<ArrayRef, Misfit> {
    let rows = cells.len();
    let mut scratch = Vec::new();
    let mut bits = BooleanBufferBuilder::new(rows);
    let mut nulls = NullBufferBuilder::new(rows);
    for row in 0..rows {
        match cells.cell(row, &mut scratch) {
            Some(text) => {
                bits.append(boolean(text, strict).ok_or(Misfit { row })?);
                nulls.append_non_null();
            }
            None => {
                bits.append(false);
                nulls.append_null();
            }
        }
    }
    Ok(Arc::new(BooleanArray::new(bits.finish(), nulls.finish())))
}

/// Strict: `true` and `false`, also capitalised or in capitals.
pub(crate) fn boolean(text: &[u8], strict: bool) -> Option<bool> {
    match text {
        b"true" | b"True" | b"TRUE" => Some(true),
        b"false" | b"False" | b"FALSE" => Some(false),
        _ if strict => None,
        _ => match text.to_ascii_lowercase().as_slice() {
            b"true" | b"t" | b"yes" | b"y" | b"on" | b"1" => Some(true),
            b"false" | b"f" | b"no" | b"n" | b"off" | b"0" => Some(false),
            _ => None,
        },
    }
}

/// Bytes of all cells behind each other, with the offsets between them.
struct Joined {
    bytes: Vec<u8>,
    offsets: Vec<i32>,
    nulls: NullBufferBuilder,
}

impl Joined {
    fn new(rows: usize) -> Self {
        let mut offsets = Vec::with_capacity(rows + 1);
        offsets.push(0);
        Self { bytes: Vec::with_capacity(rows * 16), offsets, nulls: NullBufferBuilder::new(rows) }
    }

    /// `false` when the chunk's texts outgrow Arrow's 32-bit offsets.
    #[inline]
    fn close(&mut self, valid: bool) -> bool {
        self.nulls.append(valid);
        i32::try_from(self.bytes.len()).map(|end| self.offsets.push(end)).is_ok()
    }
}

fn texts(cells: &impl Cells, fits: impl Fn(&[u8]) -> bool) -> Result<ArrayRef, Misfit> {
    let rows = cells.len();
    let mut scratch = Vec::new();
    let mut joined = Joined::new(rows);
    for row in 0..rows {
        let text = cells.cell(row, &mut scratch);
        if let Some(text) = text {
            if !fits(text) {
                return Err(Misfit { row });
            }
            joined.bytes.extend_from_slice(text);
        }
        let valid = text.is_some();
        if !joined.close(valid) {
            return Err(Misfit { row });
        }
    }
    let Joined { bytes, offsets, mut nulls } = joined;
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    StringArray::try_new(offsets, Buffer::from_vec(bytes), nulls.finish())
        .map(|array| Arc::new(array) as ArrayRef)
        .map_err(|_not_utf8| Misfit { row: 0 })
}

fn binaries(cells: &impl Cells, base64: bool) -> Result<ArrayRef, Misfit> {
    let rows = cells.len();
    let mut scratch = Vec::new();
    let mut joined = Joined::new(rows);
    for row in 0..rows {
        let text = cells.cell(row, &mut scratch);
        if let Some(text) = text {
            let fits = if base64 {
                let engine = base64::engine::general_purpose::STANDARD;
                engine.decode_vec(text, &mut joined.bytes).is_ok()
            } else {
                hex_into(text, &mut joined.bytes)
            };
            if !fits {
                return Err(Misfit { row });
            }
        }
        let valid = text.is_some();
        if !joined.close(valid) {
            return Err(Misfit { row });
        }
    }
    let Joined { bytes, offsets, mut nulls } = joined;
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    Ok(Arc::new(BinaryArray::new(offsets, Buffer::from_vec(bytes), nulls.finish())))
}

/// Hexadecimal digits in pairs, perhaps after the `\x` or `0x` that databases write.
fn hex_into(text: &[u8], out: &mut Vec<u8>) -> bool {
    let digits = text.strip_prefix(b"\\x").or_else(|| text.strip_prefix(b"0x")).unwrap_or(text);
    let nibble = |byte: u8| char::from(byte).to_digit(16).and_then(|it| u8::try_from(it).ok());
    if !digits.len().is_multiple_of(2) {
        return false;
    }
    for pair in digits.chunks_exact(2) {
        let [high, low] = pair else { return false };
        let (Some(high), Some(low)) = (nibble(*high), nibble(*low)) else { return false };
        out.push(high << 4 | low);
    }
    true
}

fn is_uuid(text: &[u8]) -> bool {
    text.len() == 36
        && text.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}
