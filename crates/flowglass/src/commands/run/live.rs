//! The live view on a terminal: a line per node with state, rows, rate and elapsed time, and a few
//! per stream, drawn from the run's snapshot and the streams' status ten times a second. It only looks; a slow terminal holds nothing up.

use std::fmt::Write as _;
use std::time::Duration;

use flowglass_connect::Tasks;
use flowglass_engine::Recorder;
use flowglass_model::{Counts, NodeView, PipelineView, Snapshot, State};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;
use tokio::sync::oneshot;

use super::flow::Flow;
use super::mark;
use crate::console;
use crate::words;

const REDRAW_EVERY: Duration = Duration::from_millis(100);

/// A view that is being drawn.
pub(super) struct Live {
    tasks: Tasks,
    finish: oneshot::Sender<()>,
}

impl Live {
    pub(super) fn start(recorder: Recorder, mut flows: Vec<Flow>) -> Self {
        let (finish, mut over) = oneshot::channel();
        let mut tasks = Tasks::new();
        tasks.spawn("live-view", async move {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
            if let Ok(style) = ProgressStyle::with_template("{msg}") {
                bar.set_style(style);
            }
            let mut ticks = tokio::time::interval(REDRAW_EVERY);
            loop {
                tokio::select! {
                    _tick = ticks.tick() => {}
                    _over = &mut over => break,
                }
                let (now, moment) = (recorder.clock().now(), recorder.clock().monotonic());
                let size = console::terminal_size();
                let streams: Vec<_> = flows.iter_mut().map(|it| it.lines(moment)).collect();
                let streams = flows.iter().zip(streams).collect::<Vec<_>>();
                bar.set_message(recorder.with_snapshot(|it| frame(it, &streams, now, size)));
                bar.tick();
            }
            bar.finish_and_clear();
        });
        Self { tasks, finish }
    }

    /// Takes the view off the screen.
    pub(super) async fn end(mut self) {
        self.finish.send(()).unwrap_or_default();
        self.tasks.join_all().await;
    }
}

/// One picture of the run, at most as high as the terminal.
fn frame(
    snapshot: &Snapshot,
    streams: &[(&Flow, Vec<String>)],
    now: Timestamp,
    (width, height): (usize, usize),
) -> String {
    let colour = console::colour_wanted();
    let mut lines = Vec::new();
    let room = height.saturating_sub(3 + snapshot.pipelines.len()).max(3);
    for pipeline in &snapshot.pipelines {
        lines.push(header(pipeline, now));
        let flow = streams.iter().find(|(flow, _)| flow.is_of(pipeline.pipeline_id.as_str()));
        if let Some((_flow, said)) = flow {
            lines.extend(said.iter().cloned());
            continue;
        }
        lines.extend(nodes(pipeline, now, room / snapshot.pipelines.len().max(1), colour));
    }
    lines.iter().map(|it| console::cut(it, width.saturating_sub(1))).collect::<Vec<_>>().join("\n")
}

fn header(pipeline: &PipelineView, now: Timestamp) -> String {
    let mut counts = String::new();
    for state in State::ALL {
        let count = pipeline.summary.get(state);
        if count > 0 {
            write!(counts, "  {count} {state}").unwrap_or_default();
        }
    }
    let elapsed = elapsed(pipeline.times.started_at, now);
    format!("{}  {}{counts}", pipeline.pipeline_id, words::duration(elapsed))
}

/// The nodes that matter most now, in the graph's order.
fn nodes(pipeline: &PipelineView, now: Timestamp, room: usize, colour: bool) -> Vec<String> {
    let weight = |node: &NodeView| match node.times.state {
        Some(State::Running) => 0,
        Some(State::Failed) => 1,
        Some(State::Queued) => 2,
        Some(State::Waiting) => 3,
        Some(State::Complete) => 4,
        Some(State::Skipped) | None => 5,
    };
    let mut shown: Vec<(usize, &NodeView)> = pipeline.nodes.iter().enumerate().collect();
    shown.sort_by_key(|(at, node)| (weight(node), *at));
    let left_out = shown.len().saturating_sub(room);
    shown.truncate(room);
    shown.sort_by_key(|(at, _)| *at);
    let name_width = shown.iter().map(|(_, it)| it.node_id.as_str().len()).max().unwrap_or(0);
    let mut lines: Vec<String> =
        shown.iter().map(|(_, node)| node_line(node, now, name_width, colour)).collect();
    if left_out > 0 {
        lines.push(format!("    … and {left_out} more"));
    }
    lines
}

fn node_line(node: &NodeView, now: Timestamp, name_width: usize, colour: bool) -> String {
    let state = node.times.state;
    let word = state.map_or("", State::name);
    let padding = " ".repeat(8_usize.saturating_sub(word.len()));
    let painted = words::state(state, colour);
    let seconds = node.times.duration_seconds.or_else(|| match state {
        Some(State::Running) => elapsed(node.times.started_at, now),
        _ => None,
    });
    let mut line = format!(
        "  {} {:name_width$}  {painted}{padding}  {:>9}",
        mark(state),
        node.node_id.as_str(),
        words::duration(seconds)
    );
    if let Some(counts) = &node.counts {
        line.push_str(&progress(counts, seconds));
    }
    if node.attempts.len() > 1 {
        write!(line, "  attempt {}", node.attempts.len()).unwrap_or_default();
    }
    if let Some(reason) = node.times.reason.filter(|it| !matches!(it.name(), "ok" | "executing")) {
        write!(line, "  {reason}").unwrap_or_default();
    }
    line
}

fn progress(counts: &Counts, seconds: Option<f64>) -> String {
    let Some(rows) = counts.extracted.or_else(|| words::rows_written(counts)) else {
        return String::new();
    };
    let mut said = format!("  {:>12} rows", words::number(Some(rows)));
    #[expect(clippy::cast_precision_loss, reason = "a rate for the eye")]
    if let Some(seconds) = seconds.filter(|it| *it > 0.0) {
        write!(said, "  {:>9}/s", words::compact(rows as f64 / seconds)).unwrap_or_default();
    }
    if let Some(expected) = counts.expected.filter(|it| *it > rows) {
        write!(said, "  of about {}", words::number(Some(expected))).unwrap_or_default();
    }
    said
}

fn elapsed(since: Option<Timestamp>, now: Timestamp) -> Option<f64> {
    since.map(|it| now.duration_since(it).as_secs_f64().max(0.0))
}
