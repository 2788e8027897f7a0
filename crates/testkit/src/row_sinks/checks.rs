//! The promises, one function each.

use std::sync::Arc;
use std::time::Duration;

use flowglass_connect::Fault;
use flowglass_connect::stream::{
    Acknowledged, Cell, ChunkBuilder, Delivery, Guarantee, Identity, NewChange, Op, Position,
    SinkWriter, Slice, StreamBatch, StreamSink, Takes, Transaction,
};
use flowglass_model::{ErrorClass, Policy};

use super::feed::{Contents, RowFeed, Shape};
use super::{TablesUnderTest, Way};
use crate::dice::Dice;
use crate::stream_sinks::{Progress, commit_of, empty, in_time, pump_given};

/// Tables are what the source's are, whatever was done to their rows, through a change of their
/// shape, and the position is kept with them.
///
/// # Panics
/// When the promise is broken.
pub async fn everything_is_as_at_the_source(under: &dyn TablesUnderTest) {
    let sink = under.sink(Way::Direct, true);
    assert!(matches!(sink.takes(), Takes::Rows));
    assert_eq!(sink.guarantee(), Guarantee::ExactlyOnce);
    let feed = RowFeed::new(80, 1);
    let mut progress = Progress::default();
    let mut writer = opened(&sink, &mut progress).await;
    for until in [1, 10, 39, 41, 80] {
        deliver(&sink, &mut writer, &mut progress, (until, &feed)).await.unwrap_or_else(failed);
        judge(under, &feed, until).await;
    }
    drop(writer);
    let mut again = Progress { acknowledged: 0, handed: 80 };
    drop(opened(&sink, &mut again).await);
    assert_eq!(again.acknowledged, 80, "the position is kept with the rows");
}

/// A batch without rows is acknowledged, and moves the position, its detail included.
///
/// # Panics
/// When the promise is broken.
pub async fn an_empty_batch_moves_the_position(under: &dyn TablesUnderTest) {
    let sink = under.sink(Way::Direct, true);
    let mut writer = in_time("open", sink.open()).await.unwrap_or_else(failed);
    let kept = in_time("committed", writer.committed()).await.unwrap_or_else(failed);
    assert_eq!(kept, None, "a new stream has no position");
    let position =
        Position::inside(commit_of(7), 3).with_detail(Some("{\"snapshot\":[1,\"é\"]}".into()));
    let delivery = Delivery { number: 1, batch: empty(position.clone()), messages: None };
    let said = one(&mut writer, delivery).await.unwrap_or_else(failed);
    assert_eq!((said.number, said.refused.len()), (1, 0));
    drop(writer);
    let mut writer = in_time("open", sink.open()).await.unwrap_or_else(failed);
    let kept = in_time("committed", writer.committed()).await.unwrap_or_else(failed);
    assert_eq!(kept, Some(position));
    assert_eq!(under.contents().await, Contents::default());
}

/// Rows that the table refuses are named with a reason; all others of the batch are there, those of
/// the same table as well as those that come after, and so is the position.
///
/// # Panics
/// When the promise is broken.
pub async fn refused_rows_are_named(under: &dyn TablesUnderTest) {
    under.make_picky().await;
    let sink = under.sink(Way::Direct, true);
    let mut writer = in_time("open", sink.open()).await.unwrap_or_else(failed);
    in_time("committed", writer.committed()).await.unwrap_or_else(failed);
    let bad = [3, 7, 8, 40];
    let batch = inserts(0, 60, &bad);
    let position = batch.position().clone();
    let said = one(&mut writer, Delivery { number: 1, batch, messages: None }).await;
    let said = said.unwrap_or_else(failed);
    let named: Vec<usize> = said.refused.iter().map(|it| it.change).collect();
    assert_eq!(named, bad, "the rows that were refused");
    for refused in &said.refused {
        let (class, chain) = (refused.fault.class(), refused.fault.chain());
        assert_eq!(class.policy(), Policy::SetAside, "{class}: {chain}");
        assert!(!chain.contains("666"), "a value is shown: {chain}");
    }
    // All of a batch may be bad, and its position moves all the same.
    let bad: Vec<usize> = (0..5).collect();
    let batch = inserts(1, 5, &bad);
    let said = one(&mut writer, Delivery { number: 2, batch, messages: None }).await;
    assert_eq!(said.unwrap_or_else(failed).refused.len(), 5);
    drop(writer);
    let found = under.contents().await.sorted();
    assert_eq!(found.accounts.len(), 56);
    let mut writer = in_time("open", sink.open()).await.unwrap_or_else(failed);
    let kept = in_time("committed", writer.committed()).await.unwrap_or_else(failed);
    let kept = kept.unwrap_or(Position::ORIGIN);
    assert!(kept.reaches(&position) && kept.commit == commit_of(1), "{kept}");
}

