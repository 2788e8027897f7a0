//! From the fields of binary `COPY` straight into Arrow's builders, without an allocation a cell.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Decimal256Builder,
    Float32Builder, Float64Builder, Int16Builder, Int32Builder, Int64Builder, ListArray,
    StringBuilder, Time64MicrosecondBuilder, TimestampMicrosecondBuilder, UInt32Builder,
};
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field};
use flowglass_clients::postgres::{Form, Numeric, POSTGRES_EPOCH_DAYS, POSTGRES_EPOCH_MICROS};

/// Why a value was refused; the caller adds column and row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The bytes are no value of the type.
    Broken,
    /// `infinity` or `-infinity`.
    Infinite,
    /// Beyond what Arrow's type holds.
    OutOfRange,
    /// `NaN`, or more digits than were declared.
    NotThisDecimal,
    /// An array with more than one dimension, or one that does not count from 1.
    OddArray,
    /// Text that is not UTF-8.
    NotUtf8,
}

impl Refusal {
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Broken => "holds bytes that are no value of its type",
            Self::Infinite => "holds an infinite date or time",
            Self::OutOfRange => "holds a date or time out of range",
            Self::NotThisDecimal => "holds NaN or infinity, which a decimal cannot",
            Self::OddArray => {
                "holds an array with several dimensions or with indexes that do not start at 1"
            }
            Self::NotUtf8 => "holds text that is not UTF-8",
        }
    }
}

/// What is wrong with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BadRow {
    /// A field's length goes beyond the row.
    Cut,
    /// The field in this place was refused.
    Field(usize, Refusal),
}

/// Adds a row, framed as the server sent it, to the columns.
#[inline]
pub(super) fn push_row(row: &[u8], columns: &mut [Column]) -> Result<(), BadRow> {
    // The number of fields was looked at when the row was cut out.
    let mut rest = row.get(2..).unwrap_or_default();
    for (place, column) in columns.iter_mut().enumerate() {
        let (length, behind) = rest.split_first_chunk::<4>().ok_or(BadRow::Cut)?;
        rest = behind;
        let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else {
            column.push_null();
            continue;
        };
        let (field, behind) = rest.split_at_checked(length).ok_or(BadRow::Cut)?;
        rest = behind;
        column.push(field).map_err(|refusal| BadRow::Field(place, refusal))?;
    }
    Ok(())
}

/// A builder of one column.
#[derive(Debug)]
pub(super) enum Column {
    Bool(BooleanBuilder),
    Int2(Int16Builder),
    Int4(Int32Builder),
    Int8(Int64Builder),
    Oid(UInt32Builder),
    Float4(Float32Builder),
    Float8(Float64Builder),
    Decimal(Decimal128Builder, u8, i8),
    Wide(Decimal256Builder, u8, i8),
    Numeric(StringBuilder, Vec<u8>),
    Text(StringBuilder),
    Jsonb(StringBuilder),
    Bytea(BinaryBuilder),
    Uuid(StringBuilder),
    Date(Date32Builder),
    Time(Time64MicrosecondBuilder),
    Moment(TimestampMicrosecondBuilder),
    List(Box<Lists>),
}

/// A list column: elements one after the other, and where each list ends.
#[derive(Debug)]
pub(super) struct Lists {
    elements: Column,
    element: DataType,
    ends: Vec<i32>,
    valid: Vec<bool>,
}

impl Column {
    pub(super) fn new(form: &Form) -> Self {
        match form {
            Form::Bool => Self::Bool(BooleanBuilder::new()),
            Form::Int2 => Self::Int2(Int16Builder::new()),
            Form::Int4 => Self::Int4(Int32Builder::new()),
            Form::Int8 => Self::Int8(Int64Builder::new()),
            Form::Oid => Self::Oid(UInt32Builder::new()),
            Form::Float4 => Self::Float4(Float32Builder::new()),
            Form::Float8 => Self::Float8(Float64Builder::new()),
            Form::Decimal { precision, scale } if *precision <= 38 => {
                let builder = Decimal128Builder::new().with_data_type(form.arrow());
                Self::Decimal(builder, *precision, *scale)
            }
            Form::Decimal { precision, scale } => {
                let builder = Decimal256Builder::new().with_data_type(form.arrow());
                Self::Wide(builder, *precision, *scale)
            }
            Form::Numeric => Self::Numeric(StringBuilder::new(), Vec::new()),
            Form::Text | Form::Spelled => Self::Text(StringBuilder::new()),
            Form::Jsonb => Self::Jsonb(StringBuilder::new()),
            Form::Bytea => Self::Bytea(BinaryBuilder::new()),
            Form::Uuid => Self::Uuid(StringBuilder::new()),
            Form::Date => Self::Date(Date32Builder::new()),
            Form::Time => Self::Time(Time64MicrosecondBuilder::new()),
            Form::Timestamp | Form::Timestamptz => {
                Self::Moment(TimestampMicrosecondBuilder::new().with_data_type(form.arrow()))
            }
            Form::List { element, .. } => Self::List(Box::new(Lists {
                elements: Self::new(element),
                element: element.arrow(),
                ends: vec![0],
                valid: Vec::new(),
            })),
        }
    }

