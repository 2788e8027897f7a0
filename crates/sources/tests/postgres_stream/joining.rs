//! Which rows are read beside those of the log, and when: the modes of a snapshot, and tables that
//! come later.

use flowglass_connect::stream::{Op, Position};

use super::snapshot::Target;
use super::{Bench, Stream, Taken, server, slot_of, source};

async fn bench(sql: &str, tables: &[&str], more: &serde_json::Value) -> Bench {
    let database = server().database().await;
    database.execute(sql).await;
    let source = source(&database, tables, more).unwrap();
    Bench { slot: slot_of(&database), source, database }
}

fn mode(mode: &str) -> serde_json::Value {
    serde_json::json!({
        "snapshot": { "mode": mode, "chunk_rows": 100 }, "discover_every": "50ms"
    })
}

/// Reads until the target holds what the table holds.
async fn until_same(bench: &Bench, stream: &mut Stream, table: &str) -> Vec<Taken> {
    let mut target = Target::default();
    let mut all = Vec::new();
    let sql = format!("SELECT * FROM {table}");
    loop {
        let mut expected = bench.database.lines(&sql).await;
        expected.sort();
        if target.lines(table) == expected && !expected.is_empty() {
            return all;
        }
        let taken = stream.more().await;
        taken.iter().for_each(|change| target.take(change));
        all.extend(taken);
    }
}

#[tokio::test]
async fn a_table_that_comes_later_joins_with_the_rows_that_it_has() {
    let bench = bench("CREATE TABLE o_1 (a int PRIMARY KEY)", &["o_%"], &mode("initial")).await;
    let mut stream = bench.open(None).await;
    // Of these rows some are there before it joins, some are written by a transaction that has begun
    // before and ends behind it, and some come later.
    let mut client = bench.database.client().await;
    let begun = client.transaction().await.unwrap();
    begun.execute("SELECT pg_current_xact_id()", &[]).await.unwrap();
    bench
        .database
        .execute(
            "CREATE TABLE o_2 (a int PRIMARY KEY, b text); \
             INSERT INTO o_2 SELECT n, 'early' FROM generate_series(1, 300) n",
        )
        .await;
    begun.execute("INSERT INTO o_2 VALUES (1000, 'between')", &[]).await.unwrap();
    let joined = "SELECT count(*) FROM pg_publication_tables WHERE tablename = 'o_2'";
    flowglass_testkit::wait_for_async("the table to join", super::PATIENCE, async || {
        (bench.database.lines(joined).await == ["1"]).then_some(())
    })
    .await;
    begun.execute("INSERT INTO o_2 VALUES (1001, 'between')", &[]).await.unwrap();
    bench.database.execute("INSERT INTO o_2 VALUES (2000, 'late')").await;
    begun.commit().await.unwrap();
    let taken = until_same(&bench, &mut stream, "public.o_2").await;
    assert!(taken.iter().filter(|it| it.op == Op::Read).count() >= 300);
    assert!(taken.iter().any(|it| it.line() == "insert public.o_2 [2000, late]"));
    stream.reader.resync("o_2").await.unwrap();
    // Its changes come like those of the others, and what would harm its writers never joins.
    bench
        .database
        .execute("CREATE TABLE o_3 (a int); INSERT INTO o_3 VALUES (1); DELETE FROM o_3")
        .await;
    bench.database.execute("DELETE FROM o_2 WHERE a = 1000").await;
    loop {
        let taken = stream.more().await;
        if taken.iter().any(|it| it.line() == "delete public.o_2 [1000, null]") {
            break;
        }
    }
}

#[tokio::test]
async fn a_table_that_joined_is_read_though_the_process_died_before() {
    let bench = bench("CREATE TABLE o_1 (a int PRIMARY KEY)", &["o_%"], &mode("initial")).await;
    let mut stream = bench.open(None).await;
    bench.database.execute("INSERT INTO o_1 VALUES (1)").await;
    let from = stream.take(1).await[0].position.clone();
    bench
        .database
        .execute("CREATE TABLE o_2 (a int PRIMARY KEY, b text); INSERT INTO o_2 VALUES (1, 'x')")
        .await;
    let joined = "SELECT count(*) FROM pg_publication_tables WHERE tablename = 'o_2'";
    flowglass_testkit::wait_for_async("the table to join", super::PATIENCE, async || {
        (bench.database.lines(joined).await == ["1"]).then_some(())
    })
    .await;
    // Nothing of what was told since then was kept.
    drop(stream);
    let mut stream = bench.open(Some(from)).await;
    let taken = until_same(&bench, &mut stream, "public.o_2").await;
    assert_eq!(taken.iter().map(Taken::line).collect::<Vec<_>>(), ["read public.o_2 [1, x]"]);
}

