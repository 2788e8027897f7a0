//! Handles: what they count and that nothing is lost.

use std::thread;
use std::time::Duration;

use flowglass_catalog::label::{Node, RowOp, Sink, Stage};
use flowglass_catalog::{Counter, Gauge, Histogram, LabelKey, Metric, Registry, WrongLabels};
use proptest::prelude::*;

use super::reading::{everything, number};

#[test]
fn the_same_labels_give_the_same_series_and_others_another() {
    let registry = Registry::default();
    let orders = registry.pipeline("acme", "orders");
    orders.rows_total(Node("load"), RowOp::Inserted).add(2);
    registry.pipeline("acme", "orders").rows_total(Node("load"), RowOp::Inserted).increment();
    orders.rows_total(Node("load"), RowOp::Updated).increment();
    registry.pipeline("acme", "order").rows_total(Node("sload"), RowOp::Inserted).add(10);
    let at = |rest: &str| number(&registry, &format!("rows_total{{tenant=acme,pipeline={rest}}}"));
    assert_eq!(at("orders,node=load,op=inserted"), 3.0);
    assert_eq!(at("orders,node=load,op=updated"), 1.0);
    // Values that read alike when they are put end to end are still different sets.
    assert_eq!(at("order,node=sload,op=inserted"), 10.0);
    assert_eq!(registry.series_count(Metric::Counter(Counter::RowsTotal)), 3);
}

#[test]
fn time_is_added_exactly() {
    let registry = Registry::default();
    let busy = registry.pipeline("t", "p").stage_busy_seconds_total(Stage("source"));
    for _ in 0..10_000 {
        busy.add(Duration::from_nanos(100_000_001));
    }
    assert_eq!(busy.value(), Duration::from_nanos(1_000_000_010_000));
    busy.raise_to(Duration::from_secs(1));
    assert_eq!(busy.value(), Duration::from_nanos(1_000_000_010_000), "a counter never falls");
}

#[test]
fn a_held_gauge_falls_however_its_holder_ends() {
    let registry = Registry::default();
    let in_flight = registry.process().http_requests_in_flight();
    let held = in_flight.hold();
    let panicked = thread::spawn({
        let in_flight = in_flight.clone();
        move || {
            let _held = in_flight.hold();
            panic!("the handler's own");
        }
    });
    assert!(panicked.join().is_err());
    assert_eq!(in_flight.value(), 1.0);
    drop(held);
    assert_eq!(in_flight.value(), 0.0);
}

#[test]
fn concurrent_increments_and_look_ups_lose_nothing() {
    const THREADS: u64 = 4;
    const EACH: u64 = 20_000;
    let registry = Registry::default();
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let pipeline = registry.pipeline("t", "p");
                let kept = pipeline.sink_events_total(Sink("kept"));
                let lag = pipeline.runs_in_progress();
                for turn in 0..EACH {
                    kept.increment();
                    pipeline.sink_events_total(Sink("looked-up")).increment();
                    pipeline.sink_latency_seconds(Sink("s")).observe(Duration::from_micros(turn));
                    lag.add(1.0);
                    if turn % 4_096 == 0 {
                        everything(&registry);
                    }
                }
            });
        }
    });
    let total = (THREADS * EACH) as f64;
    for series in [
        "sink_events_total{tenant=t,pipeline=p,sink=kept}",
        "sink_events_total{tenant=t,pipeline=p,sink=looked-up}",
        "sink_latency_seconds{tenant=t,pipeline=p,sink=s}",
        "runs_in_progress{tenant=t,pipeline=p}",
    ] {
        assert_eq!(number(&registry, series), total, "{series}");
    }
}

#[test]
fn wrong_labels_are_refused_by_name() {
    let registry = Registry::default();
    let metric = Metric::Counter(Counter::RowsTotal);
    let (tenant, pipeline, node) =
        ((LabelKey::Tenant, "t"), (LabelKey::Pipeline, "p"), (LabelKey::Node, "n"));
    let missing = registry.resolve(metric, &[tenant, pipeline, node]).unwrap_err();
    assert_eq!(
        missing.to_string(),
        "metric `rows_total` takes the labels `tenant`, `pipeline`, `node`, `op`, in this order; \
         it was given `tenant`, `pipeline`, `node`"
    );
    let word =
        registry.resolve(metric, &[tenant, pipeline, node, (LabelKey::Op, "eaten")]).unwrap_err();
    assert!(matches!(word, WrongLabels::Value { .. }));
    assert_eq!(
        word.to_string(),
        "label `op` of metric `rows_total` cannot be \"eaten\"; use one of `extracted`, `inserted`, `updated`, `deleted`"
    );
    assert!(registry.resolve(Metric::Gauge(Gauge::DlqEntries), &[pipeline, tenant]).is_err());
    assert!(
        registry.resolve(Metric::Histogram(Histogram::BatchEvents), &[tenant, pipeline]).is_ok()
    );
    assert_eq!(registry.series_count(metric), 0, "a refused set leaves nothing");
}

proptest! {
    #[test]
    fn sums_and_buckets_agree_with_what_was_observed(sizes in prop::collection::vec(0..1_u64 << 40, 0..200)) {
        let registry = Registry::default();
        let handle = registry.pipeline("t", "p").batch_bytes();
        sizes.iter().for_each(|size| handle.observe(*size));
        let mut seen = None;
        registry.read(&mut Keep(&mut seen));
        let (counts, sum) = seen.unwrap();
        let bounds = Histogram::BatchBytes.def().buckets;
        let mut expected = vec![0; bounds.len() + 1];
        for size in &sizes {
            expected[bounds.iter().position(|bound| size <= bound).unwrap_or(bounds.len())] += 1;
        }
        prop_assert_eq!(counts, expected);
        prop_assert_eq!(sum, sizes.iter().sum::<u64>());
    }
}

/// Keeps the one histogram that has something to say.
struct Keep<'a>(&'a mut Option<(Vec<u64>, u64)>);

impl flowglass_catalog::Reader for Keep<'_> {
    fn family(&mut self, _: &'static flowglass_catalog::MetricDef) {}

    fn series(
        &mut self,
        _: flowglass_catalog::SeriesLabels<'_>,
        reading: flowglass_catalog::Reading<'_>,
    ) {
        if let flowglass_catalog::Reading::Histogram(reading) = reading {
            *self.0 = Some((reading.counts().to_vec(), reading.sum()));
        }
    }
}
