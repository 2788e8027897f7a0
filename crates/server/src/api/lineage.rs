//! `POST /api/v1/lineage`: runs that Airflow, dbt, Spark, Dagster and others tell of as OpenLineage.
//!
//! <https://openlineage.io/spec/2-0-2/OpenLineage.json>. A run of theirs becomes a run of ours under
//! the same id: its job is a pipeline of one node, its datasets are the node's inputs and outputs, its
//! parent facet names the run above it, its error facet becomes the error. What comes again changes
//! nothing; an end without a beginning gets one; what comes after the end is left out.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use flowglass_model::{
    Action, AssetRef, Entity, ErrorClass, ErrorInfo, Event, EventKind, Graph, GraphNode, NodeId,
    PipelineId, Reason, RunId, Scope, Snapshot, Stamp, State as RunState,
};
use flowglass_store::StoreError;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::commands::body_bytes;
use super::ingest::{count, refuse_if_behind};
use super::{Answer, json_with};
use crate::problem::Problem;
use crate::service::Service;

/// Characters of an error's text that are kept.
const ERROR_CHARS_MAX: usize = 4_096;
/// Datasets of one event.
const DATASETS_MAX: usize = 1_000;

/// What is read of a run event; everything else is left out.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RunEvent {
    event_time: Timestamp,
    event_type: Option<EventType>,
    run: Run,
    job: Job,
    #[serde(default)]
    inputs: Vec<Dataset>,
    #[serde(default)]
    outputs: Vec<Dataset>,
    #[serde(default)]
    producer: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum EventType {
    Start,
    Running,
    Complete,
    Abort,
    Fail,
    Other,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    run_id: Uuid,
    #[serde(default)]
    facets: Value,
}

#[derive(Debug, Deserialize)]
struct Job {
    namespace: String,
    name: String,
    #[serde(default)]
    facets: Value,
}

#[derive(Debug, Deserialize)]
struct Dataset {
    namespace: String,
    name: String,
    #[serde(default)]
    facets: Value,
    #[serde(default, rename = "outputFacets")]
    output_facets: Value,
}

impl Dataset {
    fn asset(&self) -> AssetRef {
        AssetRef::new(&self.namespace, self.name.clone())
    }
}

fn text<'a>(value: &'a Value, path: &[&str]) -> Option<&'a str> {
    path.iter().try_fold(value, |value, key| value.get(key))?.as_str()
}

/// Puts together what an event adds to a run.
struct Telling {
    snapshot: Snapshot,
    scope: Scope,
    node: Scope,
    time: Timestamp,
    events: Vec<Event>,
}

impl Telling {
    fn new(snapshot: Snapshot, run: RunId, told: &RunEvent) -> Self {
        let pipeline = PipelineId::from_foreign(&told.job.name);
        let scope = Scope::pipeline(&told.job.namespace, run, pipeline);
        let node = scope.node(NodeId::from_foreign(&told.job.name));
        Self { snapshot, scope, node, time: told.event_time, events: Vec::new() }
    }

    fn add(
        &mut self,
        entity: Entity,
        kind: EventKind,
        fill: impl FnOnce(&mut Event),
    ) -> Result<(), Problem> {
        let seq = self.snapshot.run.last_seq + 1;
        let stamp = Stamp { id: Uuid::now_v7(), seq, time: self.time };
        let scope = if entity == Entity::Node { &self.node } else { &self.scope };
        let mut event = Event::new(stamp, scope, kind, entity);
        fill(&mut event);
        self.snapshot.apply(&event).map_err(|error| Problem::conflict(error.to_string()))?;
        self.events.push(event);
        Ok(())
    }

