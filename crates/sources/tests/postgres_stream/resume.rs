//! Going on from a position: nothing lost, nothing doubled, and no silence about what is lost.

use flowglass_connect::stream::Position;
use flowglass_model::ErrorClass;
use flowglass_testkit::{Postgres, Settings};

use super::{Bench, Stream, Taken, source};

/// A table and three transactions of 4, 1 and 3 changes.
async fn three_transactions() -> (Bench, Stream, Vec<Taken>) {
    let bench = Bench::new("CREATE TABLE t (a int PRIMARY KEY, b text)", &["t"]).await;
    let mut stream = bench.open(None).await;
    for sql in [
        "INSERT INTO t SELECT n, 'x' FROM generate_series(1, 4) n",
        "UPDATE t SET b = 'y' WHERE a = 1",
        "DELETE FROM t WHERE a > 1",
    ] {
        bench.database.execute(sql).await;
    }
    let taken = stream.take(8).await;
    assert_eq!(taken.len(), 8);
    (bench, stream, taken)
}

#[tokio::test]
async fn from_every_position_exactly_the_rest_is_given() {
    let (bench, stream, all) = three_transactions().await;
    drop(stream);
    let last = all.last().unwrap().position.commit;
    for (at, change) in all.iter().enumerate() {
        let mut again = bench.open(Some(change.position.clone())).await;
        let rest =
            if at + 1 < all.len() { again.take(all.len() - at - 1).await } else { Vec::new() };
        assert_eq!(rest, all[at + 1..], "behind {}", change.position);
        assert!(again.reach(last).await.is_between_transactions());
    }
    let mut again = bench.open(Some(Position::after(all[0].position.commit))).await;
    assert_eq!(again.take(4).await, all[4..]);
    drop(again);
    // Nothing was confirmed, so that nothing is forgotten.
    let mut from_the_beginning = bench.open(None).await;
    assert_eq!(from_the_beginning.take(8).await, all);
}

#[tokio::test]
async fn the_server_forgets_what_was_confirmed_and_nothing_else() {
    let (bench, mut stream, all) = three_transactions().await;
    let before = bench.slot_says("confirmed_flush_lsn").await;
    stream.reader.confirm(&all[5].position);
    stream.reader.close().await;
    let after = bench.slot_says("confirmed_flush_lsn").await;
    assert_ne!(before, after);
    // Inside the third transaction: that one is still needed, from its beginning.
    assert_eq!(after, Position::after(all[5].position.commit).to_string());
    let mut again = bench.open(Some(all[5].position.clone())).await;
    assert_eq!(again.take(2).await, all[6..]);
    again.reader.confirm(&Position::after(all[7].position.commit));
    again.reader.close().await;
    // An older position has nothing to go on from.
    let fault = bench.try_open(Some(all[5].position.clone())).await.err().unwrap();
    assert_eq!(fault.class(), ErrorClass::PositionLost, "{}", fault.chain());
    assert!(fault.chain().contains(&bench.slot), "{}", fault.chain());
    let mut again = bench.open(Some(Position::after(all[7].position.commit))).await;
    bench.database.execute("INSERT INTO t VALUES (50, 'z')").await;
    assert_eq!(again.lines(1).await, ["insert public.t [50, z]"]);
}

#[tokio::test]
async fn a_slot_that_is_gone_is_told_with_the_way_out() {
    let (bench, stream, all) = three_transactions().await;
    drop(stream);
    let slot = bench.slot.clone();
    let drop_slot = format!(
        "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots \
         WHERE slot_name = '{slot}' AND active_pid IS NOT NULL"
    );
    bench.database.execute(&drop_slot).await;
    drop_when_free(&bench).await;
    let fault = bench.try_open(Some(all[7].position.clone())).await.err().unwrap();
    assert_eq!(fault.class(), ErrorClass::PositionLost);
    assert!(fault.advice().contains("snapshot"), "{}", fault.advice());
    // Without a position nothing is lost by a new slot.
    let mut again = bench.open(None).await;
    bench.database.execute("INSERT INTO t VALUES (60, 'z')").await;
    assert_eq!(again.lines(1).await, ["insert public.t [60, z]"]);
}

/// Drops the slot as soon as nobody reads from it.
pub(super) async fn drop_when_free(bench: &Bench) {
    let sql = format!(
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots \
         WHERE slot_name = '{}' AND NOT active",
        bench.slot
    );
    flowglass_testkit::wait_for_async("the slot to be dropped", super::PATIENCE, async || {
        bench.database.execute(&sql).await;
        bench.slot_says("slot_name").await.is_empty().then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_position_of_another_server_is_refused() {
    let (bench, stream, _) = three_transactions().await;
    drop(stream);
    let ahead = Position::after(super::log_end(&bench.database).await + (1 << 32));
    let fault = bench.try_open(Some(ahead)).await.err().unwrap();
    assert_eq!(fault.class(), ErrorClass::PositionLost);
    assert!(fault.advice().contains("another server"), "{}", fault.advice());
}

#[tokio::test]
async fn an_invalidated_slot_is_told_with_the_way_out() {
    // A slot may hold back nothing, and the log is small.
    let settings = Settings::default()
        .logical_replication()
        .set("max_slot_wal_keep_size", "1MB")
        .set("min_wal_size", "32MB")
        .set("max_wal_size", "32MB");
    let server = Postgres::start(settings);
    let database = server.database().await;
    database.execute("CREATE TABLE t (a int PRIMARY KEY); CREATE TABLE o (a text)").await;
    let source = source(&database, &["t"], &serde_json::json!({})).unwrap();
    let bench = Bench { slot: super::slot_of(&database), database, source };
    let mut stream = bench.open(None).await;
    bench.database.execute("INSERT INTO t VALUES (1)").await;
    let from = stream.take(1).await[0].position.clone();
    drop(stream);
    for _ in 0..4 {
        bench
            .database
            .execute(
                "INSERT INTO o SELECT repeat('x', 1000) FROM generate_series(1, 20000); \
                 SELECT pg_switch_wal(); CHECKPOINT",
            )
            .await;
    }
    assert_eq!(bench.slot_says("wal_status").await, "lost");
    let fault = bench.try_open(Some(from)).await.err().unwrap();
    assert_eq!(fault.class(), ErrorClass::PositionLost);
    assert!(fault.advice().contains("pg_drop_replication_slot"), "{}", fault.advice());
    let findings = bench.source.examine().await.unwrap();
    let slot = findings.iter().find(|it| it.name.starts_with("slot ")).unwrap();
    assert!(!slot.fine && slot.remedy.as_ref().unwrap().contains("pg_drop_replication_slot"));
}
