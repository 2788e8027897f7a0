//! A stream's plan for people: what `flowglass plan` prints of it. Secrets are starred out by the
//! types; every key of every configuration is told, since a default that is not seen surprises later.

use serde_json::{Value, json};

use crate::draft::Overflow;
use crate::units::{duration_text, size_text};

use super::show::one_line;
use super::{CommitPolicy, Connector, DeadLetterRule, StreamBatching, StreamPlan, StreamSink};

/// A part and what is to be said of it.
struct Branch {
    head: String,
    details: Vec<String>,
}

impl StreamPlan {
    /// The plan as an indented text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        let mut line = |words: &str| {
            text.push_str(words.trim_end());
            text.push('\n');
        };
        line(&format!("{} (tenant {}), a stream", self.pipeline, self.tenant));
        if let Some(description) = &self.description {
            line(&format!("  {}", one_line(description)));
        }
        for (name, value) in &self.params {
            line(&format!("  param {name} = {}", one_line(value.shown())));
        }
        for rule in self.rules() {
            line(&format!("  {rule}"));
        }
        line(&format!("  {}", self.digest));
        let branches = self.branches();
        for (position, Branch { head, details }) in branches.iter().enumerate() {
            let last = position + 1 == branches.len();
            let (branch, trunk) = if last { ("└─", "  ") } else { ("├─", "│ ") };
            line(&format!("{branch} {head}"));
            for detail in details {
                line(&format!("{trunk}   {detail}"));
            }
        }
        text
    }

    /// The plan as JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut json = serde_json::to_value(self).unwrap_or_default();
        if let Some(map) = json.as_object_mut() {
            map.insert("kind".to_owned(), json!("Stream"));
        }
        json
    }

    fn rules(&self) -> Vec<String> {
        let restart = self.restart;
        let (first, longest) = (duration_text(restart.first), duration_text(restart.longest));
        let queue = match self.queue_batches {
            1 => "1 batch".to_owned(),
            count => format!("{count} batches"),
        };
        let mut rules = vec![
            batching(self.batch),
            format!("a batch is committed when {}", committed(self.commit_policy, &self.sinks)),
            dead_letters(self.dead_letters),
            format!("at most {queue} may wait for a sink"),
            format!("tried again for ever after what may pass, pauses from {first} to {longest}"),
            format!("stalled when nothing moves for {}", duration_text(self.stalled_after)),
            match self.grace.is_zero() {
                true => "stops at once, without delivering what it has read".to_owned(),
                false => format!("stops within {}", duration_text(self.grace)),
            },
        ];
        if let Some(lag) = self.slo.lag {
            rules.push(format!("promised: lag of {} at most", duration_text(lag)));
        }
        rules
    }

    fn branches(&self) -> Vec<Branch> {
        let source = &self.source;
        let head = format!("source {}: {}", source.id, source.connector.kind);
        let mut branches = vec![Branch { head, details: keys(&source.connector) }];
        for it in &self.processors {
            let head = format!("processor {}: {}", it.id, it.connector.kind);
            branches.push(Branch { head, details: keys(&it.connector) });
        }
        for it in &self.sinks {
            let waits = if it.required { "" } else { ", not waited for" };
            let head = format!("sink {}: {}{waits}", it.id, it.connector.kind);
            branches.push(Branch { head, details: keys(&it.connector) });
        }
        branches
    }
}

fn batching(batch: StreamBatching) -> String {
    let (rows, bytes, wait) =
        (batch.events_max, size_text(batch.bytes_max), duration_text(batch.wait_max));
    let noun = if rows == 1 { "row" } else { "rows" };
    let whole = if batch.respect_transactions { ", transactions whole" } else { "" };
    format!("batches of {rows} {noun}, {bytes} or {wait}{whole}")
}

fn committed(policy: CommitPolicy, sinks: &[StreamSink]) -> String {
    match policy {
        _ if sinks.len() == 1 => "the sink has it".to_owned(),
        CommitPolicy::All => "all sinks have it".to_owned(),
        CommitPolicy::Required => {
            let required = sinks.iter().filter(|it| it.required).map(|it| it.id.as_str());
            let required: Vec<&str> = required.collect();
            match required.as_slice() {
                [] => "all sinks have it".to_owned(),
                [only] => format!("{only} has it"),
                several => format!("{} have it", several.join(", ")),
            }
        }
        CommitPolicy::Quorum(count) => format!("{count} of {} sinks have it", sinks.len()),
    }
}

fn dead_letters(rule: DeadLetterRule) -> String {
    let (age, bytes) = (duration_text(rule.age_max), size_text(rule.event_bytes_max));
    let full = match rule.overflow {
        Overflow::DropOldest => "the oldest makes room",
        Overflow::Reject => "a new one is dropped",
        Overflow::Block => "the sink waits",
    };
    let most = rule.entries_max;
    format!("dead letters: {most} for {age}, {bytes} of each row; when full {full}")
}

/// Every key of a configuration, but for those that were told before.
fn keys(connector: &Connector) -> Vec<String> {
    let pairs = connector.shown().as_object().into_iter().flatten();
    let told = |key: &str| matches!(key, "id" | "required");
    let mut lines: Vec<String> = pairs
        .filter(|(key, _)| !told(key))
        .map(|(key, value)| one_line(&format!("{key}: {}", flow(value))))
        .collect();
    // Whether serde_json keeps the order of the text depends on the build.
    lines.sort();
    lines
}

/// A value on one line, as YAML would take it back in most cases; keys in the order of the alphabet.
fn flow(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(flow).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(map) => {
            let mut pairs: Vec<String> =
                map.iter().map(|(key, value)| format!("{key}: {}", flow(value))).collect();
            pairs.sort();
            format!("{{ {} }}", pairs.join(", "))
        }
        scalar => scalar.to_string(),
    }
}
