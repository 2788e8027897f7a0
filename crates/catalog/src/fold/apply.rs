//! The fold from events to numbers.

use std::time::Duration;

use flowglass_model::{Counts, Entity, Event, EventKind, LedgerEntry, State};

use crate::label::{AttemptOutcome, Disposition, FinalState, Node, RowOp, Table};
use crate::registry::{PipelineScope, Registry, TimingHandle};
use crate::signals::{CPU_SECONDS, PEAK_RSS_BYTES};

use super::state::{PipelineState, RunState, Runs};
use super::table_label::table_label;

/// What an event did to the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Folded {
    /// It was counted, or says nothing that is counted.
    New,
    /// It was known already; nothing changed.
    Known,
}

/// Raises the numbers of runs by their events.
///
/// Events of one run must come in the order of their `seq`; an event that comes again changes
/// nothing. Events that were never given, because a reader started in the middle, are simply not
/// counted: a run whose start was not seen does not lower `runs_in_progress` when it ends.
#[derive(Debug)]
pub struct MetricsFold {
    registry: Registry,
    runs: Runs,
}

impl MetricsFold {
    /// A fold into a registry, which knows no run yet.
    #[must_use]
    pub fn new(registry: Registry) -> Self {
        Self { registry, runs: Runs::default() }
    }

    /// Counts one event.
    pub fn apply(&mut self, event: &Event) -> Folded {
        let run = self.runs.get(event.run_id);
        if event.seq <= run.last_seq {
            return Folded::Known;
        }
        run.last_seq = event.seq;
        let scope = self.registry.pipeline(&event.tenant, event.pipeline_id.as_str());
        match event.kind {
            EventKind::Transition => Change { run, scope: &scope, event }.apply(),
            EventKind::Progress => remember_counts(run, event),
            EventKind::Ledger => ledger(run, &scope, event),
            // They tell of things that no metric counts.
            EventKind::Log | EventKind::Asset | EventKind::Graph => {}
        }
        Folded::New
    }
}

/// A change of state and what it touches.
struct Change<'a> {
    run: &'a mut RunState,
    scope: &'a PipelineScope,
    event: &'a Event,
}

impl Change<'_> {
    fn apply(&mut self) {
        let Some(to) = self.event.to else { return };
        match self.event.entity {
            Entity::Pipeline => {
                self.run.pipelines_tell = true;
                self.pipeline(to);
            }
            // Other tools tell of a run only; then the run is counted for its first pipeline.
            Entity::Run if !self.run.pipelines_tell => self.pipeline(to),
            Entity::Node => self.node(to),
            Entity::Attempt => self.attempt(to),
            Entity::Run | Entity::Stage | Entity::Asset => {}
        }
    }

    fn pipeline(&mut self, to: State) {
        let (run, scope, event) = (&mut *self.run, self.scope, self.event);
        if to == State::Running {
            let pipeline = run.pipelines.entry(event.pipeline_id.clone()).or_default();
            if !pipeline.in_progress {
                pipeline.in_progress = true;
                scope.runs_in_progress().add(1.0);
            }
        }
        let Some(state) = FinalState::of(to) else { return };
        let known = run.pipelines.remove(&event.pipeline_id);
        if known.is_some_and(|it| it.in_progress) {
            scope.runs_in_progress().add(-1.0);
        }
        scope.runs_total(state).increment();
        if let Some(duration) = duration(event) {
            observe(&scope.run_duration_seconds(), duration, event);
        }
        if state == FinalState::Complete {
            let last = scope.run_last_success_ts();
            // Runs of one pipeline may overlap: a slow one that ends late does not turn time back.
            last.set(last.value().max(unix_seconds(event)));
        }
    }

    fn node(&mut self, to: State) {
        let (scope, event) = (self.scope, self.event);
        let (Some(state), Some(node)) = (FinalState::of(to), &event.node_id) else { return };
        let known = pipeline_of(self.run, event).counts.remove(node);
        // A node that never ran took no time and is still counted: the histogram's count says how
        // many nodes came to each state.
        let node = Node(node.as_str());
        let took = duration(event).unwrap_or_default();
        observe(&scope.node_duration_seconds(node, state), took, event);
        if let Some(counts) = event.counts.or(known) {
            rows(scope, node, &counts);
        }
    }

    fn attempt(&mut self, to: State) {
        let (scope, event) = (self.scope, self.event);
        remember_counts(self.run, event);
        let Some(node) = event.node_id.as_ref().map(|it| Node(it.as_str())) else { return };
        let outcome = match to {
            State::Complete => AttemptOutcome::Complete,
            State::Failed => AttemptOutcome::Failed,
            State::Queued | State::Waiting | State::Running | State::Skipped => return,
        };
        scope.attempts_total(node, outcome).increment();
        let fact = |key: &str| event.attributes.get(key)?.parse::<f64>().ok();
        if let Some(cpu) = fact(CPU_SECONDS).and_then(seconds) {
            scope.node_cpu_seconds_total(node).add(cpu);
        }
        if let Some(peak) = fact(PEAK_RSS_BYTES).filter(|it| it.is_finite()) {
            scope.node_peak_rss_bytes(node).set(peak);
        }
    }
}

