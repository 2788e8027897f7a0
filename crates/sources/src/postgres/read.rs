//! The open read: bytes from the server, cut into batches at row boundaries.

use std::pin::Pin;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use bytes::{Buf, BytesMut};
use flowglass_clients::postgres::{Address, Session, fault};
use flowglass_connect::{Batch, BatchReader, Fault, RawBatch, RawEncoding, ReadRequest};
use flowglass_model::ErrorClass;
use futures::StreamExt;
use tokio_postgres::CopyOutStream;

use super::config::Subject;
use super::decode::{BadRow, Column, Refusal, push_row};
use super::select::{Selection, select};
use super::tuples::{Front, broken, front, header};

/// An open read. Dropping it closes the connection, which makes the server stop.
pub(super) struct Reader {
    selection: Selection,
    stream: Pin<Box<CopyOutStream>>,
    /// What came and was not handed on.
    buffer: BytesMut,
    began: bool,
    ended: bool,
    closed: bool,
    columns: Vec<Column>,
    rows_max: usize,
    bytes_max: usize,
    bytes_read: u64,
    rows_read: u64,
    /// Last field of all: the connection outlives the stream that hangs on it.
    _session: Session,
}

impl Reader {
    /// Connects, takes the snapshot and starts the COPY.
    pub(super) async fn open(
        address: &Address,
        subject: &Subject,
        request: &ReadRequest,
    ) -> Result<Self, Fault> {
        let session = Session::connect(address, "source").await?;
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        session.run("taking a snapshot", begin).await?;
        let selection = select(&session.client, subject, request).await?;
        let stream = session
            .client
            .copy_out(&selection.copy)
            .await
            .map_err(|error| fault("starting to read", error))?;
        let columns = if selection.raw.is_some() {
            Vec::new()
        } else {
            selection.types.iter().map(|ty| Column::new(&ty.form)).collect()
        };
        Ok(Self {
            selection,
            stream: Box::pin(stream),
            buffer: BytesMut::new(),
            began: false,
            ended: false,
            closed: false,
            columns,
            rows_max: request.batch_rows_max.max(1),
            bytes_max: request.batch_bytes_max.max(1),
            bytes_read: 0,
            rows_read: 0,
            _session: session,
        })
    }

    /// Adds the server's next message to the buffer; `false` at the end.
    async fn more(&mut self) -> Result<bool, Fault> {
        if self.closed {
            return Ok(false);
        }
        match self.stream.next().await {
            Some(Ok(bytes)) => {
                self.bytes_read += bytes.len() as u64;
                self.buffer.extend_from_slice(&bytes);
            }
            Some(Err(error)) => return Err(fault("reading rows", error)),
            None if self.ended => {
                // Asked again, the stream would take what follows the COPY for a part of it.
                self.closed = true;
                return Ok(false);
            }
            None => return Err(broken("it ends in the middle")),
        }
        while !self.began {
            match header(&self.buffer)? {
                Some(length) => {
                    self.buffer.advance(length);
                    self.began = true;
                }
                None => return Ok(true),
            }
        }
        Ok(true)
    }

    /// How long the row at `at` in the buffer is, if it is there in whole.
    fn row_at(&mut self, at: usize) -> Result<Option<usize>, Fault> {
        let rest = self.buffer.get(at..).unwrap_or_default();
        if !self.began || self.ended {
            return Ok(None);
        }
        Ok(match front(rest, self.selection.types.len())? {
            Front::Row(length) => Some(length),
            Front::More => None,
            Front::End => {
                self.ended = true;
                None
            }
        })
    }

    async fn next_raw(&mut self) -> Result<Option<Batch>, Fault> {
        let (mut at, mut rows) = (0, 0);
        self.buffer.reserve(self.bytes_max + self.bytes_max / 8);
        loop {
            while rows < self.rows_max && at < self.bytes_max {
                let Some(length) = self.row_at(at)? else {
                    break;
                };
                at += length;
                rows += 1;
            }
            if rows >= self.rows_max || at >= self.bytes_max || !self.more().await? {
                break;
            }
        }
        if rows == 0 {
            return Ok(None);
        }
        self.rows_read += rows as u64;
        let bytes = self.buffer.split_to(at).freeze();
        Ok(Some(Batch::Raw(RawBatch { bytes, rows: rows as u64 })))
    }

    async fn next_arrow(&mut self) -> Result<Option<Batch>, Fault> {
        let (mut bytes, mut rows) = (0, 0);
        loop {
            let mut at = 0;
            while rows < self.rows_max && bytes + at < self.bytes_max {
                let Some(length) = self.row_at(at)? else {
                    break;
                };
                self.decode(at, length)?;
                at += length;
                rows += 1;
            }
            self.buffer.advance(at);
            bytes += at;
            if rows >= self.rows_max || bytes >= self.bytes_max || !self.more().await? {
                break;
            }
        }
        if rows == 0 {
            return Ok(None);
        }
        let arrays = self.columns.iter_mut().map(Column::finish).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let schema = SchemaRef::clone(&self.selection.schema);
        RecordBatch::try_new_with_options(schema, arrays, &options)
            .map(|batch| Some(Batch::Arrow(batch)))
            .map_err(|error| Fault::new(ErrorClass::Internal, "making a batch").because(error))
    }

    fn decode(&mut self, at: usize, length: usize) -> Result<(), Fault> {
        self.rows_read += 1;
        let row = self.buffer.get(at..at + length).unwrap_or_default();
        match push_row(row, &mut self.columns) {
            Ok(()) => Ok(()),
            Err(BadRow::Cut) => Err(broken("a row is cut")),
            Err(BadRow::Field(place, refusal)) => Err(self.refused(place, refusal)),
        }
    }

    fn refused(&self, place: usize, refusal: Refusal) -> Fault {
        let name = self.selection.schema.fields().get(place).map_or("?", |field| field.name());
        let row = self.rows_read;
        let class = match refusal {
            Refusal::Broken | Refusal::NotUtf8 => ErrorClass::Malformed,
            Refusal::Infinite
            | Refusal::OutOfRange
            | Refusal::NotThisDecimal
            | Refusal::OddArray => ErrorClass::Inexact,
        };
        Fault::new(class, format!("column `{name}`: row {row} {}", refusal.words())).hint(
            "Leave such rows out by a `query`, or read the column as text there: `SELECT c::text`.",
        )
    }
}

#[async_trait]
impl BatchReader for Reader {
    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.selection.schema)
    }

    fn raw(&self) -> Option<RawEncoding> {
        self.selection.raw
    }

    fn rows_expected(&self) -> Option<u64> {
        self.selection.rows_expected
    }

    fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    async fn next(&mut self) -> Result<Option<Batch>, Fault> {
        if self.selection.raw.is_some() { self.next_raw().await } else { self.next_arrow().await }
    }
}
