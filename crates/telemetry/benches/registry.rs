//! What an increment, an observation and a page of 100,000 series cost, here and in the two
//! libraries that could have been taken instead.
//!
//! `cargo bench -p flowglass-telemetry --bench registry` prints one line per figure: the median of
//! all rounds, and the lowest and highest. Rounds are shorter than a time slice, so that on a busy
//! machine the lowest is still a round that nobody disturbed. It stands here and not beside the
//! registry because a page needs the renderer. The figures of record are in
//! `docs/adr/0002-metrics-registry.md`.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

use flowglass_catalog::label::{Disposition, Node, RowOp, Sink, Source, Table};
use flowglass_catalog::{Prefix, Registry, RegistryOptions};
use flowglass_telemetry::exposition::{Format, render};
use metrics::Recorder as _;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use rustix::time::{ClockId, clock_gettime};

const ROUNDS: usize = 41;
const TURNS: u32 = 100_000;
/// Series of each of four metrics.
const SETS: usize = 25_000;

/// The labels of the peer's families; the same four as ours.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Labels {
    tenant: String,
    pipeline: String,
    node: String,
    op: String,
}

impl Labels {
    fn new(pipeline: &str, node: &str, op: &str) -> Self {
        let own = |text: &str| text.to_owned();
        Self { tenant: own("acme"), pipeline: own(pipeline), node: own(node), op: own(op) }
    }
}

/// Runs all rounds and prints its figures, in `unit` of `per` seconds each, divided by `turns`.
fn figure(name: &str, unit: &str, per: f64, turns: u32, mut round: impl FnMut() -> Duration) {
    let mut all: Vec<f64> =
        (0..ROUNDS).map(|_| round().as_secs_f64() / per / f64::from(turns)).collect();
    all.sort_by(f64::total_cmp);
    if let [lowest, .., highest] = all.as_slice() {
        let median = all.get(ROUNDS / 2).unwrap_or(lowest);
        println!("{name:<58} {median:>9.2} {unit}   ({lowest:.2} to {highest:.2})");
    }
}

/// Processor time that a piece of work takes on this thread: what it would take on an idle machine,
/// but for caches that others have emptied.
fn processor_time(work: impl FnOnce()) -> Duration {
    let now = || clock_gettime(ClockId::ThreadCPUTime);
    let start = now();
    work();
    let took = now() - start;
    let nanos = took.tv_sec * 1_000_000_000 + took.tv_nsec;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
}

fn nanos(name: &str, mut turn: impl FnMut()) {
    figure(name, "ns", 1e-9, TURNS, || processor_time(|| (0..TURNS).for_each(|_| turn())));
}

/// Two threads on one number; the figure is the time on the clock of one thread's turn.
fn contended(name: &str, turn: impl Fn() + Sync) {
    figure(name, "ns", 1e-9, TURNS, || {
        let start = Instant::now();
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| (0..TURNS).for_each(|_| turn()));
            }
        });
        start.elapsed()
    });
}

fn page(name: &str, mut write: impl FnMut() -> usize) {
    let bytes = write();
    figure(&format!("{name} ({bytes} bytes)"), "ms", 1e-3, 1, || {
        processor_time(|| {
            black_box(write());
        })
    });
}

fn peer_recorder() -> PrometheusRecorder {
    let bounds: Vec<f64> =
        flowglass_catalog::Histogram::SinkLatencySeconds.def().bounds().collect();
    PrometheusBuilder::new()
        .set_buckets(&bounds)
        .map(PrometheusBuilder::build_recorder)
        .unwrap_or_else(|_| PrometheusBuilder::new().build_recorder())
}

const METADATA: metrics::Metadata<'static> =
    metrics::Metadata::new("bench", metrics::Level::INFO, None);

fn peer_key(name: &'static str, pipeline: &str, node: &str, op: &str) -> metrics::Key {
    let label = |key: &'static str, value: &str| metrics::Label::new(key, value.to_owned());
    let labels = vec![
        label("tenant", "acme"),
        label("pipeline", pipeline),
        label("node", node),
        label("op", op),
    ];
    metrics::Key::from_parts(name, labels)
}

