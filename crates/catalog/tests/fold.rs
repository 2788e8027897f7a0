//! The fold: numbers that follow from events, and from each event once.

use std::collections::BTreeMap;

use flowglass_catalog::{Folded, MetricsFold, Registry};
use flowglass_model::{
    Counts, Entity, Event, EventKind, LedgerEntry, NodeId, PipelineId, Reason, RunId, Scope, Stamp,
    State,
};
use proptest::prelude::*;

use super::reading::{everything, number};

/// Writes the events of one run, one after the other.
struct Run {
    scope: Scope,
    events: Vec<Event>,
}

impl Run {
    fn new(number: u64) -> Self {
        let run = RunId::from_parts(number + 1, [7; 10]);
        Self {
            scope: Scope::pipeline("acme", run, PipelineId::from_foreign("orders")),
            events: Vec::new(),
        }
    }

    fn node(&self, name: &str) -> Scope {
        self.scope.node(NodeId::from_foreign(name))
    }

    fn tell(
        &mut self,
        scope: &Scope,
        kind: EventKind,
        entity: Entity,
        fill: impl FnOnce(&mut Event),
    ) {
        let seq = self.events.len() as u64 + 1;
        let time = format!("2024-05-01T00:00:{seq:02}Z").parse().expect("a time");
        let mut event = Event::new(Stamp { id: uuid(seq), seq, time }, scope, kind, entity);
        fill(&mut event);
        self.events.push(event);
    }

    fn to(&mut self, scope: &Scope, entity: Entity, to: State, seconds: Option<f64>) {
        let reason = Reason::ALL.iter().copied().find(|it| it.state() == to);
        self.tell(scope, EventKind::Transition, entity, |event| {
            event.to = Some(to);
            event.reason = reason;
            event.duration_seconds = seconds;
        });
    }

    fn ledger(&mut self, scope: &Scope, entry: LedgerEntry) {
        self.tell(scope, EventKind::Ledger, Entity::Attempt, |event| event.ledger = Some(entry));
    }
}

fn uuid(seq: u64) -> uuid::Uuid {
    uuid::Uuid::from_u128(u128::from(seq) + 1)
}

/// A run in which `load` fails once and then completes, `checks` is skipped and `slow` is
/// cancelled.
fn story() -> Run {
    let mut run = Run::new(0);
    let (pipeline, load, checks, slow) =
        (run.scope.clone(), run.node("load"), run.node("checks"), run.node("slow"));
    run.to(&pipeline, Entity::Pipeline, State::Queued, None);
    run.to(&pipeline, Entity::Pipeline, State::Running, None);
    run.to(&load, Entity::Node, State::Running, None);
    run.to(&load.attempt(1), Entity::Attempt, State::Running, None);
    run.ledger(
        &load.attempt(1),
        LedgerEntry { table: "file:in/odd name.csv".into(), read: 5, ..LedgerEntry::default() },
    );
    run.to(&load.attempt(1), Entity::Attempt, State::Failed, Some(0.2));
    run.to(&load.attempt(2), Entity::Attempt, State::Running, None);
    let closed = LedgerEntry {
        table: "file:in/odd name.csv".into(),
        read: 9,
        delivered: 7,
        filtered: 2,
        ..LedgerEntry::default()
    };
    run.ledger(&load.attempt(2), closed);
    run.tell(&load.attempt(2), EventKind::Transition, Entity::Attempt, |event| {
        event.to = Some(State::Complete);
        event.counts = Some(Counts { extracted: Some(9), inserted: Some(7), ..Counts::default() });
        event.attributes.insert("cpu_seconds".into(), "1.250000".into());
        event.attributes.insert("peak_rss_bytes".into(), "4096".into());
    });
    run.to(&load, Entity::Node, State::Complete, Some(3.5));
    run.to(&checks, Entity::Node, State::Skipped, None);
    run.to(&slow, Entity::Node, State::Running, None);
    run.to(&slow, Entity::Node, State::Failed, Some(20.0));
    run.to(&pipeline, Entity::Pipeline, State::Complete, Some(30.0));
    run
}

fn folded(events: &[Event]) -> BTreeMap<String, f64> {
    let registry = Registry::default();
    let mut fold = MetricsFold::new(registry.clone());
    events.iter().for_each(|event| assert_eq!(fold.apply(event), Folded::New));
    everything(&registry)
}

