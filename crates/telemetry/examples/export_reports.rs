//! How long one export of many reports takes: `cargo run --release -p flowglass-telemetry --example
//! export_reports -- 1000`.
//!
//! The reports are written to a temporary folder first and read back in the measured part, which ends
//! when all five files stand. The median of several exports is printed, with the fastest and slowest.

use std::path::Path;
use std::time::Duration;

use flowglass_catalog::Prefix;
use flowglass_telemetry::evidence::{Input, Request, export, parse_time};

const ROUNDS: usize = 11;

#[expect(clippy::print_stdout, reason = "the figure is what this program is for")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let reports: usize = std::env::args().nth(1).map_or(Ok(1_000), |text| text.parse())?;
    let folder = tempfile::tempdir()?;
    let inputs = write_reports(folder.path(), reports)?;
    let mut times = Vec::with_capacity(ROUNDS);
    let mut points = 0;
    for round in 0..ROUNDS {
        let request = request(&folder.path().join(format!("out-{round}")), inputs.clone())?;
        let (time, count) = measured(&request)?;
        times.push(time);
        points = count;
    }
    times.sort_unstable();
    let [fastest, .., slowest] = times.as_slice() else { return Err("no round".into()) };
    let median = times.get(ROUNDS / 2).ok_or("no round")?;
    println!("{reports} reports, {points} points: median {median:?} ({fastest:?} to {slowest:?})");
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures the real clock")]
fn measured(request: &Request) -> Result<(Duration, usize), String> {
    let start = std::time::Instant::now();
    let exported = export(request);
    let time = start.elapsed();
    if exported.summary.passed {
        Ok((time, exported.summary.metric_count))
    } else {
        Err(format!("blocked: {:?}", exported.summary.blockers))
    }
}

/// Reports of the size of the quickstart: nine numbers of the run and four labels.
fn write_reports(folder: &Path, reports: usize) -> std::io::Result<Vec<Input>> {
    let mut inputs = Vec::with_capacity(reports);
    for number in 0..reports {
        let path = folder.join(format!("run_report_{number}.json"));
        let report = format!(
            r#"{{"manifest": "examples/orders.yaml", "process": "orders", "selector": null,
  "run_id": "manual-{number:032x}", "passed": true, "attempts": 1, "max_attempts": 3,
  "retry_backoff_seconds": 2.0, "result": {{"status": "success", "inserted_rows": 10000,
  "updated_rows": {number}, "final_rows": 10000, "extracted_rows": 10000,
  "duration_seconds": 12.5, "errors": []}}}}"#
        );
        std::fs::write(&path, report)?;
        inputs.push(Input::Path(path));
    }
    Ok(inputs)
}

fn request(output_dir: &Path, inputs: Vec<Input>) -> Result<Request, Box<dyn std::error::Error>> {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    Ok(Request {
        inputs,
        metrics: Vec::new(),
        labels: vec![pair("env", "local"), pair("pipeline", "orders")],
        resource_attributes: Vec::new(),
        service_name: "flowglass".to_owned(),
        namespace: "flowglass.local".to_owned(),
        prefix: Prefix::default(),
        omitted_run_labels: Vec::new(),
        strict: false,
        time: parse_time("2026-01-31T12:00:00Z")?,
        output_dir: output_dir.to_owned(),
    })
}
