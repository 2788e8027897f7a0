//! Made-up changes, for demonstrations, tests and benchmarks: no service, any rate, always the same
//! rows from the same seed.

mod config;
mod read;
mod rows;

use std::sync::Arc;

use async_trait::async_trait;
use flowglass_connect::stream::{
    Position, Precondition, StreamReader, StreamSource, StreamSourceConnector,
};
use flowglass_connect::{Clock, Fault, Surroundings};
use flowglass_model::{AssetRef, ErrorClass};

use config::Config;

/// The connector for made-up changes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Connector;

impl StreamSourceConnector for Connector {
    fn kind(&self) -> &'static str {
        "generator"
    }

    fn schema(&self) -> serde_json::Value {
        schemars::schema_for!(Config).to_value()
    }

    fn build(
        &self,
        config: serde_json::Value,
        _around: &Surroundings,
    ) -> Result<Arc<dyn StreamSource>, Fault> {
        let config: Config = serde_json::from_value(config)
            .map_err(|cause| Fault::new(ErrorClass::Config, "source `generator`").because(cause))?;
        config.check()?;
        Ok(Arc::new(Source { config }))
    }
}

struct Source {
    config: Config,
}

#[async_trait]
impl StreamSource for Source {
    fn id(&self) -> &str {
        &self.config.id
    }

    fn asset(&self) -> AssetRef {
        AssetRef::new("generator", format!("seed-{}", self.config.seed))
    }

    async fn examine(&self) -> Result<Vec<Precondition>, Fault> {
        // It needs nothing.
        Ok(Vec::new())
    }

    async fn open(
        &self,
        from: Option<Position>,
        clock: Arc<dyn Clock>,
    ) -> Result<Box<dyn StreamReader>, Fault> {
        Ok(Box::new(read::Reader::new(&self.config, from.as_ref(), clock)))
    }
}
