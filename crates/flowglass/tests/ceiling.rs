//! `flowglass ceiling` against real systems: every stage has a figure, the slow one binds, and nothing is
//! left behind.
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::process::Stdio;
use std::time::Duration;

use flowglass_testkit::{
    Kafka, Postgres, Proxy, Redis, RedisSettings, Said, Scratch, Settings, wait_for,
};
use serde_json::Value;

use crate::support::{flowglass, wait};

const PATIENCE: Duration = Duration::from_secs(60);

fn project(source: &str, sinks: &[&str]) -> Scratch {
    let sinks: String = sinks.iter().map(|it| format!("    - {it}\n")).collect();
    let text = format!(
        "apiVersion: flowglass/v1\nkind: Stream\nmetadata: {{ name: measured }}\nspec:\n  \
         source: {source}\n  batch: {{ max_events: 500 }}\n  sinks:\n{sinks}"
    );
    Scratch::project(&[("stream.yaml", &text)])
}

const GENERATOR: &str = "{ type: generator, config: { rows: 0, payload_bytes: 200 } }";

fn ceiling(scratch: &Scratch, args: &[&str]) -> Said {
    flowglass(scratch, &[&["ceiling", "stream.yaml", "--format", "json"], args].concat()).run()
}

/// The stages by name and id, each with its rate.
fn stages(page: &Value) -> Vec<(String, String, Option<f64>)> {
    let text = |it: &Value| it.as_str().unwrap().to_owned();
    let stages = page["stages"].as_array().unwrap().iter();
    stages.map(|it| (text(&it["stage"]), text(&it["id"]), it["rows_per_second"].as_f64())).collect()
}

#[test]
fn every_stage_has_a_figure_and_nothing_is_left_behind() {
    let (redis, kafka) = (Redis::start(RedisSettings::default()), Kafka::shared());
    let postgres = Postgres::start(Settings::default());
    let database = wait(postgres.database());
    let sinks = [
        format!("{{ type: redis, config: {{ id: cache, uri: \"{}\" }} }}", redis.uri()),
        format!(
            "{{ type: kafka, config: {{ id: topics, brokers: \"{}\", exactly_once: true }} }}",
            kafka.brokers()
        ),
        "{ type: files, config: { id: lines, folder: out } }".to_owned(),
        format!("{{ type: postgres, config: {{ id: tables, dsn: \"{}\" }} }}", database.dsn()),
        "{ type: sqlite, config: { id: file, path: shop.db } }".to_owned(),
        "{ type: \"null\", config: { id: none } }".to_owned(),
    ];
    let sinks: Vec<&str> = sinks.iter().map(String::as_str).collect();
    let scratch = project(GENERATOR, &sinks);
    let page = ceiling(&scratch, &["--events", "3000", "--seconds", "20"]).ok().json();
    let stages = stages(&page);
    let names: Vec<_> = stages.iter().map(|it| (it.0.as_str(), it.1.as_str())).collect();
    let expected = [
        ("source", "generator"),
        ("encode", "cache"),
        ("deliver", "cache"),
        ("encode", "topics"),
        ("deliver", "topics"),
        ("encode", "lines"),
        ("deliver", "lines"),
        ("deliver", "tables"),
        ("deliver", "file"),
        ("encode", "none"),
        ("deliver", "none"),
        ("processor", "all stages"),
    ];
    assert_eq!(names, expected, "{page:#}");
    for (stage, id, rate) in &stages {
        let measured = (stage.as_str(), id.as_str()) != ("deliver", "none");
        assert_eq!(rate.is_some_and(|it| it > 0.0), measured, "{page:#}");
    }
    // The least of those that count is what binds.
    let least = stages.iter().filter_map(|it| it.2).fold(f64::INFINITY, f64::min);
    assert_eq!(page["expected_rows_per_second"].as_f64(), Some(least), "{page:#}");
    assert!(page["own_rows"] == true && !page["advice"].as_array().unwrap().is_empty());

    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query(&mut redis.client()).unwrap();
    assert_eq!(keys, Vec::<String>::new());
    let topics = kafka.topics();
    assert!(!topics.iter().any(|it| it.contains("flowglass-ceiling")), "{topics:?}");
    let schemas =
        wait(database.lines("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'flowglass%'"));
    assert_eq!(schemas, Vec::<String>::new());
    assert_eq!(scratch.files(), ["stream.yaml"]);
}