    /// Adds a field's bytes.
    #[inline]
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        match self {
            Self::Bool(builder) => match bytes {
                [value] => builder.append_value(*value != 0),
                _ => return Err(Refusal::Broken),
            },
            Self::Int2(builder) => builder.append_value(i16::from_be_bytes(fixed(bytes)?)),
            Self::Int4(builder) => builder.append_value(i32::from_be_bytes(fixed(bytes)?)),
            Self::Int8(builder) => builder.append_value(i64::from_be_bytes(fixed(bytes)?)),
            Self::Oid(builder) => builder.append_value(u32::from_be_bytes(fixed(bytes)?)),
            Self::Float4(builder) => builder.append_value(f32::from_be_bytes(fixed(bytes)?)),
            Self::Float8(builder) => builder.append_value(f64::from_be_bytes(fixed(bytes)?)),
            Self::Decimal(builder, precision, scale) => {
                let numeric = Numeric::read(bytes).ok_or(Refusal::Broken)?;
                let value = numeric.scaled(*precision, *scale).ok_or(Refusal::NotThisDecimal)?;
                builder.append_value(value);
            }
            Self::Wide(builder, precision, scale) => {
                let numeric = Numeric::read(bytes).ok_or(Refusal::Broken)?;
                let value =
                    numeric.scaled_wide(*precision, *scale).ok_or(Refusal::NotThisDecimal)?;
                builder.append_value(value);
            }
            Self::Numeric(builder, scratch) => {
                scratch.clear();
                Numeric::read(bytes).ok_or(Refusal::Broken)?.write(scratch);
                builder.append_value(utf8(scratch)?);
            }
            Self::Text(builder) => builder.append_value(utf8(bytes)?),
            Self::Jsonb(builder) => match bytes.split_first() {
                Some((1, text)) => builder.append_value(utf8(text)?),
                _ => return Err(Refusal::Broken),
            },
            Self::Bytea(builder) => builder.append_value(bytes),
            Self::Uuid(builder) => {
                let text = uuid_text(fixed(bytes)?);
                builder.append_value(utf8(&text)?);
            }
            Self::Date(builder) => match i32::from_be_bytes(fixed(bytes)?) {
                i32::MAX | i32::MIN => return Err(Refusal::Infinite),
                days => {
                    let days = days.checked_add(POSTGRES_EPOCH_DAYS).ok_or(Refusal::OutOfRange)?;
                    builder.append_value(days);
                }
            },
            Self::Time(builder) => match i64::from_be_bytes(fixed(bytes)?) {
                // 24:00:00 is a time for Postgres and none for Arrow.
                micros @ 0..86_400_000_000 => builder.append_value(micros),
                _ => return Err(Refusal::OutOfRange),
            },
            Self::Moment(builder) => match i64::from_be_bytes(fixed(bytes)?) {
                i64::MAX | i64::MIN => return Err(Refusal::Infinite),
                micros => {
                    let micros =
                        micros.checked_add(POSTGRES_EPOCH_MICROS).ok_or(Refusal::OutOfRange)?;
                    builder.append_value(micros);
                }
            },
            Self::List(lists) => lists.push(bytes)?,
        }
        Ok(())
    }

    pub(super) fn push_null(&mut self) {
        match self {
            Self::Bool(builder) => builder.append_null(),
            Self::Int2(builder) => builder.append_null(),
            Self::Int4(builder) => builder.append_null(),
            Self::Int8(builder) => builder.append_null(),
            Self::Oid(builder) => builder.append_null(),
            Self::Float4(builder) => builder.append_null(),
            Self::Float8(builder) => builder.append_null(),
            Self::Decimal(builder, ..) => builder.append_null(),
            Self::Wide(builder, ..) => builder.append_null(),
            Self::Numeric(builder, _)
            | Self::Text(builder)
            | Self::Jsonb(builder)
            | Self::Uuid(builder) => builder.append_null(),
            Self::Bytea(builder) => builder.append_null(),
            Self::Date(builder) => builder.append_null(),
            Self::Time(builder) => builder.append_null(),
            Self::Moment(builder) => builder.append_null(),
            Self::List(lists) => lists.close(false),
        }
    }

    /// The column so far; the builder is empty again.
    pub(super) fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Bool(builder) => Arc::new(builder.finish()),
            Self::Int2(builder) => Arc::new(builder.finish()),
            Self::Int4(builder) => Arc::new(builder.finish()),
            Self::Int8(builder) => Arc::new(builder.finish()),
            Self::Oid(builder) => Arc::new(builder.finish()),
            Self::Float4(builder) => Arc::new(builder.finish()),
            Self::Float8(builder) => Arc::new(builder.finish()),
            Self::Decimal(builder, ..) => Arc::new(builder.finish()),
            Self::Wide(builder, ..) => Arc::new(builder.finish()),
            Self::Numeric(builder, _)
            | Self::Text(builder)
            | Self::Jsonb(builder)
            | Self::Uuid(builder) => Arc::new(builder.finish()),
            Self::Bytea(builder) => Arc::new(builder.finish()),
            Self::Date(builder) => Arc::new(builder.finish()),
            Self::Time(builder) => Arc::new(builder.finish()),
            Self::Moment(builder) => Arc::new(builder.finish()),
            Self::List(lists) => lists.finish(),
        }
    }
}

