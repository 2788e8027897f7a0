//! What the last minutes looked like: rates and lags that a page draws as a line.
//!
//! The store keeps counts, not rates. One task looks once a second and keeps two kinds of rings: for
//! each stream the last ten minutes, for the whole fleet the last hour. They are in memory alone and
//! begin anew with the process; the long view is Prometheus's.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use flowglass_model::RunId;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::service::Service;

/// How often is looked.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Looks in one step of a stream's line.
const STREAM_STEP_LOOKS: u64 = 5;
/// Steps of a stream's line: ten minutes.
const STREAM_STEPS_MAX: usize = 120;
/// Looks in one step of the fleet's line.
const FLEET_STEP_LOOKS: u64 = 30;
/// Steps of the fleet's line: an hour.
const FLEET_STEPS_MAX: usize = 120;
/// Events of the log that one look goes through.
const EVENTS_LOOKED_MAX: usize = 20_000;
/// Runs whose rows were added and that could be seen again.
const RUNS_REMEMBERED_MAX: usize = 4_096;

/// A line of rows and lags.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct History {
    pub(crate) step_seconds: u64,
    /// When the first step began.
    pub(crate) start: Timestamp,
    /// Rows moved in each step.
    pub(crate) rows: Vec<u64>,
    /// Lag at the end of each step, in seconds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) lag: Vec<f64>,
}

/// How fast a stream is now.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pace {
    pub(crate) rows_per_second: f64,
    pub(crate) bytes_per_second: f64,
}

#[derive(Debug, Default)]
struct Stream {
    read: u64,
    bytes: u64,
    /// Rows of the step that is not over.
    open_rows: u64,
    steps: VecDeque<(u64, f64)>,
    pace: Pace,
    seen: bool,
}

#[derive(Debug, Default)]
struct Inside {
    looks: u64,
    last_look: Option<Duration>,
    streams: HashMap<String, Stream>,
    open_rows: u64,
    steps: VecDeque<u64>,
    newest: Option<i64>,
    events_per_second: f64,
    counted: VecDeque<RunId>,
}

/// The rings.
#[derive(Debug, Default)]
pub(crate) struct Samples(Mutex<Inside>);

impl Samples {
    fn inside(&self) -> std::sync::MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn pace(&self, stream: &str) -> Pace {
        self.inside().streams.get(stream).map(|it| it.pace).unwrap_or_default()
    }

    pub(crate) fn events_per_second(&self) -> f64 {
        self.inside().events_per_second
    }

    pub(crate) fn stream(&self, stream: &str, now: Timestamp) -> History {
        let inside = self.inside();
        let steps = inside.streams.get(stream).map(|it| &it.steps);
        let count = steps.map_or(0, VecDeque::len);
        History {
            step_seconds: STREAM_STEP_LOOKS,
            start: before(now, STREAM_STEP_LOOKS, count),
            rows: steps.map_or_else(Vec::new, |it| it.iter().map(|it| it.0).collect()),
            lag: steps.map_or_else(Vec::new, |it| it.iter().map(|it| it.1).collect()),
        }
    }

    pub(crate) fn fleet(&self, now: Timestamp) -> History {
        let inside = self.inside();
        History {
            step_seconds: FLEET_STEP_LOOKS,
            start: before(now, FLEET_STEP_LOOKS, inside.steps.len()),
            rows: inside.steps.iter().copied().collect(),
            lag: Vec::new(),
        }
    }
}

fn before(now: Timestamp, step_seconds: u64, steps: usize) -> Timestamp {
    let seconds = i64::try_from(step_seconds.saturating_mul(steps as u64)).unwrap_or(0);
    now.checked_sub(SignedDuration::from_secs(seconds)).unwrap_or(now)
}

impl Service {
    /// Looks once a second until `over`; the server's owner spawns it.
    pub async fn sample(self: Arc<Self>, over: impl Future<Output = ()> + Send) {
        tokio::pin!(over);
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                () = &mut over => return,
                _tick = ticks.tick() => self.look().await,
            }
        }
    }

    async fn look(&self) {
        let after = self.samples.inside().newest;
        let moved = self
            .store
            .read(move |reader| match after {
                // What lies in the log from before is not of this hour.
                None => Ok((reader.newest()?, Vec::new())),
                Some(after) => {
                    let moved = reader.moved_since(after, EVENTS_LOOKED_MAX)?;
                    Ok((moved.pos, moved.runs))
                }
            })
            .await;
        let now = self.clock.monotonic();
        let members = self.fleet.members();
        let mut inside = self.samples.inside();
        let over = inside.last_look.replace(now).map_or(LOOK_EVERY, |it| now.saturating_sub(it));
        let seconds = over.as_secs_f64().max(0.001);
        inside.looks += 1;
        if let Ok((newest, runs)) = moved {
            if let Some(before) = inside.newest.replace(newest) {
                #[expect(clippy::cast_precision_loss, reason = "a rate for the eye")]
                let rate = newest.saturating_sub(before) as f64 / seconds;
                inside.events_per_second = rate;
            }
            for run in runs.iter().filter(|it| it.is_final()) {
                inside.count_run(run);
            }
        }
        for member in &members {
            let Some(status) = &member.status else { continue };
            let status = status.borrow();
            let figures = (status.read, status.wire_bytes, status.lag.as_secs_f64());
            drop(status);
            inside.look_at(member.plan.name(), figures, seconds);
        }
        inside.streams.retain(|_, it| std::mem::take(&mut it.seen));
        inside.close_step();
    }
}

impl Inside {
    /// Rows of a workflow's run count when it ends. Those of streams were counted as they came.
    fn count_run(&mut self, run: &flowglass_store::RunSummary) {
        let stream = run.pipelines.iter().any(|it| self.streams.contains_key(it.as_str()));
        if stream || self.counted.contains(&run.run_id) {
            return;
        }
        if self.counted.len() == RUNS_REMEMBERED_MAX {
            self.counted.pop_front();
        }
        self.counted.push_back(run.run_id);
        let counts = run.counts;
        let rows = counts.inserted.unwrap_or(0).saturating_add(counts.updated.unwrap_or(0));
        self.open_rows = self.open_rows.saturating_add(rows);
    }

    fn look_at(&mut self, name: &str, (read, bytes, lag): (u64, u64, f64), seconds: f64) {
        let looks = self.looks;
        let stream = self.streams.entry(name.to_owned()).or_default();
        stream.seen = true;
        // A stream that began anew counts from zero.
        let more = if read >= stream.read { read - stream.read } else { read };
        let more_bytes = if bytes >= stream.bytes { bytes - stream.bytes } else { bytes };
        (stream.read, stream.bytes) = (read, bytes);
        #[expect(clippy::cast_precision_loss, reason = "a rate for the eye")]
        let pace = Pace {
            rows_per_second: more as f64 / seconds,
            bytes_per_second: more_bytes as f64 / seconds,
        };
        stream.pace = pace;
        stream.open_rows = stream.open_rows.saturating_add(more);
        if looks.is_multiple_of(STREAM_STEP_LOOKS) {
            if stream.steps.len() == STREAM_STEPS_MAX {
                stream.steps.pop_front();
            }
            stream.steps.push_back((std::mem::take(&mut stream.open_rows), lag));
        }
        self.open_rows = self.open_rows.saturating_add(more);
    }

    fn close_step(&mut self) {
        if self.looks.is_multiple_of(FLEET_STEP_LOOKS) {
            if self.steps.len() == FLEET_STEPS_MAX {
                self.steps.pop_front();
            }
            self.steps.push_back(std::mem::take(&mut self.open_rows));
        }
    }
}
