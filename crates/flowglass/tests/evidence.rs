//! From a run to its metrics and objectives, by each of the ways that lead there: the figures are
//! those of the report.
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::process::Command;

use flowglass_testkit::{Scratch, promtool};
use serde_json::Value;

use crate::support::flowglass;

const PIPELINE: &str = r#"
apiVersion: flowglass/v1
kind: Workflow
metadata: { name: measured }
spec:
  nodes:
    - id: load
      copy:
        from: { type: csv, path: rows.csv }
        to: { type: sqlite, path: out.db, table: rows }
        strategy: append
    - id: fails
      needs: [load]
      command: { shell: "exit 5" }
"#;

/// A run that loads 250 rows and then fails; its report as it was printed.
fn measured() -> (Scratch, String) {
    let scratch = Scratch::project(&[("pipeline.yaml", PIPELINE)]);
    let rows: Vec<String> = (1..=250).map(|it| format!("{it},name {it}")).collect();
    scratch.write("rows.csv", format!("id,name\n{}\n", rows.join("\n")));
    let said = flowglass(&scratch, &["run", "pipeline.yaml", "--format", "json"]).run();
    (scratch, said.expect_code(1).stdout)
}

/// The value of a metric in `runtime_metrics.json`.
fn exported(scratch: &Scratch, folder: &str, name: &str) -> f64 {
    let text = scratch.read(&format!("{folder}/runtime_metrics.json"));
    let document: Value = serde_json::from_str(&text).unwrap();
    let metrics = document["metrics"].as_array().unwrap();
    let fitting = |it: &&Value| {
        let found = it["name"].as_str().unwrap_or_default();
        found == name || found.strip_prefix("flowglass_") == Some(name)
    };
    let metric = metrics.iter().find(fitting).unwrap_or_else(|| panic!("no {name} in {text}"));
    metric["value"].as_f64().unwrap()
}

fn check_figures(scratch: &Scratch, folder: &str, report: &Value) {
    for name in ["extracted_rows", "inserted_rows", "updated_rows", "duration_seconds"] {
        let expected = report["result"][name].as_f64().unwrap();
        let found = exported(scratch, folder, name);
        assert!((found - expected).abs() < 1e-9, "{name}: {found} is not {expected}");
    }
    assert!(exported(scratch, folder, "error_count") >= 1.0);
    let page = std::fs::File::open(scratch.path(&format!("{folder}/prometheus_metrics.prom")));
    let checked =
        Command::new(promtool()).args(["check", "metrics"]).stdin(page.unwrap()).output().unwrap();
    // 3 is advice: the names with `_count` are those that the exporter's users know.
    let fine = [Some(0), Some(3)].contains(&checked.status.code());
    assert!(fine, "{}", String::from_utf8_lossy(&checked.stderr));
}

#[test]
fn a_stored_run_and_a_piped_report_export_the_same_figures() {
    let (scratch, printed) = measured();
    let report: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(report["result"]["inserted_rows"], 250);
    let export = |how: &[&str], folder: &str| {
        let start = ["observability", "metrics-export", "--output-dir", folder];
        let args = [&start[..], how].concat();
        drop(flowglass(&scratch, &args).stdin(printed.clone()).run().ok());
        drop(flowglass(&scratch, &["observability", "verify", folder]).run().ok());
        check_figures(&scratch, folder, &report);
    };
    export(&["--run", "latest"], "stored");
    export(&["--run", report["run_id"].as_str().unwrap()], "named");
    export(&["--run-report", "-"], "piped");
    let time = ["--time", "2026-01-01T00:00:00Z"];
    export(&[&["--run", "latest"][..], &time].concat(), "one");
    export(&[&["--run-report", "-"][..], &time].concat(), "two");
    let page = |folder: &str| scratch.read(&format!("{folder}/prometheus_metrics.prom"));
    assert_eq!(page("one"), page("two"));
    // A bundle holds the same, made without a flag.
    drop(flowglass(&scratch, &["runs", "export", "latest", "--output-dir", "bundle"]).run().ok());
    check_figures(&scratch, "bundle", &report);
    assert_eq!(page("bundle"), page("one"));
    let absent = ["observability", "metrics-export", "--run", "0000", "--output-dir", "absent"];
    let absent = flowglass(&scratch, &absent).run();
    assert_ne!(absent.code(), Some(0), "{absent}");
}

#[test]
fn a_run_becomes_one_page_that_holds_it() {
    let (scratch, printed) = measured();
    let report: Value = serde_json::from_str(&printed).unwrap();
    let args = ["runs", "export", "latest", "--html", "--output", "pages/run.html"];
    let said = flowglass(&scratch, &args).run().ok();
    assert!(said.stdout.contains("pages/run.html"), "{said}");
    let page = scratch.read("pages/run.html");
    let (_, after) = page.split_once(r#"id="flowglass-snapshot">"#).unwrap();
    let (json, _) = after.split_once("</script>").unwrap();
    let held: Value = serde_json::from_str(json).unwrap();
    assert_eq!(held["run"]["run_id"], report["run_id"]);
    assert!(held["logs"].is_array());
    // It is the dashboard, and asks nobody for anything.
    assert!(page.contains("default-src 'none'") && !page.contains("src=\"http"));
    let neither = flowglass(&scratch, &["runs", "export", "latest"]).run().expect_code(2);
    assert!(neither.stderr.contains("--output-dir"), "{neither}");
}

#[test]
fn objectives_are_held_against_what_the_run_reported() {
    let (scratch, printed) = measured();
    let export = ["observability", "metrics-export", "--run", "latest", "--output-dir", "m"];
    drop(flowglass(&scratch, &export).run().ok());
    for from in [
        &["--metrics", "m/runtime_metrics.json"][..],
        &["--metrics", "m"],
        &["--run", "latest"],
        &["--run-report", "-"],
    ] {
        let slo = |objective: &str| {
            let start = ["observability", "slo", "--objective", objective];
            flowglass(&scratch, &[&start[..], from].concat()).stdin(printed.clone()).run()
        };
        drop(slo("extracted_rows>=250").ok());
        drop(slo("inserted_rows<=249").expect_code(1));
        drop(slo("error_count<=0").expect_code(1));
        drop(slo("extracted_rowz>=1").expect_code(1));
        drop(slo("extracted_rows>250").expect_code(2));
    }
}
