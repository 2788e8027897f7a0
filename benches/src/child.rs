//! What runs in a process of its own, so that its CPU time and memory are its own: the engine over
//! nodes that do nothing, events as fast as they can be stored, bare processes, and the probes of
//! streams.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use async_trait::async_trait;
use flowglass_connect::{Clock, EventLog, Fault, Surroundings, SystemClock, Tasks};
use flowglass_engine::{
    Attempt, BuiltNode, BuiltPipeline, Failure, Finish, Recorder, RetryRule, RunJob, Stop, Task,
    When, Work, new_run_id,
};
use flowglass_model::{
    Action, Counts, Entity, Event, EventKind, NodeId, PipelineId, Reason, Redactor, Scope,
    Snapshot, State,
};
use flowglass_store::{Appender, Store, StoreOptions};

use crate::measure::now;
use crate::say;

/// The word that starts a child: `flowglass-benches child WHAT FOLDER COUNT`.
pub(crate) const WORD: &str = "child";

/// Attempts at a time, as in a manifest for two cores.
pub(crate) const PARALLEL: usize = 4;

/// Does what the words say and prints the seconds that it took.
///
/// # Errors
/// When it does not do all of it.
pub(crate) fn run(words: &[String]) -> Result<()> {
    let [what, folder, count] = words else { bail!("child WHAT FOLDER COUNT") };
    let (folder, count) = (Path::new(folder), count.parse().context("COUNT is a number")?);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let seconds = match what.as_str() {
        "wide" => runtime.block_on(nodes(folder, count, false)),
        "chain" => runtime.block_on(nodes(folder, count, true)),
        "events" => runtime.block_on(events(folder, count)),
        "spawn" => spawn(count),
        "produce" => crate::probe::produce(count),
        "latency" => return runtime.block_on(crate::probe::latency(count as u64)),
        _ => bail!("`{what}` is not something a child does"),
    }?;
    say::print(&format!("{seconds}\n"));
    Ok(())
}

/// The store, seen as the engine's event log, as the binary does it.
struct StoreLog(Appender);

#[async_trait]
impl EventLog for StoreLog {
    async fn append(&self, events: Vec<Event>) -> Result<(), Fault> {
        Ok(self.0.append(events).await?)
    }
}

/// Work that is none.
struct Nothing;

#[async_trait]
impl Work for Nothing {
    async fn attempt(&self, _at: &Attempt) -> Result<Finish, Failure> {
        Ok(Finish::default())
    }
}

async fn nodes(folder: &Path, count: usize, chain: bool) -> Result<f64> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let since = now();
    let store = open(folder, clock.as_ref())?;
    let around = Surroundings {
        base_dir: folder.to_path_buf(),
        scratch_dir: folder.to_path_buf(),
        clock: Arc::clone(&clock),
    };
    let node = |at: usize| -> Result<BuiltNode> {
        let needs = if chain && at > 0 { vec![at - 1] } else { Vec::new() };
        Ok(BuiltNode {
            task: Task {
                id: NodeId::new(format!("node-{at}"))?,
                needs,
                when: When::OnSuccess,
                settled: None,
            },
            action: Action { kind: "nothing".to_owned(), name: "nothing".to_owned(), argv: vec![] },
            inputs: Vec::new(),
            outputs: Vec::new(),
            retry: RetryRule::default(),
            timeout: None,
            work: Arc::new(Nothing),
        })
    };
    let job = RunJob {
        run_id: new_run_id(clock.as_ref()),
        pipelines: vec![BuiltPipeline {
            id: PipelineId::new("nothing")?,
            tenant: "bench".to_owned(),
            labels: BTreeMap::new(),
            nodes: (0..count).map(node).collect::<Result<_>>()?,
            parallel_max: PARALLEL,
            timeout: None,
            around,
        }],
        attributes: BTreeMap::new(),
        traceparent: None,
        resumes: None,
    };
    let (recorder, keeper) = Recorder::new(
        Snapshot::default(),
        Arc::new(StoreLog(store.appender())),
        clock,
        Redactor::new([]),
    );
    let mut tasks = Tasks::new();
    tasks.spawn("event-keeper", keeper.run());
    let end = flowglass_engine::run(&job, &recorder, &Stop::new()).await?;
    let seconds = since.elapsed().as_secs_f64();
    ensure!(end.state == State::Complete, "the run ended as {:?}", end.state);
    let kept = stored(&store);
    ensure!(kept >= 5 * count as u64, "only {kept} events were stored");
    Ok(seconds)
}

/// Stamped, redacted, folded, checked and stored: the whole way of an event.
async fn events(folder: &Path, count: usize) -> Result<f64> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let store = open(folder, clock.as_ref())?;
    let run = new_run_id(clock.as_ref());
    let (recorder, keeper) = Recorder::new(
        Snapshot::default(),
        Arc::new(StoreLog(store.appender())),
        clock,
        Redactor::new(["planted-secret"]),
    );
    let mut tasks = Tasks::new();
    tasks.spawn("event-keeper", keeper.run());
    let pipeline = Scope::pipeline("bench", run, PipelineId::new("events")?);
    let node = pipeline.node(NodeId::new("copy")?);
    let attempt = node.attempt(1);
    let running = (State::Running, Reason::Executing);
    let since = now();
    let queued = (State::Queued, Reason::Starting);
    recorder.transition(&pipeline, Entity::Run, queued, |_| {}).await?;
    recorder.transition(&pipeline, Entity::Run, running, |_| {}).await?;
    recorder.transition(&pipeline, Entity::Pipeline, queued, |_| {}).await?;
    recorder.transition(&pipeline, Entity::Pipeline, running, |_| {}).await?;
    recorder.transition(&node, Entity::Node, (State::Queued, Reason::Scheduled), |_| {}).await?;
    recorder.transition(&node, Entity::Node, running, |_| {}).await?;
    recorder.transition(&attempt, Entity::Attempt, running, |_| {}).await?;
    for row in 0..count as u64 {
        let counts = Counts { extracted: Some(row), bytes: Some(row * 150), ..Counts::default() };
        recorder
            .record(&attempt, EventKind::Progress, Entity::Attempt, |it| it.counts = Some(counts))
            .await?;
    }
    recorder.flush().await;
    let seconds = since.elapsed().as_secs_f64();
    let kept = stored(&store);
    ensure!(kept == count as u64 + 7, "{kept} events were stored");
    Ok(seconds)
}

/// What a thousand processes cost by themselves, with as many at a time and their output taken.
fn spawn(count: usize) -> Result<f64> {
    let since = now();
    let ended = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..PARALLEL)
            .map(|_| {
                scope.spawn(move || {
                    (0..count / PARALLEL)
                        .filter(|_| {
                            let ended = std::process::Command::new("true").output();
                            ended.is_ok_and(|it| it.status.success())
                        })
                        .count()
                })
            })
            .collect();
        workers.into_iter().filter_map(|it| it.join().ok()).sum::<usize>()
    });
    let seconds = since.elapsed().as_secs_f64();
    ensure!(ended == count, "{ended} of {count} processes ran");
    Ok(seconds)
}

fn open(folder: &Path, clock: &dyn Clock) -> Result<Store> {
    let path = folder.join("child.db");
    for name in ["child.db", "child.db-wal", "child.db-shm"] {
        crate::bench::remove(&folder.join(name))?;
    }
    Ok(Store::open(path, &StoreOptions::default(), clock)?)
}

fn stored(store: &Store) -> u64 {
    store.figures().events_total.load(std::sync::atomic::Ordering::Relaxed)
}
