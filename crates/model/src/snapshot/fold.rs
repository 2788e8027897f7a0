//! The fold from events to a snapshot.

use std::collections::BTreeMap;

use crate::asset::AssetRef;
use crate::event::{Entity, Event, EventKind, Graph, LogLevel, whole_nanoseconds};
use crate::ids::{AttemptId, NodeId, PipelineId, RunId, StageId};
use crate::state::{IllegalMove, Reason, State, transition};

use super::views::{
    AssetView, AttemptView, CheckView, LedgerView, NodeView, PipelineView, Snapshot, StageTotal,
    StageView, StateCounts, Times,
};

/// Lines that a node's log tail holds.
const LOG_TAIL_LINES_MAX: usize = 50;

/// What an event did to the snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// It was the next one.
    New,
    /// It was known already; nothing changed.
    Duplicate,
}

/// Why an event was refused. The snapshot is unchanged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// The event belongs to another run.
    #[error("event of run {got} given to run {expected}")]
    OtherRun {
        /// The snapshot's run.
        expected: RunId,
        /// The event's run.
        got: RunId,
    },
    /// Events between are missing: read again from `expected` on.
    #[error("event {got} came where {expected} was due: events between are missing")]
    Gap {
        /// The next place.
        expected: u64,
        /// The event's place.
        got: u64,
    },
    /// The entity does not stand where the event says it comes from.
    #[error("event {seq} says that the {entity:?} was {said:?}, but it was {known:?}")]
    From {
        /// The event's place.
        seq: u64,
        /// What it is about.
        entity: Entity,
        /// The event's `from`.
        said: Option<State>,
        /// The snapshot's state.
        known: Option<State>,
    },
    /// No such move.
    #[error("event {seq} is refused")]
    Move {
        /// The event's place.
        seq: u64,
        /// What is wrong with it.
        source: IllegalMove,
    },
    /// A field that this kind of event must have is missing.
    #[error("event {seq} lacks `{field}`")]
    Missing {
        /// The event's place.
        seq: u64,
        /// The field.
        field: &'static str,
    },
}

impl Snapshot {
    /// Takes the next event of the run.
    ///
    /// # Errors
    /// [`ApplyError`] when the event cannot be the next one; the snapshot is then unchanged.
    pub fn apply(&mut self, event: &Event) -> Result<Applied, ApplyError> {
        if let Some(expected) = self.run.run_id.filter(|it| *it != event.run_id) {
            return Err(ApplyError::OtherRun { expected, got: event.run_id });
        }
        if event.seq <= self.run.last_seq {
            return Ok(Applied::Duplicate);
        }
        if event.seq != self.run.last_seq + 1 {
            return Err(ApplyError::Gap { expected: self.run.last_seq + 1, got: event.seq });
        }
        match event.kind {
            EventKind::Transition => self.apply_transition(event)?,
            EventKind::Graph => self.apply_graph(event)?,
            EventKind::Progress => self.apply_progress(event)?,
            EventKind::Log => self.apply_log(event)?,
            EventKind::Asset => self.apply_asset(event)?,
            EventKind::Ledger => self.apply_ledger(event)?,
        }
        self.run.run_id = Some(event.run_id);
        self.run.trace_id = Some(event.trace.trace_id);
        self.run.tenant.clone_from(&event.tenant);
        self.run.last_seq = event.seq;
        self.run.last_event_at = Some(event.time);
        Ok(Applied::New)
    }

