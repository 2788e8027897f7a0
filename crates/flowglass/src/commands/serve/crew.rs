//! The pipelines in a server's care: what runs, what waits for its time, what was stopped.
//!
//! One list under one lock, which is never held over a wait. A run is a task of its own; its end finds
//! the list again and writes what came of it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use flowglass_catalog::{MetricsFold, Registry as Meters};
use flowglass_connect::stream::Guarantee;
use flowglass_connect::{Registry, Surroundings, Tasks};
use flowglass_engine::stream::{Status, StreamContext, Until, build_stream};
use flowglass_engine::{
    BuildContext, BuiltPipeline, Listener, Resumed, RunJob, Stop, StopCause, build, new_run_id,
};
use flowglass_model::{Event, LogLevel, Redactor, RunId, State};
use flowglass_server::{Journal, Member, MemberPlan, Note, Refusal, RefusalKind, unknown};
use futures::FutureExt;
use jiff::Timestamp;
use tokio::sync::watch;

use super::config::{Folders, Found, secrets_of};
use super::schedule::Times;
use super::stopped::Stopped;
use crate::commands::run::{Session, header};

/// A pipeline in the list.
pub(super) struct Post {
    pub(super) found: Found,
    pub(super) times: Option<Times>,
    pub(super) next_at: Option<Timestamp>,
    pub(super) late_since: Option<Timestamp>,
    pub(super) running: Option<Running>,
    pub(super) fault: Option<String>,
    status: Option<watch::Receiver<Status>>,
    guarantees: BTreeMap<String, &'static str>,
}

/// A run that goes on.
#[derive(Clone)]
pub(super) struct Running {
    run: RunId,
    stop: Stop,
    over: watch::Receiver<bool>,
}

/// Why a run is started.
#[derive(Debug, Default)]
pub(super) struct Launch {
    /// `stream`, `schedule`, `api` or `recovery`.
    pub(super) trigger: &'static str,
    /// Who asked, when somebody did.
    pub(super) by: Option<String>,
    /// The run that it goes on from.
    pub(super) resumes: Option<Resumed>,
}

/// All of it.
pub(super) struct Crew {
    pub(super) session: Session,
    pub(super) registry: Registry,
    pub(super) journal: Arc<dyn Journal>,
    pub(super) folders: Folders,
    pub(super) stopped: Stopped,
    /// Files that cannot be used as they are now, with why.
    pub(super) refused: Mutex<BTreeMap<PathBuf, String>>,
    posts: Mutex<BTreeMap<String, Post>>,
    tasks: Mutex<Tasks>,
    closing: AtomicBool,
}

/// Counts a run's events as they are kept.
struct Counted(MetricsFold);

impl Counted {
    fn new(meters: &Meters) -> Self {
        Self(MetricsFold::new(meters.clone()))
    }
}

impl Listener for Counted {
    fn heard(&mut self, events: &[Event]) {
        for event in events {
            self.0.apply(event);
        }
    }
}

/// A run that is built and not started.
struct Ready {
    job: RunJob,
    scratch: tempfile::TempDir,
    status: Option<watch::Receiver<Status>>,
}

impl Crew {
    pub(super) fn new(
        session: Session,
        registry: Registry,
        (journal, folders, stopped): (Arc<dyn Journal>, Folders, Stopped),
    ) -> Arc<Self> {
        Arc::new(Self {
            session,
            registry,
            journal,
            folders,
            stopped,
            refused: Mutex::default(),
            posts: Mutex::default(),
            tasks: Mutex::default(),
            closing: AtomicBool::new(false),
        })
    }

    pub(super) fn posts(&self) -> MutexGuard<'_, BTreeMap<String, Post>> {
        self.posts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> Timestamp {
        self.session.clock.now()
    }

    pub(super) fn note(&self, level: LogLevel, event: &'static str, fields: &[(&str, &str)]) {
        let note = Note::new(self.now(), level, event);
        let note = fields.iter().fold(note, |note, (name, value)| note.with(name, *value));
        self.journal.note(note);
    }

    /// Puts a pipeline into the list.
    pub(super) fn enlist(&self, found: Found) {
        let name = found.plan.name().to_owned();
        let times = match &found.plan {
            MemberPlan::Workflow(plan) => plan.schedule().and_then(Times::of),
            MemberPlan::Stream(_) => None,
        };
        let next_at = times.as_ref().and_then(|it| it.after(self.now()));
        let guarantees = self.guarantees(&found);
        let post = Post {
            found,
            times,
            next_at,
            late_since: None,
            running: None,
            fault: None,
            status: None,
            guarantees,
        };
        self.posts().insert(name, post);
    }

