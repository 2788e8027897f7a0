//! The sink: counts.

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;
use flowglass_connect::encode::EncoderSettings;
use flowglass_connect::stream::{
    Acknowledged, Delivery, Guarantee, Position, Precondition, Reread, SinkWriter, StreamSink,
    StreamSinkConnector, Takes,
};
use flowglass_connect::{Fault, Surroundings};
use flowglass_model::AssetRef;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::settings;

/// Takes every message and keeps none.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Names the sink in metrics.
    #[serde(default = "default_id")]
    pub id: String,
    /// Whether the source waits for this sink. Read by the engine.
    #[serde(default = "settings::required")]
    pub required: bool,
    /// The form of messages.
    #[serde(flatten)]
    pub form: EncoderSettings,
}

fn default_id() -> String {
    "null".to_owned()
}

/// Makes sinks that forget.
#[derive(Debug, Clone, Copy, Default)]
pub struct Connector;

impl StreamSinkConnector for Connector {
    fn kind(&self) -> &'static str {
        "null"
    }

    fn schema(&self) -> serde_json::Value {
        schemars::schema_for!(Config).to_value()
    }

    fn build(
        &self,
        _stream: &str,
        config: serde_json::Value,
        _around: &Surroundings,
    ) -> Result<Arc<dyn StreamSink>, Fault> {
        let Config { id, mut form, .. } = settings::read("null", config)?;
        "{schema}.{table}".clone_into(&mut form.route);
        Ok(Arc::new(Sink { id, form }))
    }
}

#[derive(Debug)]
struct Sink {
    id: String,
    form: EncoderSettings,
}

#[async_trait]
impl StreamSink for Sink {
    fn id(&self) -> &str {
        &self.id
    }

    fn asset(&self) -> AssetRef {
        AssetRef::file("/dev/null")
    }

    fn takes(&self) -> Takes {
        Takes::Messages(self.form.clone())
    }

    fn guarantee(&self) -> Guarantee {
        Guarantee::AtLeastOnce
    }

    fn in_flight_batches_max(&self) -> usize {
        2
    }

    fn reread(&self) -> Reread {
        Reread::Nothing("it keeps nothing")
    }

    async fn examine(&self) -> Result<Vec<Precondition>, Fault> {
        Ok(Vec::new())
    }

    async fn open(&self) -> Result<Box<dyn SinkWriter>, Fault> {
        Ok(Box::new(Writer::default()))
    }
}

#[derive(Debug, Default)]
struct Writer {
    taken: VecDeque<Acknowledged>,
}

#[async_trait]
impl SinkWriter for Writer {
    async fn committed(&mut self) -> Result<Option<Position>, Fault> {
        Ok(None)
    }

    async fn send(&mut self, delivery: Delivery) -> Result<(), Fault> {
        let bytes = delivery.messages.map_or(0, |messages| messages.buffer.len() as u64);
        let number = delivery.number;
        self.taken.push_back(Acknowledged { number, bytes, ..Acknowledged::default() });
        Ok(())
    }

    async fn acknowledged(&mut self) -> Result<Acknowledged, Fault> {
        match self.taken.pop_front() {
            Some(taken) => Ok(taken),
            None => std::future::pending().await,
        }
    }
}
