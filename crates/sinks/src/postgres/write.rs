//! The writer: one transaction from the first look at the table to the commit.

use std::pin::Pin;
use std::sync::Arc;

use arrow::array::RecordBatch;
use async_trait::async_trait;
use bytes::Bytes;
use flowglass_clients::postgres::{Session, TableName, fault};
use flowglass_connect::{
    Batch, BatchWriter, Clock, CursorState, Fault, Outcome, RawEncoding, Strategy, WritePlan,
};
use flowglass_model::ErrorClass;
use futures::SinkExt;
use tokio_postgres::CopyInSink;

use super::encode::{Cells, Refusal};
use super::fit::{Fitted, check_raw, create, fit};
use super::merge;
use super::refresh;
use super::spell::spell;
use super::state::{self, Kept};

/// Signature, flags and extension length of binary COPY.
const HEADER: &[u8; 19] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const TRAILER: [u8; 2] = [0xff, 0xff];

/// The server keeps a message whole in memory; larger ones gain nothing.
const MESSAGE_BYTES_MAX: usize = 256 << 10;

/// Where the rows go until the commit.
#[derive(Debug)]
enum Load {
    /// Into the table itself.
    Direct,
    /// Into a table that nobody else can see yet: the target itself, made in this transaction, or
    /// one aside that takes the place of the table with this oid.
    Fresh(Option<(TableName, u32)>),
    /// Into a temporary table, and from there into the target.
    Staged,
}

/// A transaction that is being filled. Dropping it closes the connection, and Postgres rolls back.
pub(super) struct Writer {
    copy: Pin<Box<CopyInSink<Bytes>>>,
    session: Session,
    table: TableName,
    plan: WritePlan,
    clock: Arc<dyn Clock>,
    fitted: Fitted,
    load: Load,
    text: bool,
    rows: u64,
    bytes: u64,
}

