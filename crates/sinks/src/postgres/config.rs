//! What the manifest says about a Postgres target.

use std::sync::Arc;

use async_trait::async_trait;
use flowglass_clients::Secret;
use flowglass_clients::postgres::{Address, Session, TableName};
use flowglass_connect::{
    BatchTarget, BatchWriter, CursorState, Fault, Outcome, RawEncoding, Surroundings,
    TargetConnector, WriteOwner, WritePlan,
};
use flowglass_model::{AssetRef, ErrorClass};
use schemars::JsonSchema;
use serde::Deserialize;

use super::state;
use super::write::Writer;

/// Writes a table of a Postgres database. The table is made when it is missing.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the database is: `postgres://user:password@host:5432/database?sslmode=verify-full`.
    /// `sslmode` is `disable`, `prefer` (default), `require`, `verify-ca` or `verify-full`;
    /// `sslrootcert` names a PEM file, else the web's authorities are trusted. Take it from the
    /// environment (`${SHOP_DSN}`), so that no password stands in the manifest.
    pub dsn: Secret,
    /// The table to fill: `schema.table`, or `table` of the schema `public`.
    pub table: String,
}

/// Makes Postgres targets.
#[derive(Debug, Clone, Copy, Default)]
pub struct Connector;

impl TargetConnector for Connector {
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
    ) -> Result<Arc<dyn BatchTarget>, Fault> {
        let config: Config = serde_json::from_value(config).map_err(|error| {
            Fault::new(ErrorClass::Config, "reading the postgres target's settings").because(error)
        })?;
        let table = TableName::parse(&config.table)?;
        if table.table.starts_with("_flowglass_") {
            return Err(Fault::new(
                ErrorClass::Config,
                format!("`{table}` cannot be the name of a target table"),
            ));
        }
        let address = Address::parse(config.dsn.reveal(), &around.base_dir)?;
        Ok(Arc::new(Target { address, table, around: around.clone() }))
    }
}

#[derive(Debug)]
struct Target {
    address: Address,
    table: TableName,
    around: Surroundings,
}

#[async_trait]
impl BatchTarget for Target {
    fn asset(&self) -> AssetRef {
        let name = format!("{}.{}", self.address.database(), self.table);
        AssetRef::new(self.address.namespace(), name)
    }

    fn raw_accepted(&self) -> &[RawEncoding] {
        &[RawEncoding::PostgresCopyBinary]
    }

    async fn cursor(&self, owner: &WriteOwner) -> Result<Option<CursorState>, Fault> {
        let session = Session::connect(&self.address, "target").await?;
        let kept = state::load(&session.client, &self.table.schema, owner).await?;
        Ok(kept.and_then(|kept| kept.cursor))
    }

    async fn committed(&self, owner: &WriteOwner, token: &str) -> Result<Option<Outcome>, Fault> {
        let session = Session::connect(&self.address, "target").await?;
        let kept = state::load(&session.client, &self.table.schema, owner).await?;
        Ok(kept.filter(|kept| kept.token == token).map(|kept| kept.outcome))
    }

    async fn begin(&self, plan: WritePlan) -> Result<Box<dyn BatchWriter>, Fault> {
        let session = Session::connect(&self.address, "target").await?;
        let clock = Arc::clone(&self.around.clock);
        Ok(Box::new(Writer::begin(session, self.table.clone(), plan, clock).await?))
    }
}
