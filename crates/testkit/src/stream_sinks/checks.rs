//! The promises, one function each.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use flowglass_connect::stream::{Delivery, Guarantee, Messages, Position, SinkWriter, StreamSink};
use flowglass_model::{ErrorClass, Policy};

use super::drive::{Progress, delivery, in_time, pump};
use super::feed::{commit_of, empty, feed, push};
use super::{Delivered, Refusable, SinkUnderTest, Way};
use crate::dice::Dice;

/// Every row arrives once, with its key, body and idempotency key, those of one key in order,
/// tombstones included; the position is kept with them where the sink says so.
///
/// # Panics
/// When the promise is broken.
pub async fn everything_arrives_in_order(under: &dyn SinkUnderTest) {
    let (sink, prefix) = (under.sink(Way::Direct), under.prefix());
    let mut progress = Progress::default();
    let mut writer = opened(&sink, &mut progress).await;
    pump(&sink, &mut writer, &mut progress, (40, &prefix)).await.unwrap_or_else(failed);
    drop(writer);
    judge(under, 40, true).await;
    if sink.guarantee() == Guarantee::ExactlyOnce {
        let mut again = Progress { acknowledged: 0, handed: 40 };
        drop(opened(&sink, &mut again).await);
        assert_eq!(again.acknowledged, 40, "the position is kept with the rows");
    }
}

/// A batch without rows is acknowledged, and moves the position, its detail included.
///
/// # Panics
/// When the promise is broken.
pub async fn an_empty_batch_moves_the_position(under: &dyn SinkUnderTest) {
    let sink = under.sink(Way::Direct);
    let mut writer = in_time("open", sink.open()).await.unwrap_or_else(failed);
    let kept = in_time("committed", writer.committed()).await.unwrap_or_else(failed);
    assert_eq!(kept, None, "a new stream has no position");
    let position =
        Position::inside(commit_of(7), 3).with_detail(Some("{\"snapshot\":[1,\"é\"]}".into()));
    let delivery =
        Delivery { number: 1, batch: empty(position.clone()), messages: Some(Messages::default()) };
    in_time("send", writer.send(delivery)).await.unwrap_or_else(failed);
    let said = in_time("acknowledged", writer.acknowledged()).await.unwrap_or_else(failed);
    assert_eq!((said.number, said.refused.len()), (1, 0));
    drop(writer);
    let mut writer = in_time("open", sink.open()).await.unwrap_or_else(failed);
    let kept = in_time("committed", writer.committed()).await.unwrap_or_else(failed);
    let expected = (sink.guarantee() == Guarantee::ExactlyOnce).then_some(position);
    assert_eq!(kept, expected);
    assert_eq!(under.delivered().await, []);
}

/// Rows that the sink refuses for good are named with a reason; all others of the batch arrive.
///
/// # Panics
/// When the promise is broken.
pub async fn refused_rows_are_named(under: &dyn SinkUnderTest) {
    let (sink, prefix) = (under.sink(Way::Direct), under.prefix());
    let mut expected = Vec::new();
    // Tombstones of deletes that were refused.
    let mut torn: HashSet<String> = HashSet::new();
    let mut writer = None;
    for (number, refusable) in (0..).zip(under.refusable().await) {
        let bad = [3_u64, 7];
        let fed = feed(number, &prefix);
        let mut good = fed.expected.clone();
        good.retain(|it| !bad.contains(&row_of(it)));
        expected.extend(good);
        let tombstones = fed.expected.iter().filter(|it| it.body.is_none());
        let of_bad = tombstones.filter(|it| bad.contains(&row_of(it)));
        torn.extend(of_bad.map(|it| it.id.clone()));
        let mut said = None;
        // A sink may need another writer or two to find out which rows they are.
        for _writer in 0..5 {
            let mut open = match writer.take() {
                Some(open) => open,
                None => (in_time("open", sink.open()).await.unwrap_or_else(failed), 0_u64),
            };
            open.1 += 1;
            let delivery = Delivery {
                number: open.1,
                batch: Arc::clone(&fed.batch),
                messages: Some(spoiled(&fed.expected, &bad, &refusable)),
            };
            match deliver(&mut open.0, delivery).await {
                Ok(acknowledged) => {
                    said = Some(acknowledged);
                    writer = Some(open);
                    break;
                }
                Err(fault) => {
                    let (class, chain) = (fault.class(), fault.chain());
                    assert!(class.retryable(), "one row must not end the stream: {chain}");
                }
            }
        }
        let said = said.unwrap_or_else(|| panic!("no end of trouble with {refusable:?}"));
        let named: Vec<u64> = said.refused.iter().map(|it| it.change as u64).collect();
        assert_eq!(named, bad, "{refusable:?}: the rows that were refused");
        for refused in &said.refused {
            let class = refused.fault.class();
            assert_eq!(class.policy(), Policy::SetAside, "{class}: {}", refused.fault.chain());
        }
    }
    drop(writer);
    let mut found = under.delivered().await;
    if sink.guarantee() == Guarantee::AtLeastOnce {
        let mut seen = HashSet::new();
        // What went out before the first word of the refusal cannot be taken back.
        found.retain(|it| !torn.contains(&it.id) && seen.insert(it.id.clone()));
    }
    compare(&found, &expected);
}

