//! A second reader from an older position, for a sink that fell behind.

use flowglass_connect::stream::Position;
use flowglass_model::ErrorClass;

use super::{Bench, Stream, Taken, clock};

async fn beside(bench: &Bench, from: &Position) -> Stream {
    let reader = bench.source.open_beside(from.clone(), clock()).await.unwrap();
    Stream { reader, marks: Vec::new(), whole: 0 }
}

#[tokio::test]
async fn an_older_position_is_read_beside_the_stream() {
    let bench = Bench::new("CREATE TABLE t (a int PRIMARY KEY, b text)", &["t"]).await;
    let mut stream = bench.open(None).await;
    bench.database.execute("INSERT INTO t SELECT n, 'x' FROM generate_series(1, 5) n").await;
    bench.database.execute("UPDATE t SET b = 'y' WHERE a > 2").await;
    let all: Vec<Taken> = stream.take(8).await;
    let mut second = beside(&bench, &all[1].position).await;
    assert_eq!(second.take(6).await, all[2..]);
    // Both go on, and a connection that breaks is made again.
    bench.database.execute("DELETE FROM t WHERE a = 1").await;
    let gone = stream.take(1).await;
    assert_eq!(second.take(1).await, gone);
    let cut = "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots \
        WHERE temporary AND database = current_database()";
    bench.database.execute(cut).await;
    bench.database.execute("INSERT INTO t VALUES (6, 'z')").await;
    let last = stream.take(1).await;
    assert_eq!(second.take(1).await, last);
    assert_eq!((second.reader.head().reconnects, stream.reader.head().reconnects), (1, 0));
    let fault = second.reader.resync("public.other").await.unwrap_err();
    assert_eq!(fault.class(), ErrorClass::NotFound);

    // What the second confirms is nothing to the first.
    let before = bench.slot_says("confirmed_flush_lsn").await;
    second.reader.confirm(&Position::after(last[0].position.commit));
    second.reader.close().await;
    assert_eq!(bench.slot_says("confirmed_flush_lsn").await, before);
    let copies = "SELECT count(*) FROM pg_replication_slots \
        WHERE temporary AND database = current_database()";
    flowglass_testkit::wait_for_async("the copy to be gone", super::PATIENCE, async || {
        (bench.database.lines(copies).await == ["0"]).then_some(())
    })
    .await;

    // What the first has confirmed nobody can read any more.
    stream.reader.confirm(&Position::after(last[0].position.commit));
    stream.reader.close().await;
    let lost = bench.source.open_beside(all[1].position.clone(), clock()).await.err().unwrap();
    assert_eq!(lost.class(), ErrorClass::PositionLost, "{}", lost.chain());
}
