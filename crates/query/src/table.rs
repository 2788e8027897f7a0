//! A [`BatchSource`] as a table of DataFusion: its columns are known from one look, each scan of a
//! plan opens it anew and reads only the columns that the scan needs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::datasource::TableType;
use datafusion::error::{DataFusionError, Result as DfResult};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use flowglass_connect::{Batch, BatchReader, BatchSource, Fault, QueryTable, ReadRequest};
use flowglass_model::ErrorClass;
use futures::stream;

use super::names::Names;

/// What the scans of one query tell its reader, past DataFusion's own error type.
#[derive(Debug, Default)]
pub(crate) struct Told {
    fault: Mutex<Option<Fault>>,
    bytes: AtomicU64,
}

impl Told {
    /// The first fault of a source, once.
    pub(crate) fn take_fault(&self) -> Option<Fault> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Bytes read from all sources.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    fn keep(&self, fault: Fault) -> DataFusionError {
        let mut kept = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.is_none() {
            *kept = Some(fault);
        }
        DataFusionError::Execution("a source could not be read".to_owned())
    }
}

/// A table whose columns are known.
#[derive(Clone)]
pub(crate) struct Table {
    /// Its name in the query and its source.
    pub(crate) table: QueryTable,
    /// Its columns in their own spelling.
    pub(crate) schema: SchemaRef,
}

impl Table {
    /// Looks at the source.
    pub(crate) async fn look(table: QueryTable) -> Result<Self, Fault> {
        let reader = table.source.open(ReadRequest::default()).await?;
        Ok(Self { schema: reader.schema(), table })
    }

    /// The names of its columns.
    pub(crate) fn columns(&self) -> impl Iterator<Item = &str> + Clone {
        self.schema.fields().iter().map(|field| field.name().as_str())
    }

    /// As the planner sees it.
    pub(crate) fn provider(
        &self,
        names: &Names,
        told: &Arc<Told>,
        batch_rows_max: usize,
    ) -> Provider {
        let fields: Vec<_> = self
            .schema
            .fields()
            .iter()
            .map(|field| field.as_ref().clone().with_name(names.shown(field.name())))
            .collect();
        Provider {
            source: Arc::clone(&self.table.source),
            own: Arc::clone(&self.schema),
            shown: Arc::new(Schema::new(fields)),
            told: Arc::clone(told),
            batch_rows_max,
        }
    }
}

/// A source in DataFusion's catalog.
pub(crate) struct Provider {
    source: Arc<dyn BatchSource>,
    own: SchemaRef,
    shown: SchemaRef,
    told: Arc<Told>,
    batch_rows_max: usize,
}

impl std::fmt::Debug for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Provider({})", self.source.asset())
    }
}

#[async_trait]
impl TableProvider for Provider {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.shown)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        let all: Vec<usize> = (0..self.own.fields().len()).collect();
        let wanted = projection.unwrap_or(&all);
        // A scan that only counts rows still has to read something: the cheapest column.
        let read = match (wanted.is_empty(), cheapest(&self.own)) {
            (true, Some(column)) => vec![column],
            _ => wanted.clone(),
        };
        let shown: SchemaRef = Arc::new(self.shown.project(wanted)?);
        let scan = Scan {
            source: Arc::clone(&self.source),
            columns: (read != all).then(|| self.own.project(&read)).transpose()?,
            read: Arc::new(self.own.project(&read)?),
            shown: Arc::clone(&shown),
            told: Arc::clone(&self.told),
            batch_rows_max: self.batch_rows_max,
        };
        let exec =
            StreamingTableExec::try_new(shown, vec![Arc::new(scan)], None, None, false, limit)?;
        Ok(Arc::new(exec))
    }
}

/// The column that costs least to read: fixed width before text before nested.
fn cheapest(schema: &Schema) -> Option<usize> {
    let cost = |kind: &DataType| match kind {
        DataType::Boolean => 1,
        other => match other.primitive_width() {
            Some(width) => width,
            None if other.is_nested() => 1 << 20,
            None => 1 << 10,
        },
    };
    (0..schema.fields().len()).min_by_key(|index| cost(schema.field(*index).data_type()))
}

