//! Parquet files as a source: row groups decoded in parallel, batches in file order.

mod open;
mod read;

use std::sync::Arc;

use flowglass_connect::{BatchSource, Fault, SourceConnector, Surroundings};
use schemars::JsonSchema;
use serde::Deserialize;

/// The connector for Parquet files.
#[derive(Debug, Clone, Copy, Default)]
pub struct Connector;

/// Reads Parquet files.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// A file, a folder (its `.parquet` files in the order of their names) or a pattern such as
    /// `data/*.parquet`.
    path: String,
    /// Only these columns, in this order.
    #[serde(default)]
    columns: Option<Vec<String>>,
}

impl SourceConnector for Connector {
    fn kind(&self) -> &'static str {
        "parquet"
    }

    fn schema(&self) -> serde_json::Value {
        schemars::schema_for!(Config).to_value()
    }

    fn build(
        &self,
        config: serde_json::Value,
        around: &Surroundings,
    ) -> Result<Arc<dyn BatchSource>, Fault> {
        let config: Config = crate::files::configure("parquet", config)?;
        Ok(Arc::new(open::Source::new(config, around.base_dir.clone())))
    }
}
