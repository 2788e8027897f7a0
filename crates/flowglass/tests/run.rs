//! `flowglass run` and its neighbours as a person and a script meet them: the examples, what is on
//! which stream, exit codes, going on after a failure, stopping.
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use flowglass_testkit::{
    Postgres, Redact, Redis, RedisSettings, Said, Scratch, Settings, wait_for,
};
use serde_json::Value;

use crate::support::{flowglass, histories, sqlite, wait};

const PATIENCE: Duration = Duration::from_secs(20);

/// A copy of one of the examples, without what somebody's own run of it may have left there.
fn example(name: &str) -> Scratch {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name);
    let scratch = Scratch::copy_of(&folder);
    for left in ["out", ".flowglass"] {
        // Usually there is nothing to remove.
        std::fs::remove_dir_all(scratch.path(left)).unwrap_or_default();
    }
    scratch
}

/// A manifest `pipeline.yaml` with these nodes.
fn workflow(nodes: &str) -> Scratch {
    let head = "apiVersion: flowglass/v1\nkind: Workflow\nmetadata: { name: small }\nspec:\n";
    Scratch::project(&[("pipeline.yaml", &format!("{head}{nodes}"))])
}

/// State, reason and error class of every node of a report.
fn ends(report: &Value) -> BTreeMap<String, (String, String, String)> {
    let text = |it: &Value| it.as_str().unwrap_or("-").to_owned();
    let nodes = report["nodes"].as_array().unwrap().iter();
    nodes
        .map(|node| {
            let errors = report["errors"].as_array().unwrap().iter();
            let class = errors.clone().find(|it| it["node"] == node["node"]);
            let class = class.map_or_else(|| "-".to_owned(), |it| text(&it["class"]));
            (text(&node["node"]), (text(&node["state"]), text(&node["reason"]), class))
        })
        .collect()
}

#[test]
fn the_orders_example_runs_as_it_is_and_goes_on_from_its_cursor() {
    let scratch = example("orders");
    let report = flowglass(&scratch, &["run", "pipeline.yaml", "--format", "json"]).run().ok();
    let report = report.json();
    assert_eq!((&report["status"], &report["passed"]), (&"success".into(), &true.into()));
    assert!(ends(&report).values().all(|it| it.0 == "complete"), "{report:#}");
    let rates = report["nodes"].as_array().unwrap().iter().find(|it| it["node"] == "fetch_rates");
    assert_eq!(rates.unwrap()["attempts"], 2);
    let shop = scratch.path("out/shop.db");
    assert_eq!(
        sqlite(&shop, "SELECT count(*), count(DISTINCT order_id) FROM orders"),
        ["3600|3600"]
    );
    assert_eq!(sqlite(&shop, "SELECT count(*) FROM customers"), ["600"]);
    let again =
        flowglass(&scratch, &["run", "pipeline.yaml", "--format", "json"]).run().ok().json();
    let orders = again["nodes"].as_array().unwrap().iter().find(|it| it["node"] == "load_orders");
    assert_eq!(orders.unwrap()["counts"]["inserted"], 0, "{again:#}");
}

#[test]
fn the_failing_example_fails_in_every_way_its_readme_names() {
    let scratch = example("failing");
    let said = flowglass(&scratch, &["run", "pipeline.yaml", "--format", "json"]).run();
    let report = said.expect_code(1).json();
    let expected = [
        ("at_the_end", "complete", "ok", "-"),
        ("bad_data", "failed", "error", "malformed"),
        ("behind_failure", "skipped", "upstream", "-"),
        ("check_fails", "failed", "check", "check"),
        ("cleans_up", "complete", "ok", "-"),
        ("completes", "complete", "ok", "-"),
        ("exits_3", "failed", "error", "exit_code"),
        ("killed", "failed", "error", "signal"),
        ("not_started", "failed", "error", "spawn"),
        ("only_on_failure", "skipped", "condition", "-"),
        ("switched_off", "skipped", "condition", "-"),
        ("too_slow", "failed", "timeout", "timeout"),
    ];
    let found = ends(&report);
    let found: Vec<_> = found.iter().map(|(node, it)| (&**node, &*it.0, &*it.1, &*it.2)).collect();
    assert_eq!(found, expected);
    assert_eq!(report["summary"]["failed"], 6);
    let readings = scratch.path("out/readings.db");
    let tables = "SELECT count(*) FROM sqlite_schema WHERE name = 'readings'";
    assert!(!readings.exists() || sqlite(&readings, tables) == ["0"], "no row was to be kept");
    let readme = scratch.read("README.md");
    for (node, ..) in expected {
        assert!(readme.contains(&format!("`{node}`")), "the README forgets {node}");
    }
    let on = ["run", "pipeline.yaml", "--param", "extras=yes", "--format", "json"];
    let report = flowglass(&scratch, &on).run().expect_code(1).json();
    assert_eq!(ends(&report)["switched_off"].0, "complete");
}

