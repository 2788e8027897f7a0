//! `flowglass observability …`: offline evidence from the command line.
//!
//! Thin on purpose: flags become a request, the request goes to `flowglass_telemetry`, and what comes
//! back is printed and becomes an exit code. What only the edge may touch is touched here: standard
//! input, the clock, and, through a function that the caller passes in, the store of runs.

mod args;
mod export;
mod folder;
mod slo;

pub(crate) use args::ObservabilityArgs;
pub(crate) use export::StoredReport;

use crate::exit::Exit;

/// Runs one of the commands. `stored` gives the run report of a stored run as JSON, for `--run`.
///
/// # Errors
/// Only what has no place in a report: standard input or standard output failed, or a file of
/// objectives cannot be read.
pub(crate) fn run(args: ObservabilityArgs, stored: StoredReport<'_>) -> anyhow::Result<Exit> {
    match args.command {
        args::Command::MetricsExport(args) => export::run(*args, stored),
        args::Command::Slo(args) => slo::run(*args, stored),
        args::Command::Index(args) => folder::index(&args),
        args::Command::Verify(args) => folder::verify(&args),
    }
}
