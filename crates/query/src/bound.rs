//! Where an incremental read of a query's result begins, as a filter on the result.

use arrow::datatypes::{DataType, Field, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, lit};
use flowglass_connect::{CursorValue, Fault};
use flowglass_model::ErrorClass;

/// `column >= value`, the value in the column's own type and exact, else a `schema` fault: a bound
/// that was rounded would leave rows out.
pub(crate) fn from_cursor(column: Expr, field: &Field, value: &CursorValue) -> Result<Expr, Fault> {
    let kind = field.data_type();
    let literal = if digits_after_point(&value.text) <= digits_kept(kind) {
        // Its message holds the value.
        ScalarValue::try_from_string(value.text.clone(), kind).ok()
    } else {
        None
    };
    let Some(literal) = literal else {
        let said = format!("the stored cursor does not fit the column `{}` any more", field.name());
        return Err(Fault::new(ErrorClass::Schema, said)
            .hint("its type changed; cast it back in the query, or load everything once with `full_refresh`"));
    };
    Ok(column.gt_eq(lit(literal)))
}

/// Fractional digits that count.
fn digits_after_point(text: &str) -> usize {
    let Some((_, fraction)) = text.split_once('.') else { return 0 };
    let digits = fraction
        .find(|c: char| !c.is_ascii_digit())
        .map_or(fraction, |end| fraction.get(..end).unwrap_or(fraction));
    digits.trim_end_matches('0').len()
}

/// Fractional digits that a type keeps. Text keeps all, and so compares as it is.
fn digits_kept(kind: &DataType) -> usize {
    match kind {
        DataType::Decimal32(_, scale)
        | DataType::Decimal64(_, scale)
        | DataType::Decimal128(_, scale)
        | DataType::Decimal256(_, scale) => usize::try_from(*scale).unwrap_or(0),
        DataType::Timestamp(unit, _) => match unit {
            TimeUnit::Second => 0,
            TimeUnit::Millisecond => 3,
            TimeUnit::Microsecond => 6,
            TimeUnit::Nanosecond => 9,
        },
        other if other.is_integer() => 0,
        DataType::Date32 | DataType::Date64 => 0,
        _ => usize::MAX,
    }
}

#[cfg(test)]
mod tests {
    use datafusion::logical_expr::col;
    use flowglass_connect::CursorKind;

    use super::*;

    fn bound(kind: DataType, text: &str) -> Result<String, ErrorClass> {
        let value = CursorValue { kind: CursorKind::Text, text: text.to_owned() };
        from_cursor(col("at"), &Field::new("at", kind, true), &value)
            .map(|expr| expr.to_string())
            .map_err(|fault| fault.class())
    }

    #[test]
    fn a_bound_is_exact_or_refused() {
        let utc = || Some("UTC".into());
        let micros = DataType::Timestamp(TimeUnit::Microsecond, utc());
        assert!(bound(micros.clone(), "2026-01-02T03:04:05.123456Z").is_ok());
        assert!(bound(micros.clone(), "2026-01-02T03:04:05.123456000Z").is_ok());
        assert_eq!(bound(micros, "2026-01-02T03:04:05.123456001Z"), Err(ErrorClass::Schema));
        assert!(bound(DataType::Decimal128(10, 2), "1.500").is_ok());
        assert_eq!(bound(DataType::Decimal128(10, 2), "1.505"), Err(ErrorClass::Schema));
        assert_eq!(bound(DataType::Int64, "x"), Err(ErrorClass::Schema));
        assert!(bound(DataType::Date32, "2026-01-02").is_ok());
        assert!(bound(DataType::Utf8, "it's").is_ok());
    }
}
