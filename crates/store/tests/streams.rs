//! What streams keep beside their sinks: positions that read back, and dead letters under each rule
//! for those that find no room.

use std::sync::Arc;
use std::time::Duration;

use flowglass_connect::stream::{
    Account, Answer, AnswerState, Begin, Cell, Checkpoint, ChunkBuilder, Column, DeadLetter,
    DeadLetterLimits, Desired, FailedAgain, Identity, Kind, LateReceipt, LetterBox, LetterFigures,
    LetterFilter, LetterState, NewChange, Op, Overflow, Position, Receipt, Relation, SavedChange,
    SetAside, StreamState, Tally, Transaction, Verb,
};
use flowglass_connect::{Clock, SystemClock};
use flowglass_model::ErrorClass;
use flowglass_store::{Store, StoreOptions};
use flowglass_testkit::Scratch;
use jiff::{SignedDuration, Timestamp};

fn open(scratch: &Scratch) -> Store {
    Store::open(scratch.path("s.db"), &StoreOptions::default(), &SystemClock::new()).unwrap()
}

/// The change of a letter: `id` of `public.orders`.
fn saved(row: u64) -> SavedChange {
    let column = Column {
        name: "id".to_owned(),
        kind: Kind::Int64,
        native: "bigint".to_owned(),
        nullable: false,
    };
    let relation = Arc::new(Relation {
        id: 7,
        database: "shop".into(),
        schema: "public".into(),
        table: "orders".into(),
        columns: vec![column],
        key: vec![0],
        version: 1,
    });
    let mut chunk = ChunkBuilder::new(Duration::ZERO, 0);
    let relation = chunk.relation(&relation);
    let transaction = chunk.transaction(Transaction { id: 1, commit: 1, committed_at_micros: 2 });
    let start = chunk.cell_start();
    let text = row.to_string();
    let at = chunk.push_bytes(text.as_bytes());
    chunk.push_cell(Cell::text(at, text.len()).unwrap());
    let (op, identity, before, place) = (Op::Insert, Identity::None, None, 5);
    let after = Some(start);
    chunk.push_change(
        NewChange { op, identity, relation, transaction, before, after, row, place },
        b"",
    );
    SavedChange::of(&chunk.finish().change(0).unwrap())
}

