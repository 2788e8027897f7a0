//! Requests to a stream that runs in another process, on a real Postgres; and what `doctor` says of one
//! that cannot run.

use std::time::Duration;

use flowglass_testkit::{
    Database, Kafka, Postgres, Redact, Redis, RedisSettings, Said, Scratch, Settings, wait_for,
};
use serde_json::Value;

use crate::support::{Stream, flowglass, wait};

const PATIENCE: Duration = Duration::from_secs(30);

const MANIFEST: &str = "apiVersion: flowglass/v1\nkind: Stream\nmetadata: { name: shop }\nspec:\n  \
    source:\n    type: postgres\n    config: { id: shop, dsn: \"${DSN}\", tables: [public.orders], \
    slot: shop_control, publication: shop_control }\n  \
    sinks:\n    - { type: files, config: { id: lines, folder: out } }\n";

struct Field {
    postgres: Postgres,
    database: Database,
    scratch: Scratch,
}

impl Field {
    fn new(settings: Settings) -> Self {
        let postgres = Postgres::start(settings);
        let database = wait(postgres.database());
        wait(database.execute("CREATE TABLE orders (id int PRIMARY KEY, note text)"));
        let scratch = Scratch::project(&[("stream.yaml", MANIFEST)]);
        Self { postgres, database, scratch }
    }

    /// Starts the stream and waits until it reads the log: what was written before is not its own.
    fn start(&self) -> Stream {
        let stream = Stream::start(&self.scratch, "stream.yaml", &[("DSN", self.database.dsn())]);
        let reads = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'";
        wait_for("the stream reads the log", PATIENCE, || {
            (wait(self.database.lines(reads)) == ["1"]).then_some(())
        });
        stream
    }

    fn ask(&self, args: &[&str]) -> Said {
        flowglass(&self.scratch, args).run()
    }

    fn insert(&self, from: u32, to: u32) {
        let sql =
            format!("INSERT INTO orders SELECT it, 'n' FROM generate_series({from}, {to}) it");
        wait(self.database.execute(&sql));
    }

    /// Operation and id of each delivered row.
    fn rows(&self) -> Vec<(String, u64)> {
        let files = self.scratch.files();
        let rows = files.iter().filter(|it| it.starts_with("out/public.orders/"));
        let texts: Vec<String> = rows.map(|it| self.scratch.read(it)).collect();
        let lines = texts.iter().flat_map(|it| it.lines());
        let row = |line: &str| {
            let row: Value = serde_json::from_str(line).ok()?;
            Some((row["op"].as_str()?.to_owned(), row["after"]["id"].as_u64()?))
        };
        lines.filter_map(row).collect()
    }

    fn wait_for_rows(&self, op: &str, count: usize) {
        let there = || self.rows().iter().filter(|it| it.0 == op).count();
        let state = format!("{count} rows of operation {op}");
        wait_for(&state, PATIENCE, || (there() >= count).then_some(()));
    }

    /// Waits until the latest run has said something.
    fn wait_for_line(&self, words: &str) {
        let state = format!("the run says `{words}`");
        wait_for(&state, PATIENCE, || {
            let said = self.ask(&["runs", "logs", "latest"]);
            said.stdout.contains(words).then_some(())
        });
    }
}

#[test]
fn a_stream_is_paused_over_a_crash_goes_on_reads_a_table_again_and_stops() {
    let field = Field::new(Settings::default().logical_replication());
    let stream = field.start();
    field.insert(1, 10);
    field.wait_for_rows("insert", 10);

    let paused = field.ask(&["pause", "shop", "--format", "json"]).ok().json();
    assert_eq!(paused["outcome"], "done");
    field.wait_for_line("paused on request");
    stream.kill();
    let stream = field.start();
    field.insert(11, 20);
    // It has come as far as it will: it is open, and says that it is paused.
    field.wait_for_line("paused on request");
    assert_eq!(field.rows().len(), 10, "it read on");
    let node = || {
        let run = field.ask(&["runs", "show", "latest", "--format", "json"]).ok().json();
        run["pipelines"][0]["nodes"][0].clone()
    };
    assert_eq!((&node()["state"], &node()["reason"]), (&"waiting".into(), &"paused".into()));
    drop(field.ask(&["resume", "shop"]).ok());
    field.wait_for_rows("insert", 20);
    wait_for("the node runs again", PATIENCE, || (node()["state"] == "running").then_some(()));

    drop(field.ask(&["resync", "shop", "public.orders"]).ok());
    field.wait_for_rows("read", 20);
    let refused = field.ask(&["resync", "shop", "public.nothing"]).expect_code(1);
    assert!(refused.stderr.contains("does not carry the table"), "{refused}");
    let stopped = field.ask(&["stop", "shop"]).ok();
    assert!(stopped.stdout.contains("everything that was read is delivered"), "{stopped}");
    assert_eq!(stream.ended().code(), Some(0));
    assert_eq!(field.rows().len(), 40);

    let nobody = field.ask(&["stop", "shop"]).ok();
    assert!(nobody.stdout.contains("it does not run"), "{nobody}");
    let refused = field.ask(&["resync", "shop", "public.orders"]).expect_code(1);
    assert!(refused.stderr.contains("start it"), "{refused}");
    let unknown = field.ask(&["pause", "shpo"]).expect_code(2);
    assert!(unknown.stderr.contains("did you mean `shop`?"), "{unknown}");
}

