//! The canonical event, contract v1: one JSON object, one line.
//!
//! It is the only thing that crosses from the runtime to a surface, apart from metric increments
//! on the per-row hot path. Unknown fields are kept on read and written back; a reader of v1 takes
//! any v1.x.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::Uuid;

use crate::asset::AssetRef;
use crate::counts::Counts;
use crate::error_class::ErrorClass;
use crate::ids::{AttemptId, NodeId, PipelineId, RunId, SpanId, StageId, TraceId};
use crate::ledger::LedgerEntry;
use crate::state::{Reason, State};

/// The name and major version of the event contract.
pub const EVENT_SCHEMA: &str = "flowglass.event/v1";

/// What an event tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// An entity changed state.
    Transition,
    /// Counters so far; at most one a second per node.
    Progress,
    /// A line that a node wrote, or that the engine says about it.
    Log,
    /// Facts of a dataset: schema, freshness, row counts, check results.
    Asset,
    /// The row ledger at a checkpoint.
    Ledger,
    /// Nodes and edges of a pipeline, once per run.
    Graph,
}

/// What an event is about. The ids beside it name which one.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Entity {
    /// The whole run; `pipeline_id` then names its first pipeline.
    Run,
    /// A pipeline of the run.
    Pipeline,
    /// A node of a pipeline.
    Node,
    /// One execution of a node.
    Attempt,
    /// A phase of an attempt.
    Stage,
    /// A dataset.
    Asset,
}

/// What is done, with a name of low cardinality and the full command line apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Action {
    /// `command`, `copy`, `sql`, `check`, or another tool's word.
    pub kind: String,
    /// A name of low cardinality: the program, the strategy, the rule set.
    pub name: String,
    /// The full argument list, secrets redacted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub argv: Vec<String>,
}

/// Why something failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorInfo {
    /// The class, from the closed list.
    pub class: ErrorClass,
    /// The chain of causes on one line, secrets redacted.
    pub detail: String,
    /// Whether another attempt can help without anybody acting.
    pub retryable: bool,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// Where the event stands in the run's trace. All ids can be recomputed from the entity's ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TraceRef {
    /// The run's 16 bytes.
    pub trace_id: TraceId,
    /// The entity's span.
    pub span_id: SpanId,
    /// The span above it, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_span_id: Option<SpanId>,
    /// The `traceparent` of whoever started the run, as it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

/// Who wrote a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogStream {
    /// The command's standard output.
    Stdout,
    /// The command's standard error.
    Stderr,
    /// Flowglass itself.
    Engine,
}

/// How grave a line is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// For finding faults.
    Debug,
    /// Worth knowing.
    Info,
    /// To be looked at.
    Warn,
    /// Something failed.
    Error,
}

/// A line of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogLine {
    /// Who wrote it.
    pub stream: LogStream,
    /// How grave it is.
    pub level: LogLevel,
    /// The text without its line end, secrets redacted; bytes that are no UTF-8 are replaced here
    /// and kept in `base64`.
    pub text: String,
    /// The exact bytes in base64, only where `text` could not hold them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base64: Option<String>,
}

/// A node as the graph event tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GraphNode {
    /// The node.
    pub node_id: NodeId,
    /// What it does.
    pub action: Action,
    /// Datasets it reads.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<AssetRef>,
    /// Datasets it writes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<AssetRef>,
}

/// An arrow of the graph: `to` needs `from`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Edge {
    /// The node that goes first.
    pub from: NodeId,
    /// The node that needs it.
    pub to: NodeId,
}

/// The nodes and edges of a pipeline, nodes in a topological order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Graph {
    /// Nodes in a topological order.
    pub nodes: Vec<GraphNode>,
    /// Arrows between them.
    pub edges: Vec<Edge>,
}

