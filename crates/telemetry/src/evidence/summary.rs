//! The export's own report: `runtime_metrics.json`, `runtime_metrics.md`, and what is printed.

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::problem::{Problem, Severity, codes_of};

use super::input::InputRecord;
use super::markdown::escape;
use super::points::{Group, MetricSet, Point};

/// Schema of `runtime_metrics.json`.
pub const RUNTIME_METRICS_SCHEMA: &str = "flowglass.runtime-metrics/v1";
/// Rows of the metric table in `runtime_metrics.md` at most.
pub const MARKDOWN_ROWS_MAX: usize = 1_000;

/// Names of the files of an export.
pub const PROMETHEUS_FILE: &str = "prometheus_metrics.prom";
/// OTLP JSON.
pub const OPENTELEMETRY_FILE: &str = "opentelemetry_metrics.json";
/// The machine-readable report.
pub const JSON_FILE: &str = "runtime_metrics.json";
/// The report for people.
pub const MARKDOWN_FILE: &str = "runtime_metrics.md";
/// The machine-readable report of a blocked export beside files that are left alone.
pub const BLOCKED_JSON_FILE: &str = "runtime_metrics.blocked.json";
/// The report for people of a blocked export beside files that are left alone.
pub const BLOCKED_MARKDOWN_FILE: &str = "runtime_metrics.blocked.md";

/// What an export came to.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// [`RUNTIME_METRICS_SCHEMA`].
    pub schema: &'static str,
    /// Time of the export, RFC 3339.
    pub generated_at: String,
    /// No blocker.
    pub passed: bool,
    /// Warnings count as blockers.
    pub strict: bool,
    /// The folder as given.
    pub output_dir: String,
    /// Number of metric points.
    pub metric_count: usize,
    /// `service.name` of the OTLP resource.
    pub service_name: String,
    /// `service.namespace` of the OTLP resource.
    pub namespace: String,
    /// Path of the Prometheus file.
    pub prometheus_path: String,
    /// Path of the OTLP file.
    pub opentelemetry_path: String,
    /// Path of the checksum index.
    pub metrics_index_path: String,
    /// Path of the machine-readable report.
    pub json_report_path: String,
    /// Path of the report for people.
    pub markdown_report_path: String,
    /// The export was blocked and the files of an earlier, good one were left as they are.
    pub kept_last_good: bool,
    /// Codes of the blockers, each once.
    pub blockers: Vec<&'static str>,
    /// Codes of the warnings, each once.
    pub warnings: Vec<&'static str>,
    /// Every blocker and warning with its place.
    pub problems: Vec<Problem>,
    /// Attributes of the OTLP resource beyond the service's name and namespace.
    #[serde(serialize_with = "as_map")]
    pub resource_attributes: Vec<(String, String)>,
    /// The reports that were read.
    pub inputs: Vec<InputRecord>,
    /// Digest over the files that were written. It is printed but not in `runtime_metrics.json`, which
    /// is one of those files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

#[expect(clippy::ptr_arg, reason = "serde hands over the field's own type")]
fn as_map<S: Serializer>(pairs: &Vec<(String, String)>, to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(pairs.iter().map(|(key, value)| (key, value)))
}

impl Summary {
    /// Takes the problems in and sets what follows from them.
    pub(crate) fn settle(&mut self, problems: Vec<Problem>) {
        self.blockers = codes_of(&problems, Severity::Blocker);
        self.warnings = codes_of(&problems, Severity::Warning);
        self.passed = self.blockers.is_empty();
        self.problems = problems;
    }

    /// What `--format json` prints: everything but the metrics.
    #[must_use]
    pub fn to_json(&self) -> String {
        pretty(self)
    }

    /// `runtime_metrics.json`: with the metrics.
    pub(crate) fn to_json_with(&self, metrics: &MetricSet) -> String {
        pretty(&WithMetrics { summary: self, metrics: MetricList(metrics) })
    }

