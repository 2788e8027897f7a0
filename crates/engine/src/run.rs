//! A whole run: one or more pipelines under one id, from `queued` to its last event.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use flowglass_model::{
    ApplyError, Entity, ErrorInfo, Event, EventKind, NodeId, PipelineId, Reason, RunId, Scope,
    Snapshot, Stamp, State,
};
use futures::future::join_all;

use crate::recorder::{RecordError, Recorder, random_bytes};
use crate::runner::{BuiltPipeline, PipelineEnd, PipelineRun};
use crate::stop::Stop;

/// A run to make.
#[derive(Debug)]
pub struct RunJob {
    /// Its id.
    pub run_id: RunId,
    /// Its pipelines, at least one.
    pub pipelines: Vec<BuiltPipeline>,
    /// Facts of the header: `trigger`, `version`, `host`, `manifest_sha256`, `selector`, ….
    pub attributes: BTreeMap<String, String>,
    /// The `traceparent` of whoever started it.
    pub traceparent: Option<String>,
    /// The run that this one goes on from.
    pub resumes: Option<Resumed>,
}

/// What is known of the run that is resumed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resumed {
    /// That run.
    pub run_id: RunId,
    /// The first run of the chain: work is named after it, so that what any of them committed is
    /// known.
    pub root_run_id: RunId,
    /// Nodes that completed, or were taken as completed, by pipeline.
    pub done: BTreeMap<PipelineId, BTreeSet<NodeId>>,
}

impl Resumed {
    /// What a new run may take over from the run that `snapshot` shows.
    #[must_use]
    pub fn from_snapshot(snapshot: &Snapshot) -> Option<Self> {
        let run_id = snapshot.run.run_id?;
        let root = snapshot.run.attributes.get("root_run_id").and_then(|it| it.parse().ok());
        let good = |state, reason| {
            matches!(
                (state, reason),
                (Some(State::Complete), _) | (Some(State::Skipped), Some(Reason::Cached))
            )
        };
        let done = snapshot.pipelines.iter().map(|pipeline| {
            let nodes = pipeline.nodes.iter().filter(|it| good(it.times.state, it.times.reason));
            (pipeline.pipeline_id.clone(), nodes.map(|it| it.node_id.clone()).collect())
        });
        Some(Self { run_id, root_run_id: root.unwrap_or(run_id), done: done.collect() })
    }
}

/// A new run id of this moment.
#[must_use]
pub fn new_run_id(clock: &dyn flowglass_connect::Clock) -> RunId {
    let millis = u64::try_from(clock.now().as_millisecond()).unwrap_or(0);
    RunId::from_parts(millis, random_bytes())
}

/// Makes the run. Everything that happens is in the recorder's history; the answer says how it
/// ended. All events are kept when this returns, unless the log failed.
///
/// # Errors
/// When the history takes no more events. Everything that ran has been stopped then.
pub async fn run(
    job: &RunJob,
    recorder: &Recorder,
    stop: &Stop,
) -> Result<PipelineEnd, RecordError> {
    let Some(first) = job.pipelines.first() else {
        return Ok(PipelineEnd { state: State::Complete, reason: Reason::Ok, error: None });
    };
    let since = recorder.monotonic();
    let scope = Scope::pipeline(&first.tenant, job.run_id, first.id.clone());
    let attributes = header(job);
    let traceparent = job.traceparent.clone();
    recorder
        .transition(&scope, Entity::Run, (State::Queued, Reason::Starting), |it| {
            it.attributes = attributes;
            it.trace.traceparent = traceparent;
        })
        .await?;
    recorder.transition(&scope, Entity::Run, (State::Running, Reason::Executing), |_| {}).await?;
    let root = job.resumes.as_ref().map_or(job.run_id, |it| it.root_run_id).to_string();
    let runs = job.pipelines.iter().map(|pipeline| {
        let scope = Scope::pipeline(&pipeline.tenant, job.run_id, pipeline.id.clone());
        PipelineRun::new(pipeline, scope, &root, recorder.clone(), stop).drive()
    });
    let ends: Vec<PipelineEnd> = join_all(runs).await.into_iter().collect::<Result<_, _>>()?;
    let end = worst(ends);
    let seconds = recorder.monotonic().saturating_sub(since).as_secs_f64();
    let error = end.error.clone().filter(|it| !is_of_a_node(it, recorder));
    recorder
        .transition(&scope, Entity::Run, (end.state, end.reason), |it| {
            it.duration_seconds = Some(seconds);
            it.error = error;
        })
        .await?;
    recorder.flush().await;
    // The last events may have found no room: then nobody who asks later would see this end.
    if recorder.log_fault().is_some() { Err(RecordError::LogGone) } else { Ok(end) }
}

