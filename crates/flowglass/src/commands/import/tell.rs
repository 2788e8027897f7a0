//! A call of dbt told as a run: its nodes, their edges and times, tests as checks, tables as assets.
//! Pure: the same artifacts make the same events, to the byte, so that a second import changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use flowglass_model::{
    Action, AssetRef, Counts, Edge, Entity, ErrorClass, ErrorInfo, Event, EventKind, Graph,
    GraphNode, NodeId, PipelineId, Reason, RunId, Scope, SpanId, Stamp, State, whole_nanoseconds,
};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::artifacts::{Manifest, Node, NodeResult, RunResults};

/// Characters of an error's text that are kept.
const ERROR_CHARS_MAX: usize = 4_096;

/// Under which names a run is kept.
pub(super) struct Names {
    pub(super) tenant: String,
    pub(super) pipeline: PipelineId,
    /// Of assets: where the warehouse is, in OpenLineage's way of naming.
    pub(super) namespace: String,
}

/// The events of the run, in order; the run's id is the id of the call.
pub(super) fn events(
    run: RunId,
    (results, manifest): (&RunResults, &Manifest),
    names: &Names,
) -> Vec<Event> {
    let mut told = Telling::new(run, (results, manifest), names);
    told.begin();
    let mut moments: Vec<(Timestamp, bool, usize)> = Vec::new();
    for (index, step) in told.steps.iter().enumerate() {
        moments.push((step.began, false, index));
        moments.push((step.ended, true, index));
    }
    // An end comes before the beginnings of the same instant: a node may begin when another ended.
    moments.sort_by_key(|(at, ends, index)| (*at, !*ends, *index));
    // But never before the node's own beginning.
    let mut begun = BTreeSet::new();
    for (at, ends, index) in moments {
        if begun.insert(index) {
            told.step_begins(index, at);
        }
        if ends {
            told.step_ends(index, at);
        }
    }
    told.end();
    told.events
}

/// A node of the call.
struct Step<'a> {
    result: &'a NodeResult,
    node: Option<&'a Node>,
    id: NodeId,
    began: Timestamp,
    ended: Timestamp,
}

impl Step<'_> {
    fn is_test(&self) -> bool {
        self.kind() == "test" || self.kind() == "unit_test"
    }

    /// `model`, `test`, `seed`, `snapshot`: the beginning of its id in dbt.
    fn kind(&self) -> &str {
        let of_id = || self.result.unique_id.split('.').next().unwrap_or("node");
        self.node.map(|it| &*it.resource_type).filter(|it| !it.is_empty()).unwrap_or_else(of_id)
    }

    /// How it ended. <https://docs.getdbt.com/reference/artifacts/run-results-json>
    fn end(&self) -> (State, Reason) {
        match self.result.status.as_str() {
            "success" | "pass" | "no-op" => (State::Complete, Reason::Ok),
            "warn" => (State::Complete, Reason::Warning),
            "partial success" => (State::Complete, Reason::Partial),
            "skipped" => (State::Skipped, Reason::Upstream),
            "fail" => (State::Failed, Reason::Check),
            _ => (State::Failed, Reason::Error),
        }
    }

    fn error(&self) -> Option<ErrorInfo> {
        let class = match self.end() {
            (State::Failed, Reason::Check) => ErrorClass::Check,
            (State::Failed, _) => ErrorClass::ExitCode,
            _ => return None,
        };
        let said = self.result.message.as_deref().unwrap_or("dbt gave no message");
        Some(ErrorInfo {
            class,
            detail: said
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
                .chars()
                .take(ERROR_CHARS_MAX)
                .collect(),
            retryable: false,
            hint: (class == ErrorClass::ExitCode).then(|| {
                format!("Look at it with `dbt show --select {}`, or in dbt's own log.", self.id)
            }),
        })
    }

    fn rows(&self) -> Option<u64> {
        self.result.adapter_response.get("rows_affected")?.as_u64()
    }
}

