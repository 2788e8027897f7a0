//! `flowglass verify` against real sinks: what is there is proved, and a row that is taken away, doubled
//! or altered behind the stream's back is found.
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::time::Duration;

use flowglass_testkit::{
    Database, Kafka, Postgres, Redis, RedisSettings, Said, Scratch, Settings, wait_for,
};
use serde_json::Value;

use crate::support::{Stream, flowglass, sqlite, wait};

const PATIENCE: Duration = Duration::from_secs(30);

/// A stream of generated rows to one sink.
fn manifest(rows: u32, sink: &str) -> String {
    format!(
        "apiVersion: flowglass/v1\nkind: Stream\nmetadata: {{ name: proved }}\nspec:\n  \
         source: {{ type: generator, config: {{ rows: {rows}, transaction_rows: 3, tables: 1 }} }}\n  \
         batch: {{ max_events: 6, max_ms: 5 }}\n  sinks:\n    - {sink}\n"
    )
}

fn project(rows: u32, sink: &str) -> Scratch {
    Scratch::project(&[("stream.yaml", &manifest(rows, sink))])
}

#[track_caller]
fn until_caught_up(scratch: &Scratch) {
    drop(flowglass(scratch, &["run", "stream.yaml", "--until", "caught-up"]).run().ok());
}

fn verify(scratch: &Scratch, args: &[&str]) -> Said {
    flowglass(scratch, &[&["verify"], args, &["--format", "json"]].concat()).run()
}

/// The only part of the only sink.
#[track_caller]
fn part(page: &Value) -> &Value {
    let sinks = page["sinks"].as_array().unwrap();
    assert_eq!(sinks.len(), 1, "{page:#}");
    let parts = sinks[0]["parts"].as_array().unwrap();
    assert_eq!(parts.len(), 1, "{page:#}");
    &parts[0]
}

/// Proves the whole and says what was found: verdict, rows, found, lost, doubled, altered.
#[track_caller]
fn told(scratch: &Scratch, code: i32) -> (String, u64, u64, u64, u64, bool) {
    let page = verify(scratch, &["stream.yaml"]).expect_code(code).json();
    let it = part(&page);
    let number = |name: &str| it[name].as_u64().unwrap();
    let verdict = it["verdict"].as_str().unwrap().to_owned();
    assert_eq!(it["hash"] == it["found_hash"], verdict == "equal", "{page:#}");
    let (rows, found) = (number("rows"), number("found"));
    (verdict, rows, found, number("lost"), number("doubled"), it["altered"] == true)
}

fn equal(rows: u64) -> (String, u64, u64, u64, u64, bool) {
    ("equal".to_owned(), rows, rows, 0, 0, false)
}

fn differs(rows: u64, found: u64, lost: u64, doubled: u64) -> (String, u64, u64, u64, u64, bool) {
    ("differs".to_owned(), rows, found, lost, doubled, false)
}

/// The one file of the sink.
fn file(scratch: &Scratch) -> String {
    let mut files = scratch.files();
    files.retain(|it| it.starts_with("out/") && it.contains(".jsonl"));
    assert_eq!(files.len(), 1, "{files:?}");
    files.remove(0)
}

/// Changes the file and the manifest, as somebody would who edits it: the manifest says how much counts.
fn rewrite(scratch: &Scratch, file: &str, lines: &[String]) {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let kept = "out/_flowglass.proved.lines.json";
    let mut manifest: Value = serde_json::from_str(&scratch.read(kept)).unwrap();
    for current in manifest["files"].as_object_mut().unwrap().values_mut() {
        current["bytes"] = text.len().into();
        current["rows"] = lines.len().into();
    }
    scratch.write(kept, manifest.to_string());
    scratch.write(file, text);
}

const LINES: &str = "{ type: files, config: { id: lines, folder: out, line: message } }";