impl Writer {
    /// Begins the transaction, makes the table fit and starts the COPY.
    pub(super) async fn begin(
        session: Session,
        table: TableName,
        plan: WritePlan,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Fault> {
        session.run("beginning the transaction", "BEGIN").await?;
        let fitted = fit(&session, &table, &plan).await?;
        if plan.raw.is_some() {
            check_raw(&fitted, &plan, &table)?;
        }
        let load = prepare(&session, &table, &plan, &fitted).await?;
        let mut text = false;
        if plan.raw.is_none() {
            for column in &fitted.columns {
                if let Some(field) = plan.schema.fields().get(column.at) {
                    let empty = arrow::array::new_empty_array(field.data_type());
                    text |= Cells::new(&empty, field, &column.ty)?.needs_text();
                }
            }
        }
        let into = match &load {
            Load::Direct | Load::Fresh(None) => table.sql(),
            Load::Fresh(Some((aside, _oid))) => aside.sql(),
            Load::Staged => merge::STAGE.to_owned(),
        };
        // Frozen rows are visible to every snapshot, also to those taken before the swap: a reader
        // with an old snapshot sees the new rows and never an empty table.
        let freeze = if matches!(load, Load::Fresh(_)) { ", FREEZE" } else { "" };
        let format = if text { "text" } else { "binary" };
        let names = fitted.names();
        let sql = format!("COPY {into} ({names}) FROM STDIN (FORMAT {format}{freeze})");
        let doing = format!("starting to fill {table}");
        let copy = session.client.copy_in(&sql).await.map_err(|error| fault(doing, error))?;
        let (rows, bytes) = (0, 0);
        let copy = Box::pin(copy);
        let mut writer =
            Self { copy, session, table, plan, clock, fitted, load, text, rows, bytes };
        if !text {
            writer.send(Bytes::from_static(HEADER)).await?;
        }
        Ok(writer)
    }

    /// Hands bytes to the server in pieces.
    async fn send(&mut self, mut bytes: Bytes) -> Result<(), Fault> {
        self.bytes += bytes.len() as u64;
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(MESSAGE_BYTES_MAX));
            let sent = self.copy.as_mut().feed(piece).await;
            if let Err(error) = sent {
                return Err(fault(format!("filling {}", self.table), error));
            }
        }
        Ok(())
    }

    async fn write_arrow(&mut self, batch: &RecordBatch) -> Result<(), Fault> {
        let mut columns = Vec::with_capacity(self.fitted.columns.len());
        for column in &self.fitted.columns {
            let field = self.plan.schema.fields().get(column.at);
            let (Some(array), Some(field)) = (batch.columns().get(column.at), field) else {
                return Err(Fault::new(ErrorClass::Internal, "a batch lacks a planned column"));
            };
            columns.push(Cells::new(array, field, &column.ty)?);
        }
        let mut out = Vec::with_capacity(batch.get_array_memory_size() + 16 * batch.num_rows());
        let written = if self.text {
            text_rows(&columns, batch.num_rows(), &mut out)
        } else {
            binary_rows(&columns, batch.num_rows(), &mut out)
        };
        if let Err((row, at, refusal)) = written {
            let name = self.fitted.columns.get(at).map_or("?", |column| column.name.as_str());
            let row = self.rows + row as u64 + 1;
            let class = match refusal {
                Refusal::Inexact => ErrorClass::Inexact,
                Refusal::TooLong => ErrorClass::TooLarge,
                Refusal::Unreadable => ErrorClass::Malformed,
            };
            return Err(Fault::new(
                class,
                format!("column `{name}`: row {row} {}", refusal.words()),
            ));
        }
        self.rows += batch.num_rows() as u64;
        self.send(out.into()).await
    }

    /// What the load comes to in the target, before state and commit.
    async fn settle(&self, copied: u64, cursor: Option<&CursorState>) -> Result<Outcome, Fault> {
        let (session, table) = (&self.session, &self.table);
        let inserted = Outcome { inserted: copied, ..Outcome::default() };
        match &self.load {
            Load::Direct | Load::Fresh(None) => Ok(inserted),
            Load::Fresh(Some((aside, oid))) => {
                refresh::swap(session, table, *oid, aside).await?;
                Ok(inserted)
            }
            Load::Staged => {
                if !self.fitted.added.is_empty() && self.fitted.there.oid.is_some() {
                    let add = self.fitted.add_columns(&table.sql());
                    session.run(&format!("adding columns to {table}"), &add).await?;
                }
                if self.plan.strategy == Strategy::IncrementalMerge {
                    merge::merge(session, table, &self.fitted, &self.plan.key, cursor).await
                } else {
                    merge::append(session, table, &self.fitted).await
                }
            }
        }
    }

    async fn final_rows(&self, inserted: u64) -> Result<u64, Fault> {
        if matches!(self.load, Load::Fresh(_)) {
            return Ok(inserted);
        }
        let sql = format!("SELECT count(*) FROM {}", self.table.sql());
        let doing = format!("counting the rows of {}", self.table);
        let row = self.session.client.query_one(&sql, &[]).await;
        let row = row.map_err(|error| fault(doing, error))?;
        Ok(row.get::<_, i64>(0).unsigned_abs())
    }
}

/// Makes what the rows are copied into.
async fn prepare(
    session: &Session,
    table: &TableName,
    plan: &WritePlan,
    fitted: &Fitted,
) -> Result<Load, Fault> {
    let merging = plan.strategy == Strategy::IncrementalMerge;
    let Some(oid) = fitted.there.oid else {
        let make = create(&table.sql(), fitted, plan);
        session.run(&format!("making the table {table}"), &make).await?;
        if merging {
            merge::make_stage(session, fitted).await?;
            return Ok(Load::Staged);
        }
        return Ok(Load::Fresh(None));
    };
    if plan.strategy == Strategy::FullRefresh {
        if refresh::can_be_replaced(session, oid).await? {
            let aside = refresh::make_aside(session, table, oid).await?;
            if !fitted.added.is_empty() {
                let add = fitted.add_columns(&aside.sql());
                session.run(&format!("adding columns to {table}"), &add).await?;
            }
            return Ok(Load::Fresh(Some((aside, oid))));
        }
        let name = table.sql();
        let empty = format!(
            "LOCK TABLE {name} IN SHARE ROW EXCLUSIVE MODE; {} DELETE FROM {name}",
            fitted.add_columns(&name)
        );
        session.run(&format!("replacing the rows of {table}"), &empty).await?;
        return Ok(Load::Direct);
    }
    // New columns are added at the end: `ALTER TABLE` locks readers out until the commit.
    if merging || !fitted.added.is_empty() {
        merge::make_stage(session, fitted).await?;
        return Ok(Load::Staged);
    }
    Ok(Load::Direct)
}

