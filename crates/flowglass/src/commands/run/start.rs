//! What every command that makes runs shares: the store, the clock, folders, the header's facts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use async_trait::async_trait;
use clap::Args;
use flowglass_catalog::label::{PipelineKind, SourceType, Version};
use flowglass_catalog::{PipelineScope, Registry as Meters};
use flowglass_connect::{Clock, EventLog, Fault, Surroundings, SystemClock, Tasks};
use flowglass_engine::{Keeper, Recorder, RunJob, Stop};
use flowglass_model::{Event, PipelineId, Redactor, RunId, Snapshot};
use flowglass_store::{Appender, Store, StoreOptions};

/// Where runs are recorded.
#[derive(Debug, Clone, Args)]
pub(crate) struct StoreArgs {
    /// The store that runs are recorded in; it is made when it is not there.
    #[arg(
        long,
        env = "FLOWGLASS_STORE",
        default_value = ".flowglass/flowglass.db",
        value_name = "PATH"
    )]
    store: PathBuf,
}

impl StoreArgs {
    pub(crate) fn path(&self) -> &Path {
        &self.store
    }
}

/// An open store with a clock beside it.
pub(crate) struct Session {
    pub(crate) store: Arc<Store>,
    /// What is counted while the process lives.
    pub(crate) meters: Meters,
    pub(crate) clock: Arc<dyn Clock>,
}

/// The recorder of one run with its task.
pub(crate) struct History {
    pub(crate) recorder: Recorder,
    pub(crate) keeper: Keeper,
}

impl Session {
    pub(crate) fn open(args: &StoreArgs) -> anyhow::Result<Self> {
        let clock = Arc::new(SystemClock::new());
        let store = Store::open(&args.store, &StoreOptions::default(), clock.as_ref())?;
        let meters = Meters::default();
        let revision = env!("FLOWGLASS_REVISION");
        meters.process().record_build(env!("CARGO_PKG_VERSION"), revision);
        Ok(Self { store: Arc::new(store), meters, clock })
    }

    /// The meters of a pipeline, which they introduce.
    pub(crate) fn meters_of(
        &self,
        (tenant, pipeline): (&str, &PipelineId),
        kind: PipelineKind,
        source: &str,
    ) -> PipelineScope {
        let meters = self.meters.pipeline(tenant, pipeline.as_str());
        let version = Version(env!("CARGO_PKG_VERSION"));
        meters.pipeline_info(kind, SourceType(source), version).set(1.0);
        meters
    }

    /// A folder for this run's temporary files, gone at its end. Folders of killed runs that are
    /// older than a day go too.
    pub(crate) fn scratch(&self, run: RunId) -> anyhow::Result<tempfile::TempDir> {
        let above = self.store.path().parent().unwrap_or(Path::new(".")).join("scratch");
        std::fs::create_dir_all(&above)
            .with_context(|| format!("making the folder {}", above.display()))?;
        sweep(&above);
        tempfile::Builder::new()
            .prefix(&format!("{run}-"))
            .tempdir_in(&above)
            .with_context(|| format!("making a folder in {}", above.display()))
    }

    pub(crate) fn around(&self, base_dir: &Path, scratch_dir: &Path) -> Surroundings {
        // Commands run in other folders: what they are handed must not be relative to ours.
        let scratch = std::path::absolute(scratch_dir).unwrap_or_else(|_odd| scratch_dir.into());
        Surroundings {
            base_dir: base_dir.to_path_buf(),
            scratch_dir: scratch,
            clock: Arc::clone(&self.clock),
        }
    }

    /// The recorder of a new run.
    pub(crate) fn history(&self, redactor: Redactor) -> History {
        let log = Arc::new(StoreLog(self.store.appender()));
        let (recorder, keeper) =
            Recorder::new(Snapshot::default(), log, Arc::clone(&self.clock), redactor);
        History { recorder, keeper }
    }
}

impl History {
    /// Makes the run, keeping its events meanwhile.
    ///
    /// # Errors
    /// Why the history could not be kept, or what the model refused.
    pub(crate) async fn run(self, job: &RunJob, stop: &Stop) -> (anyhow::Result<()>, Recorder) {
        let mut tasks = Tasks::new();
        tasks.spawn("event-keeper", self.keeper.run());
        let made = flowglass_engine::run(job, &self.recorder, stop).await;
        let made = match (made, self.recorder.log_fault()) {
            (_, Some(fault)) => Err(anyhow::anyhow!(
                "the run was stopped because its events could not be kept: {}\n  hint: {}",
                fault.chain(),
                fault.advice()
            )),
            (Err(error), None) => Err(error.into()),
            (Ok(_end), None) => Ok(()),
        };
        (made, self.recorder)
    }
}

/// The store, seen as the engine's event log.
struct StoreLog(Appender);

#[async_trait]
impl EventLog for StoreLog {
    async fn append(&self, events: Vec<Event>) -> Result<(), Fault> {
        Ok(self.0.append(events).await?)
    }
}

/// The facts of a run's header that every way of starting shares.
pub(crate) fn header(trigger: &str) -> BTreeMap<String, String> {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let facts = [
        ("trigger", trigger.to_owned()),
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("host", host.trim().to_owned()),
    ];
    let known = facts.into_iter().filter(|(_, value)| !value.is_empty());
    known.map(|(key, value)| (key.to_owned(), value)).collect()
}

/// The caller's trace context, when it is one. <https://www.w3.org/TR/trace-context/>
pub(crate) fn traceparent() -> Option<String> {
    let given = std::env::var("TRACEPARENT").ok()?;
    let mut parts = given.split('-');
    let (version, trace, span, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'))
    };
    let some = |text: &str| text.bytes().any(|it| it != b'0');
    let sound = hex(version, 2) && version != "ff" && hex(trace, 32) && hex(span, 16);
    (sound && hex(flags, 2) && some(trace) && some(span)).then_some(given)
}

/// Removes what killed runs left more than a day ago. Best effort: it only saves space.
fn sweep(folder: &Path) {
    let day = std::time::Duration::from_secs(86_400);
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let modified = entry.metadata().and_then(|it| it.modified()).ok();
        if modified.and_then(|it| it.elapsed().ok()).is_some_and(|it| it > day) {
            drop(std::fs::remove_dir_all(entry.path()));
        }
    }
}
