//! A stream's manifest: where changes come from, what is done with them, where they go.
//!
//! A source and a sink hold what is the connector's own under `config`, unlike a copy, where it
//! stands beside `type`: so `required` and `id`, which the engine reads, cannot be taken for words
//! of the connector's when it gets new ones.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::manifest::{ApiVersion, MetadataDraft, ParamDraft, RetryDraft, ignored};
use super::words::{DurationText, Id, SizeText};

/// Changes from a source to sinks, until it is stopped.
#[derive(Debug, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[expect(dead_code, reason = "the schema of the whole; documents are read part by part")]
pub(crate) struct StreamDraft {
    /// The version of this format.
    api_version: ApiVersion,
    /// What the pipeline is: `Workflow` or `Stream`.
    #[schemars(extend("x-flowglass-words" = ["Workflow", "Stream"]))]
    kind: StreamKind,
    /// What it is called.
    metadata: MetadataDraft,
    /// What it does.
    spec: StreamSpecDraft,
}

/// The kind of a stream.
#[derive(Debug, JsonSchema)]
#[schemars(inline)]
#[expect(dead_code, reason = "only its schema is used")]
enum StreamKind {
    /// Changes from a source to sinks, until it is stopped.
    Stream,
}

/// What a stream does.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["source", "sinks"]))]
pub(crate) struct StreamSpecDraft {
    /// Values that the caller may set with `--param name=value`; used as `${param.name}`.
    #[serde(deserialize_with = "ignored")]
    params: BTreeMap<String, ParamDraft>,
    /// Names of variables (or `param.name`) whose values are starred out everywhere.
    pub(crate) secrets: Vec<String>,
    /// Where changes come from.
    #[serde(deserialize_with = "ignored")]
    source: Option<StreamSourceDraft>,
    /// What is done with each row on its way, in this order.
    #[serde(deserialize_with = "ignored")]
    #[schemars(length(max = 64))]
    processors: Vec<ProcessorDraft>,
    /// Where changes go: each sink gets every row.
    #[serde(deserialize_with = "ignored")]
    #[schemars(length(min = 1, max = 64))]
    sinks: Vec<StreamSinkDraft>,
    /// When a batch is cut.
    pub(crate) batch: Option<StreamBatchDraft>,
    /// When a batch counts as committed.
    pub(crate) commit_policy: Option<CommitPolicyDraft>,
    /// Room for rows that cannot be delivered.
    pub(crate) dlq: Option<DlqDraft>,
    /// Batches that may wait for one sink.
    #[schemars(range(min = 1, max = 1024), extend("default" = 4))]
    pub(crate) queue_batches: Option<u32>,
    /// How long a stream that was asked to stop may take to deliver what it has read.
    #[schemars(extend("default" = "30s"))]
    pub(crate) grace: Option<DurationText>,
    /// How long the source may move without us before the stream counts as stalled.
    #[schemars(extend("default" = "1m"))]
    pub(crate) stalled_after: Option<DurationText>,
    /// How long it pauses before it tries again, for ever, after an error that may pass.
    pub(crate) retry: Option<StreamRetryDraft>,
    /// What is promised about this pipeline.
    pub(crate) slo: Option<StreamSloDraft>,
}

/// A source of changes: `type` names the connector, `config` is its own.
#[derive(Debug, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "stream_source")]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct StreamSourceDraft {
    /// The connector.
    #[serde(rename = "type")]
    kind: String,
    /// How it is set up.
    config: Option<StreamSourceConfig>,
}

/// What the configuration of every source of changes may hold.
#[derive(Debug, JsonSchema)]
#[schemars(inline)]
#[expect(dead_code, reason = "only its schema is used")]
struct StreamSourceConfig {
    /// Names the source in metrics, events and checkpoints; its type by default.
    id: Option<Id>,
}

/// A sink of changes: `type` names the connector, `config` is its own.
#[derive(Debug, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "stream_sink")]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct StreamSinkDraft {
    /// The connector.
    #[serde(rename = "type")]
    kind: String,
    /// How it is set up.
    config: Option<StreamSinkConfig>,
}