/// Unless it is told to add them, each row of a table without a key is refused, and nothing else.
///
/// # Panics
/// When the promise is broken.
pub async fn rows_without_a_key_are_refused(under: &dyn TablesUnderTest) {
    let feed = RowFeed::new(4, 5);
    let sink = under.sink(Way::Direct, false);
    let mut writer = in_time("open", sink.open()).await.unwrap_or_else(failed);
    in_time("committed", writer.committed()).await.unwrap_or_else(failed);
    let mut refused = 0;
    for number in 0..4 {
        let said = one(&mut writer, feed.delivery(number, number + 1)).await;
        for row in said.unwrap_or_else(failed).refused {
            let change = feed.batch(number).batch.change(row.change).map(|it| it.relation().name());
            assert_eq!(change.as_deref(), Some("public.log"));
            assert_eq!(row.fault.class(), ErrorClass::Constraint);
            refused += 1;
        }
    }
    let expected = feed.contents(4);
    assert_eq!(refused, expected.log.len());
    assert_eq!(under.contents().await.sorted().accounts, expected.accounts);
}

/// A writer that goes away in the middle, as in a crash, leaves nothing behind that the next one
/// does not know of.
///
/// # Panics
/// When the promise is broken.
pub async fn a_killed_writer_leaves_no_trace(under: &dyn TablesUnderTest) {
    let feed = RowFeed::new(60, 7);
    let sink = under.sink(Way::Direct, true);
    let mut dice = Dice::from_seed(7);
    let mut progress = Progress::default();
    for _round in 0..12 {
        let mut writer = opened(&sink, &mut progress).await;
        let from = progress.acknowledged;
        let until = from + dice.below(4);
        deliver(&sink, &mut writer, &mut progress, (until, &feed)).await.unwrap_or_else(failed);
        // Some batches are handed over and nobody waits for them.
        for ahead in 0..dice.below(sink.in_flight_batches_max() as u64 + 1) {
            let number = progress.acknowledged + ahead;
            progress.handed = progress.handed.max(number + 1);
            let delivery = feed.delivery(number, number - from + 1);
            in_time("send", writer.send(delivery)).await.unwrap_or_else(failed);
        }
        drop(writer);
    }
    let mut writer = opened(&sink, &mut progress).await;
    let until = progress.handed + 3;
    deliver(&sink, &mut writer, &mut progress, (until, &feed)).await.unwrap_or_else(failed);
    drop(writer);
    judge(under, &feed, until).await;
}

