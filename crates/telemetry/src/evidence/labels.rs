//! Labels: who wins, what is redacted, and the two forms in which a set is written.
//!
//! A label set is rendered once, for Prometheus and for JSON, and then shared by all metrics of its
//! run: with thousands of reports that is where the time would go.

use std::sync::Arc;

use serde_json::value::RawValue;

use crate::problem::{Code, Problems};

use super::names::label_name;
use super::redact::redact_named;

/// Bytes of a label value at most; the lowest limit among common backends.
pub const LABEL_VALUE_BYTES_MAX: usize = 2_048;

/// A label that a report brings along and that can be kept out of the Prometheus file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunLabel {
    /// New for every run: each run makes new series.
    RunId,
    /// Name of the pipeline or process.
    Process,
    /// What was selected of it.
    Selector,
    /// How it ended.
    Status,
}

impl RunLabel {
    /// The label's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RunId => "run_id",
            Self::Process => "process",
            Self::Selector => "selector",
            Self::Status => "status",
        }
    }

    /// The label of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::RunId, Self::Process, Self::Selector, Self::Status]
            .into_iter()
            .find(|label| label.name() == name)
    }
}

/// One set of labels, rendered.
#[derive(Clone, Debug)]
pub(crate) struct LabelSet {
    /// `{a="b",…}`, or nothing: sanitized names, escaped values, empty ones left out.
    pub(crate) prometheus: String,
    /// OTLP attributes: raw names, sorted.
    pub(crate) attributes: Box<RawValue>,
    /// A JSON object of raw names, sorted.
    pub(crate) object: Box<RawValue>,
}

/// A `--label`, checked.
struct Given {
    raw: String,
    value: String,
    /// Its name in the Prometheus file; `None` when another one took it.
    prometheus: Option<String>,
}

/// Builds label sets out of the labels of a run and those given for all.
pub(crate) struct Labeller<'r> {
    given: Vec<Given>,
    omitted: &'r [RunLabel],
}

/// Keeps the last of each key and says so; sorted by key.
pub(crate) fn last_of_each(
    pairs: &[(String, String)],
    code: Code,
    flag: &Arc<str>,
    problems: &mut Problems,
) -> Vec<(String, String)> {
    let mut kept: Vec<(String, String)> = Vec::with_capacity(pairs.len());
    for (key, value) in pairs {
        if let Some(place) = kept.iter_mut().find(|(name, _)| name == key) {
            problems.add(code, Some(flag), format!("`{}` is given twice", shown(key)));
            place.1.clone_from(value);
        } else {
            kept.push((key.clone(), value.clone()));
        }
    }
    kept.sort_by(|(left, _), (right, _)| left.cmp(right));
    kept
}

/// Names without credentials, which somebody may have pasted into the wrong side of `=`.
pub(crate) fn safe_names<T: Clone>(
    pairs: &[(String, T)],
    flag: &Arc<str>,
    problems: &mut Problems,
) -> Vec<(String, T)> {
    let mut safe = Vec::with_capacity(pairs.len());
    for (name, value) in pairs {
        let redacted = super::redact::redact(name);
        if redacted != *name {
            problems.add(Code::SecretRedacted, Some(flag), "a name looks like a credential");
        }
        safe.push((redacted.into_owned(), value.clone()));
    }
    safe
}

/// A name as a message may show it: short, without control characters and credentials.
pub(crate) fn shown(name: &str) -> String {
    let clean: String = super::redact::redact(name)
        .chars()
        .map(|character| if character.is_control() { '\u{FFFD}' } else { character })
        .collect();
    match clean.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", clean.get(..end).unwrap_or("")),
        None => clean,
    }
}

/// The value as it may be written: without credentials, and not too long.
pub(crate) fn safe_value(
    name: &str,
    value: &str,
    source: &Arc<str>,
    problems: &mut Problems,
) -> String {
    let redacted = redact_named(name, value);
    if redacted != value {
        let says = format!("the value of `{}` looks like a credential", shown(name));
        problems.add(Code::SecretRedacted, Some(source), says);
    }
    let mut safe = redacted.into_owned();
    if safe.len() > LABEL_VALUE_BYTES_MAX {
        let end = safe.floor_char_boundary(LABEL_VALUE_BYTES_MAX);
        safe.truncate(end);
        let says = format!("the value of `{}` was cut to {end} bytes", shown(name));
        problems.add(Code::LabelTruncated, Some(source), says);
    }
    safe
}

