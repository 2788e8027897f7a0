//! How fast the sinks of rows, files and webhooks are, beside what their systems take at their
//! plainest: `COPY` by psql for Postgres, one prepared insert in a loop for SQLite.
//!
//! `cargo run --release -p flowglass-sinks --example measure_row_sinks --no-default-features --features
//! csv,jsonl,postgres,sqlite,http,folder -- [postgres|sqlite|files|http] [ROWS]`

#![expect(clippy::print_stdout, reason = "it prints figures")]
#![expect(clippy::unwrap_used, reason = "a measurement that fails may panic")]
#![expect(clippy::disallowed_methods, reason = "it measures real time")]

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use flowglass_connect::encode::{Encoder, Origin};
use flowglass_connect::stream::{
    Cell, ChunkBuilder, Column, Delivery, Identity, Kind, Messages, NewChange, Op, Position,
    Relation, Slice, StreamBatch, StreamSink, StreamSinkConnector, Takes, Transaction,
};
use flowglass_connect::{Surroundings, SystemClock};
use flowglass_testkit::{Postgres, Scratch};
use serde_json::json;

const BATCH: u64 = 8192;
const ROUNDS: u64 = 3;

#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let rows: u64 = args.get(1).map_or(500_000, |text| text.parse().unwrap());
    let batches = rows / BATCH;
    println!("{} rows of about 180 bytes in batches of {BATCH}", batches * BATCH);
    let which = args.first().map_or("", String::as_str);
    if matches!(which, "" | "postgres") {
        postgres(batches).await;
    }
    if matches!(which, "" | "sqlite") {
        sqlite(batches).await;
    }
    if matches!(which, "" | "files") {
        files(batches).await;
    }
    if matches!(which, "" | "http") {
        http(batches).await;
    }
}

async fn postgres(batches: u64) {
    let server = Postgres::shared();
    for round in 0..ROUNDS {
        let database = server.database().await;
        let config = json!({ "id": "a", "dsn": database.dsn(), "table": "copy.{table}" });
        let sink =
            flowglass_sinks::postgres::StreamConnector.build("s", config, &around()).unwrap();
        for (op, first) in [(Op::Insert, 0), (Op::Update, batches), (Op::Delete, 2 * batches)] {
            let what = format!("postgres, {} {round}", op.name());
            measure(&what, batches, || run(&sink, (op, first, batches))).await;
        }
        let database = server.database().await;
        database.execute(TABLE).await;
        let text = copy_text(batches);
        let dsn = database.dsn().to_owned();
        measure("psql COPY, one transaction", batches, || async move { psql_copy(&dsn, &text) })
            .await;
    }
}

const TABLE: &str = "CREATE TABLE orders (id bigint PRIMARY KEY, customer text, amount \
    numeric(12,2), status text, payload jsonb, updated_at timestamptz)";

fn copy_text(batches: u64) -> Vec<u8> {
    let mut text = Vec::new();
    for id in 0..batches * BATCH {
        text.extend_from_slice(cells(id, 0).join("\t").as_bytes());
        text.push(b'\n');
    }
    text
}

