//! Random histories of a run, all of them legal: what an engine or another tool may tell.
//!
//! A history is read off a tape of numbers, so that proptest can shorten it. The teller keeps its
//! own idea of where each entity stands; it never asks the snapshot, which is what is under test.

use std::collections::BTreeMap;
use std::time::Duration;

use flowglass_model::{
    Action, AssetRef, Counts, Edge, Entity, ErrorClass, ErrorInfo, Event, EventKind, Graph,
    GraphNode, LedgerEntry, LogLevel, LogLine, LogStream, NodeId, PipelineId, Reason, RunId, Scope,
    StageId, Stamp, State, whole_nanoseconds,
};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

const STAGES: [&str; 4] = ["extract", "load", "verify", "command"];

/// Numbers that decide what happens; all zeros once it has run out.
struct Tape {
    numbers: Vec<u16>,
    at: usize,
}

impl Tape {
    fn below(&mut self, end: usize) -> usize {
        let number = self.numbers.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        usize::from(number) % end.max(1)
    }

    fn is_over(&self) -> bool {
        self.at >= self.numbers.len()
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

struct Node {
    scope: Scope,
    state: State,
    attempt: u32,
    /// Stages of the attempt at hand, with whether they have ended.
    stages: BTreeMap<&'static str, bool>,
    inputs: Vec<AssetRef>,
    outputs: Vec<AssetRef>,
}

/// Tells a history, event by event.
struct Teller {
    tape: Tape,
    run_id: RunId,
    events: Vec<Event>,
    stands: BTreeMap<String, State>,
}

/// A strategy of histories of one run: one to three pipelines, from its first event to wherever the
/// tape ends.
pub(crate) fn histories() -> impl Strategy<Value = Vec<Event>> {
    (prop::collection::vec(any::<u16>(), 40..260), any::<[u8; 10]>()).prop_map(
        |(numbers, random)| {
            let run_id = RunId::from_parts(1_768_478_400_000, random);
            let tape = Tape { numbers, at: 0 };
            Teller { tape, run_id, events: Vec::new(), stands: BTreeMap::new() }.tell_run()
        },
    )
}

impl Teller {
    fn tell_run(mut self) -> Vec<Event> {
        let pipelines = 1 + self.tape.below(3);
        let first = self.pipeline_scope(0);
        self.enter(&first, Entity::Run);
        let mut nodes = Vec::new();
        for at in 0..pipelines {
            nodes.extend(self.open_pipeline(at));
        }
        while !self.tape.is_over() {
            let open: Vec<usize> =
                (0..nodes.len()).filter(|at| !nodes[*at].state.is_final()).collect();
            if open.is_empty() {
                break;
            }
            let at = self.tape.pick(&open);
            self.step(&mut nodes[at]);
        }
        if nodes.iter().all(|it| it.state.is_final()) {
            for at in 0..pipelines {
                let scope = self.pipeline_scope(at);
                self.finish(&scope, Entity::Pipeline);
            }
            self.finish(&first, Entity::Run);
        }
        self.events
    }

    fn pipeline_scope(&self, at: usize) -> Scope {
        let id = PipelineId::new(format!("pipeline-{at}")).unwrap();
        Scope::pipeline("acme", self.run_id, id)
    }

    fn event(
        &mut self,
        scope: &Scope,
        kind: EventKind,
        entity: Entity,
        fill: impl FnOnce(&mut Event, &mut Tape),
    ) {
        let seq = self.events.len() as u64 + 1;
        let step = SignedDuration::from_nanos(1_234_567 * i64::try_from(seq).unwrap());
        let time = Timestamp::constant(1_768_478_400, 1) + step;
        let id = uuid::Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_0000 + u128::from(seq));
        let mut event = Event::new(Stamp { id, seq, time }, scope, kind, entity);
        fill(&mut event, &mut self.tape);
        self.events.push(event);
    }

    fn to(
        &mut self,
        scope: &Scope,
        entity: Entity,
        reason: Reason,
        fill: impl FnOnce(&mut Event, &mut Tape),
    ) {
        let to = reason.state();
        let from = self.stands.insert(format!("{entity:?} {scope:?}"), to);
        self.event(scope, EventKind::Transition, entity, |event, tape| {
            (event.from, event.to, event.reason) = (from, Some(to), Some(reason));
            if to == State::Failed {
                event.error = Some(error(tape));
            }
            if to.is_final() && tape.below(4) > 0 {
                let nanos = 1_000_003 * tape.below(9_000) as u64;
                event.duration_seconds =
                    Some(whole_nanoseconds(Duration::from_nanos(nanos).as_secs_f64()));
            }
            fill(event, tape);
        });
    }

    fn enter(&mut self, scope: &Scope, entity: Entity) {
        self.to(scope, entity, Reason::Starting, |event, _| {
            event.attributes.insert("trigger".to_owned(), "manual".to_owned());
        });
        self.to(scope, entity, Reason::Executing, |_, _| {});
    }

    fn finish(&mut self, scope: &Scope, entity: Entity) {
        let reason =
            self.tape.pick(&[Reason::Ok, Reason::Warning, Reason::Error, Reason::Cancelled]);
        self.to(scope, entity, reason, |_, _| {});
    }

    fn open_pipeline(&mut self, at: usize) -> Vec<Node> {
        let scope = self.pipeline_scope(at);
        self.enter(&scope, Entity::Pipeline);
        let count = 1 + self.tape.below(5);
        let mut nodes: Vec<Node> = Vec::new();
        for number in 0..count {
            let node_id = NodeId::new(format!("node_{number}")).unwrap();
            nodes.push(Node {
                scope: scope.node(node_id),
                state: State::Queued,
                attempt: 0,
                stages: BTreeMap::new(),
                inputs: self.assets(),
                outputs: self.assets(),
            });
        }
        if self.tape.below(5) > 0 {
            let graph = graph_of(&nodes);
            self.event(&scope, EventKind::Graph, Entity::Pipeline, |it, _| it.graph = Some(graph));
        }
        for node in &mut nodes {
            let reason = self.tape.pick(&[Reason::Scheduled, Reason::Dependency, Reason::Disabled]);
            node.state = reason.state();
            self.to(&node.scope.clone(), Entity::Node, reason, |_, _| {});
        }
        nodes
    }

    fn assets(&mut self) -> Vec<AssetRef> {
        let pool = [
            AssetRef::file("in/orders.csv"),
            AssetRef::file("out/orders.csv"),
            AssetRef::file("odd \"name\"\nÄ, 注文.csv"),
            AssetRef::new("postgres://db:5432", "shop.public.orders"),
        ];
        let mut some: Vec<AssetRef> =
            (0..self.tape.below(3)).map(|_| pool[self.tape.below(pool.len())].clone()).collect();
        some.dedup();
        some
    }

    fn step(&mut self, node: &mut Node) {
        if node.state == State::Running {
            return self.step_running(node);
        }
        let reasons = [
            Reason::Executing,
            Reason::Executing,
            Reason::Executing,
            Reason::Slot,
            Reason::Concurrency,
            Reason::Paused,
            Reason::Guard,
            Reason::Upstream,
            Reason::Cancelled,
        ];
        let reason = self.tape.pick(&reasons);
        node.state = reason.state();
        let scope = node.scope.clone();
        self.to(&scope, Entity::Node, reason, |_, _| {});
        if node.state == State::Running {
            node.attempt += 1;
            node.stages.clear();
            self.to(&scope.attempt(node.attempt), Entity::Attempt, Reason::Executing, |it, _| {
                it.action = Some(action());
            });
        }
    }

    fn step_running(&mut self, node: &mut Node) {
        let scope = node.scope.attempt(node.attempt);
        match self.tape.below(9) {
            0 | 1 => self.step_stage(node, &scope),
            2 => self.event(&scope, EventKind::Progress, Entity::Attempt, |it, tape| {
                it.counts = Some(counts(tape));
            }),
            3 => self.event(&scope, EventKind::Log, Entity::Attempt, |it, tape| {
                it.log = Some(line(tape));
            }),
            4 => self.tell_asset(&scope),
            5 => self.event(&scope, EventKind::Ledger, Entity::Attempt, |it, tape| {
                it.ledger = Some(ledger(tape));
            }),
            6 => self.to(&node.scope.clone(), Entity::Node, Reason::Finalizing, |_, _| {}),
            _ => self.end_attempt(node, &scope),
        }
    }

    fn step_stage(&mut self, node: &mut Node, attempt: &Scope) {
        let name = self.tape.pick(&STAGES);
        let scope = attempt.stage(StageId::new(name).unwrap());
        match node.stages.get(name) {
            None => {
                node.stages.insert(name, false);
                self.to(&scope, Entity::Stage, Reason::Executing, |_, _| {});
            }
            Some(false) => {
                node.stages.insert(name, true);
                let reason = self.tape.pick(&[Reason::Ok, Reason::Error, Reason::Check]);
                self.to(&scope, Entity::Stage, reason, |it, tape| it.counts = Some(counts(tape)));
            }
            Some(true) => {}
        }
    }

    fn tell_asset(&mut self, scope: &Scope) {
        self.event(scope, EventKind::Asset, Entity::Asset, |it, tape| {
            it.asset_id = Some(AssetRef::file("out/orders.csv").id());
            if tape.below(2) == 0 {
                it.counts = Some(counts(tape));
                it.attributes.insert("schema".to_owned(), "id int64".to_owned());
                return;
            }
            let result = tape.pick(&["pass", "fail"]);
            for (key, value) in [("check", "unique"), ("result", result), ("severity", "warn")] {
                it.attributes.insert(key.to_owned(), value.to_owned());
            }
        });
    }

    fn end_attempt(&mut self, node: &mut Node, attempt: &Scope) {
        for (name, ended) in std::mem::take(&mut node.stages) {
            if !ended {
                let scope = attempt.stage(StageId::new(name).unwrap());
                self.to(&scope, Entity::Stage, Reason::Error, |_, _| {});
            }
        }
        let ends =
            [Reason::Ok, Reason::Warning, Reason::Error, Reason::Timeout, Reason::RetryBackoff];
        let end = self.tape.pick(&ends);
        let attempt_end = if end == Reason::RetryBackoff { Reason::Error } else { end };
        self.to(attempt, Entity::Attempt, attempt_end, |it, tape| {
            it.counts = Some(counts(tape));
            it.exit_code = (it.to == Some(State::Failed)).then_some(3);
        });
        let (inputs, outputs) = (node.inputs.clone(), node.outputs.clone());
        // Some tell more at the end than the plan said.
        let more = self.assets();
        self.to(&node.scope.clone(), Entity::Node, end, |it, tape| {
            if end == Reason::RetryBackoff {
                it.error = Some(error(tape));
                return;
            }
            it.action = Some(action());
            it.inputs = inputs;
            it.outputs = outputs.into_iter().chain(more).collect();
            it.counts = Some(counts(tape));
        });
        node.state = end.state();
    }
}

fn graph_of(nodes: &[Node]) -> Graph {
    let id = |it: &Node| it.scope.node_id.clone().unwrap();
    Graph {
        nodes: nodes
            .iter()
            .map(|it| GraphNode {
                node_id: id(it),
                action: action(),
                inputs: it.inputs.clone(),
                outputs: it.outputs.clone(),
            })
            .collect(),
        edges: nodes.windows(2).map(|it| Edge { from: id(&it[0]), to: id(&it[1]) }).collect(),
    }
}

fn action() -> Action {
    let argv = ["python3", "load.py", "--day", "2026-01-15"];
    Action {
        kind: "command".to_owned(),
        name: "python3".to_owned(),
        argv: argv.map(ToOwned::to_owned).to_vec(),
    }
}

fn counts(tape: &mut Tape) -> Counts {
    let mut some = || (tape.below(3) > 0).then(|| tape.below(50_000) as u64);
    Counts {
        extracted: some(),
        inserted: some(),
        updated: some(),
        final_rows: some(),
        bytes: some(),
        ..Counts::default()
    }
}

fn error(tape: &mut Tape) -> ErrorInfo {
    let class = tape.pick(ErrorClass::ALL);
    ErrorInfo {
        class,
        detail: "reading `in/orders.csv`: line 7".to_owned(),
        retryable: class.retryable(),
        hint: Some(class.hint().to_owned()),
    }
}

fn line(tape: &mut Tape) -> LogLine {
    LogLine {
        stream: tape.pick(&[LogStream::Stdout, LogStream::Stderr, LogStream::Engine]),
        level: tape.pick(&[LogLevel::Debug, LogLevel::Info, LogLevel::Warn, LogLevel::Error]),
        text: tape.pick(&["started", "tab\tquote\" ü 注文", ""]).to_owned(),
        base64: None,
    }
}

fn ledger(tape: &mut Tape) -> LedgerEntry {
    let delivered = tape.below(1_000) as u64;
    LedgerEntry {
        table: tape.pick(&["orders", "lines"]).to_owned(),
        sink: "warehouse".to_owned(),
        read: delivered + tape.below(2) as u64,
        delivered,
        ..LedgerEntry::default()
    }
}
