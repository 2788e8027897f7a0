//! Kill −9 of `flowglass run` at random instants, then `run --resume`: every target equals its
//! source, the log is whole, nothing is left behind.
//!
//! The instants are drawn over the time that an undisturbed run takes on this machine, so that they
//! fall into starts, copies, commits and ends alike. A round that fails names its seed; the long form
//! is `cargo xtask crash --long`.
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use flowglass_testkit::{Database, Dice, Fate, Postgres, Scratch, Victim, wait_for};

use crate::support::{flowglass, histories, sqlite, wait};

/// How many rounds, when it is not a few.
const ROUNDS: &str = "FLOWGLASS_CRASH_ROUNDS";
const ROUNDS_IN_CI: u64 = 8;
const SEED: u64 = 20_261_121;

/// Rows of each source.
const ROWS: u64 = 20_000;

/// Kills in one round, at most.
const KILLS_MAX: usize = 4;

const PATIENCE: Duration = Duration::from_secs(20);

/// Whether a process is there and no corpse that nobody has buried.
fn is_alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.trim().chars().next());
    state.is_some_and(|it| it != 'Z' && it != 'X')
}

#[test]
fn what_a_command_started_dies_with_a_killed_run() {
    let shell = "sleep 1000 & echo $$ $! > pids.new; mv pids.new pids; wait";
    let quick = "    - { id: quick, command: [\"true\"] }\n";
    let manifest = format!(
        "apiVersion: flowglass/v1\nkind: Workflow\nmetadata: {{ name: orphans }}\nspec:\n  nodes:\n\
         {quick}    - {{ id: waits, needs: [quick], command: {{ argv: [sh, -c, \"{shell}\"] }} }}\n"
    );
    let scratch = Scratch::project(&[("pipeline.yaml", &manifest)]);
    let mut command = flowglass(&scratch, &["run", "pipeline.yaml"]).command();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let pids = scratch.path("pids");
    // The kill reaches the run alone: its commands have process groups of their own.
    let fate = Victim::spawn(&mut command).unwrap().kill_when(|| pids.exists());
    assert_eq!(fate, Fate::Killed);
    for pid in scratch.read("pids").split_whitespace() {
        wait_for(&format!("process {pid} is gone"), PATIENCE, || (!is_alive(pid)).then_some(()));
    }
}

const PIPELINE: &str = r#"
apiVersion: flowglass/v1
kind: Workflow
metadata: { name: crash }
spec:
  max_parallel: 4
  nodes:
    - id: before
      command: { shell: "mkdir -p out; echo begun" }
    - id: csv_to_sqlite
      needs: [before]
      copy:
        from: { type: csv, path: data/rows.csv }
        to: { type: sqlite, path: out/target.db, table: from_csv }
        strategy: append
    - id: csv_to_parquet
      needs: [before]
      copy:
        from: { type: csv, path: data/rows.csv }
        to: { type: parquet, path: out/rows.parquet }
        strategy: full_refresh
    - id: jsonl_to_csv
      needs: [before]
      copy:
        from: { type: jsonl, path: data/rows.jsonl }
        to: { type: csv, path: out/rows.csv }
        strategy: append
    - id: sqlite_to_postgres
      needs: [before]
      copy:
        from: { type: sqlite, path: data/source.db, table: rows }
        to: { type: postgres, dsn: "${TARGET_DSN}", table: merged }
        strategy: incremental_merge
        key: [id]
        cursor: id
    - id: sqlite_to_sqlite
      needs: [before]
      copy:
        from: { type: sqlite, path: data/source.db, table: rows }
        to: { type: sqlite, path: out/copy.db, table: rows }
        strategy: incremental_append
        cursor: id
    - id: after
      needs: [csv_to_sqlite, csv_to_parquet, jsonl_to_csv, sqlite_to_postgres, sqlite_to_sqlite]
      command: [sh, -c, "echo over"]
"#;

