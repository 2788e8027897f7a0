//! Handles: what a call site keeps. Getting one costs a look-up; using one costs an addition.

use std::sync::Arc;
use std::time::Duration;

use crate::Scale;

use super::cell::{CounterCell, Exemplar, GaugeCell, HistogramCell};
use super::series::Series;

/// What all handles share; the catalog's table uses it to make them.
pub(crate) trait Handle: Clone + Send + Sync {
    /// What the handle's series holds.
    type Cell;
    /// How the cell's integer becomes the number on a page.
    const SCALE: Scale;
    /// A handle on a series.
    fn on(series: Arc<Series<Self::Cell>>) -> Self;
}

macro_rules! handles {
    ($($(#[$doc:meta])* $name:ident on $cell:ty, $scale:ident;)+) => { $(
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name(Arc<Series<$cell>>);

        impl Handle for $name {
            type Cell = $cell;
            const SCALE: Scale = Scale::$scale;
            fn on(series: Arc<Series<$cell>>) -> Self { Self(series) }
        }
    )+ };
}

handles! {
    /// Counts whole things.
    CounterHandle on CounterCell, One;
    /// Adds up time.
    SecondsHandle on CounterCell, Nanoseconds;
    /// Shows a number that rises and falls.
    GaugeHandle on GaugeCell, One;
    /// Counts durations by length.
    TimingHandle on HistogramCell, Nanoseconds;
    /// Counts sizes.
    SizeHandle on HistogramCell, One;
}

impl CounterHandle {
    /// One more.
    #[inline]
    pub fn increment(&self) {
        self.0.cell.add(1);
    }

    /// `count` more. One relaxed addition; wraps past 2^64 as every Prometheus client does.
    #[inline]
    pub fn add(&self, count: u64) {
        self.0.cell.add(count);
    }

    /// Raises the counter to a total that was counted elsewhere; a smaller total changes nothing.
    pub fn raise_to(&self, total: u64) {
        self.0.cell.raise_to(total);
    }

    /// The count so far.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.cell.get()
    }
}

/// Whole nanoseconds; a duration of more than 584 years counts as that.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl SecondsHandle {
    /// Adds a duration. One relaxed addition.
    #[inline]
    pub fn add(&self, duration: Duration) {
        self.0.cell.add(nanos(duration));
    }

    /// Raises the counter to a total that was measured elsewhere, such as a process's processor
    /// time.
    pub fn raise_to(&self, total: Duration) {
        self.0.cell.raise_to(nanos(total));
    }

    /// The time so far.
    #[must_use]
    pub fn value(&self) -> Duration {
        Duration::from_nanos(self.0.cell.get())
    }
}

impl GaugeHandle {
    /// Sets the number.
    #[inline]
    pub fn set(&self, value: f64) {
        self.0.cell.set(value);
    }

    /// Sets a whole number; past 2^53 the nearest double.
    #[inline]
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a double")]
    pub fn set_count(&self, value: u64) {
        self.0.cell.set(value as f64);
    }

    /// Adds to the number; a negative delta takes away.
    pub fn add(&self, delta: f64) {
        self.0.cell.add(delta);
    }

    /// One more for as long as the guard lives, whatever way it ends: done, given up, or a panic.
    #[must_use = "the gauge falls again when the guard is dropped"]
    pub fn hold(&self) -> Held {
        self.add(1.0);
        Held(self.clone())
    }

    /// The number now.
    #[must_use]
    pub fn value(&self) -> f64 {
        self.0.cell.get()
    }
}

/// One thing that a gauge counts; dropping it takes it off again.
#[derive(Debug)]
pub struct Held(GaugeHandle);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.add(-1.0);
    }
}

impl TimingHandle {
    /// Counts one duration.
    #[inline]
    pub fn observe(&self, duration: Duration) {
        self.0.cell.observe(nanos(duration));
    }

    /// Counts one duration and remembers it as its bucket's exemplar. `at_unix_nanos` is the wall
    /// clock's time.
    pub fn observe_traced(
        &self,
        duration: Duration,
        trace_id: flowglass_model::TraceId,
        at_unix_nanos: u64,
    ) {
        self.0.cell.observe_traced(Exemplar {
            trace_id,
            raw: nanos(duration),
            unix_nanos: at_unix_nanos,
        });
    }

    /// How many durations were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0
            .cell
            .counts()
            .iter()
            .map(|count| count.load(std::sync::atomic::Ordering::Relaxed))
            .sum()
    }
}

impl SizeHandle {
    /// Counts one size.
    #[inline]
    pub fn observe(&self, size: u64) {
        self.0.cell.observe(size);
    }
}
