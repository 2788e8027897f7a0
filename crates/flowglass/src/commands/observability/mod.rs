//! `flowglass observability …`: offline evidence from the command line.
//!
//! Thin on purpose: flags become a request, the request goes to `flowglass_telemetry`, and what comes
//! back is printed and becomes an exit code. What only the edge may touch is touched here: standard
//! input, the clock, and, through a function that the caller passes in, the store of runs.

mod args;
mod export;
mod folder;
mod run;
mod slo;

pub(crate) use args::ObservabilityArgs;
pub(crate) use export::metric_files;
pub(crate) use run::run;
