//! What goes, what stays, and that nothing is half gone.

use std::time::Duration;

use flowglass_connect::SystemClock;
use flowglass_store::{Pruned, Retention, RunFilter, Store, StoreOptions};
use flowglass_testkit::{Scratch, wait_for};
use jiff::{SignedDuration, Timestamp};

use crate::history::{History, PATIENCE, open, options, run_id};

fn at(number: u64) -> Timestamp {
    let millis = crate::history::EPOCH_MS + number * 1000 + 900;
    Timestamp::from_millisecond(i64::try_from(millis).unwrap()).unwrap()
}

#[tokio::test]
async fn old_runs_go_whole_and_unfinished_ones_stay() {
    let scratch = Scratch::new();
    let store = open(&scratch.path("s.db"));
    for number in 1..=10 {
        let mut history = History::new(number);
        let mut events = history.begin();
        events.extend(history.lines(50));
        if number != 3 {
            events.extend(history.complete());
        }
        store.appender().append(events).await.unwrap();
    }
    store.commit_cursor("slow", 100).await.unwrap();
    let rules = Retention { age_max: Some(Duration::from_secs(5)), bytes_max: None };
    let pruned = store.prune(rules, at(10)).await.unwrap();
    // Runs 1, 2, 4, 5 ended more than five seconds before; run 3 never ended. The first 100
    // positions were read: run 1's 56 events and 44 of run 2's.
    assert_eq!(pruned, Pruned { runs: 4, events: 224, unread_events: 124 });
    let reader = store.reader().unwrap();
    let left: Vec<_> = reader
        .list(&RunFilter::default(), None, 99)
        .unwrap()
        .runs
        .iter()
        .map(|it| it.run_id)
        .collect();
    assert_eq!(left, [10, 9, 8, 7, 6, 3].map(run_id));
    assert!(reader.lines(run_id(1), 0, 10).unwrap().is_empty());
    assert!(reader.check().unwrap().is_empty());
    assert_eq!(reader.since(0, 9999).unwrap().len(), 5 * 56 + 54);
    let of_pipeline =
        RunFilter { pipeline: Some("orders".parse().unwrap()), ..RunFilter::default() };
    assert_eq!(reader.count(&of_pipeline).unwrap(), 6);
    assert_eq!(store.prune(rules, at(10)).await.unwrap(), Pruned::default());
    // A position is never used again, not even when the newest events have gone.
    let newest = reader.newest().unwrap();
    let everything = Retention { age_max: Some(Duration::ZERO), bytes_max: None };
    store.prune(everything, at(100)).await.unwrap();
    store.appender().append(History::whole(20, 0)).await.unwrap();
    assert!(reader.since(newest, 1).unwrap()[0].pos > newest);
}

#[tokio::test]
async fn the_file_shrinks_to_its_size_by_losing_its_oldest_runs() {
    let scratch = Scratch::new();
    let path = scratch.path("s.db");
    let store = open(&path);
    for number in 1..=40 {
        store.appender().append(History::whole(number, 1000)).await.unwrap();
    }
    let before = store.reader().unwrap().used_bytes().unwrap();
    let rules = Retention { age_max: None, bytes_max: Some(before / 4) };
    let pruned = store.prune(rules, at(100)).await.unwrap();
    let reader = store.reader().unwrap();
    let used = reader.used_bytes().unwrap();
    assert!(used <= before / 4, "{used} of {before}");
    let left = reader.list(&RunFilter::default(), None, 99).unwrap().runs;
    assert!((5..=10).contains(&left.len()), "{} runs left", left.len());
    assert_eq!(left.last().unwrap().run_id, run_id(pruned.runs + 1), "the oldest went");
    assert!(reader.check().unwrap().is_empty());
    drop((reader, store));
    let file = std::fs::metadata(&path).unwrap().len();
    assert!(file < before / 2, "{file} of {before}");
}

#[tokio::test]
async fn opening_removes_what_is_too_old_while_appends_go_on() {
    let scratch = Scratch::new();
    let path = scratch.path("s.db");
    let store = open(&path);
    for number in 1..=20 {
        store.appender().append(History::whole(number, 500)).await.unwrap();
    }
    store.close();
    let retention = Retention { age_max: Some(Duration::from_secs(1)), bytes_max: None };
    let clock = SystemClock::new();
    let store = Store::open(&path, &StoreOptions { retention, ..options() }, &clock).unwrap();
    let mut history = History::new(99);
    store.appender().append(history.begin()).await.unwrap();
    let reader = store.reader().unwrap();
    wait_for("only the new run's events are left", PATIENCE, || {
        (reader.since(0, 99).unwrap().len() == 4).then_some(())
    });
    assert!(reader.check().unwrap().is_empty());
    assert!(Timestamp::now() - SignedDuration::from_hours(1) > at(20));
}