/// Whether a node's own error says this already.
fn is_of_a_node(error: &ErrorInfo, recorder: &Recorder) -> bool {
    recorder.with_snapshot(|it| {
        let mut nodes = it.pipelines.iter().flat_map(|it| &it.nodes);
        nodes.any(|node| node.last_error.as_ref() == Some(error))
    })
}

fn header(job: &RunJob) -> BTreeMap<String, String> {
    let mut facts = job.attributes.clone();
    let nodes = || job.pipelines.iter().flat_map(|it| &it.nodes);
    let attempts = nodes().map(|it| it.retry.attempts_max).max().unwrap_or(1);
    let retried = nodes().filter(|it| it.retry.attempts_max > 1);
    let backoff = retried.map(|it| it.retry.backoff).max().unwrap_or(Duration::ZERO);
    facts.insert("max_attempts".to_owned(), attempts.to_string());
    facts.insert("retry_backoff_seconds".to_owned(), backoff.as_secs_f64().to_string());
    if let Some(resumed) = &job.resumes {
        facts.insert("parent_run_id".to_owned(), resumed.run_id.to_string());
        facts.insert("root_run_id".to_owned(), resumed.root_run_id.to_string());
    }
    facts
}

/// The end of the whole: failed if any failed, else with a warning if any has one.
fn worst(ends: Vec<PipelineEnd>) -> PipelineEnd {
    let rank = |end: &PipelineEnd| match (end.state, end.reason) {
        (State::Failed, Reason::Cancelled) => 3,
        (State::Failed, _) => 2,
        (_, Reason::Warning) => 1,
        _ => 0,
    };
    let first = PipelineEnd { state: State::Complete, reason: Reason::Ok, error: None };
    ends.into_iter().fold(first, |worst, it| if rank(&it) > rank(&worst) { it } else { worst })
}

/// The events that end a run whose process went away: every entity that had not ended becomes
/// `failed` with the reason `lost`, innermost first. `first` is the pipeline that the run's own
/// events name: a run that was killed at its very beginning has told of none yet.
///
/// # Errors
/// [`ApplyError`] when the snapshot and the model disagree; nothing should be stored then.
pub fn lost_events(
    snapshot: &Snapshot,
    first: &PipelineId,
    now: jiff::Timestamp,
) -> Result<Vec<Event>, ApplyError> {
    let Some(run_id) = snapshot.run.run_id else { return Ok(Vec::new()) };
    let mut after = snapshot.clone();
    let mut events = Vec::new();
    let mut lose = |scope: &Scope, entity: Entity| {
        let stamp = Stamp { id: new_event_id(now), seq: after.run.last_seq + 1, time: now };
        let mut event = Event::new(stamp, scope, EventKind::Transition, entity);
        event.from = after.state_of(&event);
        event.to = Some(State::Failed);
        event.reason = Some(Reason::Lost);
        event.error = Some(lost_error());
        after.apply(&event)?;
        events.push(event);
        Ok::<(), ApplyError>(())
    };
    for pipeline in &snapshot.pipelines {
        let id = pipeline.pipeline_id.clone();
        let scope = Scope::pipeline(&snapshot.run.tenant, run_id, id);
        for node in &pipeline.nodes {
            let scope = scope.node(node.node_id.clone());
            for attempt in &node.attempts {
                let scope = scope.attempt(attempt.attempt_id.number);
                for stage in attempt.stages.iter().filter(|it| is_open(it.times.state)) {
                    lose(&scope.stage(stage.stage_id.clone()), Entity::Stage)?;
                }
                if is_open(attempt.times.state) {
                    lose(&scope, Entity::Attempt)?;
                }
            }
            if is_open(node.times.state) {
                lose(&scope, Entity::Node)?;
            }
        }
        if is_open(pipeline.times.state) {
            lose(&scope, Entity::Pipeline)?;
        }
    }
    if is_open(snapshot.run.times.state) {
        lose(&Scope::pipeline(&snapshot.run.tenant, run_id, first.clone()), Entity::Run)?;
    }
    Ok(events)
}

fn is_open(state: Option<State>) -> bool {
    state.is_some_and(|it| !it.is_final())
}

fn lost_error() -> ErrorInfo {
    let class = flowglass_model::ErrorClass::Lost;
    ErrorInfo {
        class,
        detail: "the process that ran it went away without a word".to_owned(),
        retryable: class.retryable(),
        hint: Some(class.hint().to_owned()),
    }
}

fn new_event_id(now: jiff::Timestamp) -> uuid::Uuid {
    let millis = u64::try_from(now.as_millisecond()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &random_bytes()).into_uuid()
}
