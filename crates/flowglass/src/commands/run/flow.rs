//! A running stream for people: its source, batches and sinks as a few lines, and one line for where
//! no live view can be drawn. Rates are taken between two looks.

use std::sync::Arc;
use std::time::Duration;

use flowglass_connect::{Clock, Tasks};
use flowglass_engine::stream::{SinkStatus, Status};
use tokio::sync::watch;

use crate::console;
use crate::words;

/// How often a stream without live view says how it stands.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// A rate is shown over at least this long, so that it can be read.
const RATE_OVER: Duration = Duration::from_secs(1);

/// A stream that is looked at.
pub(super) struct Flow {
    pipeline: String,
    status: watch::Receiver<Status>,
    rate: Rate,
}

/// Rows and bytes a second between two looks.
#[derive(Debug, Default, Clone, Copy)]
struct Rate {
    at: Option<Duration>,
    read: u64,
    bytes: u64,
    rows_per_second: f64,
    bytes_per_second: f64,
}

impl Rate {
    fn look(&mut self, status: &Status, now: Duration) {
        let Some(at) = self.at else {
            *self = Self { at: Some(now), read: status.read, bytes: status.wire_bytes, ..*self };
            return;
        };
        let over = now.saturating_sub(at);
        if over < RATE_OVER {
            return;
        }
        #[expect(clippy::cast_precision_loss, reason = "a rate for the eye")]
        let per_second = |more: u64| more as f64 / over.as_secs_f64();
        *self = Self {
            at: Some(now),
            read: status.read,
            bytes: status.wire_bytes,
            // A stream that began anew counts from zero.
            rows_per_second: per_second(status.read.saturating_sub(self.read)),
            bytes_per_second: per_second(status.wire_bytes.saturating_sub(self.bytes)),
        };
    }
}

impl Flow {
    pub(super) fn new(pipeline: String, status: watch::Receiver<Status>) -> Self {
        Self { pipeline, status, rate: Rate::default() }
    }

    /// Whether it is the stream of that pipeline.
    pub(super) fn is_of(&self, pipeline: &str) -> bool {
        self.pipeline == pipeline
    }

    /// The lines of a live view at `now`, by the monotonic clock.
    pub(super) fn lines(&mut self, now: Duration) -> Vec<String> {
        let status = self.status.borrow().clone();
        self.rate.look(&status, now);
        let mut lines = vec![self.source(&status)];
        lines.push(self.batches(&status));
        let width = status.sinks.iter().map(|it| it.id.len()).max().unwrap_or_default();
        lines.extend(status.sinks.iter().map(|it| sink(it, width)));
        if let Some(stall) = &status.stalled {
            let at = stall.sink.as_ref().map_or(String::new(), |it| format!(" at sink `{it}`"));
            let lasting = words::duration(Some(stall.lasting.as_secs_f64()));
            lines.push(format!("  stalled for {lasting} in {}{at}", stall.stage.name()));
        }
        lines
    }

    fn source(&self, status: &Status) -> String {
        let mut said = format!("  source   {} rows", words::number(Some(status.read)));
        said.push_str(&format!(
            "  {}/s  {}/s  lag {}",
            words::compact(self.rate.rows_per_second),
            words::bytes(self.rate.bytes_per_second),
            words::duration(Some(status.lag.as_secs_f64())),
        ));
        if let Some((done, expected)) = status.head.snapshot {
            let (done, expected) = (words::number(Some(done)), words::number(Some(expected)));
            said.push_str(&format!("  snapshot {done} of about {expected}"));
        }
        if let Some(position) = &status.handed {
            said.push_str(&format!("  at {position}"));
        }
        if let Some(retained) = status.head.retained_bytes {
            #[expect(clippy::cast_precision_loss, reason = "a size for the eye")]
            let retained = words::bytes(retained as f64);
            said.push_str(&format!("  source keeps {retained}"));
        }
        said
    }

    fn batches(&self, status: &Status) -> String {
        let mut said = format!("  batches  {} rows", words::number(Some(status.batch_events)));
        if let Some((stage, share)) = status.bottleneck {
            said.push_str(&format!("  bottleneck {} ({:.0} % busy)", stage.name(), share * 100.0));
        }
        if status.dead_letters > 0 {
            said.push_str(&format!("  {} dead letters", words::number(Some(status.dead_letters))));
        }
        said
    }

    /// One line for a log.
    fn line(&mut self, now: Duration) -> String {
        let status = self.status.borrow().clone();
        self.rate.look(&status, now);
        let mut said = format!(
            "{}/stream {} rows, {}/s, lag {}",
            self.pipeline,
            words::number(Some(status.read)),
            words::compact(self.rate.rows_per_second),
            words::duration(Some(status.lag.as_secs_f64())),
        );
        for sink in &status.sinks {
            let at = sink.position.as_ref().map_or("the beginning".to_owned(), ToString::to_string);
            said.push_str(&format!(", {} at {at}", sink.id));
        }
        if let Some((stage, _share)) = status.bottleneck {
            said.push_str(&format!(", bottleneck {}", stage.name()));
        }
        if status.dead_letters > 0 {
            said.push_str(&format!(", {} dead letters", words::number(Some(status.dead_letters))));
        }
        said
    }
}

fn sink(sink: &SinkStatus, width: usize) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a size for the eye")]
    let bytes = words::bytes(sink.bytes as f64);
    let mut said = format!(
        "  sink     {:width$}  {} delivered  {bytes}  {} in flight",
        sink.id,
        words::number(Some(sink.delivered)),
        sink.in_flight_batches,
    );
    if let Some(position) = &sink.position {
        said.push_str(&format!("  at {position}"));
    }
    if sink.catches_up {
        said.push_str("  catches up");
    }
    if let Some(trouble) = &sink.trouble {
        said.push_str(&format!("  attempt {}: {}", sink.attempts, words::printable(trouble)));
    }
    said
}

/// Says every few seconds how streams stand that move, where no live view can be drawn.
pub(super) fn say_often(mut flows: Vec<Flow>, clock: Arc<dyn Clock>) -> Tasks {
    let mut tasks = Tasks::new();
    if flows.is_empty() {
        return tasks;
    }
    tasks.spawn("stream-lines", async move {
        let mut told: Vec<u64> = flows.iter().map(|_| 0).collect();
        for flow in &mut flows {
            flow.rate.look(&Status::default(), clock.monotonic());
        }
        loop {
            tokio::time::sleep(SAY_EVERY).await;
            for (flow, told) in flows.iter_mut().zip(&mut told) {
                let read = flow.status.borrow().read;
                let line = flow.line(clock.monotonic());
                if read != *told {
                    *told = read;
                    console::say(&format!("{} {line}", clock.now().strftime("%H:%M:%S")));
                }
            }
        }
    });
    tasks
}
