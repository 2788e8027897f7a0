//! The run report: what a run came to, folded from its snapshot. `run --format json` prints it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::counts::Counts;
use crate::event::ErrorInfo;
use crate::ids::{NodeId, PipelineId, RunId};
use crate::snapshot::{LedgerView, NodeView, Snapshot, StateCounts};
use crate::state::{Reason, State};

/// The name and major version of the run report.
pub const REPORT_SCHEMA: &str = "flowglass.run-report/v1";

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunReport {
    /// `flowglass.run-report/v1`.
    pub schema: String,
    /// The run; absent when nothing was recorded.
    pub run_id: Option<RunId>,
    /// The run that this one goes on from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_run_id: Option<String>,
    /// The pipelines' names, joined by `+`.
    pub process: String,
    /// What was selected by `--select`; null when all was.
    pub selector: Option<String>,
    /// `success`, `failed`, `cancelled`, or the state's own word while it has not ended.
    pub status: String,
    /// Whether the run is complete.
    pub passed: bool,
    /// When it started.
    #[schemars(with = "Option<String>")]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[schemars(with = "Option<String>")]
    pub finished_at: Option<Timestamp>,
    /// The most attempts that any node used.
    pub attempts: u32,
    /// The most attempts that any node may use.
    pub max_attempts: u32,
    /// The longest first back-off of any node, in seconds.
    pub retry_backoff_seconds: f64,
    /// Sums over all nodes.
    pub result: RunResult,
    /// The row ledger.
    pub ledger: LedgerReport,
    /// Nodes by final state.
    pub summary: StateCounts,
    /// Every node, in the pipelines' order.
    pub nodes: Vec<NodeReport>,
    /// What failed, one entry a node.
    pub errors: Vec<NodeError>,
    /// What somebody should look at.
    pub warnings: Vec<String>,
    /// What kept the run from starting.
    pub blockers: Vec<String>,
}

/// Sums over all nodes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunResult {
    /// `success`, `failed`, `cancelled`, or the state's own word.
    pub status: String,
    /// Rows read.
    pub extracted_rows: u64,
    /// Rows new in their targets.
    pub inserted_rows: u64,
    /// Rows changed in their targets.
    pub updated_rows: u64,
    /// Rows that went away.
    pub deleted_rows: u64,
    /// Rows in the targets at the end, as the targets say.
    pub final_rows: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Seconds from start to end.
    pub duration_seconds: f64,
    /// Rows read over seconds; 0 when nothing was read.
    pub throughput_rows_per_second: f64,
    /// Errors of the run as a whole. Those of nodes stand in `errors` beside, so that no error is
    /// counted twice.
    pub errors: Vec<String>,
}

/// The ledger of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LedgerReport {
    /// Whether every row of every entry is accounted for.
    pub closed: bool,
    /// Rows that nobody can account for, missing and doubled ones added up.
    pub unaccounted_rows: u64,
    /// One entry a node, table and sink.
    pub entries: Vec<LedgerView>,
}

/// What a node came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NodeReport {
    /// Its pipeline.
    pub pipeline: PipelineId,
    /// The node.
    pub node: NodeId,
    /// What it does: `command`, `copy`, `sql`, `check`.
    pub kind: String,
    /// Where it stands.
    pub state: Option<State>,
    /// Why.
    pub reason: Option<Reason>,
    /// Attempts used.
    pub attempts: u32,
    /// Seconds from its first start to its end.
    pub duration_seconds: Option<f64>,
    /// The last attempt's exit code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// The signal that ended the last attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    /// CPU seconds of the last attempt's command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_seconds: Option<f64>,
    /// The most resident memory of the last attempt's command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_rss_bytes: Option<u64>,
    /// Rows and bytes.
    pub counts: Counts,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorInfo>,
}

/// A node's failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NodeError {
    /// Its pipeline.
    pub pipeline: PipelineId,
    /// The node.
    pub node: NodeId,
    /// What happened.
    #[serde(flatten)]
    pub error: ErrorInfo,
}

impl RunReport {
    /// Folds the report from a snapshot.
    #[must_use]
    pub fn of(snapshot: &Snapshot) -> Self {
        let run = &snapshot.run;
        let nodes: Vec<NodeReport> = snapshot
            .pipelines
            .iter()
            .flat_map(|it| it.nodes.iter().map(|node| NodeReport::of(&it.pipeline_id, node)))
            .collect();
        let attribute = |name: &str| run.attributes.get(name);
        let number = |name: &str| attribute(name)?.parse::<f64>().ok().filter(|it| it.is_finite());
        let status = status_word(run.times.state, run.times.reason);
        let names: Vec<_> = snapshot.pipelines.iter().map(|it| it.pipeline_id.as_str()).collect();
        Self {
            schema: REPORT_SCHEMA.to_owned(),
            run_id: run.run_id,
            parent_run_id: attribute("parent_run_id").cloned(),
            process: names.join("+"),
            selector: attribute("selector").cloned(),
            passed: run.times.state == Some(State::Complete),
            started_at: run.times.started_at,
            finished_at: run.times.ended_at,
            attempts: nodes.iter().map(|it| it.attempts).max().unwrap_or(0),
            max_attempts: attribute("max_attempts").and_then(|it| it.parse().ok()).unwrap_or(1),
            retry_backoff_seconds: number("retry_backoff_seconds").unwrap_or(0.0),
            result: RunResult::of(snapshot, &nodes, &status),
            status,
            ledger: LedgerReport::of(snapshot),
            summary: snapshot.summary,
            errors: nodes.iter().filter_map(NodeReport::failure).collect(),
            nodes,
            warnings: warnings(snapshot),
            blockers: Vec::new(),
        }
    }
}