#[test]
fn the_postgres_example_runs_as_it_is_and_moves_only_what_changed() {
    let scratch = example("postgres");
    let database = wait(Postgres::shared().database());
    wait(database.execute(&scratch.read("setup.sql")));
    let run = || {
        let args = ["run", "pipeline.yaml", "--format", "json"];
        flowglass(&scratch, &args).env("SHOP_DSN", database.dsn()).run().ok().json()
    };
    let merged = |report: &Value| {
        let nodes = report["nodes"].as_array().unwrap();
        let counts = &nodes.iter().find(|it| it["node"] == "merge_orders").unwrap()["counts"];
        (counts["inserted"].as_u64().unwrap(), counts["updated"].as_u64().unwrap())
    };
    assert_eq!(merged(&run()), (20_000, 0));
    assert_eq!(merged(&run()), (0, 0));
    let change = "UPDATE shop.orders SET amount = 9.99, updated_at = now() WHERE id = 7";
    wait(database.execute(change));
    assert_eq!(merged(&run()), (0, 1));
    let differ = "SELECT count(*) FROM (TABLE shop.orders EXCEPT TABLE warehouse.orders) AS it";
    assert_eq!(wait(database.lines(differ)), ["0"]);
    let rows = sqlite(&scratch.path("out/revenue.db"), "SELECT count(*) FROM revenue");
    assert_eq!(rows, ["200"]);
}

#[test]
fn the_made_up_stream_runs_as_it_is_and_only_once() {
    let scratch = example("streams");
    let run = || {
        let args = ["run", "made-up.yaml", "--until", "caught-up", "--format", "json"];
        flowglass(&scratch, &args).run().ok().json()
    };
    let first = run();
    let counts = &first["nodes"][0]["counts"];
    let of = |name: &str| counts[name].as_u64().unwrap();
    assert_eq!(of("extracted"), 10_000);
    assert!(of("filtered") > 0, "{counts}");
    assert_eq!(of("inserted") + of("filtered"), 10_000);
    assert_eq!(first["ledger"]["closed"], true);
    let lines = || {
        let files = scratch.files().into_iter().filter(|it| it.contains(".jsonl"));
        files.map(|it| scratch.read(&it).lines().count() as u64).sum::<u64>()
    };
    assert_eq!(lines(), of("inserted"));
    assert_eq!(run()["nodes"][0]["counts"]["extracted"], 0);
    assert_eq!(lines(), of("inserted"));
}

#[test]
fn the_orders_stream_runs_as_it_is_and_hides_what_it_should() {
    let scratch = example("streams");
    let postgres = Postgres::start(Settings::default().logical_replication());
    let database = wait(postgres.database());
    let redis = Redis::start(RedisSettings::default());
    wait(database.execute(&scratch.read("setup.sql")));
    let run = |args: &[&str]| {
        let said = flowglass(&scratch, args).env("SHOP_DSN", database.dsn());
        said.env("REDIS_URI", redis.uri()).run().ok()
    };
    drop(run(&["doctor", "orders-cdc.yaml"]));
    let stream = ["run", "orders-cdc.yaml", "--until", "caught-up"];
    drop(run(&stream));
    wait(database.execute("UPDATE shop.orders SET amount = 9.99 WHERE id = 7"));
    drop(run(&stream));
    assert_eq!(redis.entries("shop.orders").len(), 1_001);
    let customers = redis.entries("shop.customers");
    assert_eq!(customers.len(), 200);
    for customer in customers {
        let body = String::from_utf8(customer.body.unwrap()).unwrap();
        assert!(!body.contains("example.org"), "{body}");
    }
}