/// Reads the Parquet file back, in an order that can be compared.
const READ_BACK: &str = r#"
apiVersion: flowglass/v1
kind: Workflow
metadata: { name: read-back }
spec:
  nodes:
    - id: parquet
      copy:
        from: { type: parquet, path: out/rows.parquet }
        to: { type: csv, path: read/rows.csv }
"#;

fn row(id: u64) -> (u64, String, u64) {
    (id, format!("row {id} of {}", id % 97), id * 7919 % 1000)
}

/// Every row as `id|name|amount`, in the order of the ids.
fn expected() -> Vec<String> {
    let text = |id| {
        let (id, name, amount) = row(id);
        format!("{id}|{name}|{amount}")
    };
    (1..=ROWS).map(text).collect()
}

/// A folder with the sources and manifests.
fn sources() -> Scratch {
    let scratch = Scratch::project(&[("crash.yaml", PIPELINE), ("read.yaml", READ_BACK)]);
    let (mut csv, mut jsonl) = ("id,name,amount\n".to_owned(), String::new());
    for (id, name, amount) in (1..=ROWS).map(row) {
        csv.push_str(&format!("{id},{name},{amount}\n"));
        jsonl.push_str(&format!("{{\"id\":{id},\"name\":\"{name}\",\"amount\":{amount}}}\n"));
    }
    scratch.write("data/rows.csv", csv);
    scratch.write("data/rows.jsonl", jsonl);
    let load = format!(
        "CREATE TABLE rows (id INTEGER PRIMARY KEY, name TEXT NOT NULL, amount INTEGER NOT NULL);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})
         INSERT INTO rows SELECT i, 'row ' || i || ' of ' || (i % 97), i * 7919 % 1000 FROM n"
    );
    sqlite(&scratch.path("data/source.db"), &load);
    scratch
}

/// One attempt to break it: a folder and a database of its own.
struct Round {
    scratch: Scratch,
    database: Database,
}

impl Round {
    fn new(sources: &Scratch) -> Self {
        let database = wait(Postgres::shared().database());
        Self { scratch: Scratch::copy_of(sources.folder()), database }
    }

    fn run(&self, args: &[&str]) -> flowglass_testkit::Flowglass {
        flowglass(&self.scratch, args).env("TARGET_DSN", self.database.dsn())
    }

    /// Starts a run and kills it after a while.
    fn kill(&self, args: &[&str], delay: Duration) -> Fate {
        let mut command = self.run(args).command();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Victim::spawn(&mut command).unwrap().kill_after(delay)
    }