#[test]
fn lines_that_are_lost_doubled_or_altered_are_found() {
    // Two runs, so that there are two windows at least.
    let scratch = project(30, LINES);
    until_caught_up(&scratch);
    scratch.write("stream.yaml", manifest(60, LINES));
    until_caught_up(&scratch);
    assert_eq!(told(&scratch, 0), equal(60));
    let name = file(&scratch);
    let lines: Vec<String> = scratch.read(&name).lines().map(ToOwned::to_owned).collect();

    let without: Vec<String> = [&lines[..20], &lines[21..]].concat();
    rewrite(&scratch, &name, &without);
    assert_eq!(told(&scratch, 1), differs(60, 59, 1, 0));
    // Each of the windows is smaller than the whole.
    let page = verify(&scratch, &["stream.yaml"]).expect_code(1).json();
    let differences = part(&page)["differences"].as_array().unwrap();
    assert_eq!(differences.len(), 1, "{page:#}");
    assert!(differences[0]["rows"].as_u64().unwrap() < 60, "{page:#}");
    // Where it does not lie, nothing is wrong.
    let behind = format!("{}..", differences[0]["to"].as_str().unwrap());
    for range in [behind.as_str(), "last"] {
        drop(verify(&scratch, &["stream.yaml", "--range", range]).ok());
    }

    let doubled = [&lines[..], &lines[7..9]].concat();
    rewrite(&scratch, &name, &doubled);
    assert_eq!(told(&scratch, 1), differs(60, 62, 0, 2));

    let mut altered = lines.clone();
    altered[30] = altered[30].replacen("\"value\":{", "\"value\":{ ", 1);
    assert_ne!(altered, lines);
    rewrite(&scratch, &name, &altered);
    let said = ("differs".to_owned(), 60, 60, 0, 0, true);
    assert_eq!(told(&scratch, 1), said);

    // The order is not what is proved, and the words of a person are.
    let mut turned = lines.clone();
    turned.reverse();
    rewrite(&scratch, &name, &turned);
    let text = flowglass(&scratch, &["verify", "proved"]).run().ok();
    assert!(text.stdout.contains("equal") && text.stderr.contains("equal: what the sinks hold"));
}

#[test]
fn receipts_go_on_over_a_restart_and_over_letters_that_are_sent_again() {
    let small = "{ type: files, config: { id: lines, folder: out, line: message, \
                 message_bytes_max: 150 } }";
    let scratch = project(30, small);
    until_caught_up(&scratch);
    scratch.write("stream.yaml", manifest(60, LINES));
    until_caught_up(&scratch);
    let (verdict, before, ..) = told(&scratch, 0);
    assert_eq!(verdict, "equal");
    assert!(before < 60, "nothing was set aside");
    drop(flowglass(&scratch, &["dlq", "replay", "stream.yaml", "--all"]).run().ok());
    assert_eq!(told(&scratch, 0), equal(60));
    let page = verify(&scratch, &["stream.yaml"]).ok().json();
    assert!(page["sinks"][0].get("gaps").is_none(), "{page:#}");
}

#[test]
fn bodies_without_a_name_are_proved_as_a_whole() {
    let scratch = project(30, "{ type: files, config: { id: lines, folder: out } }");
    until_caught_up(&scratch);
    assert_eq!(told(&scratch, 0), equal(30));
    let some = verify(&scratch, &["stream.yaml", "--range", "last"]).expect_code(2).json();
    assert!(part(&some)["remarks"][0].as_str().unwrap().contains("line: message"), "{some:#}");
    let name = file(&scratch);
    let lines: Vec<String> = scratch.read(&name).lines().map(ToOwned::to_owned).collect();
    rewrite(&scratch, &name, &lines[1..]);
    assert_eq!(told(&scratch, 1), differs(30, 29, 1, 0));
}

#[test]
fn rows_in_columns_are_proved_open_and_closed() {
    let sink = |rows: u32| {
        format!(
            "{{ type: files, config: {{ id: lines, folder: out, format: parquet, \
             roll: {{ rows: {rows} }} }} }}"
        )
    };
    // Open files are Arrow's, closed ones Parquet's.
    for (roll, end) in [(1_000, ".arrows.open"), (12, ".parquet")] {
        let scratch = project(60, &sink(roll));
        until_caught_up(&scratch);
        assert_eq!(told(&scratch, 0), equal(60));
        let mut files = scratch.files();
        files.retain(|it| it.starts_with("out/") && it.ends_with(end));
        assert!(!files.is_empty(), "{:?}", scratch.files());
        if end == ".parquet" {
            std::fs::remove_file(scratch.path(&files[1])).unwrap();
            let (verdict, rows, found, lost, doubled, _) = told(&scratch, 1);
            assert_eq!((verdict.as_str(), rows, found, doubled), ("differs", 60, 60 - lost, 0));
            assert!(lost > 0, "nothing is missed");
            std::fs::copy(scratch.path(&files[0]), scratch.path(&files[1])).unwrap();
            let (_, _, found, still, doubled, _) = told(&scratch, 1);
            assert_eq!((still, found), (lost, 60 - lost + doubled));
            assert!(doubled > 0, "nothing is there twice");
        }
    }
}

