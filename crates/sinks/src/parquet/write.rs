//! Writes a Parquet file aside, by each of the strategies.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use flowglass_connect::{
    Batch, BlockingWrite, CursorState, Fault, Outcome, SchemaChange, Strategy, WritePlan,
};
use flowglass_model::ErrorClass;
use parquet::arrow::{ArrowSchemaConverter, add_encoded_arrow_schema_to_metadata};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr};
use parquet::schema::types::ColumnPath;

use super::config::{Config, Packing};
use super::encode::{Encoder, encode_fault, open_output};
use super::merge::Merge;
use super::old::{Old, extended, state_entry};
use crate::files::{Aside, Fit, KeptStates, Merged, arrow_rows, columns_added, named_positions};

/// Rows that decide whether a column is written with a dictionary.
const PROBE_ROWS_MAX: usize = 8_192;

/// Writes one plan.
pub(super) struct Writer {
    aside: Aside,
    plan: WritePlan,
    config: Config,
    old: Option<Old>,
    fit: Fit,
    added: Vec<(String, String)>,
    /// How many of the fit's columns the old file lacks.
    added_fields: usize,
    body: Body,
    rows: u64,
}

enum Body {
    /// Nothing came yet: the first batch decides how columns are encoded.
    Waiting,
    Open(Box<Encoder>),
    Merge(Box<Merge>),
}

impl Writer {
    /// Checks the plan against the file that is there, and makes ready to write beside it.
    pub(super) fn begin(
        config: &Config,
        path: &Path,
        scratch: &Path,
        plan: WritePlan,
    ) -> Result<Self, Fault> {
        let aside = Aside::begin(path, &config.path)?;
        let old = match Old::open(aside.target(), aside.shown()) {
            // A full refresh replaces whatever is there.
            Err(fault)
                if plan.strategy == Strategy::FullRefresh
                    && matches!(fault.class(), ErrorClass::Malformed | ErrorClass::Conflict) =>
            {
                None
            }
            old => old?,
        };
        let columns = Columns::plan(old.as_ref(), &plan)?;
        let fit = Fit::new(&plan.schema, columns.schema)?;
        let body = if plan.strategy == Strategy::IncrementalMerge {
            let key = named_positions(fit.schema(), &plan.key)?;
            Body::Merge(Box::new(Merge::new(fit.schema(), &key, scratch)?))
        } else {
            Body::Waiting
        };
        let config = config.clone();
        let (added, added_fields) = (columns.added, columns.added_fields);
        Ok(Self { aside, plan, config, old, fit, added, added_fields, body, rows: 0 })
    }

    /// Opens the new file and copies the old rows into it, where the strategy keeps them.
    fn open(&self, first: Option<&RecordBatch>) -> Result<Encoder, Fault> {
        let schema = self.fit.schema();
        let keeps = match self.plan.strategy {
            Strategy::FullRefresh | Strategy::IncrementalMerge => None,
            Strategy::Append | Strategy::IncrementalAppend => self.old.as_ref(),
        };
        let descriptor = ArrowSchemaConverter::new().convert(schema).map_err(encode_fault)?;
        let properties = properties(self.config.compression, schema, first);
        let mut output = open_output(self.aside.file()?, descriptor.root_schema_ptr(), properties)?;
        let Some(old) = keeps else {
            return Ok(Encoder::new(output, SchemaRef::clone(schema)));
        };
        if old.is_ours() {
            old.copy_groups(&mut output, schema, self.added_fields)?;
            return Ok(Encoder::new(output, SchemaRef::clone(schema)));
        }
        let fit = Fit::new(old.schema(), SchemaRef::clone(schema))?;
        let mut encoder = Encoder::new(output, SchemaRef::clone(schema));
        old.read(&mut |batch| encoder.write(fit.apply(&batch)?))?;
        Ok(encoder)
    }

    fn states(&self) -> KeptStates {
        self.old.as_ref().map(|old| old.states().clone()).unwrap_or_default()
    }
}

impl BlockingWrite for Writer {
    fn write(&mut self, batch: Batch) -> Result<(), Fault> {
        let batch = self.fit.apply(&arrow_rows(batch)?)?;
        self.rows += batch.num_rows() as u64;
        match &mut self.body {
            Body::Merge(merge) => merge.add(&batch),
            Body::Open(encoder) => encoder.write(batch),
            Body::Waiting => {
                let mut encoder = self.open(Some(&batch))?;
                encoder.write(batch)?;
                self.body = Body::Open(Box::new(encoder));
                Ok(())
            }
        }
    }