    /// Folds a whole history.
    ///
    /// # Errors
    /// The first [`ApplyError`].
    pub fn of<'a>(events: impl IntoIterator<Item = &'a Event>) -> Result<Self, ApplyError> {
        let mut snapshot = Self::default();
        for event in events {
            snapshot.apply(event)?;
        }
        Ok(snapshot)
    }

    /// The pipeline's view.
    #[must_use]
    pub fn pipeline(&self, id: &PipelineId) -> Option<&PipelineView> {
        self.pipelines.iter().find(|it| it.pipeline_id == *id)
    }

    /// The state of the entity that the event is about.
    #[must_use]
    pub fn state_of(&self, event: &Event) -> Option<State> {
        if event.entity == Entity::Run {
            return self.run.times.state;
        }
        let pipeline = self.pipeline(&event.pipeline_id)?;
        if event.entity == Entity::Pipeline {
            return pipeline.times.state;
        }
        let node = pipeline.node(event.node_id.as_ref()?)?;
        let attempt = || {
            let id = event.attempt_id.as_ref()?;
            node.attempts.iter().find(|it| it.attempt_id == *id)
        };
        match event.entity {
            Entity::Node => node.times.state,
            Entity::Attempt => attempt()?.times.state,
            Entity::Stage => {
                let stage = event.stage_id.as_ref()?;
                attempt()?.stages.iter().find(|it| it.stage_id == *stage)?.times.state
            }
            Entity::Run | Entity::Pipeline | Entity::Asset => None,
        }
    }

    fn apply_transition(&mut self, event: &Event) -> Result<(), ApplyError> {
        let change = Change::checked(event, self.state_of(event))?;
        if event.entity == Entity::Stage && !self.knows_attempt(event) {
            return Err(missing(event, "attempt_id of an attempt that was told before"));
        }
        if event.entity == Entity::Run {
            change.keep(&mut self.run.times);
            self.run.error = event.error.clone().or(self.run.error.take());
            self.run.attributes.extend(event.attributes.clone());
            return Ok(());
        }
        let node = (event.entity == Entity::Node).then_some((change.from, change.to));
        if let Some((from, to)) = node {
            self.summary.shift(from, to);
        }
        self.pipeline_mut(&event.pipeline_id).apply_transition(event, &change);
        Ok(())
    }

    fn knows_attempt(&self, event: &Event) -> bool {
        let node = self.pipeline(&event.pipeline_id).zip(event.node_id.as_ref());
        let node = node.and_then(|(pipeline, id)| pipeline.node(id));
        let id = event.attempt_id.as_ref();
        node.is_some_and(|it| it.attempts.iter().any(|it| Some(&it.attempt_id) == id))
    }

    fn apply_graph(&mut self, event: &Event) -> Result<(), ApplyError> {
        let graph = event.graph.as_ref().ok_or(missing(event, "graph"))?;
        let pipeline = self.pipeline_mut(&event.pipeline_id);
        pipeline.attributes.extend(event.attributes.clone());
        pipeline.apply_graph(graph);
        Ok(())
    }

    fn apply_progress(&mut self, event: &Event) -> Result<(), ApplyError> {
        let counts = event.counts.ok_or(missing(event, "counts"))?;
        let Some(node_id) = &event.node_id else { return Ok(()) };
        let node = self.pipeline_mut(&event.pipeline_id).node_mut(node_id);
        node.counts = Some(counts);
        let attempt = event.attempt_id.as_ref();
        if let Some(it) = node.attempts.iter_mut().find(|it| Some(&it.attempt_id) == attempt) {
            it.counts = Some(counts);
        }
        Ok(())
    }

    fn apply_log(&mut self, event: &Event) -> Result<(), ApplyError> {
        let line = event.log.as_ref().ok_or(missing(event, "log"))?;
        let Some(node_id) = &event.node_id else { return Ok(()) };
        let log = &mut self.pipeline_mut(&event.pipeline_id).node_mut(node_id).log;
        log.lines += 1;
        log.warnings += u64::from(line.level >= LogLevel::Warn);
        if log.tail.len() == LOG_TAIL_LINES_MAX {
            log.tail.pop_front();
        }
        log.tail.push_back(line.clone());
        Ok(())
    }

    fn apply_asset(&mut self, event: &Event) -> Result<(), ApplyError> {
        let id = event.asset_id.as_deref().ok_or(missing(event, "asset_id"))?;
        let asset = AssetRef::from_id(id).ok_or(missing(event, "asset_id"))?;
        let view = self.pipeline_mut(&event.pipeline_id).asset_mut(&asset);
        if let Some(counts) = event.counts {
            view.rows = counts.final_rows.or(view.rows);
            view.updated_at = Some(event.time);
        }
        match CheckView::of(&event.attributes) {
            Some((name, check)) => drop(view.checks.insert(name, check)),
            None => view.facts.extend(event.attributes.clone()),
        }
        Ok(())
    }

    fn apply_ledger(&mut self, event: &Event) -> Result<(), ApplyError> {
        let entry = event.ledger.clone().ok_or(missing(event, "ledger"))?;
        let told = LedgerView { node_id: event.node_id.clone(), entry };
        let ledger = &mut self.pipeline_mut(&event.pipeline_id).ledger;
        let same = |it: &&mut LedgerView| {
            it.node_id == told.node_id
                && it.entry.table == told.entry.table
                && it.entry.sink == told.entry.sink
        };
        match ledger.iter_mut().find(same) {
            Some(known) => *known = told,
            None => ledger.push(told),
        }
        Ok(())
    }

    fn pipeline_mut(&mut self, id: &PipelineId) -> &mut PipelineView {
        let same = |it: &PipelineView| it.pipeline_id == *id;
        find_or_push(&mut self.pipelines, same, || PipelineView::new(id.clone()))
    }
}

