//! Merges rows by key into the old rows of a Parquet file, as bytes of Arrow's row format, which
//! holds every value exactly and turns back into columns.

use std::path::Path;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::SchemaRef;
use arrow::row::{RowConverter, RowParser, SortField};
use flowglass_connect::Fault;
use flowglass_model::ErrorClass;

use super::encode::Encoder;
use super::old::Old;
use crate::files::{Fit, Merged, Spill};

/// Rows that are turned back into columns at a time.
const BATCH_ROWS_MAX: usize = 8_192;

/// Bytes that are turned back at a time.
const BATCH_BYTES_MAX: usize = 4 << 20;

/// A merge under way.
pub(super) struct Merge {
    schema: SchemaRef,
    key: Vec<usize>,
    keys: RowConverter,
    rows: RowConverter,
    spill: Spill,
}

impl Merge {
    pub(super) fn new(schema: &SchemaRef, key: &[usize], scratch: &Path) -> Result<Self, Fault> {
        let sort = |at: usize| SortField::new(schema.field(at).data_type().clone());
        let converter = |fields: Vec<SortField>| {
            RowConverter::new(fields).map_err(|error| {
                Fault::new(ErrorClass::Unsupported, "a column's type cannot be merged by key")
                    .because(error)
            })
        };
        if key.is_empty() {
            return Err(Fault::new(ErrorClass::Config, "a merge needs `key` columns"));
        }
        Ok(Self {
            schema: SchemaRef::clone(schema),
            key: key.to_vec(),
            keys: converter(key.iter().map(|at| sort(*at)).collect())?,
            rows: converter((0..schema.fields().len()).map(sort).collect())?,
            spill: Spill::new(scratch),
        })
    }

    /// Takes new rows.
    pub(super) fn add(&mut self, batch: &RecordBatch) -> Result<(), Fault> {
        for at in &self.key {
            let nulls = batch.columns().get(*at).map_or(0, |column| column.null_count());
            if nulls > 0 {
                let name = self.schema.field(*at).name().clone();
                return Err(Fault::new(
                    ErrorClass::Constraint,
                    format!("the key column `{name}` is null in a row, which a merge cannot match"),
                ));
            }
        }
        let (keys, rows) = self.convert(batch)?;
        for (key, row) in keys.iter().zip(&rows) {
            self.spill.add(key.as_ref(), row.as_ref())?;
        }
        Ok(())
    }

    fn convert(&self, batch: &RecordBatch) -> Result<(arrow::row::Rows, arrow::row::Rows), Fault> {
        let key: Vec<ArrayRef> =
            self.key.iter().filter_map(|at| batch.columns().get(*at).cloned()).collect();
        let keys = self.keys.convert_columns(&key).map_err(odd)?;
        let rows = self.rows.convert_columns(batch.columns()).map_err(odd)?;
        Ok((keys, rows))
    }

    /// Merges into the old rows and encodes the result.
    pub(super) fn finish(
        self,
        old: Option<&(&Old, Fit)>,
        encoder: &mut Encoder,
    ) -> Result<Merged, Fault> {
        let Self { schema, key, keys, rows, spill } = self;
        let side = Self { schema, key, keys, rows, spill: Spill::new(Path::new("")) };
        let mut out =
            Out { side: &side, parser: side.rows.parser(), waiting: Vec::new(), bytes: 0 };
        let merged = spill.merge(
            &mut |take| {
                let Some((old, fit)) = old else { return Ok(()) };
                old.read(&mut |batch| {
                    let (keys, rows) = side.convert(&fit.apply(&batch)?)?;
                    keys.iter()
                        .zip(&rows)
                        .try_for_each(|(key, row)| take(key.as_ref(), row.as_ref()))
                })
            },
            &|old, new| old == new,
            &mut |row| out.take(row, encoder),
        )?;
        out.flush(encoder)?;
        Ok(merged)
    }
}

/// Merged rows on their way back into columns.
struct Out<'a> {
    side: &'a Merge,
    parser: RowParser,
    waiting: Vec<Box<[u8]>>,
    bytes: usize,
}

impl Out<'_> {
    fn take(&mut self, row: &[u8], encoder: &mut Encoder) -> Result<(), Fault> {
        self.waiting.push(row.into());
        self.bytes += row.len();
        if self.waiting.len() >= BATCH_ROWS_MAX || self.bytes >= BATCH_BYTES_MAX {
            self.flush(encoder)?;
        }
        Ok(())
    }

    fn flush(&mut self, encoder: &mut Encoder) -> Result<(), Fault> {
        let rows = self.waiting.iter().map(|row| self.parser.parse(row));
        let columns = self.side.rows.convert_rows(rows).map_err(odd)?;
        let batch = RecordBatch::try_new(SchemaRef::clone(&self.side.schema), columns);
        self.waiting.clear();
        self.bytes = 0;
        encoder.write(batch.map_err(odd)?)
    }
}

fn odd(error: arrow::error::ArrowError) -> Fault {
    Fault::new(ErrorClass::Internal, "turning rows of a merge into bytes and back").because(error)
}
