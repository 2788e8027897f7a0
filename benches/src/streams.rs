//! A backlog of a million inserts in the write-ahead log, drained by every arm from a copy of the same
//! replication slot, against the server's own reader and librdkafka's own producer.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use flowglass_testkit::{Kafka, KafkaSettings, Postgres, Redis, RedisSettings};

use crate::bench::{Bench, remove, same, self_timed};
use crate::child;
use crate::measure::{Used, output, run};
use crate::rounds::{Arm, Figures, Spread, alternate};
use crate::say;
use crate::server::Server;
use crate::verdict::{Bound, table};

/// Rows of one transaction.
const TRANSACTION_ROWS: u64 = 1_000;

/// What a row of the backlog is: 156 bytes of JSON beside a few short columns, about 254 bytes of
/// `pgoutput`.
const TABLE: &str = "CREATE TABLE bench (id bigint PRIMARY KEY, customer text, amount numeric(12,2), \
                     status text, payload jsonb, updated_at timestamptz); \
                     ALTER TABLE bench REPLICA IDENTITY FULL; \
                     CREATE PUBLICATION bench FOR TABLE bench";

/// Memory that a stream may take, in bytes.
const PEAK_BYTES_MAX: u64 = 96 << 20;

/// Every way of draining the backlog.
///
/// # Errors
/// When an arm fails or does not deliver every row.
pub(crate) fn streams(bench: &mut Bench) -> Result<()> {
    let field = Field::new(bench)?;
    let figures = {
        let bench = &*bench;
        let (field, end) = (&field, field.end.as_str());
        let to = move |name: &'static str, sink: fn(&Field, usize) -> String| {
            let mut round = 0;
            Arm::new(name, move || {
                round += 1;
                field.drain(bench, (round, &sink(field, round)), Field::arrived(name))
            })
        };
        let arms = vec![
            Arm::new("pg_recvlogical to /dev/null", move || field.by_postgres(end)),
            to(NULL, |_, _| "type: \"null\", config: { id: sink }".to_owned()),
            to(REDIS, |field, _| {
                let uri = field.redis.uri();
                format!(
                    "type: redis, config: {{ id: sink, uri: \"{uri}\", stream: \"{{table}}\" }}"
                )
            }),
            to(KAFKA, |field, round| field.to_kafka(&format!("plain-{round}"), false)),
            to(EXACT, |field, round| field.to_kafka(&format!("exact-{round}"), true)),
            Arm::new("librdkafka's own producer", move || field.by_librdkafka(bench)),
        ];
        alternate(bench.args.rounds, arms)?
    };
    table("Backlog of Postgres changes", (bench.args.rows, "events"), &figures);
    judge(bench, &figures);
    Ok(())
}

const NULL: &str = "flowglass to null, JSON";
const REDIS: &str = "flowglass to Redis Streams";
const KAFKA: &str = "flowglass to Kafka";
const EXACT: &str = "flowglass to Kafka, exactly once";

fn judge(bench: &mut Bench, figures: &[Figures]) {
    let [limit, null, redis, kafka, exact, producer] = figures else { return };
    let (rows, verdicts) = (bench.args.rows, &mut bench.verdicts);
    verdicts.ratio(0.90, null, limit);
    verdicts.ratio(0.85, redis, limit);
    let slower = if producer.wall().median > limit.wall().median { producer } else { limit };
    verdicts.ratio(0.80, kafka, slower);
    verdicts.ratio(0.90, exact, kafka);
    #[expect(clippy::cast_precision_loss, reason = "a number of rows")]
    let millions = rows as f64 / 1e6;
    let cpu = Spread::of(redis.used.iter().map(|it| it.cpu.as_secs_f64() / millions));
    let what = "a million events to Redis take less than 3 CPU seconds";
    verdicts.bound(what, cpu, Bound::Under(3.0), "CPU s");
    for arm in [null, redis, kafka, exact] {
        verdicts.memory(arm, PEAK_BYTES_MAX);
    }
}

