//! `flowglass observability …` as a script meets it: flags, exit codes, what is on stdout.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const REPORT: &str = r#"{"run_id": "r1", "process": "orders", "passed": true, "attempts": 1,
    "result": {"status": "success", "extracted_rows": 10, "errors": []}}"#;

/// Runs the command with `stdin` and without the caller's environment.
fn flowglass(folder: &Path, args: &[&str], stdin: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_flowglass"))
        .arg("observability")
        .args(args)
        .current_dir(folder)
        .env_remove("SOURCE_DATE_EPOCH")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    // A command that refuses its flags ends before it reads.
    drop(child.stdin.take().expect("a pipe").write_all(stdin.as_bytes()));
    child.wait_with_output().expect("the binary ends")
}

#[track_caller]
fn exits(output: &Output, code: i32) {
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "stdout: {out}\nstderr: {err}");
}

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).expect("stdout is JSON and nothing else")
}

#[test]
fn an_export_from_standard_input_can_be_verified_and_judged() {
    let folder = tempfile::tempdir().expect("a folder");
    let args =
        ["metrics-export", "--run-report", "-", "--output-dir", "./out/", "--format", "json"];
    let exported = flowglass(folder.path(), &args, REPORT);
    exits(&exported, 0);
    let summary = json(&exported);
    assert_eq!(summary["prometheus_path"], "out/prometheus_metrics.prom");
    assert_eq!(summary["inputs"][0]["path"], "-");
    let digest = summary["digest"].as_str().expect("a digest").to_owned();
    exits(&flowglass(folder.path(), &["verify", "out", "--digest", &digest], ""), 0);
    let slo = |objective| {
        flowglass(folder.path(), &["slo", "--metrics", "out", "--objective", objective], "")
    };
    exits(&slo("extracted_rows>=10"), 0);
    exits(&slo("extracted_rows>=11"), 1);
    exits(&slo("extracted_rows>11"), 2);
    exits(&flowglass(folder.path(), &["index", "out"], ""), 0);
    std::fs::write(folder.path().join("out/prometheus_metrics.prom"), "x 1\n").expect("a write");
    let verified = flowglass(folder.path(), &["verify", "out"], "");
    exits(&verified, 1);
    assert!(String::from_utf8_lossy(&verified.stdout).contains("prometheus_metrics.prom"));
}

#[test]
fn bad_flags_exit_with_2_and_write_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    for args in [
        &["metrics-export", "--metric", "lag"][..],
        &["metrics-export", "--metric", "lag=fast"],
        &["metrics-export", "--label", "=x"],
        &["metrics-export", "--format", "text"],
        &["metrics-export", "--metrics-prefix", "9"],
        &["metrics-export", "--omit-run-label", "pipeline"],
        &["metrics-export", "--time", "noon"],
        &["verify"],
        &["index"],
    ] {
        let output = flowglass(folder.path(), args, REPORT);
        exits(&output, 2);
        assert!(output.stdout.is_empty() && !output.stderr.is_empty());
    }
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0);
}

#[test]
fn a_blocked_export_exits_with_1_and_says_why_on_both_streams() {
    let folder = tempfile::tempdir().expect("a folder");
    let args = ["metrics-export", "--run-report", "absent.json", "--format", "json"];
    let output = flowglass(folder.path(), &args, "");
    exits(&output, 1);
    assert_eq!(
        json(&output)["blockers"],
        serde_json::json!(["run_report.missing", "metrics.empty"])
    );
    assert!(String::from_utf8_lossy(&output.stderr).contains("blocker: run_report.missing"));
    // The folder of the documentation, and a failed run is a good export.
    assert!(folder.path().join(".flowglass/observability/latest/metrics_index.json").is_file());
    let failed =
        REPORT.replace("\"passed\": true", "\"passed\": false").replace("success", "error");
    exits(&flowglass(folder.path(), &["metrics-export", "--run-report", "-"], &failed), 0);
}

#[test]
fn a_fixed_time_gives_the_same_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let export = || {
        let args =
            ["metrics-export", "--metric", "lag=1.5", "--time", "1769860800", "--output-dir", "o"];
        exits(&flowglass(folder.path(), &args, ""), 0);
        std::fs::read_to_string(folder.path().join("o/metrics_index.json")).expect("an index")
    };
    let first = export();
    assert!(first.contains("\"generated_at\": \"2026-01-31T12:00:00Z\""));
    assert_eq!(first, export());
}
