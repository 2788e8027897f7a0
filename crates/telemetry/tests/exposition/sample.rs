//! A registry with every metric of the catalog in it, each with numbers that are not zero.

use std::time::Duration;

use flowglass_catalog::{AnyHandle, LabelDef, LabelKey, Metric, Registry};
use flowglass_model::TraceId;

/// A value for a label: the first word of a closed set, else something a person could have written.
fn value(label: LabelDef) -> &'static str {
    if let Some(word) = label.values.and_then(|words| words.first()) {
        return word;
    }
    match label.key {
        LabelKey::Tenant => "acme",
        LabelKey::Pipeline => "orders",
        LabelKey::Table => "public.orders",
        LabelKey::Status => "200",
        LabelKey::Metric => "rows_total",
        LabelKey::Version => "0.1.0",
        LabelKey::Endpoint | LabelKey::Route => "/api/v1/runs/{id}",
        _ => "one",
    }
}

/// Every metric of the catalog, once.
pub(crate) fn every_metric() -> Registry {
    let registry = Registry::default();
    for metric in Metric::all().iter().copied() {
        let labels: Vec<_> =
            metric.def().labels.iter().map(|label| (label.key, value(*label))).collect();
        touch(&registry.resolve(metric, &labels).expect("the labels of the catalog"));
    }
    registry
}

fn touch(handle: &AnyHandle) {
    let trace = TraceId::from_bytes([0xab; 16]).expect("not all zero");
    match handle {
        AnyHandle::Counter(it) => it.add(3),
        AnyHandle::Seconds(it) => it.add(Duration::from_millis(1_500)),
        // 1 is what an info metric must be.
        AnyHandle::Gauge(it) => it.set(1.0),
        AnyHandle::Timing(it) => {
            it.observe(Duration::from_millis(3));
            it.observe(Duration::from_secs(100_000));
            it.observe_traced(Duration::from_millis(300), trace, 1_700_000_000_123_000_000);
        }
        AnyHandle::Size(it) => {
            it.observe(7);
            it.observe(u64::from(u32::MAX));
        }
    }
}
