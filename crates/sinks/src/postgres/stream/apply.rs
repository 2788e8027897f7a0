//! Sends what was gathered: a few statements a table, each over arrays.

use std::collections::HashMap;

use flowglass_connect::Fault;
use flowglass_connect::stream::Datum;
use flowglass_model::Policy;
use tokio_postgres::Statement;
use tokio_postgres::types::ToSql;

use super::gather::{Entry, Last, Part, Step, Values, gather};
use super::params::Texts;
use super::screen::Item;
use super::session::Limited;
use super::sql;
use super::tables::{Column, Fit, Tables};
use crate::rows::{Key, Row, missing_row};

/// Rows of one statement.
const ROWS_MAX: usize = 8192;

/// Bytes of one statement, one row excepted.
const BYTES_MAX: usize = 16 << 20;

/// Statements that are remembered; past it they are prepared again.
const STATEMENTS_MAX: usize = 1024;

/// Prepared statements by their text.
pub(super) type Statements = HashMap<String, Statement>;

/// Sends runs of changes within the open transaction.
pub(super) struct Applier<'s> {
    pub(super) session: &'s Limited,
    pub(super) tables: &'s Tables,
    pub(super) statements: &'s mut Statements,
    /// Bytes of cells that were sent.
    pub(super) bytes: u64,
}

/// The rows of a part that go by the same statement.
struct Group<'p, 'a> {
    rows: Vec<(Option<&'p Key<'a>>, &'p Values<'a>)>,
    bytes: usize,
}