fn increments() {
    let registry = Registry::default();
    let scope = registry.pipeline("acme", "orders");
    let ours = scope.rows_total(Node("load"), RowOp::Inserted);
    let family = Family::<Labels, Counter>::default();
    let labels = Labels::new("orders", "load", "inserted");
    let client = family.get_or_create_owned(&labels);
    let recorder = peer_recorder();
    let key = peer_key("rows_total", "orders", "load", "inserted");
    let facade = recorder.register_counter(&key, &METADATA);

    nanos("increment, kept handle: ours", || ours.increment());
    nanos("increment, kept handle: prometheus-client", || {
        black_box(client.inc());
    });
    nanos("increment, kept handle: metrics", || facade.increment(1));
    contended("increment, two threads on one handle: ours", || ours.increment());
    contended("increment, two threads on one handle: prometheus-client", || {
        black_box(client.inc());
    });
    contended("increment, two threads on one handle: metrics", || facade.increment(1));
    nanos("increment, looked up by labels: ours", || {
        scope.rows_total(black_box(Node("load")), RowOp::Inserted).increment();
    });
    nanos("increment, looked up by labels: prometheus-client", || {
        black_box(family.get_or_create(black_box(&labels)).inc());
    });
    nanos("increment, looked up by labels: metrics", || {
        recorder.register_counter(black_box(&key), &METADATA).increment(1);
    });
}

fn observations() {
    let registry = Registry::default();
    let ours = registry.pipeline("acme", "orders").sink_latency_seconds(Sink("kafka"));
    let client = Histogram::new(flowglass_catalog::Histogram::SinkLatencySeconds.def().bounds());
    let recorder = peer_recorder();
    let key = peer_key("sink_latency_seconds", "orders", "load", "inserted");
    let facade = recorder.register_histogram(&key, &METADATA);
    let mut micros = 0_u32;
    // Values that wander over the buckets, so that no branch is always right.
    let mut next = move || {
        micros = micros.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        Duration::from_micros(u64::from(micros >> 8))
    };
    nanos("observe a duration: ours", || ours.observe(next()));
    nanos("observe a duration: prometheus-client", || client.observe(next().as_secs_f64()));
    nanos("observe a duration: metrics", || facade.record(next().as_secs_f64()));
}

/// Calls `each` with the pipeline and the part's name of every label set.
fn for_each_set(mut each: impl FnMut(&str, &str)) {
    for set in 0..SETS {
        each(&format!("pipeline-{}", set % 50), &format!("public.table_{set}"));
    }
}

fn our_pages() {
    let registry = Registry::new(RegistryOptions { series_per_metric_max: SETS });
    for_each_set(|pipeline, part| {
        let scope = registry.pipeline("acme", pipeline);
        scope.rows_total(Node(part), RowOp::Inserted).add(123_456);
        scope.source_events_total(Source("shop"), Table(part)).add(123_456);
        scope.snapshot_rows_total(Source("shop"), Table(part)).add(123_456);
        scope.ledger_rows_total(Table(part), Disposition::Read).add(123_456);
    });
    let mut out = String::new();
    for (name, format) in
        [("text", Format::Text004), ("OpenMetrics", Format::OpenMetrics100 { utf8: true })]
    {
        page(&format!("page, 100,000 counters, {name}: ours"), || {
            out.clear();
            render(&registry, &Prefix::default(), format, &mut out);
            out.len()
        });
    }
    page("page, 100,000 counters, text, into a new buffer: ours", || {
        let mut out = String::new();
        render(&registry, &Prefix::default(), Format::Text004, &mut out);
        out.len()
    });
    let registry = Registry::new(RegistryOptions { series_per_metric_max: SETS });
    let mut sets = 0_usize;
    for_each_set(|pipeline, part| {
        sets += 1;
        // 18 lines each: 15 buckets and the endless one, sum and count.
        if sets.is_multiple_of(4) {
            registry
                .pipeline("acme", pipeline)
                .sink_latency_seconds(Sink(part))
                .observe(Duration::ZERO);
        }
    });
    page("page, histograms only, text: ours", || {
        out.clear();
        render(&registry, &Prefix::default(), Format::Text004, &mut out);
        out.len()
    });
    println!("    (the page of histograms has {} lines)", out.lines().count());
}

fn peer_pages() {
    let mut registry = prometheus_client::registry::Registry::default();
    let recorder = peer_recorder();
    for name in [
        "flowglass_rows",
        "flowglass_source_events",
        "flowglass_snapshot_rows",
        "flowglass_ledger_rows",
    ] {
        let family = Family::<Labels, Counter>::default();
        for_each_set(|pipeline, part| {
            family.get_or_create(&Labels::new(pipeline, part, "inserted")).inc_by(123_456);
            let key = peer_key(name, pipeline, part, "inserted");
            recorder.register_counter(&key, &METADATA).increment(123_456);
        });
        registry.register(name, "Rows that a node read or changed.", family);
    }
    let mut out = String::new();
    page("page, 100,000 counters, OpenMetrics: prometheus-client", || {
        out.clear();
        let written = prometheus_client::encoding::text::encode(&mut out, &registry);
        written.map_or(0, |()| out.len())
    });
    let handle = recorder.handle();
    page("page, 100,000 counters, text: metrics", || handle.render().len());
}

fn main() {
    increments();
    observations();
    our_pages();
    peer_pages();
}
