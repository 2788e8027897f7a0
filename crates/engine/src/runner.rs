//! Carries a pipeline from its first to its last node: takes steps from the schedule, starts
//! attempts, records every change of state, and stops in order when asked.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use flowglass_connect::Surroundings;
use flowglass_model::{
    Action, AssetRef, Edge, Entity, ErrorClass, ErrorInfo, EventKind, Graph, GraphNode, LogLevel,
    NodeId, PipelineId, Reason, Scope, StageId, StageView, State,
};
use tokio::task::JoinSet;

use crate::recorder::{RecordError, Recorder};
use crate::retry::RetryRule;
use crate::schedule::{End, Schedule, Step, Task};
use crate::stop::{Stop, StopCause};
use crate::work::{Attempt, Facts, Failure, Finish, Work};

/// A node that is ready to run.
pub struct BuiltNode {
    /// Its place in the graph.
    pub task: Task,
    /// What it does, for its events.
    pub action: Action,
    /// Datasets it reads.
    pub inputs: Vec<AssetRef>,
    /// Datasets it writes.
    pub outputs: Vec<AssetRef>,
    /// The rule for further attempts.
    pub retry: RetryRule,
    /// How long an attempt may take.
    pub timeout: Option<Duration>,
    /// The work itself.
    pub work: Arc<dyn Work>,
}

/// A pipeline that is ready to run.
pub struct BuiltPipeline {
    /// Its name.
    pub id: PipelineId,
    /// Whose it is.
    pub tenant: String,
    /// Labels, for the pipeline's events.
    pub labels: BTreeMap<String, String>,
    /// Nodes in a topological order.
    pub nodes: Vec<BuiltNode>,
    /// How many may run at a time.
    pub parallel_max: usize,
    /// How long all of it may take.
    pub timeout: Option<Duration>,
    /// Folders and clock.
    pub around: Surroundings,
}

impl std::fmt::Debug for BuiltPipeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let nodes = self.nodes.iter().map(|it| it.task.id.as_str());
        f.debug_struct("BuiltPipeline")
            .field("id", &self.id.as_str())
            .field("nodes", &nodes.collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// What a task of the runner's brings back.
enum Brought {
    Ended { at: usize, attempt: u32, result: Box<Result<Finish, Failure>> },
    Wake { at: usize },
}

struct Running {
    attempt: u32,
    first_start: Duration,
}

/// One pipeline on its way.
pub struct PipelineRun<'a> {
    pipeline: &'a BuiltPipeline,
    scope: Scope,
    root_run: String,
    recorder: Recorder,
    stop: Stop,
    schedule: Schedule,
    live: BTreeMap<usize, Running>,
    tasks: JoinSet<Brought>,
    task_nodes: BTreeMap<tokio::task::Id, (usize, u32)>,
    failed: Option<ErrorInfo>,
    warned: bool,
}

impl std::fmt::Debug for PipelineRun<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PipelineRun").field("scope", &self.scope).finish_non_exhaustive()
    }
}

/// How a pipeline ended.
#[derive(Debug, Clone, PartialEq)]
pub struct PipelineEnd {
    /// `complete` or `failed`.
    pub state: State,
    /// Why.
    pub reason: Reason,
    /// The first error, when it failed.
    pub error: Option<ErrorInfo>,
}