impl Applier<'_> {
    /// Sends all of the changes or none.
    ///
    /// # Errors
    /// Of a class that says [`Policy::SetAside`]: the data of some row is at fault, and nothing was
    /// changed. Else the transaction is of no use any more.
    pub(super) async fn apply(&mut self, items: &[Item<'_>]) -> Result<(), Fault> {
        let doing = "writing rows";
        let begin = "SAVEPOINT flowglass; SET CONSTRAINTS ALL DEFERRED";
        self.session.run(doing, begin).await?;
        let done = match self.steps(items).await {
            // What was deferred is looked at here, where the rows at fault can still be found.
            Ok(()) => self.session.run(doing, "SET CONSTRAINTS ALL IMMEDIATE").await,
            Err(fault) => Err(fault),
        };
        match done {
            Ok(()) => self.session.run(doing, "RELEASE SAVEPOINT flowglass").await,
            Err(fault) if fault.class().policy() == Policy::SetAside => {
                let back = "ROLLBACK TO SAVEPOINT flowglass; RELEASE SAVEPOINT flowglass";
                self.session.run(doing, back).await?;
                Err(fault)
            }
            Err(fault) => Err(fault),
        }
    }

    async fn steps(&mut self, items: &[Item<'_>]) -> Result<(), Fault> {
        for step in gather(items, self.tables) {
            match step {
                Step::Rows(parts) => {
                    for part in &parts {
                        self.part(part).await?;
                    }
                }
                Step::Move(item) => self.move_row(item).await?,
            }
        }
        Ok(())
    }

    async fn part(&mut self, part: &Part<'_>) -> Result<(), Fault> {
        let tables = self.tables;
        let fit = tables.get(part.fit);
        if part.emptied {
            let sql = format!("TRUNCATE TABLE {}", fit.table.sql());
            self.session.run(&format!("emptying {}", fit.table), &sql).await?;
        }
        // Deletes first: they give values free that must be unique.
        self.deletes(fit, &part.entries).await?;
        self.patches(fit, &part.entries).await?;
        self.upserts(fit, &part.entries).await
    }

    async fn deletes(&mut self, fit: &Fit, entries: &[Entry<'_>]) -> Result<(), Fault> {
        let gone = entries.iter().filter(|entry| matches!(entry.last, Last::Gone));
        let keys: Vec<&Key<'_>> = gone.filter_map(|entry| entry.key.as_ref()).collect();
        let parts = fit.key().len();
        for chunk in keys.chunks(ROWS_MAX) {
            let mut columns = Vec::with_capacity(parts);
            for at in 0..parts {
                let mut texts = Texts::with_capacity(chunk.len());
                for key in chunk {
                    texts.push(Some(key.part(at)));
                }
                columns.push(texts);
            }
            self.send(fit, &sql::delete(fit), &columns).await?;
        }
        Ok(())
    }

    async fn upserts(&mut self, fit: &Fit, entries: &[Entry<'_>]) -> Result<(), Fault> {
        let all: Vec<&Column> = fit.columns.iter().collect();
        let mut group = Group { rows: Vec::new(), bytes: 0 };
        for entry in entries {
            let Last::Whole(values) = &entry.last else { continue };
            group.add(None, values, &all);
            if group.is_full() {
                let columns = group.columns(&[], &all);
                self.send(fit, &sql::upsert(fit), &columns).await?;
                group = Group { rows: Vec::new(), bytes: 0 };
            }
        }
        if group.rows.is_empty() {
            return Ok(());
        }
        let columns = group.columns(&[], &all);
        self.send(fit, &sql::upsert(fit), &columns).await.map(drop)
    }

    /// Rows of which some values are known: one statement for each set of columns.
    async fn patches(&mut self, fit: &Fit, entries: &[Entry<'_>]) -> Result<(), Fault> {
        let mut groups: HashMap<Vec<usize>, Group<'_, '_>> = HashMap::new();
        for entry in entries {
            let Last::Patch(values) = &entry.last else { continue };
            let known = fit.columns.iter().enumerate();
            let known = known.filter(|(_, column)| {
                column.key.is_none() && values.datum(column.at) != Datum::Unchanged
            });
            let known: Vec<usize> = known.map(|(at, _)| at).collect();
            let group = groups.entry(known).or_insert(Group { rows: Vec::new(), bytes: 0 });
            group.rows.push((entry.key.as_ref(), values));
        }
        let key = fit.key();
        for (known, group) in groups {
            let columns: Vec<&Column> =
                known.iter().filter_map(|at| fit.columns.get(*at)).collect();
            if columns.is_empty() {
                continue;
            }
            for rows in group.rows.chunks(ROWS_MAX) {
                let group = Group { rows: rows.to_vec(), bytes: 0 };
                let params = group.columns(&key, &columns);
                let sent = self.send(fit, &sql::patch(fit, &columns), &params).await?;
                if sent < rows.len() as u64 {
                    return Err(missing_row(&fit.table.to_string()));
                }
            }
        }
        Ok(())
    }

    async fn move_row(&mut self, item: &Item<'_>) -> Result<(), Fault> {
        let tables = self.tables;
        let fit = tables.get(item.fit);
        let (Some(old), Some(row)) = (&item.keys.old, Row::after(&item.change)) else {
            return Ok(());
        };
        let values = Values::Of(row);
        let known = fit.columns.iter();
        let columns: Vec<&Column> =
            known.filter(|column| values.datum(column.at) != Datum::Unchanged).collect();
        let group = Group { rows: vec![(Some(old), &values)], bytes: 0 };
        let params = group.columns(&fit.key(), &columns);
        match self.send(fit, &sql::patch(fit, &columns), &params).await? {
            0 => Err(missing_row(&fit.table.to_string())),
            _ => Ok(()),
        }
    }

    async fn send(&mut self, fit: &Fit, sql: &str, columns: &[Texts<'_>]) -> Result<u64, Fault> {
        let doing = format!("writing to {}", fit.table);
        let statement = match self.statements.get(sql) {
            Some(known) => known.clone(),
            None => {
                if self.statements.len() >= STATEMENTS_MAX {
                    self.statements.clear();
                }
                let made = self.session.prepare(&doing, sql).await?;
                self.statements.insert(sql.to_owned(), made.clone());
                made
            }
        };
        self.bytes += columns.iter().map(Texts::bytes).sum::<u64>();
        let params: Vec<&(dyn ToSql + Sync)> =
            columns.iter().map(|it| it as &(dyn ToSql + Sync)).collect();
        self.session.execute(&doing, &statement, &params).await
    }
}

impl<'p, 'a> Group<'p, 'a> {
    fn add(&mut self, key: Option<&'p Key<'a>>, values: &'p Values<'a>, columns: &[&Column]) {
        let size = |column: &&Column| match values.datum(column.at) {
            Datum::Text(text) => text.len(),
            _ => 0,
        };
        self.bytes += columns.iter().map(size).sum::<usize>();
        self.rows.push((key, values));
    }

    fn is_full(&self) -> bool {
        self.rows.len() >= ROWS_MAX || self.bytes >= BYTES_MAX
    }

    /// The arrays: those of the keys, then those of the columns.
    fn columns(&self, key: &[&Column], columns: &[&Column]) -> Vec<Texts<'a>> {
        let mut arrays = Vec::with_capacity(key.len() + columns.len());
        for at in 0..key.len() {
            let mut texts = Texts::with_capacity(self.rows.len());
            for (key, _) in &self.rows {
                texts.push(key.map(|key| key.part(at)));
            }
            arrays.push(texts);
        }
        for column in columns {
            let mut texts = Texts::with_capacity(self.rows.len());
            for (_, values) in &self.rows {
                texts.push(match values.datum(column.at) {
                    Datum::Text(text) => Some(text),
                    _ => None,
                });
            }
            arrays.push(texts);
        }
        arrays
    }
}
