//! `slo`: objectives from flags and files, metrics from exports, reports, stored runs and flags.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use flowglass_telemetry::evidence::{Input, JSON_FILE, write_all};
use flowglass_telemetry::problem::Problems;
use flowglass_telemetry::slo::{
    MetricValue, SLO_JSON_FILE, SLO_MARKDOWN_FILE, SloRequest, check, parse_objectives,
};

use super::args::{Format, SloArgs};
use super::export::{StoredReport, inputs, say_problems, verdict};
use crate::console;
use crate::exit::Exit;

pub(super) fn run(args: SloArgs, stored: StoredReport<'_>) -> anyhow::Result<Exit> {
    let mut problems = Problems::new(args.strict);
    let mut objectives = args.objective;
    for path in &args.objectives {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the objectives in {}", path.display()))?;
        let source = Arc::from(path.display().to_string());
        objectives.extend(parse_objectives(&text, &source, &mut problems));
    }
    let mut sources: Vec<Input> = args.metrics.iter().map(|path| export_at(path)).collect();
    sources.extend(inputs(&args.run_report, &args.run, stored)?);
    let metrics = args
        .metric
        .into_iter()
        .map(|(name, value)| MetricValue { name, labels: BTreeMap::new(), value })
        .collect();
    let report = check(
        SloRequest {
            objectives,
            sources,
            metrics,
            prefix: args.metrics_prefix.join(""),
            time: args.time.unwrap_or_else(jiff::Timestamp::now),
        },
        problems,
    );
    let (json, markdown) = (report.to_json(), report.to_markdown());
    if let Some(folder) = &args.output_dir {
        let files = [(SLO_MARKDOWN_FILE, markdown.as_bytes()), (SLO_JSON_FILE, json.as_bytes())];
        write_all(folder, &files)?;
    }
    match args.format {
        Format::Md => console::out(&markdown)?,
        Format::Json => {
            say_problems(&report.problems);
            console::out(&json)?;
        }
    }
    Ok(verdict(report.passed))
}

/// The folder of an export stands for the report in it.
fn export_at(path: &Path) -> Input {
    Input::Path(if path.is_dir() { path.join(JSON_FILE) } else { path.to_owned() })
}
