//! The sink: opens its writer when the webhook may be asked again.

use std::sync::Arc;

use async_trait::async_trait;
use flowglass_connect::Fault;
use flowglass_connect::stream::{Guarantee, Precondition, Reread, SinkWriter, StreamSink, Takes};
use flowglass_model::AssetRef;

use super::client::Client;
use super::config::Settings;
use super::examine;
use super::memory::Memory;
use super::writer::Writer;
use crate::messages::TaskedSink;

/// One that is sent, and one that waits for its turn.
const BATCHES_IN_FLIGHT_MAX: usize = 2;

/// A webhook.
#[derive(Debug)]
pub(super) struct Sink {
    settings: Arc<Settings>,
    memory: Arc<Memory>,
}

impl Sink {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings: Arc::new(settings), memory: Arc::default() }
    }
}

#[async_trait]
impl StreamSink for Sink {
    fn id(&self) -> &str {
        &self.settings.id
    }

    /// The path may be a secret: the sink's own name stands for it.
    fn asset(&self) -> AssetRef {
        AssetRef::new(self.settings.address.namespace(), self.settings.id.clone())
    }

    fn takes(&self) -> Takes {
        Takes::Messages(self.settings.form.clone())
    }

    fn guarantee(&self) -> Guarantee {
        Guarantee::AtLeastOnce
    }

    fn in_flight_batches_max(&self) -> usize {
        BATCHES_IN_FLIGHT_MAX
    }

    fn reread(&self) -> Reread {
        Reread::Nothing("a webhook does not give back what it was sent")
    }

    async fn examine(&self) -> Result<Vec<Precondition>, Fault> {
        examine::examine(&self.settings).await
    }

    async fn open(&self) -> Result<Box<dyn SinkWriter>, Fault> {
        let (settings, memory) = (Arc::clone(&self.settings), Arc::clone(&self.memory));
        // What the webhook asked for, or what we owe it after it failed.
        tokio::time::sleep(memory.wait_from(settings.clock.monotonic())).await;
        let client = Client::connect(Arc::clone(&settings)).await?;
        let writer = Writer { client, settings, memory };
        Ok(Box::new(TaskedSink::start("http sink", BATCHES_IN_FLIGHT_MAX, None, writer)))
    }
}
