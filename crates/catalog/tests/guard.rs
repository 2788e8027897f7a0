//! The cardinality guard: a bound that holds, and sums that stay exact.

use flowglass_catalog::label::{Endpoint, Method, Node, RowOp, Source, Status};
use flowglass_catalog::{Counter, Gauge, Histogram, Metric, OTHER, Registry, RegistryOptions};
use proptest::prelude::*;

use super::reading::{everything, number};

fn small(series_per_metric_max: usize) -> Registry {
    Registry::new(RegistryOptions { series_per_metric_max })
}

#[test]
fn a_flood_of_paths_methods_and_statuses_stays_under_the_limit() {
    let registry = Registry::default();
    let process = registry.process();
    for turn in 0..100_000_u32 {
        let (path, word) = (format!("/{turn}"), format!("M{turn}"));
        let status = Status(u16::try_from(turn % 700).unwrap());
        process.http_requests_total(Method::parse(&word), Endpoint(&path), status).increment();
        process
            .http_request_duration_seconds(Method::parse(&word), Endpoint(&path))
            .observe(std::time::Duration::ZERO);
    }
    assert!(registry.series_count(Metric::Counter(Counter::HttpRequestsTotal)) <= 1_001);
    assert!(
        registry.series_count(Metric::Histogram(Histogram::HttpRequestDurationSeconds)) <= 1_001
    );
    let all = everything(&registry);
    let total: f64 = all
        .iter()
        .filter(|(series, _)| series.starts_with("http_requests_total"))
        .map(|(_, n)| n)
        .sum();
    assert_eq!(total, 100_000.0);
    assert_eq!(all["metric_label_overflow_total{metric=http_requests_total}"], 99_000.0);
    assert_eq!(all["metric_series{metric=http_requests_total}"], 1_001.0);
}

#[test]
fn a_gauge_past_the_limit_is_not_shown_and_is_counted() {
    let registry = small(2);
    let scope = registry.pipeline("t", "p");
    for (source, lag) in [("a", 1.0), ("b", 2.0), ("c", 900.0)] {
        scope.source_lag_seconds(Source(source)).set(lag);
    }
    assert_eq!(registry.series_count(Metric::Gauge(Gauge::SourceLagSeconds)), 2);
    let all = everything(&registry);
    assert!(all.values().all(|value| *value != 900.0), "{all:#?}");
    assert_eq!(all["metric_label_overflow_total{metric=source_lag_seconds}"], 1.0);
    // Those that were there first go on.
    scope.source_lag_seconds(Source("b")).set(3.0);
    assert_eq!(number(&registry, "source_lag_seconds{tenant=t,pipeline=p,source=b}"), 3.0);
}

#[test]
fn room_that_an_owner_leaves_is_used_again() {
    let registry = small(1);
    let first = registry.pipeline("t", "first");
    first.runs_in_progress().set(1.0);
    first.forget();
    registry.pipeline("t", "second").runs_in_progress().set(2.0);
    assert_eq!(number(&registry, "runs_in_progress{tenant=t,pipeline=second}"), 2.0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn sums_are_exact_and_series_bounded_whatever_comes(
        max in 1..8_usize,
        adds in prop::collection::vec(("[a-f]{1,2}", 0..4_usize, 0..1_000_u64), 0..200),
    ) {
        let registry = small(max);
        let scope = registry.pipeline("t", "p");
        for (node, op, count) in &adds {
            scope.rows_total(Node(node), RowOp::ALL[*op]).add(*count);
        }
        let all = everything(&registry);
        let rows: Vec<_> = all.iter().filter(|(series, _)| series.starts_with("rows_total")).collect();
        prop_assert!(rows.len() <= max + 1);
        let sum: f64 = rows.iter().map(|(_, value)| **value).sum();
        #[expect(clippy::cast_precision_loss, reason = "at most 200,000")]
        let expected = adds.iter().map(|(_, _, count)| count).sum::<u64>() as f64;
        prop_assert_eq!(sum, expected);
        let folded = rows.iter().any(|(series, _)| series.contains(OTHER));
        let sets: std::collections::BTreeSet<_> = adds.iter().map(|(node, op, _)| (node, op)).collect();
        prop_assert_eq!(folded, sets.len() > max);
        prop_assert_eq!(all.contains_key("metric_label_overflow_total{metric=rows_total}"), folded);
    }
}
