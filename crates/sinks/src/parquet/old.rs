//! The file that is there before a write: its columns, its states, its rows.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{RecordBatch, new_null_array};
use arrow::datatypes::{Field, Schema, SchemaRef};
use flowglass_connect::Fault;
use flowglass_model::ErrorClass;
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::arrow::arrow_writer::{ArrowRowGroupWriterFactory, compute_leaves};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, PageIndexPolicy};
use parquet::schema::types::SchemaDescriptor;

use super::encode::{Output, encode_fault, leaf_count};
use crate::files::KeptStates;

/// Key of the footer entry that holds the states.
const STATE_KEY: &str = "flowglass.state";

/// Rows of null that are encoded at a time for a new column.
const NULL_ROWS_MAX: usize = 65_536;

/// Rows that are decoded at a time.
const READ_ROWS_MAX: usize = 8_192;

/// A Parquet file that is open for reading.
#[derive(Debug)]
pub(super) struct Old {
    file: File,
    metadata: ArrowReaderMetadata,
    shown: String,
    states: KeptStates,
}

impl Old {
    /// Opens the file; `None` when there is none.
    pub(super) fn open(path: &Path, shown: &str) -> Result<Option<Self>, Fault> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Fault::io(format!("opening `{shown}`"), error)),
        };
        Self::of(file, shown).map(Some)
    }

    /// The file that `file` is.
    pub(super) fn of(file: File, shown: &str) -> Result<Self, Fault> {
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Skip);
        let metadata =
            ArrowReaderMetadata::load(&file, options).map_err(|error| unreadable(shown, error))?;
        let states = states_of(&metadata, shown)?;
        Ok(Self { file, metadata, shown: shown.to_owned(), states })
    }

    pub(super) fn states(&self) -> &KeptStates {
        &self.states
    }

    pub(super) fn schema(&self) -> &SchemaRef {
        self.metadata.schema()
    }

    pub(super) fn rows(&self) -> u64 {
        u64::try_from(self.metadata.metadata().file_metadata().num_rows()).unwrap_or_default()
    }

    pub(super) fn descriptor(&self) -> &SchemaDescriptor {
        self.metadata.metadata().file_metadata().schema_descr()
    }

    /// Whether encoders of this file's Arrow types write the same columns as it has, so that old
    /// row groups can be copied and new ones added. Files of other programs may differ.
    pub(super) fn is_ours(&self) -> bool {
        let Ok(ours) = ArrowSchemaConverter::new().convert(self.schema()) else { return false };
        let theirs = self.descriptor();
        ours.num_columns() == theirs.num_columns()
            && ours.columns().iter().zip(theirs.columns()).all(|(ours, theirs)| {
                ours.physical_type() == theirs.physical_type()
                    && ours.logical_type_ref() == theirs.logical_type_ref()
                    && ours.type_length() == theirs.type_length()
                    && ours.max_def_level() == theirs.max_def_level()
                    && ours.max_rep_level() == theirs.max_rep_level()
                    && ours.path() == theirs.path()
            })
    }

    /// Copies the row groups as they are; the columns of `added` are null in them.
    pub(super) fn copy_groups(
        &self,
        output: &mut Output,
        schema: &SchemaRef,
        added: usize,
    ) -> Result<(), Fault> {
        let factory = ArrowRowGroupWriterFactory::new(output, SchemaRef::clone(schema));
        let fields = schema.fields();
        let added = fields.get(fields.len().saturating_sub(added)..).unwrap_or_default();
        for (at, group) in self.metadata.metadata().row_groups().iter().enumerate() {
            let rows = u64::try_from(group.num_rows()).unwrap_or_default();
            let mut row_group = output.next_row_group().map_err(encode_fault)?;
            for column in group.columns() {
                let close = ColumnCloseResult {
                    bytes_written: u64::try_from(column.compressed_size()).unwrap_or_default(),
                    rows_written: rows,
                    metadata: column.clone(),
                    bloom_filter: None,
                    column_index: None,
                    offset_index: None,
                };
                row_group
                    .append_column(&self.file, close)
                    .map_err(|error| unreadable(&self.shown, error))?;
            }
            if !added.is_empty() {
                let leaves: usize = added.iter().map(|it| leaf_count(it.data_type())).sum();
                let writers = factory.create_column_writers(at).map_err(encode_fault)?;
                let mut writers = writers.into_iter().skip(group.columns().len());
                debug_assert_eq!(writers.len(), leaves);
                for field in added {
                    let leaves = leaf_count(field.data_type());
                    let mut own: Vec<_> = writers.by_ref().take(leaves).collect();
                    write_nulls(field, rows, &mut own)?;
                    for writer in own {
                        let chunk = writer.close().map_err(encode_fault)?;
                        chunk.append_to_row_group(&mut row_group).map_err(encode_fault)?;
                    }
                }
            }
            row_group.close().map_err(encode_fault)?;
        }
        Ok(())
    }

    /// Reads the rows, batch by batch.
    pub(super) fn read(
        &self,
        take: &mut dyn FnMut(RecordBatch) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let file = self
            .file
            .try_clone()
            .map_err(|error| Fault::io(format!("reading `{}`", self.shown), error))?;
        let reader =
            ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone())
                .with_batch_size(READ_ROWS_MAX)
                .build()
                .map_err(|error| unreadable(&self.shown, error))?;
        for batch in reader {
            take(batch.map_err(|error| broken(&self.shown).because(error))?)?;
        }
        Ok(())
    }
}

