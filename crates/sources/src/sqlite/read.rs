//! The reading thread: one statement in one read transaction, batch after batch.
//!
//! A prepared statement borrows its connection, so both live on the thread's stack; the async
//! side holds the other end of a bounded channel, and dropping that end ends the thread.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use flowglass_clients::exact::{parse_moment, parse_scaled_wide};
use flowglass_clients::sqlite::{fault, open_reader, quote};
use flowglass_connect::{
    Batch, BatchReader, CursorBound, CursorKind, CursorValue, Fault, ReadRequest,
};
use flowglass_model::ErrorClass;
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Row};
use tokio::sync::{mpsc, oneshot};

use super::column::{Column, Refusal};
use super::config::Config;
use super::schema::{Shape, shapes, statement_text};

/// Batches that may wait between the thread and the engine.
const BATCHES_IN_FLIGHT_MAX: usize = 2;

/// An open read of a SQLite file.
#[derive(Debug)]
pub(super) struct Reader {
    opening: Opening,
    bytes: Arc<AtomicU64>,
    batches: mpsc::Receiver<Result<Batch, Fault>>,
}

#[derive(Debug)]
struct Opening {
    schema: SchemaRef,
    rows_expected: Option<u64>,
}

impl Reader {
    /// Opens the file on a thread of its own and waits until the schema is known.
    pub(super) async fn start(
        config: Config,
        file: PathBuf,
        request: ReadRequest,
    ) -> Result<Self, Fault> {
        let (send, batches) = mpsc::channel(BATCHES_IN_FLIGHT_MAX);
        let (tell, told) = oneshot::channel();
        let bytes = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&bytes);
        let name = "sqlite-read";
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                let mut tell = Some(tell);
                let work = Work { config: &config, request: &request, bytes: &counted };
                let ended = open_reader(&file)
                    .and_then(|connection| work.read(&connection, &mut tell, &send));
                if let Err(fault) = ended {
                    match tell.take() {
                        Some(tell) => drop(tell.send(Err(fault))),
                        None => drop(send.blocking_send(Err(fault))),
                    }
                }
            })
            .map_err(|error| Fault::io(format!("starting the thread `{name}`"), error))?;
        let opening = told.await.map_err(|_gone| {
            Fault::new(ErrorClass::Internal, "the reading thread ended without an answer")
        })??;
        Ok(Self { opening, bytes, batches })
    }
}

#[async_trait]
impl BatchReader for Reader {
    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.opening.schema)
    }

    fn rows_expected(&self) -> Option<u64> {
        self.opening.rows_expected
    }

    fn bytes_read(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    async fn next(&mut self) -> Result<Option<Batch>, Fault> {
        self.batches.recv().await.transpose()
    }
}

struct Work<'a> {
    config: &'a Config,
    request: &'a ReadRequest,
    bytes: &'a AtomicU64,
}

type Tell = Option<oneshot::Sender<Result<Opening, Fault>>>;

impl Work<'_> {
    fn read(
        &self,
        connection: &Connection,
        tell: &mut Tell,
        send: &mpsc::Sender<Result<Batch, Fault>>,
    ) -> Result<(), Fault> {
        connection
            .execute_batch("BEGIN")
            .map_err(|error| fault("beginning a read transaction", error))?;
        let (mut sql, has_rowid) =
            statement_text(connection, self.config, self.request.columns.as_deref())?;
        let bound = Bound::new(self.request.from_cursor.as_ref())?;
        if let Some((condition, _value)) = bound.as_ref().and_then(Bound::pushed_down) {
            sql = match sql.rfind(" ORDER BY ").filter(|_at| has_rowid) {
                Some(at) => {
                    let (select, order) = sql.split_at(at);
                    format!("{select} WHERE {condition}{order}")
                }
                None => format!("{sql} WHERE {condition}"),
            };
        }
        let mut statement =
            connection.prepare(&sql).map_err(|error| fault("preparing the read", error))?;
        let skip = usize::from(has_rowid);
        let shapes = shapes(connection, &statement, skip, self.config)?;
        let fields: Vec<_> = shapes.iter().map(|shape| shape.field.clone()).collect();
        let schema = Arc::new(Schema::new(fields));
        let rows_expected = has_rowid.then(|| self.rows_expected(connection)).flatten();
        let mut filling = Filling::new(&shapes, SchemaRef::clone(&schema), self.request, skip)?;
        filling.filter = match &bound {
            Some(bound) => bound.filter(&schema, skip)?,
            None => None,
        };
        if let Some((_condition, Some(value))) = bound.as_ref().and_then(Bound::pushed_down) {
            statement
                .raw_bind_parameter(1, value)
                .map_err(|error| fault("setting where to read from", error))?;
        }
        if let Some(tell) = tell.take()
            && tell.send(Ok(Opening { schema, rows_expected })).is_err()
        {
            return Ok(());
        }
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next().map_err(|error| fault("reading a row", error))? {
            if let Some(batch) = filling.take(row, self.bytes)?
                && send.blocking_send(Ok(batch)).is_err()
            {
                return Ok(());
            }
        }
        if let Some(batch) = filling.rest()? {
            // Nobody listens any more when this fails.
            send.blocking_send(Ok(batch)).unwrap_or_default();
        }
        Ok(())
    }

    /// The span of the rowids: exact for tables that nothing was deleted from, and free.
    fn rows_expected(&self, connection: &Connection) -> Option<u64> {
        if self.request.from_cursor.as_ref().is_some_and(|cursor| cursor.value.is_some()) {
            return None;
        }
        let table = quote(self.config.table.as_deref()?);
        let sql = format!(
            "SELECT (SELECT max(rowid) FROM {table}) - (SELECT min(rowid) FROM {table}) + 1"
        );
        let span: Option<i64> = connection.query_row(&sql, [], |row| row.get(0)).ok()?;
        u64::try_from(span.unwrap_or(0)).ok()
    }
}

