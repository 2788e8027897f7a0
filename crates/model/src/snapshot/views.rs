//! What the snapshot consists of. Plain data; the fold beside it is the only writer.

use std::collections::{BTreeMap, HashMap, VecDeque};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::asset::AssetRef;
use crate::counts::Counts;
use crate::event::{Action, Edge, ErrorInfo, LogLine};
use crate::ids::{AttemptId, NodeId, PipelineId, RunId, StageId, TraceId};
use crate::ledger::LedgerEntry;
use crate::state::{Reason, State};

/// The name and major version of the snapshot.
pub const SNAPSHOT_SCHEMA: &str = "flowglass.snapshot/v1";

/// How many entities stand in each state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StateCounts {
    /// Accepted and free to run.
    pub queued: u64,
    /// Blocked.
    pub waiting: u64,
    /// Executing.
    pub running: u64,
    /// Finished well.
    pub complete: u64,
    /// Finished without success.
    pub failed: u64,
    /// Never ran.
    pub skipped: u64,
}

impl StateCounts {
    /// The count of one state.
    #[must_use]
    pub fn get(&self, state: State) -> u64 {
        match state {
            State::Queued => self.queued,
            State::Waiting => self.waiting,
            State::Running => self.running,
            State::Complete => self.complete,
            State::Failed => self.failed,
            State::Skipped => self.skipped,
        }
    }

    /// The sum over all six.
    #[must_use]
    pub fn total(&self) -> u64 {
        State::ALL.into_iter().map(|it| self.get(it)).sum()
    }

    fn slot(&mut self, state: State) -> &mut u64 {
        match state {
            State::Queued => &mut self.queued,
            State::Waiting => &mut self.waiting,
            State::Running => &mut self.running,
            State::Complete => &mut self.complete,
            State::Failed => &mut self.failed,
            State::Skipped => &mut self.skipped,
        }
    }

    /// Moves one entity from a state (none at its first event) to another.
    pub(super) fn shift(&mut self, from: Option<State>, to: State) {
        if let Some(from) = from {
            let slot = self.slot(from);
            *slot = slot.saturating_sub(1);
        }
        *self.slot(to) += 1;
    }
}

/// Where an entity stands and since when.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Times {
    /// Its state; absent before its first transition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// When it was first seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub created_at: Option<Timestamp>,
    /// When it first ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub ended_at: Option<Timestamp>,
    /// Seconds from start to end by a monotonic clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_seconds: Option<f64>,
}

/// The run itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunHeader {
    /// The run; absent before its first event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<RunId>,
    /// Its trace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<TraceId>,
    /// Whose it is.
    pub tenant: String,
    /// Where it stands.
    #[serde(flatten)]
    pub times: Times,
    /// The last event's place.
    pub last_seq: u64,
    /// The last event's time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub last_event_at: Option<Timestamp>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorInfo>,
    /// What started it, which version on which host from which manifest, its selector and its
    /// parent run: `trigger`, `version`, `host`, `manifest_sha256`, `selector`, `parent_run_id`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
}

/// A run with everything in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Snapshot {
    /// `flowglass.snapshot/v1`.
    pub schema: String,
    /// The run.
    pub run: RunHeader,
    /// Its pipelines, in the order in which they were first told of.
    pub pipelines: Vec<PipelineView>,
    /// Nodes of all pipelines by state.
    pub summary: StateCounts,
}

impl Default for Snapshot {
    fn default() -> Self {
        Self {
            schema: SNAPSHOT_SCHEMA.to_owned(),
            run: RunHeader::default(),
            pipelines: Vec::new(),
            summary: StateCounts::default(),
        }
    }
}

