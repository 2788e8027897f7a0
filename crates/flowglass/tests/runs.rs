//! `flowglass runs` over a store that the test fills.
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc;

use flowglass_connect::SystemClock;
use flowglass_model::{
    Action, Counts, Edge, Entity, ErrorClass, ErrorInfo, Event, EventKind, Graph, GraphNode,
    LedgerEntry, LogLevel, LogLine, LogStream, NodeId, PipelineId, Reason, RunId, Scope, Stamp,
    State,
};
use flowglass_store::{Store, StoreOptions};
use flowglass_testkit::{Flowglass, Redact, Said, Scratch};
use jiff::Timestamp;

/// 2026-01-01T00:00:00Z.
const EPOCH_MS: u64 = 1_767_225_600_000;

fn run_id(number: u8) -> RunId {
    RunId::from_parts(EPOCH_MS + u64::from(number) * 60_000, [number; 10])
}

/// A run that is told event by event.
struct Tale {
    scope: Scope,
    number: u8,
    events: Vec<Event>,
}

impl Tale {
    fn new(number: u8, pipeline: &str) -> Self {
        let pipeline = PipelineId::new(pipeline).unwrap();
        Self { scope: Scope::pipeline("acme", run_id(number), pipeline), number, events: vec![] }
    }

    fn tell(
        &mut self,
        scope: &Scope,
        kind: EventKind,
        entity: Entity,
        fill: impl FnOnce(&mut Event),
    ) {
        let seq = self.events.len() as u64 + 1;
        let millis = EPOCH_MS + u64::from(self.number) * 60_000 + seq * 10;
        let time = Timestamp::from_millisecond(i64::try_from(millis).unwrap()).unwrap();
        let id = uuid::Uuid::from_u128(u128::from(self.number) << 64 | u128::from(seq));
        let mut event = Event::new(Stamp { id, seq, time }, scope, kind, entity);
        fill(&mut event);
        self.events.push(event);
    }

    fn moves(&mut self, scope: &Scope, entity: Entity, moves: &[(State, Reason)]) {
        let mut from = None;
        for (to, reason) in moves {
            self.tell(scope, EventKind::Transition, entity, |event| {
                (event.from, event.to, event.reason) = (from, Some(*to), Some(*reason));
                if to.is_final() {
                    event.duration_seconds = Some(1.25);
                }
            });
            from = Some(*to);
        }
    }

    fn last(&mut self) -> &mut Event {
        self.events.last_mut().unwrap()
    }
}

const QUEUED: (State, Reason) = (State::Queued, Reason::Slot);
const RUNNING: (State, Reason) = (State::Running, Reason::Executing);
const OK: (State, Reason) = (State::Complete, Reason::Ok);
const FAILED: (State, Reason) = (State::Failed, Reason::Error);

fn begun(number: u8, pipeline: &str) -> Tale {
    let mut tale = Tale::new(number, pipeline);
    let scope = tale.scope.clone();
    tale.moves(&scope, Entity::Run, &[(State::Queued, Reason::Starting), RUNNING]);
    tale
}

fn ended(mut tale: Tale, to: (State, Reason)) -> Tale {
    let scope = tale.scope.clone();
    tale.tell(&scope, EventKind::Transition, Entity::Run, |event| {
        (event.from, event.to, event.reason) = (Some(State::Running), Some(to.0), Some(to.1));
        event.duration_seconds = Some(83.4);
    });
    tale
}