impl<'a> PipelineRun<'a> {
    /// A run of `pipeline` that records into `recorder`. `root_run` names the first of the runs
    /// that were resumed, so that work tokens stay the same over all of them.
    #[must_use]
    pub fn new(
        pipeline: &'a BuiltPipeline,
        scope: Scope,
        root_run: &str,
        recorder: Recorder,
        stop: &Stop,
    ) -> Self {
        let tasks = pipeline.nodes.iter().map(|it| it.task.clone()).collect();
        Self {
            scope,
            root_run: root_run.to_owned(),
            recorder,
            stop: stop.child(),
            schedule: Schedule::new(tasks, pipeline.parallel_max),
            pipeline,
            live: BTreeMap::new(),
            tasks: JoinSet::new(),
            task_nodes: BTreeMap::new(),
            failed: None,
            warned: false,
        }
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// When the history takes no more events; everything that ran has been stopped then.
    pub async fn drive(mut self) -> Result<PipelineEnd, RecordError> {
        let ended = self.until_the_end().await;
        if ended.is_err() {
            // Nobody could say any more what it does.
            self.tasks.shutdown().await;
        }
        ended
    }

    async fn until_the_end(&mut self) -> Result<PipelineEnd, RecordError> {
        let since = self.recorder.monotonic();
        self.announce().await?;
        // A run is known before its first work begins: were it killed now, whoever comes next must
        // find it and not do its work a second time.
        self.recorder.flush().await;
        let steps = self.schedule.begin();
        self.carry_out(steps).await?;
        let stop = self.stop.clone();
        let recorder = self.recorder.clone();
        let deadline = sleep_or_never(self.pipeline.timeout);
        tokio::pin!(deadline);
        let (mut stopping, mut late) = (false, false);
        while !(self.schedule.is_done() && self.tasks.is_empty()) {
            tokio::select! {
                // A stop is heard before anything else, so that nothing new starts after it.
                biased;
                cause = stop.asked(), if !stopping => {
                    stopping = true;
                    self.cancel_rest(cause).await?;
                }
                _fault = recorder.log_failed(), if !stopping => stop.ask(StopCause::Infra),
                () = &mut deadline, if !late => {
                    late = true;
                    stop.ask(StopCause::RunTimeout);
                }
                Some(brought) = self.tasks.join_next_with_id() => {
                    let brought = self.brought(brought);
                    self.take(brought, stopping).await?;
                }
            }
        }
        self.finish(since).await
    }

    async fn announce(&mut self) -> Result<(), RecordError> {
        let scope = self.scope.clone();
        let record = &self.recorder;
        let graph = graph_of(self.pipeline);
        let labels = self.pipeline.labels.clone();
        let queued = (State::Queued, Reason::Starting);
        record.transition(&scope, Entity::Pipeline, queued, |it| it.attributes = labels).await?;
        record
            .record(&scope, EventKind::Graph, Entity::Pipeline, |it| it.graph = Some(graph))
            .await?;
        for node in &self.pipeline.nodes {
            let to = match node.task.needs.is_empty() {
                true => (State::Queued, Reason::Scheduled),
                false => (State::Waiting, Reason::Dependency),
            };
            let scope = scope.node(node.task.id.clone());
            record.transition(&scope, Entity::Node, to, |_| {}).await?;
        }
        let running = (State::Running, Reason::Executing);
        record.transition(&scope, Entity::Pipeline, running, |_| {}).await
    }

    async fn carry_out(&mut self, steps: Vec<Step>) -> Result<(), RecordError> {
        for step in steps {
            match step {
                Step::Start(at) => self.start(at).await?,
                Step::Queue(at) => {
                    let known = self.state_of(at);
                    if known != Some(State::Queued) {
                        self.move_node(at, (State::Queued, Reason::Slot)).await?;
                    }
                }
                Step::Skip(at, reason) => self.move_node(at, (State::Skipped, reason)).await?,
            }
        }
        Ok(())
    }

    fn state_of(&self, at: usize) -> Option<State> {
        let node = self.pipeline.nodes.get(at)?;
        self.recorder
            .with_snapshot(|it| it.pipeline(&self.pipeline.id)?.node(&node.task.id)?.times.state)
    }

    fn node_scope(&self, at: usize) -> Option<Scope> {
        self.pipeline.nodes.get(at).map(|it| self.scope.node(it.task.id.clone()))
    }

    async fn move_node(&self, at: usize, to: (State, Reason)) -> Result<(), RecordError> {
        let Some(scope) = self.node_scope(at) else { return Ok(()) };
        self.recorder.transition(&scope, Entity::Node, to, |_| {}).await
    }

    async fn start(&mut self, at: usize) -> Result<(), RecordError> {
        let Some(node) = self.pipeline.nodes.get(at) else { return Ok(()) };
        let now = self.recorder.monotonic();
        let live = self.live.entry(at).or_insert(Running { attempt: 0, first_start: now });
        live.attempt += 1;
        let number = live.attempt;
        let running = (State::Running, Reason::Executing);
        self.move_node(at, running).await?;
        let scope = self.scope.node(node.task.id.clone()).attempt(number);
        let action = node.action.clone();
        self.recorder
            .transition(&scope, Entity::Attempt, running, |it| it.action = Some(action))
            .await?;
        let attempt = Attempt {
            token: self.token(&node.task.id),
            scope,
            number,
            action: node.action.clone(),
            recorder: self.recorder.clone(),
            stop: self.stop.child(),
            around: self.pipeline.around.clone(),
        };
        let (work, timeout) = (Arc::clone(&node.work), node.timeout);
        let task = self.tasks.spawn(async move {
            let result = Box::new(run_attempt(work.as_ref(), &attempt, timeout).await);
            Brought::Ended { at, attempt: number, result }
        });
        self.task_nodes.insert(task.id(), (at, number));
        Ok(())
    }

    fn token(&self, node: &NodeId) -> String {
        format!("{}/{}/{node}", self.root_run, self.pipeline.id)
    }

    fn brought(
        &mut self,
        joined: Result<(tokio::task::Id, Brought), tokio::task::JoinError>,
    ) -> Brought {
        let (id, brought) = match joined {
            Ok((id, brought)) => (id, Ok(brought)),
            Err(error) => (error.id(), Err(error)),
        };
        let (at, attempt) = self.task_nodes.remove(&id).unwrap_or_default();
        brought.unwrap_or_else(|error| {
            let error = ErrorInfo {
                class: ErrorClass::Internal,
                detail: format!("the attempt ended without an answer: {error}"),
                retryable: false,
                hint: Some(ErrorClass::Internal.hint().to_owned()),
            };
            let failure = Failure { facts: Facts::default(), error, reason: Reason::Error };
            Brought::Ended { at, attempt, result: Box::new(Err(failure)) }
        })
    }

    async fn take(&mut self, brought: Brought, stopping: bool) -> Result<(), RecordError> {
        let steps = match brought {
            Brought::Wake { .. } if stopping => Vec::new(),
            Brought::Wake { at } => self.schedule.again(at),
            Brought::Ended { at, attempt, result } => match *result {
                Ok(finish) => {
                    self.completed(at, attempt, finish).await?;
                    self.schedule.ended(at, End::Complete)
                }
                Err(failure) => self.attempt_failed(at, attempt, failure, stopping).await?,
            },
        };
        self.carry_out(steps).await
    }

    async fn completed(
        &mut self,
        at: usize,
        attempt: u32,
        finish: Finish,
    ) -> Result<(), RecordError> {
        let reason = if finish.warning { Reason::Warning } else { Reason::Ok };
        self.warned |= finish.warning;
        self.end_attempt(at, attempt, (State::Complete, reason), &finish.facts, None).await?;
        self.end_node(at, (State::Complete, reason), &finish.facts, None).await
    }

    async fn attempt_failed(
        &mut self,
        at: usize,
        attempt: u32,
        failure: Failure,
        stopping: bool,
    ) -> Result<Vec<Step>, RecordError> {
        let Failure { facts, error, reason } = failure;
        let to = (State::Failed, reason);
        self.end_attempt(at, attempt, to, &facts, Some(error.clone())).await?;
        if let Some(scope) = self.node_scope(at) {
            let said = format!("attempt {attempt} failed: {}", error.detail);
            self.recorder.say(&scope, LogLevel::Error, said).await?;
        }
        let retry = self.pipeline.nodes.get(at).map(|it| &it.retry);
        let wait = retry.and_then(|it| it.wait_after(attempt, error.class, fastrand::f64()));
        if let Some(wait) = wait.filter(|_| !stopping) {
            let Some(scope) = self.node_scope(at) else { return Ok(Vec::new()) };
            let backoff = (State::Waiting, Reason::RetryBackoff);
            self.recorder
                .transition(&scope, Entity::Node, backoff, |it| {
                    let seconds = format!("{:.3}", wait.as_secs_f64());
                    it.attributes.insert("retry_in_seconds".to_owned(), seconds);
                    it.error = Some(error);
                })
                .await?;
            let stop = self.stop.clone();
            let task = self.tasks.spawn(async move {
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    _cause = stop.asked() => {}
                }
                Brought::Wake { at }
            });
            self.task_nodes.insert(task.id(), (at, attempt));
            return Ok(self.schedule.backed_off(at));
        }
        self.failed.get_or_insert_with(|| error.clone());
        self.end_node(at, to, &facts, Some(error)).await?;
        Ok(self.schedule.ended(at, End::Failed))
    }

