//! End-to-end benchmarks as ratios to a limit measured in the same run.
//!
//! `cargo xtask bench [NAME…]` builds everything and starts this. Each benchmark alternates its arms,
//! checks what arrived at the target after every run, and prints a table and its verdicts; the exit
//! code is 1 when a target was missed.

mod args;
mod bench;
mod child;
mod copies;
mod data;
mod engine;
mod exports;
mod machine;
mod measure;
mod probe;
mod rounds;
mod say;
mod server;
mod streams;
mod verdict;

use std::process::ExitCode;

use anyhow::{Result, bail};

use args::Args;
use bench::Bench;

/// A benchmark by its name.
type Entry = (&'static str, fn(&mut Bench) -> Result<()>);

const BENCHES: [Entry; 9] = [
    ("pg-to-pg", copies::pg_to_pg),
    ("csv-to-sqlite", copies::csv_to_sqlite),
    ("csv-to-parquet", copies::csv_to_parquet),
    ("export-one", exports::one),
    ("export-thousand", exports::thousand),
    ("noop", engine::noop),
    ("events", engine::events),
    ("streams", streams::streams),
    ("latency", streams::latency),
];

fn main() -> ExitCode {
    match start() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say::talk(&format!("error: {error:#}"));
            ExitCode::from(2)
        }
    }
}

fn start() -> Result<bool> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.split_first() {
        Some((first, rest)) if first == child::WORD => return child::run(rest).map(|()| true),
        _ if words.iter().any(|it| it == "--help") => {
            say::print(args::HELP);
            return Ok(true);
        }
        _ => {}
    }
    let args = Args::read()?;
    for name in &args.names {
        if !BENCHES.iter().any(|(known, _)| known == name) {
            bail!("there is no benchmark `{name}`\n\n{}", args::HELP);
        }
    }
    machine::describe(&args);
    let mut bench = Bench::new(args)?;
    for (name, measure) in BENCHES {
        let wanted = bench.args.names.is_empty() || bench.args.names.iter().any(|it| it == name);
        if wanted {
            say::talk(&format!("bench: {name}"));
            measure(&mut bench)?;
            say::print(&format!("\n{}\n", machine::load()));
        }
    }
    Ok(bench.verdicts.all_passed())
}
