//! How a page, an exporter or a test reads the registry: once through, in a fixed order, without
//! copying it.

use std::sync::atomic::Ordering::Relaxed;

use crate::MetricDef;

use super::cell::{Exemplar, HistogramCell};
use super::series::SeriesLabels;

/// The number of one series at the moment it was read.
#[derive(Clone, Copy, Debug)]
pub enum Reading<'a> {
    /// A counter, in cell units.
    Counter(u64),
    /// A gauge.
    Gauge(f64),
    /// A histogram.
    Histogram(HistogramReading<'a>),
}

/// A histogram at the moment it was read.
///
/// The count is the sum of the buckets and so always agrees with them. The sum is read after the
/// buckets and may hold an observation more; the next reading has it in both.
#[derive(Clone, Copy, Debug)]
pub struct HistogramReading<'a> {
    cell: &'a HistogramCell,
    counts: &'a [u64],
    sum: u64,
}

impl HistogramReading<'_> {
    /// Observations in each bucket alone, the last one for what is above all bounds. Not
    /// cumulative.
    #[must_use]
    pub fn counts(&self) -> &[u64] {
        self.counts
    }

    /// All observations.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The sum of all observations, in cell units.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// The newest observation of a bucket that had a trace.
    #[must_use]
    pub fn exemplar(&self, bucket: usize) -> Option<Exemplar> {
        self.cell.exemplar(bucket)
    }
}

/// Whoever reads the registry. Families come in the order of [`Metric::all`](crate::Metric::all),
/// series by label values; a family without series is left out.
pub trait Reader {
    /// The series that follow are of this metric.
    fn family(&mut self, def: &'static MetricDef);
    /// A series of the family that was named last.
    fn series(&mut self, labels: SeriesLabels<'_>, reading: Reading<'_>);

    /// Whether [`SeriesLabels::text`] is to hold what [`write_labels`](Self::write_labels) writes.
    fn wants_text(&self) -> bool {
        false
    }

    /// Writes the labels of a series onto the end of `out`. It is kept with the series and not
    /// written anew for each page, which would be most of a page's cost; therefore all readers that
    /// want text must write alike. There is one such writing in the program.
    fn write_labels(&self, labels: SeriesLabels<'_>, out: &mut String) {
        let _nothing_is_wanted = (labels, out);
    }
}

/// A buffer for the counts of one histogram, used again for each.
#[derive(Default)]
pub(super) struct CountsBuffer(Vec<u64>);

impl CountsBuffer {
    pub(super) fn read<'a>(&'a mut self, cell: &'a HistogramCell) -> HistogramReading<'a> {
        self.0.clear();
        self.0.extend(cell.counts().iter().map(|count| count.load(Relaxed)));
        HistogramReading { cell, counts: &self.0, sum: cell.sum() }
    }
}
