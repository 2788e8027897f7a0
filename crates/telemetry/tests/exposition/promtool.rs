//! What Prometheus's own linter says about the page.

use std::io::Write as _;
use std::process::{Command, Stdio};

use flowglass_catalog::{Prefix, Registry};
use flowglass_telemetry::exposition::{Format, render};

use super::sample::every_metric;

/// Everything that `promtool check metrics` has to say about a page; empty when it has no
/// complaint.
fn complaints(page: &str) -> String {
    let started = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut promtool =
        started.expect("promtool is needed: run `cargo xtask deps` (Debian package prometheus)");
    let mut page_in = promtool.stdin.take().expect("a piped stdin");
    page_in.write_all(page.as_bytes()).expect("promtool reads the page");
    drop(page_in);
    let said = promtool.wait_with_output().expect("promtool ends");
    let text =
        [said.stdout, said.stderr].map(|it| String::from_utf8_lossy(&it).into_owned()).concat();
    if said.status.success() { text } else { format!("{}: {text}", said.status) }
}

fn page(registry: &Registry, prefix: &Prefix) -> String {
    let mut page = String::new();
    render(registry, prefix, Format::Text004, &mut page);
    page
}

#[test]
fn promtool_has_no_complaint_about_any_metric_under_any_prefix() {
    let registry = every_metric();
    for prefix in ["flowglass", "deltaforge", "dpone"] {
        assert_eq!(
            complaints(&page(&registry, &Prefix::parse(prefix).unwrap())),
            "",
            "prefix {prefix}"
        );
    }
}

#[test]
fn promtool_does_complain_when_there_is_reason_to() {
    assert!(complaints("# TYPE wrong counter\nwrong 1\n").contains("_total"));
    assert!(complaints("half a line").contains("exit status"));
}
