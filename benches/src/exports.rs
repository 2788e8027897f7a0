//! Offline evidence, against dpone's exporter: one report as a whole process, and a thousand.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::bench::{Bench, self_timed};
use crate::measure::{Used, run};
use crate::rounds::{Arm, alternate};
use crate::verdict::table;

const DPONE_MANY: &str = include_str!("peers/dpone_many.py");

/// Exports of one arm in a round: a process of a few milliseconds is measured many at a time.
const EXPORTS: u32 = 20;
/// dpone's process takes most of a second.
const EXPORTS_OF_PEER: u32 = 3;
/// Reports of the large export.
const REPORTS: u32 = 1_000;

/// One report, process for process.
///
/// # Errors
/// When an export fails.
pub(crate) fn one(bench: &mut Bench) -> Result<()> {
    let report = bench.path("run_report.json");
    std::fs::write(&report, report_text(1)).context("writing a run report")?;
    let figures = {
        let bench = &*bench;
        let common = ["observability", "metrics-export", "--label", "env=bench", "--run-report"];
        let ours = || {
            mean_of(EXPORTS, || {
                let mut export = bench.flowglass();
                export.args(common).arg(&report).arg("--output-dir").arg(bench.path("ours"));
                Ok(run(&mut export)?.0)
            })
        };
        let theirs = || {
            mean_of(EXPORTS_OF_PEER, || {
                let dpone = bench.args.python.with_file_name("dpone");
                let mut export = std::process::Command::new(dpone);
                export.args(common).arg(&report).arg("--output-dir").arg(bench.path("theirs"));
                Ok(run(&mut export)?.0)
            })
        };
        alternate(bench.args.rounds, vec![Arm::new("flowglass", ours), Arm::new("dpone", theirs)])?
    };
    same_metrics(&bench.path("ours"), &bench.path("theirs"))?;
    table("Export of one report, whole process", (1, "exports"), &figures);
    if let [ours, theirs] = figures.as_slice() {
        bench.verdicts.ratio(50.0, ours, theirs);
    }
    Ok(())
}

/// A thousand reports: one call of ours against a loop inside one Python process.
///
/// # Errors
/// When an export fails or a report is missing in it.
pub(crate) fn thousand(bench: &mut Bench) -> Result<()> {
    let reports = bench.path("reports");
    std::fs::create_dir_all(&reports).context("making a folder of reports")?;
    for number in 1..=REPORTS {
        std::fs::write(reports.join(format!("{number:04}.json")), report_text(number))
            .context("writing a run report")?;
    }
    let figures = {
        let bench = &*bench;
        let ours = || {
            let out = bench.path("ours-many");
            let mut export = bench.flowglass();
            export.args(["observability", "metrics-export", "--label", "env=bench"]);
            export.arg("--run-report").arg(&reports).arg("--output-dir").arg(&out);
            let (used, _) = run(&mut export)?;
            let page = std::fs::read_to_string(out.join("prometheus_metrics.prom"))?;
            let found =
                page.lines().filter(|it| it.starts_with("flowglass_extracted_rows{")).count();
            anyhow::ensure!(
                found == REPORTS as usize,
                "{found} of {REPORTS} reports were exported"
            );
            Ok(used)
        };
        let theirs = || {
            let mut export = bench.python(DPONE_MANY);
            export.arg(&reports).arg(bench.path("theirs-many"));
            self_timed(run(&mut export)?)
        };
        alternate(
            bench.args.rounds,
            vec![Arm::new("flowglass, whole process", ours), Arm::new("dpone, the loop", theirs)],
        )?
    };
    table("Export of 1,000 reports", (u64::from(REPORTS), "reports"), &figures);
    if let [ours, theirs] = figures.as_slice() {
        bench.verdicts.ratio(10.0, ours, theirs);
    }
    Ok(())
}

fn mean_of(times: u32, mut once: impl FnMut() -> Result<Used>) -> Result<Used> {
    let mut sum = Used::default();
    for _ in 0..times {
        let used = once()?;
        sum.wall += used.wall;
        sum.cpu += used.cpu;
        sum.peak_bytes = sum.peak_bytes.max(used.peak_bytes);
    }
    let mean = |it: Duration| it / times;
    Ok(Used { wall: mean(sum.wall), cpu: mean(sum.cpu), ..sum })
}

/// Both must have found the same rows in the report, or one of them was fast by doing nothing.
fn same_metrics(ours: &Path, theirs: &Path) -> Result<()> {
    for (folder, prefix) in [(ours, "flowglass"), (theirs, "dpone")] {
        let page = std::fs::read_to_string(folder.join("prometheus_metrics.prom"))?;
        let wanted = format!("{prefix}_extracted_rows{{");
        let found = page.lines().find(|it| it.starts_with(&wanted)).context("no extracted rows")?;
        let value = found.rsplit(' ').next().and_then(|it| it.parse::<f64>().ok());
        anyhow::ensure!(value == Some(120_001.0), "{prefix} exported `{found}`");
    }
    Ok(())
}

/// A report with the keys that dpone's own `run` writes, so that both read all of it.
fn report_text(number: u32) -> String {
    let report = serde_json::json!({
        "manifest": "pipelines/orders.yaml",
        "process": format!("orders_{}", number % 20),
        "selector": "orders.daily",
        "run_id": format!("run-{number:05}"),
        "passed": true,
        "result": {
            "status": "success",
            "inserted_rows": 80_000 + number,
            "updated_rows": 40_000,
            "final_rows": 2_000_000 + number,
            "extracted_rows": 120_000 + number,
            "duration_seconds": 12.5,
            "errors": []
        },
        "attempts": 1,
        "max_attempts": 3,
        "retry_backoff_seconds": 2.0
    });
    format!("{report:#}\n")
}
