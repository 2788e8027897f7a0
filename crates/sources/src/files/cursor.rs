//! Leaves out the rows before the cursor of an incremental read, by value and not by text.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Datum, Decimal128Array, Int64Array, PrimitiveArray, RecordBatch,
    Scalar, StringArray,
};
use arrow::compute::kernels::cmp;
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::{self as types, DataType, TimeUnit};
use flowglass_connect::{CursorBound, Fault};
use flowglass_model::ErrorClass;

use super::{number, time};

/// Keeps rows whose cursor is at or past a bound.
#[derive(Debug, Clone)]
pub(crate) struct CursorFilter {
    bound: Bound,
}

#[derive(Debug, Clone)]
enum Bound {
    /// The column's values are compared with this one of the same type.
    Value(ArrayRef),
    /// No value of the column's type reaches the bound.
    Beyond,
}

impl CursorFilter {
    /// A filter for a column of type `kind`; `None` when all is to be read.
    ///
    /// # Errors
    /// `schema` when the bound cannot be compared with such a column.
    pub(crate) fn new(bound: &CursorBound, kind: &DataType) -> Result<Option<Self>, Fault> {
        let Some(value) = &bound.value else { return Ok(None) };
        match scalar(&value.text, kind) {
            Some(bound) => Ok(Some(Self { bound })),
            None => Err(Fault::new(
                ErrorClass::Schema,
                format!(
                    "the stored cursor does not fit the column `{}` of type {kind}",
                    bound.column
                ),
            )
            .hint(
                "The column's type changed: reload with `full_refresh`, or declare its old type.",
            )),
        }
    }

    /// The rows at or past the bound. A row without cursor value is left out.
    pub(crate) fn keep(
        &self,
        batch: &RecordBatch,
        cursor: &ArrayRef,
    ) -> Result<RecordBatch, Fault> {
        let wrong =
            |error| Fault::new(ErrorClass::Internal, "comparing the cursor column").because(error);
        let Bound::Value(bound) = &self.bound else { return Ok(batch.slice(0, 0)) };
        let keep: BooleanArray =
            cmp::gt_eq(&Arc::clone(cursor) as &dyn Datum, &Scalar::new(Arc::clone(bound)))
                .map_err(wrong)?;
        if keep.null_count() == 0 && keep.true_count() == batch.num_rows() {
            return Ok(batch.clone());
        }
        filter_record_batch(batch, &keep).map_err(wrong)
    }

    /// Whether a whole block whose largest cursor is `max` lies before the bound.
    #[cfg(feature = "parquet")]
    pub(crate) fn all_before(&self, max: &ArrayRef) -> bool {
        let Bound::Value(bound) = &self.bound else { return true };
        max.len() == 1
            && max.is_valid(0)
            && cmp::lt(&Scalar::new(Arc::clone(max)), &Scalar::new(Arc::clone(bound)))
                .is_ok_and(|before| before.len() == 1 && before.value(0))
    }
}

fn scalar(text: &str, kind: &DataType) -> Option<Bound> {
    let bytes = text.as_bytes();
    Some(match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            Bound::Value(cast(&StringArray::from(vec![text]), kind).ok()?)
        }
        DataType::Date32 => Bound::Value(Arc::new(PrimitiveArray::<types::Date32Type>::from(
            vec![time::date(bytes.get(..10)?)?],
        ))),
        DataType::Date64 => {
            let days = time::date(bytes.get(..10)?)?;
            let days = PrimitiveArray::<types::Date32Type>::from(vec![days]);
            Bound::Value(cast(&days, kind).ok()?)
        }
        DataType::Timestamp(unit, _) => match stamp(bytes, *unit)? {
            Some(count) => Bound::Value(cast(&Int64Array::from(vec![count]), kind).ok()?),
            None => Bound::Beyond,
        },
        DataType::Float32 | DataType::Float64 => {
            let value = number::double(text, false)?;
            let value = PrimitiveArray::<types::Float64Type>::from(vec![value]);
            Bound::Value(cast(&value, kind).ok()?)
        }
        DataType::Decimal128(_, scale) => match ceiling(bytes, *scale)? {
            Some(value) => {
                let array = Decimal128Array::from(vec![value]);
                // The type's own precision may be too small for the bound; comparing is not.
                Bound::Value(Arc::new(array.with_data_type(kind.clone())))
            }
            None => Bound::Beyond,
        },
        DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal256(..) => {
            let array = StringArray::from(vec![text]);
            Bound::Value(valid(cast(&array, kind).ok()?)?)
        }
        kind if kind.is_integer() => match ceiling(bytes, 0)? {
            Some(value) => {
                let wide =
                    Decimal128Array::from(vec![value]).with_precision_and_scale(38, 0).ok()?;
                let fits = valid(cast(&wide, kind).ok()?);
                match fits {
                    Some(array) => Bound::Value(array),
                    None if value > 0 => Bound::Beyond,
                    None => return None,
                }
            }
            None => Bound::Beyond,
        },
        _ => return None,
    })
}

fn valid(array: ArrayRef) -> Option<ArrayRef> {
    array.is_valid(0).then_some(array)
}

/// The bound in the column's unit, rounded up; `Some(None)` when it is past every value.
#[expect(clippy::option_option, reason = "unreadable and unreachable are different answers")]
fn stamp(text: &[u8], unit: TimeUnit) -> Option<Option<i64>> {
    let moment = time::timestamp(text).or_else(|| {
        let days = time::date(text)?;
        let seconds = i64::from(days) * 86_400;
        Some(time::Moment { seconds, nanos: 0, digits: 0, zoned: false })
    })?;
    let digits = match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    };
    let count = moment.count_up(digits);
    Some(match i64::try_from(count) {
        Ok(count) => Some(count),
        Err(_) if count > 0 => None,
        Err(_) => Some(i64::MIN),
    })
}

/// The smallest multiple of `10^-scale` that is not below the bound.
#[expect(clippy::option_option, reason = "unreadable and unreachable are different answers")]
fn ceiling(text: &[u8], scale: i8) -> Option<Option<i128>> {
    let parts = number::fixed(text, false)?;
    let scale = usize::try_from(scale).ok()?;
    let kept = parts.fraction.len().min(scale);
    let (fraction, beyond) = parts.fraction.split_at(kept);
    let mut value = 0i128;
    let digits = parts.whole.iter().chain(fraction).copied();
    for byte in digits.chain(std::iter::repeat_n(b'0', scale - kept)) {
        if !byte.is_ascii_digit() {
            return None;
        }
        let grown = value.checked_mul(10).and_then(|it| it.checked_add(i128::from(byte - b'0')));
        match grown {
            Some(grown) => value = grown,
            None if parts.negative => return Some(Some(i128::MIN)),
            None => return Some(None),
        }
    }
    if beyond.iter().any(|byte| !byte.is_ascii_digit()) {
        return None;
    }
    let more = beyond.iter().any(|byte| *byte != b'0');
    Some(Some(match (parts.negative, more) {
        (true, _) => -value,
        (false, true) => value + 1,
        (false, false) => value,
    }))
}
