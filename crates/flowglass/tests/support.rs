//! What the tests of whole commands share: the binary in a scratch folder, and readers that are not
//! ours of what it wrote.

use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use flowglass_testkit::{Flowglass, Scratch, sqlite3, wait_for};

const PATIENCE: Duration = Duration::from_secs(30);

/// The binary in this folder, with its store in `.flowglass` there.
pub(crate) fn flowglass(scratch: &Scratch, args: &[&str]) -> Flowglass {
    Flowglass::new(env!("CARGO_BIN_EXE_flowglass")).args(args).current_dir(scratch.folder())
}

/// What the SQLite shell says to a statement: a line per row, columns joined by `|`.
#[track_caller]
pub(crate) fn sqlite(path: &Path, sql: &str) -> Vec<String> {
    let output = Command::new(sqlite3())
        .args(["-bail", "-nullvalue", "NULL"])
        .arg(path)
        .arg(sql)
        .output()
        .expect("the shell starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {sql}: {said}", path.display());
    String::from_utf8_lossy(&output.stdout).lines().map(ToOwned::to_owned).collect()
}

/// Does asynchronous work, such as talking to Postgres, to its end.
pub(crate) fn wait<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(work)
}

/// Every event of every run in the default store, oldest run first, each run's own in order.
#[track_caller]
pub(crate) fn histories(scratch: &Scratch) -> Vec<Vec<serde_json::Value>> {
    let listed = flowglass(scratch, &["runs", "list", "--all", "--format", "ndjson"]).run().ok();
    let mut runs: Vec<String> = listed
        .ndjson()
        .iter()
        .map(|it| it["run_id"].as_str().expect("a run has an id").to_owned())
        .collect();
    // The ids are UUIDv7, which sort by time.
    runs.sort();
    let events = |run: &String| {
        flowglass(scratch, &["runs", "events", run, "--format", "ndjson"]).run().ok().ndjson()
    };
    runs.iter().map(events).collect()
}

/// A stream that runs in the background. It is killed when it is dropped.
pub(crate) struct Stream {
    child: Option<Child>,
}

impl Stream {
    /// Starts it with these variables.
    pub(crate) fn start(scratch: &Scratch, manifest: &str, variables: &[(&str, &str)]) -> Self {
        Self::with(scratch, &["run", manifest], variables)
    }

    /// The same with arguments of one's own.
    pub(crate) fn with(scratch: &Scratch, args: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut flowglass = flowglass(scratch, args);
        for (name, value) in variables {
            flowglass = flowglass.env(name, value);
        }
        let mut command = flowglass.command();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self { child: Some(command.spawn().expect("the binary starts")) }
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.as_ref().expect("it was not ended").id()
    }

    /// Waits until the stream has so many open dead letters.
    pub(crate) fn wait_for_letters(&self, scratch: &Scratch, name: &str, count: u64) {
        wait_for(&format!("{count} dead letters"), PATIENCE, || {
            let args = ["dlq", "list", name, "--format", "json"];
            let said = flowglass(scratch, &args).run();
            (said.code() == Some(0) && said.json()["open"] == count).then_some(())
        });
    }

    /// Kills it at once.
    pub(crate) fn kill(self) {
        drop(self);
    }

    /// Waits for its end.
    pub(crate) fn ended(mut self) -> ExitStatus {
        let mut child = self.child.take().expect("it was not ended");
        wait_for("the stream ends", PATIENCE, || child.try_wait().expect("it can be waited for"))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // One that has ended already cannot be killed, and is as good.
            child.kill().ok();
            child.wait().ok();
        }
    }
}