/// The services and the backlog.
struct Field {
    server: Server,
    redis: Redis,
    kafka: Kafka,
    rows: u64,
    /// The end of the log behind the backlog.
    end: String,
}

impl Field {
    fn new(bench: &Bench) -> Result<Self> {
        let server = Server::for_streams()?;
        let rows = bench.args.rows;
        server.ask(TABLE)?;
        server.ask("SELECT pg_create_logical_replication_slot('backlog', 'pgoutput')")?;
        say::talk(&format!("writing {rows} rows in transactions of {TRANSACTION_ROWS}"));
        server.ask(&format!(
            "DO $$ BEGIN FOR i IN 0..{} LOOP \
             INSERT INTO bench SELECT n, 'customer ' || n % 9973, (n % 100000) / 100.0, \
             (ARRAY['new','paid','sent','done'])[1 + n % 4], \
             jsonb_build_object('sku', md5(n::text), 'note', repeat('x', 84)), now() \
             FROM generate_series(i * {TRANSACTION_ROWS} + 1, (i + 1) * {TRANSACTION_ROWS}) n; \
             COMMIT; END LOOP; END $$",
            rows / TRANSACTION_ROWS - 1
        ))?;
        let end = server.ask("SELECT pg_current_wal_lsn()")?.trim().to_owned();
        server.ask("CHECKPOINT")?;
        Ok(Self {
            server,
            redis: Redis::start(RedisSettings::default()),
            kafka: Kafka::start(KafkaSettings::default().for_benchmarks()),
            rows,
            end,
        })
    }

    /// The arm's own copy of the slot, so that every arm finds the same backlog.
    fn slot(&self) -> Result<()> {
        let old = "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots \
                   WHERE slot_name = 'arm'";
        self.server.ask(old)?;
        self.server.ask("SELECT pg_copy_logical_replication_slot('backlog', 'arm')")?;
        Ok(())
    }

    fn by_postgres(&self, end: &str) -> Result<Used> {
        self.slot()?;
        let mut reader = Command::new(Postgres::program("pg_recvlogical"));
        reader.args(["--dbname", &self.server.dsn(), "--slot", "arm", "--start", "--no-loop"]);
        reader.args(["--option", "proto_version=1", "--option", "publication_names=bench"]);
        reader.args(["--file", "/dev/null", "--endpos", end]);
        Ok(self.server.measure(&mut reader)?.0)
    }

    fn drain(
        &self,
        bench: &Bench,
        (round, sink): (usize, &str),
        arrived: fn(&Self, usize) -> Result<u64>,
    ) -> Result<Used> {
        self.slot()?;
        for name in ["store.db", "store.db-wal", "store.db-shm"] {
            remove(&bench.path(name))?;
        }
        output(self.redis_cli().arg("FLUSHALL"))?;
        let path = bench.path("stream.yaml");
        let text = format!(
            "apiVersion: flowglass/v1\nkind: Stream\nmetadata: {{ name: bench-{round} }}\nspec:\n  \
             source:\n    type: postgres\n    config:\n      id: bench\n      dsn: \"{}\"\n      \
             tables: [public.bench]\n      slot: arm\n      publication: bench\n      \
             snapshot: {{ mode: never }}\n  sinks:\n    - {{ {sink} }}\n",
            self.server.dsn()
        );
        std::fs::write(&path, text).context("writing a manifest")?;
        let mut flowglass = bench.flowglass();
        flowglass.args(["run", "--until", &self.end, "--format", "json"]).arg(&path);
        let (used, said) = self.server.measure(&mut flowglass)?;
        let report: serde_json::Value = serde_json::from_str(&said).context("reading a report")?;
        let read = report.pointer("/result/extracted_rows").and_then(serde_json::Value::as_u64);
        same("flowglass", &read.unwrap_or_default().to_string(), &self.rows.to_string())?;
        let found = arrived(self, round)?;
        same("the sink", &found.to_string(), &self.rows.to_string())?;
        Ok(used)
    }