fn psql_copy(dsn: &str, text: &[u8]) {
    let mut psql = Command::new(Postgres::program("psql"))
        .args([dsn, "-q", "-c", "COPY orders FROM STDIN"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    psql.stdin.take().unwrap().write_all(text).unwrap();
    assert!(psql.wait().unwrap().success());
}

async fn sqlite(batches: u64) {
    for round in 0..ROUNDS {
        let scratch = Scratch::new();
        let config = json!({ "id": "a", "path": scratch.path("a.db") });
        let sink = flowglass_sinks::sqlite::StreamConnector.build("s", config, &around()).unwrap();
        for (op, first) in [(Op::Insert, 0), (Op::Update, batches), (Op::Delete, 2 * batches)] {
            let what = format!("sqlite, {} {round}", op.name());
            measure(&what, batches, || run(&sink, (op, first, batches))).await;
        }
        let path = scratch.path("plain.db");
        measure("rusqlite, an insert in a loop", batches, || async move {
            plain_inserts(&path, batches);
        })
        .await;
    }
}

fn plain_inserts(path: &std::path::Path, batches: u64) {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.pragma_update(None, "journal_mode", "wal").unwrap();
    let table = "CREATE TABLE orders (id INTEGER NOT NULL, customer TEXT, amount TEXT, status TEXT, \
                 payload TEXT, updated_at TEXT, PRIMARY KEY (id))";
    connection.execute_batch(table).unwrap();
    let mut insert = connection.prepare("INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?)").unwrap();
    for batch in 0..batches {
        connection.execute_batch("BEGIN").unwrap();
        for id in batch * BATCH..(batch + 1) * BATCH {
            let [id, customer, amount, status, payload, at] = cells(id, 0);
            let id: i64 = id.parse().unwrap();
            insert.execute((id, customer, amount, status, payload, at)).unwrap();
        }
        connection.execute_batch("COMMIT").unwrap();
    }
}

async fn files(batches: u64) {
    for round in 0..ROUNDS {
        for format in ["jsonl", "parquet"] {
            let scratch = Scratch::new();
            let config = json!({ "id": "a", "folder": scratch.path("out"), "format": format });
            let sink = flowglass_sinks::folder::Connector.build("s", config, &around()).unwrap();
            let what = format!("files, {format} {round}");
            measure(&what, batches, || run(&sink, (Op::Insert, 0, batches))).await;
        }
    }
}

async fn http(batches: u64) {
    let port = receiver();
    for round in 0..ROUNDS {
        for events in [500, 5000] {
            let config = json!({
                "id": "a", "url": format!("http://127.0.0.1:{port}/hook"), "secret": "s",
                "request_events_max": events, "request_bytes_max": 8 << 20,
            });
            let sink = flowglass_sinks::http::Connector.build("s", config, &around()).unwrap();
            let what = format!("http, {events} a request {round}");
            measure(&what, batches, || run(&sink, (Op::Insert, 0, batches))).await;
        }
    }
}

/// A webhook that reads everything and looks at nothing.
fn receiver() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut reader = BufReader::with_capacity(1 << 20, &stream);
                let mut line = String::new();
                let mut length = 0;
                while reader.read_line(&mut line).is_ok_and(|read| read > 0) {
                    if let Some(text) = line.strip_prefix("content-length: ") {
                        length = text.trim().parse().unwrap();
                    }
                    if line == "\r\n" {
                        std::io::copy(&mut (&mut reader).take(length), &mut std::io::sink())
                            .unwrap();
                        (&stream).write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
                    }
                    line.clear();
                }
            });
        }
    });
    port
}

/// Delivers so many batches of one kind of change, from a batch on.
async fn run(sink: &Arc<dyn StreamSink>, (op, first, batches): (Op, u64, u64)) {
    let mut encoder = match sink.takes() {
        Takes::Messages(settings) => Some(Encoder::new(settings, origin()).unwrap()),
        Takes::Rows => None,
    };
    let mut writer = sink.open().await.unwrap();
    writer.committed().await.unwrap();
    let (mut sent, mut acknowledged) = (0, 0);
    while acknowledged < batches {
        while sent < batches && sent - acknowledged < sink.in_flight_batches_max() as u64 {
            let batch = batch(op, sent, first + sent);
            sent += 1;
            let messages = encoder.as_mut().map(|encoder| {
                let mut messages = Messages::with_capacity(batch.spanned(), 4 << 20);
                assert!(encoder.encode(&batch, &mut messages).is_empty());
                messages
            });
            writer.send(Delivery { number: sent, batch, messages }).await.unwrap();
        }
        assert!(writer.acknowledged().await.unwrap().refused.is_empty());
        acknowledged += 1;
    }
}

fn origin() -> Origin {
    Origin { stream: "s".into(), version: "measure".into(), clock: Arc::new(SystemClock::new()) }
}

