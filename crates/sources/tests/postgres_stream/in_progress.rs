//! Transactions that the server sends before they are committed: what they tell is what the same
//! server tells when it keeps them.

use flowglass_connect::stream::Op;

use super::{Bench, Stream, Taken, log_end, server, slot_of, source};

/// A database whose server sends a transaction as soon as it has 64 kB of it.
async fn bench(sql: &str, tables: &[&str], more: &serde_json::Value) -> Bench {
    let database = server().database().await;
    let name = slot_of(&database).replace("slot_", "");
    let eager = format!("ALTER DATABASE {name} SET logical_decoding_work_mem = '64kB'");
    database.execute(&eager).await;
    database.execute(sql).await;
    let source = source(&database, tables, more).unwrap();
    Bench { slot: slot_of(&database), source, database }
}

const TABLES: &str = "CREATE TABLE t (a int PRIMARY KEY, b text); \
    CREATE TABLE u (a int PRIMARY KEY, b text)";

/// How many transactions the server has sent before their end, through our slot.
async fn sent_early(bench: &Bench) -> u64 {
    let sql = format!(
        "SELECT stream_txns FROM pg_stat_replication_slots WHERE slot_name = '{}'",
        bench.slot
    );
    let wait = async || {
        let found = bench.database.lines(&sql).await.join("");
        found.parse::<u64>().ok().filter(|it| *it > 0)
    };
    flowglass_testkit::wait_for_async("the server's figures", super::PATIENCE, wait).await
}

/// Everything up to `end`.
async fn all(stream: &mut Stream, end: u64) -> Vec<Taken> {
    let mut taken = Vec::new();
    while stream.marks.last().is_none_or(|mark| mark.commit < end) {
        taken.extend(stream.more().await);
    }
    taken
}

#[tokio::test]
async fn the_same_history_is_told_alike_by_both_protocols() {
    let small = serde_json::json!({ "spill": { "memory": "2MiB" } });
    let bench = bench(TABLES, &["t", "u"], &small).await;
    drop(bench.open(None).await);
    // One transaction is too large for memory; in it parts are rolled back, a table is changed in
    // shape, rows of two tables take turns; meanwhile others come and go.
    let database = &bench.database;
    let (mut large, mut gone) = (database.client().await, database.client().await);
    let large_one = large.transaction().await.unwrap();
    let gone_one = gone.transaction().await.unwrap();
    let rows = |table: &str, from: u32, to: u32| {
        format!(
            "INSERT INTO {table} SELECT n, repeat('x', 300) || n FROM generate_series({from}, {to}) n;"
        )
    };
    for part in 0..5_u32 {
        let from = part * 4000;
        large_one.batch_execute(&rows("t", from + 1, from + 3000)).await.unwrap();
        let undone = format!(
            "SAVEPOINT s; {} ROLLBACK TO s; UPDATE t SET b = 'y' WHERE a % 7 = 1 AND a > {from}; \
             SAVEPOINT k; {} RELEASE k;",
            rows("t", from + 3001, from + 3800),
            rows("u", from + 1, from + 10),
        );
        large_one.batch_execute(&undone).await.unwrap();
        gone_one.batch_execute(&rows("u", 100_000 + from, 100_000 + from + 900)).await.unwrap();
        database.execute(&format!("INSERT INTO u VALUES ({}, 'z')", 50_000 + part)).await;
    }
    gone_one.rollback().await.unwrap();
    large_one
        .batch_execute("ALTER TABLE t ADD c int DEFAULT 5; DELETE FROM t WHERE a < 1000")
        .await
        .unwrap();
    large_one.commit().await.unwrap();
    let last = "SET synchronous_commit = on; INSERT INTO t VALUES (90000, 'last', 6)";
    database.execute(last).await;
    let end = log_end(database).await - 1;

    let mut early = bench.open(None).await;
    let told = all(&mut early, end).await;
    assert!(sent_early(&bench).await >= 2);
    drop(early);
    let off = source(database, &["t", "u"], &serde_json::json!({ "streaming": "off" })).unwrap();
    let late = Bench { source: off, slot: bench.slot.clone(), database: database.clone() };
    let mut late = late.open(None).await;
    let expected = all(&mut late, end).await;
    assert_eq!(told.len(), expected.len());
    for (one, other) in told.iter().zip(&expected) {
        assert_eq!(one, other);
    }
    assert_eq!(told.last().unwrap().line(), "insert public.t [90000, last, 6]");
    drop(late);

    // From somewhere in the middle of the large one exactly the rest is told.
    let from = told[told.len() / 2].position.clone();
    let mut again = bench.open(Some(from)).await;
    assert_eq!(all(&mut again, end).await, told[told.len() / 2 + 1..]);
}

