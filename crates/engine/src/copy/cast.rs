//! Conversions that keep every digit, or refuse by name.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::kernels::cmp::not_distinct;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, TimeUnit};
use flowglass_connect::Fault;
use flowglass_model::ErrorClass;

/// `values` as `to`, each one exactly.
///
/// # Errors
/// `inexact`, naming the column and never a value, when some value has no exact counterpart.
pub(super) fn exactly(column: &str, values: &ArrayRef, to: &DataType) -> Result<ArrayRef, Fault> {
    if values.data_type() == to {
        return Ok(ArrayRef::clone(values));
    }
    let refused = || {
        let from = values.data_type();
        let said = format!("column `{column}`: some value of {from} is not exactly a {to}");
        Fault::new(ErrorClass::Inexact, said)
    };
    // The kernel's own message may hold the value, so it is not passed on.
    let cast = convert(values, to).ok_or_else(refused)?;
    if cast.null_count() != values.null_count() || !is_exact(values, &cast) {
        return Err(refused());
    }
    Ok(cast)
}

fn convert(values: &ArrayRef, to: &DataType) -> Option<ArrayRef> {
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(values, to, &strict).ok()
}

fn is_text(kind: &DataType) -> bool {
    matches!(kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn is_exact(values: &ArrayRef, cast: &ArrayRef) -> bool {
    match (values.data_type(), cast.data_type()) {
        (_, to) if is_text(to) => true,
        // The kernel rounds digits past the scale.
        (from, DataType::Decimal128(_, scale) | DataType::Decimal256(_, scale))
            if is_text(from) =>
        {
            digits_fit(values, *scale)
        }
        // The kernel cuts fractions of a second that the unit does not hold.
        (from, DataType::Timestamp(_, zone)) if is_text(from) => {
            let finest = DataType::Timestamp(TimeUnit::Nanosecond, zone.clone());
            same(convert(values, &finest), convert(cast, &finest))
        }
        (from, _) if is_text(from) => true,
        (from, _) => same(convert(cast, from), Some(ArrayRef::clone(values))),
    }
}

fn same(one: Option<ArrayRef>, other: Option<ArrayRef>) -> bool {
    let Some((one, other)) = one.zip(other) else { return false };
    not_distinct(&one, &other).is_ok_and(|it| it.true_count() == it.len())
}

fn digits_fit(values: &ArrayRef, scale: i8) -> bool {
    let Some(texts) = convert(values, &DataType::Utf8) else { return false };
    let scale = usize::try_from(scale).unwrap_or(0);
    texts.as_string::<i32>().iter().flatten().all(|text| {
        let plain = !text.contains(['e', 'E']);
        let fraction = text.trim().split_once('.').map_or("", |(_, fraction)| fraction);
        plain && fraction.trim_end_matches('0').len() <= scale
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Decimal128Array, Float64Array, Int64Array, StringArray};
    use std::sync::Arc;

    fn check(values: impl Array + 'static, to: &DataType) -> bool {
        let values: ArrayRef = Arc::new(values);
        exactly("c", &values, to).is_ok()
    }

    #[test]
    fn what_loses_nothing_passes_and_the_rest_is_refused() {
        assert!(check(Int64Array::from(vec![1, -5]), &DataType::Int16));
        assert!(!check(Int64Array::from(vec![70_000]), &DataType::Int16));
        assert!(!check(Int64Array::from(vec![(1_i64 << 53) + 1]), &DataType::Float64));
        assert!(check(Float64Array::from(vec![2.0]), &DataType::Int64));
        assert!(!check(Float64Array::from(vec![2.5]), &DataType::Int64));
        assert!(check(StringArray::from(vec!["12.50"]), &DataType::Decimal128(9, 1)));
        assert!(!check(StringArray::from(vec!["12.55"]), &DataType::Decimal128(9, 1)));
        assert!(!check(StringArray::from(vec!["twelve"]), &DataType::Int64));
        let milli = DataType::Timestamp(TimeUnit::Millisecond, None);
        assert!(check(StringArray::from(vec!["2024-02-29T12:00:00.120"]), &milli));
        assert!(!check(StringArray::from(vec!["2024-02-29T12:00:00.1204"]), &milli));
        let money = Decimal128Array::from(vec![1_050]).with_precision_and_scale(9, 2).unwrap();
        assert!(check(money, &DataType::Decimal128(9, 1)));
    }

    #[test]
    fn a_refusal_names_the_column_and_no_value() {
        let values: ArrayRef = Arc::new(StringArray::from(vec!["s3cret"]));
        let fault = exactly("pin", &values, &DataType::Int64).unwrap_err();
        assert_eq!(fault.chain(), "column `pin`: some value of Utf8 is not exactly a Int64");
    }
}
