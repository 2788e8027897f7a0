//! One truth: a run in which nodes end in every way, and its counts by pipeline and state read off
//! the events, the snapshot, the metrics page, the report and the OTLP export, each by code that
//! shares nothing with the others. All must be equal.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use flowglass_catalog::{MetricsFold, Prefix, Registry};
use flowglass_connect::{Clock, EventLog, Fault, Surroundings, SystemClock, Tasks};
use flowglass_engine::{
    BuiltNode, BuiltPipeline, CommandSpec, CommandWork, Listener, Recorder, RetryRule, RunJob,
    Stop, StopCause, Task, When, new_run_id, run,
};
use flowglass_model::{
    Action, AssetRef, Entity, Event, NodeId, Reason, Redactor, RunReport, Snapshot, State,
};
use flowglass_telemetry::evidence::{Input, Request, export};
use flowglass_telemetry::exposition::{Format, render};
use flowglass_testkit::Scratch;
use serde_json::Value;

/// Nodes by pipeline and state.
type Counts = BTreeMap<(String, String), u64>;

const ODD_NAME: &str = "out/odd 'q' \"name\"\nÄ, 注文.csv";

#[derive(Default)]
struct MemoryLog(Mutex<Vec<Event>>);

#[async_trait]
impl EventLog for MemoryLog {
    async fn append(&self, events: Vec<Event>) -> Result<(), Fault> {
        self.0.lock().unwrap().extend(events);
        Ok(())
    }
}

/// Cancels the run when the first pipeline has ended and only the slow node of the second is left.
struct Canceller {
    stop: Stop,
    left: BTreeSet<&'static str>,
}

impl Listener for Canceller {
    fn heard(&mut self, events: &[Event]) {
        for event in events {
            let ended = event.to.is_some_and(State::is_final);
            match (event.entity, event.node_id.as_ref().map(NodeId::as_str)) {
                (Entity::Pipeline, _) if ended && event.pipeline_id.as_str() == "orders" => {
                    self.left.remove("orders");
                }
                (Entity::Node, Some("daily")) if ended => drop(self.left.remove("daily")),
                (Entity::Attempt, Some("late")) => drop(self.left.remove("late")),
                _ => {}
            }
        }
        if self.left.is_empty() {
            self.stop.ask(StopCause::Cancelled);
        }
    }
}

fn node(id: &str, script: &str, outputs: &[&str]) -> BuiltNode {
    let spec = CommandSpec {
        program: "/bin/sh".into(),
        args: vec!["-c".into(), script.into()],
        env: BTreeMap::new(),
        cwd: None,
        success_codes: [0].into(),
        warning_codes: BTreeSet::new(),
        stop_grace: Duration::from_millis(200),
        through: None,
    };
    let argv = ["sh", "-c", script].map(ToOwned::to_owned).to_vec();
    let task = Task {
        id: NodeId::new(id).unwrap(),
        needs: Vec::new(),
        when: When::OnSuccess,
        settled: None,
    };
    BuiltNode {
        task,
        action: Action { kind: "command".to_owned(), name: "sh".to_owned(), argv },
        inputs: Vec::new(),
        outputs: outputs.iter().map(|it| AssetRef::file(*it)).collect(),
        retry: RetryRule::default(),
        timeout: None,
        work: Arc::new(CommandWork::new(spec)),
    }
}

/// Eight nodes and eight datasets, two of them with one base name.
fn orders(folder: &Path) -> Vec<BuiltNode> {
    let counter = folder.join("turns");
    let script = format!("echo x >> '{0}'; test $(wc -l < '{0}') -ge 3", counter.display());
    let mut third = node("third_time", &script, &["out/third.csv"]);
    let backoff = Duration::from_millis(5);
    third.retry = RetryRule { attempts_max: 5, backoff, ..RetryRule::default() };
    let mut guarded = node("guarded", "echo never", &["out/guarded.csv"]);
    guarded.task.settled = Some(Reason::Guard);
    let mut blocked = node("blocked", "echo never", &["out/blocked.csv"]);
    blocked.task.needs = vec![3];
    vec![
        node("load_a", "echo a", &["a/orders.csv"]),
        node("load_b", "echo b", &["b/orders.csv"]),
        node("odd", "echo odd", &[ODD_NAME]),
        node("exits_3", "echo no disk >&2; exit 3", &["out/exit.csv"]),
        node("killed", "kill -KILL $$", &["out/killed.csv"]),
        guarded,
        third,
        blocked,
    ]
}

