//! What the figures were measured on: without the machine, its load and the versions of everybody
//! in the race, a figure says nothing.

use std::process::Command;

use crate::args::Args;
use crate::measure::output;
use crate::say;

/// Prints the machine and the versions.
pub(crate) fn describe(args: &Args) {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let model = line_of("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".to_owned());
    let memory = line_of("/proc/meminfo", "MemTotal").unwrap_or_else(|| "unknown".to_owned());
    say::print(&format!("Machine: {cores} cores, {model}, memory {memory}. {}\n", load()));
    let python = "import duckdb, dlt, pyarrow, importlib.metadata as m; \
                  print(f'DuckDB {duckdb.__version__}, dlt {dlt.__version__} with pyarrow \
                  {pyarrow.__version__}, dpone {m.version(\"dpone\")}')";
    let versions = [
        said(Command::new(&args.flowglass).arg("version")),
        said(Command::new("psql").arg("--version")),
        said(Command::new("sqlite3").arg("--version"))
            .map(|it| format!("sqlite3 {}", it.split(' ').next().unwrap_or_default())),
        said(Command::new(&args.python).args(["-c", python])),
    ];
    let versions: Vec<String> = versions.into_iter().flatten().collect();
    say::print(&format!("Versions: {}.\n", versions.join("; ")));
}

/// The load of the last minute, five and fifteen minutes: others' work on the machine shows here.
pub(crate) fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let figures: Vec<&str> = text.split(' ').take(3).collect();
    format!("Load averages now: {}.", figures.join(", "))
}

fn line_of(file: &str, key: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn said(command: &mut Command) -> Option<String> {
    output(command).ok().map(|it| it.trim().to_owned())
}
