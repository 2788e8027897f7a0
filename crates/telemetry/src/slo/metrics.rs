//! The numbers that objectives are held against: an export's `runtime_metrics.json`, reports, flags.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::evidence::{InputRecord, redact};
use crate::problem::{Code, Place, Problems};
use crate::report::{self, Number, number_of_token};

/// One series and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricValue {
    /// Name, with whatever prefix it has where it was read.
    pub name: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Value; may be NaN.
    pub value: Number,
}

#[derive(Deserialize)]
struct RuntimeMetrics {
    passed: Option<bool>,
    metrics: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    value: Box<RawValue>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

/// Reads the metrics of one source: a `runtime_metrics.json`, or any report that the exporter reads.
/// An export that was blocked gives none and a blocker.
pub(super) fn read_metrics(
    name: &str,
    bytes: &[u8],
    problems: &mut Problems,
) -> (Vec<MetricValue>, Option<InputRecord>) {
    let name: Arc<str> = Arc::from(redact(name));
    if looks_like_export(bytes) {
        return (from_export(bytes, &name, problems), None);
    }
    let Some(report) = report::read(bytes, &name, problems) else {
        return (Vec::new(), None);
    };
    let mut values = Vec::new();
    for facts in report.facts.iter().filter(|facts| facts.measured) {
        for sample in &facts.samples {
            let labels = facts.labels.iter().chain(&sample.extra);
            values.push(MetricValue {
                name: sample.metric.def().stem.to_owned(),
                labels: labels
                    .map(|(key, text)| ((*key).to_owned(), redact(text).into_owned()))
                    .collect(),
                value: sample.value,
            });
        }
    }
    let record = InputRecord::of(&name, report.kind, bytes);
    (values, Some(record))
}

/// An export has a list of metrics at its top; no report does.
fn looks_like_export(bytes: &[u8]) -> bool {
    let root = serde_json::from_slice::<BTreeMap<String, serde::de::IgnoredAny>>(bytes);
    root.is_ok_and(|root| root.contains_key("metrics") && root.contains_key("metric_count"))
}

fn from_export(bytes: &[u8], name: &Arc<str>, problems: &mut Problems) -> Vec<MetricValue> {
    let export: RuntimeMetrics = match serde_json::from_slice(bytes) {
        Ok(export) => export,
        Err(error) => {
            let place = Place { line: error.line(), column: error.column() };
            let says = "the file is no `runtime_metrics.json`";
            problems.add_at(Code::SloInvalidMetrics, Some(name), Some(place), says);
            return Vec::new();
        }
    };
    if export.passed != Some(true) {
        problems.add(Code::SloInvalidMetrics, Some(name), "the export was blocked");
        return Vec::new();
    }
    let mut values = Vec::with_capacity(export.metrics.len());
    for entry in export.metrics {
        let value = number(entry.value.get());
        match value {
            Some(value) => {
                values.push(MetricValue { name: entry.name, labels: entry.labels, value });
            }
            None => {
                let says = format!("`{}` holds no number", entry.name);
                problems.add(Code::SloInvalidMetrics, Some(name), says);
            }
        }
    }
    values
}

fn number(token: &str) -> Option<Number> {
    match token {
        "\"NaN\"" => Some(Number::Double(f64::NAN)),
        "\"Infinity\"" => Some(Number::Double(f64::INFINITY)),
        "\"-Infinity\"" => Some(Number::Double(f64::NEG_INFINITY)),
        _ => number_of_token(token),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Number, number};

    #[test]
    fn tokens_that_are_no_numbers_are_refused() {
        for token in ["null", "true", "\"12\"", "[1]", "{}", "1e999"] {
            assert_eq!(number(token), None, "{token}");
        }
        assert_eq!(number("9007199254740993"), Some(Number::Int(9_007_199_254_740_993)));
    }

    proptest! {
        // `serde_json` without its feature `float_roundtrip` gives another float for about one in
        // seven of these.
        #[test]
        fn a_float_is_read_as_it_was_written(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite() && value.fract() != 0.0);
            prop_assert_eq!(number(&format!("{value:?}")), Some(Number::Double(value)));
            prop_assert_eq!(number(&format!("{value:e}")), Some(Number::Double(value)));
        }
    }
}
