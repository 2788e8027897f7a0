//! The doors that bytes from outside come in by, each as one function that takes any bytes and panics
//! when something that must hold does not.
//!
//! The fuzz targets under `fuzz/` include this file, and a test feeds their seeds through it: what
//! is fuzzed for hours and what is checked on every commit is the same code.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use flowglass_connect::{ReadRequest, SourceConnector, Surroundings, SystemClock};
use flowglass_manifest::{
    Loaded, Lookup, ManifestFile, Options, Severity, Style, Vocabulary, load, to_json, to_text,
};
use flowglass_model::{ErrorClass, Event, RunReport, Snapshot};
use flowglass_telemetry::evidence::{parse_metric, parse_pair, parse_time};
use flowglass_telemetry::problem::Problems;
use flowglass_telemetry::report;
use flowglass_telemetry::slo::Objective;
use serde_json::{Value, json};

/// A door by its name.
pub(crate) type Face = (&'static str, fn(&[u8]));

/// Every door; each has a target and seeds of its name under `fuzz/`.
pub(crate) const FACES: &[Face] = &[
    ("csv", csv),
    ("event", event),
    ("flags", flags),
    ("jsonl", jsonl),
    ("manifest", manifest),
    ("pgcopy", pgcopy),
    ("pglog", pglog),
    ("report", run_report),
    ("tail", tail),
];

/// Feeds bytes to the door of this name.
pub(crate) fn feed(name: &str, bytes: &[u8]) {
    let face = FACES.iter().find(|(known, _)| *known == name);
    let (_, take) = face.unwrap_or_else(|| panic!("no face is called {name}"));
    take(bytes);
}

/// Variables and files that are made up: a manifest must not reach the machine.
struct Nowhere;

impl Lookup for Nowhere {
    fn variable(&self, name: &str) -> Option<String> {
        name.len().is_multiple_of(2).then(|| format!("value of {name}"))
    }

    fn file(&self, _path: &Path) -> Result<String, String> {
        Err("no such file".to_owned())
    }
}

/// Manifest text: plans or complaints, and each complaint can be shown.
fn manifest(bytes: &[u8]) {
    static VOCABULARY: LazyLock<Vocabulary> = LazyLock::new(|| {
        let known: [&dyn SourceConnector; 3] = [
            &flowglass_sources::csv::Connector,
            &flowglass_sources::jsonl::Connector,
            &flowglass_sources::postgres::Connector,
        ];
        let all: BTreeMap<String, Value> =
            known.iter().map(|it| (it.kind().to_owned(), it.schema())).collect();
        Vocabulary::new(all.clone(), all)
    });
    let params = BTreeMap::from([("day".to_owned(), "2026-01-31".to_owned())]);
    let name = "fuzz.yaml".to_owned();
    let file = ManifestFile { name, bytes: bytes.to_vec(), base_dir: PathBuf::from("/nowhere") };
    for missing in [Severity::Error, Severity::Warning] {
        let options =
            Options { vocabulary: &VOCABULARY, lookup: &Nowhere, params: &params, missing };
        let Loaded { complaints, .. } = load(std::slice::from_ref(&file), &options);
        let text = to_text(&complaints, Style::Plain);
        assert!(!text.contains("manifest.internal"), "{text}");
        assert!(to_text(&complaints, Style::Colour).len() >= text.len());
        drop(to_json(&complaints));
    }
}

/// Lines of events: what can be read can be written and read again, and folded or refused.
fn event(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut snapshot = Snapshot::default();
    for line in text.lines() {
        let Ok(event) = Event::from_line(line) else { continue };
        let written = event.to_line();
        assert!(!written.contains('\n'), "one event is one line");
        let read = Event::from_line(&written).expect("what was written can be read");
        assert_eq!((&read.id, read.seq, read.time), (&event.id, event.seq, event.time));
        let before = snapshot.clone();
        if snapshot.apply(&event).is_err() {
            assert!(snapshot == before, "a refused event changes nothing");
        }
    }
    let written = serde_json::to_string(&snapshot).expect("a snapshot can be written");
    serde_json::from_str::<Snapshot>(&written).expect("a written snapshot can be read");
    let report = serde_json::to_string(&RunReport::of(&snapshot)).expect("a report can be written");
    serde_json::from_str::<RunReport>(&report).expect("a written report can be read");
}

/// A run report, or whatever somebody takes for one.
fn run_report(bytes: &[u8]) {
    let mut problems = Problems::new(false);
    let read = report::read(bytes, &Arc::from("fuzz"), &mut problems);
    let blocked = problems.blocked();
    assert_eq!(read.is_none(), blocked, "no report is a blocker, and a report is none");
    for problem in problems.into_list() {
        let placed = problem.place.is_none_or(|it| it.line > 0 && it.column > 0);
        assert!(placed, "{problem}");
    }
}

fn csv(bytes: &[u8]) {
    for config in [
        json!({ "path": "in" }),
        json!({ "path": "in", "header": false, "delimiter": ";", "null": ["", "NULL"] }),
        json!({ "path": "in", "quote": "none", "delimiter": "tab" }),
    ] {
        read(&flowglass_sources::csv::Connector, config, bytes);
    }
}

fn jsonl(bytes: &[u8]) {
    read(&flowglass_sources::jsonl::Connector, json!({ "path": "in" }), bytes);
}

/// Reads a file of these bytes to its end: rows or a fault that is not our own mistake.
fn read(connector: &dyn SourceConnector, config: Value, bytes: &[u8]) {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("in"), bytes).expect("the input is written");
    let around = Surroundings {
        base_dir: folder.path().to_owned(),
        scratch_dir: folder.path().to_owned(),
        clock: Arc::new(SystemClock::new()),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let done = runtime.block_on(async {
        let source = connector.build(config, &around)?;
        let mut reader = source.open(ReadRequest::default()).await?;
        while reader.next().await?.is_some() {}
        Ok::<(), flowglass_connect::Fault>(())
    });
    if let Err(fault) = done {
        assert_ne!(fault.class(), ErrorClass::Internal, "{}", fault.chain());
    }
}

/// What a Postgres server sends for a `COPY` in its binary form.
fn pgcopy(bytes: &[u8]) {
    if let Err(fault) = flowglass_sources::postgres::fuzzing::rows(bytes) {
        assert_ne!(fault.class(), ErrorClass::Internal, "{}", fault.chain());
    }
}

/// What a Postgres server sends of its log, transactions in progress among it.
fn pglog(bytes: &[u8]) {
    // A log that makes no sense is the server's mistake, and told as one that nobody can mend.
    drop(flowglass_sources::postgres::cdc::fuzzing::log(bytes));
}

/// Lines of a file that is followed.
fn tail(bytes: &[u8]) {
    let (cells, bad) = flowglass_sources::tail::fuzzing::lines(bytes);
    assert!(cells >= 3 * bad, "a bad line is a row of three cells");
}

/// Values of `--metric`, `--label`, `--objective` and `--time`.
fn flags(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok((name, number)) = parse_metric(&text) {
        let (again, same) =
            parse_metric(&format!("{name}={number}")).expect("what is shown can be given");
        assert_eq!(again, name);
        assert_eq!(same.as_f64().to_string(), (number.as_f64() + 0.0).to_string());
    }
    if let Ok((key, value)) = parse_pair(&text) {
        assert_eq!(parse_pair(&format!("{key}={value}")), Ok((key, value)));
    }
    if let Ok(objective) = text.parse::<Objective>() {
        let shown = objective.to_string();
        let again = shown.parse::<Objective>().map(|it| it.to_string());
        assert_eq!(again.as_deref(), Ok(&*shown));
    }
    if let Ok(time) = parse_time(&text) {
        assert_eq!(parse_time(&time.to_string()), Ok(time));
    }
}
