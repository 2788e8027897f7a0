//! A filter of letters as the end of a statement.

use flowglass_connect::stream::LetterFilter;
use rusqlite::types::Value;

use crate::codec::{int, nanoseconds};

/// Conditions and the values that stand for their marks.
pub(super) struct Conditions {
    parts: Vec<String>,
    pub(super) values: Vec<Value>,
}

impl Conditions {
    /// Letters of a stream behind the number `after` that fit.
    pub(super) fn of(stream: &str, filter: &LetterFilter, after: u64) -> Self {
        let text = |it: &str| Value::from(it.to_owned());
        let mut them = Self { parts: Vec::new(), values: Vec::new() };
        them.and("stream = ?", [text(stream)]);
        them.and("letter_no > ?", [Value::from(int(after))]);
        them.one_of("letter_no", filter.numbers.iter().map(|it| Value::from(int(*it))));
        them.one_of("id", filter.ids.iter().map(|it| text(it)));
        them.one_of("state", filter.states.iter().map(|it| text(it.name())));
        if let Some(sink) = &filter.sink {
            them.and("sink = ?", [text(sink)]);
        }
        if let Some(table) = &filter.table {
            them.and("tab = ?", [text(table)]);
        }
        if let Some(class) = filter.class {
            them.and("class = ?", [text(class.name())]);
        }
        if let Some(since) = filter.since {
            them.and("at_ns >= ?", [Value::from(nanoseconds(since))]);
        }
        if let Some(until) = filter.until {
            them.and("at_ns < ?", [Value::from(nanoseconds(until))]);
        }
        them
    }

    /// The conditions behind `WHERE`.
    pub(super) fn sql(&self) -> String {
        self.parts.join(" AND ")
    }

    fn and<const N: usize>(&mut self, part: &str, values: [Value; N]) {
        self.parts.push(part.to_owned());
        self.values.extend(values);
    }

    fn one_of(&mut self, column: &str, values: impl ExactSizeIterator<Item = Value>) {
        if values.len() > 0 {
            let marks = vec!["?"; values.len()].join(", ");
            self.parts.push(format!("{column} IN ({marks})"));
            self.values.extend(values);
        }
    }
}
