//! The demonstration shows what it promises, by itself.

use std::process::Stdio;
use std::time::Duration;

use flowglass_testkit::{Scratch, get, unused_port, wait_for};
use serde_json::Value;

use crate::support::flowglass;

const PATIENCE: Duration = Duration::from_secs(90);

#[test]
fn the_demo_shows_a_stream_with_dead_letters_a_failure_a_success_and_a_late_pipeline() {
    let scratch = Scratch::new();
    let port = unused_port();
    let listen = format!("127.0.0.1:{port}");
    let args = ["demo", "--dir", "shop", "--listen", &listen, "--no-open"];
    let mut command = flowglass(&scratch, &args).command();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut demo = command.spawn().unwrap();
    let asked = |path: &str| serde_json::from_str::<Value>(&get(port, path)).unwrap_or_default();
    wait_for("everything that is promised", PATIENCE, || {
        let overview = asked("/api/v1/overview");
        let attention = overview["attention"].as_array().cloned().unwrap_or_default();
        let has = |kind: &str, pipeline: &str| {
            attention.iter().any(|it| it["kind"] == kind && it["pipeline"] == pipeline)
        };
        assert!(!attention.iter().any(|it| it["kind"] == "manifest_refused"), "{overview:#}");
        let report = asked("/api/v1/pipelines/sales-report");
        let all = has("dead_letters", "orders-live")
            && has("run_failed", "supplier-import")
            && has("late", "nightly-export")
            && overview["streams"]["running"] == 1
            && report["last_run"]["state"] == "complete";
        all.then_some(())
    });
    assert!(get(port, "/").contains("<html"), "the dashboard is not there");
    let stopped =
        std::process::Command::new("kill").args(["-INT", &demo.id().to_string()]).status();
    assert!(stopped.unwrap().success());
    let ended = wait_for("its end", PATIENCE, || demo.try_wait().unwrap());
    assert_eq!(ended.code(), Some(0));
    let again = flowglass(&scratch, &["validate", "shop/pipelines/sales-report.yaml"]).run();
    drop(again.ok());
}