/// `id`, `customer`, `amount`, `status`, `payload`, `updated_at`.
fn cells(id: u64, generation: u64) -> [String; 6] {
    [
        id.to_string(),
        format!("customer number {}", id * 7919 % 100_003),
        format!("{}.{:02}", id % 10_000, (id + generation) % 100),
        ["new", "paid", "sent"].get(usize::try_from(id % 3).unwrap()).unwrap().to_string(),
        format!("{{\"items\": [{id}, {generation}], \"note\": \"as large as such a thing is\"}}"),
        format!("2024-02-29 12:00:{:02}.123456+00", id % 60),
    ]
}

/// The batch of a place, whose keys are those of batch `keys`.
fn batch(op: Op, keys: u64, place: u64) -> Arc<StreamBatch> {
    let mut builder = ChunkBuilder::new(Duration::ZERO, 2 << 20);
    let relation = builder.relation(&relation());
    let commit = 0x16B_3748 + place;
    let transaction =
        builder.transaction(Transaction { id: place, commit, committed_at_micros: 0 });
    for row in 0..BATCH {
        let start = builder.cell_start();
        let texts = cells(keys * BATCH + row, place);
        let width = texts.len();
        for text in texts.iter().take(if op == Op::Delete { 1 } else { width }) {
            let at = builder.push_bytes(text.as_bytes());
            builder.push_cell(Cell::text(at, text.len()).unwrap());
        }
        if op == Op::Delete {
            (1..width).for_each(|_| builder.push_cell(Cell::NULL));
        }
        let (before, after) =
            if op == Op::Delete { (Some(start), None) } else { (None, Some(start)) };
        let identity = Identity::Key;
        let change =
            NewChange { op, identity, relation, transaction, before, after, row, place: commit };
        builder.push_change(change, b"wire");
    }
    let chunk = Arc::new(builder.finish());
    let end = chunk.len();
    Arc::new(StreamBatch::new(vec![Slice::new(chunk, 0, end)], Position::after(commit)))
}

fn relation() -> Arc<Relation> {
    static SHAPE: std::sync::OnceLock<Arc<Relation>> = std::sync::OnceLock::new();
    let column = |name: &str, kind: Kind, native: &str| Column {
        name: name.to_owned(),
        kind,
        native: native.to_owned(),
        nullable: true,
    };
    Arc::clone(SHAPE.get_or_init(|| {
        Arc::new(Relation {
            id: 1,
            database: "d".into(),
            schema: "public".into(),
            table: "orders".into(),
            columns: vec![
                column("id", Kind::Int64, "bigint"),
                column("customer", Kind::Text, "text"),
                column("amount", Kind::Decimal(Some((12, 2))), "numeric(12,2)"),
                column("status", Kind::Text, "text"),
                column("payload", Kind::Json, "jsonb"),
                column("updated_at", Kind::TimestampTz, "timestamp with time zone"),
            ],
            key: vec![0],
            version: 1,
        })
    }))
}

async fn measure<F: Future<Output = ()>>(what: &str, batches: u64, work: impl FnOnce() -> F) {
    let before = (Instant::now(), cpu());
    work().await;
    let (wall, ours) = (before.0.elapsed().as_secs_f64(), cpu() - before.1);
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let rows = (batches * BATCH) as f64;
    println!(
        "{what:32} {:9.0} rows/s; our processor seconds per million: {:.2}",
        rows / wall,
        ours * 1e6 / rows
    );
}

/// Processor seconds of this process so far: fields 14 and 15 of its `stat`, in hundredths.
fn cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, rest) = text.rsplit_once(')').unwrap();
    rest.split_whitespace().skip(11).take(2).map(|it| it.parse::<f64>().unwrap() / 100.0).sum()
}

fn around() -> Surroundings {
    let folder = std::env::temp_dir();
    Surroundings {
        base_dir: folder.clone(),
        scratch_dir: folder,
        clock: Arc::new(SystemClock::new()),
    }
}