    /// `runtime_metrics.md`, which `--format md` prints too.
    pub(crate) fn to_markdown(&self, metrics: &MetricSet) -> String {
        let mut out = String::from("# Flowglass runtime metrics\n\n");
        let mut bullet = |name: &str, value: &str| {
            out.push_str(&format!("- {name}: {}\n", escape(value)));
        };
        bullet("Passed", if self.passed { "yes" } else { "no" });
        bullet("Metric count", &self.metric_count.to_string());
        bullet("Service name", &self.service_name);
        bullet("Namespace", &self.namespace);
        bullet("Output dir", &self.output_dir);
        bullet("Reports read", &self.inputs.len().to_string());
        bullet("Generated at", &self.generated_at);
        if self.kept_last_good {
            out.push_str("\nThis export was blocked. The files of the last good one were kept.\n");
        }
        out.push_str("\n| artifact | path |\n|---|---|\n");
        for (name, path) in [
            ("Prometheus", &self.prometheus_path),
            ("OpenTelemetry JSON", &self.opentelemetry_path),
            ("Metrics index", &self.metrics_index_path),
            ("JSON report", &self.json_report_path),
            ("Markdown report", &self.markdown_report_path),
        ] {
            out.push_str(&format!("| {name} | {} |\n", escape(path)));
        }
        problem_section(&mut out, "Blockers", &self.problems, Severity::Blocker);
        problem_section(&mut out, "Warnings", &self.problems, Severity::Warning);
        metric_section(&mut out, metrics);
        out
    }
}

fn pretty(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}

pub(crate) fn problem_section(
    out: &mut String,
    title: &str,
    problems: &[Problem],
    severity: Severity,
) {
    out.push_str(&format!("\n## {title}\n\n"));
    let mut none = true;
    for problem in problems.iter().filter(|problem| problem.severity == severity) {
        none = false;
        out.push_str(&format!("- {}\n", escape(&problem.to_string())));
    }
    if none {
        out.push_str("- none\n");
    }
}

fn metric_section(out: &mut String, metrics: &MetricSet) {
    out.push_str("\n## Metrics\n\n");
    let total = metrics.len();
    if total == 0 {
        out.push_str("- none\n");
        return;
    }
    out.push_str("| metric | value | unit | labels |\n|---|---:|---|---|\n");
    let rows = metrics.groups.iter().flat_map(|group| group.points.iter().map(move |p| (group, p)));
    for (group, point) in rows.take(MARKDOWN_ROWS_MAX) {
        let labels = metrics.labels.get(point.set).map_or("{}", |set| set.object.get());
        let labels = labels.trim_start_matches('{').trim_end_matches('}');
        let (name, labels) = (escape(&group.name), escape(labels));
        out.push_str(&format!("| {name} | {} | {} | {labels} |\n", point.value, group.unit));
    }
    if total > MARKDOWN_ROWS_MAX {
        out.push_str(&format!("\n{} more are in {JSON_FILE}.\n", total - MARKDOWN_ROWS_MAX));
    }
}

#[derive(Serialize)]
struct WithMetrics<'s> {
    #[serde(flatten)]
    summary: &'s Summary,
    metrics: MetricList<'s>,
}

struct MetricList<'s>(&'s MetricSet);

impl Serialize for MetricList<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let points = self.0.groups.iter().flat_map(|group| {
            group.points.iter().map(move |point| MetricEntry { set: self.0, group, point })
        });
        to.collect_seq(points)
    }
}

struct MetricEntry<'s> {
    set: &'s MetricSet,
    group: &'s Group,
    point: &'s Point,
}

impl Serialize for MetricEntry<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut json = to.serialize_struct("Metric", 5)?;
        json.serialize_field("name", &self.group.name)?;
        json.serialize_field("value", &self.point.value)?;
        json.serialize_field("unit", self.group.unit)?;
        if let Some(labels) = self.set.labels.get(self.point.set) {
            json.serialize_field("labels", &*labels.object)?;
        }
        json.serialize_field("description", &self.group.help)?;
        json.end()
    }
}