/// Two nodes: a copy that completes and a command that fails and writes to its terminal.
fn failed(number: u8) -> Tale {
    let mut tale = begun(number, "orders");
    let scope = tale.scope.clone();
    let load = scope.node(NodeId::new("load").unwrap());
    let notify = scope.node(NodeId::new("notify").unwrap());
    let node = |node: &Scope, kind: &str| GraphNode {
        node_id: node.node_id.clone().unwrap(),
        action: Action { kind: kind.to_owned(), name: kind.to_owned(), argv: vec![] },
        inputs: vec![],
        outputs: vec![],
    };
    let graph = Graph {
        nodes: vec![node(&load, "copy"), node(&notify, "command")],
        edges: vec![Edge {
            from: load.node_id.clone().unwrap(),
            to: notify.node_id.clone().unwrap(),
        }],
    };
    tale.tell(&scope, EventKind::Graph, Entity::Pipeline, |event| event.graph = Some(graph));
    let (read, inserted) = (Some(1_234_567), Some(1_234_560));
    tale.moves(&load, Entity::Node, &[QUEUED, RUNNING]);
    tale.moves(&load.attempt(1), Entity::Attempt, &[RUNNING]);
    let ledger = LedgerEntry {
        table: "data/orders.csv".to_owned(),
        sink: "shop.db/orders".to_owned(),
        read: 1_234_567,
        delivered: 1_234_560,
        filtered: 7,
        ..LedgerEntry::default()
    };
    tale.tell(&load.attempt(1), EventKind::Ledger, Entity::Attempt, |it| it.ledger = Some(ledger));
    tale.tell(&load, EventKind::Transition, Entity::Node, |event| {
        (event.from, event.to, event.reason) = (Some(State::Running), Some(OK.0), Some(OK.1));
        event.counts = Some(Counts { extracted: read, inserted, ..Counts::default() });
        event.duration_seconds = Some(0.042);
    });
    tale.moves(&notify, Entity::Node, &[QUEUED, RUNNING]);
    tale.moves(&notify.attempt(1), Entity::Attempt, &[RUNNING]);
    for (level, stream, text) in [
        (LogLevel::Info, LogStream::Stdout, "sending 3 notes"),
        (LogLevel::Warn, LogStream::Stderr, "\x1b[31mred\x1b[0m and \x07 rude"),
        (LogLevel::Error, LogStream::Engine, "exited with code 3"),
    ] {
        let line = LogLine { stream, level, text: text.to_owned(), base64: None };
        tale.tell(&notify.attempt(1), EventKind::Log, Entity::Attempt, |it| it.log = Some(line));
    }
    tale.tell(&notify, EventKind::Transition, Entity::Node, |event| {
        (event.from, event.to, event.reason) =
            (Some(State::Running), Some(FAILED.0), Some(FAILED.1));
        event.error = Some(ErrorInfo {
            class: ErrorClass::ExitCode,
            detail: "notify.py exited with code 3".to_owned(),
            retryable: true,
            hint: None,
        });
    });
    tale.last().exit_code = Some(3);
    ended(tale, FAILED)
}

fn open(path: &Path) -> Store {
    Store::open(path, &StoreOptions::default(), &SystemClock::new()).unwrap()
}

/// A store with a failed, a complete and an abandoned run.
fn three_runs(scratch: &Scratch) {
    let store = open(&scratch.path("fg.db"));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for tale in [failed(1), ended(begun(2, "billing"), OK), begun(3, "orders")] {
        runtime.block_on(store.appender().append(tale.events)).unwrap();
    }
}

fn flowglass(scratch: &Scratch, args: &str) -> Flowglass {
    Flowglass::new(env!("CARGO_BIN_EXE_flowglass"))
        .args(args.split(' '))
        .env("FLOWGLASS_STORE", scratch.path("fg.db"))
}

fn said(scratch: &Scratch, args: &str) -> Said {
    flowglass(scratch, args).run()
}

/// How long ago depends on today.
fn redact(scratch: &Scratch) -> Redact {
    Redact::new()
        .replace(r"\d+ d ago", "N d ago")
        .replace(r"\d+ h \d\d min", "N h")
        .path(scratch.folder(), "folder")
}

#[test]
fn people_get_tables() {
    let scratch = Scratch::new();
    three_runs(&scratch);
    let mut seen = String::new();
    for args in [
        "runs list",
        "runs list --state failed --text NOTIFY.py",
        "runs list --pipeline billing",
        "runs list --limit 1",
        "runs list --until 2026-01-01",
        "runs show 019b76db",
        "runs show latest",
        "runs events 019b76db --after 8",
        "runs logs 019b76db",
        "runs logs 019b76db --node notify --attempt 1 --level warn --tail 1",
        "runs logs 019b76db --grep NOTES",
    ] {
        let said = said(&scratch, args).ok();
        seen.push_str(&format!("$ flowglass {args}\n{}{}\n", said.stdout, said.stderr));
    }
    redact(&scratch).bind(|| insta::assert_snapshot!("people", seen));
}

