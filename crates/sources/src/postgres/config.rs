//! What the manifest says about a Postgres source.

use std::sync::Arc;

use async_trait::async_trait;
use flowglass_clients::Secret;
use flowglass_clients::postgres::{Address, TableName};
use flowglass_connect::{
    BatchReader, BatchSource, Fault, ReadRequest, SourceConnector, Surroundings,
};
use flowglass_model::{AssetRef, ErrorClass};
use schemars::JsonSchema;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::read::Reader;

/// Reads a table, a view or a query of a Postgres database, in one consistent snapshot.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the database is: `postgres://user:password@host:5432/database?sslmode=verify-full`.
    /// `sslmode` is `disable`, `prefer` (default), `require`, `verify-ca` or `verify-full`;
    /// `sslrootcert` names a PEM file, else the web's authorities are trusted. Take it from the
    /// environment (`${SHOP_DSN}`), so that no password stands in the manifest.
    pub dsn: Secret,
    /// Table, view or foreign table to read: `schema.table`, or `table` of the schema `public`.
    /// Give either this or `query`.
    pub table: Option<String>,
    /// A `SELECT` to read instead of a table. It runs in a read-only transaction.
    pub query: Option<String>,
}

/// What is read.
#[derive(Debug, Clone)]
pub(super) enum Subject {
    Table(TableName),
    Query(String),
}

/// Makes Postgres sources.
#[derive(Debug, Clone, Copy, Default)]
pub struct Connector;

impl SourceConnector for Connector {
    fn kind(&self) -> &'static str {
        "postgres"
    }

    fn schema(&self) -> serde_json::Value {
        schemars::schema_for!(Config).to_value()
    }

    fn build(
        &self,
        config: serde_json::Value,
        around: &Surroundings,
    ) -> Result<Arc<dyn BatchSource>, Fault> {
        let config: Config = serde_json::from_value(config).map_err(|error| {
            Fault::new(ErrorClass::Config, "reading the postgres source's settings").because(error)
        })?;
        let subject = match (config.table, config.query) {
            (Some(table), None) => Subject::Table(TableName::parse(&table)?),
            (None, Some(query)) => Subject::Query(query.trim().trim_end_matches(';').to_owned()),
            _ => {
                return Err(Fault::new(
                    ErrorClass::Config,
                    "a postgres source needs either `table` or `query`",
                ));
            }
        };
        let address = Address::parse(config.dsn.reveal(), &around.base_dir)?;
        Ok(Arc::new(Source { address, subject }))
    }
}

#[derive(Debug)]
struct Source {
    address: Address,
    subject: Subject,
}

#[async_trait]
impl BatchSource for Source {
    fn asset(&self) -> AssetRef {
        let what = match &self.subject {
            Subject::Table(table) => table.to_string(),
            // A query's text is too long for a name, and may hold values.
            Subject::Query(query) => {
                let digest = Sha256::digest(query);
                let hex: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
                format!("query-{hex}")
            }
        };
        AssetRef::new(self.address.namespace(), format!("{}.{what}", self.address.database()))
    }

    async fn open(&self, request: ReadRequest) -> Result<Box<dyn BatchReader>, Fault> {
        Ok(Box::new(Reader::open(&self.address, &self.subject, &request).await?))
    }
}