fn pipeline_of<'a>(run: &'a mut RunState, event: &Event) -> &'a mut PipelineState {
    run.pipelines.entry(event.pipeline_id.clone()).or_default()
}

/// Keeps what a node has counted so far, for a node whose end says nothing of it.
fn remember_counts(run: &mut RunState, event: &Event) {
    if let (Some(node), Some(counts)) = (&event.node_id, event.counts) {
        pipeline_of(run, event).counts.insert(node.clone(), counts);
    }
}

fn rows(scope: &PipelineScope, node: Node<'_>, counts: &Counts) {
    for (op, rows) in [
        (RowOp::Extracted, counts.extracted),
        (RowOp::Inserted, counts.inserted),
        (RowOp::Updated, counts.updated),
        (RowOp::Deleted, counts.deleted),
    ] {
        // Nobody counted is not zero: then there is no series.
        if let Some(rows) = rows {
            scope.rows_total(node, op).add(rows);
        }
    }
}

fn ledger(run: &mut RunState, scope: &PipelineScope, event: &Event) {
    let Some(entry) = &event.ledger else { return };
    let pipeline = pipeline_of(run, event);
    let key = (event.node_id.clone(), entry.table.clone(), entry.sink.clone());
    let told = (event.attempt_id.clone(), entry.clone());
    let before = pipeline.ledgers.insert(key, told);
    // An entry says what there is since the attempt began: another attempt begins at nothing.
    let before = before.filter(|(attempt, _)| *attempt == event.attempt_id).map(|(_, entry)| entry);
    let before = before.unwrap_or_default();
    let table = table_label(&entry.table);
    for (disposition, rows) in dispositions(entry).into_iter().zip(dispositions(&before)).map(
        |((disposition, now), (_, then))| {
            // A count that fell was begun again.
            (disposition, now.checked_sub(then).unwrap_or(now))
        },
    ) {
        scope.ledger_rows_total(Table(&table), disposition).add(rows);
    }
    let unaccounted: u128 =
        pipeline.ledgers.values().map(|(_, entry)| entry.unaccounted().unsigned_abs()).sum();
    scope.ledger_unaccounted_rows().set_count(u64::try_from(unaccounted).unwrap_or(u64::MAX));
}

fn dispositions(entry: &LedgerEntry) -> [(Disposition, u64); 5] {
    [
        (Disposition::Read, entry.read),
        (Disposition::Delivered, entry.delivered),
        (Disposition::Filtered, entry.filtered),
        (Disposition::DeadLettered, entry.dead_lettered),
        (Disposition::Evicted, entry.evicted),
    ]
}

/// Counts a duration with the run's trace as its exemplar.
fn observe(timing: &TimingHandle, took: Duration, event: &Event) {
    let nanos = u64::try_from(event.time.as_nanosecond()).unwrap_or(0);
    timing.observe_traced(took, event.trace.trace_id, nanos);
}

fn duration(event: &Event) -> Option<Duration> {
    event.duration_seconds.and_then(seconds)
}

/// A duration that another program may have written: not negative, not endless.
fn seconds(value: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(value).ok()
}

fn unix_seconds(event: &Event) -> f64 {
    event.time.as_duration().as_secs_f64()
}
