//! Runs for the tests: legal histories of any length.

use std::time::Duration;

use flowglass_connect::SystemClock;
use flowglass_model::{
    Counts, Entity, ErrorClass, ErrorInfo, Event, EventKind, LogLevel, LogLine, LogStream, NodeId,
    PipelineId, Reason, RunId, Scope, Stamp, State,
};
use flowglass_store::{Durability, Store, StoreOptions};
use jiff::Timestamp;
use uuid::Uuid;

/// 2026-01-01T00:00:00Z.
pub(crate) const EPOCH_MS: u64 = 1_767_225_600_000;

pub(crate) fn run_id(number: u64) -> RunId {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&number.to_be_bytes());
    RunId::from_parts(EPOCH_MS + number * 1000, random)
}

/// A run that is told event by event.
pub(crate) struct History {
    scope: Scope,
    number: u64,
    seq: u64,
}

impl History {
    pub(crate) fn new(number: u64) -> Self {
        Self::of(number, "orders")
    }

    pub(crate) fn of(number: u64, pipeline: &str) -> Self {
        let pipeline = PipelineId::new(pipeline).unwrap();
        Self { scope: Scope::pipeline("acme", run_id(number), pipeline), number, seq: 0 }
    }

    pub(crate) fn run(&self) -> RunId {
        self.scope.run_id
    }

    fn stamp(&mut self) -> Stamp {
        self.seq += 1;
        let millis = EPOCH_MS + self.number * 1000 + self.seq;
        let time = Timestamp::from_millisecond(i64::try_from(millis).unwrap()).unwrap();
        let mut bytes = [0; 10];
        bytes[2..].copy_from_slice(&(self.number << 32 | self.seq).to_be_bytes());
        let id = uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid();
        Stamp { id, seq: self.seq, time }
    }

    pub(crate) fn moved(
        &mut self,
        entity: Entity,
        from: Option<State>,
        to: (State, Reason),
    ) -> Event {
        let scope = match entity {
            Entity::Node => self.scope.node(NodeId::new("load").unwrap()),
            _ => self.scope.clone(),
        };
        let mut event = Event::new(self.stamp(), &scope, EventKind::Transition, entity);
        event.from = from;
        event.to = Some(to.0);
        event.reason = Some(to.1);
        event
    }

    pub(crate) fn log(&mut self, node: &str, level: LogLevel, text: &str) -> Event {
        let scope = self.scope.node(NodeId::new(node).unwrap()).attempt(1);
        let mut event = Event::new(self.stamp(), &scope, EventKind::Log, Entity::Attempt);
        let text = text.to_owned();
        event.log = Some(LogLine { stream: LogStream::Stdout, level, text, base64: None });
        event
    }

    pub(crate) fn begin(&mut self) -> Vec<Event> {
        vec![
            self.moved(Entity::Run, None, (State::Queued, Reason::Starting)),
            self.moved(Entity::Run, Some(State::Queued), (State::Running, Reason::Executing)),
            self.moved(Entity::Node, None, (State::Queued, Reason::Slot)),
            self.moved(Entity::Node, Some(State::Queued), (State::Running, Reason::Executing)),
        ]
    }

    pub(crate) fn lines(&mut self, count: u64) -> Vec<Event> {
        (0..count).map(|it| self.log("load", LogLevel::Info, &format!("line {it}"))).collect()
    }

    pub(crate) fn complete(&mut self) -> Vec<Event> {
        let running = Some(State::Running);
        let mut node = self.moved(Entity::Node, running, (State::Complete, Reason::Ok));
        node.counts = Some(Counts { extracted: Some(10), inserted: Some(9), ..Counts::default() });
        let mut run = self.moved(Entity::Run, running, (State::Complete, Reason::Ok));
        run.duration_seconds = Some(1.5);
        vec![node, run]
    }

    pub(crate) fn fail(&mut self) -> Vec<Event> {
        let running = Some(State::Running);
        let mut node = self.moved(Entity::Node, running, (State::Failed, Reason::Error));
        node.error = Some(ErrorInfo {
            class: ErrorClass::Unreachable,
            detail: "connecting to Warehouse: refused".to_owned(),
            retryable: true,
            hint: None,
        });
        vec![node, self.moved(Entity::Run, running, (State::Failed, Reason::Error))]
    }

    /// A whole run with this many log lines.
    pub(crate) fn whole(number: u64, lines: u64) -> Vec<Event> {
        let mut history = Self::new(number);
        let mut events = history.begin();
        events.extend(history.lines(lines));
        events.extend(history.complete());
        events
    }
}

pub(crate) fn options() -> StoreOptions {
    // The tests kill processes, not machines.
    StoreOptions { durability: Durability::Process, ..StoreOptions::default() }
}

pub(crate) fn open(path: &std::path::Path) -> Store {
    Store::open(path, &options(), &SystemClock::new()).unwrap()
}

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn other_id() -> Uuid {
    Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001)
}