#[test]
fn entries_of_redis_that_are_lost_doubled_or_altered_are_found() {
    let redis = Redis::start(RedisSettings::default());
    let sink = format!(
        "{{ type: redis, config: {{ id: cache, uri: \"redis://127.0.0.1:{}\", stream: events }} }}",
        redis.port()
    );
    let scratch = project(60, &sink);
    until_caught_up(&scratch);
    assert_eq!(told(&scratch, 0), equal(60));
    let mut client = redis.client();
    let entries: Vec<(String, Vec<String>)> =
        redis::cmd("XRANGE").arg("events").arg("-").arg("+").query(&mut client).unwrap();
    assert_eq!(entries.len(), 60);

    redis::cmd("XDEL").arg("events").arg(&entries[25].0).exec(&mut client).unwrap();
    assert_eq!(told(&scratch, 1), differs(60, 59, 1, 0));
    // It comes back at the end: nothing is missing, whatever the order.
    redis::cmd("XADD").arg("events").arg("*").arg(&entries[25].1).exec(&mut client).unwrap();
    assert_eq!(told(&scratch, 0), equal(60));
    redis::cmd("XADD").arg("events").arg("*").arg(&entries[3].1).exec(&mut client).unwrap();
    assert_eq!(told(&scratch, 1), differs(60, 61, 0, 1));

    redis::cmd("XDEL").arg("events").arg(&entries[3].0).exec(&mut client).unwrap();
    assert_eq!(told(&scratch, 0), equal(60));
    let mut fields = entries[40].1.clone();
    *fields.last_mut().unwrap() = "{}".to_owned();
    redis::cmd("XDEL").arg("events").arg(&entries[40].0).exec(&mut client).unwrap();
    redis::cmd("XADD").arg("events").arg("*").arg(&fields).exec(&mut client).unwrap();
    assert_eq!(told(&scratch, 1), ("differs".to_owned(), 60, 60, 0, 0, true));
    // What others write is told apart.
    redis::cmd("XADD").arg("events").arg("*").arg(&["a", "b"]).exec(&mut client).unwrap();
    let page = verify(&scratch, &["stream.yaml"]).expect_code(1).json();
    assert_eq!(part(&page)["foreign"], 1);
    redis::cmd("DEL").arg("events").exec(&mut client).unwrap();
    assert_eq!(told(&scratch, 1), differs(60, 0, 60, 0));
    drop(redis);
    let away = verify(&scratch, &["stream.yaml"]).expect_code(1).json();
    assert!(away["sinks"][0]["why"].as_str().unwrap().contains("redis://"), "{away:#}");
}

#[test]
fn a_redis_that_forgets_by_rule_has_lost_nothing() {
    let redis = Redis::start(RedisSettings::default());
    let sink = format!(
        "{{ type: redis, config: {{ id: cache, uri: \"redis://127.0.0.1:{}\", stream: events, \
         maxlen: 200 }} }}",
        redis.port()
    );
    // What the second run brings is there whole; of the first the beginning is gone.
    let scratch = project(600, &sink);
    until_caught_up(&scratch);
    scratch.write("stream.yaml", manifest(700, &sink));
    until_caught_up(&scratch);
    let page = verify(&scratch, &["stream.yaml"]).ok().json();
    let it = part(&page);
    let (rows, forgotten) = (it["rows"].as_u64().unwrap(), it["forgotten"].as_u64().unwrap());
    assert!(rows > 0 && forgotten > 0 && rows + forgotten == 700, "{page:#}");
    assert_eq!((&it["lost"], &it["verdict"]), (&0.into(), &"equal".into()));
}

