//! Listeners that print as events come: every event as JSON, or a plain line for each thing that
//! a person follows when the output is no terminal.

use flowglass_engine::Listener;
use flowglass_model::{Entity, Event, EventKind, LogLevel, LogStream, Reason, State};

use crate::console;
use crate::words;

/// Every event, one a line, on standard output.
pub(super) struct Ndjson;

impl Listener for Ndjson {
    fn heard(&mut self, events: &[Event]) {
        let mut text = String::new();
        for event in events {
            text.push_str(&event.to_line());
            text.push('\n');
        }
        // Standard output that is full or gone must not stop the run: its log is in the store.
        console::out(&text).unwrap_or_default();
    }
}

/// A line for each start, retry and end of a node, on standard error.
pub(super) struct Plain;

impl Listener for Plain {
    fn heard(&mut self, events: &[Event]) {
        let lines: Vec<String> = events.iter().filter_map(line).collect();
        if !lines.is_empty() {
            console::say(&lines.join("\n"));
        }
    }
}

fn line(event: &Event) -> Option<String> {
    let time = event.time.strftime("%H:%M:%S");
    let pipeline = &event.pipeline_id;
    let said = match (event.kind, event.entity) {
        (EventKind::Transition, Entity::Node) => node_line(event)?,
        (EventKind::Transition, Entity::Run) if event.to == Some(State::Queued) => {
            return Some(format!("{time} run {}", event.run_id));
        }
        // What the engine says of a node as a whole stands in the node's own line already.
        (EventKind::Log, Entity::Attempt) => {
            let log = event.log.as_ref()?;
            // The node's own output is in the log; what the engine warns of is worth a line.
            if log.stream != LogStream::Engine || log.level < LogLevel::Warn {
                return None;
            }
            words::printable(&log.text)
        }
        _ => return None,
    };
    let node = event.node_id.as_ref().map_or("", |it| it.as_str());
    Some(format!("{time} {pipeline}/{node} {said}"))
}

fn node_line(event: &Event) -> Option<String> {
    let (state, reason) = (event.to?, event.reason?);
    match (state, reason) {
        (State::Running, _) => Some("running".to_owned()),
        (State::Waiting, Reason::RetryBackoff) => {
            let wait = event.attributes.get("retry_in_seconds")?;
            let detail = event.error.as_ref().map(|it| it.detail.as_str()).unwrap_or_default();
            let detail = words::printable(detail);
            Some(format!("waiting for the next attempt in {wait} s: {detail}"))
        }
        (State::Queued | State::Waiting, _) => None,
        (State::Skipped, reason) => Some(format!("skipped ({reason})")),
        (State::Failed, reason) => {
            let detail = event.error.as_ref().map(|it| it.detail.as_str()).unwrap_or_default();
            Some(format!("failed ({reason}): {}", words::printable(detail)))
        }
        (State::Complete, reason) => {
            let rows = event.counts.and_then(|it| words::rows_written(&it).or(it.extracted));
            let rows = rows.map(|it| format!(", {} rows", words::number(Some(it))));
            let warned = if reason == Reason::Warning { " with warnings" } else { "" };
            let took = words::duration(event.duration_seconds);
            Some(format!("complete{warned} in {took}{}", rows.unwrap_or_default()))
        }
    }
}