/// What the configuration of every sink of changes may hold.
#[derive(Debug, JsonSchema)]
#[schemars(inline)]
#[expect(dead_code, reason = "only its schema is used")]
struct StreamSinkConfig {
    /// Names the sink in metrics, events and checkpoints, unique in the stream; its type by default.
    id: Option<Id>,
    /// Whether the stream waits for this sink. One that it does not wait for catches up by itself.
    #[schemars(extend("default" = true))]
    required: Option<bool>,
}

/// A processor: `type` says what it does, the other keys are its own.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "processor")]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct ProcessorDraft {
    /// What it does.
    #[serde(rename = "type")]
    kind: String,
    /// Names the processor in metrics, unique in the stream; its type by default.
    id: Option<Id>,
}

/// When a batch is cut: at whichever of these comes first.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StreamBatchDraft {
    /// Rows at most.
    #[schemars(range(min = 1, max = 1_000_000), extend("default" = 8192))]
    pub(crate) max_events: Option<u32>,
    /// Bytes read at most, `1KiB` to `1GiB`.
    #[schemars(extend("default" = "16MiB"))]
    pub(crate) max_bytes: Option<SizeText>,
    /// Milliseconds that the first row waits for more; 0 sends it at once.
    #[schemars(range(min = 0, max = 60_000), extend("default" = 50))]
    pub(crate) max_ms: Option<u32>,
    /// Whether all rows of a transaction of the source stay in one batch, as long as memory allows.
    #[schemars(extend("default" = true))]
    pub(crate) respect_source_tx: Option<bool>,
}

/// When a batch counts as committed.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CommitPolicyDraft {
    /// Which sinks must have it.
    #[serde(default)]
    #[schemars(extend("default" = "required"))]
    pub(crate) mode: CommitMode,
    /// How many sinks must have it, the required ones among them; only with the mode `quorum`.
    #[schemars(range(min = 1, max = 64))]
    pub(crate) quorum: Option<u32>,
}

/// Which sinks must have a batch before it counts as committed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CommitMode {
    /// Every sink.
    All,
    /// Every sink that is not `required: false`.
    #[default]
    Required,
    /// As many as `quorum` says.
    Quorum,
}

/// Room for rows that cannot be delivered.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DlqDraft {
    /// Dead letters kept at most.
    #[schemars(range(min = 1, max = 100_000_000), extend("default" = 10_000))]
    pub(crate) max_entries: Option<u64>,
    /// How long one is kept.
    #[schemars(extend("default" = "7d"))]
    pub(crate) max_age: Option<DurationText>,
    /// How much of a row is kept with it, `1KiB` to `64MiB`.
    #[schemars(extend("default" = "256KiB"))]
    pub(crate) max_event_bytes: Option<SizeText>,
    /// What happens when there is no room for one more.
    #[serde(default)]
    pub(crate) overflow: Overflow,
}

/// What happens to a dead letter when there is no room for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Overflow {
    /// The oldest makes room.
    #[default]
    DropOldest,
    /// The new one is dropped.
    Reject,
    /// Nothing is dropped: the sink waits until somebody makes room.
    Block,
}

/// The pauses of a stream that is tried again. It never gives up on an error that may pass.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StreamRetryDraft {
    /// The first pause; it doubles with every further one.
    #[schemars(extend("default" = "1s"))]
    pub(crate) backoff: Option<DurationText>,
    /// The longest pause.
    #[schemars(extend("default" = "1m"))]
    pub(crate) max_backoff: Option<DurationText>,
    /// Whether each pause is drawn at random between half of it and all of it.
    #[schemars(extend("default" = true))]
    pub(crate) jitter: Option<bool>,
}

impl From<StreamRetryDraft> for RetryDraft {
    fn from(draft: StreamRetryDraft) -> Self {
        let StreamRetryDraft { backoff, max_backoff, jitter } = draft;
        Self { backoff, max_backoff, jitter, ..Self::default() }
    }
}

/// What is promised about a stream.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StreamSloDraft {
    /// The last row delivered is never further behind the source.
    pub(crate) lag: Option<DurationText>,
}
