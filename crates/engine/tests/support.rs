//! What all tests here stand on: a log in memory that can fill up, and a run of given pipelines.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use flowglass_connect::{Clock, EventLog, Fault, Surroundings, SystemClock, Tasks};
use flowglass_engine::{
    BuiltNode, BuiltPipeline, PipelineEnd, RecordError, Recorder, RetryRule, RunJob, Stop, Task,
    When, Work, new_run_id, run,
};
use flowglass_model::{
    Action, AssetRef, Entity, ErrorClass, Event, EventKind, LogStream, NodeId, Redactor, Snapshot,
};

/// Keeps events in memory.
#[derive(Default)]
pub(crate) struct MemoryLog {
    pub(crate) kept: Mutex<Vec<Event>>,
    /// Events that fit; the disk is full after them.
    pub(crate) room: Option<usize>,
    /// How long an append takes.
    pub(crate) takes: Duration,
}

impl MemoryLog {
    pub(crate) fn events(&self) -> Vec<Event> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl EventLog for MemoryLog {
    async fn append(&self, events: Vec<Event>) -> Result<(), Fault> {
        if !self.takes.is_zero() {
            tokio::time::sleep(self.takes).await;
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if self.room.is_some_and(|room| kept.len() + events.len() > room) {
            return Err(Fault::new(ErrorClass::DiskFull, "appending events"));
        }
        kept.extend(events);
        Ok(())
    }
}

/// What came of a run.
pub(crate) struct Played {
    pub(crate) end: Result<PipelineEnd, RecordError>,
    pub(crate) log_failed: bool,
    pub(crate) events: Vec<Event>,
}

impl Played {
    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot::of(&self.events).unwrap()
    }

    /// Lines of a stream, in order.
    pub(crate) fn lines(&self, stream: LogStream) -> Vec<String> {
        let lines = self.events.iter().filter_map(|it| it.log.as_ref());
        lines.filter(|it| it.stream == stream).map(|it| it.text.clone()).collect()
    }

    /// The event that ended the first attempt.
    pub(crate) fn attempt_end(&self) -> &Event {
        let ended = |it: &&Event| {
            it.entity == Entity::Attempt
                && it.kind == EventKind::Transition
                && it.to.is_some_and(flowglass_model::State::is_final)
        };
        self.events.iter().find(ended).unwrap()
    }
}

/// Runs the pipelines to their end.
pub(crate) async fn play(
    pipelines: Vec<BuiltPipeline>,
    log: MemoryLog,
    clock: Arc<dyn Clock>,
    (stop, redactor): (Stop, Redactor),
) -> Played {
    let log = Arc::new(log);
    let keep: Arc<dyn EventLog> = Arc::<MemoryLog>::clone(&log);
    let job = RunJob {
        run_id: new_run_id(clock.as_ref()),
        pipelines,
        attributes: BTreeMap::from([("trigger".to_owned(), "manual".to_owned())]),
        traceparent: None,
        resumes: None,
    };
    let (recorder, keeper) = Recorder::new(Snapshot::default(), keep, clock, redactor);
    let mut tasks = Tasks::new();
    tasks.spawn("keeper", keeper.run());
    let end = run(&job, &recorder, &stop).await;
    let log_failed = recorder.log_fault().is_some();
    drop((recorder, job));
    tasks.join_all().await;
    Played { end, log_failed, events: log.events() }
}

/// A node without needs, tried once.
pub(crate) fn node(id: &str, work: Arc<dyn Work>) -> BuiltNode {
    BuiltNode {
        task: Task {
            id: NodeId::new(id).unwrap(),
            needs: Vec::new(),
            when: When::OnSuccess,
            settled: None,
        },
        action: Action { kind: "command".to_owned(), name: "sh".to_owned(), argv: Vec::new() },
        inputs: vec![AssetRef::file(format!("in/{id}"))],
        outputs: Vec::new(),
        retry: RetryRule::default(),
        timeout: None,
        work,
    }
}

pub(crate) fn pipeline(id: &str, nodes: Vec<BuiltNode>, around: Surroundings) -> BuiltPipeline {
    BuiltPipeline {
        id: id.parse().unwrap(),
        tenant: "acme".to_owned(),
        labels: BTreeMap::new(),
        nodes,
        parallel_max: 4,
        timeout: None,
        around,
    }
}

pub(crate) fn around(folder: &Path, clock: Arc<dyn Clock>) -> Surroundings {
    Surroundings { base_dir: folder.to_owned(), scratch_dir: folder.join("scratch"), clock }
}

/// Runs one node by the machine's own clock.
pub(crate) async fn play_node(node: BuiltNode, log: MemoryLog, stop: Stop) -> Played {
    let folder = tempfile::tempdir().unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let around = around(folder.path(), Arc::clone(&clock));
    play(vec![pipeline("p", vec![node], around)], log, clock, (stop, Redactor::default())).await
}