/// The item that `same` finds, or a new one at the end.
fn find_or_push<T>(
    list: &mut Vec<T>,
    same: impl Fn(&T) -> bool,
    make: impl FnOnce() -> T,
) -> &mut T {
    let at = list.iter().position(same).unwrap_or_else(|| {
        list.push(make());
        list.len() - 1
    });
    #[expect(clippy::indexing_slicing, reason = "the place was found or made in the line above")]
    &mut list[at]
}

fn missing(event: &Event, field: &'static str) -> ApplyError {
    ApplyError::Missing { seq: event.seq, field }
}

/// What a transition of the event's entity must say and this one does not.
fn lacking(event: &Event) -> Option<&'static str> {
    let depth = match event.entity {
        Entity::Run | Entity::Pipeline => 0,
        Entity::Node => 1,
        Entity::Attempt => 2,
        Entity::Stage => 3,
        // A dataset stands where its node stands: it has no moves of its own.
        Entity::Asset => return Some("entity that has states"),
    };
    let of_the_node = |it: &AttemptId| Some(&it.node) == event.node_id.as_ref();
    let told = [
        ("node_id", event.node_id.is_some()),
        ("attempt_id of the node", event.attempt_id.as_ref().is_some_and(of_the_node)),
        ("stage_id", event.stage_id.is_some()),
    ];
    told.into_iter().take(depth).find(|(_, is_told)| !is_told).map(|(field, _)| field)
}

/// A move that has been found legal.
struct Change<'a> {
    event: &'a Event,
    from: Option<State>,
    to: State,
    reason: Reason,
}

impl<'a> Change<'a> {
    fn checked(event: &'a Event, known: Option<State>) -> Result<Self, ApplyError> {
        if let Some(field) = lacking(event) {
            return Err(missing(event, field));
        }
        let to = event.to.ok_or(missing(event, "to"))?;
        let reason = event.reason.ok_or(missing(event, "reason"))?;
        if event.from != known {
            let (seq, entity) = (event.seq, event.entity);
            return Err(ApplyError::From { seq, entity, said: event.from, known });
        }
        let (to, reason) = transition(known, to, reason)
            .map_err(|source| ApplyError::Move { seq: event.seq, source })?;
        Ok(Self { event, from: known, to, reason })
    }

    fn keep(&self, times: &mut Times) {
        let time = self.event.time;
        times.state = Some(self.to);
        times.reason = Some(self.reason);
        times.created_at.get_or_insert(time);
        if self.to == State::Running {
            times.started_at.get_or_insert(time);
        }
        if self.to.is_final() {
            times.ended_at = Some(time);
        }
        times.duration_seconds = self.event.duration_seconds.or(times.duration_seconds);
    }
}

impl PipelineView {
    fn new(pipeline_id: PipelineId) -> Self {
        Self {
            pipeline_id,
            times: Times::default(),
            error: None,
            nodes: Vec::new(),
            edges: Vec::new(),
            assets: Vec::new(),
            summary: StateCounts::default(),
            asset_summary: StateCounts::default(),
            stages: Vec::new(),
            ledger: Vec::new(),
            attributes: BTreeMap::new(),
            node_at: Default::default(),
            asset_at: Default::default(),
        }
    }

    /// The node's view.
    #[must_use]
    pub fn node(&self, id: &NodeId) -> Option<&NodeView> {
        let at = match self.node_at.0.get(id) {
            Some(at) => Some(*at),
            // A snapshot that was read from JSON has no index until its next event.
            None => self.nodes.iter().position(|it| it.node_id == *id),
        };
        self.nodes.get(at?)
    }

