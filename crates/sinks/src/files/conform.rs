//! Fits batches to the columns that a file has: by name, with nulls for what is missing, and
//! with no change of type but those that keep every value.

use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef, TimeUnit};
use flowglass_connect::{Fault, SchemaChange};
use flowglass_model::ErrorClass;

/// The places of `names` among the columns.
///
/// # Errors
/// `schema` naming a column that is not there.
pub(crate) fn named_positions(schema: &Schema, names: &[String]) -> Result<Vec<usize>, Fault> {
    names
        .iter()
        .map(|name| {
            schema.index_of(name).map_err(|_absent| {
                Fault::new(ErrorClass::Schema, format!("the rows have no key column `{name}`"))
            })
        })
        .collect()
}

/// The incoming columns that the target lacks, as `schema_change` allows them.
///
/// # Errors
/// `schema` naming the first of them, when they are refused.
pub(crate) fn columns_added(
    have: &[&str],
    incoming: &Schema,
    change: SchemaChange,
) -> Result<Vec<FieldRef>, Fault> {
    let new = incoming.fields().iter().filter(|field| !have.contains(&field.name().as_str()));
    match change {
        SchemaChange::Evolve => Ok(new.cloned().collect()),
        SchemaChange::Ignore => Ok(Vec::new()),
        SchemaChange::Fail => match new.into_iter().next() {
            None => Ok(Vec::new()),
            Some(field) => Err(Fault::new(
                ErrorClass::Schema,
                format!(
                    "the target has no column `{}` and `schema_change` is `fail`",
                    field.name()
                ),
            )),
        },
    }
}

#[derive(Debug, Clone, Copy)]
enum Pick {
    From(usize),
    Null,
}

/// How incoming columns become the target's.
#[derive(Debug, Clone)]
pub(crate) struct Fit {
    schema: SchemaRef,
    picks: Vec<Pick>,
}

impl Fit {
    /// A fit from `incoming` to `schema`.
    ///
    /// # Errors
    /// `schema` naming a column whose type the target cannot hold.
    pub(crate) fn new(incoming: &Schema, schema: SchemaRef) -> Result<Self, Fault> {
        let mut picks = Vec::with_capacity(schema.fields().len());
        for field in schema.fields() {
            picks.push(match incoming.index_of(field.name()) {
                Ok(at) => {
                    let from = incoming.field(at);
                    if !widens(from.data_type(), field.data_type()) {
                        return Err(mistyped(field, from.data_type()));
                    }
                    Pick::From(at)
                }
                Err(_absent) if field.is_nullable() => Pick::Null,
                Err(_absent) => {
                    return Err(Fault::new(
                        ErrorClass::Schema,
                        format!(
                            "the rows lack the column `{}`, which cannot be null",
                            field.name()
                        ),
                    ));
                }
            });
        }
        Ok(Self { schema, picks })
    }

    /// The columns that [`Self::apply`] gives.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The batch with the target's columns.
    pub(crate) fn apply(&self, batch: &RecordBatch) -> Result<RecordBatch, Fault> {
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.picks.len());
        for (pick, field) in self.picks.iter().zip(self.schema.fields()) {
            columns.push(match *pick {
                Pick::Null => new_null_array(field.data_type(), batch.num_rows()),
                Pick::From(at) => {
                    let column = batch.columns().get(at).ok_or_else(|| odd(field))?;
                    if !field.is_nullable() && column.null_count() > 0 {
                        return Err(Fault::new(
                            ErrorClass::Constraint,
                            format!("the target's column `{}` takes no null", field.name()),
                        ));
                    }
                    if column.data_type() == field.data_type() {
                        Arc::clone(column)
                    } else {
                        let exact = CastOptions { safe: false, ..CastOptions::default() };
                        cast_with_options(column, field.data_type(), &exact)
                            .map_err(|_too_large| inexact(field))?
                    }
                }
            });
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(SchemaRef::clone(&self.schema), columns, &options)
            .map_err(|error| Fault::new(ErrorClass::Internal, "fitting a batch").because(error))
    }
}

/// Whether every value of `from` is one of `to`, or is refused by the cast when it is not.
fn widens(from: &DataType, to: &DataType) -> bool {
    use DataType as T;
    if from == to || matches!(from, T::Null) {
        return true;
    }
    let text = |kind: &T| matches!(kind, T::Utf8 | T::LargeUtf8 | T::Utf8View);
    let bytes = |kind: &T| matches!(kind, T::Binary | T::LargeBinary | T::BinaryView);
    match (from, to) {
        _ if text(from) && text(to) => true,
        _ if bytes(from) && bytes(to) => true,
        (T::Dictionary(_, value), _) => widens(value, to),
        (T::Float32, T::Float64) => true,
        (T::Timestamp(unit, zone), T::Timestamp(wider, to_zone)) => {
            zone.is_some() == to_zone.is_some() && places(*unit) <= places(*wider)
        }
        (T::Decimal128(p, s), T::Decimal128(to_p, to_s) | T::Decimal256(to_p, to_s)) => {
            s <= to_s && i16::from(*p) - i16::from(*s) <= i16::from(*to_p) - i16::from(*to_s)
        }
        _ if from.is_integer() && to.is_integer() => {
            // Unsigned to signed needs a wider type; the cast checks each value anyway.
            from.primitive_width() <= to.primitive_width()
        }
        _ => false,
    }
}

fn places(unit: TimeUnit) -> u8 {
    match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    }
}

fn mistyped(field: &Field, from: &DataType) -> Fault {
    Fault::new(
        ErrorClass::Schema,
        format!(
            "column `{}` is {} in the target and {from} in the rows",
            field.name(),
            field.data_type()
        ),
    )
    .hint("Declare the source's column as the target's type, or load it with `full_refresh`.")
}

fn inexact(field: &Field) -> Fault {
    Fault::new(
        ErrorClass::Inexact,
        format!(
            "a value of column `{}` does not fit the target's type {}",
            field.name(),
            field.data_type()
        ),
    )
}

fn odd(field: &Field) -> Fault {
    Fault::new(ErrorClass::Internal, format!("a batch lacks the column `{}`", field.name()))
}
