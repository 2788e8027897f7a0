//! One golden for each file format, and what both formats promise beyond them.

use std::collections::BTreeSet;

use flowglass_catalog::{Prefix, offline};
use flowglass_telemetry::evidence::{
    JSON_FILE, MARKDOWN_FILE, METRICS_INDEX, OPENTELEMETRY_FILE, PROMETHEUS_FILE, Request,
    RunLabel, export,
};
use flowglass_telemetry::problem::Code;
use flowglass_telemetry::report::Number;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;

use super::promtext;
use super::support::{
    QUICKSTART, bytes, file, otlp, otlp_points, pair, promtool, request, without_path,
};

fn full(folder: &std::path::Path) -> Request {
    Request {
        inputs: vec![bytes("run_report.json", QUICKSTART)],
        metrics: vec![("Freshness-Lag.seconds".to_owned(), Number::Int(180))],
        labels: vec![
            pair("env", "prod"),
            pair("source.system", "postgres"),
            pair("odd", "a\"b|c\n\\"),
        ],
        resource_attributes: vec![pair("service.version", "0.7.1"), pair("deployment", "blue")],
        ..request(folder)
    }
}

#[test]
fn files() {
    let folder = tempfile::tempdir().unwrap();
    let exported = export(&full(folder.path()));
    assert!(exported.summary.passed);
    for name in [PROMETHEUS_FILE, OPENTELEMETRY_FILE, JSON_FILE, MARKDOWN_FILE, METRICS_INDEX] {
        let text = without_path(&file(folder.path(), name), folder.path());
        // These two hold checksums over the paths of a temporary folder.
        let mut settings = insta::Settings::clone_current();
        if name == METRICS_INDEX {
            settings.add_filter("[0-9a-f]{64}", "SHA256");
            settings.add_filter("\"size_bytes\": [0-9]+", "\"size_bytes\": SIZE");
        }
        settings.add_filter("\"version\":\"[0-9.]+\"", "\"version\":\"VERSION\"");
        settings.bind(|| insta::assert_snapshot!(format!("file_{name}"), text));
    }
    let printed = without_path(&exported.summary.to_json(), folder.path());
    let mut settings = insta::Settings::clone_current();
    settings.add_filter("[0-9a-f]{64}", "SHA256");
    settings.bind(|| insta::assert_snapshot!("printed_json", printed));
    assert_eq!(exported.markdown, file(folder.path(), MARKDOWN_FILE));
}

#[test]
fn the_same_call_gives_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let names = [PROMETHEUS_FILE, OPENTELEMETRY_FILE, JSON_FILE, MARKDOWN_FILE, METRICS_INDEX];
    let all = || {
        assert!(export(&full(folder.path())).summary.passed);
        names.map(|name| file(folder.path(), name))
    };
    assert_eq!(all(), all());
}

#[test]
fn the_prefix_of_the_peer_gives_its_exact_names() {
    let folder = tempfile::tempdir().unwrap();
    let prefix = Prefix::parse("dpone").unwrap();
    export(&Request { prefix, ..full(folder.path()) });
    let page = file(folder.path(), PROMETHEUS_FILE);
    let names: Vec<_> = promtext::read(&page).unwrap().into_iter().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        [
            "dpone_extracted_rows",
            "dpone_inserted_rows",
            "dpone_updated_rows",
            "dpone_final_rows",
            "dpone_duration_seconds",
            "dpone_throughput_rows_per_second",
            "dpone_attempts",
            "dpone_max_attempts",
            "dpone_retry_backoff_seconds",
            "dpone_error_count",
            "dpone_warning_count",
            "dpone_run_passed",
            "dpone_freshness_lag_seconds",
        ]
    );
    let (code, complaints) = promtool(&page);
    assert_eq!(code, 3);
    assert!(complaints.iter().all(|it| it.contains("_count")), "{complaints:?}");
}