/// One observation, contract v1. Fields that do not apply are absent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// `flowglass.event/v1`.
    #[serde(deserialize_with = "schema_of_this_major")]
    pub schema: String,
    /// A UUID, version 7, of its own.
    pub id: Uuid,
    /// Position in the run, gapless from 1.
    pub seq: u64,
    /// When, in UTC with nanoseconds. For order use `seq`: clocks step.
    #[serde(serialize_with = "with_nanoseconds")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub time: Timestamp,
    /// What the event tells.
    pub kind: EventKind,
    /// What it is about.
    pub entity: Entity,
    /// Whose it is.
    pub tenant: String,
    /// The run.
    pub run_id: RunId,
    /// The pipeline; for the run's own events its first one.
    pub pipeline_id: PipelineId,
    /// The node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_id: Option<NodeId>,
    /// The stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage_id: Option<StageId>,
    /// The attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt_id: Option<AttemptId>,
    /// The dataset, as [`AssetRef::id`] writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asset_id: Option<String>,
    /// Where the entity stood; absent at its first transition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<State>,
    /// Where it stands now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<State>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Seconds from start to end by a monotonic clock, at the end of an entity; never negative, in
    /// whole nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_seconds: Option<f64>,
    /// The exit code of a command that exited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// The signal that ended a command, by name: `SIGKILL`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    /// What is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<Action>,
    /// Datasets read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<AssetRef>,
    /// Datasets written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<AssetRef>,
    /// Rows and bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<Counts>,
    /// Why it failed; absent unless it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorInfo>,
    /// The line of a `log` event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<LogLine>,
    /// The entry of a `ledger` event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger: Option<LedgerEntry>,
    /// The graph of a `graph` event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub graph: Option<Graph>,
    /// Full detail of any kind; never becomes a metric label.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
    /// Where it stands in the trace.
    pub trace: TraceRef,
    /// Fields of a later v1.x, kept as they came.
    #[serde(flatten)]
    pub unknown: serde_json::Map<String, serde_json::Value>,
}

/// Who an event is about, by its ids, from the run inwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// Whose it is.
    pub tenant: String,
    /// The run.
    pub run_id: RunId,
    /// The pipeline.
    pub pipeline_id: PipelineId,
    /// The node, for everything from a node inwards.
    pub node_id: Option<NodeId>,
    /// The attempt's number, from 1, for everything from an attempt inwards.
    pub attempt: Option<u32>,
    /// The stage, for stages.
    pub stage_id: Option<StageId>,
}

impl Scope {
    /// A pipeline of a run; also the scope of the run itself with its first pipeline.
    #[must_use]
    pub fn pipeline(tenant: impl Into<String>, run_id: RunId, pipeline_id: PipelineId) -> Self {
        Self {
            tenant: tenant.into(),
            run_id,
            pipeline_id,
            node_id: None,
            attempt: None,
            stage_id: None,
        }
    }

    /// The same pipeline's node.
    #[must_use]
    pub fn node(&self, node_id: NodeId) -> Self {
        Self { node_id: Some(node_id), attempt: None, stage_id: None, ..self.clone() }
    }

    /// The same node's attempt.
    #[must_use]
    pub fn attempt(&self, number: u32) -> Self {
        Self { attempt: Some(number), stage_id: None, ..self.clone() }
    }

    /// The same attempt's stage.
    #[must_use]
    pub fn stage(&self, stage_id: StageId) -> Self {
        Self { stage_id: Some(stage_id), ..self.clone() }
    }

    /// The span of `entity` in this scope, and the span above it.
    #[must_use]
    pub fn spans(&self, entity: Entity) -> (SpanId, Option<SpanId>) {
        let pipeline = self.pipeline_id.as_str();
        let node = self.node_id.as_ref().map_or("", NodeId::as_str);
        let attempt = self.attempt.map(|it| it.to_string()).unwrap_or_default();
        let stage = self.stage_id.as_ref().map_or("", StageId::as_str);
        let span = |path: &[&str]| SpanId::derive(self.run_id, path);
        match entity {
            Entity::Run => (span(&[]), None),
            Entity::Pipeline => (span(&[pipeline]), Some(span(&[]))),
            Entity::Node => (span(&[pipeline, node]), Some(span(&[pipeline]))),
            Entity::Attempt => (span(&[pipeline, node, &attempt]), Some(span(&[pipeline, node]))),
            Entity::Stage => {
                (span(&[pipeline, node, &attempt, stage]), Some(span(&[pipeline, node, &attempt])))
            }
            // A dataset has no span of its own: its facts hang on whoever told them.
            Entity::Asset => self.spans(self.innermost()),
        }
    }

