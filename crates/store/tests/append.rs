//! What is stored, what is passed over, what is refused.

use flowglass_connect::SystemClock;
use flowglass_model::{Entity, ErrorClass, Event, Reason, State};
use flowglass_store::{Store, StoreError, StoreOptions};
use flowglass_testkit::Scratch;

use crate::history::{History, open, options, other_id};

#[tokio::test]
async fn what_was_appended_reads_back_to_the_byte() {
    let scratch = Scratch::new();
    let store = open(&scratch.path("deep/er/flowglass.db"));
    let mut events = History::whole(1, 3);
    events[2].unknown.insert("later_field".to_owned(), serde_json::json!({"a": [1, 2]}));
    store.appender().append(events.clone()).await.unwrap();
    let reader = store.reader().unwrap();
    let run = events[0].run_id;
    assert_eq!(reader.events(run, 0, 100).unwrap(), events);
    let lines: Vec<_> = reader.lines(run, 0, 100).unwrap().into_iter().map(|it| it.line).collect();
    assert_eq!(lines, events.iter().map(Event::to_line).collect::<Vec<_>>());
    assert_eq!(reader.events(run, 7, 100).unwrap(), events[7..]);
    assert!(reader.check().unwrap().is_empty());
}

#[tokio::test]
async fn the_same_events_again_change_nothing() {
    let scratch = Scratch::new();
    let store = open(&scratch.path("s.db"));
    let appender = store.appender();
    let events = History::whole(1, 5);
    for until in [3, 3, 1, 8, events.len()] {
        appender.append(events[..until].to_vec()).await.unwrap();
    }
    let mut doubled = events.clone();
    doubled.extend(events.clone());
    appender.append(doubled).await.unwrap();
    let reader = store.reader().unwrap();
    assert_eq!(reader.events(events[0].run_id, 0, 100).unwrap(), events);
    assert_eq!(reader.newest().unwrap(), i64::try_from(events.len()).unwrap());
}

#[tokio::test]
async fn a_gap_a_rewrite_and_an_illegal_move_are_refused_whole_and_harm_nobody_else() {
    let scratch = Scratch::new();
    let store = open(&scratch.path("s.db"));
    let appender = store.appender();
    let mut history = History::new(1);
    let run = history.run();
    appender.append(history.begin()).await.unwrap();

    let lines = history.lines(3);
    let said = appender.append(lines[1..].to_vec()).await.unwrap_err();
    assert!(matches!(said, StoreError::Gap { expected: 5, given: 6, .. }), "{said}");

    let mut other = lines.clone();
    other[2].id = other_id();
    appender.append(lines.clone()).await.unwrap();
    let said = appender.append(other).await.unwrap_err();
    assert!(matches!(said, StoreError::Rewritten { seq: 7, .. }), "{said}");
    assert_eq!(said.class(), ErrorClass::Conflict);

    // Legal lines before the illegal move go with it, and the next append continues as if neither
    // had been there; another run of the same moment is stored.
    let mut illegal = history.lines(1);
    let back = (State::Queued, Reason::Slot);
    illegal.push(history.moved(Entity::Run, Some(State::Running), back));
    let neighbour = store.appender();
    let (refused, stored) =
        tokio::join!(appender.append(illegal), neighbour.append(History::whole(2, 1)));
    let said = refused.unwrap_err();
    assert!(matches!(said, StoreError::Illegal { seq: 9, .. }), "{said}");
    stored.unwrap();
    let reader = store.reader().unwrap();
    assert_eq!(reader.summary(run).unwrap().unwrap().last_seq, 7);
    assert_eq!(reader.lines(run, 0, 100).unwrap().len(), 7);
    assert!(reader.check().unwrap().is_empty());

    // A run whose first append is refused was never there.
    let mut bad = History::new(3);
    let complete = bad.moved(Entity::Run, None, (State::Complete, Reason::Ok));
    appender.append(vec![complete]).await.unwrap_err();
    assert_eq!(reader.summary(bad.run()).unwrap(), None);
    appender.append(History::whole(3, 0)).await.unwrap();
}

#[tokio::test]
async fn a_run_goes_on_after_the_store_was_closed() {
    let scratch = Scratch::new();
    let path = scratch.path("s.db");
    let mut history = History::new(1);
    let run = history.run();
    let store = open(&path);
    store.appender().append(history.begin()).await.unwrap();
    store.close();
    let store = open(&path);
    // Where the entities stand was learnt from the log.
    let mut wrong = History::new(1);
    wrong.begin();
    let again = wrong.moved(Entity::Run, None, (State::Queued, Reason::Slot));
    store.appender().append(vec![again]).await.unwrap_err();
    store.appender().append(history.complete()).await.unwrap();
    let summary = store.reader().unwrap().summary(run).unwrap().unwrap();
    assert_eq!((summary.state, summary.nodes.of(State::Complete)), (Some(State::Complete), 1));
}

#[tokio::test]
async fn enqueued_events_are_stored_by_the_flush_and_a_failure_is_told_once() {
    let scratch = Scratch::new();
    let store = open(&scratch.path("s.db"));
    let appender = store.appender();
    for event in History::whole(1, 500) {
        appender.enqueue(vec![event]).await.unwrap();
    }
    appender.flush().await.unwrap();
    let run = crate::history::run_id(1);
    assert_eq!(store.reader().unwrap().lines(run, 0, 1000).unwrap().len(), 506);

    let gap = History::whole(2, 0).split_off(1);
    appender.enqueue(gap).await.unwrap();
    let said = appender.flush().await.unwrap_err();
    assert!(matches!(said, StoreError::Gap { .. }), "{said}");
    appender.flush().await.unwrap();
    // Another appender heard nothing of it.
    store.appender().append(History::whole(2, 0)).await.unwrap();
}

#[tokio::test]
async fn dropping_the_store_stores_what_was_handed_over() {
    let scratch = Scratch::new();
    let path = scratch.path("s.db");
    let store = open(&path);
    let appender = store.appender();
    for event in History::whole(1, 200) {
        appender.enqueue(vec![event]).await.unwrap();
    }
    drop(store);
    assert!(matches!(appender.flush().await, Err(StoreError::Closed)));
    let reader = flowglass_store::Reader::open(&path).unwrap();
    assert_eq!(reader.lines(crate::history::run_id(1), 0, 1000).unwrap().len(), 206);
}

#[tokio::test]
async fn a_full_disk_is_told_and_leaves_whole_appends() {
    let scratch = Scratch::new();
    let path = scratch.path("s.db");
    let small = StoreOptions { file_bytes_max: Some(400_000), ..options() };
    let store = Store::open(&path, &small, &SystemClock::new()).unwrap();
    let appender = store.appender();
    let mut history = History::new(1);
    let run = history.run();
    appender.append(history.begin()).await.unwrap();
    let mut stored = 4;
    let full = loop {
        match appender.append(history.lines(50)).await {
            Ok(()) => stored += 50,
            Err(error) => break error,
        }
        assert!(stored < 100_000, "the limit was never reached");
    };
    assert_eq!(full.class(), ErrorClass::DiskFull, "{full}");
    assert!(full.hint().contains("Free space"), "{}", full.hint());
    let reader = store.reader().unwrap();
    assert_eq!(reader.summary(run).unwrap().unwrap().last_seq, stored);
    assert!(reader.check().unwrap().is_empty());
    drop((reader, appender, store));
    // With room again the run goes on where it was.
    let store = open(&path);
    let mut again = History::new(1);
    again.begin();
    again.lines(stored - 4);
    store.appender().append(again.complete()).await.unwrap();
    assert!(store.reader().unwrap().check().unwrap().is_empty());
}
