//! What the tests of evidence share: a request with everything fixed, and the two outside judges.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use flowglass_catalog::Prefix;
use flowglass_telemetry::evidence::{Input, Request, parse_time};
use opentelemetry_proto::tonic::metrics::v1::{MetricsData, NumberDataPoint, metric};

pub(crate) const QUICKSTART: &str = r#"{
  "manifest": "examples/orders.yaml", "process": "orders", "selector": null, "run_id": "01J8ZQ4K2M",
  "passed": true, "attempts": 1, "max_attempts": 3, "retry_backoff_seconds": 2.5,
  "result": {"status": "success", "extracted_rows": 10000, "inserted_rows": 9990, "updated_rows": 10,
    "final_rows": 20000, "duration_seconds": 12.5, "throughput_rows_per_second": 800, "errors": []},
  "errors": [], "warnings": ["one row was late"], "blockers": []
}"#;

/// A request without inputs that writes into `folder` at a fixed time.
pub(crate) fn request(folder: &Path) -> Request {
    Request {
        inputs: Vec::new(),
        metrics: Vec::new(),
        labels: Vec::new(),
        resource_attributes: Vec::new(),
        service_name: "flowglass".to_owned(),
        namespace: "flowglass.local".to_owned(),
        prefix: Prefix::default(),
        omitted_run_labels: Vec::new(),
        strict: false,
        time: parse_time("2026-01-31T12:00:00Z").unwrap(),
        output_dir: folder.to_owned(),
    }
}

/// A report that was read already.
pub(crate) fn bytes(name: &str, bytes: impl Into<Vec<u8>>) -> Input {
    Input::Bytes { name: name.to_owned(), bytes: bytes.into() }
}

pub(crate) fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// Prometheus's own verdict: 0 good, 1 refused, 3 parsed but with complaints, which are given.
pub(crate) fn promtool(page: &str) -> (i32, Vec<String>) {
    let mut child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is needed: run `cargo xtask deps` (Debian package prometheus)");
    child.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let said = child.wait_with_output().unwrap();
    let text = [said.stdout, said.stderr].concat();
    let lines = String::from_utf8_lossy(&text).lines().map(str::to_owned).collect();
    (said.status.code().unwrap(), lines)
}

/// Reads the OTLP file by protobuf's own types. Every line must be one message.
pub(crate) fn otlp(text: &str) -> MetricsData {
    let mut lines = text.lines();
    let data = serde_json::from_str(lines.next().unwrap()).unwrap();
    assert_eq!(lines.next(), None, "more than one line");
    data
}

/// Name, unit and points of every metric.
pub(crate) fn otlp_points(data: &MetricsData) -> Vec<(String, String, Vec<NumberDataPoint>)> {
    let scopes = data.resource_metrics.iter().flat_map(|resource| &resource.scope_metrics);
    scopes
        .flat_map(|scope| &scope.metrics)
        .map(|metric| {
            let Some(metric::Data::Gauge(gauge)) = &metric.data else { panic!("no gauge") };
            (metric.name.clone(), metric.unit.clone(), gauge.data_points.clone())
        })
        .collect()
}

/// A file of the folder as text.
pub(crate) fn file(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).unwrap()
}

/// The text with the folder's own path replaced, so that a golden does not depend on it.
pub(crate) fn without_path(text: &str, folder: &Path) -> String {
    text.replace(folder.to_str().unwrap(), "OUT")
}
