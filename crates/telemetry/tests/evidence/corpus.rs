//! Every report under `tests/reports/` with its golden complaint and its golden metrics.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use flowglass_catalog::offline::Metric;
use flowglass_model::{RunReport, Snapshot};
use flowglass_telemetry::evidence::{Input, PROMETHEUS_FILE, Request, export, parse_time};
use flowglass_telemetry::problem::Problems;
use flowglass_telemetry::report::{self, Kind, Number};

use super::promtext;
use super::support::{file, otlp, promtool, request, without_path};

#[test]
fn every_report_gives_its_golden_complaint() {
    let reports = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reports");
    let mut names: Vec<_> = std::fs::read_dir(&reports)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert!(names.len() >= 70, "reports are missing");
    for name in names {
        let folder = tempfile::tempdir().unwrap();
        let inputs = vec![Input::Path(reports.join(&name))];
        let exported = export(&Request { inputs, ..request(folder.path()) });
        let summary = &exported.summary;
        let mut said = format!("passed: {}\nkinds: ", summary.passed);
        let kinds: Vec<_> =
            summary.inputs.iter().map(|input| format!("{:?}", input.kind)).collect();
        writeln!(said, "{}\nproblems:", kinds.join(" ")).unwrap();
        for problem in &summary.problems {
            writeln!(said, "  {:?} {problem}", problem.severity).unwrap();
        }
        let page = file(folder.path(), PROMETHEUS_FILE);
        let samples = page.lines().filter(|line| !line.starts_with('#'));
        said.push_str("samples:\n");
        for sample in samples {
            let short: String = sample.chars().take(160).collect();
            writeln!(said, "  {short}").unwrap();
        }
        let said = said.replace(reports.to_str().unwrap(), "reports");
        let said = without_path(&said, folder.path());
        assert!(!said.contains("planted-secret") && !said.contains("PLANTEDSECRET"), "{said}");
        // Whatever the report, the files are whole.
        promtext::read(&page).unwrap();
        let (code, lines) = promtool(&page);
        assert!(code == 0 || (code == 3 && lines.iter().all(|it| is_documented(it))), "{lines:?}");
        otlp(&file(folder.path(), "opentelemetry_metrics.json"));
        insta::assert_snapshot!(format!("report_{}", name.trim_end_matches(".json")), said);
    }
}

/// The two documented names that end in `_count` are all that promtool may complain about.
fn is_documented(complaint: &str) -> bool {
    ["flowglass_error_count ", "flowglass_warning_count "]
        .iter()
        .any(|name| complaint.starts_with(name) && complaint.contains("\"_count\" suffix"))
}

#[test]
fn counts_are_exact_beyond_what_a_float_holds() {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reports/ok_ours.json");
    let folder = tempfile::tempdir().unwrap();
    let exported = export(&Request { inputs: vec![Input::Path(sample)], ..request(folder.path()) });
    assert!(exported.summary.problems.is_empty(), "{:?}", exported.summary.problems);
    assert!(file(folder.path(), PROMETHEUS_FILE).contains("} 9007199254740993\n"));
}

#[test]
fn the_report_that_the_model_writes_is_read_whole() {
    let mut report = RunReport::of(&Snapshot::default());
    report.process = "orders".to_owned();
    report.passed = true;
    report.status = "success".to_owned();
    report.finished_at = Some(parse_time("2026-01-31T12:00:00Z").unwrap());
    report.result.status = "success".to_owned();
    report.result.extracted_rows = 12;
    report.result.bytes = 34;
    report.result.duration_seconds = 1.5;
    report.warnings = vec!["look at this".to_owned()];
    let bytes = serde_json::to_vec(&report).unwrap();
    let mut problems = Problems::new(true);
    let read = report::read(&bytes, &Arc::from("r"), &mut problems).unwrap();
    assert!(!problems.blocked(), "{:?}", problems.into_list());
    assert_eq!(read.kind, Kind::RunReport);
    let [facts] = read.facts.as_slice() else { panic!("one run") };
    assert_eq!(facts.finished_unix_nano, Some(1_769_860_800_000_000_000));
    let value = |metric| facts.samples.iter().find(|sample| sample.metric == metric).unwrap().value;
    // Every number of the model's report has its metric.
    assert_eq!(facts.samples.len(), 15);
    assert_eq!(value(Metric::ExtractedRows), Number::Int(12));
    assert_eq!(value(Metric::MovedBytes), Number::Int(34));
    assert_eq!(value(Metric::DurationSeconds), Number::Double(1.5));
    assert_eq!(value(Metric::WarningCount), Number::Int(1));
    assert_eq!(value(Metric::ErrorCount), Number::Int(0));
    assert_eq!(value(Metric::RunPassed), Number::Int(1));
    assert_eq!(value(Metric::LedgerUnaccountedRows), Number::Int(0));
}