type Placed = (usize, usize, Refusal);

fn binary_rows(columns: &[Cells], rows: usize, out: &mut Vec<u8>) -> Result<(), Placed> {
    let count = i16::try_from(columns.len()).unwrap_or(i16::MAX).to_be_bytes();
    for row in 0..rows {
        out.extend_from_slice(&count);
        for (at, column) in columns.iter().enumerate() {
            column.put(row, out).map_err(|refusal| (row, at, refusal))?;
        }
    }
    Ok(())
}

fn text_rows(columns: &[Cells], rows: usize, out: &mut Vec<u8>) -> Result<(), Placed> {
    let mut scratch = Vec::new();
    for row in 0..rows {
        for (at, column) in columns.iter().enumerate() {
            if at > 0 {
                out.push(b'\t');
            }
            spell(column, row, &mut scratch, out).map_err(|refusal| (row, at, refusal))?;
        }
        out.push(b'\n');
    }
    Ok(())
}

#[async_trait]
impl BatchWriter for Writer {
    async fn write(&mut self, batch: Batch) -> Result<(), Fault> {
        match (batch, self.plan.raw) {
            (Batch::Arrow(batch), None) => self.write_arrow(&batch).await,
            (Batch::Raw(raw), Some(RawEncoding::PostgresCopyBinary)) => {
                self.rows += raw.rows;
                self.send(raw.bytes).await
            }
            _ => {
                Err(Fault::new(ErrorClass::Internal, "a batch is in another encoding than planned"))
            }
        }
    }

    async fn commit(mut self: Box<Self>, cursor: Option<CursorState>) -> Result<Outcome, Fault> {
        if !self.text {
            self.send(Bytes::from_static(&TRAILER)).await?;
        }
        let copied = self.copy.as_mut().finish().await;
        let copied = copied.map_err(|error| fault(format!("filling {}", self.table), error))?;
        if copied != self.rows {
            let (rows, table) = (self.rows, &self.table);
            let doing = format!("{rows} rows were sent to {table} and {copied} arrived");
            return Err(Fault::new(ErrorClass::Internal, doing));
        }
        let mut outcome = self.settle(copied, cursor.as_ref()).await?;
        outcome.unchanged = copied.saturating_sub(outcome.inserted + outcome.updated);
        outcome.final_rows = self.final_rows(outcome.inserted).await?;
        outcome.bytes = self.bytes;
        if self.fitted.there.oid.is_some() {
            let added = self.fitted.added.iter();
            outcome.columns_added =
                added.map(|it| (it.name.clone(), it.declared.clone())).collect();
        }
        let kept = Kept { cursor, token: self.plan.token.clone(), outcome: outcome.clone() };
        let schema = &self.table.schema;
        state::store(&self.session, schema, &self.plan.owner, &kept, self.clock.now()).await?;
        self.session.run(&format!("committing to {}", self.table), "COMMIT").await?;
        Ok(outcome)
    }

    async fn abort(self: Box<Self>) -> Result<(), Fault> {
        let Self { copy, session, .. } = *self;
        // An unfinished COPY fails when its sink goes; the rollback then waits until the server
        // has let go of its locks.
        drop(copy);
        session.run("rolling back", "ROLLBACK").await
    }
}