struct Telling<'a> {
    results: &'a RunResults,
    manifest: &'a Manifest,
    names: &'a Names,
    scope: Scope,
    steps: Vec<Step<'a>>,
    began: Timestamp,
    ended: Timestamp,
    events: Vec<Event>,
}

impl<'a> Telling<'a> {
    fn new(
        run: RunId,
        (results, manifest): (&'a RunResults, &'a Manifest),
        names: &'a Names,
    ) -> Self {
        let ended = results.metadata.generated_at;
        let elapsed =
            SignedDuration::try_from_secs_f64(results.elapsed_time.max(0.0)).unwrap_or_default();
        let mut began = ended.checked_sub(elapsed).unwrap_or(ended);
        let ids = ids(results, manifest);
        let steps: Vec<Step<'_>> = (results.results.iter().zip(ids))
            .map(|(result, id)| {
                let times = || result.timing.iter();
                let ended_at = times().filter_map(|it| it.completed_at).max();
                let began_at = times().filter_map(|it| it.started_at).min().or(ended_at);
                let (began, until) = (began_at.unwrap_or(ended), ended_at.unwrap_or(ended));
                let node = manifest.nodes.get(&result.unique_id);
                Step { result, node, id, began: began.min(until), ended: until }
            })
            .collect();
        began = steps.iter().map(|it| it.began).min().unwrap_or(began).min(began);
        let ended = steps.iter().map(|it| it.ended).max().unwrap_or(ended).max(ended);
        let scope = Scope::pipeline(names.tenant.clone(), run, names.pipeline.clone());
        Self { results, manifest, names, scope, steps, began, ended, events: Vec::new() }
    }

    fn add(
        &mut self,
        (scope, at): (&Scope, Timestamp),
        (kind, entity): (EventKind, Entity),
    ) -> &mut Event {
        let seq = self.events.len() as u64 + 1;
        let stamp = Stamp { id: event_id(scope.run_id, seq, at), seq, time: at };
        self.events.push(Event::new(stamp, scope, kind, entity));
        let last = self.events.len() - 1;
        #[expect(clippy::indexing_slicing, reason = "it was pushed a moment ago")]
        &mut self.events[last]
    }

    fn go(
        &mut self,
        (scope, at): (&Scope, Timestamp),
        entity: Entity,
        (from, to, reason): (Option<State>, State, Reason),
    ) -> &mut Event {
        let event = self.add((scope, at), (EventKind::Transition, entity));
        (event.from, event.to, event.reason) = (from, Some(to), Some(reason));
        event
    }

    fn begin(&mut self) {
        let (scope, at) = (self.scope.clone(), self.began);
        let facts = self.facts();
        let graph = self.graph();
        for entity in [Entity::Run, Entity::Pipeline] {
            let queued = self.go((&scope, at), entity, (None, State::Queued, Reason::Starting));
            if entity == Entity::Run {
                queued.attributes = facts.clone();
            } else {
                self.add((&scope, at), (EventKind::Graph, entity)).graph = Some(graph.clone());
            }
            let running = (Some(State::Queued), State::Running, Reason::Executing);
            self.go((&scope, at), entity, running);
        }
        for index in 0..self.steps.len() {
            let Some(node) = self.steps.get(index).map(|it| scope.node(it.id.clone())) else {
                continue;
            };
            self.go((&node, at), Entity::Node, (None, State::Waiting, Reason::Dependency));
        }
    }

