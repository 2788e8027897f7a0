//! Every report under `tests/reports/` with its golden complaint and its golden metrics.

use std::fmt::Write as _;
use std::path::Path;

use flowglass_telemetry::evidence::{Input, PROMETHEUS_FILE, Request, export};

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
fn reports_of_the_model_are_read_whole() {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reports/ok_ours.json");
    let folder = tempfile::tempdir().unwrap();
    let exported = export(&Request { inputs: vec![Input::Path(sample)], ..request(folder.path()) });
    assert!(exported.summary.problems.is_empty(), "{:?}", exported.summary.problems);
    let page = file(folder.path(), PROMETHEUS_FILE);
    // Exact beyond 2^53, where a float would have lost the last digit.
    assert!(page.contains("} 9007199254740993\n"));
}