#[tokio::test]
async fn what_a_rolled_back_transaction_made_of_a_table_is_not_learned() {
    let bench = bench(TABLES, &["t", "u"], &serde_json::json!({})).await;
    let mut stream = bench.open(None).await;
    let mut client = bench.database.client().await;
    let gone = client.transaction().await.unwrap();
    gone.batch_execute(
        "ALTER TABLE t DROP b, ADD c int, ADD d int; \
         INSERT INTO t SELECT n, n, n FROM generate_series(1, 5000) n; \
         SAVEPOINT s; INSERT INTO u SELECT n, 'x' FROM generate_series(1, 5000) n; ROLLBACK TO s",
    )
    .await
    .unwrap();
    sent_early(&bench).await;
    gone.rollback().await.unwrap();
    bench.database.execute("INSERT INTO t VALUES (1, 'x'); INSERT INTO u VALUES (1, 'y')").await;
    let taken = stream.take(2).await;
    let lines: Vec<String> = taken.iter().map(Taken::line).collect();
    assert_eq!(lines, ["insert public.t [1, x]", "insert public.u [1, y]"]);
    assert_eq!(taken[0].relation.version, 1);
}

#[tokio::test]
async fn what_the_files_may_not_hold_stays_with_the_server() {
    let tight = serde_json::json!({ "spill": { "memory": "2MiB", "disk": "1MiB" } });
    let bench = bench(TABLES, &["t"], &tight).await;
    let mut stream = bench.open(None).await;
    bench
        .database
        .execute("INSERT INTO t SELECT n, repeat('x', 400) FROM generate_series(1, 30000) n")
        .await;
    let taken = stream.take(30_000).await;
    assert!(taken.iter().zip(1..).all(|(it, row)| it.position.rows == row && it.op == Op::Insert));
    assert_eq!(stream.reader.head().reconnects, 1);
    assert!(sent_early(&bench).await >= 1);
}

/// A transaction of so many rows, told by a server that sends it early and by one that keeps it:
/// rows a second from the commit on, and the process' peak memory.
async fn measure(rows: u64) {
    use flowglass_connect::{Clock, SystemClock};

    let bench = Bench::new(TABLES, &["t"]).await;
    let spill = tempfile::tempdir().unwrap();
    let early = serde_json::json!({ "spill": { "memory": "64MiB" } });
    let kept = serde_json::json!({ "streaming": "off" });
    for (how, more) in [("sent early", early), ("kept by the server", kept)] {
        let source = super::source_in(&bench.database, (&["t"], spill.path()), &more).unwrap();
        let round = Bench { source, slot: bench.slot.clone(), database: bench.database.clone() };
        let mut stream = round.open(None).await;
        bench.database.execute("TRUNCATE t").await;
        stream.take(1).await;
        let fill =
            format!("INSERT INTO t SELECT n, repeat('x', 200) FROM generate_series(1, {rows}) n");
        let clock = SystemClock::new();
        let mut told: u64 = 0;
        let (database, written) = (bench.database.clone(), clock.monotonic());
        let writing = async move { database.execute(&fill).await };
        let reading = async {
            let (mut first, mut commit) = (None, 0);
            while told < rows {
                let chunk = tokio::time::timeout(super::PATIENCE * 20, stream.reader.next())
                    .await
                    .unwrap()
                    .unwrap()
                    .unwrap();
                stream.marks.extend(chunk.marks().iter().map(|mark| mark.position.clone()));
                if !chunk.is_empty() {
                    first.get_or_insert(clock.monotonic());
                }
                for change in chunk.changes(0, usize::MAX) {
                    told += 1;
                    assert_eq!(change.head().row + 1, told);
                    commit = change.transaction().commit;
                }
            }
            (first.unwrap(), commit)
        };
        let ((), (first, commit)) = tokio::join!(writing, reading);
        let now = clock.monotonic();
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap().to_owned();
        #[expect(clippy::cast_precision_loss, reason = "millions are exact")]
        let rate = rows as f64 / (now - first).as_secs_f64();
        tell(&format!(
            "{how}: {rows} rows, all told {:?} after the first statement, first row after {:?}, \
             {rate:.0} rows/s from then on; {peak}",
            now - written,
            first - written,
        ));
        let end = stream.reach(commit).await;
        stream.reader.confirm(&end);
        stream.reader.close().await;
        assert_eq!(std::fs::read_dir(spill.path()).unwrap().count(), 0);
    }
}

#[expect(clippy::print_stdout, reason = "the figures are what it is run for")]
fn tell(said: &str) {
    println!("{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes half a minute, and means something only in a release build on a quiet machine"]
async fn a_million_rows_in_one_transaction() {
    measure(1_000_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes some minutes"]
async fn five_million_rows_in_one_transaction() {
    measure(5_000_000).await;
}
