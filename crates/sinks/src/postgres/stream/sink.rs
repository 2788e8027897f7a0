//! The sink: looks at the database and opens its writer.

use std::sync::Arc;

use async_trait::async_trait;
use flowglass_connect::Fault;
use flowglass_connect::stream::{Guarantee, Precondition, Reread, SinkWriter, StreamSink, Takes};
use flowglass_model::AssetRef;

use super::config::Settings;
use super::examine;
use super::positions::Positions;
use super::reread::Held;
use super::session::Limited;
use super::writer::Writer;
use crate::messages::TaskedSink;

/// One that is written, and one that waits for its turn.
const BATCHES_IN_FLIGHT_MAX: usize = 2;

/// Tables of a Postgres database.
#[derive(Debug)]
pub(super) struct Sink {
    settings: Arc<Settings>,
}

impl Sink {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings: Arc::new(settings) }
    }
}

#[async_trait]
impl StreamSink for Sink {
    fn id(&self) -> &str {
        &self.settings.id
    }

    fn asset(&self) -> AssetRef {
        let address = &self.settings.address;
        let name = format!("{}.{}", address.database(), self.settings.table.written());
        AssetRef::new(address.namespace(), name)
    }

    fn takes(&self) -> Takes {
        Takes::Rows
    }

    fn guarantee(&self) -> Guarantee {
        Guarantee::ExactlyOnce
    }

    fn in_flight_batches_max(&self) -> usize {
        BATCHES_IN_FLIGHT_MAX
    }

    fn reread(&self) -> Reread {
        Reread::Tables(Arc::new(Held { settings: Arc::clone(&self.settings) }))
    }

    async fn examine(&self) -> Result<Vec<Precondition>, Fault> {
        examine::examine(&self.settings).await
    }

    async fn open(&self) -> Result<Box<dyn SinkWriter>, Fault> {
        let session = Limited::connect(&self.settings.address, self.settings.timeout).await?;
        let (positions, position) = Positions::take_over(&session, &self.settings).await?;
        let writer = Writer::new(session, Arc::clone(&self.settings), positions);
        Ok(Box::new(TaskedSink::start("postgres sink", BATCHES_IN_FLIGHT_MAX, position, writer)))
    }
}