impl<'r> Labeller<'r> {
    pub(crate) fn new(
        labels: &[(String, String)],
        omitted: &'r [RunLabel],
        problems: &mut Problems,
    ) -> Self {
        let flag: Arc<str> = Arc::from("--label");
        let labels = safe_names(labels, &flag, problems);
        let mut given: Vec<Given> = Vec::with_capacity(labels.len());
        for (raw, value) in last_of_each(&labels, Code::LabelRepeated, &flag, problems) {
            let value = safe_value(&raw, &value, &flag, problems);
            let name = prometheus_name(&raw, &flag, problems);
            // In the order of raw names, the later one takes a name that two would have.
            if let Some(earlier) =
                given.iter_mut().find(|other| other.prometheus.as_deref() == Some(&name))
            {
                let says = format!(
                    "`{}` and `{}` both become `{name}`; the second is kept there",
                    shown(&earlier.raw),
                    shown(&raw)
                );
                problems.add(Code::LabelNameCollision, Some(&flag), says);
                earlier.prometheus = None;
            }
            given.push(Given { raw, value, prometheus: Some(name) });
        }
        Self { given, omitted }
    }

    /// The set of a run's labels, the given ones, and those that tell the series of one report
    /// apart. A given label wins over one of the run, a telling one over both.
    pub(crate) fn set(
        &self,
        run: &[(&'static str, String)],
        extra: &[(&'static str, String)],
        source: &Arc<str>,
        problems: &mut Problems,
    ) -> LabelSet {
        let mut raw: Vec<(&str, String)> =
            Vec::with_capacity(run.len() + extra.len() + self.given.len());
        let mut written: Vec<(&str, usize)> = Vec::with_capacity(raw.capacity());
        for (key, value) in extra {
            written.push((key, raw.len()));
            raw.push((key, safe_value(key, value, source, problems)));
        }
        for label in &self.given {
            if raw.iter().any(|(key, _)| *key == label.raw) {
                let says = format!("`{}` tells this report's series apart and is kept", label.raw);
                problems.add(Code::LabelNameCollision, Some(source), says);
                continue;
            }
            if let Some(name) = &label.prometheus
                && !written.iter().any(|(taken, _)| taken == name)
            {
                written.push((name, raw.len()));
            }
            raw.push((&label.raw, label.value.clone()));
        }
        for (key, value) in run {
            if raw.iter().any(|(taken, _)| taken == key) {
                continue;
            }
            let omitted = self.omitted.iter().any(|label| label.name() == *key);
            if !omitted && !written.iter().any(|(taken, _)| taken == key) {
                written.push((key, raw.len()));
            }
            raw.push((key, safe_value(key, value, source, problems)));
        }
        let prometheus = prometheus_block(&mut written, &raw);
        raw.sort_unstable_by_key(|(key, _)| *key);
        LabelSet { prometheus, attributes: attributes(&raw), object: object(&raw) }
    }
}

fn prometheus_name(raw: &str, flag: &Arc<str>, problems: &mut Problems) -> String {
    let (clean, reserved) = label_name(raw);
    if reserved {
        let says = format!("`{}` is reserved; it is written as `{}`", shown(raw), clean.name);
        problems.add(Code::LabelReserved, Some(flag), says);
    } else if clean.lossy {
        let says = format!("`{}` is written as `{}`", shown(raw), clean.name);
        problems.add(Code::LabelNameChanged, Some(flag), says);
    }
    if clean.cut {
        let says = format!("the name `{}` was cut", shown(raw));
        problems.add(Code::LabelTruncated, Some(flag), says);
    }
    clean.name
}

fn prometheus_block(written: &mut [(&str, usize)], raw: &[(&str, String)]) -> String {
    written.sort_unstable();
    let mut out = String::new();
    for (name, index) in written.iter() {
        // An empty label is the same as none in Prometheus.
        let Some((_, value)) = raw.get(*index).filter(|(_, value)| !value.is_empty()) else {
            continue;
        };
        out.push(if out.is_empty() { '{' } else { ',' });
        out.push_str(name);
        out.push_str("=\"");
        for character in value.chars() {
            match character {
                '\\' => out.push_str("\\\\"),
                '"' => out.push_str("\\\""),
                '\n' => out.push_str("\\n"),
                other => out.push(other),
            }
        }
        out.push('"');
    }
    if !out.is_empty() {
        out.push('}');
    }
    out
}

/// A text as a JSON string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// JSON that was put together from quoted strings alone.
fn raw_json(text: String) -> Box<RawValue> {
    RawValue::from_string(text).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

pub(crate) fn attributes(pairs: &[(&str, String)]) -> Box<RawValue> {
    let mut out = String::from("[");
    for (index, (key, value)) in pairs.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        out.push_str("{\"key\":");
        out.push_str(&quoted(key));
        out.push_str(",\"value\":{\"stringValue\":");
        out.push_str(&quoted(value));
        out.push_str("}}");
    }
    out.push(']');
    raw_json(out)
}

fn object(pairs: &[(&str, String)]) -> Box<RawValue> {
    let mut out = String::from("{");
    for (index, (key, value)) in pairs.iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        out.push_str(&quoted(key));
        out.push_str(": ");
        out.push_str(&quoted(value));
    }
    out.push('}');
    raw_json(out)
}