    fn commit(mut self: Box<Self>, cursor: Option<CursorState>) -> Result<Outcome, Fault> {
        let (mut encoder, merged) = match std::mem::replace(&mut self.body, Body::Waiting) {
            Body::Open(encoder) => (*encoder, None),
            Body::Waiting => (self.open(None)?, None),
            Body::Merge(merge) => {
                let mut encoder = self.open(None)?;
                let fit = match &self.old {
                    Some(old) => {
                        Some((old, Fit::new(old.schema(), SchemaRef::clone(self.fit.schema()))?))
                    }
                    None => None,
                };
                let merged = merge.finish(fit.as_ref(), &mut encoder)?;
                (encoder, Some(merged))
            }
        };
        let old_rows = match self.plan.strategy {
            Strategy::FullRefresh => 0,
            _ => self.old.as_ref().map_or(0, Old::rows),
        };
        let merged = merged.unwrap_or(Merged { inserted: self.rows, ..Merged::default() });
        let outcome = Outcome {
            inserted: merged.inserted,
            updated: merged.updated,
            unchanged: merged.unchanged,
            deleted: 0,
            final_rows: old_rows + merged.inserted,
            bytes: encoder.flush()?,
            columns_added: self.added.clone(),
        };
        let mut states = self.states();
        let commit = (self.plan.token.as_str(), &outcome);
        states.record(&self.plan.owner, commit, cursor, self.plan.strategy);
        let file = encoder.finish(vec![state_entry(&states)?])?;
        file.into_inner().map_err(|error| self.aside.failed("writing", error.into_error()))?;
        self.aside.sync()?;
        let outcome = confirmed(&self.aside, outcome)?;
        self.aside.keep()?;
        Ok(outcome)
    }
}

/// Reads the footer back: the rows that count are those which the file says it has.
fn confirmed(aside: &Aside, told: Outcome) -> Result<Outcome, Fault> {
    let kept = Old::of(aside.reread()?, aside.shown())?.rows();
    if kept != told.final_rows {
        return Err(Fault::new(
            ErrorClass::Internal,
            format!("`{}` holds {kept} rows and not {}", aside.shown(), told.final_rows),
        ));
    }
    Ok(told)
}

/// The columns that the new file gets.
struct Columns {
    schema: SchemaRef,
    added: Vec<(String, String)>,
    added_fields: usize,
}

impl Columns {
    fn plan(old: Option<&Old>, plan: &WritePlan) -> Result<Self, Fault> {
        let Some(old) = old else {
            let schema = extended(&Schema::empty(), plan.schema.fields());
            return Ok(Self { schema, added: Vec::new(), added_fields: 0 });
        };
        let have: Vec<&str> = old.schema().fields().iter().map(|it| it.name().as_str()).collect();
        let new = columns_added(&have, &plan.schema, plan.schema_change)?;
        let added = new.iter().map(|it| (it.name().clone(), it.data_type().to_string())).collect();
        if plan.strategy != Strategy::FullRefresh {
            let schema = extended(old.schema(), &new);
            return Ok(Self { schema, added, added_fields: new.len() });
        }
        let kept = plan.schema.fields().iter().filter(|it| {
            plan.schema_change != SchemaChange::Ignore || have.contains(&it.name().as_str())
        });
        let schema = extended(&Schema::empty(), &kept.cloned().collect::<Vec<_>>());
        Ok(Self { schema, added, added_fields: 0 })
    }
}

/// How a file of this schema is written. The first rows decide which columns get a dictionary.
pub(crate) fn properties(
    packing: Packing,
    schema: &SchemaRef,
    first: Option<&RecordBatch>,
) -> WriterPropertiesPtr {
    let mut builder = WriterProperties::builder()
        .set_compression(packing.codec())
        .set_statistics_enabled(EnabledStatistics::Chunk)
        // Copied row groups have none, and a file has one for all of its pages or for none.
        .set_offset_index_disabled(true)
        .set_created_by(concat!("flowglass version ", env!("CARGO_PKG_VERSION")).to_owned());
    if let Some(first) = first {
        for (field, column) in schema.fields().iter().zip(first.columns()) {
            if !field.data_type().is_nested() && !repeats(column) {
                let path = ColumnPath::new(vec![field.name().clone()]);
                builder = builder.set_column_dictionary_enabled(path, false);
            }
        }
    }
    let mut properties = builder.build();
    add_encoded_arrow_schema_to_metadata(schema, &mut properties);
    Arc::new(properties)
}

/// Whether a column has so few different values that a dictionary pays: hashing every value of a
/// column of keys costs more than writing them plainly.
fn repeats(column: &ArrayRef) -> bool {
    let rows = column.len().min(PROBE_ROWS_MAX);
    let probe = column.slice(0, rows);
    let hasher = BuildHasherDefault::<DefaultHasher>::default();
    let mut seen = HashSet::with_capacity(rows);
    let mut see = |value: &[u8]| {
        seen.insert(hasher.hash_one(value));
    };
    match probe.data_type() {
        DataType::Boolean => return false,
        DataType::Utf8 => {
            use arrow::array::AsArray as _;
            probe.as_string::<i32>().iter().flatten().for_each(|text| see(text.as_bytes()));
        }
        kind if kind.primitive_width().is_some() => {
            let width = kind.primitive_width().unwrap_or(1);
            let data = probe.to_data();
            let Some(values) = data.buffers().first() else { return true };
            let values = values.as_slice().get(data.offset() * width..).unwrap_or_default();
            values.chunks_exact(width).take(rows).for_each(see);
        }
        _ => return true,
    }
    seen.len() * 4 <= rows
}
