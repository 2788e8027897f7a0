//! Rows that are read while the log goes on: the rest of a snapshot after a crash, a snapshot of an
//! old slot, one table again on demand. No row is lost, and none that was read follows a newer one.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use flowglass_connect::stream::Op;
use flowglass_model::ErrorClass;

use super::snapshot::{Target, bench};
use super::{Bench, Stream, Taken};

/// Rows with a version that every update counts up, a large value that most updates leave alone, and
/// little room in its pages, so that updates move rows about.
const TABLE: &str = "CREATE TABLE t (a int PRIMARY KEY, v int, big text, pad text); \
    ALTER TABLE t ALTER big SET STORAGE EXTERNAL; \
    INSERT INTO t SELECT n, 0, repeat(n::text, 3000), repeat('p', 300) \
      FROM generate_series(1, 2000) n; ANALYZE t";

/// Takes changes and holds them to what must be true of each.
#[derive(Default)]
struct Keeper {
    target: Target,
    versions: HashMap<String, u32>,
    reads: usize,
    /// What has come behind the last position that was reached.
    pending: Vec<Taken>,
}

impl Keeper {
    /// Takes the next chunk, up to its last position: what is behind it is kept with the next one,
    /// as by a sink that keeps the position with the rows.
    async fn take_from(&mut self, stream: &mut Stream) {
        let before = self.pending.len();
        let marks = stream.marks.len();
        self.pending.extend(stream.more().await);
        if stream.marks.len() > marks {
            let whole: Vec<Taken> = self.pending.drain(..before + stream.whole).collect();
            self.take(&whole);
        }
    }

    fn take(&mut self, changes: &[Taken]) {
        for change in changes {
            self.target.take(change);
            self.reads += usize::from(change.op == Op::Read);
            let row = change.after.as_deref().or(change.before.as_deref()).unwrap_or_default();
            let (Some(key), Some(version)) = (row.first(), row.get(1)) else { continue };
            if change.op == Op::Delete {
                self.versions.remove(key);
            } else if let Ok(version) = version.parse() {
                let before = self.versions.insert(key.clone(), version);
                assert!(before.is_none_or(|it| it <= version), "{key} was {before:?}: {version}");
            }
        }
    }

    /// Reads until nothing is read beside the log any more, then up to a last row; compares.
    async fn finish(&mut self, bench: &Bench, stream: &mut Stream) {
        loop {
            self.take_from(stream).await;
            if stream.marks.last().is_some_and(|mark| mark.detail.is_none()) {
                return self.compare(bench, stream).await;
            }
        }
    }

    async fn compare(&mut self, bench: &Bench, stream: &mut Stream) {
        bench.database.execute("DELETE FROM t WHERE a = 0; INSERT INTO t VALUES (0, 0)").await;
        while !self.target.0.keys().any(|(_, key)| key.first().is_some_and(|key| key == "0")) {
            self.take_from(stream).await;
        }
        let sql = "SELECT a, v, coalesce(big, 'null'), coalesce(pad, 'null') FROM t";
        let mut expected = bench.database.lines(sql).await;
        expected.sort();
        let found = self.target.lines("public.t");
        let wrong = found.iter().zip(&expected).find(|(found, expected)| found != expected);
        assert_eq!(found.len(), expected.len());
        assert_eq!(wrong.map(|(found, _)| found.get(..40)), None);
    }
}

/// Writes until it is told to stop: updates with and without the large value, deletes, inserts, keys
/// that change, several rows at once.
async fn write(bench: &Bench, stop: &AtomicBool) {
    let client = bench.database.client().await;
    let mut turn: u32 = 0;
    while !stop.load(Ordering::Relaxed) {
        turn += 1;
        let key = turn.wrapping_mul(7919) % 2000 + 1;
        let sql = match turn % 10 {
            0 => format!("DELETE FROM t WHERE a = {key}"),
            1 => format!(
                "INSERT INTO t VALUES ({key}, {turn}, repeat('i', 3000)) ON CONFLICT (a) \
                 DO UPDATE SET v = t.v + 1, big = 'short'"
            ),
            2 => format!("UPDATE t SET v = v + 1, pad = NULL WHERE a BETWEEN {key} AND {key} + 20"),
            3 => format!(
                "BEGIN; UPDATE t SET v = v + 1 WHERE a = {key}; \
                 UPDATE t SET v = v + 1 WHERE a = {key} + 1; COMMIT"
            ),
            _ => format!("UPDATE t SET v = v + 1, pad = pad || 'q' WHERE a = {key}"),
        };
        client.batch_execute(&sql).await.unwrap();
    }
}

