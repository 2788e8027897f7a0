//! Objectives against exports and reports: what passes, and everything that must not.

use std::collections::BTreeMap;

use flowglass_telemetry::evidence::{Input, JSON_FILE, Request, export, parse_time};
use flowglass_telemetry::problem::Problems;
use flowglass_telemetry::report::Number;
use flowglass_telemetry::slo::{MetricValue, SloReport, SloRequest, check};

use super::support::{QUICKSTART, bytes, request};

fn report(objectives: &[&str], sources: Vec<Input>) -> SloReport {
    check(
        SloRequest {
            objectives: objectives.iter().map(|text| text.parse().unwrap()).collect(),
            sources,
            metrics: Vec::new(),
            prefix: "flowglass_".to_owned(),
            time: parse_time("2026-01-31T12:00:00Z").unwrap(),
        },
        Problems::new(false),
    )
}

fn quickstart() -> Vec<Input> {
    vec![bytes("r", QUICKSTART)]
}

#[track_caller]
fn verdict(objective: &str, passes: bool) {
    assert_eq!(report(&[objective], quickstart()).passed, passes, "{objective}");
}

#[test]
fn bounds_are_inclusive_and_names_go_with_and_without_prefix() {
    verdict("duration_seconds<=12.5", true);
    verdict("flowglass_duration_seconds<=12.4", false);
    verdict("dpone_final_rows>=20000", true);
    verdict("final_rows>=20001", false);
    verdict("error_count<=0", true);
    verdict("final_rows{process=orders}>=1", true);
    verdict("final_rows{process=other}>=1", false);
    verdict("freshness_lag<=300", false);
}

#[test]
fn an_export_is_read_as_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    export(&Request { inputs: quickstart(), ..request(folder.path()) });
    let sources = vec![Input::Path(folder.path().join(JSON_FILE))];
    assert!(report(&["run_passed>=1", "warning_count<=1"], sources.clone()).passed);
    assert!(!report(&["run_passed>=1", "warning_count<=0"], sources).passed);
}

#[test]
fn nothing_is_green_by_mistake() {
    let blockers = |objectives: &[&str], sources| {
        let said = report(objectives, sources);
        assert!(!said.passed);
        said.blockers
    };
    assert_eq!(blockers(&[], quickstart()), ["slo.no_objectives"]);
    assert_eq!(blockers(&["attempts<=1"], vec![]), ["slo.no_metrics"]);
    assert_eq!(blockers(&["attempts<=1"], vec![bytes("r", "{}")]), ["slo.no_metrics"]);
    assert_eq!(
        blockers(&["attempts<=1"], vec![bytes("r", "{")]),
        ["run_report.invalid_json", "slo.no_metrics"]
    );
    // One good report does not hide a broken one.
    let mixed = vec![bytes("good", QUICKSTART), bytes("broken", "{")];
    assert_eq!(blockers(&["attempts<=1"], mixed), ["run_report.invalid_json"]);
    let absent = vec![Input::Path("absent.json".into())];
    assert_eq!(blockers(&["attempts<=1"], absent), ["run_report.missing", "slo.no_metrics"]);
    let export = |passed: &str, value: &str| {
        let text = format!(
            r#"{{"passed": {passed}, "metric_count": 1, "metrics": [{{"name": "flowglass_attempts", "value": {value}}}]}}"#
        );
        vec![bytes("runtime_metrics.json", text)]
    };
    assert!(report(&["attempts<=1"], export("true", "1")).passed);
    assert_eq!(
        blockers(&["attempts<=1"], export("false", "1")),
        ["slo.invalid_metrics", "slo.no_metrics"]
    );
    assert_eq!(
        blockers(&["attempts<=1"], export("null", "1")),
        ["slo.invalid_metrics", "slo.no_metrics"]
    );
    assert_eq!(
        blockers(&["attempts<=1"], export("true", "true")),
        ["slo.invalid_metrics", "slo.no_metrics"]
    );
    for word in ["\"NaN\"", "\"Infinity\""] {
        assert!(!report(&["attempts<=1"], export("true", word)).passed);
    }
    assert!(!report(&["attempts>=1"], export("true", "\"NaN\"")).passed);
}

#[test]
fn the_worst_of_many_runs_decides() {
    let runs = |seconds: [&str; 3]| {
        let runs = seconds.iter().enumerate();
        runs.map(|(n, seconds)| {
            let text =
                QUICKSTART.replace("01J8ZQ4K2M", &format!("run-{n}")).replace("12.5", seconds);
            bytes(&format!("r{n}"), text)
        })
        .collect::<Vec<_>>()
    };
    let said = report(&["duration_seconds<=10"], runs(["1.5", "11.5", "2.5"]));
    assert!(!said.passed);
    assert_eq!(said.results[0].actual, Some(Number::Double(11.5)));
    assert_eq!(said.results[0].labels["run_id"], "run-1");
    assert_eq!(said.results[0].series, 3);
    assert!(report(&["duration_seconds<=10"], runs(["1.5", "9.5", "2.5"])).passed);
}

#[test]
fn a_metric_that_is_no_number_never_passes() {
    for operator in ["<=", ">="] {
        let said = check(
            SloRequest {
                objectives: vec![format!("lag{operator}0").parse().unwrap()],
                sources: Vec::new(),
                metrics: vec![MetricValue {
                    name: "lag".to_owned(),
                    labels: BTreeMap::new(),
                    value: Number::Double(f64::NAN),
                }],
                prefix: "flowglass_".to_owned(),
                time: parse_time("0").unwrap(),
            },
            Problems::new(false),
        );
        assert!(!said.passed);
    }
}

#[test]
fn goldens() {
    let objectives =
        ["duration_secnds<=3", "duration_seconds<=300", "final_rows>=1e6", "attempts{env=prod}<=1"];
    let said = report(&objectives, quickstart());
    insta::assert_snapshot!("slo_report.json", said.to_json());
    insta::assert_snapshot!("slo_report.md", said.to_markdown());
}
