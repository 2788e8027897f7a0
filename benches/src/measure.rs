//! Runs one process and reads what it took: wall time, CPU seconds of it and of all it waited for,
//! and the largest memory of any of them.
//!
//! The kernel's own accounting (`wait4`) is read, so that nothing is sampled and nothing is missed.
//! It counts from before `exec`, which is why this program stays small: whatever it held would be
//! the floor of every figure of memory.

use std::fs::File;
use std::io::{Read, Seek};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use wait4::Wait4;

/// What one run took.
#[derive(Debug, Clone, Default)]
pub(crate) struct Used {
    /// From start to end, or what the program itself measured where that is fairer to it.
    pub(crate) wall: Duration,
    /// User and system time of the process and its children.
    pub(crate) cpu: Duration,
    /// The same of the database server's backends, where there is one.
    pub(crate) server_cpu: Duration,
    /// Largest resident memory of any one process.
    pub(crate) peak_bytes: u64,
}

/// Runs the command to its end and measures it; the answer also has its standard output.
///
/// # Errors
/// When it cannot be started or does not succeed; then with the end of what it said.
pub(crate) fn run(command: &mut Command) -> Result<(Used, String)> {
    let mut errors = tempfile::tempfile().context("making a file for what a program says")?;
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors.try_clone()?);
    let since = now();
    let mut child = command.spawn().with_context(|| format!("starting {command:?}"))?;
    let mut said = String::new();
    if let Some(mut stdout) = child.stdout.take() {
        stdout.read_to_string(&mut said).context("reading what a program printed")?;
    }
    let ended = child.wait4().context("waiting for a program")?;
    let wall = since.elapsed();
    if !ended.status.success() {
        bail!("{command:?} ended with {}:\n{}", ended.status, tail(&mut errors));
    }
    let cpu = ended.rusage.utime + ended.rusage.stime;
    let used = Used { wall, cpu, server_cpu: Duration::ZERO, peak_bytes: ended.rusage.maxrss };
    Ok((used, said))
}

/// Runs a program for its output only.
///
/// # Errors
/// As [`run`].
pub(crate) fn output(command: &mut Command) -> Result<String> {
    Ok(run(command)?.1)
}

/// The instant of now: benchmarks measure real time.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

fn tail(file: &mut File) -> String {
    let mut text = Vec::new();
    // Without its words the failure is still told.
    if file.rewind().and_then(|()| file.read_to_end(&mut text)).is_err() {
        return String::new();
    }
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().rev().take(20).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}