/// Columns being filled into a batch.
struct Filling<'a> {
    columns: Vec<Column>,
    schema: SchemaRef,
    request: &'a ReadRequest,
    /// 1 when the rowid stands before the columns.
    skip: usize,
    filter: Option<Filter>,
    rows: usize,
    bytes: usize,
    row_number: u64,
}

impl<'a> Filling<'a> {
    fn new(
        shapes: &[Shape],
        schema: SchemaRef,
        request: &'a ReadRequest,
        skip: usize,
    ) -> Result<Self, Fault> {
        let columns = shapes.iter().map(|shape| {
            Column::new(shape).ok_or_else(|| {
                let doing = format!("column `{}` has a type that is not read", shape.field.name());
                Fault::new(ErrorClass::Unsupported, doing)
            })
        });
        let columns = columns.collect::<Result<_, _>>()?;
        Ok(Self { columns, schema, request, skip, filter: None, rows: 0, bytes: 0, row_number: 0 })
    }

    fn take(&mut self, row: &Row<'_>, counted: &AtomicU64) -> Result<Option<Batch>, Fault> {
        self.row_number += 1;
        if let Some(filter) = &self.filter
            && !filter.lets_pass(row, || self.place(row))?
        {
            return Ok(None);
        }
        let mut bytes = 0;
        for (at, column) in self.columns.iter_mut().enumerate() {
            let value =
                row.get_ref(at + self.skip).map_err(|error| fault("reading a value", error))?;
            match column.push(value) {
                Ok(size) => bytes += size,
                Err(refusal) => return Err(self.refused(at, refusal, Some(row))),
            }
        }
        counted.fetch_add(bytes as u64, Ordering::Relaxed);
        self.rows += 1;
        self.bytes += bytes;
        if self.rows >= self.request.batch_rows_max || self.bytes >= self.request.batch_bytes_max {
            return self.rest();
        }
        Ok(None)
    }

    /// The batch so far, if it holds a row.
    fn rest(&mut self) -> Result<Option<Batch>, Fault> {
        if self.rows == 0 {
            return Ok(None);
        }
        let mut arrays = Vec::with_capacity(self.columns.len());
        for at in 0..self.columns.len() {
            match self.columns.get_mut(at).map(Column::finish) {
                Some(Ok(array)) => arrays.push(array),
                Some(Err(refusal)) => return Err(self.refused(at, refusal, None)),
                None => {}
            }
        }
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        self.rows = 0;
        self.bytes = 0;
        RecordBatch::try_new_with_options(SchemaRef::clone(&self.schema), arrays, &options)
            .map(|batch| Some(Batch::Arrow(batch)))
            .map_err(|error| Fault::new(ErrorClass::Internal, "making a batch").because(error))
    }

    fn place(&self, row: &Row<'_>) -> String {
        match row.get_ref(0) {
            Ok(ValueRef::Integer(rowid)) if self.skip == 1 => format!("the row of rowid {rowid}"),
            _ => format!("row {}", self.row_number),
        }
    }

