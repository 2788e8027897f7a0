//! Any cut of any histories into appends, delivered again at will, over any number of openings.

use flowglass_model::Event;
use flowglass_testkit::Scratch;
use proptest::prelude::*;

use crate::history::{History, open};

#[derive(Debug, Clone)]
enum Act {
    /// The next events of a run, with some of those before them.
    Append {
        run: usize,
        next: usize,
        again: usize,
    },
    Reopen,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let append = (0_usize..3, 0_usize..20, 0_usize..8).prop_map(|(run, next, again)| Act::Append {
        run,
        next,
        again,
    });
    prop::collection::vec(prop_oneof![8 => append, 1 => Just(Act::Reopen)], 1..25)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn the_log_is_what_was_appended(acts in acts()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let scratch = Scratch::new();
        let path = scratch.path("s.db");
        let histories: Vec<Vec<Event>> = (1..=3).map(|it| History::whole(it, 60)).collect();
        let mut told = [0_usize; 3];
        let mut store = open(&path);
        let mut positions = 0;
        for act in acts {
            match act {
                Act::Append { run, next, again } => {
                    let until = (told[run] + next).min(histories[run].len());
                    let part = &histories[run][told[run].saturating_sub(again)..until];
                    runtime.block_on(store.appender().append(part.to_vec())).unwrap();
                    positions += until - told[run];
                    told[run] = until;
                }
                Act::Reopen => {
                    store.close();
                    store = open(&path);
                }
            }
        }
        let reader = store.reader().unwrap();
        for (history, told) in histories.iter().zip(told) {
            let stored = reader.events(history[0].run_id, 0, 1000).unwrap();
            prop_assert_eq!(&stored[..], &history[..told]);
            let summary = reader.summary(history[0].run_id).unwrap();
            prop_assert_eq!(summary.map_or(0, |it| it.last_seq), told as u64);
        }
        let all: Vec<i64> = reader.since(0, 1000).unwrap().iter().map(|it| it.pos).collect();
        prop_assert_eq!(all, (1..=i64::try_from(positions).unwrap()).collect::<Vec<_>>());
        prop_assert!(reader.check().unwrap().is_empty());
    }
}