fn letter(row: u64, at: Timestamp) -> DeadLetter {
    DeadLetter {
        stream: "orders".to_owned(),
        sink: "cache".to_owned(),
        processor: None,
        table: "public.orders".to_owned(),
        op: Op::Insert,
        id: format!("0/1/{row}"),
        key: None,
        class: ErrorClass::Malformed,
        detail: "column `note` is no UTF-8".to_owned(),
        row: "{}".to_owned(),
        truncated: false,
        change: Some(saved(row)),
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
    (done, store.reader().unwrap().letter_figures("orders").unwrap().open)
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
    let reader = store.reader().unwrap();
    let kept = reader.letters("orders", &LetterFilter::default(), (0, 9)).unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!((kept[0].attempts, kept[0].state), (2, LetterState::Open));
    assert_eq!(reader.letter_figures("others").unwrap(), LetterFigures::default());
}

#[tokio::test]
async fn a_position_reads_back_after_a_restart() {
    let scratch = Scratch::new();
    let at = SystemClock::new().now();
    let position = Position::inside(7, 3).with_detail(Some("{\"a\":1}".into()));
    let (stream, sink) = ("orders".to_owned(), "cache".to_owned());
    let earlier = Position::after(6);
    let of = |position| Checkpoint {
        stream: stream.clone(),
        sink: sink.clone(),
        position,
        rows: 9,
        at,
        account: None,
    };
    let store = open(&scratch);
    store.save(vec![of(earlier)]).await.unwrap();
    store.save(vec![of(position.clone())]).await.unwrap();
    store.close();
    assert_eq!(open(&scratch).checkpoints("orders").await.unwrap(), [of(position)]);
}

#[tokio::test]
async fn a_letter_comes_back_whole_and_is_found_by_what_is_said_of_it() {
    let scratch = Scratch::new();
    let store = open(&scratch);
    let now = SystemClock::new().now();
    let room = DeadLetterLimits { entries_max: 9, ..limits(Overflow::Reject) };
    let mut other = letter(2, now);
    other.sink = "kafka".to_owned();
    other.processor = Some("mask".to_owned());
    other.class = ErrorClass::TooLarge;
    let old = now - SignedDuration::from_mins(30);
    let all = vec![letter(1, old), other.clone(), letter(3, now)];
    store.set_aside(all.clone(), room).await.unwrap();
    let reader = store.reader().unwrap();
    let find = |filter: LetterFilter| -> Vec<DeadLetter> {
        let found = reader.letters("orders", &filter, (0, 99)).unwrap();
        assert_eq!(reader.count_letters("orders", &filter).unwrap(), found.len() as u64);
        found.into_iter().map(|it| it.letter).collect()
    };
    let none = LetterFilter::default;
    assert_eq!(find(none()), all);
    let of_kafka = || vec![other.clone()];
    assert_eq!(find(LetterFilter { sink: Some("kafka".to_owned()), ..none() }), of_kafka());
    assert_eq!(find(LetterFilter { class: Some(ErrorClass::TooLarge), ..none() }), of_kafka());
    assert_eq!(find(LetterFilter { ids: vec!["0/1/2".to_owned()], ..none() }), of_kafka());
    assert_eq!(find(LetterFilter { numbers: vec![2], ..none() }), of_kafka());
    assert_eq!(find(LetterFilter { until: Some(now), ..none() }), all[..1]);
    assert_eq!(find(LetterFilter { since: Some(now), ..none() }), all[1..]);
    assert_eq!(find(LetterFilter { table: Some("x.y".to_owned()), ..none() }), []);
    assert_eq!(find(LetterFilter { states: vec![LetterState::Replayed], ..none() }), []);
    let page = reader.letters("orders", &none(), (1, 1)).unwrap();
    assert_eq!((page.len(), page[0].number), (1, 2));
    // Three letters of one table share its shape.
    let shapes = "SELECT count(*) FROM letter_shape";
    let count = || {
        let file = rusqlite::Connection::open(scratch.path("s.db")).unwrap();
        file.query_row(shapes, (), |row| row.get::<_, i64>(0)).unwrap()
    };
    assert_eq!(count(), 1);
    assert_eq!(store.remove_letters(vec![1, 2, 3, 4]).await.unwrap(), 3);
    assert_eq!(count(), 0);
}

#[tokio::test]
async fn letters_that_were_dealt_with_take_no_room_and_stay_for_a_while() {
    let scratch = Scratch::new();
    let store = open(&scratch);
    let now = SystemClock::new().now();
    let limits = limits(Overflow::Reject);
    let set_aside = async |rows: std::ops::Range<u64>| {
        let letters = rows.map(|row| letter(row, now)).collect();
        store.set_aside(letters, limits).await.unwrap()
    };
    let figures = || {
        let them = store.reader().unwrap().letter_figures("orders").unwrap();
        (them.open, them.acknowledged, them.replayed)
    };
    set_aside(1..4).await;
    assert_eq!(store.mark(vec![1, 9], LetterState::Acknowledged, now).await.unwrap(), 1);
    assert_eq!(store.mark(vec![1], LetterState::Acknowledged, now).await.unwrap(), 0);
    assert_eq!(store.mark(vec![2], LetterState::Replayed, now).await.unwrap(), 1);
    assert_eq!(figures(), (1, 1, 1));
    assert_eq!(set_aside(4..6).await.rejected, 0);
    assert_eq!(figures(), (3, 1, 1));
    // One that fails again is open, and says why it failed this time.
    let (class, detail) = (ErrorClass::TooLarge, "too long now".to_owned());
    store.failed_again(vec![FailedAgain { number: 2, class, detail }], now).await.unwrap();
    assert_eq!(figures(), (4, 1, 0));
    let filter = LetterFilter { numbers: vec![2], ..LetterFilter::default() };
    let again = store.letters("orders", &filter, (0, 1)).await.unwrap().remove(0);
    assert_eq!((again.attempts, again.letter.class), (2, ErrorClass::TooLarge));
    assert_eq!(again.letter.detail, "too long now");
    // No more of them are kept than may be open.
    for round in 0..3 {
        let numbers = store.letters("orders", &LetterFilter::default(), (0, 99)).await.unwrap();
        let numbers = numbers.iter().map(|it| it.number).collect();
        store.mark(numbers, LetterState::Acknowledged, now).await.unwrap();
        set_aside(10 + 3 * round..13 + 3 * round).await;
        assert_eq!(figures(), (3, 3, 0), "round {round}");
    }
}

#[tokio::test]
async fn a_request_is_answered_once_and_what_is_to_last_lasts() {
    let scratch = Scratch::new();
    let store = open(&scratch);
    let now = SystemClock::new().now();
    let begin = || Begin { stream: "orders".to_owned(), limits: limits(Overflow::Block), at: now };
    assert_eq!(store.begin(begin()).await.unwrap().desired, Desired::Running);
    let by = || ("ana".to_owned(), now);
    let pause = store.ask("orders", Verb::Pause, by()).await.unwrap();
    let table = "public.orders".to_owned();
    let resync = Verb::Resync { table };
    let again = store.ask("orders", resync.clone(), by()).await.unwrap();
    store.ask("others", Verb::Stop, by()).await.unwrap();
    let asked = store.asked("orders").await.unwrap().requests;
    let seen: Vec<_> = asked.iter().map(|it| (it.number, it.verb.clone())).collect();
    assert_eq!(seen, [(pause, Verb::Pause), (again, resync)]);
    assert_eq!(asked[0].asked_by, "ana");
    store.answer(pause, Answer::accepted("soon"), now).await.unwrap();
    store.answer(pause, Answer::done("now"), now).await.unwrap();
    store.answer(pause, Answer::refused("too late"), now).await.unwrap();
    let view = store.reader().unwrap().request(pause).unwrap().unwrap();
    assert_eq!(view.answer, Some(Answer::done("now")));
    assert_eq!(store.asked("orders").await.unwrap().requests.len(), 1);
    // The next process begins as the one before was left, and follows nothing that was asked of it.
    assert_eq!(store.begin(begin()).await.unwrap().desired, Desired::Paused);
    assert_eq!(store.asked("orders").await.unwrap().requests, []);
    let answer = store.reader().unwrap().request(again).unwrap().unwrap().answer.unwrap();
    assert_eq!(answer.state, AnswerState::Refused);
    let facts = store.reader().unwrap().stream("orders").unwrap().unwrap();
    assert!(facts.paused && facts.letters_max == Some(3));
    assert_eq!(facts.asked.unwrap().1, "ana");
    store.ask("orders", Verb::Resume, by()).await.unwrap();
    assert_eq!(store.begin(begin()).await.unwrap().desired, Desired::Running);
    assert_eq!(store.reader().unwrap().stream_names().unwrap(), ["orders"]);
}

#[tokio::test]
async fn a_stream_is_held_by_one_store_at_a_time() {
    let scratch = Scratch::new();
    let (one, other) = (open(&scratch), open(&scratch));
    let held = one.hold("orders").await.unwrap();
    let refused = other.hold("orders").await.unwrap_err();
    assert_eq!(refused.class(), ErrorClass::Conflict);
    drop(held);
    drop(other.hold("orders").await.unwrap());
}

#[tokio::test]
async fn receipts_are_kept_closely_near_the_newest_and_ever_more_sparsely_behind() {
    let scratch = Scratch::new();
    let store = open(&scratch);
    let at = SystemClock::new().now();
    let mut account = Account { number: 7, from: Position::ORIGIN, sums: Receipt::default() };
    let count = 1_000_u64;
    for number in 1..=count {
        account.sums.of("topic").unwrap().add(number);
        let checkpoint = Checkpoint {
            stream: "orders".to_owned(),
            sink: "cache".to_owned(),
            position: Position::after(number).with_detail(Some("{}".into())),
            rows: number,
            at,
            account: Some(account.clone()),
        };
        store.save(vec![checkpoint]).await.unwrap();
    }
    let reader = store.reader().unwrap();
    let kept = reader.receipts("orders").unwrap();
    assert!(kept.len() < 300, "{}", kept.len());
    let (first, last) = (&kept[0], &kept[kept.len() - 1]);
    assert_eq!((&first.position, &first.sums), (&Position::ORIGIN, &Receipt::default()));
    assert_eq!((&last.position, &last.sums), (&Position::after(count), &account.sums));
    // Each row says what was delivered up to its position, whatever was taken out between.
    let places: Vec<u64> = kept.iter().skip(1).map(|it| it.position.commit).collect();
    for (row, place) in kept.iter().skip(1).zip(&places) {
        assert_eq!(row.sums.messages["topic"].messages, *place);
        assert_eq!(row.sums.messages["topic"].hash, place * (place + 1) / 2);
    }
    let newest: Vec<u64> = (count - 60..=count).collect();
    assert!(places.ends_with(&newest), "{places:?}");
    assert!(places.windows(2).all(|pair| pair[1] - pair[0] <= (count - pair[0]) / 16 + 1));

    // The position alone is given back, and another account does not mix with the first.
    assert_eq!(store.checkpoints("orders").await.unwrap()[0].account, None);
    let late = LateReceipt {
        stream: "orders".to_owned(),
        sink: "cache".to_owned(),
        destination: "topic".to_owned(),
        commit: u64::MAX - 1,
        sum: Tally { messages: 1, hash: u64::MAX },
    };
    store.receive_late(vec![late.clone()]).await.unwrap();
    assert_eq!(reader.late_receipts("orders").unwrap(), [late]);
    assert_eq!(reader.late_receipts("others").unwrap(), []);
    assert_eq!(reader.receipts("others").unwrap(), []);
}
