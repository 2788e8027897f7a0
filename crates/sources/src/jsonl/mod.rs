//! JSON Lines files as a source: lines parsed in parallel, numbers taken from their text.

mod config;
mod line;
mod open;
mod read;

#[cfg(feature = "tail")]
pub(crate) use line::{Flaw, read_line};

use std::sync::Arc;

use flowglass_connect::{BatchSource, Fault, SourceConnector, Surroundings};

/// The connector for JSON Lines files.
#[derive(Debug, Clone, Copy, Default)]
pub struct Connector;

impl SourceConnector for Connector {
    fn kind(&self) -> &'static str {
        "jsonl"
    }

    fn schema(&self) -> serde_json::Value {
        schemars::schema_for!(config::Config).to_value()
    }

    fn build(
        &self,
        config: serde_json::Value,
        around: &Surroundings,
    ) -> Result<Arc<dyn BatchSource>, Fault> {
        let config: config::Config = crate::files::configure("jsonl", config)?;
        Ok(Arc::new(open::Source::new(config, around.base_dir.clone())))
    }
}
