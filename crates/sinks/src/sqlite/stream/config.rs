//! What the manifest of a stream says about a SQLite sink.

use std::path::PathBuf;
use std::sync::Arc;

use flowglass_connect::stream::{StreamSink, StreamSinkConnector, Trial};
use flowglass_connect::{Fault, Surroundings};
use flowglass_model::ErrorClass;
use schemars::JsonSchema;
use serde::Deserialize;

use super::sink::Sink;
use super::trial::TrialFile;
use crate::rows::{Tables, Template};
use crate::settings;

/// Keeps tables of a SQLite file like those of the source, exactly once.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StreamConfig {
    /// Names the sink in metrics and in the row of its position.
    pub id: String,
    /// The database file; made with its folder when it is missing. A relative path starts from the
    /// manifest's folder.
    pub path: PathBuf,
    /// The table that a row goes to, with `{schema}` and `{table}`.
    #[serde(default = "default_table")]
    pub table: String,
    /// How tables are treated.
    #[serde(flatten)]
    pub tables: Tables,
    /// Whether the source waits for this sink. Read by the engine.
    #[serde(default = "settings::required")]
    pub required: bool,
}

fn default_table() -> String {
    "{table}".to_owned()
}

/// Makes sinks of SQLite tables.
#[derive(Debug, Clone, Copy, Default)]
pub struct StreamConnector;

impl StreamSinkConnector for StreamConnector {
    fn kind(&self) -> &'static str {
        "sqlite"
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
        let config: StreamConfig = settings::read("sqlite", config)?;
        let settings = Settings::new(stream, config, around)?;
        Ok(Arc::new(Sink::new(settings, Arc::clone(&around.clock))))
    }

    fn trial(
        &self,
        name: &str,
        config: serde_json::Value,
        around: &Surroundings,
    ) -> Result<Option<Trial>, Fault> {
        let mut config: StreamConfig = settings::read("sqlite", config)?;
        name.clone_into(&mut config.id);
        let file = around.base_dir.join(&config.path);
        // On the same disk, and never a file that somebody else knows.
        let nearest = file.ancestors().skip(1).find(|folder| folder.is_dir());
        config.path = nearest.unwrap_or(&around.base_dir).join(format!(".{name}.db"));
        config.tables.create_tables = true;
        let places = Arc::new(TrialFile { file: config.path.clone() });
        let settings = Settings::new(name, config, around)?;
        Ok(Some(Trial { sink: Arc::new(Sink::new(settings, Arc::clone(&around.clock))), places }))
    }
}

/// A configuration that has been looked through.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) stream: String,
    pub(super) id: String,
    /// The path as it was written, for people.
    pub(super) shown: String,
    pub(super) file: PathBuf,
    pub(super) table: Template,
    pub(super) tables: Tables,
}

impl Settings {
    fn new(stream: &str, config: StreamConfig, around: &Surroundings) -> Result<Self, Fault> {
        if config.id.is_empty() {
            return Err(Fault::new(ErrorClass::Config, "the sqlite sink's `id` is empty"));
        }
        Ok(Self {
            stream: stream.to_owned(),
            id: config.id,
            shown: config.path.display().to_string(),
            file: around.base_dir.join(config.path),
            // SQLite has no schemas: a dot is a character like any other.
            table: Template::parse(&config.table, 1)?,
            tables: config.tables,
        })
    }
}
