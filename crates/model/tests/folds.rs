//! What every fold promises: it takes each prefix of a legal history, it does not mind what it knows
//! already, and what cannot be is refused without a trace.

use flowglass_model::{
    Applied, Entity, Event, EventKind, Reason, RunId, RunReport, Snapshot, State,
};
use proptest::prelude::*;

use crate::histories::histories;
use crate::recount;

/// The snapshot as others see it.
fn bytes(snapshot: &Snapshot) -> String {
    serde_json::to_string(snapshot).unwrap()
}

/// The same event with one thing wrong each, and what that is called.
fn broken(event: &Event) -> Vec<(&'static str, Event)> {
    let mut all: Vec<(&'static str, Event)> = Vec::new();
    let mut one = |name, change: &dyn Fn(&mut Event)| {
        let mut wrong = event.clone();
        change(&mut wrong);
        all.push((name, wrong));
    };
    one("a gap", &|it| it.seq += 1);
    one("another run", &|it| it.run_id = RunId::from_parts(1, [9; 10]));
    match event.kind {
        EventKind::Transition => {
            one("no state", &|it| it.to = None);
            one("no reason", &|it| it.reason = None);
            one("a wrong origin", &|it| {
                it.from = Some(match it.from {
                    Some(State::Queued) => State::Running,
                    _ => State::Queued,
                });
            });
            one("another state's reason", &|it| {
                let to = it.to;
                it.reason = Reason::ALL.iter().copied().find(|reason| Some(reason.state()) != to);
            });
            one("a dataset that moves", &|it| it.entity = Entity::Asset);
            if event.from.is_none() {
                one("an end without a beginning", &|it| {
                    (it.to, it.reason) = (Some(State::Complete), Some(Reason::Ok));
                });
            }
            if matches!(event.entity, Entity::Node | Entity::Attempt | Entity::Stage) {
                one("no node", &|it| it.node_id = None);
            }
            if matches!(event.entity, Entity::Attempt | Entity::Stage) {
                one("no attempt", &|it| it.attempt_id = None);
                one("another node's attempt", &|it| {
                    it.node_id = Some("elsewhere".parse().unwrap());
                    it.from = None;
                });
            }
            if event.entity == Entity::Stage {
                one("no stage", &|it| it.stage_id = None);
            }
        }
        EventKind::Progress => one("no counts", &|it| it.counts = None),
        EventKind::Log => one("no line", &|it| it.log = None),
        EventKind::Asset => {
            one("no dataset", &|it| it.asset_id = None);
            one("no dataset's id", &|it| it.asset_id = Some("nothing".to_owned()));
        }
        EventKind::Ledger => one("no entry", &|it| it.ledger = None),
        EventKind::Graph => one("no graph", &|it| it.graph = None),
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_prefix_folds_and_its_numbers_can_be_counted_again(history in histories()) {
        let mut live = Snapshot::default();
        for (at, event) in history.iter().enumerate() {
            prop_assert_eq!(live.apply(event), Ok(Applied::New));
            let prefix = &history[..=at];
            let replayed = Snapshot::of(prefix);
            prop_assert_eq!(replayed.as_ref(), Ok(&live));
            recount::check(prefix, &live);
            let report = RunReport::of(&live);
            prop_assert_eq!(report.summary, live.summary);
            prop_assert_eq!(report.nodes.len(), live.pipelines.iter().map(|it| it.nodes.len()).sum::<usize>());
        }
    }

    #[test]
    fn what_is_told_twice_changes_nothing(history in histories(), picks in prop::collection::vec(any::<prop::sample::Index>(), 1..20)) {
        let mut snapshot = Snapshot::default();
        for (at, event) in history.iter().enumerate() {
            prop_assert_eq!(snapshot.apply(event), Ok(Applied::New));
            let before = bytes(&snapshot);
            prop_assert_eq!(snapshot.apply(event), Ok(Applied::Duplicate));
            let again = picks[at % picks.len()].get(&history[..=at]);
            prop_assert_eq!(snapshot.apply(again), Ok(Applied::Duplicate));
            prop_assert_eq!(bytes(&snapshot), before);
        }
        // A whole delivery once more, as a reader gets it that lost its place.
        let before = snapshot.clone();
        for event in &history {
            prop_assert_eq!(snapshot.apply(event), Ok(Applied::Duplicate));
        }
        prop_assert_eq!(snapshot, before);
    }

    #[test]
    fn what_cannot_be_is_refused_and_leaves_no_trace(history in histories()) {
        let mut snapshot = Snapshot::default();
        for event in &history {
            let before = bytes(&snapshot);
            for (what, wrong) in broken(event) {
                if what == "another run" && snapshot.run.run_id.is_none() {
                    continue;
                }
                let said = snapshot.apply(&wrong);
                prop_assert!(said.is_err(), "{} was taken: {:?}", what, wrong);
                prop_assert_eq!(&bytes(&snapshot), &before, "{} left a trace", what);
            }
            prop_assert_eq!(snapshot.apply(event), Ok(Applied::New));
        }
    }

    #[test]
    fn nothing_leaves_a_final_state(history in histories()) {
        let mut snapshot = Snapshot::of(&history).unwrap();
        let before = bytes(&snapshot);
        let ended = history.iter().filter(|it| it.to.is_some_and(State::is_final));
        for event in ended {
            for reason in Reason::ALL {
                let mut next = event.clone();
                next.seq = snapshot.run.last_seq + 1;
                (next.from, next.to, next.reason) = (event.to, Some(reason.state()), Some(*reason));
                prop_assert!(snapshot.apply(&next).is_err(), "{:?} after {:?}", reason, event.to);
            }
        }
        prop_assert_eq!(bytes(&snapshot), before);
    }

    #[test]
    fn a_snapshot_read_back_goes_on_folding_the_same_way(history in histories(), cut in any::<prop::sample::Index>()) {
        let cut = cut.index(history.len());
        let mut live = Snapshot::of(&history[..cut]).unwrap();
        let mut read: Snapshot = serde_json::from_str(&bytes(&live)).unwrap();
        prop_assert_eq!(&read, &live);
        for event in &history[cut..] {
            // A page that reconnects is told some events again.
            prop_assert_eq!(live.apply(event), read.apply(event));
            prop_assert_eq!(read.apply(event), Ok(Applied::Duplicate));
        }
        prop_assert_eq!(bytes(&read), bytes(&live));
    }
}
