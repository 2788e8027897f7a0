//! The export: reports in, five files out.
//!
//! A blocked export is still evidence, but it must not replace better evidence. Where the folder
//! holds a good export, that stays untouched to the last byte and the blocked one leaves only its two
//! reports, `runtime_metrics.blocked.json` and `.md`; where it does not, all five files are written,
//! with `"passed": false`. A good export removes the two reports of a blocked one before it.

use std::path::PathBuf;
use std::sync::Arc;

use flowglass_catalog::Prefix;
use jiff::Timestamp;

use crate::problem::{Code, Problems};
use crate::report::Number;

use super::index::{METRICS_INDEX, METRICS_INDEX_SCHEMA, MetricsIndex, artifact, digest_of};
use super::input::{Input, load};
use super::labels::{Labeller, RunLabel, last_of_each, safe_names, safe_value, shown};
use super::otlp::{self, Resource};
use super::points::{MetricSet, Shape, Sourced, gather};
use super::prometheus;
use super::summary::{
    BLOCKED_JSON_FILE, BLOCKED_MARKDOWN_FILE, JSON_FILE, MARKDOWN_FILE, OPENTELEMETRY_FILE,
    PROMETHEUS_FILE, RUNTIME_METRICS_SCHEMA, Summary,
};
use super::write::{WriteError, write_all};

/// What to export.
#[derive(Clone, Debug)]
pub struct Request {
    /// The reports.
    pub inputs: Vec<Input>,
    /// `--metric`: raw name and value, in the order given.
    pub metrics: Vec<(String, Number)>,
    /// `--label`: raw name and value.
    pub labels: Vec<(String, String)>,
    /// `--resource-attr`: name and value.
    pub resource_attributes: Vec<(String, String)>,
    /// `service.name`.
    pub service_name: String,
    /// `service.namespace`.
    pub namespace: String,
    /// Prefix of every metric name.
    pub prefix: Prefix,
    /// Labels of the run that stay out of the Prometheus file; OTLP keeps them.
    pub omitted_run_labels: Vec<RunLabel>,
    /// Warnings block.
    pub strict: bool,
    /// Time of the export, and of points whose run does not say when it ended.
    pub time: Timestamp,
    /// Folder to write into; made when it is not there.
    pub output_dir: PathBuf,
}

/// What an export came to, ready to be printed.
#[derive(Debug)]
pub struct Exported {
    /// The report of the export.
    pub summary: Summary,
    /// The same for people: what `runtime_metrics.md` holds.
    pub markdown: String,
}

/// Exports: reads the reports, writes the files, and tells what came of it. Everything that goes
/// wrong is a blocker in the summary.
pub fn export(request: &Request) -> Exported {
    let mut problems = Problems::new(request.strict);
    let prepared = prepare(request, &mut problems);
    let mut summary = prepared.summary;
    let listed = problems.clone();
    summary.settle(problems.into_list());
    let last_good = !summary.passed && holds_good_export(request);
    if last_good {
        summary.kept_last_good = true;
        summary.json_report_path = path_in(&summary.output_dir, BLOCKED_JSON_FILE);
        summary.markdown_report_path = path_in(&summary.output_dir, BLOCKED_MARKDOWN_FILE);
    }
    let json = summary.to_json_with(&prepared.metrics);
    let markdown = summary.to_markdown(&prepared.metrics);
    let written = if last_good {
        let files =
            [(BLOCKED_JSON_FILE, json.as_bytes()), (BLOCKED_MARKDOWN_FILE, markdown.as_bytes())];
        write_all(&request.output_dir, &files).map(|()| None)
    } else {
        write_files(request, &prepared.metrics, &prepared.resource, &summary, (&json, &markdown))
            .map(Some)
    };
    match written {
        Ok(digest) => {
            summary.digest = digest;
            Exported { summary, markdown }
        }
        Err(error) => unwritten(summary, &prepared.metrics, listed, &error),
    }
}

struct Prepared {
    summary: Summary,
    metrics: MetricSet,
    /// Resource attributes as they are written.
    resource: ResourceTexts,
}

struct ResourceTexts {
    service_name: String,
    namespace: String,
    attributes: Vec<(String, String)>,
}

fn prepare(request: &Request, problems: &mut Problems) -> Prepared {
    let mut loaded = load(&request.inputs, problems);
    let mut measured = false;
    for Sourced { source, facts } in &mut loaded.facts {
        measured |= facts.measured;
        if !facts.measured {
            // Two counts that are zero because nothing is listed are no evidence of a run.
            facts.samples.clear();
            problems.add(Code::RunReportUnrecognised, Some(source), "the report holds no number");
        }
    }
    let labeller = Labeller::new(&request.labels, &request.omitted_run_labels, problems);
    let now = u64::try_from(request.time.as_nanosecond()).unwrap_or(0);
    let custom = safe_names(&request.metrics, &Arc::from("--metric"), problems);
    let shape = Shape {
        prefix: &request.prefix,
        labeller: &labeller,
        custom: &custom,
        time_unix_nano: now,
    };
    let metrics = gather(&shape, &loaded.facts, problems);
    if !measured && request.metrics.is_empty() {
        problems.add(
            Code::MetricsEmpty,
            None,
            "no report holds a number and no `--metric` is given",
        );
    }
    let resource = resource_texts(request, problems);
    let output_dir = request.output_dir.display().to_string();
    let summary = Summary {
        schema: RUNTIME_METRICS_SCHEMA,
        generated_at: request.time.to_string(),
        passed: false,
        strict: request.strict,
        metric_count: metrics.len(),
        service_name: resource.service_name.clone(),
        namespace: resource.namespace.clone(),
        prometheus_path: path_in(&output_dir, PROMETHEUS_FILE),
        opentelemetry_path: path_in(&output_dir, OPENTELEMETRY_FILE),
        metrics_index_path: path_in(&output_dir, METRICS_INDEX),
        json_report_path: path_in(&output_dir, JSON_FILE),
        markdown_report_path: path_in(&output_dir, MARKDOWN_FILE),
        output_dir,
        kept_last_good: false,
        blockers: Vec::new(),
        warnings: Vec::new(),
        problems: Vec::new(),
        resource_attributes: resource.attributes.clone(),
        inputs: loaded.records,
        digest: None,
    };
    Prepared { summary, metrics, resource }
}

