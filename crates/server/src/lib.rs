//! HTTP: what a running Flowglass answers.
//!
//! So far one page and two answers: `/metrics` for Prometheus, `/health` for whoever asks whether the
//! process is alive, and a 404 that says what there is. [`MetricsServer`] binds before anything else
//! is started, so that an address that is taken stops a run before it has done anything.

mod metrics;
mod process;

pub use metrics::{BindError, MetricsServer};
