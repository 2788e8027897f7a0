//! `run --resume`: what is known of the earlier run, and ending it when its process went away.

use std::collections::BTreeMap;
use std::path::PathBuf;

use flowglass_engine::{Resumed, lost_events};
use flowglass_manifest::Plan;
use flowglass_model::{PipelineId, Snapshot, State};
use flowglass_store::Reader;

use super::params::KeptParams;
use super::{RunArgs, Session};
use crate::console;

/// Events that are read at a time.
const EVENTS_READ_MAX: usize = 4096;

/// The earlier run, ready to be gone on from.
pub(super) struct Earlier {
    pub(super) known: Resumed,
    /// The manifests that it was started with.
    manifests: Vec<PathBuf>,
    digests: Vec<String>,
    selector: Option<String>,
    params: KeptParams,
    pipelines: Vec<PipelineId>,
}

/// Finds the run and ends it if nobody attends it any more. The inner error says why it cannot be
/// gone on from.
pub(super) async fn prepare(
    session: &Session,
    given: &str,
) -> anyhow::Result<Result<Earlier, String>> {
    let reader = session.store.reader()?;
    let run = match reader.find(given) {
        Ok(run) => run,
        Err(error) => return Ok(Err(format!("{error}\n  hint: {}", error.hint()))),
    };
    let mut snapshot = read(&reader, run)?;
    let open = snapshot.run.times.state.is_some_and(|it| !it.is_final());
    if open {
        if reader.is_attended(run)? {
            let said = format!("run {run} is still running in another process");
            return Ok(Err(said));
        }
        session.store.adopt(run).await?;
        let known = reader.summary(run)?.map(|it| it.pipelines).unwrap_or_default();
        let Some(first) = known.first() else {
            return Ok(Err(format!("run {run} holds no event")));
        };
        let events = lost_events(&snapshot, first, session.clock.now())?;
        session.store.appender().append(events).await?;
        snapshot = read(&reader, run)?;
    }
    if snapshot.run.times.state == Some(State::Complete) {
        let said = format!("run {run} is complete: there is nothing to go on from");
        return Ok(Err(said));
    }
    let lines = |name: &str| -> Vec<String> {
        let text = snapshot.run.attributes.get(name).map(String::as_str).unwrap_or_default();
        text.lines().map(ToOwned::to_owned).collect()
    };
    let Some(known) = Resumed::from_snapshot(&snapshot) else {
        return Ok(Err(format!("run {run} holds no event")));
    };
    Ok(Ok(Earlier {
        known,
        manifests: lines("manifests").into_iter().map(PathBuf::from).collect(),
        digests: lines("manifest_digest"),
        selector: snapshot.run.attributes.get("selector").cloned(),
        params: KeptParams::of(run, &snapshot.run.attributes),
        pipelines: snapshot.pipelines.iter().map(|it| it.pipeline_id.clone()).collect(),
    }))
}

impl Earlier {
    /// Lets the command go on with what that run was started with, where it is not told otherwise.
    ///
    /// # Errors
    /// What has to be told again, in words.
    pub(super) fn give(&self, args: &mut RunArgs) -> Result<(), String> {
        self.params.give(&mut args.manifests.params)?;
        if !args.manifests.files.is_empty() {
            return Ok(());
        }
        args.manifests.files.clone_from(&self.manifests);
        if args.select.is_none() {
            args.select.clone_from(&self.selector);
        }
        Ok(())
    }
}

/// Says where the manifests differ from the earlier run's.
pub(super) fn compare(earlier: &Earlier, plans: &[Plan]) {
    let before: BTreeMap<_, _> = earlier.pipelines.iter().zip(&earlier.digests).collect();
    for plan in plans {
        let name = plan.pipeline();
        match before.get(name) {
            None => console::say(&format!(
                "warning: pipeline `{name}` is not part of run {}; all of it runs",
                earlier.known.run_id
            )),
            Some(digest) if digest.as_str() != plan.digest() => console::say(&format!(
                "warning: the manifest of `{name}` has changed since run {}; nodes that completed \
                 then are not run again",
                earlier.known.run_id
            )),
            Some(_same) => {}
        }
    }
}

fn read(reader: &Reader, run: flowglass_model::RunId) -> anyhow::Result<Snapshot> {
    let mut snapshot = Snapshot::default();
    loop {
        let events = reader.events(run, snapshot.run.last_seq, EVENTS_READ_MAX)?;
        if events.is_empty() {
            return Ok(snapshot);
        }
        for event in &events {
            snapshot.apply(event)?;
        }
    }
}
