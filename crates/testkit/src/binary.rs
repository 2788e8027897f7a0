//! Running the built `flowglass` as a person or a script would: arguments in, exit code and two
//! streams out.
//!
//! The environment is emptied first, since a variable of whoever runs the tests (`NO_COLOR`,
//! `FLOWGLASS_…`, a `TRACEPARENT`) would change what is printed. A run that hangs is killed and is
//! a failure.

use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use crate::wait::now;

/// Variables that programs need in order to run at all.
const KEPT: [&str; 4] = ["PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH"];

/// A call of the binary in the making.
#[derive(Clone, Debug)]
pub struct Flowglass {
    binary: PathBuf,
    args: Vec<OsString>,
    envs: Vec<(OsString, OsString)>,
    folder: Option<PathBuf>,
    stdin: Vec<u8>,
    limit: Duration,
}

impl Flowglass {
    /// Of this binary: in a test of the `flowglass` package, `env!("CARGO_BIN_EXE_flowglass")`.
    #[must_use]
    pub fn new(binary: impl AsRef<Path>) -> Self {
        let binary = binary.as_ref().to_owned();
        let limit = Duration::from_secs(120);
        Self { binary, args: Vec::new(), envs: Vec::new(), folder: None, stdin: Vec::new(), limit }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.envs.push((key.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Runs it in this folder.
    #[must_use]
    pub fn current_dir(mut self, folder: impl AsRef<Path>) -> Self {
        self.folder = Some(folder.as_ref().to_owned());
        self
    }

    /// Gives it this on standard input, which is empty otherwise.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// After this long (two minutes unless said) it is killed and the test fails.
    #[must_use]
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// The command, for callers that start it themselves, such as [`crate::Victim`].
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(&self.args).env_clear();
        command.envs(KEPT.iter().filter_map(|key| Some((key, std::env::var_os(key)?))));
        command.envs(self.envs.iter().map(|(key, value)| (key, value)));
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        command
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// When it cannot be started or does not end in time.
    #[track_caller]
    pub fn run(&self) -> Said {
        let mut child = self
            .command()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", self.binary.display()));
        let group = Pid::from_child(&child);
        let mut input = child.stdin.take().expect("the input was asked for");
        let text = self.stdin.clone();
        // A child that does not read its input must not block us; that it closed the pipe is no
        // failure of the test.
        let writer = std::thread::spawn(move || input.write_all(&text).ok());
        let stdout = drain(child.stdout.take().expect("the output was asked for"));
        let stderr = drain(child.stderr.take().expect("the output was asked for"));

        let start = now();
        let mut late = false;
        let status = loop {
            match child.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) => {}
                Err(error) => panic!("cannot wait for {}: {error}", self.binary.display()),
            }
            if !late && start.elapsed() > self.limit {
                late = true;
                kill_process_group(group, Signal::KILL).ok();
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        writer.join().expect("writing to a child does not panic");
        let said = Said {
            args: self.args.clone(),
            status,
            stdout: text_of(stdout),
            stderr: text_of(stderr),
        };
        assert!(!late, "killed after {:?}\n{said}", self.limit);
        said
    }
}

/// What one call of the binary said and how it ended.
#[derive(Clone, Debug)]
pub struct Said {
    args: Vec<OsString>,
    status: ExitStatus,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Said {
    /// The exit code; `None` when a signal ended it.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// The signal that ended it, if one did.
    #[must_use]
    pub fn signal(&self) -> Option<i32> {
        self.status.signal()
    }

    /// Holds it to an exit code.
    ///
    /// # Panics
    /// When it was another; the message shows both streams.
    #[track_caller]
    #[must_use]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code(), Some(code), "another exit code was expected\n{self}");
        self
    }

    /// Holds it to exit code 0.
    ///
    /// # Panics
    /// As [`Said::expect_code`].
    #[track_caller]
    #[must_use]
    pub fn ok(self) -> Self {
        self.expect_code(0)
    }

    /// Standard output as one JSON document.
    ///
    /// # Panics
    /// When it is not strict JSON, or more than one document.
    #[track_caller]
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("not JSON: {error}\n{self}"))
    }

    /// Standard output as one JSON document a line.
    ///
    /// # Panics
    /// When a line is not strict JSON.
    #[track_caller]
    #[must_use]
    pub fn ndjson(&self) -> Vec<serde_json::Value> {
        let parse = |line| {
            serde_json::from_str(line)
                .unwrap_or_else(|error| panic!("not JSON: {error}: {line}\n{self}"))
        };
        self.stdout.lines().map(parse).collect()
    }
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let args: Vec<_> = self.args.iter().map(|arg| arg.to_string_lossy()).collect();
        writeln!(f, "flowglass {} ended with {}", args.join(" "), self.status)?;
        writeln!(f, "--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr)
    }
}

fn drain(mut pipe: impl Read + Send + 'static) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read before an error is still worth showing.
        pipe.read_to_end(&mut bytes).ok();
        bytes
    })
}

fn text_of(pipe: std::thread::JoinHandle<Vec<u8>>) -> String {
    String::from_utf8_lossy(&pipe.join().expect("reading from a child does not panic")).into_owned()
}
