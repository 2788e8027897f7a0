//! What the benchmarks share: arguments, a folder that goes away, and the ways to start programs.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::args::Args;
use crate::data;
use crate::measure::{Used, output};
use crate::say;
use crate::verdict::Verdicts;

/// One session of benchmarks.
pub(crate) struct Bench {
    /// What was asked for.
    pub(crate) args: Args,
    /// What was found so far.
    pub(crate) verdicts: Verdicts,
    folder: TempDir,
}

impl Bench {
    /// A session with a folder of its own beside the build, which is on a real disk where the
    /// folder for temporary files may be memory.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub(crate) fn new(args: Args) -> Result<Self> {
        let beside = args.flowglass.parent().unwrap_or(Path::new("."));
        let folder = tempfile::Builder::new().prefix("flowglass-bench-").tempdir_in(beside)?;
        Ok(Self { args, verdicts: Verdicts::default(), folder })
    }

    /// A path in the session's folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The table as CSV; made once.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn csv(&self) -> Result<PathBuf> {
        let path = self.path("orders.csv");
        if !path.exists() {
            say::talk(&format!("making {} rows of CSV", self.args.rows));
            data::write_csv(&path, self.args.rows)?;
        }
        Ok(path)
    }

    /// `flowglass` in the session's folder, with a store of its own.
    pub(crate) fn flowglass(&self) -> Command {
        let mut flowglass = Command::new(&self.args.flowglass);
        flowglass.current_dir(self.folder.path()).env("FLOWGLASS_STORE", self.path("store.db"));
        flowglass
    }

    /// `flowglass run` of this one node (`- id: …`, indented by four), with the report as output.
    ///
    /// # Errors
    /// When the manifest cannot be written.
    pub(crate) fn workflow(&self, name: &str, spec: &str) -> Result<Command> {
        let path = self.path(&format!("{name}.yaml"));
        let text = format!(
            "apiVersion: flowglass/v1\nkind: Workflow\nmetadata: {{ name: {name} }}\nspec:\n{spec}"
        );
        std::fs::write(&path, text).context("writing a manifest")?;
        let mut run = self.flowglass();
        run.args(["run", "--format", "json"]).arg(path);
        Ok(run)
    }

    /// A peer's script with Python.
    pub(crate) fn python(&self, script: &str) -> Command {
        let mut python = Command::new(&self.args.python);
        python.current_dir(self.folder.path()).args(["-c", script]);
        python
    }

    /// The answer of DuckDB to a query, as text: an independent reader of what was written.
    ///
    /// # Errors
    /// DuckDB's words.
    pub(crate) fn duckdb_row(&self, query: &str) -> Result<String> {
        Ok(output(self.python(DUCKDB).args([query, "--row"]))?.trim().to_owned())
    }
}

/// Runs one statement with DuckDB.
pub(crate) const DUCKDB: &str = include_str!("peers/duckdb.py");

/// The figures of a peer whose script measures its work itself: its start and its imports do not
/// count against it.
///
/// # Errors
/// When the script printed something else than seconds.
pub(crate) fn self_timed((used, said): (Used, String)) -> Result<Used> {
    let last = said.lines().last().unwrap_or_default();
    let seconds: f64 = last.trim().parse().with_context(|| format!("no seconds in `{last}`"))?;
    Ok(Used { wall: Duration::from_secs_f64(seconds), ..used })
}

/// Removes a file that an earlier round may have left.
pub(crate) fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// Refuses figures of a copy that did not arrive whole.
pub(crate) fn same(what: &str, got: &str, expected: &str) -> Result<()> {
    ensure!(got.trim() == expected.trim(), "{what}: the target holds {got}, not {expected}");
    Ok(())
}