    fn apply_transition(&mut self, event: &Event, change: &Change<'_>) {
        match (event.entity, &event.node_id) {
            (Entity::Pipeline, _) => {
                change.keep(&mut self.times);
                self.error = event.error.clone().or(self.error.take());
                self.attributes.extend(event.attributes.clone());
            }
            (Entity::Node, Some(node_id)) => self.apply_node(event, node_id, change),
            (Entity::Attempt, Some(node_id)) => {
                apply_attempt(self.node_mut(node_id), event, change);
            }
            (Entity::Stage, Some(node_id)) => self.apply_stage(event, node_id, change),
            (Entity::Run | Entity::Asset, _) | (_, None) => {}
        }
    }

    fn apply_node(&mut self, event: &Event, node_id: &NodeId, change: &Change<'_>) {
        self.summary.shift(change.from, change.to);
        let node = self.node_mut(node_id);
        change.keep(&mut node.times);
        node.action = event.action.clone().or(node.action.take());
        node.counts = event.counts.or(node.counts);
        node.last_error = event.error.clone().or(node.last_error.take());
        // A graph may have told the datasets before; an end may tell more exactly.
        for (known, told) in
            [(&mut node.inputs, &event.inputs), (&mut node.outputs, &event.outputs)]
        {
            for asset in told.iter().filter(|it| !known.contains(it)).collect::<Vec<_>>() {
                known.push(asset.clone());
            }
        }
        self.move_assets(node_id, change, event);
    }

    fn move_assets(&mut self, node_id: &NodeId, change: &Change<'_>, event: &Event) {
        let Some(node) = self.node(node_id) else { return };
        let attempts = u32::try_from(node.attempts.len()).unwrap_or(u32::MAX);
        let touched: Vec<(AssetRef, bool)> = node
            .outputs
            .iter()
            .map(|it| (it.clone(), true))
            .chain(node.inputs.iter().map(|it| (it.clone(), false)))
            .collect();
        for (asset, writes) in touched {
            let view = self.asset_mut(&asset);
            view.produced |= writes;
            if view.produced && !writes {
                continue;
            }
            let from = view.state.replace(change.to);
            view.reason = Some(change.reason);
            view.node_id = Some(node_id.clone());
            view.attempts = attempts;
            if writes && change.to == State::Complete {
                view.updated_at = Some(event.time);
            }
            self.asset_summary.shift(from, change.to);
        }
    }

    fn apply_stage(&mut self, event: &Event, node_id: &NodeId, change: &Change<'_>) {
        let Some(stage_id) = &event.stage_id else { return };
        let node = self.node_mut(node_id);
        let Some(attempt) =
            node.attempts.iter_mut().find(|it| Some(&it.attempt_id) == event.attempt_id.as_ref())
        else {
            return;
        };
        let stage = find_or_push(
            &mut attempt.stages,
            |it| it.stage_id == *stage_id,
            || StageView { stage_id: stage_id.clone(), times: Times::default(), counts: None },
        );
        change.keep(&mut stage.times);
        stage.counts = event.counts.or(stage.counts);
        self.stage_total(stage_id).take(event, change);
    }

    fn stage_total(&mut self, stage_id: &StageId) -> &mut StageTotal {
        find_or_push(
            &mut self.stages,
            |it| it.stage_id == *stage_id,
            || StageTotal {
                stage_id: stage_id.clone(),
                states: StateCounts::default(),
                timed: 0,
                duration_seconds_total: 0.0,
                duration_seconds_mean: 0.0,
                rows: 0,
            },
        )
    }

    fn apply_graph(&mut self, graph: &Graph) {
        for told in &graph.nodes {
            let node = self.node_mut(&told.node_id);
            node.action = Some(told.action.clone());
            node.inputs.clone_from(&told.inputs);
            node.outputs.clone_from(&told.outputs);
            for asset in told.inputs.iter().chain(&told.outputs) {
                self.asset_mut(asset);
            }
            for asset in &told.outputs {
                self.asset_mut(asset).produced = true;
            }
        }
        self.edges.clone_from(&graph.edges);
    }

