//! How fast a backlog is drained to nothing, beside what the server itself can send.
//!
//! `cargo test --release -p flowglass-sources --no-default-features --features postgres -- --ignored
//! drains_a_backlog --nocapture`

use std::process::Command;

use flowglass_connect::stream::Position;
use flowglass_connect::{Clock, SystemClock};
use flowglass_testkit::{Database, Postgres, Settings};

use super::{Bench, slot_of, source};

const ROWS: usize = 1_000_000;

/// Ticks of the kernel's clock in a second (`USER_HZ`, the same on every Linux).
const TICKS: f64 = 100.0;

/// CPU seconds of this process, or of its children that have ended.
fn cpu_seconds(children: bool) -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let from = if children { 13 } else { 11 };
    let ticks = fields.iter().skip(from).take(2).map(|it| it.parse::<f64>().unwrap());
    ticks.sum::<f64>() / TICKS
}

async fn copy_slot(database: &Database, to: &str) {
    let slot = slot_of(database);
    let sql = format!("SELECT pg_copy_logical_replication_slot('{slot}_kept', '{to}')");
    database.execute(&sql).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes a minute, and means something only in a release build on a quiet machine"]
async fn drains_a_backlog() {
    let server = Postgres::start(Settings::default().logical_replication());
    let database = server.database().await;
    database
        .execute(
            "CREATE TABLE orders (id bigint PRIMARY KEY, customer text, amount numeric(12,2), \
             status text, payload jsonb, updated_at timestamptz); \
             ALTER TABLE orders REPLICA IDENTITY FULL",
        )
        .await;
    let stream = source(&database, &["orders"], &serde_json::json!({})).unwrap();
    let slot = slot_of(&database);
    let bench = Bench { source: stream, database: database.clone(), slot: slot.clone() };
    let mut first = bench.open(None).await;
    first.reader.close().await;
    let keep = format!("SELECT pg_copy_logical_replication_slot('{slot}', '{slot}_kept')");
    database.execute(&keep).await;
    let fill = format!(
        "DO $$ BEGIN FOR i IN 0..{} LOOP INSERT INTO orders SELECT n, 'customer ' || n % 1000, \
         n % 10000 / 100.0, 'paid', jsonb_build_object('note', repeat('x', 130), 'n', n), now() \
         FROM generate_series(i * 1000 + 1, (i + 1) * 1000) n; COMMIT; END LOOP; END $$",
        ROWS / 1000 - 1
    );
    database.execute(&fill).await;
    database.execute("SELECT pg_switch_wal()").await;
    let end = super::log_end(&database).await;

    for _ in 0..3 {
        copy_slot(&database, "limit_slot").await;
        let clock = SystemClock::new();
        let (began, cpu) = (clock.monotonic(), cpu_seconds(true));
        let status = Command::new(Postgres::program("pg_recvlogical"))
            .args(["-d", database.dsn(), "--slot", "limit_slot", "--start", "--no-loop"])
            .args(["-o", "proto_version=1", "-o", &format!("publication_names={slot}")])
            .args(["-f", "/dev/null", "-F", "0", "--endpos"])
            .arg(Position::after(end).to_string())
            .status()
            .unwrap();
        assert!(status.success());
        tell("pg_recvlogical", clock.monotonic() - began, cpu_seconds(true) - cpu);
        database.execute("SELECT pg_drop_replication_slot('limit_slot')").await;

        copy_slot(&database, "our_slot").await;
        let ours = serde_json::json!({ "slot": "our_slot", "publication": slot });
        let ours = source(&database, &["orders"], &ours).unwrap();
        let ours = Bench { source: ours, database: database.clone(), slot: "our_slot".into() };
        let clock = SystemClock::new();
        let (began, cpu) = (clock.monotonic(), cpu_seconds(false));
        let mut stream = ours.open(None).await;
        let opened = clock.monotonic() - began;
        let (mut rows, mut chunks, mut hash) = (0, 0, 0u64);
        while rows < ROWS {
            let chunk = stream.chunk().await.unwrap();
            chunks += 1;
            rows += chunk.len();
            // As the ledger does.
            let hashes = chunk.changes(0, usize::MAX).map(|change| change.head().hash);
            hash = hashes.fold(hash, u64::wrapping_add);
        }
        tell("flowglass", clock.monotonic() - began, cpu_seconds(false) - cpu);
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
        println!("  opened in {opened:?}, {chunks} chunks, sum {hash:x}, {peak}");
        stream.reader.close().await;
        database.execute("SELECT pg_drop_replication_slot('our_slot')").await;
    }
}

#[expect(clippy::print_stdout, reason = "the figures are what it is run for")]
fn tell(who: &str, took: std::time::Duration, cpu: f64) {
    let seconds = took.as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a million is exact")]
    let rate = ROWS as f64 / seconds;
    println!("{who}: {seconds:.2} s, {rate:.0} rows/s, {cpu:.2} CPU s");
}