/// Three nodes and four datasets.
fn reports() -> Vec<BuiltNode> {
    let mut daily = node("daily", "echo daily", &["reports/daily.csv"]);
    daily.inputs = vec![AssetRef::file("in/source.csv")];
    let mut on_failure = node("on_failure", "echo never", &["reports/condition.csv"]);
    on_failure.task.needs = vec![0];
    on_failure.task.when = When::OnFailure;
    vec![daily, on_failure, node("late", "sleep 300", &["reports/late.csv"])]
}

async fn play() -> Vec<Event> {
    let scratch = Scratch::new();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let around = Surroundings {
        base_dir: scratch.folder().to_owned(),
        scratch_dir: scratch.folder().join("scratch"),
        clock: Arc::clone(&clock),
    };
    let pipeline = |id: &str, nodes| BuiltPipeline {
        id: id.parse().unwrap(),
        tenant: "acme".to_owned(),
        labels: BTreeMap::new(),
        nodes,
        parallel_max: 3,
        timeout: None,
        around: around.clone(),
    };
    let job = RunJob {
        run_id: new_run_id(clock.as_ref()),
        pipelines: vec![
            pipeline("orders", orders(scratch.folder())),
            pipeline("reports", reports()),
        ],
        attributes: BTreeMap::new(),
        traceparent: None,
        resumes: None,
    };
    let (log, stop) = (Arc::new(MemoryLog::default()), Stop::new());
    let keep: Arc<dyn EventLog> = Arc::<MemoryLog>::clone(&log);
    let (recorder, mut keeper) =
        Recorder::new(Snapshot::default(), keep, clock, Redactor::default());
    let left = BTreeSet::from(["orders", "daily", "late"]);
    keeper.listen(Box::new(Canceller { stop: stop.clone(), left }));
    let mut tasks = Tasks::new();
    tasks.spawn("keeper", keeper.run());
    let end = run(&job, &recorder, &stop).await.unwrap();
    assert_eq!((end.state, end.reason), (State::Failed, Reason::Cancelled));
    drop(recorder);
    tasks.join_all().await;
    log.0.lock().unwrap().clone()
}

/// From the lines of the log, as a script would count.
fn by_events(lines: &[Value]) -> Counts {
    let mut last: BTreeMap<(String, String), String> = BTreeMap::new();
    for line in lines.iter().filter(|it| it["kind"] == "transition" && it["entity"] == "node") {
        let text = |key: &str| line[key].as_str().unwrap().to_owned();
        last.insert((text("pipeline_id"), text("node_id")), text("to"));
    }
    let mut counts = Counts::new();
    for ((pipeline, _), state) in last {
        *counts.entry((pipeline, state)).or_default() += 1;
    }
    counts
}

fn by_snapshot(snapshot: &Snapshot) -> Counts {
    let mut counts = Counts::new();
    for pipeline in &snapshot.pipelines {
        for state in State::ALL {
            let count = pipeline.summary.get(state);
            if count > 0 {
                counts.insert((pipeline.pipeline_id.to_string(), state.to_string()), count);
            }
        }
    }
    counts
}

fn page(events: &[Event]) -> String {
    let registry = Registry::default();
    let mut fold = MetricsFold::new(registry.clone());
    for event in events {
        fold.apply(event);
        // A reader that was told twice counts once.
        fold.apply(event);
    }
    let mut page = String::new();
    render(&registry, &Prefix::default(), Format::Text004, &mut page);
    page
}

/// The samples of a metric by two of their labels, summed over the others.
fn samples(page: &str, metric: &str, labels: [&str; 2]) -> Counts {
    let mut counts = Counts::new();
    for line in page.lines() {
        let Some(rest) = line.strip_prefix(metric).and_then(|it| it.strip_prefix('{')) else {
            continue;
        };
        let (pairs, value) = rest.rsplit_once("} ").unwrap();
        let pairs: BTreeMap<&str, &str> =
            pairs.split(',').filter_map(|it| it.split_once("=\"")).collect();
        let of = |key: &str| pairs[key].trim_end_matches('"').to_owned();
        let key = (of(labels[0]), of(labels[1]));
        *counts.entry(key).or_default() += value.parse::<u64>().unwrap();
    }
    counts.retain(|_, count| *count > 0);
    counts
}

