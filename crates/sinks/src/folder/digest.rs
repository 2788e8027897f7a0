//! Hashes of rows in columns, the same when they are written and when they are read again, whatever
//! becomes of the arrays in between.
//!
//! A cell's hash is over its value in a form of our own and not over Arrow's memory, which may lie
//! otherwise after Parquet: null is told from empty, and a text from the same bytes as another type.

use arrow::array::{
    Array, ArrayRef, AsArray as _, BinaryArray, BooleanArray, ListArray, RecordBatch, StringArray,
};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int16Type,
    Int32Type, Int64Type, Time64MicrosecondType, TimestampMicrosecondType, UInt64Type,
};
use flowglass_connect::stream::body_hash;

use super::rows::ID;

/// The idempotency key of each row and its hash, in order; nothing of a batch that is none of ours.
pub(super) fn digests(batch: &RecordBatch) -> Vec<(String, u64)> {
    let ids = batch.column_by_name(ID).and_then(|it| it.as_any().downcast_ref::<StringArray>());
    let Some(ids) = ids else { return Vec::new() };
    let mut rows: Vec<Vec<u8>> = vec![Vec::new(); batch.num_rows()];
    for column in batch.columns() {
        add(column, &mut rows);
    }
    let hashed = rows.iter().enumerate();
    hashed.map(|(at, row)| (ids.value(at).to_owned(), body_hash(row))).collect()
}

/// Appends the cells of a column, each to its row.
fn add(column: &ArrayRef, rows: &mut [Vec<u8>]) {
    for (at, row) in rows.iter_mut().enumerate() {
        if column.is_null(at) {
            row.push(0);
        } else {
            row.push(1);
            cell(column, at, row);
        }
    }
}

fn cell(column: &ArrayRef, at: usize, row: &mut Vec<u8>) {
    macro_rules! number {
        ($of:ty) => {
            row.extend_from_slice(&column.as_primitive::<$of>().value(at).to_le_bytes())
        };
    }
    match column.data_type() {
        DataType::Boolean => {
            let cells: Option<&BooleanArray> = column.as_boolean_opt();
            row.push(u8::from(cells.is_some_and(|it| it.value(at))));
        }
        DataType::Int16 => number!(Int16Type),
        DataType::Int32 => number!(Int32Type),
        DataType::Int64 => number!(Int64Type),
        DataType::UInt64 => number!(UInt64Type),
        DataType::Float32 => number!(Float32Type),
        DataType::Float64 => number!(Float64Type),
        DataType::Decimal128(..) => number!(Decimal128Type),
        DataType::Decimal256(..) => number!(Decimal256Type),
        DataType::Date32 => number!(Date32Type),
        DataType::Time64(_) => number!(Time64MicrosecondType),
        DataType::Timestamp(..) => number!(TimestampMicrosecondType),
        DataType::Binary => {
            let cells: Option<&BinaryArray> = column.as_binary_opt();
            text(cells.map_or(&[], |it| it.value(at)), row);
        }
        DataType::List(_) => {
            let cells: Option<&ListArray> = column.as_list_opt();
            let items = cells.map(|it| it.value(at));
            let texts = items.as_ref().and_then(|it| it.as_any().downcast_ref::<StringArray>());
            for item in texts.into_iter().flatten() {
                text(item.unwrap_or_default().as_bytes(), row);
            }
        }
        _ => {
            let cells = column.as_any().downcast_ref::<StringArray>();
            text(cells.map_or(&[], |it| it.value(at).as_bytes()), row);
        }
    }
}

/// Bytes with their length before them, so that two texts are not another two.
fn text(bytes: &[u8], row: &mut Vec<u8>) {
    row.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    row.extend_from_slice(bytes);
}