/// A pipeline of the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PipelineView {
    /// The pipeline.
    pub pipeline_id: PipelineId,
    /// Where it stands.
    #[serde(flatten)]
    pub times: Times,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorInfo>,
    /// Its nodes: in topological order where a graph was told, then in order of appearance.
    pub nodes: Vec<NodeView>,
    /// Arrows between them.
    pub edges: Vec<Edge>,
    /// Its datasets, in order of appearance.
    pub assets: Vec<AssetView>,
    /// Nodes by state.
    pub summary: StateCounts,
    /// Datasets by state.
    pub asset_summary: StateCounts,
    /// Totals by stage, over all attempts.
    pub stages: Vec<StageTotal>,
    /// The last ledger of each node, table and sink.
    pub ledger: Vec<LedgerView>,
    /// Labels and other facts of the pipeline.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
    #[serde(skip)]
    pub(super) node_at: Places<NodeId>,
    #[serde(skip)]
    pub(super) asset_at: Places<String>,
}

/// Where things stand in a list beside it. It holds nothing that the list does not say, and a
/// snapshot that was read back has none before its next event: so all are equal.
#[derive(Debug, Clone)]
pub(super) struct Places<K>(pub(super) HashMap<K, usize>);

impl<K> Default for Places<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K> PartialEq for Places<K> {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

/// A node with all its attempts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NodeView {
    /// The node.
    pub node_id: NodeId,
    /// What it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<Action>,
    /// Datasets it reads.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<AssetRef>,
    /// Datasets it writes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<AssetRef>,
    /// Where it stands.
    #[serde(flatten)]
    pub times: Times,
    /// Rows and bytes of the last attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<Counts>,
    /// The last error of any attempt, also when a later attempt succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<ErrorInfo>,
    /// Its attempts, first to last.
    pub attempts: Vec<AttemptView>,
    /// The last lines of its log.
    pub log: LogTail,
}

/// The end of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogTail {
    /// Lines in all, of which `tail` holds the last.
    pub lines: u64,
    /// Lines of level warn or error in all.
    pub warnings: u64,
    /// The last lines.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub tail: VecDeque<LogLine>,
}

/// One execution of a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AttemptView {
    /// The attempt.
    pub attempt_id: AttemptId,
    /// Where it stands.
    #[serde(flatten)]
    pub times: Times,
    /// What was done, with the full command line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<Action>,
    /// The exit code of a command that exited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// The signal that ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    /// Rows and bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<Counts>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorInfo>,
    /// Its phases.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<StageView>,
    /// `cpu_seconds`, `peak_rss_bytes` and other facts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
}

/// A phase of an attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StageView {
    /// The stage.
    pub stage_id: StageId,
    /// Where it stands.
    #[serde(flatten)]
    pub times: Times,
    /// Rows and bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<Counts>,
}

/// Totals of one stage over all nodes and attempts of a pipeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StageTotal {
    /// The stage.
    pub stage_id: StageId,
    /// How many stand in each state.
    pub states: StateCounts,
    /// How many have ended with a duration.
    pub timed: u64,
    /// Seconds, summed over those.
    pub duration_seconds_total: f64,
    /// Seconds on average over those.
    pub duration_seconds_mean: f64,
    /// Rows, summed over those that ended: the most that the stage counted of any kind.
    pub rows: u64,
}

/// A dataset of a pipeline. It stands where the node stands that writes it, or, when none of the
/// pipeline's nodes writes it, where the last node stands that reads it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AssetView {
    /// The whole identity in one text.
    pub asset_id: String,
    /// Namespace and name.
    #[serde(flatten)]
    pub asset: AssetRef,
    /// Where it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The node that `state` comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_id: Option<NodeId>,
    /// Attempts of that node so far.
    pub attempts: u32,
    /// Whether a node of the pipeline writes it.
    pub produced: bool,
    /// Rows in it, as last told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// When it was last written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub updated_at: Option<Timestamp>,
    /// Results of data checks by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub checks: BTreeMap<String, CheckView>,
    /// Other facts, such as `schema`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, String>,
}

/// The result of a data check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckView {
    /// Whether it held.
    pub passed: bool,
    /// `warn` or `error`.
    pub severity: String,
    /// What was asked and what was found, without any row's values.
    pub detail: String,
}

/// A ledger entry with the node that told it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LedgerView {
    /// The node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_id: Option<NodeId>,
    /// The entry.
    #[serde(flatten)]
    pub entry: LedgerEntry,
}