    async fn end_attempt(
        &self,
        at: usize,
        attempt: u32,
        to: (State, Reason),
        facts: &Facts,
        error: Option<ErrorInfo>,
    ) -> Result<(), RecordError> {
        let Some(scope) = self.node_scope(at).map(|it| it.attempt(attempt)) else { return Ok(()) };
        self.end_stages(&scope, to).await?;
        let seconds = facts.attributes.get(ATTEMPT_SECONDS).and_then(|it| it.parse().ok());
        let facts = facts.clone();
        self.recorder
            .transition(&scope, Entity::Attempt, to, |it| {
                it.duration_seconds = seconds;
                it.error = error;
                it.counts = facts.counts;
                it.exit_code = facts.exit_code;
                it.signal = facts.signal;
                it.inputs = facts.inputs;
                it.outputs = facts.outputs;
                it.attributes = facts.attributes;
                it.attributes.remove(ATTEMPT_SECONDS);
            })
            .await
    }

    /// Ends the stages that the attempt left open, because it panicked for instance.
    async fn end_stages(&self, scope: &Scope, to: (State, Reason)) -> Result<(), RecordError> {
        let open: Vec<StageId> = self.recorder.with_snapshot(|it| {
            let node = it.pipeline(&scope.pipeline_id).zip(scope.node_id.as_ref());
            let node = node.and_then(|(pipeline, id)| pipeline.node(id));
            let attempts = node.map(|it| it.attempts.as_slice()).unwrap_or_default();
            let own = attempts.iter().filter(|it| Some(it.attempt_id.number) == scope.attempt);
            let stages = own.flat_map(|it| &it.stages);
            let is_open = |it: &&StageView| !it.times.state.is_some_and(State::is_final);
            stages.filter(is_open).map(|it| it.stage_id.clone()).collect()
        });
        for stage in open {
            let scope = scope.stage(stage);
            self.recorder.transition(&scope, Entity::Stage, to, |_| {}).await?;
        }
        Ok(())
    }

