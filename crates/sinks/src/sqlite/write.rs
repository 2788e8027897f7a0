//! The writer: one transaction from the first look at the table to the commit.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use flowglass_clients::sqlite::{fault, open_writer, quote};
use flowglass_connect::{
    Batch, BlockingWrite, Clock, CursorState, Fault, Outcome, Strategy, WritePlan,
};
use flowglass_model::ErrorClass;
use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::bind::{Cell, Cells};
use super::merge;
use super::plan::{Fitted, fit};
use super::queue::Turn;
use super::state::{self, Kept};

/// A transaction that is being filled.
pub(super) struct Writer {
    connection: Connection,
    made_file: MadeFile,
    table: String,
    plan: WritePlan,
    clock: Arc<dyn Clock>,
    fitted: Fitted,
    insert: String,
    rows: u64,
    bytes: u64,
    _turn: Turn,
}

/// Removes the file again when we made it and nothing was committed. Dropped after the
/// connection, by the order of the fields in [`Writer`].
struct MadeFile(Option<PathBuf>);

impl Drop for MadeFile {
    fn drop(&mut self) {
        if let Some(file) = &self.0 {
            // It may never have come to be.
            drop(std::fs::remove_file(file));
        }
    }
}

impl Writer {
    /// Begins the transaction and makes the table fit.
    pub(super) fn begin(
        file: &Path,
        table: String,
        plan: WritePlan,
        clock: Arc<dyn Clock>,
        turn: Turn,
    ) -> Result<Self, Fault> {
        if plan.raw.is_some() {
            return Err(Fault::new(ErrorClass::Unsupported, "sqlite takes no raw rows"));
        }
        make_folder(file)?;
        let made_file = MadeFile((!file.exists()).then(|| file.to_owned()));
        let connection = open_writer(file)?;
        connection.execute_batch("BEGIN IMMEDIATE").map_err(|error| {
            fault(format!("waiting for the right to write to {}", file.display()), error)
        })?;
        let fitted = fit(&connection, &table, &plan)?;
        let merging = plan.strategy == Strategy::IncrementalMerge;
        let into = if merging { merge::make_stage(&connection, &fitted)? } else { quote(&table) };
        if plan.strategy == Strategy::FullRefresh {
            connection
                .execute_batch(&format!("DELETE FROM {}", quote(&table)))
                .map_err(|error| fault(format!("emptying the table `{table}`"), error))?;
        }
        let names: Vec<String> = fitted.columns.iter().map(|column| quote(&column.name)).collect();
        let marks = vec!["?"; names.len()].join(", ");
        let insert = format!("INSERT INTO {into} ({}) VALUES ({marks})", names.join(", "));
        Ok(Self {
            connection,
            made_file,
            table,
            plan,
            clock,
            fitted,
            insert,
            rows: 0,
            bytes: 0,
            _turn: turn,
        })
    }

    fn count_rows(&self) -> Result<u64, Fault> {
        let sql = format!("SELECT count(*) FROM {}", quote(&self.table));
        let count: i64 = self
            .connection
            .query_row(&sql, [], |row| row.get(0))
            .map_err(|error| fault(format!("counting the rows of `{}`", self.table), error))?;
        Ok(count.unsigned_abs())
    }
}

fn make_folder(file: &Path) -> Result<(), Fault> {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => std::fs::create_dir_all(folder)
            .map_err(|error| Fault::io(format!("making the folder {}", folder.display()), error)),
        _ => Ok(()),
    }
}

impl BlockingWrite for Writer {
    fn write(&mut self, batch: Batch) -> Result<(), Fault> {
        let Batch::Arrow(batch) = batch else {
            return Err(Fault::new(ErrorClass::Unsupported, "sqlite takes no raw rows"));
        };
        let cells =
            self.fitted.columns.iter().map(|written| match batch.columns().get(written.at) {
                Some(array) => Cells::new(array, written),
                None => Err(Fault::new(ErrorClass::Internal, "a batch lacks a planned column")),
            });
        let cells: Vec<Cells> = cells.collect::<Result<_, _>>()?;
        let mut insert = self
            .connection
            .prepare_cached(&self.insert)
            .map_err(|error| fault(format!("preparing to fill `{}`", self.table), error))?;
        let mut scratch = Vec::with_capacity(64);
        for row in 0..batch.num_rows() {
            for (at, column) in cells.iter().enumerate() {
                let value = column.cell(row, &mut scratch).map_err(|refusal| {
                    let name = self.fitted.columns.get(at).map_or("?", |it| it.name.as_str());
                    let row = self.rows + row as u64 + 1;
                    let doing = format!("column `{name}`: row {row} {}", refusal.words());
                    Fault::new(ErrorClass::Inexact, doing)
                })?;
                self.bytes += size_of_value(value);
                insert
                    .raw_bind_parameter(at + 1, Cell(value))
                    .map_err(|error| fault("binding a value", error))?;
            }
            insert.raw_execute().map_err(|error| {
                let row = self.rows + row as u64 + 1;
                fault(format!("writing row {row} of the load to `{}`", self.table), error)
            })?;
        }
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    fn commit(mut self: Box<Self>, cursor: Option<CursorState>) -> Result<Outcome, Fault> {
        let mut outcome = match self.plan.strategy {
            Strategy::IncrementalMerge => merge::merge(
                &self.connection,
                &self.table,
                &self.fitted,
                &self.plan.key,
                cursor.as_ref(),
            )?,
            Strategy::FullRefresh | Strategy::Append | Strategy::IncrementalAppend => {
                Outcome { inserted: self.rows, ..Outcome::default() }
            }
        };
        outcome.unchanged = self.rows - outcome.inserted - outcome.updated;
        outcome.final_rows = self.count_rows()?;
        outcome.bytes = self.bytes;
        outcome.columns_added = std::mem::take(&mut self.fitted.added);
        let kept = Kept { cursor, token: self.plan.token.clone(), outcome: outcome.clone() };
        state::store(&self.connection, &self.plan.owner, &kept, self.clock.now())?;
        self.connection
            .execute_batch("COMMIT")
            .map_err(|error| fault(format!("committing to `{}`", self.table), error))?;
        self.made_file.0 = None;
        Ok(outcome)
    }
}

fn size_of_value(value: ValueRef<'_>) -> u64 {
    match value {
        ValueRef::Null => 0,
        ValueRef::Integer(_) | ValueRef::Real(_) => 8,
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.len() as u64,
    }
}