fn by_report(report: &Value) -> Counts {
    let mut counts = Counts::new();
    for node in report["nodes"].as_array().unwrap() {
        let text = |key: &str| node[key].as_str().unwrap().to_owned();
        *counts.entry((text("pipeline"), text("state"))).or_default() += 1;
    }
    counts
}

/// The numbers of the OTLP export of a report, by name.
fn otlp(report: &Value) -> BTreeMap<String, Value> {
    let scratch = Scratch::new();
    let bytes = report.to_string().into_bytes();
    let exported = export(&Request {
        inputs: vec![Input::Bytes { name: "run".to_owned(), bytes }],
        metrics: Vec::new(),
        labels: Vec::new(),
        resource_attributes: Vec::new(),
        service_name: "flowglass".to_owned(),
        namespace: "flowglass.test".to_owned(),
        prefix: Prefix::default(),
        omitted_run_labels: Vec::new(),
        strict: true,
        time: "2026-01-31T12:00:00Z".parse().unwrap(),
        output_dir: scratch.folder().to_owned(),
    });
    assert!(exported.summary.passed, "{}", exported.markdown);
    let file = scratch.folder().join("opentelemetry_metrics.json");
    let written: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let metrics = &written["resourceMetrics"][0]["scopeMetrics"][0]["metrics"];
    let number = |it: &Value| {
        let point = &it["gauge"]["dataPoints"][0];
        let whole = point["asInt"].as_str().map(|it| it.parse::<u64>().unwrap().into());
        (
            it["name"].as_str().unwrap().to_owned(),
            whole.unwrap_or_else(|| point["asDouble"].clone()),
        )
    };
    metrics.as_array().unwrap().iter().map(number).collect()
}

fn expected() -> Counts {
    let counts = [
        (("orders", "complete"), 4),
        (("orders", "failed"), 2),
        (("orders", "skipped"), 2),
        (("reports", "complete"), 1),
        (("reports", "failed"), 1),
        (("reports", "skipped"), 1),
    ];
    counts.map(|((pipeline, state), it)| ((pipeline.to_owned(), state.to_owned()), it)).into()
}

#[tokio::test(flavor = "multi_thread")]
async fn events_snapshot_metrics_report_and_export_agree() {
    let events = play().await;
    let lines: Vec<Value> =
        events.iter().map(|it| serde_json::from_str(&it.to_line()).unwrap()).collect();
    let snapshot = Snapshot::of(&events).unwrap();
    let page = page(&events);
    let report = serde_json::to_value(RunReport::of(&snapshot)).unwrap();
    assert_eq!(by_events(&lines), expected());
    assert_eq!(by_snapshot(&snapshot), expected());
    let nodes = samples(&page, "flowglass_node_duration_seconds_count", ["pipeline", "state"]);
    assert_eq!(nodes, expected(), "{page}");
    assert_eq!(by_report(&report), expected());

    // What the export carries is counted by state too: the failed ones, the attempts, the result.
    let failed: u64 =
        expected().iter().filter(|((_, state), _)| state == "failed").map(|(_, it)| it).sum();
    let otlp = otlp(&report);
    assert_eq!(otlp["flowglass_error_count"], failed);
    assert_eq!(otlp["flowglass_run_passed"], 0);
    assert_eq!(otlp["flowglass_attempts"], 3);
    assert_eq!(otlp["flowglass_max_attempts"], 5);
    assert_eq!(otlp["flowglass_ledger_unaccounted_rows"], 0);
    let seconds = otlp["flowglass_duration_seconds"].as_f64().unwrap();
    assert_eq!(Some(seconds), snapshot.run.times.duration_seconds);
    check_attempts(&lines, &snapshot, &page);
    check_assets(&lines, &snapshot);
    check_detail(&snapshot, &page);
}