/// The word of the report for a run's state.
fn status_word(state: Option<State>, reason: Option<Reason>) -> String {
    let word = match (state, reason) {
        (Some(State::Complete), _) => "success",
        (Some(State::Failed), Some(Reason::Cancelled)) => "cancelled",
        (Some(state), _) => state.name(),
        (None, _) => "unknown",
    };
    word.to_owned()
}

impl RunResult {
    fn of(snapshot: &Snapshot, nodes: &[NodeReport], status: &str) -> Self {
        let sum = nodes.iter().fold(Counts::default(), |sum, it| sum.plus(it.counts));
        let seconds = snapshot.run.times.duration_seconds.unwrap_or(0.0);
        let extracted = sum.extracted.unwrap_or(0);
        #[expect(clippy::cast_precision_loss, reason = "a rate needs no more than 53 bits")]
        let throughput = if seconds > 0.0 { extracted as f64 / seconds } else { 0.0 };
        // To the thousandth: more digits than were measured do not survive every reader of JSON.
        // And never infinite, which JSON cannot say.
        let throughput = ((throughput * 1e3).round() / 1e3).min(f64::MAX);
        Self {
            status: status.to_owned(),
            extracted_rows: extracted,
            inserted_rows: sum.inserted.unwrap_or(0),
            updated_rows: sum.updated.unwrap_or(0),
            deleted_rows: sum.deleted.unwrap_or(0),
            final_rows: sum.final_rows.unwrap_or(0),
            bytes: sum.bytes.unwrap_or(0),
            duration_seconds: seconds,
            throughput_rows_per_second: throughput,
            errors: snapshot.run.error.iter().map(|it| it.detail.clone()).collect(),
        }
    }
}

impl LedgerReport {
    fn of(snapshot: &Snapshot) -> Self {
        let entries: Vec<LedgerView> =
            snapshot.pipelines.iter().flat_map(|it| it.ledger.clone()).collect();
        let unaccounted: u128 =
            entries.iter().map(|it| it.entry.unaccounted().unsigned_abs()).sum();
        Self {
            closed: unaccounted == 0,
            unaccounted_rows: u64::try_from(unaccounted).unwrap_or(u64::MAX),
            entries,
        }
    }
}

impl NodeReport {
    fn of(pipeline: &PipelineId, node: &NodeView) -> Self {
        let last = node.attempts.last();
        let facts: Option<&BTreeMap<_, _>> = last.map(|it| &it.attributes);
        let fact = |name: &str| facts.and_then(|it| it.get(name));
        Self {
            pipeline: pipeline.clone(),
            node: node.node_id.clone(),
            kind: node.action.as_ref().map(|it| it.kind.clone()).unwrap_or_default(),
            state: node.times.state,
            reason: node.times.reason,
            attempts: u32::try_from(node.attempts.len()).unwrap_or(u32::MAX),
            duration_seconds: node.times.duration_seconds,
            exit_code: last.and_then(|it| it.exit_code),
            signal: last.and_then(|it| it.signal.clone()),
            cpu_seconds: fact("cpu_seconds")
                .and_then(|it| it.parse().ok())
                .filter(|it: &f64| it.is_finite()),
            peak_rss_bytes: fact("peak_rss_bytes").and_then(|it| it.parse().ok()),
            counts: node.counts.unwrap_or_default(),
            error: node.last_error.clone().filter(|_| node.times.state == Some(State::Failed)),
        }
    }

    fn failure(&self) -> Option<NodeError> {
        let error = self.error.clone()?;
        Some(NodeError { pipeline: self.pipeline.clone(), node: self.node.clone(), error })
    }
}

fn warnings(snapshot: &Snapshot) -> Vec<String> {
    let mut said = Vec::new();
    for pipeline in &snapshot.pipelines {
        let name = &pipeline.pipeline_id;
        for asset in &pipeline.assets {
            let missed = asset.checks.iter().filter(|(_, it)| !it.passed && it.severity == "warn");
            for (check, view) in missed {
                said.push(format!(
                    "{name}: check `{check}` of {}: {}",
                    asset.asset_id, view.detail
                ));
            }
        }
        for view in pipeline.ledger.iter().filter(|it| !it.entry.is_closed()) {
            let (rows, sink) = (view.entry.unaccounted(), &view.entry.sink);
            said.push(format!("{name}: {rows} rows to {sink} are unaccounted for"));
        }
        for node in pipeline.nodes.iter().filter(|it| it.times.reason == Some(Reason::Warning)) {
            said.push(format!("{name}/{}: complete with warnings", node.node_id));
        }
    }
    said
}
