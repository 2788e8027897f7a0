//! The registry: one family per metric of the catalog, and who owns what in them.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::label::MetricStem;
use crate::{Counter, Gauge, Histogram, LabelKey, LabelValue, Metric, MetricDef};

use super::cell::{Cell, CounterCell, GaugeCell, HistogramCell};
use super::family::Family;
use super::handle::{CounterHandle, GaugeHandle, Handle};
use super::read::{CountsBuffer, Reader, Reading};
use super::scope::{PipelineScope, ProcessScope};
use super::series::{Owner, Series, SeriesLabels};

/// What can be chosen about a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegistryOptions {
    /// Label sets that one metric may have before new ones are folded into `__other__`.
    pub series_per_metric_max: usize,
}

impl Default for RegistryOptions {
    fn default() -> Self {
        Self { series_per_metric_max: 1_000 }
    }
}

/// The live numbers of one process. Clones share them.
///
/// There is one for the whole program and it is handed down; nothing here is global, so a test has
/// its own.
#[derive(Clone)]
pub struct Registry(Arc<Families>);

type Pipelines = HashMap<(Arc<str>, Arc<str>), Arc<Owner>>;

struct Families {
    options: RegistryOptions,
    counters: Box<[Family<CounterCell>]>,
    gauges: Box<[Family<GaugeCell>]>,
    histograms: Box<[Family<HistogramCell>]>,
    process: Owner,
    pipelines: Mutex<Pipelines>,
    owners: AtomicU64,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("options", &self.0.options).finish_non_exhaustive()
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self::new(RegistryOptions::default())
    }
}

impl Registry {
    /// A registry with the series that every page has from its first scrape on, at zero: an alert
    /// on the rise of a counter needs the zero before it.
    #[must_use]
    pub fn new(options: RegistryOptions) -> Self {
        let registry = Self(Arc::new(Families {
            options,
            counters: Counter::ALL.iter().map(|it| Family::new(it.def())).collect(),
            gauges: Gauge::ALL.iter().map(|it| Family::new(it.def())).collect(),
            histograms: Histogram::ALL.iter().map(|it| Family::new(it.def())).collect(),
            process: Owner { id: 0, gone: AtomicBool::new(false) },
            pipelines: Mutex::default(),
            owners: AtomicU64::new(1),
        }));
        let process = registry.process();
        let _at_zero = (process.panics_total(), process.http_requests_in_flight());
        registry
    }

    /// The scope of the process itself.
    #[must_use]
    pub fn process(&self) -> ProcessScope {
        ProcessScope { registry: self.clone() }
    }

    /// The scope of a pipeline. Asking again gives the same series, until the pipeline is
    /// forgotten.
    #[must_use]
    pub fn pipeline(&self, tenant: &str, pipeline: &str) -> PipelineScope {
        let (tenant, pipeline): (Arc<str>, Arc<str>) = (tenant.into(), pipeline.into());
        let key = (Arc::clone(&tenant), Arc::clone(&pipeline));
        let mut pipelines = self.pipelines();
        let owner = pipelines.entry(key).or_insert_with(|| {
            let id = self.0.owners.fetch_add(1, Relaxed);
            Arc::new(Owner { id, gone: AtomicBool::new(false) })
        });
        PipelineScope { registry: self.clone(), owner: Arc::clone(owner), tenant, pipeline }
    }

    /// Reads everything once through.
    pub fn read(&self, reader: &mut dyn Reader) {
        self.count_series();
        let mut counts = CountsBuffer::default();
        for metric in Metric::all() {
            match *metric {
                Metric::Counter(it) => {
                    read_family(self.counters(it), reader, |cell, labels, reader| {
                        reader.series(labels, Reading::Counter(cell.get()));
                    });
                }
                Metric::Gauge(it) => {
                    read_family(self.gauges(it), reader, |cell, labels, reader| {
                        reader.series(labels, Reading::Gauge(cell.get()));
                    });
                }
                Metric::Histogram(it) => {
                    read_family(self.histograms(it), reader, |cell, labels, reader| {
                        reader.series(labels, Reading::Histogram(counts.read(cell)));
                    });
                }
            }
        }
    }

    /// How many label sets a metric has, the one that stands for all others included.
    #[must_use]
    pub fn series_count(&self, metric: Metric) -> usize {
        match metric {
            Metric::Counter(it) => self.counters(it).len(),
            Metric::Gauge(it) => self.gauges(it).len(),
            Metric::Histogram(it) => self.histograms(it).len(),
        }
    }

