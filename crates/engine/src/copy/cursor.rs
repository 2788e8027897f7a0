//! The cursor of an incremental copy: leaves out what was delivered before, and finds where the
//! next run begins.
//!
//! Reading starts *at* the last value, not after it, because rows with an equal cursor may have
//! come since; those that were delivered are known by their hashes.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, StringArray};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Schema};
use arrow::row::{OwnedRow, RowConverter, SortField};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use flowglass_connect::{CursorKind, CursorState, CursorValue, Fault};
use flowglass_model::ErrorClass;
use sha2::{Digest, Sha256};

use super::cast;

/// Rows that may share the highest cursor value. More would make the state that is stored with
/// the data grow without bound.
const BOUNDARY_ROWS_MAX: usize = 10_000;

/// Follows the cursor through the batches of one copy.
pub(super) struct CursorTrack {
    column: String,
    at: usize,
    kind: CursorKind,
    converter: RowConverter,
    from: Option<From>,
    best: Option<Best>,
}

/// Where the last run ended.
struct From {
    state: CursorState,
    row: OwnedRow,
    /// How often each delivered row stands at the boundary.
    delivered: HashMap<String, u32>,
}

/// The highest value so far.
struct Best {
    row: OwnedRow,
    text: String,
    hashes: Vec<String>,
}

impl CursorTrack {
    pub(super) fn new(
        column: &str,
        schema: &Schema,
        known: Option<CursorState>,
    ) -> Result<Self, Fault> {
        let Some((at, field)) = schema.column_with_name(column) else {
            let said = format!("the cursor column `{column}` is not among the source's columns");
            return Err(Fault::new(ErrorClass::Config, said));
        };
        let kind = kind_of(column, field.data_type())?;
        let bad = |error| {
            Fault::new(ErrorClass::Unsupported, format!("comparing cursor `{column}`"))
                .because(error)
        };
        let sort = SortField::new(field.data_type().clone());
        let converter = RowConverter::new(vec![sort]).map_err(bad)?;
        let mut track =
            Self { column: column.to_owned(), at, kind, converter, from: None, best: None };
        if let Some(state) = known {
            let text: ArrayRef = Arc::new(StringArray::from(vec![state.value.text.as_str()]));
            let value = cast::exactly(column, &text, field.data_type())?;
            let row = track.rows(&value)?.row(0).owned();
            let mut delivered = HashMap::new();
            for hash in &state.boundary {
                *delivered.entry(hash.clone()).or_insert(0) += 1;
            }
            track.from = Some(From { state, row, delivered });
        }
        Ok(track)
    }

    /// The rows of the batch that were not delivered before.
    pub(super) fn take(&mut self, batch: RecordBatch) -> Result<RecordBatch, Fault> {
        let values = ArrayRef::clone(batch.column(self.at));
        if values.null_count() > 0 {
            let said = format!(
                "the cursor column `{}` is null in {} rows, which no later run would see again",
                self.column,
                values.null_count()
            );
            return Err(Fault::new(ErrorClass::Constraint, said)
                .hint("give every row a cursor value, or copy with another strategy"));
        }
        let rows = self.rows(&values)?;
        let mut keep = vec![true; batch.num_rows()];
        if let Some(from) = &mut self.from {
            for (at, (row, keep)) in rows.iter().zip(&mut keep).enumerate() {
                *keep = match row.cmp(&from.row.row()) {
                    Ordering::Less => false,
                    Ordering::Equal => !from.was_delivered(&row_hash(&batch, at)?),
                    Ordering::Greater => true,
                };
            }
        }
        let kept = || rows.iter().zip(&keep).enumerate().filter(|(_, (_, keep))| **keep);
        let top = kept().max_by(|(_, (a, _)), (_, (b, _))| a.cmp(b));
        if let Some((at, (top, _))) = top {
            let higher = self.best.as_ref().is_none_or(|it| top > it.row.row());
            if higher {
                let text = text_at(&values, at)?;
                self.best = Some(Best { row: top.owned(), text, hashes: Vec::new() });
            }
        }
        if let Some(best) = &mut self.best {
            for (at, _) in kept().filter(|(_, (row, _))| *row == best.row.row()) {
                best.hashes.push(row_hash(&batch, at)?);
            }
            if best.hashes.len() > BOUNDARY_ROWS_MAX {
                return Err(too_many(&self.column));
            }
        }
        if keep.iter().all(|it| *it) {
            return Ok(batch);
        }
        let failed =
            |error| Fault::new(ErrorClass::Internal, "leaving out delivered rows").because(error);
        filter_record_batch(&batch, &BooleanArray::from(keep)).map_err(failed)
    }

    /// What is stored with the data; `None` when no row was ever delivered.
    pub(super) fn into_state(self) -> Option<CursorState> {
        let Self { column, kind, from, best, .. } = self;
        let Some(best) = best else { return from.map(|it| it.state) };
        let mut boundary = best.hashes;
        if let Some(from) = from.filter(|it| it.row == best.row) {
            boundary.extend(from.state.boundary);
        }
        boundary.sort_unstable();
        Some(CursorState { column, value: CursorValue { kind, text: best.text }, boundary })
    }

