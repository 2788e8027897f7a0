//! Counting tables again, and asking where the stream stands, in one look at the database.

use std::sync::Arc;

use async_trait::async_trait;
use flowglass_clients::postgres::{TableName, quote};
use flowglass_connect::Fault;
use flowglass_connect::stream::{HeldTables, Position};
use flowglass_model::ErrorClass;

use super::config::Settings;
use super::positions::POSITIONS_TABLE;
use super::session::Limited;
use crate::rows::OnTruncate;

/// The tables of a sink.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) settings: Arc<Settings>,
}

impl Held {
    async fn is_there(&self, session: &Limited, table: &str) -> Result<bool, Fault> {
        let doing = "looking for a table of the sink";
        let there = session.ask(doing, "SELECT to_regclass($1) IS NOT NULL", &[&table]).await?;
        Ok(there.get(0))
    }

    async fn connect(&self) -> Result<Limited, Fault> {
        Limited::connect(&self.settings.address, self.settings.timeout).await
    }
}

#[async_trait]
impl HeldTables for Held {
    async fn position(&self) -> Result<Option<Position>, Fault> {
        let session = self.connect().await?;
        let schema = quote(&self.settings.positions_schema);
        let table = format!("{schema}.{}", quote(POSITIONS_TABLE));
        if !self.is_there(&session, &table).await? {
            return Ok(None);
        }
        let sql = format!("SELECT max(position) FROM {table} WHERE stream = $1 AND sink = $2");
        let doing = "asking for the stream's position";
        let row = session.ask(doing, &sql, &[&self.settings.stream, &self.settings.id]).await?;
        let kept = row.get::<_, Option<&str>>(0).map(serde_json::from_str).transpose();
        kept.map_err(|error| {
            let said = format!("the position in {table} cannot be read");
            Fault::new(ErrorClass::Conflict, said).because(error)
        })
    }

    async fn rows(&self, schema: &str, table: &str) -> Result<Option<u64>, Fault> {
        let session = self.connect().await?;
        let named = self.settings.table.of(schema, table);
        let name = TableName {
            schema: named.schema.unwrap_or_else(|| "public".to_owned()),
            table: named.table,
        };
        let table = format!("{}.{}", quote(&name.schema), quote(&name.table));
        if !self.is_there(&session, &table).await? {
            return Ok(None);
        }
        let sql = format!("SELECT count(*) FROM {table}");
        let row = session.ask(&format!("counting the rows of {name}"), &sql, &[]).await?;
        Ok(u64::try_from(row.get::<_, i64>(0)).ok())
    }

    fn differs_by_rule(&self) -> Option<&'static str> {
        (self.settings.tables.truncate == OnTruncate::Ignore)
            .then_some("`truncate: ignore` keeps rows that the source has removed")
    }
}
