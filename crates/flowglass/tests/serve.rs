//! `flowglass serve` as it is started, asked, changed, killed and stopped: the real binary on a free
//! port.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ExitStatus, Stdio};
use std::time::Duration;

use flowglass_testkit::{Scratch, wait_for};
use serde_json::{Value, json};

use crate::support::flowglass;

const PATIENCE: Duration = Duration::from_secs(60);

const STREAM: &str = "apiVersion: flowglass/v1\nkind: Stream\nmetadata: { name: made-up, labels: { team: data } }\n\
    spec:\n  source: { type: generator, config: { rate: 200 } }\n  sinks:\n    \
    - { type: files, config: { id: lines, folder: out } }\n";

/// A workflow of one command.
fn workflow(name: &str, command: &str) -> String {
    format!(
        "apiVersion: flowglass/v1\nkind: Workflow\nmetadata: {{ name: {name} }}\nspec:\n  \
         nodes: [{{ id: only, command: [\"sh\", \"-c\", \"{command}\"] }}]\n"
    )
}

/// A server that runs. It is killed when it is dropped.
struct Serve {
    child: Child,
    address: String,
}

/// An answer: status, head and body.
struct Said {
    status: u16,
    head: String,
    body: String,
}

impl Said {
    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.body))
    }

    fn etag(&self) -> String {
        let line = self.head.lines().find(|it| it.starts_with("etag: ")).expect("a tag");
        line.trim_start_matches("etag: ").to_owned()
    }
}

