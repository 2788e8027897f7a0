//! From what the folders say to what runs: new pipelines are started, changed ones replaced, those
//! that are gone retired. A file that is broken keeps what it said before, and says why.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use flowglass_engine::{Resumed, lost_events};
use flowglass_model::{LogLevel, PipelineId, Snapshot};
use flowglass_server::{MemberPlan, RefusalKind};
use flowglass_store::{RunFilter, Store, StoreError};

use super::config::{Found, Reading};
use super::crew::{Crew, Launch, SERVED};

/// How often the schedules are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Events that are read at a time.
const EVENTS_READ_MAX: usize = 4_096;

impl Crew {
    /// Reads the folders and brings the list to what they say. The files that are broken.
    pub(super) async fn reload(self: &Arc<Self>) -> Vec<PathBuf> {
        let crew = Arc::clone(self);
        let read = tokio::task::spawn_blocking(move || crew.folders.read(&crew.registry)).await;
        let Ok(reading) = read else { return Vec::new() };
        self.reconcile(reading).await
    }

    async fn reconcile(self: &Arc<Self>, reading: Reading) -> Vec<PathBuf> {
        let before = {
            let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *refused, reading.broken.clone())
        };
        // What was said once is not said again at every other file's change.
        for (file, said) in reading.broken.iter().filter(|it| before.get(it.0) != Some(it.1)) {
            let file = file.display().to_string();
            let facts = [("file", &*file), ("why", said), ("kept", "what it said before")];
            self.note(LogLevel::Error, "manifest_refused", &facts);
        }
        let gone: Vec<String> = {
            let posts = self.posts();
            let gone = posts.iter().filter(|(name, post)| {
                !reading.found.contains_key(*name) && !reading.broken.contains_key(&post.found.file)
            });
            gone.map(|(name, _)| name.clone()).collect()
        };
        for name in gone {
            self.retire(&name).await;
            self.stopped.remove(&name);
            self.note(LogLevel::Info, "pipeline_removed", &[("pipeline", &name)]);
        }
        for (name, found) in reading.found {
            self.take_over(&name, found).await;
        }
        reading.broken.into_keys().collect()
    }

    async fn take_over(self: &Arc<Self>, name: &str, found: Found) {
        let same = {
            let mut posts = self.posts();
            let known = posts.get_mut(name).filter(|it| is_same(&it.found, &found));
            if let Some(post) = known {
                // What was only moved, or commented, is the same pipeline.
                (post.found.file, post.found.shown) =
                    (found.file.clone(), Arc::clone(&found.shown));
                true
            } else {
                false
            }
        };
        if same {
            return;
        }
        let known = self.posts().contains_key(name);
        if known {
            self.retire(name).await;
        }
        let event = if known { "pipeline_replaced" } else { "pipeline_added" };
        let file = found.file.display().to_string();
        self.note(LogLevel::Info, event, &[("pipeline", name), ("file", &file)]);
        let stream = matches!(found.plan, MemberPlan::Stream(_));
        self.enlist(found);
        if stream && !self.stopped.holds(name) {
            let launch = Launch { trigger: "stream", ..Launch::default() };
            self.launch_or_note(name, launch);
        }
    }

    fn launch_or_note(self: &Arc<Self>, name: &str, launch: Launch) {
        if let Err(refusal) = self.launch(name, launch) {
            let facts = [("pipeline", name), ("why", &*refusal.detail)];
            self.note(LogLevel::Error, "pipeline_not_started", &facts);
        }
    }

    /// Ends the runs of a server before this one that was killed, and goes on with those workflows.
    /// Runs of anybody else are theirs.
    ///
    /// # Errors
    /// What the store answers.
    pub(super) async fn recover(self: &Arc<Self>) -> Result<Vec<(String, Resumed)>, StoreError> {
        let left = self.session.store.read(flowglass_store::Reader::runs_left_running).await?;
        let mut resumed = Vec::new();
        for run in left {
            let (id, Some(first)) = (run.run_id, run.pipelines.first().cloned()) else { continue };
            let snapshot = self.session.store.read(move |reader| {
                let mut snapshot = Snapshot::default();
                loop {
                    let events = reader.events(id, snapshot.run.last_seq, EVENTS_READ_MAX)?;
                    if events.is_empty() {
                        return Ok(snapshot);
                    }
                    for event in &events {
                        snapshot.apply(event).map_err(|why| StoreError::Unreadable {
                            run: id.to_string(),
                            seq: event.seq,
                            why: why.to_string(),
                        })?;
                    }
                }
            });
            let snapshot = snapshot.await?;
            if !snapshot.run.attributes.contains_key(SERVED) {
                continue;
            }
            if !self.session.store.adopt(id).await? {
                continue;
            }
            let facts = [("pipeline", first.as_str()), ("run_id", &*id.to_string())];
            self.note(LogLevel::Warn, "run_was_lost", &facts);
            self.end(&snapshot, &first).await?;
            let known = Resumed::from_snapshot(&snapshot);
            resumed.extend(known.map(|it| (first.to_string(), it)));
        }
        Ok(resumed)
    }

    async fn end(&self, snapshot: &Snapshot, first: &PipelineId) -> Result<(), StoreError> {
        let events = lost_events(snapshot, first, self.now());
        let events = events.map_err(|why| StoreError::Unreadable {
            run: first.to_string(),
            seq: snapshot.run.last_seq,
            why: why.to_string(),
        })?;
        self.session.store.appender().append(events).await
    }

    /// Goes on with workflows that a crash broke off, and makes up for scheduled times that passed
    /// while nobody was there, each with one run.
    pub(super) async fn catch_up(self: &Arc<Self>, resumed: Vec<(String, Resumed)>) {
        let mut taken = BTreeSet::new();
        // The newest of a pipeline's broken runs counts, and comes last.
        for (name, resumes) in resumed.into_iter().rev() {
            let workflow = self
                .posts()
                .get(&name)
                .is_some_and(|it| matches!(it.found.plan, MemberPlan::Workflow(_)));
            if workflow && taken.insert(name.clone()) && !self.stopped.holds(&name) {
                let (trigger, resumes) = ("recovery", Some(resumes));
                self.launch_or_note(&name, Launch { trigger, resumes, ..Launch::default() });
            }
        }
        let now = self.now();
        let due: Vec<_> = {
            let posts = self.posts();
            let due = posts
                .iter()
                .filter(|(name, post)| post.running.is_none() && !self.stopped.holds(name));
            due.filter_map(|(name, it)| Some((name.clone(), it.times.as_ref()?.up_to(now)?)))
                .collect()
        };
        for (name, at) in due {
            let last = last_run(&self.session.store, &name).await;
            // A pipeline that never ran has missed nothing.
            if last.is_some_and(|it| it < at) {
                let launch = Launch { trigger: "schedule", ..Launch::default() };
                self.launch_or_note(&name, launch);
            }
        }
    }

    /// Starts workflows at their times, for ever.
    pub(super) async fn keep_time(self: &Arc<Self>) {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            let now = self.now();
            let due: Vec<String> = {
                let mut posts = self.posts();
                let mut due = Vec::new();
                for (name, post) in posts.iter_mut() {
                    if let (Some(times), Some(at)) = (&post.times, post.next_at)
                        && at <= now
                    {
                        post.next_at = times.after(now);
                        if !self.stopped.holds(name) {
                            post.late_since = post.late_since.or(Some(at));
                            due.push(name.clone());
                        }
                    }
                }
                due
            };
            for name in due {
                let launch = Launch { trigger: "schedule", ..Launch::default() };
                match self.launch(&name, launch) {
                    Ok(_run) => {}
                    Err(refusal) if refusal.kind == RefusalKind::Conflict => {
                        let facts = [("pipeline", &*name), ("why", &*refusal.detail)];
                        self.note(LogLevel::Warn, "schedule_skipped", &facts);
                    }
                    Err(refusal) => {
                        let facts = [("pipeline", &*name), ("why", &*refusal.detail)];
                        self.note(LogLevel::Error, "pipeline_not_started", &facts);
                    }
                }
            }
        }
    }
}

fn is_same(one: &Found, other: &Found) -> bool {
    one.plan.digest() == other.plan.digest()
        && one.origin == other.origin
        && std::mem::discriminant(&one.plan) == std::mem::discriminant(&other.plan)
}

async fn last_run(store: &Store, name: &str) -> Option<jiff::Timestamp> {
    let filter = RunFilter { pipeline: PipelineId::new(name).ok(), ..RunFilter::default() };
    let page = store.read(move |reader| reader.list(&filter, None, 1)).await.ok()?;
    page.runs.first().map(|it| it.first_seen_at)
}
