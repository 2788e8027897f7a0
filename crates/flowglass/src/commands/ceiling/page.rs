//! Printing what was measured.

use super::report::{Report, Stage};
use crate::console;
use crate::table::{Align, Table};
use crate::words;

/// As one JSON document.
pub(super) fn json(report: &Report) -> anyhow::Result<()> {
    left_behind(report);
    console::out(&format!("{}\n", serde_json::to_string_pretty(report)?))
}

/// For people.
pub(super) fn text(report: &Report) -> anyhow::Result<()> {
    let mut table = Table::new(&[
        ("STAGE", Align::Left),
        ("OF", Align::Left),
        ("ROWS/S", Align::Right),
        ("BYTES/S", Align::Right),
        ("CPU/ROW", Align::Right),
        ("", Align::Left),
    ]);
    for (at, stage) in report.stages.iter().enumerate() {
        table.row(cells(stage, report.is_binding(at)));
    }
    console::out(&table.render())?;
    for stage in &report.stages {
        if let Some(why) = &stage.why {
            let why = words::printable(why);
            console::say(&format!("{} of `{}` was not measured: {why}", stage.stage, stage.id));
        }
    }
    if !report.own_rows {
        console::say("the rows were made up, of some 200 bytes: yours may be slower or faster");
    }
    if let (Some(binds), Some(rate)) = (&report.binds, report.expected_rows_per_second) {
        console::say(&format!(
            "{} of `{}` binds: up to {} rows/s may be expected",
            binds.stage,
            binds.id,
            words::compact(rate)
        ));
    }
    report.advice.iter().for_each(|it| console::say(&format!("  {it}")));
    left_behind(report);
    Ok(())
}

fn left_behind(report: &Report) {
    for it in &report.left_behind {
        console::say(&format!("left behind: {}", words::printable(it)));
    }
}

fn cells(stage: &Stage, binds: bool) -> [String; 6] {
    let some = |value: Option<f64>, show: fn(f64) -> String| value.map_or("-".to_owned(), show);
    [
        stage.stage.to_owned(),
        format!("{} ({})", stage.id, stage.kind),
        some(stage.rows_per_second, words::compact),
        some(stage.bytes_per_second, words::bytes),
        some(stage.cpu_micros_per_row, |it| format!("{it:.2} µs")),
        if binds { "binds" } else { "" }.to_owned(),
    ]
}
