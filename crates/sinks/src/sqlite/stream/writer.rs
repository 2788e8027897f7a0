//! An open sink: a transaction a batch, its rows one after the other.

use std::sync::Arc;

use flowglass_clients::sqlite::{fault, open_writer};
use flowglass_connect::stream::{
    Acknowledged, ChangeRef, Datum, Delivery, Op, Position, Refused, Relation,
};
use flowglass_connect::{Clock, Fault};
use flowglass_model::{ErrorClass, Policy};
use rusqlite::{Connection, Error};

use super::config::Settings;
use super::positions::{Positions, trouble};
use super::tables::{Fit, Tables};
use crate::messages::Ends;
use crate::rows::{Key, Keys, OnTruncate, Row, WithoutKey, keyless, keys_of, missing_row};
use crate::sqlite::bind::Cell;

/// Prepared statements that are kept: a few a table.
const STATEMENTS_MAX: usize = 256;

/// The one writer of a stream's tables.
pub(super) struct Writer {
    connection: Connection,
    settings: Arc<Settings>,
    clock: Arc<dyn Clock>,
    positions: Positions,
    tables: Tables,
    scratch: Vec<u8>,
    bytes: u64,
}

/// A column by its place in [`Fit::columns`], and what goes into it.
type Bound<'a> = (usize, Datum<'a>);

impl Writer {
    /// Opens the file, makes it when it is missing, and takes the stream over.
    ///
    /// # Errors
    /// What the system or SQLite says.
    pub(super) fn open(
        settings: Arc<Settings>,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, Option<Position>), Fault> {
        let is_new = !settings.file.exists();
        if let Some(folder) = settings.file.parent() {
            std::fs::create_dir_all(folder).map_err(|error| {
                Fault::io(format!("making the folder of {}", settings.shown), error)
            })?;
        }
        let connection = open_writer(&settings.file)?;
        let set_up = || -> Result<(), Error> {
            if is_new {
                // Readers are not kept out while a batch is committed.
                connection.pragma_update(None, "journal_mode", "wal")?;
            }
            connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
            // A batch is on the disk when it is acknowledged.
            connection.pragma_update(None, "synchronous", "full")
        };
        set_up().map_err(|error| trouble(format!("opening {}", settings.shown), error))?;
        let (positions, position) = Positions::take_over(&connection, &settings)?;
        let writer = Self {
            connection,
            settings,
            clock,
            positions,
            tables: Tables::default(),
            scratch: Vec::new(),
            bytes: 0,
        };
        Ok((writer, position))
    }

    /// Works until the engine is gone or something is wrong, which is said.
    pub(super) fn run(mut self, ends: &Ends) {
        for delivery in &ends.orders {
            let said = self.deliver(&delivery);
            let failed = said.is_err();
            if ends.say.blocking_send(said).is_err() || failed {
                return;
            }
        }
    }

    fn deliver(&mut self, delivery: &Delivery) -> Result<Acknowledged, Fault> {
        self.bytes = 0;
        self.positions.begin(&self.connection)?;
        let mut refused = Vec::new();
        let mut last: Option<(&Arc<Relation>, Arc<Fit>)> = None;
        for (index, change) in delivery.batch.changes() {
            let relation = change.relation();
            let no_key = relation.key.is_empty();
            if no_key && self.settings.tables.without_key == WithoutKey::Refuse {
                refused.push(Refused { change: index, fault: keyless(relation) });
                continue;
            }
            let fit = match &last {
                Some((known, fit)) if Arc::ptr_eq(known, relation) => Arc::clone(fit),
                _ => self.tables.fit(&self.connection, &self.settings, relation)?,
            };
            last = Some((relation, Arc::clone(&fit)));
            match self.write(&change, &fit) {
                Ok(()) => {}
                Err(fault) if fault.class().policy() != Policy::SetAside => return Err(fault),
                Err(_) if self.connection.is_autocommit() => {
                    let said = format!("a trigger of `{}` rolled the whole batch back", fit.table);
                    return Err(Fault::new(ErrorClass::Unsupported, said)
                        .hint("Let the trigger say `RAISE(ABORT, …)`."));
                }
                Err(fault) => refused.push(Refused { change: index, fault }),
            }
        }
        let (position, now) = (delivery.batch.position(), self.clock.now());
        self.positions.commit(&self.connection, position, now)?;
        let (number, bytes) = (delivery.number, self.bytes);
        Ok(Acknowledged { number, refused, bytes, ..Acknowledged::default() })
    }

