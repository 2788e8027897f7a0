//! How fast the stream sinks are, and what of it is our own time: messages that are encoded already
//! go to a Redis and a Kafka of this machine, beside the same messages sent as plainly as the
//! system allows. Sinks of rows, files and webhooks are measured by `measure_row_sinks`.
//!
//! `cargo run --release -p flowglass-sinks --example measure_stream_sinks -- [redis|kafka] [MESSAGES]`

#![expect(clippy::indexing_slicing, reason = "a measurement that fails may panic")]
#![expect(clippy::print_stdout, reason = "it prints figures")]
#![expect(clippy::unwrap_used, reason = "a measurement that fails may panic")]
#![expect(clippy::disallowed_methods, reason = "it measures real time")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use flowglass_connect::stream::{
    Cell, ChunkBuilder, Delivery, Identity, Kind, Message, Messages, NewChange, Op, Position,
    Relation, Slice, Span, StreamBatch, StreamSink, StreamSinkConnector, Transaction,
};
use flowglass_connect::{Surroundings, SystemClock};
use flowglass_testkit::{Kafka, KafkaSettings, Redis, RedisSettings};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::json;

const BATCH: u64 = 8192;
const VALUE_BYTES: usize = 730;

#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let messages = args.get(1).map_or(1_000_000, |text| text.parse().unwrap());
    let batches = messages / BATCH;
    println!("{} messages of {VALUE_BYTES} bytes in batches of {BATCH}", batches * BATCH);
    match args.first().map(String::as_str) {
        Some("redis") => redis(batches).await,
        Some("kafka") => kafka(batches).await,
        _ => {
            redis(batches).await;
            kafka(batches).await;
        }
    }
}

async fn redis(batches: u64) {
    for round in 0..3 {
        let server = Redis::start(RedisSettings::default());
        let uri = server.uri();
        let sink = flowglass_sinks::redis::Connector
            .build("s", json!({ "id": "a", "uri": uri }), &around())
            .unwrap();
        measure(&format!("redis sink {round}"), server.process(), batches, || run(&sink, batches))
            .await;
        let server = Redis::start(RedisSettings::default());
        measure("XADD, prepared", server.process(), batches, || plain_xadd(server.port(), batches))
            .await;
    }
}

/// The same entries as bytes that are ready, four batches ahead of the answers, no transaction.
async fn plain_xadd(port: u16, batches: u64) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let value = "x".repeat(VALUE_BYTES);
    let mut bytes = Vec::new();
    for _ in 0..BATCH {
        let words = [
            "XADD",
            "public.orders",
            "*",
            "id",
            "0/16B3748/12",
            "key",
            "{\"id\":1}",
            "value",
            &value,
        ];
        bytes.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
        for word in words {
            bytes.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
        }
    }
    let stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let (mut read, mut write) = stream.into_split();
    let reading = async move {
        let mut answers = 0;
        let mut buffer = vec![0; 1 << 16];
        while answers < batches * BATCH {
            let got = read.read(&mut buffer).await.unwrap();
            // Each answer is `$15`, an identifier, and two ends of lines.
            answers += buffer[..got].iter().filter(|byte| **byte == b'$').count() as u64;
        }
    };
    let writing = async move {
        for _ in 0..batches {
            write.write_all(&bytes).await.unwrap();
        }
        write
    };
    drop(tokio::join!(reading, writing));
}

async fn kafka(batches: u64) {
    let broker = Kafka::start(KafkaSettings::default().for_benchmarks().set("num.partitions", "1"));
    let brokers = broker.brokers();
    for round in 0..3 {
        for exactly_once in [false, true] {
            let config = json!({
                "id": "a", "brokers": brokers, "exactly_once": exactly_once,
                "kafka": { "queue.buffering.max.messages": 1_000_000 },
            });
            let stream = format!("s{round}{exactly_once}");
            let sink = flowglass_sinks::kafka::Connector.build(&stream, config, &around()).unwrap();
            let what = format!("kafka sink, exactly once: {exactly_once}");
            measure(&what, broker.process(), batches, || run(&sink, batches)).await;
        }
        let own = || async {
            let brokers = brokers.clone();
            tokio::task::spawn_blocking(move || plain_producer(&brokers, batches)).await.unwrap();
        };
        measure("librdkafka alone", broker.process(), batches, own).await;
    }
}