    /// What each sink promises; a sink that cannot be built is told of when the stream is started.
    fn guarantees(&self, found: &Found) -> BTreeMap<String, &'static str> {
        let MemberPlan::Stream(plan) = &found.plan else { return BTreeMap::new() };
        let scratch = std::env::temp_dir();
        let around = self.session.around(plan.base_dir(), &scratch);
        let stream = plan.pipeline().as_str();
        let promise = |it: &flowglass_manifest::StreamSink| {
            let config = it.connector.expose().clone();
            let sink =
                self.registry.stream_sink(&it.connector.kind, stream, config, &around).ok()?;
            let said = match sink.guarantee() {
                Guarantee::ExactlyOnce => "exactly_once",
                Guarantee::AtLeastOnce => "at_least_once",
            };
            Some((it.id.clone(), said))
        };
        plan.sinks().iter().filter_map(promise).collect()
    }

    /// Starts a run of a pipeline in the list.
    ///
    /// # Errors
    /// A [`Refusal`]: unknown, it runs, it cannot be built, or the server closes.
    pub(super) fn launch(self: &Arc<Self>, name: &str, launch: Launch) -> Result<RunId, Refusal> {
        if self.closing.load(Ordering::Acquire) {
            return Err(Refusal::new(RefusalKind::Conflict, "the server is shutting down"));
        }
        let mut posts = self.posts();
        let post = posts.get_mut(name).ok_or_else(|| unknown(name))?;
        if let Some(running) = &post.running {
            let said = format!("`{name}` runs already: {}", running.run);
            return Err(Refusal::new(RefusalKind::Conflict, said));
        }
        let ready = self.build(&post.found, launch).inspect_err(|refusal| {
            post.fault = Some(refusal.detail.clone());
        })?;
        let run = ready.job.run_id;
        let (tell, over) = watch::channel(false);
        let stop = Stop::new();
        post.running = Some(Running { run, stop: stop.clone(), over });
        (post.fault, post.late_since) = (None, None);
        post.status.clone_from(&ready.status);
        let secrets = secrets_of(&post.found.plan);
        drop(posts);
        let (crew, name) = (Arc::clone(self), name.to_owned());
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.next().now_or_never().flatten().is_some() {}
        tasks.spawn("pipeline", async move {
            Box::pin(crew.run(&name, ready, (stop, secrets))).await;
            tell.send_replace(true);
        });
        Ok(run)
    }

    fn build(&self, found: &Found, launch: Launch) -> Result<Ready, Refusal> {
        let failed = |said: String| Refusal::new(RefusalKind::Unusable, said);
        let run_id = new_run_id(self.session.clock.as_ref());
        let scratch = self.session.scratch(run_id);
        let scratch =
            scratch.map_err(|error| Refusal::new(RefusalKind::Failed, format!("{error:#}")))?;
        let around = |base| self.session.around(base, scratch.path());
        let (pipeline, status) = match &found.plan {
            MemberPlan::Workflow(plan) => {
                let around = around(plan.base_dir());
                (self.workflow(plan, around, launch.resumes.as_ref()).map_err(failed)?, None)
            }
            MemberPlan::Stream(plan) => {
                let context = StreamContext {
                    registry: &self.registry,
                    around: around(plan.base_dir()),
                    state: Arc::<flowglass_store::Store>::clone(&self.session.store),
                    meters: self.session.meters.pipeline(plan.tenant(), plan.pipeline().as_str()),
                    until: Until::Stopped,
                };
                let built = build_stream(plan, &context).map_err(|error| {
                    failed(format!("{}: {}", error.node, error.fault.chain()))
                        .hint(error.fault.advice())
                })?;
                (built.pipeline, Some(built.status))
            }
        };
        let mut attributes = header(launch.trigger);
        attributes.insert(SERVED.to_owned(), "true".to_owned());
        attributes.insert("manifest_digest".to_owned(), found.plan.digest().to_owned());
        let file = std::path::absolute(&found.file).unwrap_or_else(|_odd| found.file.clone());
        attributes.insert("manifests".to_owned(), file.display().to_string());
        if let Some(by) = launch.by {
            attributes.insert("started_by".to_owned(), by);
        }
        let job = RunJob {
            run_id,
            pipelines: vec![pipeline],
            attributes,
            traceparent: None,
            resumes: launch.resumes,
        };
        Ok(Ready { job, scratch, status })
    }

    fn workflow(
        &self,
        plan: &flowglass_manifest::Plan,
        around: Surroundings,
        resumes: Option<&Resumed>,
    ) -> Result<BuiltPipeline, String> {
        let done = resumes.and_then(|it| it.done.get(plan.pipeline()).cloned());
        let context = BuildContext {
            registry: &self.registry,
            around,
            done_before: done.unwrap_or_default(),
            through: None,
        };
        build(plan, &context).map_err(|errors| {
            let said = errors.iter().map(|it| format!("{}: {}", it.node, it.fault.chain()));
            said.collect::<Vec<_>>().join("\n")
        })
    }

    async fn run(self: &Arc<Self>, name: &str, ready: Ready, (stop, secrets): (Stop, Vec<String>)) {
        let Ready { job, scratch, status } = ready;
        let run = job.run_id.to_string();
        let facts = [("pipeline", name), ("run_id", &run)];
        self.note(LogLevel::Info, "pipeline_started", &facts);
        let redactor = Redactor::new(secrets.iter().map(String::as_str));
        let mut history = self.session.history(redactor);
        history.keeper.listen(Box::new(Counted::new(&self.session.meters)));
        let (made, recorder) = history.run(&job, &stop).await;
        let (state, error) = recorder.with_snapshot(|it| {
            let nodes = || it.pipelines.iter().flat_map(|it| &it.nodes);
            let of_node = nodes().find_map(|it| it.last_error.clone());
            (it.run.times.state, it.run.error.clone().or(of_node))
        });
        drop(recorder);
        drop(scratch);
        let mut fault = made.err().map(|error| format!("{error:#}"));
        if state == Some(State::Failed) && status.is_some() {
            // A stream has no end of its own: one that failed needs somebody.
            fault = fault.or_else(|| error.map(|it| it.detail));
        }
        let asked = status.and_then(|it| it.borrow().stopped_by.clone());
        if asked.is_some() {
            self.stopped.add(name);
        }
        let state = state.map_or("unknown", State::name);
        let level = if fault.is_some() { LogLevel::Error } else { LogLevel::Info };
        let mut facts = vec![("pipeline", name), ("run_id", &*run), ("state", state)];
        facts.extend(fault.as_deref().map(|it| ("error", it)));
        self.note(level, "pipeline_ended", &facts);
        if let Some(post) = self.posts().get_mut(name) {
            post.running = None;
            post.fault = fault.filter(|_| stop.cause().is_none());
        }
    }

    /// Asks what runs of a pipeline to stop; what can be waited for is its end.
    pub(super) fn ask_to_stop(&self, name: &str) -> Option<watch::Receiver<bool>> {
        let running = self.posts().get(name).and_then(|it| it.running.clone())?;
        running.stop.ask(StopCause::Cancelled);
        Some(running.over)
    }

    /// Stops a pipeline, waits for its end, and takes it out of the list with its series.
    pub(super) async fn retire(&self, name: &str) {
        if let Some(mut over) = self.ask_to_stop(name) {
            // Fails when the task is gone, and then it is over too.
            over.wait_for(|it| *it).await.ok();
        }
        let gone = self.posts().remove(name);
        if let Some(post) = gone {
            self.session.meters.pipeline(post.found.plan.tenant(), name).forget();
        }
    }

    /// Takes no more runs, asks those that go on to stop, and waits for them, at most so long. The
    /// names of those that have not ended by then.
    pub(super) async fn drain(&self, patience: Duration) -> Vec<String> {
        self.closing.store(true, Ordering::Release);
        let names: Vec<String> = self.posts().keys().cloned().collect();
        let overs: Vec<_> = names.iter().filter_map(|it| self.ask_to_stop(it)).collect();
        let all = async {
            for mut over in overs {
                over.wait_for(|it| *it).await.ok();
            }
        };
        // Those that were too slow are named below.
        tokio::time::timeout(patience, all).await.ok();
        let posts = self.posts();
        let late = posts.iter().filter(|(_, post)| post.running.is_some());
        late.map(|(name, _)| name.clone()).collect()
    }

    /// The list as the server sees it.
    pub(super) fn roll(&self) -> Vec<Member> {
        let posts = self.posts();
        posts.iter().map(|(name, post)| self.member(name, post)).collect()
    }

    /// One of the list as the server sees it.
    pub(super) fn one(&self, name: &str) -> Option<Member> {
        self.posts().get(name).map(|post| self.member(name, post))
    }

    fn member(&self, name: &str, post: &Post) -> Member {
        Member {
            plan: post.found.plan.clone(),
            origin: post.found.origin,
            file: Some(post.found.file.display().to_string()),
            next_at: post.next_at,
            late_since: post.late_since,
            run_id: post.running.as_ref().map(|it| it.run),
            stopped: self.stopped.holds(name),
            fault: post.fault.clone(),
            guarantees: post.guarantees.clone(),
            status: post.status.clone(),
        }
    }
}

/// The attribute of runs that a server started: those, and no others, a server takes up again.
pub(super) const SERVED: &str = "served";
