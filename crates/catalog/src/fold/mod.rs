//! Numbers of runs, folded from their events.
//!
//! What a run's history says and what the page says are the same by construction: nobody counts a
//! run beside its events. Only the per-row path of streams raises its numbers directly.

mod apply;
mod state;
mod table_label;

pub use apply::{Folded, MetricsFold};
pub use state::RUNS_REMEMBERED_MAX;