#[test]
fn the_report_the_snapshot_and_the_events_agree() {
    let scratch = example("failing");
    let said = flowglass(&scratch, &["run", "pipeline.yaml", "--format", "json"]).run();
    let report = said.expect_code(1).json();
    let snapshot = flowglass(&scratch, &["runs", "show", "latest", "--format", "json"]).run().ok();
    let snapshot = snapshot.json();
    assert_eq!(snapshot["run"]["run_id"], report["run_id"]);
    let mut from_snapshot = BTreeMap::new();
    for node in snapshot["pipelines"][0]["nodes"].as_array().unwrap() {
        let text = |key: &str| node[key].as_str().unwrap_or("-").to_owned();
        from_snapshot.insert(text("node_id"), (text("state"), text("reason")));
    }
    let mut from_events = BTreeMap::new();
    for event in histories(&scratch).concat() {
        if event["kind"] == "transition" && event["entity"] == "node" {
            let text = |key: &str| event[key].as_str().unwrap().to_owned();
            from_events.insert(text("node_id"), (text("to"), text("reason")));
        }
    }
    let from_report: BTreeMap<_, _> =
        ends(&report).into_iter().map(|(node, it)| (node, (it.0, it.1))).collect();
    assert_eq!(from_report, from_snapshot);
    assert_eq!(from_report, from_events);
}

#[test]
fn ndjson_is_what_the_store_keeps() {
    let scratch = workflow("  nodes: [{ id: one, command: [echo, hello] }]\n");
    let said = flowglass(&scratch, &["run", "pipeline.yaml", "--format", "ndjson"]).run().ok();
    assert_eq!(said.stderr, "");
    let kept = flowglass(&scratch, &["runs", "events", "latest", "--format", "ndjson"]).run().ok();
    assert_eq!(said.stdout, kept.stdout);
    assert!(said.ndjson().iter().any(|it| it["log"]["text"] == "hello"));
}

#[test]
fn a_person_without_a_terminal_reads_plain_lines_and_a_table() {
    let nodes = r#"
  max_parallel: 1
  nodes:
    - { id: load, copy: { from: { type: csv, path: rows.csv }, to: { type: sqlite, path: out.db, table: rows } } }
    - { id: count, needs: [load], check: { from: { type: sqlite, path: out.db, table: rows }, rules: [{ row_count: { min: 3 } }] } }
    - { id: tell, needs: [count], command: [echo, done] }
    - { id: mourn, needs: [count], when: on_failure, command: { shell: "echo sad >&2; exit 4" } }
"#;
    let scratch = workflow(nodes);
    scratch.write("rows.csv", "id,name\n1,a\n2,b\n");
    let said = flowglass(&scratch, &["run", "pipeline.yaml"]).run().expect_code(1);
    assert!(!format!("{}{}", said.stdout, said.stderr).contains('\x1b'), "{said}");
    let seen = format!("--- stdout\n{}\n--- stderr\n{}", said.stdout, said.stderr);
    Redact::new()
        .ids()
        .durations()
        .replace(r"\d\d:\d\d:\d\d ", "HH:MM:SS ")
        // Columns are as wide as the machine is slow; that they line up is the table's own test.
        .replace(r"  +", "  ")
        .bind(|| insta::assert_snapshot!("plain", seen));
}

#[test]
fn resume_runs_what_did_not_complete_and_no_more() {
    let scratch = workflow(
        "  nodes:\n    \
         - { id: first, command: { shell: \"echo x >> first.txt\" } }\n    \
         - { id: second, needs: [first], command: { shell: \"test -e ready\" } }\n    \
         - { id: third, needs: [second], command: { shell: \"echo x >> third.txt\" } }\n    \
         - { id: aside, command: { shell: \"echo x >> aside.txt\" } }\n",
    );
    let select = ["run", "pipeline.yaml", "--select", "+third"];
    drop(flowglass(&scratch, &select).run().expect_code(1));
    scratch.write("ready", "");
    let resume = ["run", "--resume", "latest", "--format", "json"];
    let report = flowglass(&scratch, &resume).run().ok().json();
    let found = ends(&report);
    let reason = |node: &str| (found[node].0.as_str(), found[node].1.as_str());
    assert_eq!(reason("first"), ("skipped", "cached"));
    assert_eq!(reason("second"), ("complete", "ok"));
    assert_eq!(reason("third"), ("complete", "ok"));
    assert_eq!(
        (scratch.read("first.txt"), scratch.read("third.txt")),
        ("x\n".into(), "x\n".into())
    );
    assert!(!scratch.path("aside.txt").exists(), "the selection is part of what is gone on with");
    let again = flowglass(&scratch, &resume).run().expect_code(2);
    assert!(again.stderr.contains("is complete"), "{again}");
}