#[test]
fn records_of_kafka_are_read_as_committed() {
    let kafka = Kafka::shared();
    for (name, exactly_once) in [("verify.exact", true), ("verify.least", false)] {
        let sink = format!(
            "{{ type: kafka, config: {{ id: topics, brokers: \"{}\", topic: {name}, \
             exactly_once: {exactly_once}, create_topics: {{ partitions: 3 }} }} }}",
            kafka.brokers()
        );
        let scratch = project(60, &sink);
        until_caught_up(&scratch);
        assert_eq!(told(&scratch, 0), equal(60));
        // The same row once more, by a producer of somebody else.
        let (partition, twice) = kafka.records_by_partition(name).remove(11);
        kafka.send(partition, &twice);
        if exactly_once {
            assert_eq!(told(&scratch, 1), differs(60, 61, 0, 1));
        } else {
            let page = verify(&scratch, &["stream.yaml"]).ok().json();
            let it = part(&page);
            assert_eq!((&it["doubled"], &it["verdict"]), (&1.into(), &"equal".into()), "{page:#}");
        }
        // Another body under the same name is no repetition.
        let mut other = twice.clone();
        other.body = Some(b"{}".to_vec());
        kafka.send(partition, &other);
        assert_eq!(told(&scratch, 1), ("differs".to_owned(), 60, 62, 0, 2, true));
    }
}

#[test]
fn tables_are_counted_and_their_position_is_held_to_the_receipts() {
    let scratch = project(60, "{ type: sqlite, config: { id: db, path: out/shop.db } }");
    until_caught_up(&scratch);
    let page = verify(&scratch, &["stream.yaml"]).ok().json();
    let it = part(&page);
    let rows = 60;
    assert_eq!((&it["rows"], &it["found"]), (&rows.into(), &rows.into()), "{page:#}");
    assert_eq!(it["verdict"], "equal");
    let database = scratch.path("out/shop.db");
    let table = sqlite(
        &database,
        "SELECT name FROM sqlite_schema WHERE name NOT LIKE '\\_%' ESCAPE '\\' AND type = 'table'",
    );
    sqlite(
        &database,
        &format!("DELETE FROM \"{}\" WHERE id = (SELECT min(id) FROM \"{}\")", table[0], table[0]),
    );
    let page = verify(&scratch, &["stream.yaml"]).expect_code(1).json();
    assert_eq!((&part(&page)["lost"], &part(&page)["found"]), (&1.into(), &(rows - 1).into()));
    sqlite(&database, "DELETE FROM _flowglass_positions");
    let page = verify(&scratch, &["stream.yaml"]).expect_code(1).json();
    let why = page["sinks"][0]["why"].as_str().unwrap();
    assert!(why.contains("stands at nowhere"), "{why}");
}

/// A stream from one database of Postgres to another.
struct Copy {
    _postgres: Postgres,
    source: Database,
    target: Database,
    scratch: Scratch,
}

impl Copy {
    fn new() -> Self {
        let postgres = Postgres::start(Settings::default().logical_replication());
        let (source, target) = (wait(postgres.database()), wait(postgres.database()));
        wait(source.execute(
            "CREATE TABLE orders (id int PRIMARY KEY, note text); \
             INSERT INTO orders SELECT it, 'old' FROM generate_series(1, 500) it",
        ));
        let text = format!(
            "apiVersion: flowglass/v1\nkind: Stream\nmetadata: {{ name: proved }}\nspec:\n  \
             source: {{ type: postgres, config: {{ id: shop, dsn: \"{}\", tables: [public.orders], \
             slot: verify, publication: verify, snapshot: {{ chunk_rows: 100 }} }} }}\n  sinks:\n    \
             - {{ type: postgres, config: {{ id: copy, dsn: \"{}\" }} }}\n    \
             - {{ type: files, config: {{ id: lines, folder: out, line: message }} }}\n",
            source.dsn(),
            target.dsn()
        );
        let scratch = Scratch::project(&[("stream.yaml", &text)]);
        Self { _postgres: postgres, source, target, scratch }
    }

    fn change(&self) {
        wait(self.source.execute(
            "INSERT INTO orders SELECT it, 'new' FROM generate_series(501, 600) it; \
             UPDATE orders SET note = 'changed' WHERE id % 7 = 0; \
             UPDATE orders SET id = id + 10000 WHERE id % 50 = 0; \
             DELETE FROM orders WHERE id % 9 = 0",
        ));
    }
}

