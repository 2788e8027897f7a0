//! The numbers themselves: what one series holds and how an increment reaches it.
//!
//! Everything on the hot path is one or two relaxed additions on 64-bit integers. Relaxed is
//! enough: a page reads each number on its own, and no other memory is published through a number.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock, PoisonError};

use flowglass_model::TraceId;

use crate::MetricDef;

/// What a series can hold.
pub(crate) trait Cell: Sized + Send + Sync + 'static {
    /// True when numbers of many label sets can be added up in one series without telling a lie. A
    /// gauge cannot.
    const FOLDS: bool;
    /// A cell at zero for a metric.
    fn new(def: &'static MetricDef) -> Self;
}

/// A counter: whole things, or whole nanoseconds.
#[derive(Debug, Default)]
pub(crate) struct CounterCell(AtomicU64);

impl CounterCell {
    #[inline]
    pub(super) fn add(&self, raw: u64) {
        self.0.fetch_add(raw, Relaxed);
    }

    /// Raises the counter to a total that was counted elsewhere; never lowers it.
    pub(super) fn raise_to(&self, raw: u64) {
        self.0.fetch_max(raw, Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

impl Cell for CounterCell {
    const FOLDS: bool = true;

    fn new(_: &'static MetricDef) -> Self {
        Self::default()
    }
}

/// A gauge: the bits of a double.
#[derive(Debug, Default)]
pub(crate) struct GaugeCell(AtomicU64);

impl GaugeCell {
    #[inline]
    pub(super) fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Relaxed);
    }

    pub(super) fn add(&self, delta: f64) {
        let add = |bits| Some((f64::from_bits(bits) + delta).to_bits());
        // The closure always answers, so this cannot fail.
        let _before = self.0.fetch_update(Relaxed, Relaxed, add);
    }

    pub(super) fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Relaxed))
    }
}

impl Cell for GaugeCell {
    const FOLDS: bool = false;

    fn new(_: &'static MetricDef) -> Self {
        Self::default()
    }
}

/// One observation that a reader can follow to its trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exemplar {
    /// The trace in which it was made.
    pub trace_id: TraceId,
    /// What was observed, in cell units.
    pub raw: u64,
    /// When, in nanoseconds since 1970-01-01 UTC.
    pub unix_nanos: u64,
}

/// A histogram with fixed bounds.
#[derive(Debug)]
pub(crate) struct HistogramCell {
    bounds: &'static [u64],
    /// One count per bound and one for what is above the last; not cumulative, so that an
    /// observation touches one.
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
    /// One slot per bucket, made when the first exemplar comes: most series never have one.
    exemplars: OnceLock<Box<[Mutex<Option<Exemplar>>]>>,
}

impl HistogramCell {
    #[inline]
    pub(super) fn observe(&self, raw: u64) -> usize {
        // `le` is inclusive: the first bound that is not below the value.
        let bucket = self.bounds.partition_point(|bound| *bound < raw);
        if let Some(count) = self.counts.get(bucket) {
            count.fetch_add(1, Relaxed);
        }
        self.sum.fetch_add(raw, Relaxed);
        bucket
    }

    pub(super) fn observe_traced(&self, exemplar: Exemplar) {
        let bucket = self.observe(exemplar.raw);
        let slots =
            self.exemplars.get_or_init(|| self.counts.iter().map(|_| Mutex::default()).collect());
        // A slot that another thread is writing gets that thread's exemplar; waiting for it would
        // buy nothing.
        if let Some(Ok(mut slot)) = slots.get(bucket).map(Mutex::try_lock) {
            *slot = Some(exemplar);
        }
    }

    pub(super) fn counts(&self) -> &[AtomicU64] {
        &self.counts
    }

    pub(super) fn sum(&self) -> u64 {
        self.sum.load(Relaxed)
    }

    pub(super) fn exemplar(&self, bucket: usize) -> Option<Exemplar> {
        let slot = self.exemplars.get()?.get(bucket)?;
        *slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cell for HistogramCell {
    const FOLDS: bool = true;

    fn new(def: &'static MetricDef) -> Self {
        Self {
            bounds: def.buckets,
            counts: (0..=def.buckets.len()).map(|_| AtomicU64::new(0)).collect(),
            sum: AtomicU64::new(0),
            exemplars: OnceLock::new(),
        }
    }
}