const ROWS: &str = "CREATE TABLE t (a int PRIMARY KEY, b text); \
    INSERT INTO t SELECT n, 'x' FROM generate_series(1, 500) n";

#[tokio::test]
async fn a_table_joins_without_its_rows_where_none_are_to_be_read() {
    let bench = bench("CREATE TABLE o_1 (a int PRIMARY KEY)", &["o_%"], &mode("never")).await;
    let mut stream = bench.open(None).await;
    bench
        .database
        .execute("CREATE TABLE o_2 (a int PRIMARY KEY); INSERT INTO o_2 VALUES (1)")
        .await;
    let joined = "SELECT count(*) FROM pg_publication_tables WHERE tablename = 'o_2'";
    flowglass_testkit::wait_for_async("the table to join", super::PATIENCE, async || {
        (bench.database.lines(joined).await == ["1"]).then_some(())
    })
    .await;
    bench.database.execute("INSERT INTO o_2 VALUES (2)").await;
    assert_eq!(stream.lines(1).await, ["insert public.o_2 [2]"]);
}

#[tokio::test]
async fn always_reads_everything_at_every_start() {
    let bench = bench(ROWS, &["t"], &mode("always")).await;
    let mut stream = bench.open(None).await;
    let mut taken = Vec::new();
    while stream.marks.last().is_none_or(|mark| mark.detail.is_some()) {
        taken.extend(stream.more().await);
    }
    assert_eq!(taken.len(), 500);
    let from = stream.marks.last().cloned().unwrap();
    drop(stream);
    // Opened again by the same process: a connection that was lost is no start.
    let mut stream = bench.open(Some(from.clone())).await;
    bench.database.execute("INSERT INTO t VALUES (501, 'y')").await;
    assert_eq!(stream.lines(1).await, ["insert public.t [501, y]"]);
    drop(stream);
    let again = Bench {
        source: source(&bench.database, &["t"], &mode("always")).unwrap(),
        slot: bench.slot.clone(),
        database: bench.database.clone(),
    };
    let mut stream = again.open(Some(from)).await;
    let taken = until_same(&again, &mut stream, "public.t").await;
    assert!(taken.iter().filter(|it| it.op == Op::Read).count() >= 500);
}

#[tokio::test]
async fn only_reads_the_rows_and_ends() {
    let bench = bench(ROWS, &["t"], &mode("only")).await;
    let mut stream = bench.open(None).await;
    let mut taken = Vec::new();
    while let Some(chunk) = stream.reader.next().await.unwrap() {
        taken.push(chunk.len());
        stream.marks.extend(chunk.marks().iter().map(|it| it.position.clone()));
    }
    assert_eq!(taken.iter().sum::<usize>(), 500);
    let end: Position = stream.marks.last().cloned().unwrap();
    assert!(end.is_between_transactions() && end.detail.is_none());
    stream.reader.close().await;
    // Nothing is left at the server that would hold back its log.
    let slots = "SELECT count(*) FROM pg_replication_slots WHERE database = current_database()";
    flowglass_testkit::wait_for_async("the slot to be gone", super::PATIENCE, async || {
        (bench.database.lines(slots).await == ["0"]).then_some(())
    })
    .await;
    // It has been done, and is done again when it was interrupted.
    assert!(bench.open(Some(end)).await.reader.next().await.unwrap().is_none());
    let interrupted = stream.marks[1].clone();
    assert!(interrupted.detail.is_some());
    let mut again = bench.open(Some(interrupted)).await;
    assert!(again.chunk().await.unwrap().marks()[0].position > stream.marks[1]);
}