/// A writer that goes away in the middle, as in a crash, leaves nothing behind that the next one
/// does not know of.
///
/// # Panics
/// When the promise is broken.
pub async fn a_killed_writer_leaves_no_trace(under: &dyn SinkUnderTest) {
    let (sink, prefix) = (under.sink(Way::Direct), under.prefix());
    let mut dice = Dice::from_seed(7);
    let mut progress = Progress::default();
    for _round in 0..12 {
        let mut writer = opened(&sink, &mut progress).await;
        let from = progress.acknowledged;
        let until = from + dice.below(4);
        pump(&sink, &mut writer, &mut progress, (until, &prefix)).await.unwrap_or_else(failed);
        // Some batches are handed over and nobody waits for them.
        for ahead in 0..dice.below(sink.in_flight_batches_max() as u64 + 1) {
            let number = progress.acknowledged + ahead;
            progress.handed = progress.handed.max(number + 1);
            let delivery = delivery(number, number - from + 1, &prefix);
            in_time("send", writer.send(delivery)).await.unwrap_or_else(failed);
        }
        drop(writer);
    }
    let mut writer = opened(&sink, &mut progress).await;
    let until = progress.handed + 3;
    pump(&sink, &mut writer, &mut progress, (until, &prefix)).await.unwrap_or_else(failed);
    drop(writer);
    judge(under, until, sink.guarantee() == Guarantee::ExactlyOnce).await;
}