    pub(super) fn node_mut(&mut self, id: &NodeId) -> &mut NodeView {
        if self.node_at.0.len() != self.nodes.len() {
            let ids = self.nodes.iter().map(|it| it.node_id.clone());
            self.node_at.0 = ids.enumerate().map(|(at, id)| (id, at)).collect();
        }
        let next = self.nodes.len();
        let at = *self.node_at.0.entry(id.clone()).or_insert(next);
        if at == next {
            self.nodes.push(NodeView {
                node_id: id.clone(),
                action: None,
                inputs: Vec::new(),
                outputs: Vec::new(),
                times: Times::default(),
                counts: None,
                last_error: None,
                attempts: Vec::new(),
                log: Default::default(),
            });
        }
        #[expect(clippy::indexing_slicing, reason = "the index names places of this list only")]
        &mut self.nodes[at]
    }

    fn asset_mut(&mut self, asset: &AssetRef) -> &mut AssetView {
        if self.asset_at.0.len() != self.assets.len() {
            let ids = self.assets.iter().map(|it| it.asset_id.clone());
            self.asset_at.0 = ids.enumerate().map(|(at, id)| (id, at)).collect();
        }
        let next = self.assets.len();
        let at = *self.asset_at.0.entry(asset.id()).or_insert(next);
        if at == next {
            self.assets.push(AssetView {
                asset_id: asset.id(),
                asset: asset.clone(),
                state: None,
                reason: None,
                node_id: None,
                attempts: 0,
                produced: false,
                rows: None,
                updated_at: None,
                checks: BTreeMap::new(),
                facts: BTreeMap::new(),
            });
        }
        #[expect(clippy::indexing_slicing, reason = "the index names places of this list only")]
        &mut self.assets[at]
    }
}

fn apply_attempt(node: &mut NodeView, event: &Event, change: &Change<'_>) {
    let Some(attempt_id) = &event.attempt_id else { return };
    let attempt = find_or_push(
        &mut node.attempts,
        |it| it.attempt_id == *attempt_id,
        || AttemptView {
            attempt_id: attempt_id.clone(),
            times: Times::default(),
            action: None,
            exit_code: None,
            signal: None,
            counts: None,
            error: None,
            stages: Vec::new(),
            attributes: BTreeMap::new(),
        },
    );
    change.keep(&mut attempt.times);
    attempt.action = event.action.clone().or(attempt.action.take());
    attempt.exit_code = event.exit_code.or(attempt.exit_code);
    attempt.signal = event.signal.clone().or(attempt.signal.take());
    attempt.counts = event.counts.or(attempt.counts);
    attempt.error = event.error.clone().or(attempt.error.take());
    attempt.attributes.extend(event.attributes.clone());
    node.counts = event.counts.or(node.counts);
    node.last_error = event.error.clone().or(node.last_error.take());
}

impl StageTotal {
    fn take(&mut self, event: &Event, change: &Change<'_>) {
        self.states.shift(change.from, change.to);
        if !change.to.is_final() {
            return;
        }
        if let Some(seconds) = event.duration_seconds {
            self.timed += 1;
            self.duration_seconds_total = whole_nanoseconds(self.duration_seconds_total + seconds);
            #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^53 stages")]
            let timed = self.timed as f64;
            self.duration_seconds_mean = whole_nanoseconds(self.duration_seconds_total / timed);
        }
        if let Some(counts) = event.counts {
            // A command may tell any number.
            let moved = counts.inserted.unwrap_or(0).saturating_add(counts.updated.unwrap_or(0));
            self.rows = self.rows.saturating_add(counts.extracted.unwrap_or(0).max(moved));
        }
    }
}

impl CheckView {
    /// A check's result from an asset event's attributes: `check`, `result` (`pass` or `fail`),
    /// `severity`, `detail`.
    fn of(attributes: &BTreeMap<String, String>) -> Option<(String, Self)> {
        let name = attributes.get("check")?;
        let passed = attributes.get("result").is_some_and(|it| it == "pass");
        let severity = attributes.get("severity").cloned().unwrap_or_else(|| "error".to_owned());
        let detail = attributes.get("detail").cloned().unwrap_or_default();
        Some((name.clone(), Self { passed, severity, detail }))
    }
}