#[test]
fn the_stage_that_is_made_slow_binds() {
    let redis = Redis::start(RedisSettings::default());
    let way = Proxy::before(redis.port());
    // Some 16 KiB every five hundredths of a second: 300 KiB a second.
    way.delay(Duration::from_millis(50));
    let slow = format!(
        "{{ type: redis, config: {{ id: cache, uri: \"redis://127.0.0.1:{}\" }} }}",
        way.port()
    );
    let scratch = project(GENERATOR, &[&slow]);
    let args = ["--events", "2000", "--seconds", "5"];
    let page = ceiling(&scratch, &args).ok().json();
    assert_eq!(page["binds"]["stage"], "deliver", "{page:#}");
    assert_eq!((&page["binds"]["id"], &page["binds"]["type"]), (&"cache".into(), &"redis".into()));
    let text = flowglass(&scratch, &[&["ceiling", "stream.yaml"], &args[..]].concat()).run().ok();
    assert!(text.stdout.contains("binds") && text.stderr.contains("`cache` binds"), "{text}");
}

#[test]
fn the_log_is_read_beside_the_stream_and_nothing_of_it_is_taken() {
    let postgres = Postgres::start(Settings::default().logical_replication());
    let database = wait(postgres.database());
    wait(database.execute("CREATE TABLE orders (id int PRIMARY KEY, note text)"));
    let source = format!(
        "{{ type: postgres, config: {{ id: shop, dsn: \"{}\", tables: [public.orders], \
         slot: ceiling, publication: ceiling }} }}",
        database.dsn()
    );
    let scratch = project(&source, &["{ type: files, config: { id: lines, folder: out } }"]);
    let before = ceiling(&scratch, &["--events", "2000"]).ok().json();
    assert!(before["stages"][0]["why"].as_str().unwrap().contains("run it once"), "{before:#}");
    assert_eq!(before["own_rows"], false);

    let caught_up = ["run", "stream.yaml", "--until", "caught-up"];
    drop(flowglass(&scratch, &caught_up).run().ok());
    for round in 0..20 {
        let from = round * 500;
        let sql = format!(
            "INSERT INTO orders SELECT it, 'n' FROM generate_series({from}, {from} + 499) it"
        );
        wait(database.execute(&sql));
    }
    let slot = "SELECT confirmed_flush_lsn, restart_lsn FROM pg_replication_slots";
    let stood = wait(database.lines(slot));
    let page = ceiling(&scratch, &["--events", "9000"]).ok().json();
    assert_eq!(page["own_rows"], true, "{page:#}");
    assert!(page["stages"][0]["rows_per_second"].as_f64().unwrap() > 0.0, "{page:#}");
    // The one slot stands where it stood, and the stream gets every row.
    wait_for("the copy of the slot is gone", PATIENCE, || {
        (wait(database.lines(slot)) == stood).then_some(())
    });
    drop(flowglass(&scratch, &caught_up).run().ok());
    let files = scratch.files();
    let lines = files.iter().filter(|it| it.contains(".jsonl"));
    assert_eq!(lines.map(|it| scratch.read(it).lines().count()).sum::<usize>(), 10_000);
}

#[test]
fn who_interrupts_it_leaves_nothing_behind() {
    let redis = Redis::start(RedisSettings::default());
    let way = Proxy::before(redis.port());
    way.delay(Duration::from_millis(50));
    let sink = format!(
        "{{ type: redis, config: {{ id: cache, uri: \"redis://127.0.0.1:{}\" }} }}",
        way.port()
    );
    let scratch = project(GENERATOR, &[&sink]);
    // The slow sink would take minutes.
    let args = ["ceiling", "stream.yaml", "--seconds", "600", "--events", "100000"];
    let mut command = flowglass(&scratch, &args).command();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let keys =
        || -> Vec<String> { redis::cmd("KEYS").arg("*").query(&mut redis.client()).unwrap() };
    wait_for("rows in a place of its own", PATIENCE, || (keys().len() == 2).then_some(()));
    interrupt(child.id());
    let ended = wait_for("it ends", PATIENCE, || child.try_wait().unwrap());
    assert_eq!(ended.code(), Some(130));
    assert_eq!(keys(), Vec::<String>::new());
}

/// What Ctrl-C sends.
fn interrupt(process: u32) {
    let sent = std::process::Command::new("kill").args(["-INT", &process.to_string()]).status();
    assert!(sent.unwrap().success());
}