#[test]
fn a_stream_runs_once_at_a_time() {
    let field = Field::new(Settings::default().logical_replication());
    let first = field.start();
    field.insert(1, 3);
    field.wait_for_rows("insert", 3);
    let args = ["run", "stream.yaml"];
    let second = flowglass(&field.scratch, &args).env("DSN", field.database.dsn()).run();
    let second = second.expect_code(1);
    assert!(second.stderr.contains(&format!("process {}", first.id())), "{second}");
    // The kernel lets go of what a killed process held.
    first.kill();
    let third = field.start();
    field.insert(4, 6);
    field.wait_for_rows("insert", 6);
    drop(field.ask(&["stop", "shop"]).ok());
    assert_eq!(third.ended().code(), Some(0));
    assert_eq!(field.rows().len(), 6);
}

#[test]
fn the_doctor_says_what_is_missing_and_how_to_mend_it() {
    let field = Field::new(Settings::default());
    wait(field.database.execute("CREATE TABLE bare (a int)"));
    let manifest = MANIFEST.replace("[public.orders]", "[public.orders, public.bare]");
    field.scratch.write("stream.yaml", manifest);
    let doctor = |format: &str| {
        let args = ["doctor", "stream.yaml", "--format", format];
        flowglass(&field.scratch, &args).env("DSN", field.database.dsn()).run()
    };
    let said = doctor("text").expect_code(1);
    let seen = format!("{}! {}", said.stdout, said.stderr);
    Redact::new()
        .replace(r"\d+\.\d+ \(Debian[^)]*\)", "VERSION")
        .replace(r"differs by -?\d+\.\d+ s", "differs by N s")
        .replace(r"  +", "  ")
        .bind(|| insta::assert_snapshot!("doctor", seen));
    let page = doctor("json").expect_code(1).json();
    assert_eq!(page["can_run"], false);
    let checks = page["checks"].as_array().unwrap();
    let level = checks.iter().find(|it| it["check"] == "wal_level").unwrap();
    assert_eq!(level["verdict"], "needs_work");
    assert!(level["remedy"].as_str().unwrap().contains("ALTER SYSTEM SET wal_level"));
    assert!(!format!("{page}").contains("password"), "{page:#}");
    // It looked, and made nothing.
    assert!(!field.scratch.path(".flowglass").exists() && !field.scratch.path("out").exists());
    drop(field.postgres);
    let away = doctor("text").expect_code(1);
    assert!(away.stdout.contains("can be asked"), "{away}");
}

#[test]
fn the_doctor_finds_nothing_against_a_server_that_is_ready() {
    let field = Field::new(Settings::default().logical_replication());
    let args = ["doctor", "stream.yaml"];
    let said = flowglass(&field.scratch, &args).env("DSN", field.database.dsn()).run().ok();
    assert!(said.stderr.contains("it can run"), "{said}");
    assert!(!said.stdout.contains("needs work"), "{said}");
    let none = "apiVersion: flowglass/v1\nkind: Workflow\nmetadata: { name: w }\nspec:\n  nodes: \
                [{ id: a, command: [\"true\"] }]\n";
    field.scratch.write("workflow.yaml", none);
    let none = flowglass(&field.scratch, &["doctor", "workflow.yaml"]).run().expect_code(2);
    assert!(none.stderr.contains("no stream"), "{none}");
}

#[test]
fn the_doctor_asks_kafka_and_redis() {
    let brokers = Kafka::shared().brokers();
    let redis = Redis::start(RedisSettings::default());
    let manifest = format!(
        "apiVersion: flowglass/v1\nkind: Stream\nmetadata: {{ name: both }}\nspec:\n  \
         source: {{ type: generator, config: {{ rows: 1 }} }}\n  sinks:\n    \
         - {{ type: kafka, config: {{ id: main, brokers: \"{brokers}\", topic: \"both.{{table}}\", \
         exactly_once: true, positions_topic: both_positions }} }}\n    \
         - {{ type: redis, config: {{ id: cache, uri: \"{}\", stream: \"{{table}}\" }} }}\n",
        redis.uri()
    );
    let scratch = Scratch::project(&[("stream.yaml", &manifest)]);
    let said = flowglass(&scratch, &["doctor", "stream.yaml", "--format", "ndjson"]).run().ok();
    let checks = said.ndjson();
    let verdict = |name: &str| {
        let found = checks.iter().find(|it| it["check"] == name);
        found.unwrap_or_else(|| panic!("nothing is said of {name}: {said}"))["verdict"].clone()
    };
    for name in ["kafka_brokers", "kafka_positions_topic", "kafka_transactions", "redis_version"] {
        assert_eq!(verdict(name), "fine", "{name}: {said}");
    }
    assert_ne!(verdict("kafka_topics"), "needs_work");
    assert_eq!(verdict("redis_persistence"), "optional");
}
