//! One objective against all series that it means: the worst of them decides.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::report::Number;

use super::metrics::MetricValue;
use super::objective::{Objective, Operator};

/// What one objective came to.
#[derive(Debug, Serialize)]
pub struct Verdict {
    /// `slo.<metric>.max`, `.min` or `.missing`.
    pub code: String,
    /// The metric as the objective names it.
    pub metric: String,
    /// `max`, `min`, or `present` when the metric is missing.
    pub operator: &'static str,
    /// The bound.
    pub objective: f64,
    /// The worst value; null when the metric is missing.
    pub actual: Option<Number>,
    /// Whether every series kept to the bound.
    pub passed: bool,
    /// `pass` or `fail`.
    pub severity: &'static str,
    /// How many series were held against it.
    pub series: usize,
    /// The labels of the worst one.
    pub labels: BTreeMap<String, String>,
    /// What to do.
    pub action: String,
}

/// Prefixes that a metric may have where it was read.
const USUAL_PREFIXES: &[&str] = &["flowglass_", "dpone_"];

fn stem<'n>(name: &'n str, prefix: &str) -> &'n str {
    name.strip_prefix(prefix)
        .or_else(|| USUAL_PREFIXES.iter().find_map(|usual| name.strip_prefix(usual)))
        .unwrap_or(name)
}

/// Holds `objective` against `metrics`. `prefix` is the one that names may carry.
#[must_use]
pub fn evaluate(objective: &Objective, metrics: &[MetricValue], prefix: &str) -> Verdict {
    let wanted = stem(&objective.metric, prefix);
    let named: Vec<&MetricValue> =
        metrics.iter().filter(|metric| stem(&metric.name, prefix) == wanted).collect();
    let meant: Vec<&MetricValue> = named
        .iter()
        .copied()
        .filter(|metric| {
            objective.labels.iter().all(|(name, value)| metric.labels.get(name) == Some(value))
        })
        .collect();
    let Some(worst) = worst(objective, &meant) else {
        return missing(objective, metrics, prefix, !named.is_empty());
    };
    let passed =
        meant.iter().all(|it| objective.operator.holds(it.value.as_f64(), objective.bound));
    let action = if passed { "none".to_owned() } else { action(objective, worst.value) };
    Verdict {
        code: format!("slo.{wanted}.{}", objective.operator.name()),
        metric: objective.metric.clone(),
        operator: objective.operator.name(),
        objective: objective.bound,
        actual: Some(worst.value),
        passed,
        severity: if passed { "pass" } else { "fail" },
        series: meant.len(),
        labels: worst.labels.clone(),
        action,
    }
}

/// NaN is worse than any number.
fn worst<'m>(objective: &Objective, meant: &[&'m MetricValue]) -> Option<&'m MetricValue> {
    let badness = |metric: &MetricValue| {
        let value = metric.value.as_f64();
        match objective.operator {
            _ if value.is_nan() => f64::INFINITY,
            Operator::Max => value,
            Operator::Min => -value,
        }
    };
    let nan = meant.iter().copied().find(|metric| metric.value.as_f64().is_nan());
    nan.or_else(|| meant.iter().copied().max_by(|a, b| badness(a).total_cmp(&badness(b))))
}

fn action(objective: &Objective, actual: Number) -> String {
    if actual.as_f64().is_nan() {
        return "the value is no number: check what computed it".to_owned();
    }
    let distance = (actual.as_f64() - objective.bound).abs();
    match objective.operator {
        Operator::Max => format!("bring it down by {distance}, or change the objective"),
        Operator::Min => format!("bring it up by {distance}, or change the objective"),
    }
}

fn missing(
    objective: &Objective,
    metrics: &[MetricValue],
    prefix: &str,
    only_labels: bool,
) -> Verdict {
    let wanted = stem(&objective.metric, prefix);
    let action = if only_labels {
        "the metric is there, but no series of it has these labels".to_owned()
    } else {
        match nearest(wanted, metrics, prefix) {
            Some(near) => format!("no metric has this name; did you mean `{near}`?"),
            None => "no metric has this name: check the report that it should come from".to_owned(),
        }
    };
    Verdict {
        code: format!("slo.{wanted}.missing"),
        metric: objective.metric.clone(),
        operator: "present",
        objective: objective.bound,
        actual: None,
        passed: false,
        severity: "fail",
        series: 0,
        labels: objective.labels.clone(),
        action,
    }
}

/// The most similar name that there is.
fn nearest<'m>(wanted: &str, metrics: &'m [MetricValue], prefix: &str) -> Option<&'m str> {
    const SIMILAR_MIN: f64 = 0.7;
    metrics
        .iter()
        .map(|metric| stem(&metric.name, prefix))
        .map(|name| (strsim::jaro_winkler(wanted, name), name))
        .filter(|(similar, _)| *similar >= SIMILAR_MIN)
        .max_by(|(left, _), (right, _)| left.total_cmp(right))
        .map(|(_, name)| name)
}
