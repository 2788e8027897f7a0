//! All three kinds as one, for whoever goes through the whole catalog.

use std::sync::LazyLock;

use super::{Counter, Gauge, Histogram};
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