#[test]
fn resume_takes_the_parameters_of_the_run_and_asks_for_secret_ones() {
    let nodes = "  params: { day: monday, size: 3, token: none }\n  secrets: [param.token]\n  nodes:\n    \
         - { id: first, command: [\"true\"] }\n    \
         - { id: second, needs: [first], command: { shell: \"test -e ready\" } }\n    \
         - { id: third, needs: [second], command: { argv: [sh, -c, 'echo \"$0 $1\" > third.txt; \
         test \"$2\" = \"$(cat token)\"', \"${param.day}\", \"${param.size}\", \"${param.token}\"] } }\n";
    let scratch = workflow(nodes);
    scratch.write("token", "tok-Planted");
    let run = ["run", "pipeline.yaml", "--param", "day=friday", "--param", "token=tok-Planted"];
    drop(flowglass(&scratch, &run).run().expect_code(1));
    let without = flowglass(&scratch, &["run", "--resume", "latest"]).run().expect_code(2);
    assert!(without.stderr.contains("`--param token=…`"), "{without}");
    let resume = ["run", "--resume", "latest", "--param", "token=tok-Planted"];
    // Twice, since a run that goes on keeps the parameters in its turn.
    drop(flowglass(&scratch, &resume).run().expect_code(1));
    scratch.write("ready", "");
    let said = flowglass(&scratch, &resume).run().ok();
    assert!(!said.stderr.contains("warning"), "{said}");
    assert_eq!(scratch.read("third.txt"), "friday 3\n");
    for file in scratch.files().into_iter().filter(|it| it != "token") {
        let bytes = std::fs::read(scratch.path(&file)).unwrap();
        assert!(!bytes.windows(7).any(|it| it == b"Planted"), "a secret is kept in {file}");
    }
    let first = &histories(&scratch)[0];
    let kept = &first.iter().find(|it| it["entity"] == "run").unwrap()["attributes"];
    assert_eq!((&kept["param.day"], &kept["params_not_kept"]), (&"friday".into(), &"token".into()));
    // What is given now wins, and that it differs is said.
    std::fs::remove_file(scratch.path("ready")).unwrap();
    drop(
        flowglass(&scratch, &["run", "pipeline.yaml", "--param", "day=friday"])
            .run()
            .expect_code(1),
    );
    let other = ["run", "--resume", "latest", "--param", "day=sunday"];
    let said = flowglass(&scratch, &other).run().expect_code(1);
    assert!(said.stderr.contains("warning: the parameter `day`"), "{said}");
}

#[test]
fn the_bundle_of_a_run_can_be_verified() {
    let scratch = example("failing");
    let args = ["run", "pipeline.yaml", "--output-dir", "evidence", "--format", "json"];
    let said = flowglass(&scratch, &args).run().expect_code(1);
    drop(flowglass(&scratch, &["observability", "verify", "evidence"]).run().ok());
    let files: Vec<String> =
        scratch.files().into_iter().filter(|it| it.starts_with("evidence/")).collect();
    insta::assert_debug_snapshot!("bundle", files);
    let kept: Value = serde_json::from_str(&scratch.read("evidence/report.json")).unwrap();
    assert_eq!(kept, said.json());
    scratch.write("evidence/report.json", "{}");
    drop(flowglass(&scratch, &["observability", "verify", "evidence"]).run().expect_code(1));
}

/// Starts a run, waits until its command runs, and sends a signal to it alone.
fn interrupted(signal: &str, shell: &str) -> (Scratch, Said) {
    let command = format!("{{ argv: [sh, -c, \"{shell}\"], stop_grace: 5s }}");
    let scratch = workflow(&format!(
        "  nodes:\n    - {{ id: sleeps, command: {command} }}\n    \
         - {{ id: never, needs: [sleeps], command: [touch, never.txt] }}\n"
    ));
    let call = flowglass(&scratch, &["run", "pipeline.yaml", "--format", "json"]);
    let marker = scratch.path("pid");
    let signal = signal.to_owned();
    let sender = std::thread::spawn(move || {
        let pid = wait_for("the command runs", PATIENCE, || {
            let text = std::fs::read_to_string(&marker).ok()?;
            text.trim().parse::<u32>().ok()
        });
        let parent = parent_of(pid);
        let sent = std::process::Command::new("kill").args(["-s", &signal, &parent]).status();
        assert!(sent.unwrap().success());
    });
    let said = call.run();
    sender.join().unwrap();
    (scratch, said)
}

