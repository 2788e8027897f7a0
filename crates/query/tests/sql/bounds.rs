//! Bounded memory, spilling, cancelling.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::*;
use arrow::datatypes::{DataType, Field, Schema};
use flowglass_testkit::wait_for_async;

const BATCH_ROWS: i64 = 8_192;

/// Rows of a key that never repeats, out of order, and a text of 100 bytes.
fn large(batches: u64) -> Arc<MemorySource> {
    let schema = Arc::new(Schema::new(vec![
        Field::new("k", DataType::Int64, false),
        Field::new("filler", DataType::Utf8, false),
    ]));
    let shape = Arc::clone(&schema);
    Arc::new(MemorySource::generated("large", schema, move |number| {
        let from = i64::try_from(number).ok().filter(|_| number < batches)? * BATCH_ROWS;
        // Multiplying by an odd number permutes 64 bits.
        let keys = Int64Array::from_iter_values(
            (from..from + BATCH_ROWS).map(|k| k.wrapping_mul(0x9E37_79B9_7F4A_7C15_u64 as i64)),
        );
        let filler =
            StringArray::from_iter_values((from..from + BATCH_ROWS).map(|k| format!("{k:0>100}")));
        RecordBatch::try_new(Arc::clone(&shape), vec![Arc::new(keys), Arc::new(filler)]).ok()
    }))
}

async fn within(
    memory_max_bytes: usize,
    sql: &str,
    source: &Arc<MemorySource>,
) -> Result<(u64, Vec<RecordBatch>), Fault> {
    let scratch = tempfile::tempdir().unwrap();
    let engine = DataFusion::new(memory_max_bytes);
    let query = engine.query(sql, vec![table("large", source)], &around(scratch.path()))?;
    let mut reader = query.open(ReadRequest::default()).await?;
    let (mut rows, mut last) = (0, Vec::new());
    while let Some(Batch::Arrow(batch)) = reader.next().await? {
        rows += batch.num_rows() as u64;
        last = vec![batch];
    }
    drop(reader);
    assert_eq!(
        std::fs::read_dir(scratch.path()).unwrap().count(),
        0,
        "the spill folder is left behind"
    );
    Ok((rows, last))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sort_larger_than_memory_spills_and_finishes() {
    // About 90 MB of rows in 24 MB.
    let (rows, _) = within(24 << 20, "SELECT * FROM large ORDER BY k", &large(100)).await.unwrap();
    assert_eq!(rows, 100 * 8_192);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grouping_larger_than_memory_spills_and_finishes() {
    let sql = "SELECT filler, count(*) AS n, max(k) AS k FROM large GROUP BY filler";
    let (rows, _) = within(32 << 20, sql, &large(60)).await.unwrap();
    assert_eq!(rows, 60 * 8_192);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_join_larger_than_memory_is_planned_again() {
    let sql = "SELECT count(*) AS n, sum(CASE WHEN a.filler = b.filler THEN 1 ELSE 0 END) AS same \
               FROM large a JOIN large b ON a.k = b.k";
    let source = large(80);
    let (_, answer) = within(48 << 20, sql, &source).await.unwrap();
    insta::assert_snapshot!(shown(&answer));
    // One look, the side that did not fit (and the other, when it was begun), and both again.
    assert!(source.asked().len() >= 4, "{:?}", source.asked());
}

#[tokio::test]
async fn what_cannot_spill_says_so() {
    let sql = "SELECT count(DISTINCT k) AS k, count(DISTINCT filler) AS f FROM large";
    let fault = within(4 << 20, sql, &large(40)).await.unwrap_err();
    insta::assert_snapshot!(format!(
        "{}: {}\n{}",
        fault.class().name(),
        fault.chain(),
        fault.advice()
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_the_reader_ends_the_query() {
    let made = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&made);
    let schema = Arc::new(Schema::new(vec![Field::new("a", DataType::Int64, false)]));
    let shape = Arc::clone(&schema);
    // It never ends by itself.
    let source = Arc::new(MemorySource::generated("endless", schema, move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        RecordBatch::try_new(Arc::clone(&shape), vec![Arc::new(Int64Array::from(vec![1; 100]))])
            .ok()
    }));
    let scratch = tempfile::tempdir().unwrap();
    let sql = "SELECT a + 1 AS b FROM endless WHERE a > 0";
    let query = DataFusion::default()
        .query(sql, vec![table("endless", &source)], &around(scratch.path()))
        .unwrap();
    let mut reader = query.open(ReadRequest::default()).await.unwrap();
    assert!(reader.next().await.unwrap().is_some());
    drop(reader);
    let closed = async || (source.readers_open() == 0).then_some(());
    wait_for_async("its readers to close", Duration::from_secs(30), closed).await;
}

#[tokio::test]
async fn batches_keep_their_bounds() {
    let scratch = tempfile::tempdir().unwrap();
    let query = DataFusion::default()
        .query("SELECT * FROM large", vec![table("large", &large(4))], &around(scratch.path()))
        .unwrap();
    let request =
        ReadRequest { batch_rows_max: 1_000, batch_bytes_max: 50_000, ..ReadRequest::default() };
    let mut reader = query.open(request).await.unwrap();
    let batches = drain(&mut reader).await.unwrap();
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 4 * 8_192);
    // A row takes about 112 bytes.
    assert!(
        batches.iter().all(|batch| batch.num_rows() <= 1_000 && batch.num_rows() * 112 <= 100_000)
    );
}
