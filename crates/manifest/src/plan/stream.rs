//! A stream, ready to be run: what its manifest says, with every default filled in.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flowglass_model::PipelineId;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::draft::Overflow;
use crate::secret::{GuardedText, Secrets};

use super::node::{self, Connector};

/// A stream, ready to be run. `Debug` and JSON show every secret as stars.
#[derive(Clone, Debug, Serialize)]
pub struct StreamPlan {
    pub(crate) pipeline: PipelineId,
    pub(crate) tenant: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) digest: String,
    pub(crate) params: BTreeMap<String, GuardedText>,
    pub(crate) source: StreamSource,
    pub(crate) processors: Vec<Processor>,
    pub(crate) sinks: Vec<StreamSink>,
    pub(crate) batch: StreamBatching,
    pub(crate) commit_policy: CommitPolicy,
    #[serde(rename = "dlq")]
    pub(crate) dead_letters: DeadLetterRule,
    pub(crate) queue_batches: u32,
    #[serde(serialize_with = "node::duration")]
    pub(crate) grace: Duration,
    #[serde(serialize_with = "node::duration")]
    pub(crate) stalled_after: Duration,
    #[serde(rename = "retry")]
    pub(crate) restart: Restart,
    #[serde(skip_serializing_if = "StreamSlo::is_empty")]
    pub(crate) slo: StreamSlo,
    #[serde(skip)]
    pub(crate) base_dir: PathBuf,
    #[serde(skip)]
    pub(crate) secrets: Secrets,
}

/// Where changes come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamSource {
    /// Its label in metrics, events and checkpoints; the alphabet is that of node ids.
    pub id: String,
    /// Its type and what stands under `config`, with `id` where the connector knows that key.
    pub connector: Connector,
}

/// Where changes go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamSink {
    /// Its label in metrics, events and checkpoints, unique in the stream; the alphabet is that of
    /// node ids.
    pub id: String,
    /// Whether the stream waits for it.
    pub required: bool,
    /// Its type and what stands under `config`, with `id` and `required` where the connector knows
    /// these keys.
    pub connector: Connector,
}

/// What is done with each row on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Processor {
    /// Its label in metrics, unique in the stream; the alphabet is that of node ids.
    pub id: String,
    /// Its type and the other keys, without `id`.
    pub connector: Connector,
}

/// When a batch is cut: at whichever of these comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct StreamBatching {
    /// Rows, 1 to 1,000,000.
    #[serde(rename = "max_events")]
    pub events_max: u32,
    /// Bytes read, 1 KiB to 1 GiB.
    #[serde(rename = "max_bytes")]
    pub bytes_max: u64,
    /// How long the first row waits for more, at most a minute.
    #[serde(rename = "max_ms", serialize_with = "millis")]
    pub wait_max: Duration,
    /// Whether a batch ends only between transactions of the source, as long as memory allows.
    #[serde(rename = "respect_source_tx")]
    pub respect_transactions: bool,
}

/// When a batch counts as committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "mode", content = "quorum", rename_all = "snake_case")]
pub enum CommitPolicy {
    /// Every sink has it.
    All,
    /// Every required sink has it.
    Required,
    /// That many sinks have it, the required ones among them; at most as many as there are.
    Quorum(u32),
}

/// Room for rows that cannot be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct DeadLetterRule {
    /// Dead letters kept at most.
    #[serde(rename = "max_entries")]
    pub entries_max: u64,
    /// How long one is kept.
    #[serde(rename = "max_age", serialize_with = "node::duration")]
    pub age_max: Duration,
    /// Bytes of a row that are kept with it.
    #[serde(rename = "max_event_bytes")]
    pub event_bytes_max: u64,
    /// What happens when there is no room for one more.
    pub overflow: Overflow,
}

/// The pauses of a stream that is tried again after an error whose class may pass: for ever, since a
/// stream has no end that it could miss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Restart {
    /// The first pause; it doubles with every further one.
    #[serde(rename = "backoff", serialize_with = "node::duration")]
    pub first: Duration,
    /// The longest pause, at least `first`.
    #[serde(rename = "max_backoff", serialize_with = "node::duration")]
    pub longest: Duration,
    /// Whether each pause is drawn at random between half of it and all of it.
    pub jitter: bool,
}