    /// How many rows a reader finds at the sink of that arm.
    fn arrived(arm: &str) -> fn(&Self, usize) -> Result<u64> {
        match arm {
            REDIS => |field, _| {
                let told = output(field.redis_cli().args(["XLEN", "bench"]))?;
                told.trim().parse().context("reading XLEN")
            },
            KAFKA => |field, round| Ok(field.kafka.count(&format!("plain-{round}"))),
            EXACT => |field, round| Ok(field.kafka.count(&format!("exact-{round}"))),
            _ => |field, _| Ok(field.rows),
        }
    }

    fn to_kafka(&self, topic: &str, exactly_once: bool) -> String {
        format!(
            "type: kafka, config: {{ id: sink, brokers: \"{}\", topic: \"{topic}\", \
             exactly_once: {exactly_once} }}",
            self.kafka.brokers()
        )
    }

    fn by_librdkafka(&self, bench: &Bench) -> Result<Used> {
        let mut producer = Command::new(std::env::current_exe().context("finding this program")?);
        producer.args([child::WORD, "produce"]).arg(bench.path("")).arg(self.rows.to_string());
        producer.env("FLOWGLASS_BENCH_BROKERS", self.kafka.brokers());
        self_timed(run(&mut producer)?)
    }

    fn redis_cli(&self) -> Command {
        let mut cli = Command::new("redis-cli");
        cli.args(["-p", &self.redis.port().to_string()]);
        cli
    }
}

/// From a commit to the reader of a Redis stream, at 5,000 rows a second.
///
/// # Errors
/// When rows are lost.
pub(crate) fn latency(bench: &mut Bench) -> Result<()> {
    const SECONDS: u64 = 20;
    let server = Server::for_streams()?;
    let redis = Redis::start(RedisSettings::default());
    server.ask("CREATE TABLE ticks (id bigserial PRIMARY KEY, at_micros bigint)")?;
    let path = bench.path("latency.yaml");
    let text = format!(
        "apiVersion: flowglass/v1\nkind: Stream\nmetadata: {{ name: latency }}\nspec:\n  \
         source: {{ type: postgres, config: {{ id: bench, dsn: \"{}\", tables: [public.ticks] }} }}\n  \
         sinks:\n    - {{ type: redis, config: {{ id: sink, uri: \"{}\", stream: ticks }} }}\n",
        server.dsn(),
        redis.uri()
    );
    std::fs::write(&path, text).context("writing a manifest")?;
    // Makes slot and publication, so that nothing is measured but the way of a row.
    output(bench.flowglass().args(["run", "--until", "caught-up"]).arg(&path))?;
    let mut flowglass = bench.flowglass();
    let mut flowglass = flowglass
        .arg("run")
        .arg(&path)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .context("starting flowglass")?;
    let mut probe = Command::new(std::env::current_exe().context("finding this program")?);
    probe.args([child::WORD, "latency"]).arg(bench.path("")).arg(SECONDS.to_string());
    probe.env("FLOWGLASS_BENCH_DSN", server.dsn()).env("FLOWGLASS_BENCH_REDIS", redis.uri());
    let told = output(&mut probe);
    flowglass.kill().context("ending flowglass")?;
    flowglass.wait().context("ending flowglass")?;
    let told = told?;
    let numbers: Vec<f64> = told.split_whitespace().filter_map(|it| it.parse().ok()).collect();
    let [count, p50, p99, worst] = numbers.as_slice() else {
        anyhow::bail!("the probe said `{told}`")
    };
    ensure!(*count > 0.0, "no row arrived");
    say::print(&format!(
        "\n## Latency at 5,000 events/s to Redis Streams\n\n{count} rows: p50 {p50:.2} ms, p99 \
         {p99:.2} ms, worst {worst:.2} ms\n\n"
    ));
    let one = |value: &f64| Spread::of([*value]);
    bench.verdicts.bound("half of the rows arrive within 5 ms", one(p50), Bound::Under(5.0), "ms");
    bench.verdicts.bound("99 of 100 within 25 ms", one(p99), Bound::Under(25.0), "ms");
    Ok(())
}