fn path_in(folder: &str, name: &str) -> String {
    if folder.is_empty() || folder.ends_with('/') {
        format!("{folder}{name}")
    } else {
        format!("{folder}/{name}")
    }
}

fn resource_texts(request: &Request, problems: &mut Problems) -> ResourceTexts {
    let flag: Arc<str> = Arc::from("--resource-attr");
    let pairs = safe_names(&request.resource_attributes, &flag, problems);
    let mut attributes = last_of_each(&pairs, Code::ResourceAttrRepeated, &flag, problems);
    attributes.retain(|(key, _)| {
        let reserved = matches!(key.as_str(), "service.name" | "service.namespace");
        if reserved {
            let says = format!("`{}` is set by its own flag", shown(key));
            problems.add(Code::ResourceAttrReserved, Some(&flag), says);
        }
        !reserved
    });
    for (key, value) in &mut attributes {
        *value = safe_value(key, value, &flag, problems);
    }
    ResourceTexts {
        service_name: safe_value(
            "service.name",
            &request.service_name,
            &Arc::from("--service-name"),
            problems,
        ),
        namespace: safe_value(
            "service.namespace",
            &request.namespace,
            &Arc::from("--namespace"),
            problems,
        ),
        attributes,
    }
}

/// Whether the folder holds an export that nothing blocked. One of an unknown tool counts as good.
fn holds_good_export(request: &Request) -> bool {
    let Ok(text) = std::fs::read(request.output_dir.join(METRICS_INDEX)) else { return false };
    let index: Option<serde_json::Value> = serde_json::from_slice(&text).ok();
    index.is_some_and(|index| index.get("passed") != Some(&serde_json::Value::Bool(false)))
}

fn write_files(
    request: &Request,
    metrics: &MetricSet,
    resource: &ResourceTexts,
    summary: &Summary,
    (json, markdown): (&str, &str),
) -> Result<String, WriteError> {
    let prom = prometheus::render(metrics);
    let otlp = otlp::render(
        metrics,
        &Resource {
            service_name: &resource.service_name,
            namespace: &resource.namespace,
            attributes: &resource.attributes,
        },
    );
    let contents: [(&str, &str, (&str, &str)); 4] = [
        (PROMETHEUS_FILE, &prom, ("prometheus", "Metrics in the Prometheus text format.")),
        (OPENTELEMETRY_FILE, &otlp, ("opentelemetry", "Metrics as one line of OTLP JSON.")),
        (JSON_FILE, json, ("runtime_report", "Report of the export for programs.")),
        (MARKDOWN_FILE, markdown, ("runtime_report", "Report of the export for people.")),
    ];
    let mut artifacts: Vec<_> = contents
        .iter()
        .map(|(name, text, about)| {
            artifact(path_in(&summary.output_dir, name), name, text.as_bytes(), *about)
        })
        .collect();
    artifacts.sort_by(|left, right| left.name.cmp(&right.name));
    let entries =
        artifacts.iter().map(|a| (a.relative_path.as_str(), a.sha256.as_str(), a.size_bytes));
    let index = MetricsIndex {
        schema: METRICS_INDEX_SCHEMA,
        generated_at: summary.generated_at.clone(),
        passed: summary.passed,
        output_dir: &summary.output_dir,
        digest: digest_of(entries),
        artifacts,
        inputs: &summary.inputs,
    };
    let mut text = serde_json::to_string_pretty(&index).unwrap_or_default();
    text.push('\n');
    let mut files: Vec<(&str, &[u8])> =
        contents.iter().map(|(name, text, _)| (*name, text.as_bytes())).collect();
    files.push((METRICS_INDEX, text.as_bytes()));
    write_all(&request.output_dir, &files)?;
    for stale in [BLOCKED_JSON_FILE, BLOCKED_MARKDOWN_FILE] {
        // What is not there need not be removed, and what cannot be is named by `verify`.
        drop(std::fs::remove_file(request.output_dir.join(stale)));
    }
    Ok(index.digest)
}

/// The summary of an export that could not be written: its blocker is printed alone.
fn unwritten(
    mut summary: Summary,
    metrics: &MetricSet,
    mut problems: Problems,
    error: &WriteError,
) -> Exported {
    let source: Arc<str> = Arc::from(super::redact::redact(&error.path().display().to_string()));
    problems.add(Code::OutputUnwritable, Some(&source), error.cause().to_string());
    summary.settle(problems.into_list());
    let markdown = summary.to_markdown(metrics);
    Exported { summary, markdown }
}