fn parent_of(pid: u32) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|it| it.strip_prefix("PPid:")).unwrap();
    line.trim().to_owned()
}

#[test]
fn an_interrupt_ends_commands_in_order_and_the_run_as_cancelled() {
    for signal in ["INT", "TERM"] {
        let shell = "trap 'echo bye; exit 0' TERM; echo $$ > pid; while :; do sleep 0.05; done";
        let (scratch, said) = interrupted(signal, shell);
        let said = said.expect_code(130);
        let report = said.json();
        assert_eq!(report["status"], "cancelled", "{report:#}");
        let found = ends(&report);
        assert_eq!((&*found["sleeps"].0, &*found["sleeps"].1), ("failed", "cancelled"));
        // Either the stop is heard first or the end of the command before it.
        let never = (&*found["never"].0, &*found["never"].1);
        assert!([("failed", "cancelled"), ("skipped", "upstream")].contains(&never), "{never:?}");
        assert!(!scratch.path("never.txt").exists());
        let events = histories(&scratch).concat();
        let last = events.last().unwrap();
        assert_eq!((&last["entity"], &last["to"]), (&"run".into(), &"failed".into()));
        assert!(events.iter().any(|it| it["log"]["text"] == "bye"), "the command was asked first");
    }
}

#[test]
fn several_manifests_make_one_run() {
    let scratch = workflow("  nodes: [{ id: one, command: [echo, \"1\"] }]\n");
    let other = scratch.read("pipeline.yaml").replace("name: small", "name: other");
    scratch.write("other.yaml", other.replace("echo", "no-such-program"));
    let args = ["run", "pipeline.yaml", "other.yaml", "--format", "json"];
    let report = flowglass(&scratch, &args).run().expect_code(1).json();
    let nodes = report["nodes"].as_array().unwrap();
    let states: Vec<_> = nodes.iter().map(|it| (&it["pipeline"], &it["state"])).collect();
    assert_eq!(states.len(), 2);
    assert!(states.contains(&(&"small".into(), &"complete".into())), "{states:?}");
    assert!(states.contains(&(&"other".into(), &"failed".into())), "{states:?}");
    assert_eq!(histories(&scratch).len(), 1);
}

#[test]
fn what_cannot_be_run_exits_with_2_and_makes_no_store() {
    let scratch = workflow("  nodes: [{ id: one, command: [echo, \"1\"] }]\n");
    scratch.write("broken.yaml", "kind: Workflow\nspec: [\n");
    std::fs::create_dir(scratch.path("folder")).unwrap();
    let before = scratch.files();
    let mut seen = String::new();
    for args in [
        "run",
        "run absent.yaml",
        "run folder",
        "run broken.yaml",
        "validate broken.yaml",
        "validate absent.yaml",
        "plan broken.yaml",
        "run pipeline.yaml --select two",
        "run pipeline.yaml --param day",
        "run pipeline.yaml --param day=1",
        "run pipeline.yaml --format xml",
        "nonsense",
    ] {
        let words: Vec<&str> = args.split(' ').collect();
        let said = flowglass(&scratch, &words).run().expect_code(2);
        assert_eq!(said.stdout, "");
        seen.push_str(&format!("$ flowglass {args}\n{}\n", said.stderr));
    }
    assert_eq!(scratch.files(), before);
    insta::assert_snapshot!("refused", seen);
}