    async fn end_node(
        &mut self,
        at: usize,
        to: (State, Reason),
        facts: &Facts,
        error: Option<ErrorInfo>,
    ) -> Result<(), RecordError> {
        let Some((scope, node)) = self.node_scope(at).zip(self.pipeline.nodes.get(at)) else {
            return Ok(());
        };
        let now = self.recorder.monotonic();
        let since = self.live.get(&at).map(|it| it.first_start);
        self.recorder
            .transition(&scope, Entity::Node, to, |it| {
                it.duration_seconds = since.map(|it| now.saturating_sub(it).as_secs_f64());
                it.error = error;
                it.counts = facts.counts;
                it.exit_code = facts.exit_code;
                it.signal.clone_from(&facts.signal);
                it.action = Some(node.action.clone());
                it.inputs = merged(&node.inputs, &facts.inputs);
                it.outputs = merged(&node.outputs, &facts.outputs);
            })
            .await
    }

    /// Ends what has not started; what runs hears the stop by itself.
    async fn cancel_rest(&mut self, cause: StopCause) -> Result<(), RecordError> {
        let error = cause.error();
        for at in self.schedule.cancel() {
            // Where nothing is left out and what runs comes to its end in order, nothing failed.
            self.failed.get_or_insert_with(|| error.clone());
            let Some(scope) = self.node_scope(at) else { continue };
            let to = (State::Failed, cause.reason());
            let error = error.clone();
            self.recorder.transition(&scope, Entity::Node, to, |it| it.error = Some(error)).await?;
        }
        let scope = self.scope.clone();
        let cancelling = (State::Running, Reason::Cancelling);
        self.recorder.transition(&scope, Entity::Pipeline, cancelling, |_| {}).await
    }

