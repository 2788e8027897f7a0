//! The catalog itself: every metric once, with its type, its labels and its sentence.
//!
//! A row makes three things at once, which therefore cannot differ: a variant of [`Counter`],
//! [`Gauge`] or [`Histogram`]; a [`MetricDef`]; and the method on
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

pub use buckets::{BATCH_BYTES, BATCH_ROWS, HTTP, LATENCY, REQUEST, RUN};
pub use counters::Counter;
pub use gauges::Gauge;
pub use histograms::Histogram;

use std::sync::LazyLock;

use crate::MetricDef;

/// Any metric of the catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Metric {
    /// A counter.
    Counter(Counter),
    /// A gauge.
    Gauge(Gauge),
    /// A histogram.
    Histogram(Histogram),
}

impl Metric {
    /// Every metric in the order of a page: first those that take a prefix, then the shared names,
    /// each by stem. The order is the same under every prefix.
    #[must_use]
    pub fn all() -> &'static [Self] {
        static ALL: LazyLock<Vec<Metric>> = LazyLock::new(|| {
            let counters = Counter::ALL.iter().copied().map(Metric::Counter);
            let gauges = Gauge::ALL.iter().copied().map(Metric::Gauge);
            let histograms = Histogram::ALL.iter().copied().map(Metric::Histogram);
            let mut all: Vec<_> = counters.chain(gauges).chain(histograms).collect();
            all.sort_by_key(|metric| (!metric.def().prefixed, metric.def().stem));
            all
        });
        &ALL
    }

    /// What the catalog says about it.
    #[must_use]
    pub fn def(self) -> &'static MetricDef {
        match self {
            Self::Counter(counter) => counter.def(),
            Self::Gauge(gauge) => gauge.def(),
            Self::Histogram(histogram) => histogram.def(),
        }
    }

    /// The metric of a stem (without a prefix).
    #[must_use]
    pub fn by_stem(stem: &str) -> Option<Self> {
        Self::all().iter().copied().find(|metric| metric.def().stem == stem)
    }
}