impl Lists {
    /// An array travels as: dimensions, a flag, the element type, then length and first index of
    /// each dimension, then the elements (`array_send` in `src/backend/utils/adt/arrayfuncs.c`).
    fn push(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let (dimensions, rest) = take_i32(bytes)?;
        let (_has_nulls, rest) = take_i32(rest)?;
        let (_element_type, rest) = take_i32(rest)?;
        if dimensions == 0 {
            self.close(true);
            return Ok(());
        }
        let (count, rest) = take_i32(rest)?;
        let (first_index, mut rest) = take_i32(rest)?;
        if dimensions != 1 || first_index != 1 {
            return Err(Refusal::OddArray);
        }
        for _ in 0..count {
            let (length, behind) = take_i32(rest)?;
            rest = behind;
            match usize::try_from(length) {
                Err(_null) => self.elements.push_null(),
                Ok(length) => {
                    let (element, behind) = rest.split_at_checked(length).ok_or(Refusal::Broken)?;
                    self.elements.push(element)?;
                    rest = behind;
                }
            }
            if let Some(end) = self.ends.last_mut() {
                *end += 1;
            }
        }
        // The running end becomes this list's end, and a new one runs from there.
        self.close(true);
        Ok(())
    }

    fn close(&mut self, valid: bool) {
        self.valid.push(valid);
        let end = self.ends.last().copied().unwrap_or(0);
        self.ends.push(end);
    }

    fn finish(&mut self) -> ArrayRef {
        let field = Arc::new(Field::new("item", self.element.clone(), true));
        // `ends` holds the running end of the list that is next, which is nobody's yet; shifted
        // by one place they are the offsets.
        let mut offsets = vec![0];
        offsets.extend(self.ends.iter().take(self.valid.len()));
        let nulls = NullBuffer::from(std::mem::take(&mut self.valid));
        self.ends = vec![0];
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        Arc::new(ListArray::new(field, offsets, self.elements.finish(), Some(nulls)))
    }
}

fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Refusal> {
    bytes.try_into().map_err(|_length| Refusal::Broken)
}

fn take_i32(bytes: &[u8]) -> Result<(i32, &[u8]), Refusal> {
    let (number, rest) = bytes.split_first_chunk::<4>().ok_or(Refusal::Broken)?;
    Ok((i32::from_be_bytes(*number), rest))
}

fn utf8(bytes: &[u8]) -> Result<&str, Refusal> {
    std::str::from_utf8(bytes).map_err(|_where| Refusal::NotUtf8)
}

fn uuid_text(bytes: [u8; 16]) -> [u8; 36] {
    let hex = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
    let mut text = [b'-'; 36];
    let mut slots = text.iter_mut();
    for (at, byte) in bytes.into_iter().enumerate() {
        // Hyphens stand before bytes 4, 6, 8 and 10.
        if matches!(at, 4 | 6 | 8 | 10) {
            slots.next();
        }
        for nibble in [byte >> 4, byte & 15] {
            if let Some(slot) = slots.next() {
                *slot = hex(nibble);
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray};
    use arrow::datatypes::Int32Type;

    use super::*;

    fn array_of(values: &[Option<i32>]) -> Vec<u8> {
        let count = i32::try_from(values.len()).unwrap();
        let mut numbers = vec![i32::from(count > 0), 1, 23];
        if count > 0 {
            numbers.extend([count, 1]);
        }
        for value in values {
            match value {
                None => numbers.push(-1),
                Some(value) => numbers.extend([4, *value]),
            }
        }
        numbers.into_iter().flat_map(i32::to_be_bytes).collect()
    }

    #[test]
    fn lists_keep_their_bounds() {
        let form = Form::List { element: Box::new(Form::Int4), element_oid: 23 };
        let mut column = Column::new(&form);
        for _ in 0..2 {
            column.push(&array_of(&[Some(1), None, Some(3)])).unwrap();
            column.push(&array_of(&[])).unwrap();
            column.push_null();
            column.push(&array_of(&[Some(4)])).unwrap();
            let lists = column.finish();
            let lists = lists.as_list::<i32>();
            assert_eq!(lists.value_offsets(), [0, 3, 3, 3, 4]);
            assert!(lists.is_valid(1) && lists.is_null(2));
            assert_eq!(lists.value(3).as_primitive::<Int32Type>().values(), &[4]);
        }
        assert_eq!(column.push(&array_of(&[Some(1)])[..20]), Err(Refusal::Broken));
    }

    #[test]
    fn uuids_read_as_postgres_prints_them() {
        let text = uuid_text([
            0xa0, 0xee, 0xbc, 0x99, 0x9c, 0x0b, 0x4e, 0xf8, 0xbb, 0x6d, 0x6b, 0xb9, 0xbd, 0x38,
            0x0a, 0x11,
        ]);
        assert_eq!(&text, b"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11");
    }
}