/// librdkafka's producer with the same properties and no headers.
fn plain_producer(brokers: &str, batches: u64) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("enable.idempotence", "true")
        .set("compression.type", "lz4")
        .set("linger.ms", "1")
        .set("queue.buffering.max.messages", "1000000")
        .create()
        .unwrap();
    let value = "x".repeat(VALUE_BYTES);
    for _ in 0..batches {
        for _ in 0..BATCH {
            let mut record = BaseRecord::to("public.orders").key("{\"id\":1}").payload(&value);
            while let Err((_, back)) = producer.send(record) {
                producer.poll(Duration::from_millis(1));
                record = back;
            }
        }
        producer.poll(Duration::ZERO);
    }
    while producer.in_flight_count() > 0 {
        producer.poll(Duration::from_millis(1));
    }
}

async fn run(sink: &Arc<dyn StreamSink>, batches: u64) {
    let mut writer = sink.open().await.unwrap();
    writer.committed().await.unwrap();
    let chunk = batch(0);
    let (mut sent, mut acknowledged) = (0, 0);
    while acknowledged < batches {
        while sent < batches && sent - acknowledged < sink.in_flight_batches_max() as u64 {
            sent += 1;
            let batch = Arc::clone(&chunk);
            let delivery = Delivery { number: sent, batch, messages: Some(messages()) };
            writer.send(delivery).await.unwrap();
        }
        writer.acknowledged().await.unwrap();
        acknowledged += 1;
    }
}

fn batch(number: u64) -> Arc<StreamBatch> {
    let mut builder = ChunkBuilder::new(Duration::ZERO, 0);
    let relation = builder.relation(&Arc::new(Relation {
        id: 1,
        database: "d".into(),
        schema: "public".into(),
        table: "orders".into(),
        columns: vec![flowglass_connect::stream::Column {
            name: "id".to_owned(),
            kind: Kind::Int64,
            native: "bigint".to_owned(),
            nullable: false,
        }],
        key: vec![0],
        version: 1,
    }));
    let commit = 0x16B_3748 + number;
    let transaction = builder.transaction(Transaction { id: 1, commit, committed_at_micros: 0 });
    for row in 0..BATCH {
        let start = builder.push_bytes(b"1");
        let after = Some(builder.cell_start());
        builder.push_cell(Cell::text(start, 1).unwrap());
        let change = NewChange {
            op: Op::Insert,
            identity: Identity::None,
            relation,
            transaction,
            before: None,
            after,
            row,
            place: commit,
        };
        builder.push_change(change, b"1");
    }
    let chunk = Arc::new(builder.finish());
    let to = chunk.len();
    let slice = Slice::new(chunk, 0, to);
    Arc::new(StreamBatch::new(vec![slice], Position::after(commit)))
}

/// As an encoder would leave them; filling the buffer is part of the figure, writing JSON is not.
fn messages() -> Messages {
    let rows = usize::try_from(BATCH).unwrap();
    let mut messages = Messages::with_capacity(rows, rows * (VALUE_BYTES + 8));
    let destination = messages.destination(&"public.orders".into());
    for change in 0..u32::try_from(BATCH).unwrap() {
        let start = messages.buffer.len();
        messages.buffer.extend_from_slice(b"{\"id\":1}");
        let middle = messages.buffer.len();
        messages.buffer.resize(middle + VALUE_BYTES, b'x');
        let end = messages.buffer.len();
        let (key, body) = (Span::new(start, middle), Span::new(middle, end));
        messages.push(Message { destination, change, part: 0, key, body });
    }
    messages
}

async fn measure<F: Future<Output = ()>>(
    what: &str,
    server: Option<u32>,
    batches: u64,
    work: impl FnOnce() -> F,
) {
    let server = server.map(|id| id.to_string()).unwrap_or_default();
    let before = (Instant::now(), cpu("self"), cpu(&server));
    work().await;
    let (wall, ours, theirs) =
        (before.0.elapsed().as_secs_f64(), cpu("self") - before.1, cpu(&server) - before.2);
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let millions = (batches * BATCH) as f64 / 1e6;
    println!(
        "{what:32} {:9.0} messages/s; processor seconds per million: ours {:.2}, server {:.2}",
        millions * 1e6 / wall,
        ours / millions,
        theirs / millions
    );
}

/// Processor seconds of a process so far: fields 14 and 15 of its `stat`, in hundredths.
fn cpu(process: &str) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let (_, rest) = text.rsplit_once(')').unwrap();
    let fields: Vec<&str> = rest.split_whitespace().collect();
    fields[11..13].iter().map(|it| it.parse::<f64>().unwrap() / 100.0).sum()
}

fn around() -> Surroundings {
    let folder = std::env::temp_dir();
    Surroundings {
        base_dir: folder.clone(),
        scratch_dir: folder,
        clock: Arc::new(SystemClock::new()),
    }
}
