//! The event log's figures: durable appends a second, reading, opening, bytes an event.
//!
//! `cargo bench -p flowglass-store --bench log [-- EVENTS]`. Each arm runs three times, alternating;
//! the medians are printed. Compare with the anchors in the design: 20,000 events a second.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a program for the person at the terminal"
)]

use std::path::Path;
use std::time::Instant;

use flowglass_connect::SystemClock;
use flowglass_model::{
    Counts, Entity, Event, EventKind, LogLevel, LogLine, LogStream, NodeId, PipelineId, Reason,
    RunId, Scope, Stamp, State,
};
use flowglass_store::{Durability, Reader, RunFilter, Store, StoreOptions};

fn main() {
    let events = std::env::args().find_map(|it| it.parse().ok()).unwrap_or(200_000);
    let mut rates = [Vec::new(), Vec::new(), Vec::new()];
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for _round in 0..3 {
        let arms = [
            (Durability::Power, 64, false),
            (Durability::Process, 64, false),
            (Durability::Power, 1, true),
        ];
        for (rates, (durability, part, waiting)) in rates.iter_mut().zip(arms) {
            rates.push(runtime.block_on(append(events, durability, part, waiting)));
        }
    }
    let names = ["queued, power-safe", "queued, kill-safe", "100 waiting one by one, power-safe"];
    for (name, rates) in names.iter().zip(rates) {
        let [wall, cpu] =
            [0, 1].map(|at| median(rates.iter().map(|it: &[f64; 2]| it[at]).collect()));
        println!(
            "append {name}: {wall:.0} events/s, {cpu:.0} a CPU second (medians of {rates:.0?})"
        );
    }
    runtime.block_on(read(events.max(1_000_000)));
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

async fn append(events: u64, durability: Durability, part: usize, waiting: bool) -> [f64; 2] {
    let folder = tempfile_beside();
    let store = open(&folder.join("s.db"), durability);
    let events = if waiting { events / 10 } else { events };
    let all = history(1, events);
    let (started, cpu) = (now(), cpu_seconds());
    if waiting {
        let shares: Vec<Vec<Event>> = (0..100).map(|it| history(it + 2, events / 100)).collect();
        let mut callers = tokio::task::JoinSet::new();
        for share in shares {
            let appender = store.appender();
            callers.spawn(async move {
                for event in share {
                    appender.append(vec![event]).await.unwrap();
                }
            });
        }
        callers.join_all().await;
    } else {
        let appender = store.appender();
        for part in all.chunks(part) {
            appender.enqueue(part.to_vec()).await.unwrap();
        }
        appender.flush().await.unwrap();
    }
    let rate = events as f64 / started.elapsed().as_secs_f64();
    let per_cpu = events as f64 / (cpu_seconds() - cpu).max(0.01);
    drop(store);
    std::fs::remove_dir_all(folder).unwrap();
    [rate, per_cpu]
}

/// CPU seconds of this process so far: on a machine that others use too, the fairer measure.
fn cpu_seconds() -> f64 {
    // Fields 14 and 15 of proc_pid_stat(5), in hundredths of a second; the name before may hold blanks.
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    fields[11..13].iter().map(|it| it.parse::<f64>().unwrap() / 100.0).sum()
}

async fn read(events: u64) {
    let folder = tempfile_beside();
    let path = folder.join("s.db");
    let store = open(&path, Durability::Process);
    let appender = store.appender();
    let runs = events / 1000;
    for run in 0..runs {
        appender.append(history(run + 1, 1000)).await.unwrap();
    }
    // As after a kill: the write-ahead log is still there.
    let started = now();
    let second = open(&path, Durability::Process);
    println!("open with {events} events: {:.1} ms", started.elapsed().as_secs_f64() * 1e3);
    drop(second);
    drop((appender, store));
    let bytes = std::fs::metadata(&path).unwrap().len();
    let line = history(1, 1000).iter().map(|it| it.to_line().len()).sum::<usize>() / 1000;
    println!("file: {} bytes/event; mean line {line} bytes", bytes / events);
    let started = now();
    let reader = Reader::open(&path).unwrap();
    println!("open closed file: {:.1} ms", started.elapsed().as_secs_f64() * 1e3);
    let started = now();
    let (mut after, mut lines) = (0, 0);
    loop {
        let part = reader.since(after, 1024).unwrap();
        let Some(last) = part.last() else { break };
        after = last.pos;
        lines += part.len();
    }
    println!("read lines: {:.0} events/s", lines as f64 / started.elapsed().as_secs_f64());
    let started = now();
    let mut read = 0;
    for run in 0..runs.min(200) {
        read += reader.events(run_id(run + 1), 0, 1000).unwrap().len();
    }
    println!("read events: {:.0} events/s", read as f64 / started.elapsed().as_secs_f64());
    let started = now();
    let page = reader.list(&RunFilter::default(), None, 50).unwrap();
    println!(
        "list {} of {runs} runs: {:.2} ms",
        page.runs.len(),
        started.elapsed().as_secs_f64() * 1e3
    );
    std::fs::remove_dir_all(folder).unwrap();
}

fn open(path: &Path, durability: Durability) -> Store {
    let options = StoreOptions { durability, ..StoreOptions::default() };
    Store::open(path, &options, &SystemClock::new()).unwrap()
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn now() -> Instant {
    Instant::now()
}

fn tempfile_beside() -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("flowglass-bench-{}", uuid::Uuid::now_v7()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn run_id(number: u64) -> RunId {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&number.to_be_bytes());
    RunId::from_parts(1_767_225_600_000 + number, random)
}

/// A run of nodes that each are queued, run, tell progress, write a line and complete.
fn history(number: u64, events: u64) -> Vec<Event> {
    let pipeline = PipelineId::new("orders").unwrap();
    let scope = Scope::pipeline("acme", run_id(number), pipeline);
    (1..=events).map(|seq| event(&scope, seq)).collect()
}

fn event(scope: &Scope, seq: u64) -> Event {
    let node = scope.node(NodeId::new(format!("load_orders_{}", seq / 6)).unwrap());
    let attempt = node.attempt(1);
    let stamp = Stamp { id: uuid::Uuid::now_v7(), seq, time: jiff::Timestamp::now() };
    let moved = |entity, from, to, reason| {
        let scope = if entity == Entity::Node { &node } else { &attempt };
        let mut event = Event::new(stamp, scope, EventKind::Transition, entity);
        (event.from, event.to, event.reason) = (from, Some(to), Some(reason));
        event
    };
    let counts = Counts { extracted: Some(10_000), bytes: Some(1_500_000), ..Counts::default() };
    // Of every node, the six events from `seq % 6 == 0` on; the first node lacks its first event.
    match seq % 6 {
        0 => moved(Entity::Node, None, State::Queued, Reason::Slot),
        1 => moved(
            Entity::Node,
            (seq > 1).then_some(State::Queued),
            State::Running,
            Reason::Executing,
        ),
        2 => moved(Entity::Attempt, None, State::Running, Reason::Executing),
        3 => {
            let mut event = Event::new(stamp, &attempt, EventKind::Progress, Entity::Attempt);
            event.counts = Some(counts);
            event
        }
        4 => {
            let mut event = Event::new(stamp, &attempt, EventKind::Log, Entity::Attempt);
            let text = format!("copied 10000 rows of data/orders_{seq}.csv in 0.312 s");
            let (stream, level) = (LogStream::Stdout, LogLevel::Info);
            event.log = Some(LogLine { stream, level, text, base64: None });
            event
        }
        _ => {
            let mut event = moved(Entity::Node, Some(State::Running), State::Complete, Reason::Ok);
            event.counts = Some(counts);
            event.duration_seconds = Some(0.312_456_789);
            event
        }
    }
}