#[test]
fn programs_get_json() {
    let scratch = Scratch::new();
    three_runs(&scratch);
    let listed = said(&scratch, "runs list --format json --limit 2").ok().json();
    assert_eq!(listed["runs"][0]["run_id"], run_id(3).to_string());
    assert_eq!(listed["runs"][1]["state"], "complete");
    let next = listed["next"].as_str().unwrap();
    let rest = said(&scratch, &format!("runs list --format json --page {next}")).ok().json();
    assert_eq!(rest["runs"][0]["error"]["class"], "exit_code");
    assert_eq!(rest["runs"][0]["nodes"]["by_state"]["failed"], 1);
    assert_eq!(rest["next"], serde_json::Value::Null);
    let all = said(&scratch, "runs list --format ndjson --all").ok();
    assert_eq!(all.stdout.lines().count(), 3);

    let first = run_id(1);
    let snapshot = said(&scratch, &format!("runs show {first} --format json")).ok().json();
    assert_eq!(snapshot["schema"], "flowglass.snapshot/v1");
    let events = said(&scratch, &format!("runs events {first} --format ndjson")).ok();
    let expected: Vec<String> = failed(1).events.iter().map(Event::to_line).collect();
    assert_eq!(events.stdout.lines().collect::<Vec<_>>(), expected);
    let document = said(&scratch, &format!("runs events {first} --format json")).ok().json();
    assert_eq!(document.as_array().unwrap().len(), expected.len());
    let none = said(&scratch, &format!("runs events {first} --after 999 --format json")).ok();
    assert_eq!(none.json(), serde_json::json!([]));
    let logs = said(&scratch, &format!("runs logs {first} --format json --level warn")).ok().json();
    assert_eq!(logs[0]["text"], "\x1b[31mred\x1b[0m and \x07 rude");
    assert_eq!((&logs[1]["stream"], &logs[1]["attempt"]), (&"engine".into(), &1.into()));
}

#[test]
fn what_is_not_there_is_told_with_what_to_do() {
    let scratch = Scratch::new();
    let mut seen = String::new();
    let mut tell = |args: &str| {
        let said = said(&scratch, args).expect_code(2);
        assert_eq!(said.stdout, "");
        seen.push_str(&format!("$ flowglass {args}\n{}\n", said.stderr));
    };
    tell("runs list");
    open(&scratch.path("fg.db")).close();
    tell("runs show latest");
    std::fs::remove_file(scratch.path("fg.db")).unwrap();
    three_runs(&scratch);
    tell("runs show orders");
    tell("runs show 019b76db-4b");
    tell("runs show 019b76ff");
    tell("runs logs 019b7");
    tell("runs list --since yesterday");
    tell("runs events latest --follow --format json");
    scratch.write("notes.txt", "no store");
    tell(&format!("runs list --store {}", scratch.path("notes.txt").display()));
    redact(&scratch).bind(|| insta::assert_snapshot!("complaints", seen));
}