impl Serve {
    fn start(scratch: &Scratch, more: &[&str]) -> Self {
        let args = [&["serve", "--listen", "127.0.0.1:0", "--config", "pipelines"], more].concat();
        let mut command = flowglass(scratch, &args).env("LOG_FORMAT", "json").command();
        let log =
            std::fs::File::options().create(true).append(true).open(scratch.path("serve.log"));
        let log = log.expect("a log");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().expect("the binary starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("it was asked for");
        BufReader::new(stdout).read_line(&mut line).expect("it says where it listens");
        let address = line.trim().rsplit('/').next().expect("an address").to_owned();
        let serve = Self { child, address };
        wait_for("everything is started", PATIENCE, || {
            (serve.get("/startup").status == 200).then_some(())
        });
        serve
    }

    fn ask(&self, head: &str, body: &str) -> Said {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let (length, address) = (body.len(), &self.address);
        let request = format!(
            "{head}\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("it answers");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        let status = head.get(9..12).and_then(|it| it.parse().ok()).expect("a status");
        Said { status, head: head.to_owned(), body: body.to_owned() }
    }

    fn get(&self, path: &str) -> Said {
        self.ask(&format!("GET {path} HTTP/1.1"), "")
    }

    fn post(&self, path: &str, body: &str) -> Said {
        self.ask(&format!("POST {path} HTTP/1.1"), body)
    }

    fn pipeline(&self, name: &str) -> Value {
        self.get(&format!("/api/v1/pipelines/{name}")).json()
    }

    #[track_caller]
    fn wait_for_state(&self, name: &str, state: &str) -> Value {
        wait_for(&format!("{name} is {state}"), PATIENCE, || {
            let view = self.pipeline(name);
            (view["state"] == state).then_some(view)
        })
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = std::process::Command::new("kill").args([name, &id]).status();
        assert!(sent.expect("kill is there").success());
    }

    fn ended(mut self) -> ExitStatus {
        wait_for("the server ends", PATIENCE, || self.child.try_wait().expect("it is ours"))
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// What the server logged under this event.
fn logged(scratch: &Scratch, event: &str) -> Vec<Value> {
    let lines = scratch.read("serve.log");
    let notes = lines.lines().map(|it| serde_json::from_str::<Value>(it).expect(it));
    notes.filter(|it| it["event"] == event).collect()
}

#[test]
fn a_stream_and_a_workflow_run_are_seen_and_drain_at_the_end() {
    let scratch = Scratch::project(&[
        ("pipelines/stream.yaml", STREAM),
        ("pipelines/below/hello.yaml", &workflow("hello", "echo hello")),
        ("pipelines/other-program.yaml", "services: {}\n"),
    ]);
    let serve = Serve::start(&scratch, &[]);
    let stream = serve.wait_for_state("made-up", "running");
    assert_eq!((&stream["kind"], &stream["labels"]["team"]), (&json!("stream"), &json!("data")));
    wait_for("rows are delivered", PATIENCE, || {
        let stream = &serve.pipeline("made-up")["stream"];
        let delivered = stream["sinks"][0]["delivered_rows"].as_u64().unwrap_or(0);
        (stream["live"] == true && delivered > 0).then_some(())
    });
    assert_eq!(serve.pipeline("hello")["state"], "idle");

    // A run is seen by a page that is open within a second of its start.
    let mut feed = TcpStream::connect(&serve.address).expect("it listens");
    feed.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let head = format!("GET /api/v1/feed HTTP/1.1\r\nHost: {}\r\n\r\n", serve.address);
    feed.write_all(head.as_bytes()).expect("it reads");
    let mut feed = BufReader::new(feed);
    let mut read_until = |wanted: &str| loop {
        let mut line = String::new();
        assert!(feed.read_line(&mut line).expect("it goes on") > 0, "the feed ended");
        if line.contains(wanted) {
            return;
        }
    };
    read_until("connected");
    // The stream moves.
    read_until("event: pipeline");
    let started = serve.post("/api/v1/pipelines/hello/run", "");
    assert_eq!(started.status, 202, "{}", started.body);
    let run = started.json()["run_id"].as_str().expect("a run").to_owned();
    let asked = stopwatch();
    read_until(&run);
    assert!(asked() < Duration::from_secs(1), "it took {:?}", asked());
    let ended = serve.get(&format!("/api/v1/runs/{run}/stream")).body;
    assert!(ended.contains("event: end") && ended.contains("\"state\":\"complete\""), "{ended}");
    let logs = serve.get(&format!("/api/v1/runs/{run}/logs?q=hello")).json();
    assert_eq!(logs["items"][0]["log"]["text"], "hello");

    let page = serve.get("/metrics").body;
    assert!(page.contains("http_requests_total{method=\"POST\""), "{page}");
    assert!(page.contains("flowglass_source_events_total{"), "{page}");
    serve.signal("-TERM");
    assert_eq!(serve.ended().code(), Some(0));
    let draining = logged(&scratch, "draining");
    assert_eq!(draining.len(), 1);
    // The stream has delivered all that it had read.
    let runs = flowglass(&scratch, &["runs", "list", "--format", "ndjson", "--all"]).run().ok();
    let states: Vec<_> = runs.ndjson().iter().map(|it| it["state"].clone()).collect();
    assert_eq!(states, ["complete", "complete"]);
}

/// A clock that begins now.
fn stopwatch() -> impl Fn() -> Duration {
    use flowglass_connect::{Clock, SystemClock};
    let clock = SystemClock::new();
    move || clock.monotonic()
}

#[test]
fn manifests_are_read_again_and_a_broken_one_keeps_the_old() {
    let scratch = Scratch::project(&[("pipelines/a.yaml", &workflow("a", "true"))]);
    let serve = Serve::start(&scratch, &[]);
    let first = serve.get("/api/v1/pipelines/a").etag();
    scratch.write("pipelines/b.yaml", workflow("b", "true"));
    wait_for("b is there", PATIENCE, || {
        (serve.get("/api/v1/pipelines/b").status == 200).then_some(())
    });
    scratch.write("pipelines/a.yaml", workflow("a", "true").replace("nodes", "nods"));
    serve.signal("-HUP");
    wait_for("the broken file is told of", PATIENCE, || {
        let told = logged(&scratch, "manifest_refused");
        told.last().map(|it| assert!(it["why"].as_str().unwrap_or_default().contains("nods")))
    });
    assert_eq!(serve.get("/api/v1/pipelines/a").etag(), first);
    let attention = serve.get("/api/v1/overview").json()["attention"].clone();
    assert_eq!(attention[0]["kind"], "manifest_refused", "{attention}");
    scratch.write("pipelines/a.yaml", workflow("a", "false"));
    wait_for("the new a is there", PATIENCE, || {
        (serve.get("/api/v1/pipelines/a").etag() != first).then_some(())
    });
    std::fs::remove_file(scratch.path("pipelines/b.yaml")).expect("it was there");
    wait_for("b is gone", PATIENCE, || {
        (serve.get("/api/v1/pipelines/b").status == 404).then_some(())
    });
}

#[test]
fn a_killed_server_takes_up_what_it_ran_and_leaves_alone_what_was_stopped() {
    let slow = workflow("slow", "touch begun; while [ ! -e go ]; do sleep 0.05; done");
    let other = STREAM.replace("made-up", "other").replace("folder: out", "folder: out2");
    let scratch = Scratch::project(&[
        ("pipelines/slow.yaml", &slow),
        ("pipelines/stream.yaml", STREAM),
        ("pipelines/other.yaml", &other),
    ]);
    let serve = Serve::start(&scratch, &[]);
    serve.wait_for_state("made-up", "running");
    assert_eq!(serve.post("/api/v1/pipelines/other/stop", "").status, 202);
    serve.wait_for_state("other", "stopped");
    assert_eq!(serve.post("/api/v1/pipelines/slow/run", "").status, 202);
    wait_for("the command runs", PATIENCE, || {
        scratch.path("pipelines/begun").exists().then_some(())
    });
    drop(serve);
    std::fs::write(scratch.path("pipelines/go"), "").expect("it can be written");
    let serve = Serve::start(&scratch, &[]);
    serve.wait_for_state("made-up", "running");
    wait_for("slow has completed", PATIENCE, || {
        let runs = serve.get("/api/v1/runs?pipeline=slow").json();
        (runs["items"][0]["state"] == "complete").then_some(())
    });
    let runs = serve.get("/api/v1/runs?pipeline=slow").json();
    assert_eq!(runs["items"][1]["reason"], "lost", "{runs}");
    assert_eq!(runs["items"][0]["parent_run_id"], runs["items"][1]["run_id"]);
    assert_eq!(serve.pipeline("other")["state"], "stopped");
    assert_eq!(serve.post("/api/v1/pipelines/other/start", "").status, 202);
    serve.wait_for_state("other", "running");
}

#[test]
fn a_pipeline_is_made_changed_and_removed_by_http() {
    let scratch = Scratch::project(&[("pipelines/a.yaml", &workflow("a", "true"))]);
    let serve = Serve::start(&scratch, &[]);
    let manifest = json!({
        "apiVersion": "flowglass/v1", "kind": "Workflow", "metadata": { "name": "made" },
        "spec": { "nodes": [{ "id": "only", "command": ["true"] }] },
    });
    let made = serve.post("/api/v1/pipelines", &manifest.to_string());
    assert_eq!(made.status, 201, "{}", made.body);
    assert_eq!(made.json()["source"], "api");
    assert_eq!(serve.post("/api/v1/pipelines", &manifest.to_string()).status, 409);
    let broken = serve.post("/api/v1/pipelines", "apiVersion: flowglass/v1\nkind: Nothing\n");
    assert_eq!(broken.status, 422, "{}", broken.body);
    let patch = json!({ "metadata": { "labels": { "team": "x" } } }).to_string();
    let ask = |version: &str, body: &str| {
        let head = format!("PATCH /api/v1/pipelines/made HTTP/1.1\r\nIf-Match: {version}");
        serve.ask(&head, body)
    };
    assert_eq!(ask("\"sha256:other\"", &patch).status, 412);
    let changed = ask(&made.etag(), &patch);
    assert_eq!((changed.status, &changed.json()["labels"]["team"]), (200, &json!("x")));
    let theirs = serve.ask("DELETE /api/v1/pipelines/a HTTP/1.1\r\nIf-Match: *", "");
    assert_eq!(theirs.status, 409);
    let gone = serve.ask("DELETE /api/v1/pipelines/made HTTP/1.1\r\nIf-Match: *", "");
    assert_eq!((gone.status, gone.body.as_str()), (204, ""));
    assert_eq!(serve.get("/api/v1/pipelines/made").status, 404);
    let who: Vec<_> = logged(&scratch, "audit").iter().map(|it| it["action"].clone()).collect();
    assert_eq!(who, ["create", "create", "create", "patch", "patch", "delete", "delete"]);
}

#[test]
fn a_schedule_starts_runs_by_itself() {
    let manifest =
        workflow("often", "true").replace("spec:\n", "spec:\n  schedule: \"* * * * * *\"\n");
    let scratch = Scratch::project(&[("pipelines/often.yaml", &manifest)]);
    let serve = Serve::start(&scratch, &["--keep", "365d", "--keep-bytes", "10GiB"]);
    wait_for("two runs", PATIENCE, || {
        let runs = serve.get("/api/v1/runs?state=complete").json();
        (runs["total"].as_u64() >= Some(2)).then_some(())
    });
    assert!(serve.pipeline("often")["schedule"]["next_at"].is_string());
}

#[test]
fn a_server_that_cannot_be_used_says_why_and_starts_nothing() {
    let scratch = Scratch::project(&[("pipelines/a.yaml", &workflow("a", "true"))]);
    let said = |args: &[&str], variable: (&str, &str)| {
        let args = [&["serve"], args].concat();
        let said = flowglass(&scratch, &args).env(variable.0, variable.1).run();
        said.expect_code(2).stderr
    };
    assert!(said(&[], ("LOG_LEVEL", "loud")).contains("LOG_LEVEL"));
    assert!(said(&[], ("FLOWGLASS_DB_HOST", "db")).contains("FLOWGLASS_DB_PORT"));
    assert!(said(&["--config", "nowhere"], ("A", "b")).contains("no folder"));
    assert!(said(&["--listen", "0.0.0.0:0"], ("A", "b")).contains("--tokens"));
    scratch.write("tokens", "ana admin short");
    assert!(said(&["--tokens", "tokens"], ("A", "b")).contains("line 1"));
}
