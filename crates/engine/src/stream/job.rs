//! What a stream is made of, and what it tells while it runs.

use std::sync::Arc;
use std::time::Duration;

use flowglass_catalog::PipelineScope;
use flowglass_connect::Clock;
use flowglass_connect::stream::{
    DeadLetterLimits, Head, Position, StreamProcessor, StreamSink, StreamSource, StreamState,
};
use flowglass_model::LedgerEntry;

use super::batcher::BatchLimits;
use super::meters::StageOf;
use super::policy::CommitPolicy;

/// A stream to run.
#[derive(Clone)]
pub struct StreamJob {
    /// Its name: names its positions and dead letters.
    pub name: String,
    /// Where changes come from.
    pub source: Arc<dyn StreamSource>,
    /// What is done with rows on their way, in this order.
    pub processors: Vec<Arc<dyn StreamProcessor>>,
    /// Where they go, at least one.
    pub sinks: Vec<SinkJob>,
    /// When a batch is cut.
    pub limits: BatchLimits,
    /// Batches that may wait for one sink.
    pub queue_batches_max: usize,
    /// When a batch counts as committed.
    pub policy: CommitPolicy,
    /// Room for dead letters.
    pub dead_letters: DeadLetterLimits,
    /// When the stream has done what it was started for.
    pub until: Until,
    /// How long a stream that was asked to stop may take to deliver what it has read.
    pub grace: Duration,
    /// How long the source may move without us before the stream counts as stalled.
    pub stalled_after: Duration,
    /// Positions and dead letters.
    pub state: Arc<dyn StreamState>,
    /// Where its numbers go.
    pub meters: PipelineScope,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for StreamJob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StreamJob").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A sink and its part in the stream.
#[derive(Clone)]
pub struct SinkJob {
    /// The sink.
    pub sink: Arc<dyn StreamSink>,
    /// Whether the stream waits for it.
    pub required: bool,
}

/// When a stream has done what it was started for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Until {
    /// Never: it runs until it is stopped.
    Stopped,
    /// When it has delivered everything that the source's log held when it began.
    CaughtUp,
    /// When it has delivered everything up to there.
    Reached(Position),
}

/// How a stream stands, for people and for the end of its run.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// Rows read.
    pub read: u64,
    /// Bytes of the wire read.
    pub wire_bytes: u64,
    /// Behind the last batch that was handed to the sinks.
    pub handed: Option<Position>,
    /// Behind what counts as committed.
    pub committed: Option<Position>,
    /// The end of the source's log.
    pub head: Head,
    /// Now minus the commit time of the last row read; zero when caught up.
    pub lag: Duration,
    /// Time since the last row was read.
    pub idle: Duration,
    /// Rows of the last batch.
    pub batch_events: u64,
    /// Each sink, in the order of the job.
    pub sinks: Vec<SinkStatus>,
    /// Dead letters there are.
    pub dead_letters: u64,
    /// The ledger, by table and sink.
    pub ledger: Vec<LedgerEntry>,
    /// The stage that is nearest to its limit: the share of time that it worked.
    pub bottleneck: Option<(StageOf, f64)>,
    /// What processors want people to know, such as a table that one does not apply to.
    pub remarks: Vec<String>,
    /// Why nothing moves although the source does.
    pub stalled: Option<Stall>,
    /// Whether it reads nothing because somebody asked it to pause.
    pub paused: bool,
    /// Who asked it to stop from another process.
    pub stopped_by: Option<String>,
}

/// How a sink stands.
#[derive(Debug, Clone, Default)]
pub struct SinkStatus {
    /// Its id.
    pub id: String,
    /// Behind what it has acknowledged.
    pub position: Option<Position>,
    /// Rows that it keeps.
    pub delivered: u64,
    /// Bytes written to it.
    pub bytes: u64,
    /// Batches handed to it that it has not acknowledged.
    pub in_flight_batches: usize,
    /// Whether it fell behind and gets what it lacks beside the stream.
    pub catches_up: bool,
    /// What is wrong with it now.
    pub trouble: Option<String>,
    /// How often in a row it could not be used.
    pub attempts: u32,
}

/// A stream that does not move although its source does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stall {
    /// The stage that holds it.
    pub stage: StageOf,
    /// The sink that holds it, when one does.
    pub sink: Option<String>,
    /// For how long.
    pub lasting: Duration,
}
