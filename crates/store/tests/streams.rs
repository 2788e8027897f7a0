//! What streams keep beside their sinks: positions that read back, and dead letters under each rule
//! for those that find no room.

use std::time::Duration;

use flowglass_connect::stream::{
    Checkpoint, DeadLetter, DeadLetterLimits, Op, Overflow, Position, SetAside, StreamState,
};
use flowglass_connect::{Clock, SystemClock};
use flowglass_model::ErrorClass;
use flowglass_store::{Store, StoreOptions};
use flowglass_testkit::Scratch;
use jiff::{SignedDuration, Timestamp};

fn open(scratch: &Scratch) -> Store {
    Store::open(scratch.path("s.db"), &StoreOptions::default(), &SystemClock::new()).unwrap()
}

fn letter(row: u64, at: Timestamp) -> DeadLetter {
    DeadLetter {
        stream: "orders".to_owned(),
        sink: "cache".to_owned(),
        table: "public.orders".to_owned(),
        op: Op::Insert,
        id: format!("0/1/{row}"),
        key: None,
        class: ErrorClass::Malformed,
        detail: "column `note` is no UTF-8".to_owned(),
        row: "{}".to_owned(),
        truncated: false,
        at,
    }
}

fn limits(overflow: Overflow) -> DeadLetterLimits {
    let age_max = Duration::from_secs(3600);
    DeadLetterLimits { entries_max: 3, age_max, row_bytes_max: 1024, overflow }
}

/// Keeps two letters, then three more where there is room for three.
async fn fill(overflow: Overflow) -> (SetAside, u64) {
    let scratch = Scratch::new();
    let store = open(&scratch);
    let now = SystemClock::new().now();
    let limits = limits(overflow);
    let first = store.set_aside(vec![letter(1, now), letter(2, now)], limits).await.unwrap();
    assert_eq!((first.kept, first.entries), (2, 2));
    let more = vec![letter(3, now), letter(4, now), letter(5, now)];
    let done = store.set_aside(more, limits).await.unwrap();
    (done, store.dead_letters("orders").await.unwrap())
}

#[tokio::test]
async fn each_rule_does_what_it_says_when_there_is_no_room() {
    let (done, there) = fill(Overflow::DropOldest).await;
    assert_eq!((done.kept, done.evicted, done.rejected, there), (3, 2, 0, 3));
    let (done, there) = fill(Overflow::Reject).await;
    assert_eq!((done.kept, done.evicted, done.rejected, there), (1, 0, 2, 3));
    // All or none: the batch comes again when there is room.
    let (done, there) = fill(Overflow::Block).await;
    assert_eq!((done.rejected, there), (2, 2));
}

#[tokio::test]
async fn the_same_letter_again_is_the_same_letter_and_an_old_one_goes() {
    let scratch = Scratch::new();
    let store = open(&scratch);
    let now = SystemClock::new().now();
    let old = now - SignedDuration::from_hours(2);
    let limits = limits(Overflow::Reject);
    store.set_aside(vec![letter(1, old)], limits).await.unwrap();
    store.set_aside(vec![letter(2, now), letter(2, now)], limits).await.unwrap();
    assert_eq!(store.dead_letters("orders").await.unwrap(), 1);
    assert_eq!(store.dead_letters("others").await.unwrap(), 0);
}

#[tokio::test]
async fn a_position_reads_back_after_a_restart() {
    let scratch = Scratch::new();
    let at = SystemClock::new().now();
    let position = Position::inside(7, 3).with_detail(Some("{\"a\":1}".into()));
    let (stream, sink) = ("orders".to_owned(), "cache".to_owned());
    let earlier = Position::after(6);
    let of =
        |position| Checkpoint { stream: stream.clone(), sink: sink.clone(), position, rows: 9, at };
    let store = open(&scratch);
    store.save(vec![of(earlier)]).await.unwrap();
    store.save(vec![of(position.clone())]).await.unwrap();
    store.close();
    assert_eq!(open(&scratch).checkpoints("orders").await.unwrap(), [of(position)]);
}
