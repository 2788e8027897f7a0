//! CSV files as a source: cut into chunks at record boundaries, parsed in parallel, typed exactly.

mod config;
mod open;
mod read;
mod scan;

use std::sync::Arc;

use flowglass_connect::{BatchSource, Fault, SourceConnector, Surroundings};

/// The connector for CSV files.
#[derive(Debug, Clone, Copy, Default)]
pub struct Connector;

impl SourceConnector for Connector {
    fn kind(&self) -> &'static str {
        "csv"
    }

    fn schema(&self) -> serde_json::Value {
        schemars::schema_for!(config::Config).to_value()
    }

    fn build(
        &self,
        config: serde_json::Value,
        around: &Surroundings,
    ) -> Result<Arc<dyn BatchSource>, Fault> {
        let config: config::Config = crate::files::configure("csv", config)?;
        Ok(Arc::new(open::Source::new(config, around.base_dir.clone())?))
    }
}