    fn all_complete(&self) -> bool {
        let pipeline = &self.pipeline.id;
        self.recorder.with_snapshot(|snapshot| {
            let ours = snapshot.pipelines.iter().filter(|it| it.pipeline_id == *pipeline);
            let mut nodes = ours.flat_map(|it| &it.nodes);
            nodes.all(|node| node.times.state == Some(State::Complete))
        })
    }

    async fn finish(&self, since: Duration) -> Result<PipelineEnd, RecordError> {
        // Asked to stop, and yet every node has done its work: a stream that stops in order has.
        let stopped = self.stop.cause().filter(|_| !self.all_complete());
        let (state, reason) = match (&self.failed, stopped, self.warned) {
            (_, Some(cause), _) => (State::Failed, cause.reason()),
            (Some(error), None, _) if error.class == ErrorClass::Check => {
                (State::Failed, Reason::Check)
            }
            (Some(_), None, _) => (State::Failed, Reason::Error),
            (None, None, true) => (State::Complete, Reason::Warning),
            (None, None, false) => (State::Complete, Reason::Ok),
        };
        let why = || stopped.map(StopCause::error);
        let error = self.failed.clone().or_else(why).filter(|_| state == State::Failed);
        let seconds = self.recorder.monotonic().saturating_sub(since).as_secs_f64();
        self.recorder
            .transition(&self.scope, Entity::Pipeline, (state, reason), |it| {
                it.duration_seconds = Some(seconds);
                it.error.clone_from(&error);
            })
            .await?;
        Ok(PipelineEnd { state, reason, error })
    }
}

/// Key under which an attempt's monotonic duration travels from its task to its last event.
const ATTEMPT_SECONDS: &str = "attempt.seconds";

async fn run_attempt(
    work: &dyn Work,
    attempt: &Attempt,
    timeout: Option<Duration>,
) -> Result<Finish, Failure> {
    let since = attempt.recorder.monotonic();
    let doing = work.attempt(attempt);
    tokio::pin!(doing);
    let mut result = tokio::select! {
        result = &mut doing => result,
        () = sleep_or_never(timeout) => {
            attempt.stop.ask(StopCause::Timeout);
            doing.await
        }
    };
    if let (Err(failure), Some(cause)) = (&mut result, attempt.stop.cause()) {
        failure.error = cause.error();
        failure.reason = cause.reason();
    }
    let seconds = attempt.recorder.monotonic().saturating_sub(since).as_secs_f64();
    let facts = match &mut result {
        Ok(finish) => &mut finish.facts,
        Err(failure) => &mut failure.facts,
    };
    facts.attributes.insert(ATTEMPT_SECONDS.to_owned(), seconds.to_string());
    result
}

async fn sleep_or_never(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}

fn merged(planned: &[AssetRef], told: &[AssetRef]) -> Vec<AssetRef> {
    let more = told.iter().filter(|it| !planned.contains(it));
    planned.iter().chain(more).cloned().collect()
}

fn graph_of(pipeline: &BuiltPipeline) -> Graph {
    let id_at = |at: &usize| pipeline.nodes.get(*at).map(|it| it.task.id.clone());
    let nodes = pipeline.nodes.iter().map(|node| GraphNode {
        node_id: node.task.id.clone(),
        action: node.action.clone(),
        inputs: node.inputs.clone(),
        outputs: node.outputs.clone(),
    });
    let edges = pipeline.nodes.iter().flat_map(|node| {
        let from = node.task.needs.iter().filter_map(id_at);
        from.map(|from| Edge { from, to: node.task.id.clone() })
    });
    Graph { nodes: nodes.collect(), edges: edges.collect() }
}
