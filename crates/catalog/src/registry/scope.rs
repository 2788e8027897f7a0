//! For whom a handle is: a pipeline, or the process.
//!
//! A caller says tenant and pipeline once; the catalog's table adds one method per metric to each
//! scope, so a pipeline's metric cannot be registered without its pipeline, nor a metric of the
//! process with one.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::{Counter, Gauge, Histogram, LabelKey, LabelValue};

use super::Registry;
use super::cell::{CounterCell, GaugeCell, HistogramCell};
use super::series::{Owner, Series};

/// The process's own metrics: HTTP, telemetry, memory.
#[derive(Clone, Debug)]
pub struct ProcessScope {
    pub(super) registry: Registry,
}

/// One pipeline's metrics. Cheap to clone.
#[derive(Clone)]
pub struct PipelineScope {
    pub(super) registry: Registry,
    pub(super) owner: Arc<Owner>,
    pub(super) tenant: Arc<str>,
    pub(super) pipeline: Arc<str>,
}

impl fmt::Debug for PipelineScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PipelineScope({}/{})", self.tenant, self.pipeline)
    }
}

impl ProcessScope {
    pub(crate) fn counter_series(
        &self,
        counter: Counter,
        values: &[Cow<'_, str>],
    ) -> Arc<Series<CounterCell>> {
        self.registry.counter(counter, self.registry.process_owner(), values)
    }

    pub(crate) fn gauge_series(
        &self,
        gauge: Gauge,
        values: &[Cow<'_, str>],
    ) -> Arc<Series<GaugeCell>> {
        self.registry.gauge(gauge, self.registry.process_owner(), values)
    }

    pub(crate) fn histogram_series(
        &self,
        histogram: Histogram,
        values: &[Cow<'_, str>],
    ) -> Arc<Series<HistogramCell>> {
        self.registry.histogram(histogram, self.registry.process_owner(), values)
    }
}

impl PipelineScope {
    /// Whose pipeline it is.
    #[must_use]
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// The pipeline's name.
    #[must_use]
    pub fn pipeline(&self) -> &str {
        &self.pipeline
    }

    pub(crate) fn tenant_value(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.tenant)
    }

    pub(crate) fn pipeline_value(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.pipeline)
    }

    pub(crate) fn counter_series(
        &self,
        counter: Counter,
        values: &[Cow<'_, str>],
    ) -> Arc<Series<CounterCell>> {
        self.registry.counter(counter, &self.owner, values)
    }

    pub(crate) fn gauge_series(
        &self,
        gauge: Gauge,
        values: &[Cow<'_, str>],
    ) -> Arc<Series<GaugeCell>> {
        self.registry.gauge(gauge, &self.owner, values)
    }

    pub(crate) fn histogram_series(
        &self,
        histogram: Histogram,
        values: &[Cow<'_, str>],
    ) -> Arc<Series<HistogramCell>> {
        self.registry.histogram(histogram, &self.owner, values)
    }

    /// Removes all series of the pipeline and makes every scope and handle of it that is still
    /// about harmless: what they register or count from now on is not shown. A pipeline made later
    /// under the same name starts at zero.
    pub fn forget(&self) {
        self.registry.forget_pipeline(self);
    }

    /// A guard that does [`forget`](Self::forget) when it is dropped; whoever keeps the pipeline
    /// keeps it.
    #[must_use = "the series leave when the owner is dropped"]
    pub fn owner(&self) -> SeriesOwner {
        SeriesOwner { scope: self.clone(), part: None }
    }

    /// A guard for one part of the pipeline, such as a sink that a patch may take out: when it is
    /// dropped, every series of this pipeline with that label value goes.
    #[must_use = "the series leave when the owner is dropped"]
    pub fn owner_of<V: LabelValue>(&self, part: &V) -> SeriesOwner {
        SeriesOwner { scope: self.clone(), part: Some((V::KEY, part.text().into())) }
    }
}

/// Keeps series on the page; they leave when it is dropped.
#[derive(Debug)]
pub struct SeriesOwner {
    scope: PipelineScope,
    part: Option<(LabelKey, Box<str>)>,
}

impl Drop for SeriesOwner {
    fn drop(&mut self) {
        match &self.part {
            None => self.scope.forget(),
            Some((key, value)) => self.scope.registry.forget_part(&self.scope.owner, *key, value),
        }
    }
}
