//! The catalog itself: every metric once, with its type, its labels and its sentence.
//!
//! A row makes three things at once, which therefore cannot differ: a variant of [`Counter`],
//! [`Gauge`] or [`Histogram`]; a [`MetricDef`](crate::MetricDef); and the method on
//! [`PipelineScope`](crate::PipelineScope) or [`ProcessScope`](crate::ProcessScope) that gives the
//! handle and takes exactly the labels of the row, typed, in order. What is not in the table cannot
//! be emitted.
//!
//! The stems are those of the systems whose dashboards must go on working under `--metrics-prefix`;
//! renaming one is a breaking change, and the golden list in the tests says so.

mod buckets;
mod counters;
mod declare;
mod gauges;
mod histograms;
mod metric;

pub use buckets::{BATCH_BYTES, BATCH_ROWS, HTTP, LATENCY, REQUEST, RUN};
pub use counters::Counter;
pub use gauges::Gauge;
pub use histograms::Histogram;
pub use metric::Metric;