    /// Brings the two metrics that tell about the others up to date. They are not under the guard
    /// themselves: their label is a metric of the catalog.
    fn count_series(&self) {
        let overflows = self.counters(Counter::MetricLabelOverflowTotal);
        for metric in Metric::all().iter().copied() {
            let folded = self.folded(metric);
            if folded > 0 {
                let stem = MetricStem(metric);
                let values = [stem.text()];
                let series = overflows.resolve(self.process_owner(), &values, usize::MAX);
                CounterHandle::on(series).raise_to(folded);
            }
        }
        // The metric that counts series comes last, so that it counts its own new ones too.
        let itself = Metric::Gauge(Gauge::MetricSeries);
        for metric in Metric::all().iter().copied().filter(|it| *it != itself) {
            self.count_series_of(metric);
        }
        self.count_series_of(itself);
        self.count_series_of(itself);
    }

    fn count_series_of(&self, metric: Metric) {
        let family = self.gauges(Gauge::MetricSeries);
        let stem = MetricStem(metric);
        let values = [stem.text()];
        let owner = self.process_owner();
        let size = self.series_count(metric);
        // A metric that never had a series is left out; one that had some and lost them says 0.
        let series = if size > 0 {
            Some(family.resolve(owner, &values, usize::MAX))
        } else {
            family.find(owner, &values)
        };
        if let Some(series) = series {
            GaugeHandle::on(series).set_count(size as u64);
        }
    }

    fn folded(&self, metric: Metric) -> u64 {
        match metric {
            Metric::Counter(it) => self.counters(it).folded(),
            Metric::Gauge(it) => self.gauges(it).folded(),
            Metric::Histogram(it) => self.histograms(it).folded(),
        }
    }

    pub(super) fn process_owner(&self) -> &Owner {
        &self.0.process
    }

    pub(super) fn counter(
        &self,
        it: Counter,
        owner: &Owner,
        values: &[Cow<'_, str>],
    ) -> Arc<Series<CounterCell>> {
        self.counters(it).resolve(owner, values, self.0.options.series_per_metric_max)
    }

    pub(super) fn gauge(
        &self,
        it: Gauge,
        owner: &Owner,
        values: &[Cow<'_, str>],
    ) -> Arc<Series<GaugeCell>> {
        self.gauges(it).resolve(owner, values, self.0.options.series_per_metric_max)
    }

    pub(super) fn histogram(
        &self,
        it: Histogram,
        owner: &Owner,
        values: &[Cow<'_, str>],
    ) -> Arc<Series<HistogramCell>> {
        self.histograms(it).resolve(owner, values, self.0.options.series_per_metric_max)
    }

    pub(super) fn forget_pipeline(&self, scope: &PipelineScope) {
        let key = (Arc::clone(&scope.tenant), Arc::clone(&scope.pipeline));
        let mut pipelines = self.pipelines();
        if pipelines.get(&key).is_some_and(|owner| Arc::ptr_eq(owner, &scope.owner)) {
            pipelines.remove(&key);
        }
        drop(pipelines);
        // Said before the series are taken away, so that nobody can add one in between.
        scope.owner.gone.store(true, Relaxed);
        let id = scope.owner.id;
        self.remove(|owner, _| owner == id);
    }

    pub(super) fn forget_part(&self, owner: &Owner, key: LabelKey, value: &str) {
        self.remove(|id, labels| id == owner.id && labels.get(key) == Some(value));
    }

    fn remove(&self, leaves: impl Fn(u64, SeriesLabels<'_>) -> bool) {
        fn from<C: Cell>(families: &[Family<C>], leaves: &impl Fn(u64, SeriesLabels<'_>) -> bool) {
            for family in families.iter().filter(|it| it.def.belongs_to_pipeline()) {
                family.remove(|series| leaves(series.owner, labels_of(family.def, series)));
            }
        }
        from(&self.0.counters, &leaves);
        from(&self.0.gauges, &leaves);
        from(&self.0.histograms, &leaves);
    }

    fn pipelines(&self) -> MutexGuard<'_, Pipelines> {
        self.0.pipelines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "there is one family for every variant, in the order of the variants"
    )]
    fn counters(&self, it: Counter) -> &Family<CounterCell> {
        &self.0.counters[it as usize]
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "there is one family for every variant, in the order of the variants"
    )]
    fn gauges(&self, it: Gauge) -> &Family<GaugeCell> {
        &self.0.gauges[it as usize]
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "there is one family for every variant, in the order of the variants"
    )]
    fn histograms(&self, it: Histogram) -> &Family<HistogramCell> {
        &self.0.histograms[it as usize]
    }
}

fn labels_of<'a, C>(def: &'static MetricDef, series: &'a Series<C>) -> SeriesLabels<'a> {
    SeriesLabels { def, values: &series.values, text: "" }
}

fn read_family<C: Cell>(
    family: &Family<C>,
    reader: &mut dyn Reader,
    mut tell: impl FnMut(&C, SeriesLabels<'_>, &mut dyn Reader),
) {
    let page = family.page();
    if page.series.is_empty() {
        return;
    }
    reader.family(family.def);
    for (series, text) in page.with_texts(family.def, reader) {
        let labels = SeriesLabels { def: family.def, values: &series.values, text };
        tell(&series.cell, labels, reader);
    }
}