/// What is promised about a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StreamSlo {
    /// The last row delivered is never further behind the source.
    #[serde(serialize_with = "node::duration_option", skip_serializing_if = "Option::is_none")]
    pub lag: Option<Duration>,
}

fn millis<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u128(duration.as_millis())
}

impl StreamSlo {
    /// Whether nothing is promised.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A part as JSON: its id and type beside its configuration, secrets starred out.
#[derive(Serialize)]
struct Shown<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    required: Option<bool>,
    config: &'a Value,
}

impl<'a> Shown<'a> {
    fn of(id: &'a str, connector: &'a Connector) -> Self {
        Self { id, kind: &connector.kind, required: None, config: connector.shown() }
    }
}

impl Serialize for StreamSource {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Shown::of(&self.id, &self.connector).serialize(serializer)
    }
}

impl Serialize for StreamSink {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let shown = Shown::of(&self.id, &self.connector);
        Shown { required: Some(self.required), ..shown }.serialize(serializer)
    }
}

impl Serialize for Processor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Shown::of(&self.id, &self.connector).serialize(serializer)
    }
}

impl StreamPlan {
    /// The pipeline's id: `metadata.name`.
    #[must_use]
    pub const fn pipeline(&self) -> &PipelineId {
        &self.pipeline
    }

    /// Whose it is.
    #[must_use]
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// A sentence for people.
    #[must_use]
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// Words to filter by.
    #[must_use]
    pub const fn labels(&self) -> &BTreeMap<String, String> {
        &self.labels
    }

    /// `sha256:` and the hex digest of what the document says, before variables: comments, layout,
    /// the order of keys and the order of sinks do not change it, and no secret is in it.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The parameters and the values they have in this plan.
    #[must_use]
    pub const fn params(&self) -> &BTreeMap<String, GuardedText> {
        &self.params
    }

    /// Where changes come from.
    #[must_use]
    pub const fn source(&self) -> &StreamSource {
        &self.source
    }

    /// What is done with each row, in this order.
    #[must_use]
    pub fn processors(&self) -> &[Processor] {
        &self.processors
    }

    /// Where changes go, in the order of the manifest; at least one.
    #[must_use]
    pub fn sinks(&self) -> &[StreamSink] {
        &self.sinks
    }

    /// When a batch is cut.
    #[must_use]
    pub const fn batch(&self) -> StreamBatching {
        self.batch
    }

    /// When a batch counts as committed.
    #[must_use]
    pub const fn commit_policy(&self) -> CommitPolicy {
        self.commit_policy
    }

    /// Room for rows that cannot be delivered.
    #[must_use]
    pub const fn dead_letters(&self) -> DeadLetterRule {
        self.dead_letters
    }

    /// Batches that may wait for one sink, 1 to 1024.
    #[must_use]
    pub const fn queue_batches(&self) -> u32 {
        self.queue_batches
    }

    /// How long the stream may take to deliver what it has read when it was asked to stop. May be
    /// nothing.
    #[must_use]
    pub const fn grace(&self) -> Duration {
        self.grace
    }

    /// How long the source may move without us before the stream counts as stalled.
    #[must_use]
    pub const fn stalled_after(&self) -> Duration {
        self.stalled_after
    }

    /// How it pauses before it is tried again.
    #[must_use]
    pub const fn restart(&self) -> Restart {
        self.restart
    }

    /// What is promised.
    #[must_use]
    pub const fn slo(&self) -> StreamSlo {
        self.slo
    }

    /// The manifest's folder: relative paths in the plan start here.
    #[must_use]
    pub fn base_dir(&self) -> &Path {
        &self.base_dir
    }

    /// Every secret value, for the redactor.
    #[must_use]
    pub const fn secrets(&self) -> &Secrets {
        &self.secrets
    }
}