#[test]
fn counts_are_integers_and_every_point_has_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let report = QUICKSTART.replacen('{', "{\"finished_at\": \"2026-01-31T11:59:59.5Z\",", 1);
    export(&Request { inputs: vec![bytes("r", report)], ..full(folder.path()) });
    for (name, unit, points) in otlp_points(&otlp(&file(folder.path(), OPENTELEMETRY_FILE))) {
        let stem = name.strip_prefix("flowglass_").unwrap();
        let def = offline::by_stem(stem);
        assert_eq!(unit, def.map_or("1", |def| def.unit), "{name}");
        for point in points {
            assert_eq!(point.time_unix_nano, 1_769_860_799_500_000_000, "{name}");
            let counts = def.is_some_and(|def| def.kind == offline::NumberKind::Count);
            assert_eq!(matches!(point.value, Some(Value::AsInt(_))), counts, "{name}");
        }
    }
}

#[test]
fn a_thousand_and_more_reports_become_one_group_a_name() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = (0..1_200)
        .map(|n| bytes(&format!("r{n}"), QUICKSTART.replace("01J8ZQ4K2M", &format!("run-{n}"))))
        .collect();
    let exported = export(&Request { inputs, ..request(folder.path()) });
    assert_eq!(exported.summary.warnings, ["series.too_many"]);
    assert_eq!(exported.summary.metric_count, 1_200 * 12);
    let page = file(folder.path(), PROMETHEUS_FILE);
    assert_eq!(promtool(&page).0, 3);
    let lines: BTreeSet<&str> = page.lines().collect();
    assert_eq!(lines.len(), 1_200 * 12 + 24, "a line stands twice");
    assert_eq!(promtext::read(&page).unwrap().len(), 12);
    assert!(file(folder.path(), MARKDOWN_FILE).contains("13400 more are in runtime_metrics.json"));
}

#[test]
fn without_the_run_id_the_run_that_ended_last_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let run = |id: &str, rows: &str, at: &str| {
        let report = QUICKSTART.replacen('{', &format!("{{\"finished_at\": \"{at}\","), 1);
        bytes(id, report.replace("01J8ZQ4K2M", id).replace("10000", rows))
    };
    let exported = export(&Request {
        inputs: vec![
            run("b", "222", "2026-01-02T00:00:00Z"),
            run("a", "111", "2026-01-01T00:00:00Z"),
        ],
        omitted_run_labels: vec![RunLabel::RunId],
        ..request(folder.path())
    });
    assert_eq!(exported.summary.warnings, [Code::SeriesRepeated.text()]);
    let page = file(folder.path(), PROMETHEUS_FILE);
    assert!(!page.contains("run_id"));
    assert!(page.contains("flowglass_extracted_rows{process=\"orders\",status=\"success\"} 222\n"));
    // OTLP keeps both runs apart.
    let points = otlp_points(&otlp(&file(folder.path(), OPENTELEMETRY_FILE)));
    assert!(points.iter().all(|(_, _, points)| points.len() == 2));
}

#[test]
fn flags_that_collide_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let metric = |name: &str, value: i64| (name.to_owned(), Number::Int(value));
    let exported = export(&Request {
        inputs: vec![bytes("r", QUICKSTART)],
        metrics: vec![
            metric("lag", 1),
            metric("lag", 2),
            metric("a b", 3),
            metric("A-B", 4),
            metric("größe", 5),
            metric("attempts", 6),
            metric("rows_total", 7),
            metric("flowglass_in\njected{} 1\nfake", 8),
        ],
        labels: vec![
            pair("env", "x"),
            pair("env", "y"),
            pair("a.b", "1"),
            pair("a-b", "2"),
            pair("__name__", "n"),
            pair("le", "3"),
            pair("größe", "g"),
            pair("run_id", "mine"),
        ],
        resource_attributes: vec![pair("service.name", "x"), pair("k", "1"), pair("k", "2")],
        ..request(folder.path())
    });
    let said: Vec<String> = exported.summary.problems.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!("colliding_problems", said.join("\n"));
    let page = file(folder.path(), PROMETHEUS_FILE);
    insta::assert_snapshot!("colliding_page", page);
    promtext::read(&page).unwrap();
    assert_ne!(promtool(&page).0, 1);
    let names: Vec<_> = otlp_points(&otlp(&file(folder.path(), OPENTELEMETRY_FILE)));
    let unique: BTreeSet<_> = names.iter().map(|(name, _, _)| name).collect();
    assert_eq!(unique.len(), names.len(), "one metric a name");
}
