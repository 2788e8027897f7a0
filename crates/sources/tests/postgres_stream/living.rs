//! Staying alive: sleepy owners, broken connections, quiet tables on a busy server.

use flowglass_connect::stream::Position;
use flowglass_model::ErrorClass;
use flowglass_testkit::{Proxy, wait_for_async};

use super::{Bench, PATIENCE, Stream, Taken, log_end, resume::drop_when_free, server, source};

const TABLE: &str = "CREATE TABLE t (a int PRIMARY KEY, b text)";

/// Ends the server's side of the stream, as a restart or an operator does.
async fn cut(bench: &Bench) {
    let pid = bench.slot_says("active_pid").await;
    bench.database.execute(&format!("SELECT pg_terminate_backend({pid})")).await;
}

async fn reconnected(stream: &Stream, times: u64) {
    wait_for_async("the connection to be made again", PATIENCE, async || {
        (stream.reader.head().reconnects >= times).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_broken_connection_is_made_again_and_nothing_is_lost_or_doubled() {
    let bench = Bench::new(TABLE, &["t"]).await;
    let mut stream = bench.open(None).await;
    let mut keys = Vec::new();
    let mut taken = async |stream: &mut Stream, count| {
        keys.extend(
            stream.take(count).await.iter().map(|it| it.after.as_ref().unwrap()[0].clone()),
        );
    };
    bench.database.execute("INSERT INTO t VALUES (1, 'x')").await;
    taken(&mut stream, 1).await;
    cut(&bench).await;
    bench.database.execute("INSERT INTO t VALUES (2, 'x'), (3, 'x')").await;
    taken(&mut stream, 2).await;
    reconnected(&stream, 1).await;
    cut(&bench).await;
    reconnected(&stream, 2).await;
    bench.database.execute("INSERT INTO t VALUES (4, 'x')").await;
    taken(&mut stream, 1).await;
    assert_eq!(keys, ["1", "2", "3", "4"]);
    assert_eq!(stream.reader.head().reconnects, 2);
}

#[tokio::test]
async fn a_connection_that_breaks_inside_a_transaction_goes_on_inside_it() {
    let bench = Bench::new(TABLE, &["t"]).await;
    // What is sent before its commit is here as a whole once it is told.
    let late = serde_json::json!({ "streaming": "off" });
    let source = source(&bench.database, &["t"], &late).unwrap();
    let bench = Bench { source, ..bench };
    let mut stream = bench.open(None).await;
    // Far more than may wait to be taken, so that the server is still sending when it is cut off.
    bench
        .database
        .execute("INSERT INTO t SELECT n, repeat('x', 200) FROM generate_series(1, 200000) n")
        .await;
    let mut taken = stream.take(1).await;
    cut(&bench).await;
    taken.extend(stream.take(200_000 - taken.len()).await);
    assert!(stream.reader.head().reconnects >= 1);
    let expected = (1..=200_000).map(|n| n.to_string());
    assert!(expected.eq(taken.iter().map(|it| it.after.as_ref().unwrap()[0].clone())));
    assert!(taken.iter().zip(1..).all(|(it, row)| it.position.rows == row));
}

#[tokio::test]
async fn a_network_that_breaks_again_and_again_loses_and_doubles_nothing() {
    let bench = Bench::new(TABLE, &["t"]).await;
    let proxy = Proxy::before(server().port());
    let dsn = bench
        .database
        .dsn()
        .replace(&format!(":{}/", server().port()), &format!(":{}/", proxy.port()));
    let source = source(&bench.database, &["t"], &serde_json::json!({ "dsn": dsn })).unwrap();
    let bench = Bench { source, ..bench };
    let mut stream = bench.open(None).await;
    let mut keys: Vec<u32> = Vec::new();
    for round in 0..8_usize {
        let first = round * 5000 + 1;
        // One large transaction and some of a single row.
        let mut sql = format!(
            "INSERT INTO t SELECT n, repeat('x', 100) FROM generate_series({first}, {first} + 4989) n;"
        );
        for key in first + 4990..first + 5000 {
            sql.push_str(&format!("COMMIT; BEGIN; INSERT INTO t VALUES ({key}, 'x');"));
        }
        bench.database.execute(&format!("BEGIN; {sql} COMMIT")).await;
        // Cut after a part of it was read, another part each time.
        while keys.len() < first + round * 600 {
            keys.extend(keys_of(&stream.more().await));
        }
        proxy.cut();
    }
    while keys.len() < 40_000 {
        keys.extend(keys_of(&stream.more().await));
    }
    assert!(keys.into_iter().eq(1..=40_000));
    assert!(stream.reader.head().reconnects >= 1);
}

fn keys_of(changes: &[Taken]) -> Vec<u32> {
    let keys = changes.iter().filter_map(|it| it.after.as_ref()?.first()?.parse().ok());
    keys.collect()
}

#[tokio::test]
async fn an_owner_that_sleeps_past_the_servers_patience_loses_nothing() {
    let bench = Bench::new(TABLE, &["t"]).await;
    let name = bench.database.dsn().rsplit_once('/').unwrap().1.to_owned();
    bench.database.execute(&format!("ALTER DATABASE {name} SET wal_sender_timeout = '1s'")).await;
    let mut stream = bench.open(None).await;
    let pid = bench.slot_says("active_pid").await;
    // More than may wait to be taken: the socket is not read while the owner sleeps.
    bench
        .database
        .execute("INSERT INTO t SELECT n, repeat('x', 200) FROM generate_series(1, 100000) n")
        .await;
    let first = stream.take(1).await.len();
    bench.database.execute("SELECT pg_sleep(3.5)").await;
    assert_eq!(stream.take(100_000 - first).await.len(), 100_000 - first);
    // And again with nothing to read at all.
    bench.database.execute("SELECT pg_sleep(2.5)").await;
    assert_eq!(bench.slot_says("active_pid").await, pid);
    assert_eq!(stream.reader.head().reconnects, 0);
}

#[tokio::test]
async fn a_slot_that_is_dropped_under_a_running_stream_stops_it_loudly() {
    let bench = Bench::new(TABLE, &["t"]).await;
    let mut stream = bench.open(None).await;
    bench.database.execute("INSERT INTO t VALUES (1, 'x')").await;
    assert_eq!(stream.lines(1).await, ["insert public.t [1, x]"]);
    // The stream comes back within moments; the slot has to go in between.
    let sql = format!(
        "DO $$ BEGIN LOOP BEGIN \
         PERFORM pg_terminate_backend(active_pid) FROM pg_replication_slots \
           WHERE slot_name = '{slot}' AND active_pid IS NOT NULL; \
         PERFORM pg_drop_replication_slot('{slot}'); EXIT; \
         EXCEPTION WHEN object_in_use THEN NULL; END; END LOOP; END $$",
        slot = bench.slot
    );
    bench.database.execute(&sql).await;
    let fault = stream.fault().await;
    assert_eq!(fault.class(), ErrorClass::PositionLost, "{}", fault.chain());
    assert!(fault.chain().contains("does not exist"), "{}", fault.chain());
}

#[tokio::test]
async fn a_quiet_stream_on_a_busy_server_lets_go_of_the_log() {
    let bench = Bench::new(&format!("{TABLE}; CREATE TABLE busy (a text)"), &["t"]).await;
    let mut stream = bench.open(None).await;
    let mut confirmed = 0;
    // The last of them is another database, of which the stream is told nothing at all.
    let other = server().database().await;
    other.execute("CREATE TABLE busy (a text)").await;
    for database in [&bench.database, &bench.database, &other] {
        database
            .execute(
                "SET synchronous_commit = on; \
                 INSERT INTO busy SELECT repeat('x', 500) FROM generate_series(1, 2000)",
            )
            .await;
        let end = log_end(&bench.database).await;
        let position = stream.reach(end - 1).await;
        stream.reader.confirm(&position);
        let now = wait_for_async("the slot to let go", PATIENCE, async || {
            let says = bench.slot_says("confirmed_flush_lsn").await;
            let says = says.parse::<Position>().unwrap().commit;
            (says >= end).then_some(says)
        })
        .await;
        assert!(now > confirmed);
        confirmed = now;
    }
    // What is committed right behind a position that only a keep-alive gave is not skipped.
    bench.database.execute("INSERT INTO t VALUES (1, 'x')").await;
    let from = stream.marks.last().unwrap().clone();
    drop(stream);
    let mut again = bench.open(Some(from)).await;
    assert_eq!(again.lines(1).await, ["insert public.t [1, x]"]);
}

#[tokio::test]
async fn the_heartbeat_moves_an_idle_stream() {
    let bench = Bench::new(TABLE, &["t"]).await;
    let beating = serde_json::json!({ "heartbeat": "100ms" });
    let beating = source(&bench.database, &["t"], &beating).unwrap();
    let bench = Bench { source: beating, ..bench };
    let mut stream = bench.open(None).await;
    let begin = log_end(&bench.database).await;
    let position = stream.reach(begin + 1).await;
    assert!(position.is_between_transactions());
    wait_for_async("the log's end to be told", PATIENCE, async || {
        (stream.reader.head().end >= begin).then_some(())
    })
    .await;
    let head = stream.reader.head();
    assert!(head.retained_bytes.is_some() && head.wire_bytes > 0);
}

#[tokio::test]
async fn one_slot_has_one_reader() {
    let bench = Bench::new(TABLE, &["t"]).await;
    let first = bench.open(None).await;
    let fault = bench.try_open(None).await.err().unwrap();
    assert_eq!(fault.class(), ErrorClass::Conflict);
    assert!(fault.advice().contains("pg_terminate_backend"), "{}", fault.advice());
    drop(first);
    // It is free as soon as the server has noticed.
    let mut second = bench.open(None).await;
    bench.database.execute("INSERT INTO t VALUES (1, 'x')").await;
    assert_eq!(second.take(1).await.iter().map(Taken::line).collect::<Vec<_>>().len(), 1);
    second.reader.close().await;
    drop_when_free(&bench).await;
}