#[tokio::test]
async fn a_snapshot_that_was_interrupted_goes_on_while_the_log_does() {
    let bench = bench(TABLE, &["t"]).await;
    let stop = AtomicBool::new(false);
    let reading = async {
        let mut keeper = Keeper::default();
        let mut stream = bench.open(None).await;
        // Interrupted in the middle of the snapshot, and then again and again beside the log.
        for _ in 0..4 {
            let enough = keeper.reads + 300;
            while keeper.reads < enough {
                keeper.take_from(&mut stream).await;
            }
            let from = stream.marks.last().cloned();
            assert!(from.as_ref().is_some_and(|it| it.detail.is_some()), "it ended too soon");
            drop(stream);
            keeper.pending.clear();
            stream = bench.open(from).await;
        }
        keeper.finish_after(&bench, &mut stream, &stop).await;
        keeper
    };
    let ((), keeper) = tokio::join!(write(&bench, &stop), reading);
    assert!(keeper.reads >= 1000, "{}", keeper.reads);
}

impl Keeper {
    /// Lets the writer go on until everything has been read, then stops it and compares.
    async fn finish_after(&mut self, bench: &Bench, stream: &mut Stream, stop: &AtomicBool) {
        loop {
            self.take_from(stream).await;
            if stream.marks.last().is_some_and(|mark| mark.detail.is_none()) {
                break;
            }
        }
        stop.store(true, Ordering::Relaxed);
        bench.database.execute("SELECT pg_sleep(0.3)").await;
        self.compare(bench, stream).await;
    }
}

#[tokio::test]
async fn a_table_is_read_again_on_demand_while_it_is_written_to() {
    let bench = Bench::new(TABLE, &["t"]).await;
    let stop = AtomicBool::new(false);
    let reading = async {
        let mut keeper = Keeper::default();
        let mut stream = bench.open(None).await;
        let fault = stream.reader.resync("public.other").await.unwrap_err();
        assert_eq!(fault.class(), ErrorClass::NotFound);
        stream.reader.resync("t").await.unwrap();
        while !stream.marks.iter().any(|mark| mark.detail.is_some()) {
            keeper.take_from(&mut stream).await;
        }
        keeper.finish_after(&bench, &mut stream, &stop).await;
        keeper
    };
    let ((), keeper) = tokio::join!(write(&bench, &stop), reading);
    assert!(keeper.reads >= 1500, "{}", keeper.reads);
}

#[tokio::test]
async fn a_slot_without_a_position_is_filled_beside_the_log() {
    let bench = bench(TABLE, &["t"]).await;
    // The process died before anything was kept.
    drop(bench.open(None).await);
    bench
        .database
        .execute("UPDATE t SET v = v + 1 WHERE a < 50; DELETE FROM t WHERE a > 1990")
        .await;
    let mut stream = bench.open(None).await;
    let mut keeper = Keeper::default();
    keeper.finish(&bench, &mut stream).await;
    assert_eq!(keeper.reads, 1990);
    assert_eq!(stream.reader.head().snapshot, None);
}

#[tokio::test]
async fn a_table_that_is_rewritten_meanwhile_is_begun_again() {
    let bench = bench(TABLE, &["t"]).await;
    let mut stream = bench.open(None).await;
    let mut keeper = Keeper::default();
    while keeper.reads < 500 {
        keeper.take_from(&mut stream).await;
    }
    let from = stream.marks.last().cloned();
    drop(stream);
    bench.database.execute("DELETE FROM t WHERE a % 3 = 0").await;
    // Whoever read the snapshot has to be gone first.
    bench.database.execute("VACUUM FULL t").await;
    let mut stream = bench.open(from).await;
    keeper.finish(&bench, &mut stream).await;
}

#[tokio::test]
async fn rows_that_nothing_names_are_read_beside_the_log_too() {
    let bench = bench(
        "CREATE TABLE t (a int, v int, big text, pad text); ALTER TABLE t REPLICA IDENTITY FULL; \
         INSERT INTO t SELECT n, 0, 'x', 'y' FROM generate_series(1, 500) n",
        &["t"],
    )
    .await;
    drop(bench.open(None).await);
    bench.database.execute("UPDATE t SET v = 1 WHERE a < 50; DELETE FROM t WHERE a > 490").await;
    let mut stream = bench.open(None).await;
    let mut keeper = Keeper::default();
    loop {
        keeper.take_from(&mut stream).await;
        if stream.marks.last().is_some_and(|mark| mark.detail.is_none()) {
            break;
        }
    }
    let mut expected = bench.database.lines("SELECT * FROM t").await;
    expected.sort();
    assert_eq!(keeper.target.lines("public.t"), expected);
}
