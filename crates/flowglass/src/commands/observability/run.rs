//! Which command runs.

use super::args::{self, ObservabilityArgs};
use super::export::StoredReport;
use super::{export, folder, slo};
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
