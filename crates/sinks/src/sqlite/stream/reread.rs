//! Counting tables again, and asking where the stream stands. The file is opened to read only.

use std::sync::Arc;

use async_trait::async_trait;
use flowglass_clients::sqlite::{fault, open_reader, quote, table_exists};
use flowglass_connect::Fault;
use flowglass_connect::stream::{HeldTables, Position};
use flowglass_model::ErrorClass;
use rusqlite::OptionalExtension;

use super::config::Settings;
use super::positions::POSITIONS_TABLE;
use crate::messages::ask;
use crate::rows::OnTruncate;

/// The tables of a sink.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) settings: Arc<Settings>,
}

#[async_trait]
impl HeldTables for Held {
    async fn position(&self) -> Result<Option<Position>, Fault> {
        let settings = Arc::clone(&self.settings);
        ask("sqlite reader", move || {
            if !settings.file.exists() {
                return Ok(None);
            }
            let connection = open_reader(&settings.file)?;
            if !table_exists(&connection, POSITIONS_TABLE)? {
                return Ok(None);
            }
            let doing = "asking for the stream's position";
            let sql = format!(
                "SELECT position FROM {} WHERE stream = ?1 AND sink = ?2",
                quote(POSITIONS_TABLE)
            );
            let kept: Option<Option<String>> = connection
                .query_row(&sql, (&settings.stream, &settings.id), |row| row.get(0))
                .optional()
                .map_err(|error| fault(doing, error))?;
            kept.flatten().as_deref().map(serde_json::from_str).transpose().map_err(|error| {
                Fault::new(ErrorClass::Conflict, "the position in the file cannot be read")
                    .because(error)
            })
        })
        .await
    }

    async fn rows(&self, schema: &str, table: &str) -> Result<Option<u64>, Fault> {
        let settings = Arc::clone(&self.settings);
        let table = settings.table.of(schema, table).table;
        ask("sqlite reader", move || {
            if !settings.file.exists() {
                return Ok(None);
            }
            let connection = open_reader(&settings.file)?;
            if !table_exists(&connection, &table)? {
                return Ok(None);
            }
            let sql = format!("SELECT count(*) FROM {}", quote(&table));
            let rows: i64 = connection
                .query_row(&sql, (), |row| row.get(0))
                .map_err(|error| fault("counting the rows of a table", error))?;
            Ok(u64::try_from(rows).ok())
        })
        .await
    }

    fn differs_by_rule(&self) -> Option<&'static str> {
        (self.settings.tables.truncate == OnTruncate::Ignore)
            .then_some("`truncate: ignore` keeps rows that the source has removed")
    }
}
