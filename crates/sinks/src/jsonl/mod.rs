//! JSON Lines files as a target: written aside and renamed, with cursor and token in a file
//! beside.

mod format;

use std::sync::Arc;

use flowglass_connect::{BatchTarget, Fault, Surroundings, TargetConnector};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::files::{BinaryText, TextTarget};

/// The connector for JSON Lines files.
#[derive(Debug, Clone, Copy, Default)]
pub struct Connector;

/// Writes a JSON Lines file: one object a line. `NaN` and infinities are the texts `NaN`,
/// `Infinity` and `-Infinity`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// The file. Folders above it are made.
    path: String,
    /// How bytes become text.
    #[serde(default)]
    binary: BinaryText,
}

impl TargetConnector for Connector {
    fn kind(&self) -> &'static str {
        "jsonl"
    }

    fn schema(&self) -> serde_json::Value {
        schemars::schema_for!(Config).to_value()
    }

    fn build(
        &self,
        config: serde_json::Value,
        around: &Surroundings,
    ) -> Result<Arc<dyn BatchTarget>, Fault> {
        let config: Config = crate::files::configure("jsonl", config)?;
        Ok(Arc::new(TextTarget::<format::Jsonl>::new((), config.binary, config.path, around)))
    }
}
