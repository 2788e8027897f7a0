//! What a list of runs shows of one run, folded from its events while they are appended.
//!
//! It is a cache: everything in it can be computed from the log again. It exists so that a page of
//! a hundred thousand runs costs as much as a page of a hundred.

use std::collections::BTreeMap;

use flowglass_model::{
    Counts, Entity, ErrorClass, Event, EventKind, PipelineId, Reason, RunId, State, StateCounts,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The attribute of a run's first event that names the run that it repeats.
const PARENT_RUN: &str = "parent_run_id";

/// How many nodes stand where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeTally {
    /// Nodes that the graphs name, or that were seen when there is no graph.
    pub total: u64,
    /// Nodes in each state.
    pub by_state: StateCounts,
}

impl NodeTally {
    /// How many nodes are in a state.
    #[must_use]
    pub fn of(&self, state: State) -> u64 {
        self.by_state.get(state)
    }

    fn seen(&self) -> u64 {
        self.by_state.total()
    }

    fn move_one(&mut self, from: Option<State>, to: State) {
        if let Some(from) = from {
            let left = self.slot(from);
            *left = left.saturating_sub(1);
        }
        *self.slot(to) += 1;
        self.total = self.total.max(self.seen());
    }

    fn slot(&mut self, state: State) -> &mut u64 {
        let counts = &mut self.by_state;
        match state {
            State::Queued => &mut counts.queued,
            State::Waiting => &mut counts.waiting,
            State::Running => &mut counts.running,
            State::Complete => &mut counts.complete,
            State::Failed => &mut counts.failed,
            State::Skipped => &mut counts.skipped,
        }
    }
}

/// Why a run failed, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFailure {
    /// The class of the error.
    pub class: ErrorClass,
    /// The chain of causes on one line.
    pub detail: String,
}

/// One line of the list of runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunSummary {
    /// The run.
    pub run_id: RunId,
    /// Whose it is.
    pub tenant: String,
    /// Its pipelines, in the order of their first event.
    pub pipelines: Vec<PipelineId>,
    /// Where the run stands; absent until its own first transition.
    pub state: Option<State>,
    /// Why.
    pub reason: Option<Reason>,
    /// When its first event was made.
    pub first_seen_at: Timestamp,
    /// When it began to run.
    pub started_at: Option<Timestamp>,
    /// When it came to its final state.
    pub ended_at: Option<Timestamp>,
    /// Seconds from start to end by a monotonic clock, once it has ended.
    pub duration_seconds: Option<f64>,
    /// The run that this one repeats.
    pub parent_run_id: Option<RunId>,
    /// The newest event's place.
    pub last_seq: u64,
    /// When the newest event was made.
    pub last_event_at: Timestamp,
    /// Its nodes.
    pub nodes: NodeTally,
    /// Rows and bytes: what the run's last event says, until then the sum of its ended nodes.
    pub counts: Counts,
    /// Why it failed: the run's own error, else the first failed node's.
    pub error: Option<RunFailure>,
}

impl RunSummary {
    /// The summary of a run of which nothing but its first event is known.
    pub(crate) fn starting_with(event: &Event) -> Self {
        Self {
            run_id: event.run_id,
            tenant: event.tenant.clone(),
            pipelines: Vec::new(),
            state: None,
            reason: None,
            first_seen_at: event.time,
            started_at: None,
            ended_at: None,
            duration_seconds: None,
            parent_run_id: parent_of(&event.attributes),
            last_seq: 0,
            last_event_at: event.time,
            nodes: NodeTally::default(),
            counts: Counts::default(),
            error: None,
        }
    }

    /// Whether nothing further is expected of it.
    #[must_use]
    pub fn is_final(&self) -> bool {
        self.state.is_some_and(State::is_final)
    }

    /// Takes the next event. `before` is where its entity stood.
    pub(crate) fn apply(&mut self, event: &Event, before: Option<State>) {
        self.last_seq = event.seq;
        self.last_event_at = self.last_event_at.max(event.time);
        if !self.pipelines.contains(&event.pipeline_id) {
            self.pipelines.push(event.pipeline_id.clone());
        }
        if let Some(graph) = &event.graph {
            self.nodes.total = self.nodes.total.saturating_add(graph.nodes.len() as u64);
        }
        let (EventKind::Transition, Some(to)) = (event.kind, event.to) else { return };
        match event.entity {
            Entity::Run => self.move_run(event, to),
            Entity::Node => self.move_node(event, before, to),
            Entity::Pipeline | Entity::Attempt | Entity::Stage | Entity::Asset => {}
        }
    }

    fn move_run(&mut self, event: &Event, to: State) {
        self.state = Some(to);
        self.reason = event.reason;
        if self.parent_run_id.is_none() {
            self.parent_run_id = parent_of(&event.attributes);
        }
        if to == State::Running && self.started_at.is_none() {
            self.started_at = Some(event.time);
        }
        if !to.is_final() {
            return;
        }
        self.ended_at = Some(event.time);
        self.duration_seconds = event.duration_seconds;
        if let Some(counts) = event.counts.filter(|it| !it.is_empty()) {
            self.counts = counts;
        }
        if let Some(error) = &event.error {
            self.error = Some(RunFailure { class: error.class, detail: error.detail.clone() });
        }
    }

    fn move_node(&mut self, event: &Event, before: Option<State>, to: State) {
        self.nodes.move_one(before, to);
        if !to.is_final() {
            return;
        }
        if let Some(counts) = event.counts {
            self.counts = self.counts.plus(counts);
        }
        if let (State::Failed, None, Some(error)) = (to, &self.error, &event.error) {
            self.error = Some(RunFailure { class: error.class, detail: error.detail.clone() });
        }
    }

    /// What the text filter looks through, in lower case.
    pub(crate) fn words(&self) -> String {
        let mut words = format!("{} {}", self.run_id, self.tenant);
        for pipeline in &self.pipelines {
            words.push(' ');
            words.push_str(pipeline.as_str());
        }
        for word in
            [self.state.map(State::name), self.reason.map(Reason::name)].into_iter().flatten()
        {
            words.push(' ');
            words.push_str(word);
        }
        if let Some(error) = &self.error {
            words.push_str(&format!(" {} {}", error.class, error.detail));
        }
        words.to_lowercase()
    }
}

fn parent_of(attributes: &BTreeMap<String, String>) -> Option<RunId> {
    attributes.get(PARENT_RUN).and_then(|it| it.parse().ok())
}
