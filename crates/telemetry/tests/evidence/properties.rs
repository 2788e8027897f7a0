//! Whatever goes in: no panic, and files that strict readers take.

use std::sync::Arc;

use flowglass_catalog::Prefix;
use flowglass_telemetry::evidence::{
    JSON_FILE, MARKDOWN_FILE, OPENTELEMETRY_FILE, PROMETHEUS_FILE, Request, export, redact,
    verify_folder,
};
use flowglass_telemetry::problem::Problems;
use flowglass_telemetry::report::{self, Number};
use proptest::prelude::*;

use super::promtext;
use super::support::{QUICKSTART, bytes, file, otlp, otlp_points, promtool, request};

/// Names that people and attackers write: some clean, some with what breaks formats.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z_.]{1,12}",
        "[a-z]{1,8}_(total|count|sum|bucket|info|ms|seconds)",
        "(flowglass_|dpone_|__)[a-zA-Z{}=\"\\\\ \n-]{1,12}",
        "(le|quantile|run_id|process|run-id|extracted_rows|error_count|__name__)",
        "\\PC{1,12}",
        any::<String>().prop_filter("a name is not empty", |text| !text.trim().is_empty()),
    ]
}

fn number() -> impl Strategy<Value = Number> {
    prop_oneof![any::<i64>().prop_map(Number::Int), any::<f64>().prop_map(Number::Double)]
}

fn pairs(of: usize) -> impl Strategy<Value = Vec<(String, String)>> {
    prop::collection::vec((name(), any::<String>()), 0..of)
}

/// Complaints of promtool that are about the wording of a name and never about the format.
fn is_wording(complaint: &str) -> bool {
    [
        "\"_count\" suffix",
        "metric names should not contain abbreviated units",
        "use base unit",
        "metric names should be written in 'snake_case' not 'camelCase'",
        "metric name should not include type",
        "label names should be written in 'snake_case' not 'camelCase'",
        "no help text",
    ]
    .iter()
    .any(|known| complaint.contains(known))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn any_flags_give_files_that_strict_readers_take(
        metrics in prop::collection::vec((name(), number()), 0..8),
        labels in pairs(8),
        resource_attributes in pairs(4),
        service_name: String,
        prefix in prop_oneof![Just("flowglass"), Just("dpone"), Just("x_")],
        with_report: bool,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let inputs = if with_report { vec![bytes("r", QUICKSTART)] } else { Vec::new() };
        let metric_names = metrics.len();
        let prefix = Prefix::parse(prefix).unwrap();
        let exported = export(&Request {
            inputs, metrics, labels, resource_attributes, service_name, prefix,
            ..request(folder.path())
        });
        prop_assert_eq!(exported.summary.passed, with_report || metric_names > 0);
        let page = file(folder.path(), PROMETHEUS_FILE);
        let groups = promtext::read(&page);
        prop_assert!(groups.is_ok(), "{groups:?}\n{page}");
        let (code, complaints) = promtool(&page);
        prop_assert!(code == 0 || code == 3, "{complaints:?}\n{page}");
        prop_assert!(complaints.iter().all(|it| is_wording(it)), "{complaints:?}\n{page}");
        // The independent decoder sees the same metrics with the same values.
        let data = otlp(&file(folder.path(), OPENTELEMETRY_FILE));
        let named: Vec<_> = otlp_points(&data).into_iter().map(|(name, _, _)| name).collect();
        let written: Vec<_> = groups.unwrap().into_iter().map(|(name, _)| name).collect();
        prop_assert_eq!(named, written);
        let json: serde_json::Value = serde_json::from_str(&file(folder.path(), JSON_FILE)).unwrap();
        prop_assert_eq!(json["metrics"].as_array().unwrap().len(), exported.summary.metric_count);
        prop_assert!(verify_folder(folder.path(), None).passed);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_as_a_report_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        read_any(&bytes);
    }

    #[test]
    fn any_damaged_report_never_panics(
        at in any::<prop::sample::Index>(),
        length in 0_usize..20,
        with in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..8),
            "(null|true|\"x\"|-1|1e999|NaN|\\[\\]|\\{\\}|\"\\\\ud800\"|\\[1|9999999999999999999999)".prop_map(String::into_bytes),
        ],
    ) {
        let mut report = QUICKSTART.as_bytes().to_vec();
        let begin = at.index(report.len());
        let end = (begin + length).min(report.len());
        report.splice(begin..end, with);
        read_any(&report);
    }

    #[test]
    fn redaction_ends_and_is_stable(text in "\\PC{0,60}", secret in "[a-z]{8}Q7[a-z]{4}") {
        let once = redact(&text).into_owned();
        prop_assert_eq!(redact(&once).into_owned(), once.clone());
        for planted in [
            format!("{text} postgres://bob:{secret}@db/x"),
            format!("{text} password={secret}"),
            format!("{text} Bearer {secret}"),
        ] {
            prop_assert!(!redact(&planted).contains(&secret), "{planted} {}", redact(&planted));
        }
    }

    #[test]
    fn markdown_holds_one_row_a_line(label: String) {
        let escaped = flowglass_telemetry::evidence::escape_markdown(&label);
        let breaks = escaped.contains(['\n', '\r', '<', '>', '\u{202E}']);
        prop_assert!(!breaks);
    }
}

fn read_any(bytes: &[u8]) {
    let source: Arc<str> = Arc::from("r");
    let mut problems = Problems::new(false);
    let report = report::read(bytes, &source, &mut problems);
    let blocked = problems.blocked();
    let listed = problems.into_list();
    assert_eq!(report.is_none(), blocked, "{listed:?}");
    assert!(
        listed.iter().all(|problem| problem.place.is_none_or(|it| it.line > 0 && it.column > 0))
    );
}

#[test]
fn the_markdown_of_a_hostile_report_is_plain() {
    let folder = tempfile::tempdir().unwrap();
    let report = QUICKSTART.replace("orders", "<img src=x> | [l](https://x) `\\n# h");
    export(&Request { inputs: vec![bytes("a|b\n# c", report)], ..request(folder.path()) });
    let text = file(folder.path(), MARKDOWN_FILE);
    assert!(!text.contains("<img") && !text.contains("https://"), "{text}");
    assert_eq!(text.lines().filter(|line| line.starts_with('#')).count(), 4);
}