#[test]
fn a_snapshot_and_the_log_behind_it_are_proved() {
    let copy = Copy::new();
    until_caught_up(&copy.scratch);
    let page = verify(&copy.scratch, &["stream.yaml"]).ok().json();
    assert_eq!(page["sinks"][0]["parts"][0]["rows"], 500, "{page:#}");
    copy.change();
    until_caught_up(&copy.scratch);
    let page = verify(&copy.scratch, &["stream.yaml"]).ok().json();
    assert_eq!(page["verdict"], "equal", "{page:#}");
    let count = wait(copy.source.lines("SELECT count(*) FROM orders"));
    let table = &page["sinks"][0]["parts"][0];
    assert_eq!(table["found"].to_string(), count[0], "{page:#}");
    assert_eq!(table["rows"], table["found"]);
    assert!(page["sinks"][1]["parts"][0]["rows"].as_u64().unwrap() > 600, "{page:#}");

    wait(copy.target.execute("DELETE FROM orders WHERE id = 1"));
    let page = verify(&copy.scratch, &["stream.yaml", "--sink", "copy"]).expect_code(1).json();
    assert_eq!(part(&page)["lost"], 1);
    wait(copy.source.execute("TRUNCATE orders; INSERT INTO orders VALUES (1, 'x')"));
    until_caught_up(&copy.scratch);
    let page = verify(&copy.scratch, &["stream.yaml"]).ok().json();
    assert_eq!(page["sinks"][0]["parts"][0]["rows"], 1, "{page:#}");
}

#[test]
fn a_stream_that_runs_and_was_killed_is_proved_as_far_as_its_receipts_go() {
    let copy = Copy::new();
    let start = || Stream::start(&copy.scratch, "stream.yaml", &[]);
    let lines = |count: usize| {
        wait_for("lines of the sink", PATIENCE, || {
            let files = copy.scratch.files();
            let files = files.iter().filter(|it| it.contains(".jsonl"));
            let there: usize = files.map(|it| copy.scratch.read(it).lines().count()).sum();
            (there >= count).then_some(())
        });
    };
    let stream = start();
    lines(500);
    // What comes in between reading the receipts and reading the sink does no harm.
    for round in 0..5 {
        let from = 1_000 + round * 100;
        let sql = format!(
            "INSERT INTO orders SELECT it, 'n' FROM generate_series({from}, {from} + 99) it"
        );
        wait(copy.source.execute(&sql));
        let page = verify(&copy.scratch, &["proved", "--sink", "lines"]);
        assert_ne!(page.code(), Some(1), "{page}");
        assert_eq!(page.json()["running"], true);
    }
    lines(1_000);
    stream.kill();
    let stream = start();
    wait(copy.source.execute("INSERT INTO orders VALUES (5000, 'last')"));
    lines(1_001);
    drop(flowglass(&copy.scratch, &["stop", "proved"]).run().ok());
    assert_eq!(stream.ended().code(), Some(0));
    // A crash may have kept receipts from being written; what is covered is equal all the same.
    let page = verify(&copy.scratch, &["proved", "--sink", "lines"]).ok().json();
    assert_eq!(part(&page)["verdict"], "equal", "{page:#}");
    let covered = part(&page)["rows"].as_u64().unwrap() + part(&page)["outside"].as_u64().unwrap();
    assert_eq!(covered, 1_001, "{page:#}");
}

#[test]
fn what_cannot_be_read_again_says_so() {
    for kind in ["stdout", "\"null\""] {
        let scratch = project(6, &format!("{{ type: {kind}, config: {{ id: gone }} }}"));
        until_caught_up(&scratch);
        let page = verify(&scratch, &["stream.yaml"]).expect_code(2).json();
        let why = page["sinks"][0]["why"].as_str().unwrap();
        assert!(why.contains("cannot be read again"), "{why}");
        assert_eq!(page["verdict"], "not_proved");
    }
    let scratch = project(6, LINES);
    until_caught_up(&scratch);
    for args in [
        ["stream.yaml", "--range", "some"],
        ["stream.yaml", "--sink", "other"],
        ["proofed", "--range", "all"],
    ] {
        drop(verify(&scratch, &args).expect_code(2));
    }
}