    /// The words that go on from whatever is recorded.
    fn words(&self) -> &'static [&'static str] {
        match self.last_state() {
            None => &["run", "crash.yaml"],
            Some(_) => &["run", "--resume", "latest"],
        }
    }

    /// The state of the newest run that was recorded.
    fn last_state(&self) -> Option<String> {
        if !self.scratch.path(".flowglass/flowglass.db").exists() {
            return None;
        }
        let said =
            flowglass(&self.scratch, &["runs", "list", "--limit", "1", "--format", "ndjson"]).run();
        // A store that was killed while it was made has no runs to list yet.
        let listed = said.ndjson();
        let newest = listed.first()?;
        Some(newest["state"].as_str().unwrap().to_owned())
    }

    /// Kills it a few times and lets it end.
    fn play(&self, dice: &mut Dice, usual: Duration) -> usize {
        let mut kills = 0;
        while kills < KILLS_MAX {
            let delay = dice.duration(Duration::ZERO..usual);
            let done = self.last_state().as_deref() == Some("complete");
            if done || self.kill(self.words(), delay) != Fate::Killed {
                break;
            }
            kills += 1;
            if dice.chance(1, 2) {
                break;
            }
        }
        if self.last_state().as_deref() != Some("complete") {
            drop(self.run(self.words()).run().ok());
        }
        kills
    }

    /// Holds every target to its source.
    fn check_targets(&self) {
        let rows = expected();
        let read = |file: &str, table: &str| {
            let sql = format!("SELECT id, name, amount FROM {table} ORDER BY id");
            sqlite(&self.scratch.path(file), &sql)
        };
        same("csv → sqlite", &read("out/target.db", "from_csv"), &rows);
        same("sqlite → sqlite", &read("out/copy.db", "rows"), &rows);
        let merged = "SELECT id, name, amount FROM merged ORDER BY id";
        same("sqlite → postgres", &wait(self.database.lines(merged)), &rows);
        same("jsonl → csv", &csv_rows(&self.scratch, "out/rows.csv"), &rows);
        let store = self.scratch.path("read.db");
        let store = store.to_str().unwrap();
        drop(self.run(&["run", "read.yaml", "--store", store]).run().ok());
        same("csv → parquet", &csv_rows(&self.scratch, "read/rows.csv"), &rows);
    }

    /// Every table and file that the run made, to compare with those of an undisturbed run.
    fn footprint(&self) -> BTreeSet<String> {
        let mut found: BTreeSet<String> =
            self.scratch.files().into_iter().filter(|it| it.starts_with("out/")).collect();
        for file in ["out/target.db", "out/copy.db"] {
            let names = sqlite(&self.scratch.path(file), "SELECT type, name FROM sqlite_schema");
            found.extend(names.iter().map(|it| format!("{file}: {it}")));
        }
        let names = "SELECT n.nspname, c.relkind, c.relname FROM pg_class c \
                     JOIN pg_namespace n ON n.oid = c.relnamespace \
                     WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')";
        found.extend(wait(self.database.lines(names)).iter().map(|it| format!("postgres: {it}")));
        found
    }

    /// The log of every run is whole, and every run but the last was ended as lost.
    fn check_histories(&self) {
        let histories = histories(&self.scratch);
        let last = histories.len() - 1;
        for (at, events) in histories.iter().enumerate() {
            let places: Vec<u64> = events.iter().map(|it| it["seq"].as_u64().unwrap()).collect();
            let gapless: Vec<u64> = (1..=events.len() as u64).collect();
            assert_eq!(places, gapless, "run {at} of {last}");
            let ends = events.iter().rfind(|it| it["entity"] == "run").unwrap();
            let end = (ends["to"].as_str().unwrap(), ends["reason"].as_str().unwrap());
            let fitting = if at == last { ("complete", "ok") } else { ("failed", "lost") };
            assert_eq!(end, fitting, "run {at} of {last}: {ends}");
        }
        let reader = flowglass_store::Reader::open(self.scratch.path(".flowglass/flowglass.db"));
        assert_eq!(reader.unwrap().check().unwrap(), Vec::<String>::new());
    }
}

/// Rows of a CSV file as [`expected`] writes them.
fn csv_rows(scratch: &Scratch, file: &str) -> Vec<String> {
    let text = scratch.read(file);
    let (head, rows) = text.split_once('\n').unwrap();
    let names: Vec<&str> = head.split(',').collect();
    let place = |name| names.iter().position(|it| *it == name).unwrap();
    let places = ["id", "name", "amount"].map(place);
    let mut found: Vec<(u64, String)> = Vec::new();
    for line in rows.lines() {
        let cells: Vec<&str> = line.split(',').collect();
        assert_eq!(cells.len(), 3, "a torn row: {line}");
        found.push((cells[places[0]].parse().unwrap(), places.map(|at| cells[at]).join("|")));
    }
    found.sort();
    found.into_iter().map(|it| it.1).collect()
}

#[track_caller]
fn same(what: &str, found: &[String], expected: &[String]) {
    let odd = found.iter().zip(expected).find(|(found, expected)| found != expected);
    assert!(odd.is_none(), "{what}: first difference {odd:?}");
    assert_eq!(found.len(), expected.len(), "{what}");
}

/// Processes whose working folder is in this one.
fn processes_in(folder: &Path) -> Vec<String> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let within = processes.filter(|it| {
        std::fs::read_link(it.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(folder))
    });
    within.map(|it| it.file_name().to_string_lossy().into_owned()).collect()
}

