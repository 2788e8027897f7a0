//! A plan for people: what `flowglass plan` prints. Secrets are starred out by the types.

use std::fmt::Write as _;

use serde_json::Value;

use crate::draft::When;
use crate::units::duration_text;

use super::{Action, CommandLine, Connector, Node, Plan, RuleKind, SqlText, TableOrigin, Write};

/// How wide a line of a command or a query may get.
const SHOWN_MAX: usize = 100;

impl Plan {
    /// The plan as an indented text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        let mut line = |words: String| {
            text.push_str(words.trim_end());
            text.push('\n');
        };
        line(format!("{} (tenant {})", self.pipeline, self.tenant));
        if let Some(description) = &self.description {
            line(format!("  {}", one_line(description)));
        }
        if let Some(schedule) = &self.schedule {
            line(format!("  schedule: {} in {}", schedule.cron, schedule.timezone));
        }
        let timeout =
            self.timeout.map_or_else(String::new, |it| format!(", timeout {}", duration_text(it)));
        let count = self.nodes.len();
        let noun = if count == 1 { "node" } else { "nodes" };
        line(format!("  {count} {noun}, {} at once{timeout}", self.max_parallel));
        for (name, value) in &self.params {
            line(format!("  param {name} = {}", one_line(value.shown())));
        }
        line(format!("  {}", self.digest));
        for (position, node) in self.nodes.iter().enumerate() {
            let last = position + 1 == self.nodes.len();
            let (branch, trunk) = if last { ("└─", "  ") } else { ("├─", "│ ") };
            line(format!("{branch} {}: {}", node.id, headline(&node.action)));
            for detail in details(node) {
                line(format!("{trunk}   {detail}"));
            }
        }
        text
    }

    /// The plan as JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

fn headline(action: &Action) -> String {
    match action {
        Action::Command(command) => match &command.line {
            CommandLine::Argv(program) => {
                let words = std::iter::once(&program.program).chain(&program.args);
                let words: Vec<String> = words.map(|it| quoted(it.shown())).collect();
                format!("command {}", one_line(&words.join(" ")))
            }
            CommandLine::Shell(script) => format!("shell {}", one_line(script.shown())),
        },
        Action::Copy(copy) => format!("copy {} → {}", named(&copy.from), named(&copy.write.to)),
        Action::Sql(sql) => {
            let text = match &sql.text {
                SqlText::File(file) => file.clone(),
                SqlText::Query(query) => one_line(query.shown()),
            };
            format!("sql {text} → {}", named(&sql.write.to))
        }
        Action::Check(check) => {
            let count = check.rules.len();
            let noun = if count == 1 { "rule" } else { "rules" };
            format!("check {count} {noun} on {}", named(&check.subject.from))
        }
    }
}

fn details(node: &Node) -> Vec<String> {
    let mut details = Vec::new();
    if !node.needs.is_empty() {
        let needs: Vec<&str> = node.needs.iter().map(flowglass_model::NodeId::as_str).collect();
        details.push(format!("needs {}", needs.join(", ")));
    }
    match node.when {
        When::OnSuccess => {}
        When::OnFailure => details.push("when one of them fails".to_owned()),
        When::Always => details.push("when all of them have ended, however".to_owned()),
    }
    if let Some(condition) = &node.condition {
        let verdict = if condition.holds { "holds" } else { "does not hold: skipped" };
        details.push(format!("if {} ({verdict})", condition.says));
    }
    match &node.action {
        Action::Command(_) => {}
        Action::Copy(copy) => details.push(written(&copy.write)),
        Action::Sql(sql) => {
            for (name, table) in &sql.tables {
                let origin = match &table.origin {
                    TableOrigin::Declared => String::new(),
                    TableOrigin::WrittenBy(node) => format!(", written by {node}"),
                };
                details.push(format!("table {name} is {}{origin}", named(&table.from)));
            }
            details.push(written(&sql.write));
        }
        Action::Check(check) => {
            details.extend(
                check.rules.iter().map(|rule| format!("rule {} ({})", rule.name, word(&rule.kind))),
            );
        }
    }
    if node.retry.max_attempts > 1 {
        let retry = &node.retry;
        let (first, longest) = (duration_text(retry.first), duration_text(retry.longest));
        details.push(format!("{} attempts, pauses from {first} to {longest}", retry.max_attempts));
    }
    if let Some(timeout) = node.timeout {
        details.push(format!("timeout {}", duration_text(timeout)));
    }
    details
}

fn written(write: &Write) -> String {
    let mut words = serde_json::to_value(write.strategy).map_or_else(|_| String::new(), bare);
    if !write.key.is_empty() {
        let _infallible = write!(words, ", key {}", write.key.join(", "));
    }
    if let Some(cursor) = &write.cursor {
        let _infallible = write!(words, ", cursor {cursor}");
    }
    words
}

fn word(kind: &RuleKind) -> &'static str {
    match kind {
        RuleKind::NotNull { .. } => "not_null",
        RuleKind::Unique { .. } => "unique",
        RuleKind::AcceptedValues { .. } => "accepted_values",
        RuleKind::Range { .. } => "range",
        RuleKind::RowCount { .. } => "row_count",
        RuleKind::Freshness { .. } => "freshness",
        RuleKind::ForeignKey(_) => "foreign_key",
        RuleKind::Sql { .. } => "sql",
    }
}

/// A connector in a few words: its type and what tells it from others of its type.
fn named(connector: &Connector) -> String {
    let config = connector.shown();
    let part = |key: &str| config.get(key).and_then(Value::as_str).map(one_line);
    let parts: Vec<String> = ["path", "dsn", "url", "uri", "host", "schema", "table", "query"]
        .into_iter()
        .filter_map(part)
        .collect();
    format!("{} {}", connector.kind, parts.join(" ")).trim_end().to_owned()
}

fn bare(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

fn quoted(word: &str) -> String {
    let plain = |it: char| it.is_ascii_alphanumeric() || "-_./=:,@%+*".contains(it);
    if !word.is_empty() && word.chars().all(plain) { word.to_owned() } else { format!("{word:?}") }
}

pub(super) fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line: String = words.join(" ").chars().filter(|it| !it.is_control()).collect();
    match line.char_indices().nth(SHOWN_MAX) {
        Some((at, _)) => format!("{}…", line.get(..at).unwrap_or_default()),
        None => line,
    }
}