/// Once a new writer is open, nothing of an older one arrives, and the older one is told.
///
/// # Panics
/// When the promise is broken.
pub async fn a_new_writer_fences_the_old_one(under: &dyn TablesUnderTest) {
    let feed = RowFeed::new(40, 9);
    let (sink, other) = (under.sink(Way::Direct, true), under.sink(Way::Direct, true));
    let mut progress = Progress::default();
    let mut old = opened(&sink, &mut progress).await;
    deliver(&sink, &mut old, &mut progress, (5, &feed)).await.unwrap_or_else(failed);
    // One is on its way when the new writer opens: it arrives before that, or never.
    progress.handed = 6;
    in_time("send", old.send(feed.delivery(5, 6))).await.unwrap_or_else(failed);
    let mut new = opened(&other, &mut progress).await;
    let stands = progress.acknowledged;
    let mut told = None;
    for number in 6..40 {
        let sent = match in_time("send", old.send(feed.delivery(number, number + 1))).await {
            Ok(()) => in_time("acknowledged", old.acknowledged()).await,
            Err(fault) => Err(fault),
        };
        match sent {
            Ok(said) => assert!(said.number <= stands, "acknowledged though it was fenced"),
            Err(fault) => {
                told = Some(fault);
                break;
            }
        }
    }
    let told = told.unwrap_or_else(|| panic!("the old writer was not told"));
    assert_eq!(told.class(), ErrorClass::Conflict, "{}", told.chain());
    drop(old);
    deliver(&other, &mut new, &mut progress, (20, &feed)).await.unwrap_or_else(failed);
    judge(under, &feed, 20).await;
}

/// A network that is cut again and again, at any byte, costs no row and doubles none.
///
/// # Panics
/// When the promise is broken.
pub async fn a_cut_network_loses_nothing(under: &dyn TablesUnderTest) {
    let until = 90;
    let feed = RowFeed::new(until, 11);
    let sink = under.sink(Way::Proxied, true);
    let proxy = under.proxy();
    let mut dice = Dice::from_seed(11);
    let mut progress = Progress::default();
    let mut faults = 0;
    let before = proxy.accepted();
    while progress.acknowledged < until {
        if !proxy.cut_is_due() {
            // Between nothing and a few batches.
            proxy.cut_after(dice.below(60_000));
        }
        let stop = (progress.acknowledged + 1 + dice.below(9)).min(until);
        let done = match progress.open(&*sink).await {
            Ok(mut writer) => deliver(&sink, &mut writer, &mut progress, (stop, &feed)).await,
            Err(fault) => Err(fault),
        };
        if let Err(fault) = done {
            assert!(fault.class().retryable(), "{}: {}", fault.class(), fault.chain());
            assert_ne!(fault.class(), ErrorClass::Conflict, "{}", fault.chain());
            faults += 1;
            assert!(faults < 2_000, "no progress: {}", fault.chain());
        }
    }
    assert!(proxy.accepted() - before > 10, "the network was cut");
    proxy.heal();
    judge(under, &feed, until).await;
}

/// A network that swallows everything and closes nothing is noticed, as something that may pass.
///
/// # Panics
/// When the promise is broken.
pub async fn a_silent_network_is_noticed(under: &dyn TablesUnderTest) {
    let feed = RowFeed::new(9, 13);
    let sink = under.sink(Way::Proxied, true);
    let mut progress = Progress::default();
    let mut writer = opened(&sink, &mut progress).await;
    deliver(&sink, &mut writer, &mut progress, (3, &feed)).await.unwrap_or_else(failed);
    under.proxy().blackhole();
    progress.handed = 4;
    let fault = one(&mut writer, feed.delivery(3, 4)).await.err();
    let fault = fault.unwrap_or_else(|| panic!("acknowledged by nobody"));
    assert!(
        matches!(fault.class(), ErrorClass::Timeout | ErrorClass::Unreachable),
        "{}: {}",
        fault.class(),
        fault.chain()
    );
    under.proxy().heal();
    under.proxy().cut();
    drop(writer);
    let mut writer = opened(&sink, &mut progress).await;
    deliver(&sink, &mut writer, &mut progress, (9, &feed)).await.unwrap_or_else(failed);
    drop(writer);
    judge(under, &feed, 9).await;
}