#[test]
fn a_run_is_counted_as_its_events_tell_it() {
    let all = folded(&story().events);
    let at = |series: &str| {
        all.get(&series.replace("{", "{tenant=acme,pipeline=orders").replace(",}", "}")).copied()
    };
    for (series, value) in [
        ("runs_total{,state=complete}", 1.0),
        ("runs_in_progress{,}", 0.0),
        ("run_duration_seconds{,}", 1.0),
        ("run_last_success_ts{,}", 1_714_521_614.0),
        ("node_duration_seconds{,node=load,state=complete}", 1.0),
        ("node_duration_seconds{,node=checks,state=skipped}", 1.0),
        ("node_duration_seconds{,node=slow,state=failed}", 1.0),
        ("attempts_total{,node=load,outcome=failed}", 1.0),
        ("attempts_total{,node=load,outcome=complete}", 1.0),
        ("rows_total{,node=load,op=extracted}", 9.0),
        ("rows_total{,node=load,op=inserted}", 7.0),
        ("node_cpu_seconds_total{,node=load}", 1_250_000_000.0),
        ("node_peak_rss_bytes{,node=load}", 4_096.0),
        ("ledger_rows_total{,table=file,disposition=read}", 14.0),
        ("ledger_rows_total{,table=file,disposition=delivered}", 7.0),
        ("ledger_unaccounted_rows{,}", 0.0),
    ] {
        assert_eq!(at(series), Some(value), "{series} in {all:#?}");
    }
    assert_eq!(at("rows_total{,node=load,op=updated}"), None, "nobody counted is not zero");
}

#[test]
fn no_odd_name_reaches_a_label() {
    let all = folded(&story().events);
    assert!(!all.keys().any(|series| series.contains("odd") || series.contains('/')), "{all:#?}");
}

#[test]
fn a_missing_row_shows_until_the_ledger_is_closed() {
    let registry = Registry::default();
    let mut fold = MetricsFold::new(registry.clone());
    let mut run = Run::new(1);
    let node = run.node("load").attempt(1);
    let entry = LedgerEntry {
        table: "public.orders".into(),
        read: 3,
        delivered: 1,
        ..LedgerEntry::default()
    };
    run.ledger(&node, entry.clone());
    run.ledger(&node, LedgerEntry { delivered: 3, ..entry });
    fold.apply(&run.events[0]);
    let unaccounted = || number(&registry, "ledger_unaccounted_rows{tenant=acme,pipeline=orders}");
    assert_eq!(unaccounted(), 2.0);
    fold.apply(&run.events[1]);
    assert_eq!(unaccounted(), 0.0);
    let delivered =
        "ledger_rows_total{tenant=acme,pipeline=orders,table=public.orders,disposition=delivered}";
    assert_eq!(number(&registry, delivered), 3.0);
}

#[test]
fn a_run_that_tells_no_pipeline_is_counted_by_itself_and_others_are_not_counted_twice() {
    let mut foreign = Run::new(2);
    let scope = foreign.scope.clone();
    foreign.to(&scope, Entity::Run, State::Running, None);
    foreign.to(&scope, Entity::Run, State::Failed, Some(1.0));
    assert_eq!(
        folded(&foreign.events)["runs_total{tenant=acme,pipeline=orders,state=failed}"],
        1.0
    );
    let mut both = Run::new(3);
    for entity in [Entity::Pipeline, Entity::Run] {
        both.to(&scope, entity, State::Running, None);
    }
    for entity in [Entity::Pipeline, Entity::Run] {
        both.to(&scope, entity, State::Complete, Some(1.0));
    }
    both.events.iter_mut().for_each(|it| it.run_id = RunId::from_parts(99, [1; 10]));
    assert_eq!(folded(&both.events)["runs_total{tenant=acme,pipeline=orders,state=complete}"], 1.0);
}

#[test]
fn a_reader_that_starts_in_the_middle_never_counts_below_zero() {
    let story = story();
    for start in 0..story.events.len() {
        let all = folded(&story.events[start..]);
        let in_progress =
            all.get("runs_in_progress{tenant=acme,pipeline=orders}").copied().unwrap_or(0.0);
        assert_eq!(in_progress, 0.0, "from event {start}");
    }
}

#[test]
fn durations_that_are_none_are_not_counted_as_time() {
    let mut run = Run::new(4);
    let scope = run.scope.clone();
    run.to(&scope, Entity::Pipeline, State::Running, None);
    run.to(&scope, Entity::Pipeline, State::Failed, Some(f64::NAN));
    let all = folded(&run.events);
    assert_eq!(all.get("run_duration_seconds{tenant=acme,pipeline=orders}"), None);
    assert_eq!(all["runs_total{tenant=acme,pipeline=orders,state=failed}"], 1.0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn events_that_come_again_change_nothing(again in prop::collection::vec((0..14_usize, 0..14_usize), 0..12)) {
        let story = story();
        let once = folded(&story.events);
        let registry = Registry::default();
        let mut fold = MetricsFold::new(registry.clone());
        for (at, event) in story.events.iter().enumerate() {
            prop_assert_eq!(fold.apply(event), Folded::New);
            // Any stretch of what was given before may be given again at any time.
            for (_, from) in again.iter().filter(|(when, from)| *when == at && *from <= at) {
                for known in &story.events[*from..=at] {
                    prop_assert_eq!(fold.apply(known), Folded::Known);
                }
            }
        }
        prop_assert_eq!(everything(&registry), once);
    }
}
