//! A source that lives in memory, watched: what it was asked for, how often, and whether its readers are closed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use flowglass_connect::{Batch, BatchReader, BatchSource, Fault, ReadRequest};
use flowglass_model::{AssetRef, ErrorClass};

type Make = dyn Fn(u64) -> Option<RecordBatch> + Send + Sync;

/// A source whose batches are made when they are asked for, so that a table larger than memory costs nothing.
pub struct MemorySource {
    name: String,
    schema: SchemaRef,
    make: Arc<Make>,
    breaks_at: Option<(u64, ErrorClass)>,
    asked: Mutex<Vec<Option<Vec<String>>>>,
    readers: Arc<AtomicU64>,
}

impl MemorySource {
    /// A source of these batches.
    #[must_use]
    pub fn new(name: &str, schema: SchemaRef, batches: Vec<RecordBatch>) -> Self {
        Self::generated(name, schema, move |number| {
            batches.get(usize::try_from(number).ok()?).cloned()
        })
    }

    /// A source whose batch of each number, from 0, is made by `make`; `None` ends it.
    pub fn generated(
        name: &str,
        schema: SchemaRef,
        make: impl Fn(u64) -> Option<RecordBatch> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.to_owned(),
            schema,
            make: Arc::new(make),
            breaks_at: None,
            asked: Mutex::default(),
            readers: Arc::default(),
        }
    }

    /// Fails with this class instead of giving the batch of this number.
    #[must_use]
    pub fn breaking_at(mut self, number: u64, class: ErrorClass) -> Self {
        self.breaks_at = Some((number, class));
        self
    }

    /// The columns of every read so far; `None` is all.
    #[must_use]
    pub fn asked(&self) -> Vec<Option<Vec<String>>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many readers are open now.
    #[must_use]
    pub fn readers_open(&self) -> u64 {
        self.readers.load(Ordering::SeqCst)
    }
}

impl std::fmt::Debug for MemorySource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MemorySource({})", self.name)
    }
}

#[async_trait]
impl BatchSource for MemorySource {
    fn asset(&self) -> AssetRef {
        AssetRef::new("memory", &self.name)
    }

    async fn open(&self, request: ReadRequest) -> Result<Box<dyn BatchReader>, Fault> {
        let projection = match &request.columns {
            None => None,
            Some(columns) => {
                let found: Result<Vec<usize>, _> =
                    columns.iter().map(|column| self.schema.index_of(column)).collect();
                Some(found.map_err(|error| {
                    Fault::new(ErrorClass::NotFound, "opening memory").because(error)
                })?)
            }
        };
        let schema = match &projection {
            None => Arc::clone(&self.schema),
            Some(columns) => Arc::new(self.schema.project(columns).map_err(|error| {
                Fault::new(ErrorClass::Internal, "projecting memory").because(error)
            })?),
        };
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(request.columns);
        self.readers.fetch_add(1, Ordering::SeqCst);
        Ok(Box::new(MemoryReader {
            schema,
            projection,
            make: Arc::clone(&self.make),
            breaks_at: self.breaks_at,
            number: 0,
            bytes: 0,
            readers: Arc::clone(&self.readers),
        }))
    }
}

struct MemoryReader {
    schema: SchemaRef,
    projection: Option<Vec<usize>>,
    make: Arc<Make>,
    breaks_at: Option<(u64, ErrorClass)>,
    number: u64,
    bytes: u64,
    readers: Arc<AtomicU64>,
}

impl Drop for MemoryReader {
    fn drop(&mut self) {
        self.readers.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl BatchReader for MemoryReader {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn bytes_read(&self) -> u64 {
        self.bytes
    }

    async fn next(&mut self) -> Result<Option<Batch>, Fault> {
        loop {
            if let Some((number, class)) = self.breaks_at
                && number == self.number
            {
                return Err(Fault::new(class, "reading memory: it was told to break"));
            }
            let Some(batch) = (self.make)(self.number) else { return Ok(None) };
            self.number += 1;
            if batch.num_rows() == 0 {
                continue;
            }
            self.bytes += batch.get_array_memory_size() as u64;
            let batch = match &self.projection {
                None => batch,
                Some(columns) => batch.project(columns).map_err(|error| {
                    Fault::new(ErrorClass::Internal, "projecting memory").because(error)
                })?,
            };
            return Ok(Some(Batch::Arrow(batch)));
        }
    }
}