    fn write(&mut self, change: &ChangeRef<'_>, fit: &Fit) -> Result<(), Fault> {
        if change.op() == Op::Truncate {
            return match self.settings.tables.truncate {
                OnTruncate::Apply => self.run_one(fit, &fit.empty, &[]).map(drop),
                OnTruncate::Ignore => Ok(()),
            };
        }
        if fit.key.is_empty() && matches!(change.op(), Op::Update | Op::Delete) {
            return Err(keyless(change.relation()));
        }
        let Keys { old, new } = keys_of(change)?;
        let Some(row) = Row::after(change) else {
            return match old {
                Some(old) => self.run_one(fit, &fit.delete, &key_of(fit, &old)).map(drop),
                None => Ok(()),
            };
        };
        if row.is_whole() {
            let values: Vec<Bound<'_>> = values_of(fit, &row).collect();
            return match old {
                None => self.run_one(fit, &fit.upsert, &values).map(drop),
                Some(old) => self.replace(fit, &key_of(fit, &old), &values),
            };
        }
        let Some(key) = old.as_ref().or(new.as_ref()) else {
            return Err(missing_row(&fit.table));
        };
        self.patch(fit, (old.is_some(), key), &row)
    }

    /// Takes the row with the old key away and puts the new one there, both or neither.
    fn replace(&mut self, fit: &Fit, old: &[Bound<'_>], new: &[Bound<'_>]) -> Result<(), Fault> {
        self.plain("SAVEPOINT flowglass")?;
        let done = self
            .run_one(fit, &fit.delete, old)
            .and_then(|_deleted| self.run_one(fit, &fit.upsert, new));
        if done.is_err() && !self.connection.is_autocommit() {
            self.plain("ROLLBACK TO flowglass")?;
        }
        if !self.connection.is_autocommit() {
            self.plain("RELEASE flowglass")?;
        }
        done.map(drop)
    }

    /// Changes what is known of a row; the rest of it is in our table alone.
    fn patch(
        &mut self,
        fit: &Fit,
        (moves, key): (bool, &Key<'_>),
        row: &Row<'_>,
    ) -> Result<(), Fault> {
        let mut values: Vec<Bound<'_>> = values_of(fit, row)
            .filter(|(at, datum)| {
                let is_key = fit.columns.get(*at).is_some_and(|column| column.key.is_some());
                *datum != Datum::Unchanged && (moves || !is_key)
            })
            .collect();
        if values.is_empty() {
            return Ok(());
        }
        let places: Vec<usize> = values.iter().map(|(at, _)| *at).collect();
        values.extend(key_of(fit, key));
        match self.run_one(fit, &fit.patch(&places), &values)? {
            0 => Err(missing_row(&format!("`{}`", fit.table))),
            _ => Ok(()),
        }
    }

    /// Runs one statement; how many rows it touched.
    fn run_one(&mut self, fit: &Fit, sql: &str, values: &[Bound<'_>]) -> Result<usize, Fault> {
        let doing = || format!("writing to `{}`", fit.table);
        let failed = |error: Error| of_row(doing(), error);
        let mut statement = self.connection.prepare_cached(sql).map_err(failed)?;
        for (number, (at, datum)) in (1..).zip(values) {
            let Some(column) = fit.columns.get(*at) else { continue };
            let read = column.reads.value(*datum, column.number_text_is_lost, &mut self.scratch);
            let value = read.map_err(|(class, what)| {
                Fault::new(class, format!("column `{}` of `{}` {what}", column.name, fit.table))
            })?;
            if let Datum::Text(text) = datum {
                self.bytes += text.len() as u64;
            }
            statement.raw_bind_parameter(number, Cell(value)).map_err(failed)?;
        }
        statement.raw_execute().map_err(failed)
    }

    fn plain(&self, sql: &str) -> Result<(), Fault> {
        self.connection.execute_batch(sql).map_err(|error| trouble("writing rows", error))
    }
}

/// What SQLite says of a statement with a row's values.
fn of_row(doing: String, error: Error) -> Fault {
    let is_constraint = matches!(&error, Error::SqliteFailure(code, _)
        if code.code == rusqlite::ErrorCode::ConstraintViolation);
    if is_constraint { fault(doing, error) } else { trouble(doing, error) }
}

fn values_of<'a>(fit: &Fit, row: &Row<'a>) -> impl Iterator<Item = Bound<'a>> {
    fit.columns.iter().enumerate().map(|(at, column)| (at, row.datum(column.at)))
}

fn key_of<'a>(fit: &Fit, key: &Key<'a>) -> Vec<Bound<'a>> {
    let parts = fit.key.iter().enumerate();
    parts.map(|(part, at)| (*at, Datum::Text(key.part(part)))).collect()
}
