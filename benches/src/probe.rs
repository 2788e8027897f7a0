//! What the benchmarks of streams run in processes of their own: a producer that is librdkafka and
//! nothing else, and a probe that writes rows at a steady rate and reads them where they arrive.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use flowglass_connect::Tasks;
use rdkafka::ClientConfig;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::measure::now;
use crate::say;

/// Bytes of a message: what a row of the backlog is as native JSON.
const MESSAGE_BYTES: usize = 480;

/// Produces that many messages as fast as librdkafka can; the seconds that it took.
///
/// # Errors
/// What the broker says.
pub(crate) fn produce(count: usize) -> Result<f64> {
    let brokers = from_env("FLOWGLASS_BENCH_BROKERS")?;
    let since = now();
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("enable.idempotence", "true")
        .set("linger.ms", "5")
        .set("queue.buffering.max.messages", "500000")
        .create()
        .context("making a producer")?;
    let body = vec![b'x'; MESSAGE_BYTES];
    let topic = format!("limit-{}", std::process::id());
    for number in 0..count {
        let key = number.to_string();
        let mut record = BaseRecord::to(&topic).key(&key).payload(&body);
        loop {
            match producer.send(record) {
                Ok(()) => break,
                Err((error, back)) => {
                    ensure!(
                        error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull),
                        "{error}"
                    );
                    producer.poll(Duration::from_millis(1));
                    record = back;
                }
            }
        }
        if number % 1_000 == 0 {
            producer.poll(Duration::ZERO);
        }
    }
    producer.flush(Duration::from_secs(60)).context("waiting for the broker")?;
    Ok(since.elapsed().as_secs_f64())
}

/// Rows of one transaction and transactions a second: 5,000 rows a second.
const ROWS: u64 = 10;
const TRANSACTIONS: u64 = 500;

/// Writes for so many seconds and prints how many rows arrived, and the median, the 99th percentile
/// and the longest way of a row in milliseconds.
///
/// # Errors
/// When a row does not arrive.
pub(crate) async fn latency(seconds: u64) -> Result<()> {
    let (client, connection) =
        tokio_postgres::connect(&from_env("FLOWGLASS_BENCH_DSN")?, tokio_postgres::NoTls).await?;
    let mut tasks = Tasks::new();
    tasks.spawn("connection", async move { drop(connection.await) });
    let redis = redis::Client::open(from_env("FLOWGLASS_BENCH_REDIS")?)?;
    let all = seconds * TRANSACTIONS * ROWS;
    let reading = std::thread::spawn(move || read(&redis, all));
    // What waits for the server's own writer, up to 200 ms, is not in the log yet.
    client.batch_execute("SET synchronous_commit = on").await?;
    let insert = format!(
        "INSERT INTO ticks (at_micros) SELECT extract(epoch FROM clock_timestamp()) * 1000000 \
         FROM generate_series(1, {ROWS})"
    );
    let insert = client.prepare(&insert).await?;
    let mut tick = tokio::time::interval(Duration::from_micros(1_000_000 / TRANSACTIONS));
    for _transaction in 0..seconds * TRANSACTIONS {
        tick.tick().await;
        client.execute(&insert, &[]).await?;
    }
    let Ok(found) = tokio::task::spawn_blocking(move || reading.join()).await? else {
        bail!("the reader broke");
    };
    let mut ways = found?;
    ways.sort_unstable();
    let at = |share: f64| {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a place in a list"
        )]
        let place = (ways.len() as f64 * share) as usize;
        #[expect(clippy::cast_precision_loss, reason = "microseconds of a benchmark")]
        ways.get(place.min(ways.len() - 1)).map_or(f64::NAN, |it| *it as f64 / 1e3)
    };
    say::print(&format!("{} {} {} {}\n", ways.len(), at(0.5), at(0.99), at(1.0)));
    Ok(())
}

/// Entries of a stream: an id, and fields with their values.
type Entries = Vec<(String, Vec<(String, String)>)>;

/// How long each row was on its way, in microseconds.
fn read(redis: &redis::Client, all: u64) -> Result<Vec<i64>> {
    let mut connection = redis.get_connection()?;
    let mut ways = Vec::new();
    let mut after = "0-0".to_owned();
    while (ways.len() as u64) < all {
        let found: redis::Value = redis::cmd("XREAD")
            .arg(&["COUNT", "1000", "BLOCK", "10000", "STREAMS", "ticks", &after])
            .query(&mut connection)?;
        let arrived = now_micros()?;
        let found: Vec<(String, Entries)> =
            redis::from_redis_value(found).context("only a part of the rows arrived")?;
        for (id, fields) in found.into_iter().flat_map(|(_, entries)| entries) {
            let body = fields.into_iter().find(|(name, _)| name == "value").context("no value")?.1;
            let message: serde_json::Value = serde_json::from_str(&body)?;
            let written = message.pointer("/after/at_micros").and_then(serde_json::Value::as_i64);
            ways.push(arrived - written.context("no time in a message")?);
            after = id;
        }
    }
    Ok(ways)
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn now_micros() -> Result<i64> {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    Ok(i64::try_from(since.as_micros())?)
}

fn from_env(name: &str) -> Result<String> {
    std::env::var(name).with_context(|| format!("{name} is not set"))
}