    fn go(
        &mut self,
        entity: Entity,
        (to, reason): (RunState, Reason),
        fill: impl FnOnce(&mut Event),
    ) -> Result<(), Problem> {
        let scope = if entity == Entity::Node { &self.node } else { &self.scope };
        let stamp = Stamp { id: Uuid::nil(), seq: 0, time: self.time };
        let asked = Event::new(stamp, scope, EventKind::Transition, entity);
        let from = self.snapshot.state_of(&asked);
        if from == Some(to) {
            return Ok(());
        }
        self.add(entity, EventKind::Transition, |event| {
            (event.from, event.to, event.reason) = (from, Some(to), Some(reason));
            fill(event);
        })
    }

    /// Queued and running, as far as it is not yet.
    fn begin(&mut self, told: &RunEvent) -> Result<(), Problem> {
        if self.snapshot.run.times.state.is_some() {
            return Ok(());
        }
        let attributes = attributes(told);
        let queued = (RunState::Queued, Reason::Starting);
        let running = (RunState::Running, Reason::Executing);
        self.go(Entity::Run, queued, |it| it.attributes = attributes)?;
        self.go(Entity::Run, running, |_| {})?;
        self.go(Entity::Pipeline, queued, |_| {})?;
        self.go(Entity::Pipeline, running, |_| {})?;
        let node = self.node.node_id.clone();
        let graph = node.map(|node_id| Graph {
            nodes: vec![GraphNode {
                node_id,
                action: action(told),
                inputs: told.inputs.iter().map(Dataset::asset).collect(),
                outputs: told.outputs.iter().map(Dataset::asset).collect(),
            }],
            edges: Vec::new(),
        });
        self.add(Entity::Pipeline, EventKind::Graph, |it| it.graph = graph)?;
        self.go(Entity::Node, (RunState::Queued, Reason::Slot), |_| {})?;
        self.go(Entity::Node, running, |_| {})
    }

    fn end(
        &mut self,
        told: &RunEvent,
        (to, reason): (RunState, Reason),
        error: Option<&ErrorInfo>,
    ) -> Result<(), Problem> {
        let since = self.snapshot.run.times.started_at.unwrap_or(self.time);
        let took = self.time.duration_since(since).as_secs_f64().max(0.0);
        let took = Some(flowglass_model::whole_nanoseconds(took));
        self.go(Entity::Node, (to, reason), |it| {
            it.inputs = told.inputs.iter().map(Dataset::asset).collect();
            it.outputs = told.outputs.iter().map(Dataset::asset).collect();
            (it.duration_seconds, it.error) = (took, error.cloned());
        })?;
        self.go(Entity::Pipeline, (to, reason), |it| it.duration_seconds = took)?;
        self.go(Entity::Run, (to, reason), |it| it.duration_seconds = took)
    }

    /// What is told of datasets: their columns, and rows that were written.
    fn facts(&mut self, told: &RunEvent) -> Result<(), Problem> {
        for dataset in told.inputs.iter().chain(&told.outputs) {
            let fields = dataset.facets.get("schema").and_then(|it| it.get("fields"));
            let rows = dataset.output_facets.get("outputStatistics");
            let rows = rows.and_then(|it| it.get("rowCount")).and_then(Value::as_u64);
            if fields.is_none() && rows.is_none() {
                continue;
            }
            let (asset, fields) = (dataset.asset(), fields.map(Value::to_string));
            self.add(Entity::Asset, EventKind::Asset, |it| {
                it.asset_id = Some(asset.id());
                it.attributes.extend(fields.map(|it| ("schema".to_owned(), it)));
                if rows.is_some() {
                    let counts = flowglass_model::Counts { final_rows: rows, ..Default::default() };
                    it.counts = Some(counts);
                }
            })?;
        }
        Ok(())
    }
}

fn action(told: &RunEvent) -> Action {
    let facet = |key| text(&told.job.facets, &["jobType", key]);
    let kind = facet("integration").unwrap_or("openlineage").to_lowercase();
    let name = facet("jobType").unwrap_or("job").to_lowercase();
    Action { kind, name, argv: Vec::new() }
}

