//! Encodes record batches into row groups, columns in parallel, within bounded memory.
//!
//! `ArrowWriter` encodes one column after the other on one thread. Columns do not depend on each
//! other, so batches are gathered for a round and the round's columns are shared out among a few
//! threads. A row group is closed when its encoded pages or its rows reach a bound.

use std::fs::File;
use std::io::BufWriter;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::{FieldRef, SchemaRef};
use flowglass_connect::Fault;
use flowglass_model::ErrorClass;
use parquet::arrow::arrow_writer::{
    ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves,
};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterPropertiesPtr;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::TypePtr;

/// Rows that are gathered before the threads are called together.
const ROUND_ROWS_MAX: usize = 32_768;

/// Bytes that are gathered at most.
const ROUND_BYTES_MAX: usize = 16 << 20;

/// Rows of a row group.
const GROUP_ROWS_MAX: usize = 1 << 20;

/// Encoded bytes of a row group that wait in memory.
const GROUP_BYTES_MAX: usize = 48 << 20;

/// Threads of one encoder, the caller's included.
const THREADS_MAX: usize = 4;

/// Where an encoder writes.
pub(crate) type Output = SerializedFileWriter<BufWriter<File>>;

/// Opens the Parquet file in `file`.
pub(crate) fn open_output(
    file: File,
    root: TypePtr,
    properties: WriterPropertiesPtr,
) -> Result<Output, Fault> {
    let buffered = BufWriter::with_capacity(1 << 20, file);
    SerializedFileWriter::new(buffered, root, properties).map_err(encode_fault)
}

/// Encodes batches of one schema.
pub(crate) struct Encoder {
    output: Output,
    schema: SchemaRef,
    factory: ArrowRowGroupWriterFactory,
    /// The writers of the open row group, by field.
    group: Option<Vec<Slot>>,
    group_rows: usize,
    round: Vec<RecordBatch>,
    round_rows: usize,
    round_bytes: usize,
}

type Slot = Mutex<Vec<ArrowColumnWriter>>;

impl Encoder {
    pub(crate) fn new(output: Output, schema: SchemaRef) -> Self {
        let factory = ArrowRowGroupWriterFactory::new(&output, SchemaRef::clone(&schema));
        Self {
            output,
            schema,
            factory,
            group: None,
            group_rows: 0,
            round: Vec::new(),
            round_rows: 0,
            round_bytes: 0,
        }
    }

    /// Takes a batch of the encoder's schema.
    pub(crate) fn write(&mut self, batch: RecordBatch) -> Result<(), Fault> {
        let (rows, bytes) = (batch.num_rows(), batch.get_array_memory_size());
        if rows == 0 {
            return Ok(());
        }
        self.round_rows += rows;
        self.round_bytes += bytes;
        self.round.push(batch);
        if self.round_rows >= ROUND_ROWS_MAX || self.round_bytes >= ROUND_BYTES_MAX {
            self.encode_round()?;
        }
        Ok(())
    }

    /// Ends the file; `entries` go to its footer.
    pub(crate) fn finish(mut self, entries: Vec<KeyValue>) -> Result<BufWriter<File>, Fault> {
        self.encode_round()?;
        self.close_group()?;
        entries.into_iter().for_each(|entry| self.output.append_key_value_metadata(entry));
        self.output.into_inner().map_err(encode_fault)
    }

    /// Bytes of the file so far, those that wait in memory included.
    pub(super) fn flush(&mut self) -> Result<u64, Fault> {
        self.encode_round()?;
        self.close_group()?;
        Ok(self.output.bytes_written() as u64)
    }

    fn encode_round(&mut self) -> Result<(), Fault> {
        let round = std::mem::take(&mut self.round);
        if round.is_empty() {
            return Ok(());
        }
        self.group_rows += self.round_rows;
        (self.round_rows, self.round_bytes) = (0, 0);
        let group = match self.group.take() {
            Some(group) => group,
            None => self.open_group()?,
        };
        let fields = self.schema.fields();
        // Wide columns first, so that no thread is left alone with one at the end.
        let mut order: Vec<usize> = (0..fields.len()).collect();
        let weight = |at: &usize| {
            let bytes = |batch: &RecordBatch| {
                batch.columns().get(*at).map_or(0, |it| it.get_array_memory_size())
            };
            round.iter().map(bytes).sum::<usize>()
        };
        order.sort_by_cached_key(|at| std::cmp::Reverse(weight(at)));
        share(&order, |at| {
            let (Some(field), Some(slot)) = (fields.get(at), group.get(at)) else { return Ok(()) };
            encode_field(field, at, &round, slot)
        })?;
        drop(round);
        let size = |slot: &Slot| -> usize {
            let writers = slot.lock().unwrap_or_else(PoisonError::into_inner);
            writers.iter().map(ArrowColumnWriter::memory_size).sum()
        };
        let bytes: usize = group.iter().map(size).sum();
        self.group = Some(group);
        if bytes >= GROUP_BYTES_MAX || self.group_rows >= GROUP_ROWS_MAX {
            self.close_group()?;
        }
        Ok(())
    }