    /// The innermost entity that the scope names.
    #[must_use]
    pub fn innermost(&self) -> Entity {
        match (&self.node_id, self.attempt, &self.stage_id) {
            (None, ..) => Entity::Pipeline,
            (Some(_), None, _) => Entity::Node,
            (Some(_), Some(_), None) => Entity::Attempt,
            (Some(_), Some(_), Some(_)) => Entity::Stage,
        }
    }
}

/// What makes an event unique: given by whoever records it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Its own id.
    pub id: Uuid,
    /// Its place in the run, from 1.
    pub seq: u64,
    /// When.
    pub time: Timestamp,
}

impl Event {
    /// An event with its identity and nothing told yet.
    #[must_use]
    pub fn new(stamp: Stamp, scope: &Scope, kind: EventKind, entity: Entity) -> Self {
        let (span_id, parent_span_id) = scope.spans(entity);
        let attempt_of = |node: &NodeId| scope.attempt.map(|it| AttemptId::new(node.clone(), it));
        Self {
            schema: EVENT_SCHEMA.to_owned(),
            id: stamp.id,
            seq: stamp.seq,
            time: stamp.time,
            kind,
            entity,
            tenant: scope.tenant.clone(),
            run_id: scope.run_id,
            pipeline_id: scope.pipeline_id.clone(),
            attempt_id: scope.node_id.as_ref().and_then(attempt_of),
            node_id: scope.node_id.clone(),
            stage_id: scope.stage_id.clone(),
            asset_id: None,
            from: None,
            to: None,
            reason: None,
            duration_seconds: None,
            exit_code: None,
            signal: None,
            action: None,
            inputs: Vec::new(),
            outputs: Vec::new(),
            counts: None,
            error: None,
            log: None,
            ledger: None,
            graph: None,
            attributes: BTreeMap::new(),
            trace: TraceRef {
                trace_id: scope.run_id.trace_id(),
                span_id,
                parent_span_id,
                traceparent: None,
            },
            unknown: serde_json::Map::new(),
        }
    }

    /// The event as one line of JSON without a line end.
    #[must_use]
    pub fn to_line(&self) -> String {
        // Every field is a plain value with string keys, so that serializing cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads one line.
    ///
    /// # Errors
    /// Says what does not fit the contract, with the column.
    pub fn from_line(line: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(line)
    }
}

/// Seconds, no finer than clocks are. A duration in binary has digits that nobody measured, and
/// that a reader of decimal text may not get back to the last one: what was folded live and what is
/// folded from the log would differ. Exact up to 104 days; never infinite, which JSON cannot say.
#[must_use]
pub fn whole_nanoseconds(seconds: f64) -> f64 {
    let nanoseconds = seconds * 1e9;
    if nanoseconds.is_finite() {
        nanoseconds.round() / 1e9
    } else {
        seconds.clamp(f64::MIN, f64::MAX)
    }
}

fn with_nanoseconds<S: Serializer>(time: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&format_args!("{time:.9}"))
}

fn schema_of_this_major<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let schema = String::deserialize(from)?;
    let minor = schema.strip_prefix(EVENT_SCHEMA);
    if minor.is_some_and(|it| it.is_empty() || it.starts_with('.')) {
        return Ok(schema);
    }
    Err(de::Error::custom(format!(
        "schema `{schema}` is not read here: it must be `{EVENT_SCHEMA}`"
    )))
}