fn attributes(told: &RunEvent) -> std::collections::BTreeMap<String, String> {
    let parent = text(&told.run.facets, &["parent", "run", "runId"]);
    let above = text(&told.run.facets, &["parent", "job", "name"]);
    let facts = [
        ("trigger", Some("openlineage")),
        ("job_namespace", Some(&*told.job.namespace)),
        ("job_name", Some(&*told.job.name)),
        ("producer", Some(&*told.producer)),
        ("parent_run_id", parent.filter(|it| it.parse::<RunId>().is_ok())),
        ("parent_job", above),
    ];
    let told = facts.into_iter().filter_map(|(key, value)| Some((key, value?)));
    let some = told.filter(|(_, value)| !value.is_empty());
    some.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

fn error(told: &RunEvent) -> ErrorInfo {
    let said = text(&told.run.facets, &["errorMessage", "message"]);
    let said = said.unwrap_or("the tool told of no error message");
    let class = ErrorClass::ExitCode;
    ErrorInfo {
        class,
        detail: said.lines().collect::<Vec<_>>().join(" ").chars().take(ERROR_CHARS_MAX).collect(),
        retryable: false,
        hint: None,
    }
}

/// What the event adds to the run; nothing when all of it is known.
fn tell(snapshot: Snapshot, run: RunId, told: &RunEvent) -> Result<Vec<Event>, Problem> {
    let mut telling = Telling::new(snapshot, run, told);
    if telling.snapshot.run.times.state.is_some_and(RunState::is_final) {
        return Ok(Vec::new());
    }
    telling.begin(told)?;
    telling.facts(told)?;
    match told.event_type {
        Some(EventType::Complete) => {
            telling.end(told, (RunState::Complete, Reason::Ok), None)?;
        }
        Some(EventType::Fail) => {
            telling.end(told, (RunState::Failed, Reason::Error), Some(&error(told)))?;
        }
        Some(EventType::Abort) => {
            telling.end(told, (RunState::Failed, Reason::Cancelled), None)?;
        }
        Some(EventType::Start | EventType::Running | EventType::Other) | None => {}
    }
    Ok(telling.events)
}

pub(crate) async fn lineage(State(service): State<Arc<Service>>, body: Body) -> Answer {
    refuse_if_behind(&service)?;
    let bytes = body_bytes(body, service.options.body_bytes_max).await?;
    let value: Value = serde_json::from_slice(&bytes)
        .map_err(|error| Problem::bad_request(format!("no JSON: column {}", error.column())))?;
    // Events of jobs and datasets alone have no run: they are fine, and there is nothing to keep.
    if value.is_object() && value.get("run").is_none() && value.get("eventTime").is_some() {
        return json_with(StatusCode::OK, &json!({ "stored_events": 0 }));
    }
    let told: RunEvent = serde_json::from_value(value).map_err(|_unread| {
        Problem::out_of_range("this is no run event of OpenLineage")
            .hint("`eventTime`, `run.runId`, `job.namespace` and `job.name` are needed")
    })?;
    if told.inputs.len() + told.outputs.len() > DATASETS_MAX {
        return Err(Problem::out_of_range(format!("at most {DATASETS_MAX} datasets in an event")));
    }
    let run = RunId::from_uuid(told.run.run_id)
        .ok_or_else(|| Problem::out_of_range("`run.runId` is the empty UUID"))?;
    // One at a time: two events of one run must not be given the same place.
    let turn = service.lineage.lock().await;
    let kept = service.snapshots.clone();
    let snapshot = service.store.read(move |reader| kept.of(reader, run)).await?;
    let snapshot = snapshot.map(|it| Snapshot::clone(&it)).unwrap_or_default();
    let events = tell(snapshot, run, &told)?;
    let stored = events.len();
    let appended = service.store.appender().append(events.clone()).await;
    drop(turn);
    match appended {
        Ok(()) => {}
        Err(error @ (StoreError::Illegal { .. } | StoreError::Gap { .. })) => {
            return Err(Problem::conflict(error.to_string()));
        }
        Err(error) => return Err(error.into()),
    }
    count(&service, &events);
    json_with(StatusCode::OK, &json!({ "stored_events": stored }))
}
