//! CSV files as a target: written aside and renamed, with cursor and token in a file beside.

mod config;
mod format;
mod record;

use std::sync::Arc;

use flowglass_connect::{BatchTarget, Fault, Surroundings, TargetConnector};

use crate::files::TextTarget;

/// The connector for CSV files.
#[derive(Debug, Clone, Copy, Default)]
pub struct Connector;

impl TargetConnector for Connector {
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
    ) -> Result<Arc<dyn BatchTarget>, Fault> {
        let config: config::Config = crate::files::configure("csv", config)?;
        let settings = config.settings()?;
        Ok(Arc::new(TextTarget::<format::Csv>::new(settings, config.binary, config.path, around)))
    }
}