    fn facts(&self) -> BTreeMap<String, String> {
        let which = self.results.args.get("which").and_then(|it| it.as_str()).unwrap_or_default();
        let facts = [
            ("trigger", "dbt"),
            ("dbt_version", &self.results.metadata.dbt_version),
            ("dbt_command", which),
            ("dbt_project", self.manifest.metadata.project_name.as_deref().unwrap_or_default()),
        ];
        let known = facts.into_iter().filter(|(_, value)| !value.is_empty());
        known.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    /// What depends on what, among the nodes of this call. dbt's graph has no circle; results come
    /// in the order in which they ended, which is topological.
    fn graph(&self) -> Graph {
        let known: BTreeMap<&str, &NodeId> =
            self.steps.iter().map(|it| (&*it.result.unique_id, &it.id)).collect();
        let edges = self.steps.iter().flat_map(|step| {
            let needs = step.node.into_iter().flat_map(|it| &it.depends_on.nodes);
            let needs: BTreeSet<&NodeId> = needs
                .filter_map(|it| known.get(it.as_str()).copied())
                .filter(|it| **it != step.id)
                .collect();
            needs.into_iter().map(|from| Edge { from: from.clone(), to: step.id.clone() })
        });
        let nodes = self.steps.iter().map(|step| GraphNode {
            node_id: step.id.clone(),
            action: Action {
                kind: "dbt".to_owned(),
                name: step.kind().to_owned(),
                argv: Vec::new(),
            },
            inputs: self.inputs(step),
            outputs: self.output(step).into_iter().collect(),
        });
        Graph { nodes: nodes.collect(), edges: edges.collect() }
    }

    fn inputs(&self, step: &Step<'_>) -> Vec<AssetRef> {
        let needs = step.node.into_iter().flat_map(|it| &it.depends_on.nodes);
        needs.filter_map(|id| self.relation(id)).collect()
    }

    /// The table that a model, a seed or a snapshot makes.
    fn output(&self, step: &Step<'_>) -> Option<AssetRef> {
        if step.is_test() { None } else { self.relation(&step.result.unique_id) }
    }

    fn relation(&self, id: &str) -> Option<AssetRef> {
        let node = self.manifest.nodes.get(id).or_else(|| self.manifest.sources.get(id))?;
        if node.config.materialized.as_deref() == Some("ephemeral") {
            return None;
        }
        let table = node.identifier.as_ref().or(node.alias.as_ref()).unwrap_or(&node.name);
        let parts = [node.database.as_ref(), node.schema.as_ref(), Some(table)];
        let parts: Vec<&str> =
            parts.into_iter().flatten().map(String::as_str).filter(|it| !it.is_empty()).collect();
        Some(AssetRef::new(&self.names.namespace, parts.join(".")))
    }

    fn step_begins(&mut self, index: usize, at: Timestamp) {
        let Some(step) = self.steps.get(index) else { return };
        if step.end().0 == State::Skipped {
            return;
        }
        let scope = self.scope.node(step.id.clone());
        let attempt = scope.attempt(1);
        let running = |from| (from, State::Running, Reason::Executing);
        self.go((&scope, at), Entity::Node, running(Some(State::Waiting)));
        self.go((&attempt, at), Entity::Attempt, (None, State::Queued, Reason::Starting));
        self.go((&attempt, at), Entity::Attempt, running(Some(State::Queued)));
    }

    fn step_ends(&mut self, index: usize, at: Timestamp) {
        let Some(step) = self.steps.get(index) else { return };
        let scope = self.scope.node(step.id.clone());
        let (to, reason) = step.end();
        if to == State::Skipped {
            self.go((&scope, at), Entity::Node, (Some(State::Waiting), to, reason));
            return;
        }
        let (error, output, inputs) = (step.error(), self.output(step), self.inputs(step));
        let counts = step.rows().map(|rows| Counts { final_rows: Some(rows), ..Counts::default() });
        let took = Some(whole_nanoseconds(step.result.execution_time.max(0.0)));
        let (facts, check) = (columns(step.node), check(step));
        for (scope, entity) in [(scope.attempt(1), Entity::Attempt), (scope.clone(), Entity::Node)]
        {
            let event = self.go((&scope, at), entity, (Some(State::Running), to, reason));
            (event.duration_seconds, event.error, event.counts) = (took, error.clone(), counts);
            event.inputs.clone_from(&inputs);
            event.outputs = output.iter().cloned().collect();
        }
        if let Some(asset) = output.filter(|_| to == State::Complete) {
            let event = self.add((&scope, at), (EventKind::Asset, Entity::Asset));
            event.asset_id = Some(asset.id());
            event.counts = Some(counts.unwrap_or_default());
            event.attributes.extend(facts.map(|it| ("schema".to_owned(), it)));
        }
        if let Some(check) = check {
            for asset in inputs {
                let event = self.add((&scope, at), (EventKind::Asset, Entity::Asset));
                event.asset_id = Some(asset.id());
                event.attributes.clone_from(&check);
            }
        }
    }

    fn end(&mut self) {
        let failed = self.steps.iter().filter(|it| it.end().0 == State::Failed).count();
        let warned = self.steps.iter().any(|it| it.end().1 == Reason::Warning);
        let (to, reason) = match (failed, warned) {
            (0, false) => (State::Complete, Reason::Ok),
            (0, true) => (State::Complete, Reason::Warning),
            _ => (State::Failed, Reason::Error),
        };
        let took = self.ended.duration_since(self.began).as_secs_f64();
        let (scope, at) = (self.scope.clone(), self.ended);
        let first = self.steps.iter().find_map(Step::error);
        for entity in [Entity::Pipeline, Entity::Run] {
            let event = self.go((&scope, at), entity, (Some(State::Running), to, reason));
            event.duration_seconds = Some(whole_nanoseconds(took));
            event.error.clone_from(&first);
        }
    }
}

/// The test's answer, as an asset keeps it.
fn check(step: &Step<'_>) -> Option<BTreeMap<String, String>> {
    if !step.is_test() {
        return None;
    }
    let passed = matches!(step.result.status.as_str(), "pass" | "success");
    let severity = if step.result.status == "warn" { "warn" } else { "error" };
    let detail = match step.result.failures {
        Some(rows) => format!("{rows} failing rows"),
        None => step.result.message.clone().unwrap_or_default(),
    };
    let facts = [
        ("check", step.id.to_string()),
        ("result", if passed { "pass" } else { "fail" }.to_owned()),
        ("severity", severity.to_owned()),
        ("detail", detail),
    ];
    Some(facts.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// The columns that the project declares, as JSON.
fn columns(node: Option<&Node>) -> Option<String> {
    let columns = &node?.columns;
    let fields: Vec<_> = (columns.values())
        .map(|it| serde_json::json!({ "name": it.name, "type": it.data_type.as_deref().unwrap_or("") }))
        .collect();
    (!fields.is_empty()).then(|| serde_json::Value::Array(fields).to_string())
}

/// Names for nodes: what people call them, and dbt's own id where two would be called the same.
fn ids(results: &RunResults, manifest: &Manifest) -> Vec<NodeId> {
    let name = |result: &NodeResult| {
        let node = manifest.nodes.get(&result.unique_id);
        node.map(|it| it.name.clone())
            .filter(|it| !it.is_empty())
            .unwrap_or_else(|| result.unique_id.clone())
    };
    let mut seen: BTreeMap<NodeId, u32> = BTreeMap::new();
    for result in &results.results {
        *seen.entry(NodeId::from_foreign(&name(result))).or_default() += 1;
    }
    let id = |result: &NodeResult| {
        let id = NodeId::from_foreign(&name(result));
        if seen.get(&id) == Some(&1) { id } else { NodeId::from_foreign(&result.unique_id) }
    };
    results.results.iter().map(id).collect()
}

/// The same event of the same call has the same id: the time in front, as in every UUIDv7, and behind
/// it what follows from the run and the place in it.
fn event_id(run: RunId, seq: u64, at: Timestamp) -> Uuid {
    let millis = u64::try_from(at.as_millisecond()).unwrap_or_default();
    let derived = SpanId::derive(run, &["event", &seq.to_string()]).to_string();
    let mut tail = [0_u8; 10];
    let from = u64::from_str_radix(&derived, 16).unwrap_or_default().to_be_bytes();
    tail.iter_mut().skip(2).zip(from).for_each(|(to, byte)| *to = byte);
    uuid::Builder::from_unix_timestamp_millis(millis, &tail).into_uuid()
}