/// Attempts by node, over the whole run: started in the events, ended in the metrics.
fn check_attempts(lines: &[Value], snapshot: &Snapshot, page: &str) {
    let mut told = Counts::new();
    for line in lines.iter().filter(|it| it["entity"] == "attempt" && it["to"] == "running") {
        let text = |key: &str| line[key].as_str().unwrap().to_owned();
        *told.entry((text("pipeline_id"), text("node_id"))).or_default() += 1;
    }
    assert_eq!(told[&("orders".to_owned(), "third_time".to_owned())], 3);
    assert_eq!(samples(page, "flowglass_attempts_total", ["pipeline", "node"]), told, "{page}");
    for pipeline in &snapshot.pipelines {
        for node in pipeline.nodes.iter().filter(|it| !it.attempts.is_empty()) {
            let key = (pipeline.pipeline_id.to_string(), node.node_id.to_string());
            assert_eq!(node.attempts.len() as u64, told[&key]);
        }
    }
    let runs = samples(page, "flowglass_runs_total", ["pipeline", "state"]);
    let failed = |it: &str| ((it.to_owned(), "failed".to_owned()), 1);
    assert_eq!(runs, [failed("orders"), failed("reports")].into());
}

/// Twelve datasets, each where its node stands.
fn check_assets(lines: &[Value], snapshot: &Snapshot) {
    let mut told: BTreeMap<(String, String), String> = BTreeMap::new();
    let mut touched: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for line in lines {
        let pipeline = line["pipeline_id"].as_str().unwrap().to_owned();
        for node in line["graph"]["nodes"].as_array().into_iter().flatten() {
            let lists =
                ["inputs", "outputs"].map(|it| node[it].as_array().cloned().unwrap_or_default());
            let names = lists.concat();
            let names = names.iter().map(|it| it["name"].as_str().unwrap().to_owned()).collect();
            touched.insert((pipeline.clone(), node["node_id"].as_str().unwrap().to_owned()), names);
        }
        if line["kind"] == "transition" && line["entity"] == "node" {
            let node = line["node_id"].as_str().unwrap().to_owned();
            for name in &touched[&(pipeline.clone(), node)] {
                let to = line["to"].as_str().unwrap().to_owned();
                told.insert((pipeline.clone(), name.clone()), to);
            }
        }
    }
    assert_eq!(told.len(), 12, "{told:?}");
    let shown = snapshot.pipelines.iter().flat_map(|pipeline| {
        pipeline.assets.iter().map(|it| {
            let key = (pipeline.pipeline_id.to_string(), it.asset.name.clone());
            (key, it.state.unwrap().to_string())
        })
    });
    assert_eq!(shown.collect::<BTreeMap<_, _>>(), told);
    for pipeline in &snapshot.pipelines {
        assert_eq!(pipeline.asset_summary.total(), pipeline.assets.len() as u64);
    }
}

/// Full detail is in the snapshot, and none of it is a label.
fn check_detail(snapshot: &Snapshot, page: &str) {
    let node = |id: &str| {
        let mut nodes = snapshot.pipelines.iter().flat_map(|it| &it.nodes);
        nodes.find(|it| it.node_id.as_str() == id).unwrap()
    };
    assert_eq!(node("exits_3").attempts[0].exit_code, Some(3));
    assert_eq!(node("exits_3").log.tail[0].text, "no disk");
    assert_eq!(node("killed").attempts[0].signal.as_deref(), Some("SIGKILL"));
    assert_eq!(node("killed").attempts[0].exit_code, None);
    assert_eq!(node("late").times.reason, Some(Reason::Cancelled));
    assert_eq!(node("blocked").times.reason, Some(Reason::Upstream));
    assert_eq!(node("guarded").times.reason, Some(Reason::Guard));
    assert_eq!(node("on_failure").times.reason, Some(Reason::Condition));
    assert_eq!(node("odd").outputs[0].name, ODD_NAME);
    let argv = &node("killed").action.as_ref().unwrap().argv;
    assert_eq!(argv.last().unwrap(), "kill -KILL $$");
    for name in ["orders.csv", "odd '", "注文", "kill -KILL", "out/"] {
        assert!(!page.contains(name), "`{name}` stands on the metrics page");
    }
}
