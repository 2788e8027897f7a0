//! The tables that the stream writes, each made fit for the source's shape of it.
//!
//! Looking at a table, making it and adding columns is done by the code of copies, so that both come
//! to the same declared types and the same notes of what they mean.

use std::collections::HashMap;
use std::sync::Arc;

use flowglass_clients::sqlite::{quote, table_exists};
use flowglass_connect::Fault;
use flowglass_connect::stream::Relation;
use flowglass_model::ErrorClass;
use rusqlite::Connection;

use super::bind::Reads;
use super::config::Settings;
use crate::rows::plan_of;
use crate::sqlite::plan::{Fitted, fit};

/// Shapes that are remembered; past it they are looked at again.
const FITS_MAX: usize = 4096;

/// A column that is written.
#[derive(Debug)]
pub(super) struct Column {
    /// Its place in the relation.
    pub(super) at: usize,
    pub(super) name: String,
    /// Its name in SQL.
    quoted: String,
    pub(super) reads: Reads,
    pub(super) number_text_is_lost: bool,
    /// Its place in the key.
    pub(super) key: Option<usize>,
}

/// A table of ours for one shape of a source's table.
#[derive(Debug)]
pub(super) struct Fit {
    relation: Arc<Relation>,
    pub(super) table: String,
    pub(super) columns: Vec<Column>,
    /// The columns of the key in its order, by their place in `columns`.
    pub(super) key: Vec<usize>,
    /// Inserts a row, or brings it to what it is now.
    pub(super) upsert: String,
    /// Deletes a row by its key.
    pub(super) delete: String,
    /// Deletes all rows.
    pub(super) empty: String,
}

impl Fit {
    /// The statement that changes the columns with these places in `columns`, and finds the row by
    /// its key, whose values come last.
    pub(super) fn patch(&self, columns: &[usize]) -> String {
        let names = columns.iter().filter_map(|at| self.columns.get(*at));
        let set: Vec<String> = names.map(|column| format!("{} = ?", column.quoted)).collect();
        format!("UPDATE {} SET {} WHERE {}", quote(&self.table), set.join(", "), self.by_key())
    }

    fn by_key(&self) -> String {
        let key = self.key.iter().filter_map(|at| self.columns.get(*at));
        let same: Vec<String> = key.map(|column| format!("{} = ?", column.quoted)).collect();
        same.join(" AND ")
    }
}

/// All tables, by the shapes that were seen.
#[derive(Debug, Default)]
pub(super) struct Tables {
    fits: Vec<Arc<Fit>>,
    /// Which of the source's tables each of ours belongs to, by its name in lower case.
    claims: HashMap<String, (Arc<str>, Arc<str>)>,
}

impl Tables {
    /// The fit for a shape; makes or alters the table when the shape is new.
    ///
    /// # Errors
    /// What does not fit, or what SQLite says.
    pub(super) fn fit(
        &mut self,
        connection: &Connection,
        settings: &Settings,
        relation: &Arc<Relation>,
    ) -> Result<Arc<Fit>, Fault> {
        let same = |it: &&Arc<Fit>| Arc::ptr_eq(&it.relation, relation) || it.relation == *relation;
        if let Some(fit) = self.fits.iter().rev().find(same) {
            return Ok(Arc::clone(fit));
        }
        if self.fits.len() >= FITS_MAX {
            self.fits.clear();
        }
        let table = self.claim(settings, relation)?;
        if !settings.tables.create_tables && !table_exists(connection, &table)? {
            let said = format!("there is no table `{table}`");
            return Err(Fault::new(ErrorClass::NotFound, said)
                .hint("Make it, or set `create_tables: true`."));
        }
        let fitted = fit(connection, &table, &plan_of(relation, &settings.tables))?;
        let made = Arc::new(described(relation, table, &fitted));
        self.fits.push(Arc::clone(&made));
        Ok(made)
    }

    fn claim(&mut self, settings: &Settings, relation: &Relation) -> Result<String, Fault> {
        let table = settings.table.name(relation).table;
        let lower = table.to_ascii_lowercase();
        if lower.starts_with("_flowglass_") || lower.starts_with("sqlite_") {
            let said = format!("`{table}` cannot be the name of a target table");
            return Err(Fault::new(ErrorClass::Config, said));
        }
        let whose = (Arc::clone(&relation.schema), Arc::clone(&relation.table));
        let first = self.claims.entry(lower).or_insert_with(|| whose.clone());
        if *first != whose {
            let said = format!(
                "{}.{} and {} would go to the same table `{table}`",
                first.0,
                first.1,
                relation.name()
            );
            return Err(Fault::new(ErrorClass::Config, said)
                .hint("Set `table: \"{schema}.{table}\"`, or give each a sink of its own."));
        }
        Ok(table)
    }
}

fn described(relation: &Arc<Relation>, table: String, fitted: &Fitted) -> Fit {
    let written = fitted.columns.iter().filter_map(|written| {
        let column = relation.columns.get(written.at)?;
        Some(Column {
            at: written.at,
            name: written.name.clone(),
            quoted: quote(&written.name),
            reads: Reads::of(&column.kind),
            number_text_is_lost: written.number_text_is_lost,
            key: relation.key.iter().position(|at| *at == written.at),
        })
    });
    let columns: Vec<Column> = written.collect();
    let place = |at: usize| columns.iter().position(|column| column.key == Some(at));
    let key: Vec<usize> = (0..relation.key.len()).filter_map(place).collect();
    let mut made = Fit {
        relation: Arc::clone(relation),
        upsert: upsert(&table, &columns),
        empty: format!("DELETE FROM {}", quote(&table)),
        delete: String::new(),
        table,
        columns,
        key,
    };
    made.delete = format!("DELETE FROM {} WHERE {}", quote(&made.table), made.by_key());
    made
}

fn upsert(table: &str, columns: &[Column]) -> String {
    let names: Vec<&str> = columns.iter().map(|column| column.quoted.as_str()).collect();
    let marks = vec!["?"; names.len()].join(", ");
    let insert = format!("INSERT INTO {} ({}) VALUES ({marks})", quote(table), names.join(", "));
    let key: Vec<&str> = columns
        .iter()
        .filter(|column| column.key.is_some())
        .map(|column| column.quoted.as_str())
        .collect();
    if key.is_empty() {
        return insert;
    }
    let others = columns.iter().filter(|column| column.key.is_none());
    let set: Vec<String> =
        others.map(|column| format!("{0} = excluded.{0}", column.quoted)).collect();
    let then = if set.is_empty() {
        "NOTHING".to_owned()
    } else {
        format!("UPDATE SET {}", set.join(", "))
    };
    format!("{insert} ON CONFLICT ({}) DO {then}", key.join(", "))
}
