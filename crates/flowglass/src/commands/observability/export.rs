//! `metrics-export`, and what it shares with `slo`: turning flags into inputs.

use std::path::{Component, Path, PathBuf};

use flowglass_catalog::Prefix;
use flowglass_telemetry::evidence::{Input, Request, export, read_bounded};
use flowglass_telemetry::problem::{Problem, Severity};
use jiff::Timestamp;

use super::args::{ExportArgs, Format, NAMESPACE, SERVICE_NAME};
use crate::console;
use crate::exit::Exit;

/// Gives the run report of a stored run as JSON.
pub(crate) type StoredReport<'s> = &'s dyn Fn(&str) -> anyhow::Result<Vec<u8>>;

pub(super) fn run(args: ExportArgs, stored: StoredReport<'_>) -> anyhow::Result<Exit> {
    let inputs = inputs(&args.run_report, &args.run, stored)?;
    let request = Request {
        inputs,
        metrics: args.metric,
        labels: args.label,
        resource_attributes: args.resource_attr,
        service_name: args.service_name,
        namespace: args.namespace,
        prefix: args.metrics_prefix,
        omitted_run_labels: args.omit_run_label.into_iter().map(Into::into).collect(),
        strict: args.strict,
        time: args.time.unwrap_or_else(Timestamp::now),
        output_dir: plain(&args.output_dir),
    };
    let exported = export(&request);
    if let Some(digest) = &exported.summary.digest {
        console::say(&format!("digest: {digest}"));
    }
    match args.format {
        Format::Md => console::out(&exported.markdown)?,
        Format::Json => {
            say_problems(&exported.summary.problems);
            console::out(&exported.summary.to_json())?;
        }
    }
    Ok(verdict(exported.summary.passed))
}

/// Writes beside a report what `metrics-export` makes of it when no flag says otherwise, and answers
/// what went wrong.
pub(crate) fn metric_files(report: &str, folder: &Path, time: Timestamp) -> Vec<Problem> {
    let output_dir = plain(folder);
    let request = Request {
        inputs: vec![Input::Path(output_dir.join(report))],
        metrics: Vec::new(),
        labels: Vec::new(),
        resource_attributes: Vec::new(),
        service_name: SERVICE_NAME.to_owned(),
        namespace: NAMESPACE.to_owned(),
        prefix: Prefix::default(),
        omitted_run_labels: Vec::new(),
        strict: false,
        time,
        output_dir,
    };
    export(&request).summary.problems
}

/// The folder without `./` and closing `/`, as it then stands in every path that is written.
fn plain(folder: &Path) -> PathBuf {
    let plain: PathBuf = folder.components().filter(|part| *part != Component::CurDir).collect();
    if plain.as_os_str().is_empty() { PathBuf::from(".") } else { plain }
}

/// Files, folders and pipes as they are; `-` and stored runs are read here, where the world is.
pub(super) fn inputs(
    reports: &[PathBuf],
    runs: &[String],
    stored: StoredReport<'_>,
) -> anyhow::Result<Vec<Input>> {
    let mut inputs = Vec::with_capacity(reports.len() + runs.len());
    for path in reports {
        inputs.push(if path == Path::new("-") {
            let bytes = read_bounded(std::io::stdin().lock())?;
            Input::Bytes { name: "-".to_owned(), bytes }
        } else {
            Input::Path(path.clone())
        });
    }
    for run in runs {
        let name = format!("run:{run}");
        inputs.push(match stored(run) {
            Ok(bytes) => Input::Bytes { name, bytes },
            Err(error) => Input::Missing { name, why: format!("{error:#}") },
        });
    }
    Ok(inputs)
}

/// Problems on stderr, for the person who looks at a log while a program takes the JSON.
pub(super) fn say_problems(problems: &[Problem]) {
    for problem in problems {
        let word = match problem.severity {
            Severity::Blocker => "blocker",
            Severity::Warning => "warning",
        };
        console::say(&format!("{word}: {problem}"));
    }
}

pub(super) const fn verdict(passed: bool) -> Exit {
    if passed { Exit::Done } else { Exit::Failed }
}
