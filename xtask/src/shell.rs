//! Running other programs: quietly, in full view, or line by line.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::{repo, say};

/// A command that reads nothing, in the root of the repository.
pub(crate) fn quiet(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).current_dir(repo::root());
    command
}

/// The same Cargo that runs us. In continuous integration the lock file is law.
pub(crate) fn cargo(args: &[&str]) -> Command {
    let mut command = quiet(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args);
    let obeys_lock = !matches!(args.first(), Some(&("fmt" | "fuzz")));
    if obeys_lock && std::env::var_os("CI").is_some() {
        command.arg("--locked");
    }
    command
}

/// Standard output of a command that must succeed.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let out = command.output().with_context(|| format!("cannot start {}", name(command)))?;
    if !out.status.success() {
        bail!(
            "{} ended with {}: {}",
            name(command),
            out.status,
            String::from_utf8_lossy(&out.stderr).trim()
        );
    }
    String::from_utf8(out.stdout)
        .with_context(|| format!("{} printed something that is not text", name(command)))
}

/// Runs in full view; whether it succeeded.
pub(crate) fn show(command: &mut Command) -> Result<bool> {
    Ok(command.status().with_context(|| format!("cannot start {}", name(command)))?.success())
}

/// Runs in full view, and hands over each line of standard output as well; whether it succeeded.
pub(crate) fn watch(command: &mut Command, mut each: impl FnMut(&str)) -> Result<bool> {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", name(command)))?;
    if let Some(pipe) = child.stdout.take() {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        // Bytes and not text: a test may print anything.
        while pipe.read_until(b'\n', &mut line)? > 0 {
            let text = String::from_utf8_lossy(&line);
            say::print(&text);
            each(text.trim_end());
            line.clear();
        }
    }
    Ok(child.wait()?.success())
}

/// Whether a command can be started and succeeds, with nothing shown.
pub(crate) fn works(program: &str, args: &[&str]) -> bool {
    quiet(program)
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Where a program is: on `PATH`, or where Debian keeps those of the administrator.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}

fn name(command: &Command) -> String {
    Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned()
}
