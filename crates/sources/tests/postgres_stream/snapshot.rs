//! The rows that are there already, and the seam between them and the log.

use std::collections::BTreeMap;

use flowglass_connect::stream::{Op, Position};
use flowglass_model::ErrorClass;

use super::{Bench, Stream, Taken, server, slot_of, source};

/// A stream that begins with a snapshot in small runs.
pub(super) async fn bench(sql: &str, tables: &[&str]) -> Bench {
    let database = server().database().await;
    database.execute(sql).await;
    let snapshot = serde_json::json!({
        "snapshot": { "mode": "initial", "chunk_rows": 100, "parallel": 3 }
    });
    let source = source(&database, tables, &snapshot).unwrap();
    Bench { slot: slot_of(&database), source, database }
}

/// What a target holds that takes every change by its key.
#[derive(Default)]
pub(super) struct Target(pub(super) BTreeMap<(String, Vec<String>), Vec<String>>);

impl Target {
    pub(super) fn take(&mut self, change: &Taken) {
        let key = |row: &[String]| {
            // Without a key the whole row names itself.
            let whole: Vec<usize> = (0..row.len()).collect();
            let key = &change.relation.key;
            let key = if key.is_empty() { &whole } else { key };
            let cells = key.iter().filter_map(|at| row.get(*at).cloned());
            (change.table.clone(), cells.collect::<Vec<_>>())
        };
        if change.op == Op::Truncate {
            self.0.retain(|(table, _), _| *table != change.table);
            return;
        }
        let old = change.before.as_deref().and_then(|row| self.0.remove(&key(row)));
        let Some(after) = &change.after else { return };
        let old = old.or_else(|| self.0.get(&key(after)).cloned());
        let mut row = after.clone();
        // What was not sent is as it was; a row that is not there yet has to be read yet.
        for (cell, old) in row.iter_mut().zip(old.unwrap_or_default()) {
            if cell == "unchanged" {
                *cell = old;
            }
        }
        self.0.insert(key(after), row);
    }

    /// The rows of a table as the server's own lines.
    pub(super) fn lines(&self, table: &str) -> Vec<String> {
        let rows = self.0.iter().filter(|((of, _), _)| of == table);
        let mut lines: Vec<String> = rows.map(|(_, row)| row.join("|")).collect();
        lines.sort();
        lines
    }
}

/// Reads up to the end of the snapshot: its rows, and the position behind them.
async fn rows(stream: &mut Stream) -> (Vec<Taken>, Position) {
    let mut taken = Vec::new();
    loop {
        if let Some(end) = stream.marks.iter().find(|mark| mark.is_between_transactions()) {
            return (taken, end.clone());
        }
        taken.extend(stream.more().await);
    }
}

const TABLES: &str = r"CREATE TABLE t (a int PRIMARY KEY, b text);
    INSERT INTO t SELECT n, E'x\t\\y\nz\b' || n FROM generate_series(1, 5000) n;
    CREATE TABLE p (a int PRIMARY KEY, b text) PARTITION BY RANGE (a);
    CREATE TABLE p_1 PARTITION OF p FOR VALUES FROM (0) TO (500);
    CREATE TABLE p_2 (b text, a int NOT NULL);
    ALTER TABLE p ATTACH PARTITION p_2 FOR VALUES FROM (500) TO (1000);
    INSERT INTO p SELECT n, nullif('x', 'x') FROM generate_series(0, 999) n;
    CREATE TABLE nothing (a int PRIMARY KEY)";

#[tokio::test]
async fn the_rows_that_are_there_come_first_and_the_log_goes_on_behind_them() {
    let bench = bench(TABLES, &["t", "p%", "nothing"]).await;
    bench.database.execute("ANALYZE").await;
    let mut stream = bench.open(None).await;
    // Behind the snapshot, and perhaps before its rows were read.
    bench
        .database
        .execute(
            "UPDATE t SET b = 'new' WHERE a = 7; DELETE FROM t WHERE a = 8; \
             INSERT INTO t VALUES (6000, 'late'); INSERT INTO nothing VALUES (1)",
        )
        .await;
    let (taken, end) = rows(&mut stream).await;
    assert_eq!(taken.len(), 6000);
    assert!(taken.iter().all(|it| it.op == Op::Read && it.position.commit == end.commit));
    let numbers: std::collections::HashSet<u64> = taken.iter().map(|it| it.position.rows).collect();
    assert_eq!(numbers.len(), 6000, "each row has a number of its own");
    // In small steps, each kept with its rows, in an order that sinks can compare.
    let steps: Vec<&Position> = stream.marks.iter().take_while(|it| **it != end).collect();
    assert!(steps.len() > 30 && steps.is_sorted());
    assert!(steps.iter().all(|it| it.detail.is_some()) && end.detail.is_none());
    let mut target = Target::default();
    taken.iter().for_each(|change| target.take(change));
    assert_eq!(target.lines("public.p").len(), 1000);
    // The tables come in the order of their names.
    assert_eq!(taken[1006].after.as_ref().unwrap()[1], "x\t\\y\nz\u{8}7");

    let log = stream.take(4).await;
    log.iter().for_each(|change| target.take(change));
    let lines: Vec<String> = log.iter().map(Taken::line).collect();
    assert_eq!(
        lines,
        [
            "update public.t [7, new]",
            "delete public.t [8, null]",
            "insert public.t [6000, late]",
            "insert public.nothing [1]",
        ]
    );
    let mut expected = bench.database.lines("SELECT a::text || '|' || b FROM t").await;
    expected.sort();
    assert_eq!(target.lines("public.t"), expected);
    // The shape did not change between the snapshot and the log.
    assert!(log.iter().all(|it| it.relation.version == 1));
    assert_eq!(stream.reader.head().snapshot, None);
    drop(stream);

    let mut again = bench.open(Some(end)).await;
    assert_eq!(again.lines(4).await, lines);
}

#[tokio::test]
async fn no_snapshot_is_taken_of_what_the_role_may_not_read() {
    let bench = bench("CREATE TABLE t (a int PRIMARY KEY); INSERT INTO t VALUES (1)", &["t"]).await;
    let role = format!("blind_{}", bench.slot);
    let publication = &bench.slot;
    bench
        .database
        .execute(&format!(
            "CREATE ROLE {role} LOGIN REPLICATION; CREATE PUBLICATION {publication} FOR TABLE t"
        ))
        .await;
    let dsn = bench.database.dsn().replace("postgres@", &format!("{role}@"));
    let blind = serde_json::json!({ "dsn": dsn, "snapshot": { "mode": "initial" } });
    let source = source(&bench.database, &["t"], &blind).unwrap();
    let blind = Bench { source, ..bench };
    let fault = blind.try_open(None).await.err().unwrap();
    assert_eq!(fault.class(), ErrorClass::Permission, "{}", fault.chain());
    // What was made for it is gone again.
    assert_eq!(blind.slot_says("slot_name").await, "");
}
