//! What a sink of changes has to do.

use std::sync::Arc;

use async_trait::async_trait;
use flowglass_model::AssetRef;

use super::batch::StreamBatch;
use super::message::Messages;
use super::position::Position;
use super::receipt::Receipt;
use super::reread::Reread;
use super::source::Precondition;
use super::trial::Trial;
use crate::batch::Surroundings;
use crate::encode::EncoderSettings;
use crate::fault::Fault;

/// Makes sinks of one kind from their configuration.
pub trait StreamSinkConnector: Send + Sync {
    /// The manifest's word for it.
    fn kind(&self) -> &'static str;

    /// JSON Schema of its `config`.
    fn schema(&self) -> serde_json::Value;

    /// Makes a sink for the stream named `stream`; touches nothing outside.
    ///
    /// # Errors
    /// `config` when the configuration cannot be used.
    fn build(
        &self,
        stream: &str,
        config: serde_json::Value,
        around: &Surroundings,
    ) -> Result<Arc<dyn StreamSink>, Fault>;

    /// The same sink with places of its own, named after `name`, to be measured; none where it cannot
    /// be tried without somebody noticing. Touches nothing outside.
    ///
    /// # Errors
    /// As for [`StreamSinkConnector::build`].
    fn trial(
        &self,
        name: &str,
        config: serde_json::Value,
        around: &Surroundings,
    ) -> Result<Option<Trial>, Fault> {
        drop((name, config, around));
        Ok(None)
    }
}

/// What may be said of a row after a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guarantee {
    /// Rows and position are one commit: each row is there once.
    ExactlyOnce,
    /// A row may come again, with the same idempotency key.
    AtLeastOnce,
}

/// In what form a sink takes a batch.
#[derive(Debug, Clone)]
pub enum Takes {
    /// Encoded messages.
    Messages(EncoderSettings),
    /// The rows themselves.
    Rows,
}

/// Where changes go.
#[async_trait]
pub trait StreamSink: Send + Sync {
    /// Its `id` in the manifest: the label `sink` of its metrics.
    fn id(&self) -> &str;

    /// Where it writes, without credentials; templates as they are written.
    fn asset(&self) -> AssetRef;

    /// In what form it takes a batch.
    fn takes(&self) -> Takes;

    /// What it can promise as it is configured.
    fn guarantee(&self) -> Guarantee;

    /// How many batches it works on at once, from 1. Batches past it wait in the stream's queue.
    fn in_flight_batches_max(&self) -> usize {
        1
    }

    /// How what it holds can be read again.
    fn reread(&self) -> Reread {
        Reread::Nothing("it keeps nothing that could be read again")
    }

    /// Looks at everything that has to be right before it can be opened.
    ///
    /// # Errors
    /// Only when the sink cannot be asked at all.
    async fn examine(&self) -> Result<Vec<Precondition>, Fault>;

    /// Connects, and takes the place of an older writer of the same stream where the sink can fence.
    ///
    /// # Errors
    /// What stands in the way.
    async fn open(&self) -> Result<Box<dyn SinkWriter>, Fault>;
}

/// A batch on its way.
#[derive(Debug)]
pub struct Delivery {
    /// Numbers the deliveries of a writer from 1, without a gap.
    pub number: u64,
    /// The rows.
    pub batch: Arc<StreamBatch>,
    /// The same encoded, for sinks that take messages.
    pub messages: Option<Messages>,
}

/// A delivery that is durable.
#[derive(Debug, Default)]
pub struct Acknowledged {
    /// Which one.
    pub number: u64,
    /// Rows that the sink refuses for good, by index among those that the batch spans.
    pub refused: Vec<Refused>,
    /// Bytes written.
    pub bytes: u64,
    /// What is still in the client's own buffers: messages and bytes.
    pub buffered: (u64, u64),
    /// What was written, of sinks that say so themselves: [`super::Keeps::Own`].
    pub receipt: Option<Receipt>,
}

/// A row that can never be delivered.
#[derive(Debug)]
pub struct Refused {
    /// Index of the change among those that its batch spans.
    pub change: usize,
    /// Why; its class says [`flowglass_model::Policy::SetAside`].
    pub fault: Fault,
}

/// An open sink. Dropping it gives up what is not acknowledged: the rows are not visible where the
/// sink has transactions.
#[async_trait]
pub trait SinkWriter: Send {
    /// The position that is kept with the rows; `None` when there is none, or when the sink cannot
    /// keep one. Asked once, before the first delivery.
    ///
    /// # Errors
    /// What stands in the way.
    async fn committed(&mut self) -> Result<Option<Position>, Fault>;

    /// Takes a delivery, and returns as soon as it could take the next one. Never called with more
    /// than [`StreamSink::in_flight_batches_max`] unacknowledged.
    ///
    /// # Errors
    /// The writer is of no use after that, and is dropped. A retryable class: open another one.
    async fn send(&mut self, delivery: Delivery) -> Result<(), Fault>;

    /// Waits until the oldest delivery is durable. Waits for ever when nothing is in flight. May be
    /// dropped while it waits, without losing anything.
    ///
    /// # Errors
    /// As for [`SinkWriter::send`].
    async fn acknowledged(&mut self) -> Result<Acknowledged, Fault>;
}