#[test]
#[expect(clippy::disallowed_methods, reason = "how long a run takes here decides when to kill it")]
fn crash_at_random_instants_loses_and_doubles_nothing() {
    let rounds = std::env::var(ROUNDS).map_or(ROUNDS_IN_CI, |it| it.parse().unwrap());
    let sources = sources();
    let undisturbed = Round::new(&sources);
    let since = std::time::Instant::now();
    drop(undisturbed.run(&["run", "crash.yaml"]).run().ok());
    // Beyond the end too, where the last events are kept.
    let usual = since.elapsed().mul_f64(1.05);
    undisturbed.check_targets();
    undisturbed.check_histories();
    let footprint = undisturbed.footprint();

    let mut kills = 0;
    for round in 0..rounds {
        let seed = SEED + round;
        let outcome = std::panic::catch_unwind(|| {
            let playing = Round::new(&sources);
            let kills = playing.play(&mut Dice::from_seed(seed), usual);
            playing.check_targets();
            playing.check_histories();
            assert_eq!(playing.footprint(), footprint);
            wait_for("no process is left in the folder", PATIENCE, || {
                processes_in(playing.scratch.folder()).is_empty().then_some(())
            });
            kills
        });
        match outcome {
            Ok(in_round) => kills += in_round,
            Err(_said) => panic!("round {round} of {rounds} failed; its seed is {seed}"),
        }
    }
    println!(
        "{rounds} of {rounds} rounds passed, {kills} kills, an undisturbed run took {usual:?}"
    );
}

#[test]
fn crash_takes_a_running_command_along() {
    let scratch = Scratch::project(&[(
        "slow.yaml",
        "apiVersion: flowglass/v1\nkind: Workflow\nmetadata: { name: slow }\nspec:\n  nodes:\n    \
         - id: sleeps\n      command: { shell: \"echo $$ > pid; exec sleep 600\" }\n",
    )]);
    let mut command = flowglass(&scratch, &["run", "slow.yaml"]).command();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let victim = Victim::spawn(&mut command).unwrap();
    let begun = || std::fs::read_to_string(scratch.path("pid")).is_ok_and(|it| it.ends_with('\n'));
    wait_for("the command runs", PATIENCE, || begun().then_some(()));
    assert_eq!(victim.kill_after(Duration::ZERO), Fate::Killed);
    wait_for("the command is gone", PATIENCE, || {
        processes_in(scratch.folder()).is_empty().then_some(())
    });
    let said = flowglass(&scratch, &["runs", "show", "latest"]).run().ok();
    assert!(said.stdout.contains("its process is gone"), "{said}");
}

#[test]
fn crash_after_any_event_can_be_gone_on_from() {
    let scratch = Scratch::project(&[(
        "two.yaml",
        "apiVersion: flowglass/v1\nkind: Workflow\nmetadata: { name: two }\nspec:\n  nodes:\n    \
         - { id: one, command: [echo, one] }\n    \
         - { id: two, needs: [one], command: [echo, two] }\n",
    )]);
    let told = flowglass(&scratch, &["run", "two.yaml", "--format", "ndjson"]).run().ok();
    let events: Vec<flowglass_model::Event> =
        told.stdout.lines().map(|it| serde_json::from_str(it).unwrap()).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    // All but the last event, with which the run is complete.
    for kept in 1..events.len() {
        let name = format!("prefix-{kept}.db");
        let clock = flowglass_connect::SystemClock::new();
        let options = flowglass_store::StoreOptions::default();
        let store = flowglass_store::Store::open(scratch.path(&name), &options, &clock).unwrap();
        runtime.block_on(store.appender().append(events[..kept].to_vec())).unwrap();
        store.close();
        drop(flowglass(&scratch, &["run", "--resume", "latest", "--store", &name]).run().ok());
        let list = ["runs", "list", "--format", "json", "--store", &name];
        let listed = flowglass(&scratch, &list).run().ok().json();
        let end =
            |at: usize| (listed["runs"][at]["state"].clone(), listed["runs"][at]["reason"].clone());
        assert_eq!(end(0), ("complete".into(), "ok".into()), "after {kept} events");
        assert_eq!(end(1), ("failed".into(), "lost".into()), "after {kept} events");
    }
}
