//! Objectives: a metric, a bound, and a verdict that cannot be green by mistake.
//!
//! Everything that was not checked has failed: no objective, an objective that cannot be read, a name
//! that no metric has, no metric at all, a value that is no number, an export that was blocked.

mod evaluate;
mod metrics;
mod objective;
mod report;

pub use evaluate::{Verdict, evaluate};
pub use metrics::MetricValue;
pub use objective::{BadObjective, Objective, Operator, parse_objectives};
pub use report::{SLO_JSON_FILE, SLO_MARKDOWN_FILE, SLO_SCHEMA, SloReport, SloRequest, check};