/// One scan of a plan.
struct Scan {
    source: Arc<dyn BatchSource>,
    /// What the source is asked for; all its columns when `None`.
    columns: Option<Schema>,
    /// What it must answer.
    read: SchemaRef,
    /// What the plan sees.
    shown: SchemaRef,
    told: Arc<Told>,
    batch_rows_max: usize,
}

impl std::fmt::Debug for Scan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Scan({})", self.source.asset())
    }
}

impl PartitionStream for Scan {
    fn schema(&self) -> &SchemaRef {
        &self.shown
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let request = ReadRequest {
            columns: self
                .columns
                .as_ref()
                .map(|schema| schema.fields().iter().map(|field| field.name().clone()).collect()),
            batch_rows_max: self.batch_rows_max,
            ..ReadRequest::default()
        };
        let reading = Reading {
            source: Arc::clone(&self.source),
            request: Some(request),
            reader: None,
            read: Arc::clone(&self.read),
            shown: Arc::clone(&self.shown),
            told: Arc::clone(&self.told),
            bytes_seen: 0,
        };
        let batches = stream::try_unfold(reading, |mut reading| async move {
            match reading.next().await {
                Ok(batch) => Ok(batch.map(|batch| (batch, reading))),
                Err(fault) => Err(reading.told.keep(fault)),
            }
        });
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.shown), batches))
    }
}

/// A scan under way. Nothing is opened before the first batch is asked for.
struct Reading {
    source: Arc<dyn BatchSource>,
    request: Option<ReadRequest>,
    reader: Option<Box<dyn BatchReader>>,
    read: SchemaRef,
    shown: SchemaRef,
    told: Arc<Told>,
    bytes_seen: u64,
}

impl Reading {
    async fn next(&mut self) -> Result<Option<RecordBatch>, Fault> {
        if let Some(request) = self.request.take() {
            let reader = self.source.open(request).await?;
            self.agrees(&reader.schema())?;
            self.reader = Some(reader);
        }
        let Some(reader) = self.reader.as_mut() else { return Ok(None) };
        let batch = reader.next().await?;
        let bytes = reader.bytes_read();
        self.told.bytes.fetch_add(bytes.saturating_sub(self.bytes_seen), Ordering::Relaxed);
        self.bytes_seen = bytes;
        match batch {
            Some(Batch::Arrow(batch)) => self.show(&batch).map(Some),
            Some(Batch::Raw(_)) => {
                Err(self.broken("it answered in an encoding that was not asked for"))
            }
            None => {
                // A reader that is done holds a connection or a thread until it is dropped.
                self.reader = None;
                Ok(None)
            }
        }
    }

    /// The columns were fixed when the query was planned.
    fn agrees(&self, now: &Schema) -> Result<(), Fault> {
        let same = now.fields().len() == self.read.fields().len()
            && now.fields().iter().zip(self.read.fields()).all(|(now, then)| {
                now.name() == then.name() && now.data_type() == then.data_type()
            });
        if same {
            return Ok(());
        }
        let said =
            format!("the columns of {} changed while the query was planned", self.source.asset());
        Err(Fault::new(ErrorClass::Schema, said).hint("run it again; nothing was written"))
    }

    fn show(&self, batch: &RecordBatch) -> Result<RecordBatch, Fault> {
        let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let width = self.shown.fields().len();
        let columns = batch.columns().iter().take(width).map(Arc::clone).collect();
        RecordBatch::try_new_with_options(Arc::clone(&self.shown), columns, &rows)
            .map_err(|_values| self.broken("its batch does not fit its schema"))
    }

    fn broken(&self, what: &str) -> Fault {
        Fault::new(ErrorClass::Internal, format!("reading {}: {what}", self.source.asset()))
    }
}