    fn refused(&self, at: usize, refusal: Refusal, row: Option<&Row<'_>>) -> Fault {
        let place = match row {
            Some(row) => self.place(row),
            None => format!("one of the {} rows before row {}", self.rows, self.row_number + 1),
        };
        let field = self.schema.fields().get(at);
        let name = field.map_or("?", |field| field.name().as_str());
        let kind = field.map_or_else(String::new, |field| field.data_type().to_string());
        let (class, what) = match refusal {
            Refusal::Class(class) => (
                ErrorClass::Inexact,
                format!(
                    "column `{name}` is read as {kind}, but {place} holds a value of class {class}"
                ),
            ),
            Refusal::Unreadable => (
                ErrorClass::Malformed,
                format!("column `{name}`: {place} holds text that is no {kind}"),
            ),
            Refusal::Inexact => (
                ErrorClass::Inexact,
                format!("column `{name}`: {place} holds a value that {kind} cannot keep exactly"),
            ),
            Refusal::NotUtf8 => (
                ErrorClass::Malformed,
                format!("column `{name}`: {place} holds text that is not UTF-8"),
            ),
        };
        Fault::new(class, what)
            .hint(format!("Say what to read it as: `columns: {{ {name}: text }}` keeps any text."))
    }
}

/// Where an incremental read begins.
struct Bound<'a> {
    column: &'a str,
    value: &'a CursorValue,
}

/// Cursor values that SQL cannot compare exactly are compared here, after they were read.
struct Filter {
    at: usize,
    name: String,
    from: Point,
}

/// A cursor value to compare by.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
enum Point {
    /// Scaled to 38 digits behind the point.
    Decimal(arrow::datatypes::i256),
    /// Seconds and nanoseconds.
    Moment(i64, u32),
}

impl<'a> Bound<'a> {
    fn new(bound: Option<&'a CursorBound>) -> Result<Option<Self>, Fault> {
        let Some(CursorBound { column, value: Some(value) }) = bound else {
            return Ok(None);
        };
        if value.kind == CursorKind::Integer && value.text.parse::<i64>().is_err() {
            return Err(Fault::new(
                ErrorClass::Config,
                format!("the stored cursor of column `{column}` is no integer"),
            ));
        }
        Ok(Some(Self { column, value }))
    }

    /// The condition and its value, for kinds that SQLite compares as we do.
    fn pushed_down(&self) -> Option<(String, Option<Value>)> {
        let column = quote(self.column);
        match self.value.kind {
            CursorKind::Integer => {
                let value = self.value.text.parse().ok()?;
                Some((format!("{column} >= ?1"), Some(Value::Integer(value))))
            }
            CursorKind::Text => {
                let value = Value::Text(self.value.text.clone());
                Some((format!("{column} COLLATE BINARY >= ?1"), Some(value)))
            }
            CursorKind::Decimal
            | CursorKind::Timestamp
            | CursorKind::LocalTimestamp
            | CursorKind::Date => Some((format!("{column} IS NOT NULL"), None)),
        }
    }

    fn filter(&self, schema: &Schema, skip: usize) -> Result<Option<Filter>, Fault> {
        if matches!(self.value.kind, CursorKind::Integer | CursorKind::Text) {
            return Ok(None);
        }
        let at = schema.index_of(self.column).map_err(|_missing| {
            let doing = format!("the cursor column `{}` is not among those read", self.column);
            Fault::new(ErrorClass::Config, doing)
        })?;
        let from = Point::read(self.value.kind, self.value.text.as_bytes()).ok_or_else(|| {
            let doing = format!("the stored cursor of column `{}` is unreadable", self.column);
            Fault::new(ErrorClass::Malformed, doing)
        })?;
        Ok(Some(Filter { at: at + skip, name: self.column.to_owned(), from }))
    }
}

impl Point {
    fn read(kind: CursorKind, text: &[u8]) -> Option<Self> {
        match kind {
            CursorKind::Decimal => parse_scaled_wide(text, 76, 38).ok().map(Self::Decimal),
            CursorKind::Timestamp | CursorKind::LocalTimestamp | CursorKind::Date => {
                let moment = parse_moment(text)?;
                let seconds = moment.seconds - i64::from(moment.offset.unwrap_or(0));
                Some(Self::Moment(seconds, moment.nanos))
            }
            CursorKind::Integer | CursorKind::Text => None,
        }
    }
}

impl Filter {
    fn lets_pass(&self, row: &Row<'_>, place: impl FnOnce() -> String) -> Result<bool, Fault> {
        let value = row.get_ref(self.at).map_err(|error| fault("reading a value", error))?;
        let number;
        let text = match value {
            ValueRef::Text(text) => text,
            ValueRef::Integer(integer) => {
                number = integer.to_string();
                number.as_bytes()
            }
            ValueRef::Real(real) => {
                number = format!("{real:?}");
                number.as_bytes()
            }
            ValueRef::Null => return Ok(false),
            ValueRef::Blob(_) => &[],
        };
        let kind = match self.from {
            Point::Decimal(_) => CursorKind::Decimal,
            Point::Moment(..) => CursorKind::Timestamp,
        };
        match Point::read(kind, text) {
            Some(point) => Ok(point >= self.from),
            None => Err(Fault::new(
                ErrorClass::Malformed,
                format!("column `{}`: {} holds no cursor value", self.name, place()),
            )),
        }
    }
}