fn write_nulls(
    field: &Arc<Field>,
    rows: u64,
    writers: &mut [parquet::arrow::arrow_writer::ArrowColumnWriter],
) -> Result<(), Fault> {
    let mut left = usize::try_from(rows).unwrap_or(usize::MAX);
    while left > 0 {
        let rows = left.min(NULL_ROWS_MAX);
        let nulls = new_null_array(field.data_type(), rows);
        let leaves = compute_leaves(field, &nulls).map_err(encode_fault)?;
        for (writer, leaf) in writers.iter_mut().zip(&leaves) {
            writer.write(leaf).map_err(encode_fault)?;
        }
        left -= rows;
    }
    Ok(())
}

fn states_of(metadata: &ArrowReaderMetadata, shown: &str) -> Result<KeptStates, Fault> {
    let entries = metadata.metadata().file_metadata().key_value_metadata();
    let entry = entries.and_then(|all| all.iter().find(|entry| entry.key == STATE_KEY));
    let Some(text) = entry.and_then(|entry| entry.value.as_deref()) else {
        return Ok(KeptStates::default());
    };
    serde_json::from_str(text).map_err(|error| {
        Fault::new(ErrorClass::Conflict, format!("reading the state in the footer of `{shown}`"))
            .because(error)
            .hint("It was written by another version: load the file once with `full_refresh`.")
    })
}

/// The footer entry that holds the states.
pub(super) fn state_entry(states: &KeptStates) -> Result<KeyValue, Fault> {
    let text = serde_json::to_string(states).map_err(|error| {
        Fault::new(ErrorClass::Internal, "writing the state of a parquet file").because(error)
    })?;
    Ok(KeyValue::new(STATE_KEY.to_owned(), text))
}

/// The columns of the footer's schema with those that are added.
pub(super) fn extended(schema: &Schema, added: &[Arc<Field>]) -> SchemaRef {
    let more = added.iter().map(|field| Arc::new(field.as_ref().clone().with_nullable(true)));
    Arc::new(Schema::new(schema.fields().iter().cloned().chain(more).collect::<Vec<_>>()))
}

fn broken(shown: &str) -> Fault {
    Fault::new(ErrorClass::Malformed, format!("`{shown}` is broken or no parquet file"))
        .hint("Move it away, or load it with `full_refresh` into another path.")
}

fn unreadable(shown: &str, error: ParquetError) -> Fault {
    match error {
        ParquetError::External(cause) => match cause.downcast::<std::io::Error>() {
            Ok(io) => Fault::io(format!("reading `{shown}`"), *io),
            Err(cause) => broken(shown).because(cause),
        },
        error => broken(shown).because(error),
    }
}
