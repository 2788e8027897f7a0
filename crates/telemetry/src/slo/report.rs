//! The check as a whole, and its report: `slo_report.json` and `slo_report.md`.

use jiff::Timestamp;
use serde::Serialize;

use crate::evidence::{Input, InputRecord, each, escape_markdown};
use crate::problem::{Code, Problem, Problems, Severity, codes_of};

use super::evaluate::{Verdict, evaluate};
use super::metrics::{MetricValue, read_metrics};
use super::objective::Objective;

/// Schema of `slo_report.json`.
pub const SLO_SCHEMA: &str = "flowglass.slo-report/v1";
/// The report for programs.
pub const SLO_JSON_FILE: &str = "slo_report.json";
/// The report for people.
pub const SLO_MARKDOWN_FILE: &str = "slo_report.md";

/// What to check.
#[derive(Debug)]
pub struct SloRequest {
    /// Objectives of the command line and of files.
    pub objectives: Vec<Objective>,
    /// Files and runs to read metrics from.
    pub sources: Vec<Input>,
    /// Metrics given by hand.
    pub metrics: Vec<MetricValue>,
    /// Prefix that names may carry, with its `_`.
    pub prefix: String,
    /// Time of the check.
    pub time: Timestamp,
}

/// What the check came to.
#[derive(Debug, Serialize)]
pub struct SloReport {
    /// [`SLO_SCHEMA`].
    pub schema: &'static str,
    /// Time of the check, RFC 3339.
    pub generated_at: String,
    /// Every objective was met, and nothing kept one from being checked.
    pub passed: bool,
    /// Series that were read.
    pub metric_count: usize,
    /// Codes of the blockers, each once.
    pub blockers: Vec<&'static str>,
    /// Codes of the warnings, each once.
    pub warnings: Vec<&'static str>,
    /// Every blocker and warning.
    pub problems: Vec<Problem>,
    /// One verdict an objective.
    pub results: Vec<Verdict>,
    /// Reports that were read.
    pub inputs: Vec<InputRecord>,
}

/// Checks every objective. `problems` holds what was found before: objectives that cannot be read,
/// files that are not there.
#[must_use]
pub fn check(request: SloRequest, mut problems: Problems) -> SloReport {
    let mut metrics = request.metrics;
    let mut inputs = Vec::new();
    each(&request.sources, &mut problems, &mut |name, bytes, problems| {
        let (values, record) = read_metrics(name, bytes, problems);
        metrics.extend(values);
        inputs.extend(record);
    });
    if request.objectives.is_empty() {
        problems.add(Code::SloNoObjectives, None, "nothing to check");
    }
    if metrics.is_empty() {
        problems.add(Code::SloNoMetrics, None, "nothing to check against");
    }
    let results: Vec<Verdict> = request
        .objectives
        .iter()
        .map(|objective| evaluate(objective, &metrics, &request.prefix))
        .collect();
    let problems = problems.into_list();
    let blockers = codes_of(&problems, Severity::Blocker);
    SloReport {
        schema: SLO_SCHEMA,
        generated_at: request.time.to_string(),
        passed: blockers.is_empty() && results.iter().all(|verdict| verdict.passed),
        metric_count: metrics.len(),
        blockers,
        warnings: codes_of(&problems, Severity::Warning),
        problems,
        results,
        inputs,
    }
}

impl SloReport {
    /// The report for programs.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// The report for people.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let mut out = String::from("# Flowglass objectives\n\n");
        out.push_str(&format!("- Passed: {}\n", if self.passed { "yes" } else { "no" }));
        out.push_str(&format!("- Series read: {}\n", self.metric_count));
        out.push_str(&format!("- Generated at: {}\n", self.generated_at));
        for (title, severity) in [("Blockers", Severity::Blocker), ("Warnings", Severity::Warning)]
        {
            out.push_str(&format!("\n## {title}\n\n"));
            let lines: Vec<String> = self
                .problems
                .iter()
                .filter(|problem| problem.severity == severity)
                .map(|problem| format!("- {}\n", escape_markdown(&problem.to_string())))
                .collect();
            out.push_str(if lines.is_empty() { "- none\n" } else { "" });
            out.push_str(&lines.concat());
        }
        out.push_str("\n## Objectives\n\n");
        out.push_str("| verdict | metric | objective | actual | series | what to do |\n");
        out.push_str("|---|---|---:|---:|---:|---|\n");
        for verdict in &self.results {
            let actual = verdict.actual.map_or_else(|| "missing".to_owned(), |it| it.to_string());
            out.push_str(&format!(
                "| {} | {} | {} {} | {actual} | {} | {} |\n",
                verdict.severity,
                escape_markdown(&verdict.metric),
                verdict.operator,
                verdict.objective,
                verdict.series,
                escape_markdown(&verdict.action)
            ));
        }
        out
    }
}