    fn rows(&self, values: &ArrayRef) -> Result<arrow::row::Rows, Fault> {
        self.converter.convert_columns(&[ArrayRef::clone(values)]).map_err(|error| {
            let said = format!("comparing cursor `{}`", self.column);
            Fault::new(ErrorClass::Internal, said).because(error)
        })
    }
}

impl From {
    fn was_delivered(&mut self, hash: &str) -> bool {
        match self.delivered.get_mut(hash) {
            Some(left) if *left > 0 => {
                *left -= 1;
                true
            }
            _ => false,
        }
    }
}

fn too_many(column: &str) -> Fault {
    let said =
        format!("more than {BOUNDARY_ROWS_MAX} rows share the highest value of cursor `{column}`");
    Fault::new(ErrorClass::Unsupported, said)
        .hint("choose a cursor that tells rows apart better, such as a finer timestamp or an id")
}

fn kind_of(column: &str, kind: &DataType) -> Result<CursorKind, Fault> {
    match kind {
        DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32
        | DataType::UInt64 => Ok(CursorKind::Integer),
        DataType::Decimal128(..) | DataType::Decimal256(..) => Ok(CursorKind::Decimal),
        DataType::Timestamp(_, Some(_)) => Ok(CursorKind::Timestamp),
        DataType::Timestamp(_, None) => Ok(CursorKind::LocalTimestamp),
        DataType::Date32 | DataType::Date64 => Ok(CursorKind::Date),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Ok(CursorKind::Text),
        other => {
            let said = format!("column `{column}` of type {other} cannot be a cursor");
            Err(Fault::new(ErrorClass::Config, said)
                .hint("use an integer, decimal, date, timestamp or text column"))
        }
    }
}

/// 128 bits over the row's columns by name, nulls left out, so that a new column of nulls does
/// not change the hash of a row that is there already.
fn row_hash(batch: &RecordBatch, at: usize) -> Result<String, Fault> {
    let schema = batch.schema();
    let mut columns: Vec<_> = schema.fields().iter().zip(batch.columns()).collect();
    columns.sort_by_key(|(field, _)| field.name().clone());
    let mut digest = Sha256::new();
    for (field, values) in columns.into_iter().filter(|(_, values)| values.is_valid(at)) {
        let text = text_at(values, at)?;
        for part in [field.name(), &text] {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part.as_bytes());
        }
    }
    Ok(digest.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect())
}

fn text_at(values: &ArrayRef, at: usize) -> Result<String, Fault> {
    let failed = |error| Fault::new(ErrorClass::Internal, "writing a cursor value").because(error);
    let options = FormatOptions::default().with_display_error(false);
    let formatter = ArrayFormatter::try_new(values.as_ref(), &options).map_err(failed)?;
    formatter.value(at).try_to_string().map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int64Array, TimestampMicrosecondArray};

    fn batch(rows: &[(i64, i64)]) -> RecordBatch {
        let ids = Int64Array::from_iter_values(rows.iter().map(|it| it.0));
        let times = TimestampMicrosecondArray::from_iter_values(rows.iter().map(|it| it.1))
            .with_timezone("UTC");
        RecordBatch::try_from_iter([
            ("id", Arc::new(ids) as ArrayRef),
            ("at", Arc::new(times) as ArrayRef),
        ])
        .unwrap()
    }

    fn run(known: Option<CursorState>, rows: &[(i64, i64)]) -> (usize, Option<CursorState>) {
        let batch = batch(rows);
        let mut track = CursorTrack::new("at", &batch.schema(), known).unwrap();
        let kept = track.take(batch).unwrap().num_rows();
        (kept, track.into_state())
    }

    #[test]
    fn a_row_that_comes_later_with_an_equal_cursor_is_neither_lost_nor_doubled() {
        let (kept, state) = run(None, &[(1, 10), (2, 20), (3, 20)]);
        assert_eq!(kept, 3);
        let state = state.unwrap();
        assert_eq!(state.boundary.len(), 2);
        let (kept, state) = run(Some(state), &[(2, 20), (3, 20), (4, 20), (4, 20)]);
        assert_eq!(kept, 2);
        let (kept, state) = run(state, &[(2, 20), (3, 20), (4, 20), (4, 20)]);
        assert_eq!((kept, state.unwrap().boundary.len()), (0, 4));
    }

    #[test]
    fn microseconds_survive_the_way_through_text() {
        let (_, state) = run(None, &[(1, 1_700_000_000_123_456)]);
        assert_eq!(state.as_ref().unwrap().value.text, "2023-11-14T22:13:20.123456Z");
        let (kept, _) = run(state, &[(1, 1_700_000_000_123_456), (2, 1_700_000_000_123_457)]);
        assert_eq!(kept, 1);
    }

    #[test]
    fn rows_without_a_cursor_are_refused() {
        let at: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
        let batch = RecordBatch::try_from_iter([("at", at)]).unwrap();
        let mut track = CursorTrack::new("at", &batch.schema(), None).unwrap();
        let fault = track.take(batch).unwrap_err();
        assert!(fault.to_string().contains("is null in 1 rows"), "{fault}");
    }
}