/// Where the sink has transactions: once a new writer is open, nothing of an older one arrives, and
/// the older one is told.
///
/// # Panics
/// When the promise is broken.
pub async fn a_new_writer_fences_the_old_one(under: &dyn SinkUnderTest) {
    let (sink, other, prefix) = (under.sink(Way::Direct), under.sink(Way::Direct), under.prefix());
    if sink.guarantee() == Guarantee::AtLeastOnce {
        // Nothing is promised: two writers are told apart by nobody.
        return;
    }
    let mut progress = Progress::default();
    let mut old = opened(&sink, &mut progress).await;
    pump(&sink, &mut old, &mut progress, (5, &prefix)).await.unwrap_or_else(failed);
    // One is on its way when the new writer opens: it arrives before that, or never.
    progress.handed = 6;
    in_time("send", old.send(delivery(5, 6, &prefix))).await.unwrap_or_else(failed);
    let mut new = opened(&other, &mut progress).await;
    let stands = progress.acknowledged;
    let mut told = None;
    for number in 6..40 {
        let sent = match in_time("send", old.send(delivery(number, number + 1, &prefix))).await {
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
    pump(&other, &mut new, &mut progress, (20, &prefix)).await.unwrap_or_else(failed);
    judge(under, 20, true).await;
}

/// A network that is cut again and again, at any byte, costs no row and, where the sink has
/// transactions, doubles none.
///
/// # Panics
/// When the promise is broken.
pub async fn a_cut_network_loses_nothing(under: &dyn SinkUnderTest) {
    let (sink, prefix) = (under.sink(Way::Proxied), under.prefix());
    let proxy = under.proxy();
    let mut dice = Dice::from_seed(11);
    let mut progress = Progress::default();
    let mut faults = 0;
    let until = 120;
    let before = proxy.accepted();
    while progress.acknowledged < until {
        if !proxy.cut_is_due() {
            // Between nothing and a few batches.
            proxy.cut_after(dice.below(50_000));
        }
        let stop = (progress.acknowledged + 1 + dice.below(9)).min(until);
        let done = match progress.open(&*sink).await {
            Ok(mut writer) => pump(&sink, &mut writer, &mut progress, (stop, &prefix)).await,
            Err(fault) => Err(fault),
        };
        if let Err(fault) = done {
            assert!(fault.class().retryable(), "{}: {}", fault.class(), fault.chain());
            faults += 1;
            assert!(faults < 2_000, "no progress: {}", fault.chain());
        }
    }
    assert!(proxy.accepted() - before > 10, "the network was cut");
    proxy.heal();
    judge(under, until, sink.guarantee() == Guarantee::ExactlyOnce).await;
}

/// A network that swallows everything and closes nothing is noticed, as something that may pass.
///
/// # Panics
/// When the promise is broken.
pub async fn a_silent_network_is_noticed(under: &dyn SinkUnderTest) {
    let (sink, prefix) = (under.sink(Way::Proxied), under.prefix());
    let mut progress = Progress::default();
    let mut writer = opened(&sink, &mut progress).await;
    pump(&sink, &mut writer, &mut progress, (3, &prefix)).await.unwrap_or_else(failed);
    under.proxy().blackhole();
    let delivery = delivery(3, 4, &prefix);
    progress.handed = 4;
    let said = match in_time("send", writer.send(delivery)).await {
        Ok(()) => in_time("acknowledged", writer.acknowledged()).await,
        Err(fault) => Err(fault),
    };
    let fault = said.err().unwrap_or_else(|| panic!("acknowledged by nobody"));
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
    pump(&sink, &mut writer, &mut progress, (9, &prefix)).await.unwrap_or_else(failed);
    drop(writer);
    judge(under, 9, sink.guarantee() == Guarantee::ExactlyOnce).await;
}

/// What has to be right is looked at, and is right here, or says how to mend it.
///
/// # Panics
/// When the promise is broken.
pub async fn the_sink_can_be_examined(under: &dyn SinkUnderTest) {
    let sink = under.sink(Way::Direct);
    for found in in_time("examine", sink.examine()).await.unwrap_or_else(failed) {
        assert!(found.fine || found.optional, "{found:?}");
        assert!(found.fine || found.remedy.is_some(), "{found:?}");
    }
    under.proxy().refuse();
    let away = in_time("examine", under.sink(Way::Proxied).examine()).await;
    under.proxy().heal();
    if let Err(fault) = away {
        assert!(fault.class().retryable(), "{}: {}", fault.class(), fault.chain());
    } else {
        panic!("a service that is away was examined");
    }
}

async fn opened(sink: &Arc<dyn StreamSink>, progress: &mut Progress) -> Box<dyn SinkWriter> {
    progress.open(&**sink).await.unwrap_or_else(failed)
}

async fn deliver(
    writer: &mut Box<dyn SinkWriter>,
    delivery: Delivery,
) -> Result<flowglass_connect::stream::Acknowledged, flowglass_connect::Fault> {
    in_time("send", writer.send(delivery)).await?;
    in_time("acknowledged", writer.acknowledged()).await
}

#[expect(clippy::needless_pass_by_value, reason = "it stands where a fault is given away")]
fn failed<T>(fault: flowglass_connect::Fault) -> T {
    panic!("{}: {}", fault.class(), fault.chain())
}

/// The messages again, with those of the bad rows made refusable.
fn spoiled(expected: &[Delivered], bad: &[u64], refusable: &Refusable) -> Messages {
    let mut messages = Messages::default();
    for told in expected {
        let row = row_of(told);
        let mut told = told.clone();
        if bad.contains(&row) {
            match refusable {
                Refusable::Body(length) => told.body = told.body.map(|_| vec![b'x'; *length]),
                Refusable::Destination(name) => told.destination.clone_from(name),
            }
        }
        let part = told.id.split('/').nth(3).map_or(0, |part| part.parse().unwrap_or(0));
        push(&mut messages, &told, row, part);
    }
    messages
}

fn row_of(told: &Delivered) -> u64 {
    told.id.split('/').nth(2).and_then(|row| row.parse().ok()).unwrap_or_default()
}

/// Holds what is found against the first `batches` batches of the feed.
async fn judge(under: &dyn SinkUnderTest, batches: u64, exactly_once: bool) {
    let prefix = under.prefix();
    let expected: Vec<Delivered> =
        (0..batches).flat_map(|number| feed(number, &prefix).expected).collect();
    let mut found = under.delivered().await;
    if !exactly_once {
        // The newest of each key is the newest of the feed, whatever came twice.
        assert_eq!(newest(&found), newest(&expected), "the last word on each key");
        let mut seen = HashSet::new();
        found.retain(|it| seen.insert(it.id.clone()));
    }
    compare(&found, &expected);
}

/// Equal per destination and key, in order.
fn compare(found: &[Delivered], expected: &[Delivered]) {
    let grouped = |all: &[Delivered]| {
        let mut groups: BTreeMap<(String, Option<Vec<u8>>), Vec<Delivered>> = BTreeMap::new();
        for it in all {
            groups.entry((it.destination.clone(), it.key.clone())).or_default().push(it.clone());
        }
        groups
    };
    let (found_groups, expected_groups) = (grouped(found), grouped(expected));
    for (name, expected) in &expected_groups {
        let found = found_groups.get(name).map_or(&[][..], Vec::as_slice);
        let at = found.iter().zip(expected).position(|(one, two)| one != two);
        let at = at.unwrap_or_else(|| found.len().min(expected.len()));
        assert!(
            found == expected.as_slice(),
            "{name:?}: {} found, {} expected; at {at}: found {:?}, expected {:?}",
            found.len(),
            expected.len(),
            found.get(at).map(|it| &it.id),
            expected.get(at).map(|it| &it.id),
        );
    }
    assert_eq!(found.len(), expected.len(), "nothing else is there");
}

fn newest(all: &[Delivered]) -> BTreeMap<(String, Option<Vec<u8>>), String> {
    all.iter().map(|it| ((it.destination.clone(), it.key.clone()), it.id.clone())).collect()
}