#[test]
fn exec_is_the_command_with_a_record_of_it() {
    let scratch = Scratch::new();
    let exec = |shell: &str| {
        let args = ["exec", "--pipeline", "nightly", "--", "sh", "-c", shell];
        flowglass(&scratch, &args).env("TRACEPARENT", TRACE).stdin(*b"in\0put").run()
    };
    let said = exec("cat; echo; echo err >&2; echo $TRACEPARENT $FLOWGLASS_RUN_ID; exit 7");
    let said = said.expect_code(7);
    assert_eq!(said.stderr, "err\n");
    let lines: Vec<&str> = said.stdout.lines().collect();
    assert_eq!(lines[0], "in\0put");
    let (trace, run) = lines[1].split_once(' ').unwrap();
    assert_eq!(trace.split('-').nth(1), Some(&*run.replace('-', "")), "the run is the trace");
    let first = histories(&scratch).remove(0).remove(0);
    assert_eq!(first["trace"]["traceparent"], TRACE, "who called is kept");
    let shown = flowglass(&scratch, &["runs", "show", run, "--format", "json"]).run().ok().json();
    assert_eq!(shown["run"]["state"], "failed");
    assert_eq!(exec("kill -TERM $$").code(), Some(128 + 15));
    assert_eq!(exec("true").code(), Some(0));
    let absent = ["exec", "--pipeline", "nightly", "--", "./absent"];
    let absent = flowglass(&scratch, &absent).run().expect_code(127);
    assert!(absent.stderr.contains("absent"), "{absent}");
    assert_eq!(histories(&scratch).len(), 4);
}

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[test]
fn validate_and_plan_touch_nothing() {
    let scratch = example("orders");
    let before = scratch.files();
    let valid = flowglass(&scratch, &["validate", "pipeline.yaml"]).run().ok();
    assert_eq!(valid.stdout, "valid: 1 pipeline(s), 7 node(s)\n");
    let json = flowglass(&scratch, &["validate", "pipeline.yaml", "--format", "json"]).run().ok();
    assert!(json.json().is_object() || json.json().is_array());
    let plan = flowglass(&scratch, &["plan", "pipeline.yaml", "--select", "+check_orders"]).run();
    Redact::new().ids().bind(|| insta::assert_snapshot!("plan", plan.ok().stdout));
    let plan = flowglass(&scratch, &["plan", "pipeline.yaml", "--format", "json"]).run().ok();
    assert_eq!(plan.json().as_array().unwrap().len(), 1);
    assert_eq!(scratch.files(), before);
}

#[test]
fn schemas_completions_and_the_version_are_printed() {
    let scratch = Scratch::new();
    for what in ["manifest", "event", "snapshot", "run-report"] {
        let schema = flowglass(&scratch, &["schema", what]).run().ok().json();
        assert!(schema["$schema"].is_string(), "{what}");
    }
    for shell in ["bash", "zsh", "fish"] {
        let script = flowglass(&scratch, &["completions", shell]).run().ok();
        assert!(script.stdout.contains("metrics-export"), "{shell}");
    }
    let script = scratch
        .write("completions.bash", flowglass(&scratch, &["completions", "bash"]).run().ok().stdout);
    let checked = std::process::Command::new("bash").arg("-n").arg(script).status();
    assert!(checked.unwrap().success());
    let version = flowglass(&scratch, &["version"]).run().ok();
    assert_eq!(version.stdout, format!("flowglass {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(version.stdout, flowglass(&scratch, &["--version"]).run().ok().stdout);
    assert_eq!(scratch.files(), ["completions.bash"]);
}

#[test]
fn every_command_explains_itself() {
    let scratch = Scratch::new();
    for command in [
        "",
        "run",
        "validate",
        "plan",
        "doctor",
        "verify",
        "ceiling",
        "serve",
        "pause",
        "resume",
        "stop",
        "resync",
        "dlq",
        "dlq list",
        "dlq show",
        "dlq ack",
        "dlq purge",
        "dlq replay",
        "exec",
        "runs",
        "runs list",
        "runs show",
        "runs events",
        "runs logs",
        "runs export",
        "observability",
        "observability metrics-export",
        "observability slo",
        "observability index",
        "observability verify",
        "schema",
        "generate",
        "generate docs",
        "completions",
        "version",
    ] {
        let words: Vec<&str> = command.split(' ').filter(|it| !it.is_empty()).collect();
        let said = flowglass(&scratch, &[&words[..], &["--help"]].concat()).run().ok();
        let name = if command.is_empty() { "all" } else { command }.replace(' ', "_");
        insta::assert_snapshot!(format!("help_{name}"), said.stdout);
    }
}

#[test]
fn a_report_is_whole_even_when_nobody_reads_the_lines() {
    let scratch = workflow("  nodes: [{ id: one, command: { shell: \"seq 1 20000\" } }]\n");
    let mut command =
        flowglass(&scratch, &["run", "pipeline.yaml", "--format", "ndjson"]).command();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    // The reader goes away at once, as `head` does.
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
    let shown = flowglass(&scratch, &["runs", "show", "latest", "--format", "json"]).run().ok();
    assert_eq!(shown.json()["run"]["state"], "complete");
}
