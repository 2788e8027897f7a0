//! What processors cost for each row. Not run by default, as figures need a quiet machine:
//! `cargo test --release -p flowglass-processors -- --ignored --nocapture measure`.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use flowglass_connect::stream::{ProcessorConnector, StreamBatch};
use flowglass_processors::{filter, javascript, mask, project};
use serde_json::{Value, json};

use crate::support::{Rows, going_on, open, order, orders};

/// Counts what the thread that asks for it allocates.
struct Counting;

thread_local! {
    static COUNTED: AtomicU64 = const { AtomicU64::new(0) };
}

#[expect(
    unsafe_code,
    reason = "an allocator is unsafe by its trait; this one hands on to the system's"
)]
// SAFETY: every call goes on to the system's allocator with what came in.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // A thread that is ending has no counter any more.
        COUNTED.try_with(|it| it.fetch_add(1, Ordering::Relaxed)).unwrap_or_default();
        // SAFETY: the layout is the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: pointer and layout are the caller's.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn counted() -> u64 {
    COUNTED.with(|it| it.load(Ordering::Relaxed))
}

fn batch(rows: u64) -> StreamBatch {
    let relation = orders();
    let mut all = Rows::of(&relation);
    for id in 0..rows {
        all = all.insert(&order(id, if id % 2 == 0 { "paid" } else { "new" }));
    }
    all.batch()
}

/// A filter looks at rows without allocating for any of them: twice the rows, as many allocations.
#[test]
fn a_filter_allocates_nothing_for_a_row() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let condition = "status = 'paid' and amount > 1 and at >= '2024-01-01' and doc is not null";
    let mut filter = open(&filter::Connector, json!({ "where": condition })).unwrap();
    let mut allocations = |rows| {
        let batch = batch(rows);
        runtime.block_on(async {
            filter.process(batch.clone()).await.unwrap();
            let before = counted();
            let done = filter.process(batch).await.unwrap();
            (counted() - before, going_on(&done).len() as u64)
        })
    };
    let (few, kept) = allocations(1_000);
    let (many, kept_of_many) = allocations(4_000);
    assert_eq!((kept, kept_of_many), (500, 2_000));
    assert_eq!(few, many);
    assert!(few < 20, "{few} allocations a batch");
}

#[test]
#[ignore = "figures need a quiet machine"]
#[expect(clippy::disallowed_methods, reason = "a measurement asks the machine's own clock")]
fn measure_every_processor() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let one = |name: &str, connector: &dyn ProcessorConnector, config: Value| {
        let mut work = open(connector, config).unwrap();
        let batch = batch(8_192);
        let mut times = Vec::new();
        for _ in 0..200 {
            let batch = batch.clone();
            let since = Instant::now();
            let done = runtime.block_on(work.process(batch)).unwrap();
            times.push(since.elapsed().as_nanos() / 8_192);
            drop(done);
        }
        times.sort_unstable();
        println!("{name}: {} ns a row (median of 200 batches)", times[100]);
    };
    one("filter, one question", &filter::Connector, json!({ "where": "status = 'paid'" }));
    let condition = "status = 'paid' and amount > 1 and at >= '2024-01-01'";
    one("filter, three questions", &filter::Connector, json!({ "where": condition }));
    one(
        "project, three of six",
        &project::Connector,
        json!({ "columns": ["id", "status", "doc"] }),
    );
    one("mask, one redacted", &mask::Connector, json!({ "columns": "status" }));
    one("mask, one hashed", &mask::Connector, json!({ "columns": "status", "how": "hash" }));
    let script = "function process(row) { row.status = row.status.toUpperCase(); return row }";
    let limits = json!({ "cpu": "60s", "time": "60s" });
    one("javascript", &javascript::Connector, json!({ "script": script, "limits": limits }));
}