    fn open_group(&self) -> Result<Vec<Slot>, Fault> {
        let at = self.output.flushed_row_groups().len();
        let mut writers = self.factory.create_column_writers(at).map_err(encode_fault)?.into_iter();
        // A nested field has a writer for each of its leaves, in order.
        let leaves = |field: &FieldRef| leaf_count(field.data_type());
        let fields = self.schema.fields().iter();
        Ok(fields.map(|it| Mutex::new(writers.by_ref().take(leaves(it)).collect())).collect())
    }

    fn close_group(&mut self) -> Result<(), Fault> {
        let Some(group) = self.group.take() else { return Ok(()) };
        self.group_rows = 0;
        let chunks: Vec<Mutex<Vec<ArrowColumnChunk>>> =
            group.iter().map(|_slot| Mutex::new(Vec::new())).collect();
        let order: Vec<usize> = (0..group.len()).collect();
        share(&order, |at| {
            let (Some(slot), Some(closed)) = (group.get(at), chunks.get(at)) else { return Ok(()) };
            let writers = std::mem::take(&mut *slot.lock().unwrap_or_else(PoisonError::into_inner));
            let mut closed = closed.lock().unwrap_or_else(PoisonError::into_inner);
            for writer in writers {
                closed.push(writer.close().map_err(encode_fault)?);
            }
            Ok(())
        })?;
        let mut row_group = self.output.next_row_group().map_err(encode_fault)?;
        for field in chunks {
            for chunk in field.into_inner().unwrap_or_else(PoisonError::into_inner) {
                chunk.append_to_row_group(&mut row_group).map_err(encode_fault)?;
            }
        }
        row_group.close().map_err(encode_fault)?;
        Ok(())
    }
}

fn encode_field(
    field: &FieldRef,
    at: usize,
    round: &[RecordBatch],
    slot: &Slot,
) -> Result<(), Fault> {
    let mut writers = slot.lock().unwrap_or_else(PoisonError::into_inner);
    for batch in round {
        let Some(column) = batch.columns().get(at) else { continue };
        let leaves = compute_leaves(field, column).map_err(encode_fault)?;
        for (writer, leaf) in writers.iter_mut().zip(&leaves) {
            writer.write(leaf).map_err(encode_fault)?;
        }
    }
    Ok(())
}

/// Does `work` for each of `order`, on a few threads, and answers the first fault.
fn share(order: &[usize], work: impl Fn(usize) -> Result<(), Fault> + Sync) -> Result<(), Fault> {
    let next = AtomicUsize::new(0);
    let fault = Mutex::new(None);
    let run = || {
        while let Some(at) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(found) = work(*at) {
                let mut first = fault.lock().unwrap_or_else(PoisonError::into_inner);
                first.get_or_insert(found);
                return;
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let others = threads.min(THREADS_MAX).min(order.len()).saturating_sub(1);
    std::thread::scope(|scope| {
        for _at in 0..others {
            scope.spawn(run);
        }
        run();
    });
    fault.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

/// How many columns of Parquet a type becomes.
pub(super) fn leaf_count(kind: &arrow::datatypes::DataType) -> usize {
    use arrow::datatypes::DataType as T;
    match kind {
        T::List(inner)
        | T::LargeList(inner)
        | T::ListView(inner)
        | T::LargeListView(inner)
        | T::FixedSizeList(inner, _)
        | T::Map(inner, _) => leaf_count(inner.data_type()),
        T::Struct(fields) => fields.iter().map(|field| leaf_count(field.data_type())).sum(),
        _ => 1,
    }
}

/// The fault of a failed encoding or write. A full disk is told as such.
pub(crate) fn encode_fault(error: ParquetError) -> Fault {
    match error {
        ParquetError::External(cause) => match cause.downcast::<std::io::Error>() {
            Ok(io) => Fault::io("writing the parquet file", *io),
            Err(cause) => {
                Fault::new(ErrorClass::Internal, "writing the parquet file").because(cause)
            }
        },
        ParquetError::NYI(what) => {
            Fault::new(ErrorClass::Unsupported, "parquet cannot hold a column's type").because(what)
        }
        error => Fault::new(ErrorClass::Internal, "writing the parquet file").because(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_as_such() {
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        assert_eq!(encode_fault(full.into()).class(), ErrorClass::DiskFull);
    }
}