/// What has to be right is looked at, and is right here, or says how to mend it.
///
/// # Panics
/// When the promise is broken.
pub async fn the_sink_can_be_examined(under: &dyn TablesUnderTest) {
    let sink = under.sink(Way::Direct, true);
    let found = in_time("examine", sink.examine()).await.unwrap_or_else(failed);
    assert!(!found.is_empty(), "nothing was looked at");
    for found in found {
        assert!(found.fine || found.optional, "{found:?}");
        assert!(found.fine || found.remedy.is_some(), "{found:?}");
    }
    under.proxy().refuse();
    let away = in_time("examine", under.sink(Way::Proxied, true).examine()).await;
    under.proxy().heal();
    let fault = away.err().unwrap_or_else(|| panic!("a service that is away was examined"));
    assert!(fault.class().retryable(), "{}: {}", fault.class(), fault.chain());
}

async fn opened(sink: &Arc<dyn StreamSink>, progress: &mut Progress) -> Box<dyn SinkWriter> {
    progress.open(&**sink).await.unwrap_or_else(failed)
}

async fn deliver(
    sink: &Arc<dyn StreamSink>,
    writer: &mut Box<dyn SinkWriter>,
    progress: &mut Progress,
    (until, feed): (u64, &RowFeed),
) -> Result<(), Fault> {
    let given = |number, as_number| feed.delivery(number, as_number);
    pump_given(sink, writer, progress, (until, &given)).await
}

async fn one(writer: &mut Box<dyn SinkWriter>, delivery: Delivery) -> Result<Acknowledged, Fault> {
    in_time("send", writer.send(delivery)).await?;
    in_time("acknowledged", writer.acknowledged()).await
}

#[expect(clippy::needless_pass_by_value, reason = "it stands where a fault is given away")]
fn failed<T>(fault: Fault) -> T {
    panic!("{}: {}", fault.class(), fault.chain())
}

/// Holds the tables against the source's.
async fn judge(under: &dyn TablesUnderTest, feed: &RowFeed, batches: u64) {
    let (found, expected) = (under.contents().await.sorted(), feed.contents(batches));
    for (name, found, expected) in
        [("log", &found.log, &expected.log), ("accounts", &found.accounts, &expected.accounts)]
    {
        let at = found.iter().zip(expected).position(|(one, two)| one != two);
        let at = at.unwrap_or_else(|| found.len().min(expected.len()));
        assert!(
            found == expected,
            "{name}: {} rows found, {} expected; at {at}: found {:?}, expected {:?}",
            found.len(),
            expected.len(),
            found.get(at),
            expected.get(at),
        );
    }
}

/// A batch that inserts accounts; the bad ones have an amount that a picky table refuses.
fn inserts(number: u64, rows: u64, bad: &[usize]) -> Arc<StreamBatch> {
    let commit = commit_of(number);
    let mut builder = ChunkBuilder::new(Duration::ZERO, 0);
    let relation = builder.relation(&Shape::new(false).accounts);
    let transaction =
        builder.transaction(Transaction { id: number, commit, committed_at_micros: 0 });
    for row in 0..rows {
        let is_bad = bad.contains(&usize::try_from(row).unwrap_or_default());
        let amount = if is_bad { "666.00" } else { "1.00" };
        let after = builder.cell_start();
        for text in [(number * 1000 + row).to_string().as_str(), "name", amount, "note"] {
            let start = builder.push_bytes(text.as_bytes());
            builder.push_cell(Cell::text(start, text.len()).expect("a short text"));
        }
        let change = NewChange {
            op: Op::Insert,
            identity: Identity::None,
            relation,
            transaction,
            before: None,
            after: Some(after),
            row,
            place: commit - rows + row,
        };
        builder.push_change(change, &row.to_be_bytes());
    }
    let chunk = Arc::new(builder.finish());
    let end = chunk.len();
    let slice = Slice::new(chunk, 0, end);
    Arc::new(StreamBatch::new(vec![slice], Position::after(commit)))
}
