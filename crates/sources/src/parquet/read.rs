//! Decodes row groups, a few at a time, each on a thread of its own that is never more than two
//! batches ahead: memory is bounded by pages and batches and not by the size of row groups.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Seek as _, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use flowglass_connect::{Batch, BlockingRead, Fault};
use flowglass_model::ErrorClass;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReaderBuilder};
use parquet::errors::Result as ParquetResult;
use parquet::file::reader::{ChunkReader, Length};

use super::open::{broken, malformed};
use crate::files::{CursorFilter, Found, workers_max};

/// Batches that a row group's thread may be ahead.
const BATCHES_AHEAD_MAX: usize = 2;

/// All that decoding needs to know.
#[derive(Debug)]
pub(super) struct Layout {
    /// Which columns are wanted, in the order of the schema.
    pub(super) picked: Vec<usize>,
    pub(super) schema: SchemaRef,
    pub(super) filter: Option<(usize, CursorFilter)>,
    pub(super) rows_max: usize,
    pub(super) bytes_max: usize,
}

/// A row group to read.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) file: Arc<Found>,
    pub(super) footer: ArrowReaderMetadata,
    pub(super) at: usize,
}

type Answer = Result<RecordBatch, Fault>;

/// The reader behind the threads' doorframe.
pub(super) struct Reader {
    layout: Arc<Layout>,
    groups: VecDeque<Group>,
    under_way: VecDeque<Receiver<Answer>>,
    bytes: Arc<AtomicU64>,
}

impl Reader {
    pub(super) fn new(layout: Layout, groups: Vec<Group>, bytes: Arc<AtomicU64>) -> Self {
        let (layout, groups) = (Arc::new(layout), groups.into());
        Self { layout, groups, under_way: VecDeque::new(), bytes }
    }

    fn start_groups(&mut self) -> Result<(), Fault> {
        while self.under_way.len() < workers_max() {
            let Some(group) = self.groups.pop_front() else { break };
            let (send, batches) = sync_channel(BATCHES_AHEAD_MAX);
            let (layout, bytes) = (Arc::clone(&self.layout), Arc::clone(&self.bytes));
            std::thread::Builder::new()
                .name("parquet-decode".to_owned())
                .spawn(move || {
                    if let Err(fault) = decode(&layout, &group, bytes, &send) {
                        // Nobody listens any more when this fails.
                        send.send(Err(fault)).unwrap_or_default();
                    }
                })
                .map_err(|error| Fault::io("starting the thread `parquet-decode`", error))?;
            self.under_way.push_back(batches);
        }
        Ok(())
    }
}

impl BlockingRead for Reader {
    fn next(&mut self) -> Result<Option<Batch>, Fault> {
        loop {
            self.start_groups()?;
            let Some(batches) = self.under_way.front() else { return Ok(None) };
            match batches.recv() {
                Ok(batch) => return Ok(Some(Batch::Arrow(batch?))),
                Err(_ended) => drop(self.under_way.pop_front()),
            }
        }
    }
}

fn decode(
    layout: &Layout,
    group: &Group,
    bytes: Arc<AtomicU64>,
    send: &SyncSender<Answer>,
) -> Result<(), Fault> {
    let name = &group.file.name;
    let file = File::open(&group.file.path)
        .map_err(|error| Fault::io(format!("opening `{name}`"), error))?;
    let mut columns = layout.picked.clone();
    if let Some((cursor, _filter)) = &layout.filter
        && !columns.contains(cursor)
    {
        columns.push(*cursor);
    }
    let mask = ProjectionMask::roots(group.footer.parquet_schema(), columns.iter().copied());
    // The decoder gives the columns in the order of the file.
    let mut order = columns;
    order.sort_unstable();
    let place = |column: &usize| order.iter().position(|it| it == column);
    let input = Counted { file, bytes };
    let rows = batch_rows(layout, group);
    let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(input, group.footer.clone())
        .with_row_groups(vec![group.at])
        .with_projection(mask)
        .with_batch_size(rows)
        .build()
        .map_err(|error| broken(name, error))?;
    for batch in reader {
        let whole = batch.map_err(|error| malformed(name).because(error))?;
        let picked: Vec<usize> = layout.picked.iter().filter_map(place).collect();
        let mut batch = whole.project(&picked).map_err(lost)?;
        batch = batch.with_schema(SchemaRef::clone(&layout.schema)).map_err(lost)?;
        if let Some((column, filter)) = &layout.filter
            && let Some(cursor) = place(column).and_then(|at| whole.columns().get(at))
        {
            batch = filter.keep(&batch, cursor)?;
        }
        if batch.num_rows() > 0 && send.send(Ok(batch)).is_err() {
            break;
        }
    }
    Ok(())
}

fn lost(error: arrow::error::ArrowError) -> Fault {
    Fault::new(ErrorClass::Internal, "putting the columns of a parquet batch together")
        .because(error)
}

/// Rows of a batch, so that it stays under the bound of bytes by the group's own average.
fn batch_rows(layout: &Layout, group: &Group) -> usize {
    let group = group.footer.metadata().row_group(group.at);
    let rows = usize::try_from(group.num_rows()).unwrap_or(1).max(1);
    let bytes = usize::try_from(group.total_byte_size()).unwrap_or(0);
    let row = (bytes / rows).max(1);
    (layout.bytes_max / row).clamp(1, layout.rows_max)
}

/// A file that counts what is read of it.
struct Counted {
    file: File,
    bytes: Arc<AtomicU64>,
}

impl Length for Counted {
    fn len(&self) -> u64 {
        self.file.metadata().map_or(0, |meta| meta.len())
    }
}

struct CountedRead {
    file: std::io::BufReader<File>,
    bytes: Arc<AtomicU64>,
}

impl Read for CountedRead {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let got = self.file.read(buffer)?;
        self.bytes.fetch_add(got as u64, Ordering::Relaxed);
        Ok(got)
    }
}

impl ChunkReader for Counted {
    type T = CountedRead;

    fn get_read(&self, start: u64) -> ParquetResult<CountedRead> {
        let mut file = self.file.try_clone()?;
        file.seek(SeekFrom::Start(start))?;
        let file = std::io::BufReader::new(file);
        Ok(CountedRead { file, bytes: Arc::clone(&self.bytes) })
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        let mut buffer = Vec::new();
        let wanted = u64::try_from(length).unwrap_or(u64::MAX);
        let got = self.get_read(start)?.take(wanted).read_to_end(&mut buffer)?;
        if got == length {
            return Ok(buffer.into());
        }
        Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into())
    }
}
