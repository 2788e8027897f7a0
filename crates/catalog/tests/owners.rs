//! A series leaves with its owner, and only with its own.

use std::thread;

use flowglass_catalog::label::{FinalState, Node, RowOp, Sink};
use flowglass_catalog::{Counter, Metric, Registry};
use proptest::prelude::*;

use super::reading::{everything, number};

#[test]
fn the_series_of_a_deleted_pipeline_go_away_and_no_others() {
    let registry = Registry::default();
    let owner = {
        let orders = registry.pipeline("acme", "orders");
        orders.runs_total(FinalState::Complete).increment();
        orders.run_duration_seconds().observe(std::time::Duration::from_secs(1));
        orders.runs_in_progress().set(1.0);
        orders.owner()
    };
    registry.pipeline("acme", "other").runs_total(FinalState::Complete).add(7);
    registry.pipeline("umbrella", "orders").runs_total(FinalState::Complete).add(8);
    registry.process().panics_total().increment();
    drop(owner);
    let all = everything(&registry);
    assert!(!all.keys().any(|series| series.contains("tenant=acme,pipeline=orders")), "{all:#?}");
    assert_eq!(all["runs_total{tenant=acme,pipeline=other,state=complete}"], 7.0);
    assert_eq!(all["runs_total{tenant=umbrella,pipeline=orders,state=complete}"], 8.0);
    assert_eq!(all["panics_total{}"], 1.0);
    assert_eq!(all.get("metric_series{metric=run_duration_seconds}"), None);
}

#[test]
fn what_a_deleted_pipeline_still_counts_is_not_shown_nor_given_to_the_next_of_its_name() {
    let registry = Registry::default();
    let old = registry.pipeline("t", "p");
    let kept = old.runs_total(FinalState::Failed);
    kept.add(5);
    old.forget();
    kept.add(5);
    old.runs_total(FinalState::Failed).add(5);
    assert_eq!(registry.series_count(Metric::Counter(Counter::RunsTotal)), 0);
    let new = registry.pipeline("t", "p");
    new.runs_total(FinalState::Failed).increment();
    old.runs_total(FinalState::Failed).add(5);
    old.forget();
    assert_eq!(number(&registry, "runs_total{tenant=t,pipeline=p,state=failed}"), 1.0);
}

#[test]
fn a_sink_that_is_taken_out_leaves_the_others() {
    let registry = Registry::default();
    let scope = registry.pipeline("t", "p");
    let owner = scope.owner_of(&Sink("redis"));
    for sink in ["kafka", "redis"] {
        scope.sink_events_total(Sink(sink)).increment();
        scope.sink_buffer_depth(Sink(sink)).set(1.0);
    }
    drop(owner);
    let all = everything(&registry);
    assert!(!all.keys().any(|series| series.contains("sink=redis")), "{all:#?}");
    assert_eq!(all["sink_events_total{tenant=t,pipeline=p,sink=kafka}"], 1.0);
    scope.sink_events_total(Sink("redis")).add(2);
    assert_eq!(number(&registry, "sink_events_total{tenant=t,pipeline=p,sink=redis}"), 2.0);
}

#[test]
fn the_count_of_series_falls_to_zero_when_all_have_left() {
    let registry = Registry::default();
    let scope = registry.pipeline("t", "p");
    scope.dlq_entries().set(1.0);
    assert_eq!(number(&registry, "metric_series{metric=dlq_entries}"), 1.0);
    scope.forget();
    assert_eq!(number(&registry, "metric_series{metric=dlq_entries}"), 0.0);
}

#[test]
fn registering_while_owners_leave_never_leaves_a_series_behind() {
    let registry = Registry::default();
    thread::scope(|threads| {
        for _ in 0..2 {
            threads.spawn(|| {
                for _ in 0..2_000 {
                    let scope = registry.pipeline("t", "p");
                    let owner = scope.owner();
                    scope.rows_total(Node("n"), RowOp::Inserted).increment();
                    scope.sink_latency_seconds(Sink("s")).observe(std::time::Duration::ZERO);
                    drop(owner);
                }
            });
        }
    });
    let left = everything(&registry);
    assert!(!left.keys().any(|series| series.contains("pipeline=p")), "{left:#?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn removal_removes_exactly_what_left(steps in prop::collection::vec((0..4_usize, 0..3_usize, any::<bool>()), 0..60)) {
        let registry = Registry::default();
        let mut expected = std::collections::BTreeMap::new();
        for (pipeline, node, leaves) in steps {
            let (pipeline, node) = (["a", "b", "c", "d"][pipeline], ["x", "y", "z"][node]);
            let scope = registry.pipeline("t", pipeline);
            if leaves {
                scope.forget();
                expected.retain(|(owner, _), _| *owner != pipeline);
            } else {
                scope.rows_total(Node(node), RowOp::Deleted).increment();
                *expected.entry((pipeline, node)).or_insert(0.0) += 1.0;
            }
        }
        let expected: std::collections::BTreeMap<_, _> = expected
            .into_iter()
            .map(|((pipeline, node), n)| (format!("rows_total{{tenant=t,pipeline={pipeline},node={node},op=deleted}}"), n))
            .collect();
        let rows: std::collections::BTreeMap<_, _> =
            everything(&registry).into_iter().filter(|(series, _)| series.starts_with("rows_total")).collect();
        prop_assert_eq!(rows, expected);
    }
}
