//! A source's table in Arrow's types: the common tongue of copies, so that a stream and a copy make
//! the same table and refuse the same columns.
//!
//! A type that Arrow has no exact twin of is its text, with the source's own type in the field's
//! metadata.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, TimeUnit};
use flowglass_connect::NATIVE_TYPE_KEY;
use flowglass_connect::stream::{Column, Kind};

/// The type that keeps every finite value of a kind.
pub(crate) fn arrow_type(kind: &Kind) -> DataType {
    match kind {
        Kind::Bool => DataType::Boolean,
        Kind::Int16 => DataType::Int16,
        Kind::Int32 => DataType::Int32,
        Kind::Int64 => DataType::Int64,
        Kind::UInt64 => DataType::UInt64,
        Kind::Float32 => DataType::Float32,
        Kind::Float64 => DataType::Float64,
        Kind::Decimal(Some((precision, scale))) => decimal(*precision, *scale),
        Kind::Bytes => DataType::Binary,
        Kind::Date => DataType::Date32,
        Kind::Time(_) => DataType::Time64(TimeUnit::Microsecond),
        Kind::Timestamp(_) => DataType::Timestamp(TimeUnit::Microsecond, None),
        Kind::TimestampTz => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Kind::Decimal(None)
        | Kind::Money
        | Kind::Text
        | Kind::Enum
        | Kind::Bits(_)
        | Kind::Json
        | Kind::Uuid
        | Kind::TimeTz
        | Kind::Interval
        | Kind::Array(_)
        | Kind::Hstore
        | Kind::Other => DataType::Utf8,
    }
}

/// Arrow's decimals have up to 76 digits, none of them left of the last one before the point.
fn decimal(precision: u16, scale: i16) -> DataType {
    match (u8::try_from(precision), i8::try_from(scale)) {
        (Ok(precision @ 1..=38), Ok(scale @ 0..)) if i16::from(precision) >= i16::from(scale) => {
            DataType::Decimal128(precision, scale)
        }
        (Ok(precision @ 39..=76), Ok(scale @ 0..)) if i16::from(precision) >= i16::from(scale) => {
            DataType::Decimal256(precision, scale)
        }
        _ => DataType::Utf8,
    }
}

/// A column as a field, with the source's own type beside it.
pub(crate) fn field_of(column: &Column) -> Field {
    let native = format!("postgres:{}", column.native);
    Field::new(&column.name, arrow_type(&column.kind), true)
        .with_metadata(HashMap::from([(NATIVE_TYPE_KEY.to_owned(), native)]))
}

#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) use plan::plan_of;

#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod plan {
    use super::{Arc, field_of};
    use arrow::datatypes::Schema;
    use flowglass_connect::stream::Relation;
    use flowglass_connect::{Strategy, WriteOwner, WritePlan};

    use crate::rows::Tables;

    /// What a copy of the table would be asked for, so that a stream's table is made, looked at and
    /// altered by the same code. Merged by its key, or appended to when it has none.
    pub(crate) fn plan_of(relation: &Relation, tables: &Tables) -> WritePlan {
        let key = relation.key.iter().filter_map(|at| relation.columns.get(*at));
        let key: Vec<String> = key.map(|column| column.name.clone()).collect();
        let fields: Vec<_> = relation.columns.iter().map(field_of).collect();
        let strategy = if key.is_empty() { Strategy::Append } else { Strategy::IncrementalMerge };
        WritePlan {
            schema: Arc::new(Schema::new(fields)),
            raw: None,
            strategy,
            key,
            schema_change: tables.schema_change.plain(),
            // Cursors and tokens belong to copies.
            owner: WriteOwner {
                tenant: String::new(),
                pipeline: String::new(),
                node: String::new(),
            },
            token: String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_that_arrow_holds_and_those_that_it_does_not() {
        let of = |precision, scale| arrow_type(&Kind::Decimal(Some((precision, scale))));
        assert_eq!(of(12, 2), DataType::Decimal128(12, 2));
        assert_eq!(of(38, 38), DataType::Decimal128(38, 38));
        assert_eq!(of(39, 0), DataType::Decimal256(39, 0));
        for (precision, scale) in [(5, -2), (2, 5), (77, 0), (1000, 1000)] {
            assert_eq!(of(precision, scale), DataType::Utf8);
        }
        assert_eq!(arrow_type(&Kind::Decimal(None)), DataType::Utf8);
    }
}