#[test]
fn a_bundle_can_be_verified_and_a_touched_one_cannot() {
    let scratch = Scratch::new();
    three_runs(&scratch);
    let folder = scratch.path("evidence");
    let export = format!("runs export 019b76db --output-dir {}", folder.display());
    // Twice: a bundle replaces the one before, and the second is the first to the byte.
    let mut bundles = Vec::new();
    for _time in 0..2 {
        let said = said(&scratch, &export).ok();
        assert!(said.stdout.contains("files with checksums"), "{}", said.stdout);
        assert_eq!(said.stderr, "");
        let read = |it: &String| (it.clone(), scratch.read(it));
        let written = scratch.files();
        let inside = written.iter().filter(|it| it.starts_with("evidence/"));
        bundles.push(inside.map(read).collect::<Vec<_>>());
    }
    assert_eq!(bundles[0], bundles[1]);
    let mut files: Vec<_> = scratch
        .files()
        .into_iter()
        .filter_map(|it| Some(it.strip_prefix("evidence/")?.to_owned()))
        .collect();
    files.sort();
    let expected = [
        "artifact_index.json",
        "artifact_index.md",
        "events.jsonl",
        "logs.ndjson",
        "metrics_index.json",
        "opentelemetry_metrics.json",
        "prometheus_metrics.prom",
        "report.json",
        "runtime_metrics.json",
        "runtime_metrics.md",
        "snapshot.json",
    ];
    assert_eq!(files, expected);
    let expected: String = failed(1).events.iter().map(|it| it.to_line() + "\n").collect();
    assert_eq!(scratch.read("evidence/events.jsonl"), expected);
    assert_eq!(scratch.read("evidence/logs.ndjson").lines().count(), 3);
    let report: serde_json::Value =
        serde_json::from_str(&scratch.read("evidence/report.json")).unwrap();
    assert_eq!(
        (&report["status"], &report["result"]["extracted_rows"]),
        (&"failed".into(), &1_234_567.into())
    );
    let page = scratch.read("evidence/prometheus_metrics.prom");
    let line = page.lines().find(|it| it.starts_with("flowglass_extracted_rows{"));
    assert!(line.is_some_and(|it| it.ends_with(" 1234567")), "{page}");
    let verify = format!("observability verify {}", folder.display());
    assert_eq!(said(&scratch, &verify).code(), Some(0));
    // A file of either index, and one of none.
    for (file, text) in
        [("logs.ndjson", ""), ("prometheus_metrics.prom", "x 1\n"), ("stranger.txt", "hello")]
    {
        let path = format!("evidence/{file}");
        let before = scratch.path(&path).exists().then(|| scratch.read(&path));
        scratch.write(&path, text);
        let told = said(&scratch, &verify).expect_code(1);
        assert!(told.stdout.contains(file), "{told}");
        match before {
            Some(before) => drop(scratch.write(&path, before)),
            None => std::fs::remove_file(scratch.path(&path)).unwrap(),
        }
        assert_eq!(said(&scratch, &verify).code(), Some(0));
    }
}

#[test]
fn following_ends_with_the_run_and_with_its_reader() {
    let scratch = Scratch::new();
    let store = open(&scratch.path("fg.db"));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let events = failed(1).events;
    let (first, rest) = events.split_at(4);
    runtime.block_on(store.appender().append(first.to_vec())).unwrap();
    let mut follower = flowglass(&scratch, "runs events latest --follow --format ndjson")
        .command()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = std::io::BufReader::new(follower.stdout.take().unwrap());
    let (tell, told) = mpsc::channel();
    let reading = std::thread::spawn(move || {
        for line in std::io::BufRead::lines(&mut stdout) {
            tell.send(line.unwrap()).unwrap();
        }
    });
    // Only when it has printed what is there does the run go on.
    let mut seen: Vec<String> = told.iter().take(4).collect();
    for event in rest {
        runtime.block_on(store.appender().append(vec![event.clone()])).unwrap();
    }
    seen.extend(told.iter());
    reading.join().unwrap();
    assert!(follower.wait().unwrap().success());
    assert_eq!(seen, events.iter().map(Event::to_line).collect::<Vec<_>>());

    // A reader that goes away ends it, quietly, though the run goes on.
    runtime.block_on(store.appender().append(begun(9, "orders").events)).unwrap();
    let mut follower = flowglass(&scratch, "runs events latest --follow")
        .command()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut stdout = std::io::BufReader::new(follower.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
    drop(stdout);
    let more = ended(begun(9, "orders"), OK).events;
    runtime.block_on(store.appender().append(more)).unwrap();
    let said = follower.wait_with_output().unwrap();
    assert_eq!((said.status.code(), said.stderr), (Some(0), vec![]));
}
