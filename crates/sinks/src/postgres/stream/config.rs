//! What the manifest of a stream says about a Postgres sink.

use std::sync::Arc;
use std::time::Duration;

use flowglass_clients::Secret;
use flowglass_clients::postgres::Address;
use flowglass_connect::stream::{StreamSink, StreamSinkConnector, Trial};
use flowglass_connect::{Fault, Surroundings};
use flowglass_model::ErrorClass;
use schemars::JsonSchema;
use serde::Deserialize;

use super::sink::Sink;
use super::trial::TrialSchema;
use crate::rows::{Tables, Template};
use crate::settings;

/// Keeps tables of a Postgres database like those of the source, exactly once.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StreamConfig {
    /// Names the sink in metrics and in the row of its position.
    pub id: String,
    /// Where the database is: `postgres://user:password@host:5432/database?sslmode=verify-full`.
    /// Take it from the environment (`${WAREHOUSE_DSN}`), so that no password stands in the
    /// manifest.
    pub dsn: Secret,
    /// The table that a row goes to, with `{schema}` and `{table}`. Without a dot the table is in
    /// the schema `public`.
    #[serde(default = "default_table")]
    pub table: String,
    /// How tables are treated.
    #[serde(flatten)]
    pub tables: Tables,
    /// The schema of the table `_flowglass_positions`, which holds where each stream stands.
    #[serde(default = "default_schema")]
    pub positions_schema: String,
    /// A batch that is not written after this many seconds is given up, and written again by
    /// another connection.
    #[serde(default = "default_timeout_seconds")]
    pub timeout_seconds: u64,
    /// Whether the source waits for this sink. Read by the engine.
    #[serde(default = "settings::required")]
    pub required: bool,
}

fn default_table() -> String {
    "{schema}.{table}".to_owned()
}

fn default_schema() -> String {
    "public".to_owned()
}

const fn default_timeout_seconds() -> u64 {
    60
}

/// Makes sinks of Postgres tables.
#[derive(Debug, Clone, Copy, Default)]
pub struct StreamConnector;

impl StreamSinkConnector for StreamConnector {
    fn kind(&self) -> &'static str {
        "postgres"
    }

    fn schema(&self) -> serde_json::Value {
        schemars::schema_for!(StreamConfig).to_value()
    }

    fn build(
        &self,
        stream: &str,
        config: serde_json::Value,
        around: &Surroundings,
    ) -> Result<Arc<dyn StreamSink>, Fault> {
        let config: StreamConfig = settings::read("postgres", config)?;
        Ok(Arc::new(Sink::new(Settings::new(stream, config, around)?)))
    }

    fn trial(
        &self,
        name: &str,
        config: serde_json::Value,
        around: &Surroundings,
    ) -> Result<Option<Trial>, Fault> {
        let mut config: StreamConfig = settings::read("postgres", config)?;
        name.clone_into(&mut config.id);
        let schema = name.replace('-', "_");
        // One part of the name is the schema; what stood there makes tables tell apart.
        config.table = format!("{schema}.{{schema}}_{{table}}");
        config.positions_schema = schema;
        config.tables.create_tables = true;
        let settings = Settings::new(name, config, around)?;
        let places = Arc::new(TrialSchema { settings: Arc::new(settings.clone()) });
        Ok(Some(Trial { sink: Arc::new(Sink::new(settings)), places }))
    }
}

/// A configuration that has been looked through.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) stream: String,
    pub(super) id: String,
    pub(super) address: Address,
    pub(super) table: Template,
    pub(super) tables: Tables,
    pub(super) positions_schema: String,
    pub(super) timeout: Duration,
}

impl Settings {
    fn new(stream: &str, config: StreamConfig, around: &Surroundings) -> Result<Self, Fault> {
        let refuse = |what: &str| Err(Fault::new(ErrorClass::Config, what));
        if config.id.is_empty() {
            return refuse("the postgres sink's `id` is empty");
        }
        if config.positions_schema.is_empty() {
            return refuse("the postgres sink's `positions_schema` is empty");
        }
        if config.timeout_seconds == 0 {
            return refuse("`timeout_seconds` of a postgres sink must be 1 or more");
        }
        Ok(Self {
            stream: stream.to_owned(),
            id: config.id,
            address: Address::parse(config.dsn.reveal(), &around.base_dir)?,
            table: Template::parse(&config.table, 2)?,
            tables: config.tables,
            positions_schema: config.positions_schema,
            timeout: Duration::from_secs(config.timeout_seconds),
        })
    }
}
