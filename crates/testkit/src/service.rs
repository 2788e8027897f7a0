//! A server process of somebody else's, started for tests: free port, folder of its own, ready
//! before it is handed out.
//!
//! What differs from one system to the next is a [`Recipe`]; what is the same for all (ports,
//! folders, waiting, killing, cleaning up) is [`Service`]. A new system is one recipe.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use crate::wait::wait_for;
use crate::watchdog::Watchdog;

/// Between asking for a free port and the server's use of it another process may take it; then
/// another is tried.
const PORTS_TRIED_MAX: u32 = 5;

/// How one system is started and how it is seen to be ready.
pub trait Recipe: Send + Sync {
    /// A short word for messages and folder names.
    fn name(&self) -> &'static str;

    /// Fills the empty folder before the first start (configuration, an initial database). Called
    /// once.
    fn prepare(&self, folder: &Path);

    /// The command that runs the server in the foreground on 127.0.0.1 and the given port.
    fn command(&self, folder: &Path, port: u16) -> Command;

    /// Whether it serves. It must be sure that *this* process answers: not another server on the
    /// same port, and not a file that one killed earlier left in the folder.
    fn is_ready(&self, folder: &Path, port: u16, process: u32) -> bool;

    /// The signal that stops it at once but in order, by the name `kill` knows.
    fn stop_signal(&self) -> (&'static str, Signal) {
        ("TERM", Signal::TERM)
    }

    /// How long a start may take on a busy machine.
    fn start_within(&self) -> Duration {
        Duration::from_secs(60)
    }
}

/// A running server. Dropping it, or the end of the test process, stops it and removes its folder.
#[derive(Debug)]
pub struct Service<R: Recipe> {
    recipe: R,
    folder: PathBuf,
    port: u16,
    child: Option<Child>,
    watchdog: Watchdog,
}

impl<R: Recipe> Service<R> {
    /// Starts it and waits until it serves.
    ///
    /// # Panics
    /// When it cannot be started; the message carries the end of its log.
    #[must_use]
    pub fn start(recipe: R) -> Self {
        let folder = new_folder(recipe.name());
        let watchdog = Watchdog::over(&folder, recipe.stop_signal().0);
        recipe.prepare(&folder);
        let mut service = Self { recipe, folder, port: 0, child: None, watchdog };
        for tried in 1..=PORTS_TRIED_MAX {
            service.port = unused_port();
            match service.launch() {
                Ok(()) => break,
                Err(status) if tried == PORTS_TRIED_MAX => service.give_up(&status),
                Err(_) => {}
            }
        }
        service
    }

    /// The port on 127.0.0.1 that it listens to. It stays the same over [`Service::restart`].
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder that holds its data, configuration and log.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The number of its process, while it runs.
    #[must_use]
    pub fn process(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// The recipe that it was started by.
    #[must_use]
    pub fn recipe(&self) -> &R {
        &self.recipe
    }

    /// Kills the server with no chance to say goodbye, as a power cut would.
    pub fn kill(&mut self) {
        self.end(Signal::KILL);
    }

    /// Starts the server again in the same folder and on the same port, after [`Service::kill`] or
    /// while it runs.
    ///
    /// # Panics
    /// When it does not come back.
    pub fn restart(&mut self) {
        self.end(self.recipe.stop_signal().1);
        let state = format!("{} to come back", self.recipe.name());
        // What a killed server leaves behind (children, shared memory) may take a moment to go.
        wait_for(&state, self.recipe.start_within(), || self.launch().ok());
    }

    fn launch(&mut self) -> Result<(), ExitStatus> {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.log_path())
            .expect("cannot write the log of a test service");
        let mut child = self
            .recipe
            .command(&self.folder, self.port)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("cannot share a log file"))
            .stderr(log)
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", self.recipe.name()));
        self.watchdog.guard(Some(child.id()));

        let state = format!(
            "{} to serve on port {} (log: {:?})",
            self.recipe.name(),
            self.port,
            self.log_path()
        );
        let ended = wait_for(&state, self.recipe.start_within(), || match child.try_wait() {
            Ok(Some(status)) => Some(Err(status)),
            _ => self.recipe.is_ready(&self.folder, self.port, child.id()).then_some(Ok(())),
        });
        match ended {
            Ok(()) => self.child = Some(child),
            Err(_) => self.watchdog.guard(None),
        }
        ended
    }

    fn end(&mut self, signal: Signal) {
        let Some(mut child) = self.child.take() else { return };
        let group = Pid::from_child(&child);
        // A group that is gone already is what we want.
        kill_process_group(group, signal).ok();
        let gone = wait_up_to(Duration::from_secs(10), &mut child);
        if !gone {
            kill_process_group(group, Signal::KILL).ok();
            child.wait().ok();
        }
        self.watchdog.guard(None);
    }

    fn log_path(&self) -> PathBuf {
        self.folder.join("server.log")
    }

    fn give_up(&self, status: &ExitStatus) -> ! {
        let log = std::fs::read_to_string(self.log_path()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(20).collect();
        let tail: Vec<&str> = lines.into_iter().rev().collect();
        panic!("{} ended at its start with {status}:\n{}", self.recipe.name(), tail.join("\n"));
    }
}

impl<R: Recipe> Drop for Service<R> {
    fn drop(&mut self) {
        self.end(self.recipe.stop_signal().1);
    }
}

/// A port that nobody listens to just now.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn unused_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .expect("no free port on 127.0.0.1")
        .port()
}

/// A new folder whose parents anybody may pass through, since some servers refuse to run as root.
fn new_folder(name: &str) -> PathBuf {
    let folder = tempfile::Builder::new()
        .prefix(&format!("flowglass-{name}-"))
        .tempdir()
        .expect("cannot make a temporary folder")
        // From here on the watchdog removes it, which also works when this process is killed.
        .keep();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755))
        .expect("cannot open a temporary folder to others");
    folder
}

/// Whether the child ended in time.
fn wait_up_to(limit: Duration, child: &mut Child) -> bool {
    let start = crate::wait::now();
    while start.elapsed() < limit {
        if !matches!(child.try_wait(), Ok(None)) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    false
}
