//! Parquet files as a target: one file, replaced in one rename, with cursor and token in its
//! footer. Appending copies the old row groups as they are, without decoding them.

mod config;
mod encode;
mod merge;
mod old;
mod target;
mod write;

#[cfg(feature = "folder")]
pub(crate) use config::Packing;
#[cfg(feature = "folder")]
pub(crate) use encode::{Encoder, encode_fault, open_output};
#[cfg(feature = "folder")]
pub(crate) use write::properties;

use std::sync::Arc;

use flowglass_connect::{BatchTarget, Fault, Surroundings, TargetConnector};

/// The connector for Parquet files.
#[derive(Debug, Clone, Copy, Default)]
pub struct Connector;

impl TargetConnector for Connector {
    fn kind(&self) -> &'static str {
        "parquet"
    }

    fn schema(&self) -> serde_json::Value {
        schemars::schema_for!(config::Config).to_value()
    }

    fn build(
        &self,
        config: serde_json::Value,
        around: &Surroundings,
    ) -> Result<Arc<dyn BatchTarget>, Fault> {
        let config: config::Config = crate::files::configure("parquet", config)?;
        Ok(Arc::new(target::Target::new(config, around)))
    }
}
