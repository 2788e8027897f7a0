//! `runs export`: everything that is known of a run, as files with checksums.
//!
//! Each file is written aside and renamed when all are whole; the metric files follow, made from the
//! report that was just written, and the index over all of them comes last, so that a folder with a
//! fitting index is a whole bundle. Events are copied to the byte as they were stored, a part at a
//! time: a long run needs no more memory than a short one. Every time in the bundle is the run's own,
//! so that two exports of one run to one folder are the same to the byte.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use flowglass_connect::{Clock, SystemClock};
use flowglass_model::{RunId, RunReport, Snapshot};
use flowglass_store::Reader;
use flowglass_telemetry::evidence::{FolderIndex, index_folder};
use flowglass_telemetry::problem::{Code, Problem, Severity};
use tempfile::NamedTempFile;

use super::Format;
use super::html::write_page;
use super::logs::LogRecord;
use super::pick::pick;
use crate::commands::observability::metric_files;
use crate::console;
use crate::exit::Exit;
use crate::words;

/// The run report in a bundle, from which its metric files are made.
const REPORT_FILE: &str = "report.json";

/// Events of one part that is read and written.
const PART_EVENTS_MAX: usize = 1024;

/// Write a run's evidence: events, report, snapshot, log lines, metrics, and their checksums; or one
/// page to look at without a server.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    flowglass runs export latest --output-dir evidence\n  \
    flowglass observability verify evidence\n  \
    flowglass runs export latest --html --output run.html")]
pub(super) struct ExportArgs {
    /// The run: its id, a beginning of it that no other run has, or `latest`.
    run: String,
    /// The folder to write to; it is made when it is not there.
    #[arg(long, short, value_name = "DIR", required_unless_present = "html")]
    output_dir: Option<PathBuf>,
    /// Write one page that holds the run and needs no server.
    #[arg(long)]
    html: bool,
    /// The page's file; without it `run-RUN.html` here.
    #[arg(long, value_name = "FILE", requires = "html")]
    output: Option<PathBuf>,
    /// How to say what was written; `json` and `ndjson` print the index.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

pub(super) fn run(reader: &Reader, args: &ExportArgs) -> anyhow::Result<Exit> {
    let run = match pick(reader, &args.run)? {
        Ok(run) => run,
        Err(exit) => return Ok(exit),
    };
    if args.html {
        let (place, bytes) = write_page(reader, run, args.output.as_deref())?;
        let (place, kib) = (place.display(), bytes / 1024);
        console::out(&format!("run {run}: one page of {kib} KiB in {place}\n"))?;
    }
    let Some(folder) = &args.output_dir else { return Ok(Exit::Done) };
    let bundled = write_bundle(reader, run, folder)?;
    match args.format {
        Format::Json => console::out(&bundled.index.to_json())?,
        Format::Ndjson => console::out(&format!("{}\n", serde_json::to_string(&bundled.index)?))?,
        Format::Text => {
            let events = words::number(Some(bundled.events));
            let (files, folder) = (bundled.index.total_artifacts, folder.display());
            console::out(&format!(
                "run {run}: {events} events, {files} files with checksums in {folder}\n\
                 prove them untouched with `flowglass observability verify {folder}`\n"
            ))?;
        }
    }
    Ok(if bundled.say_problems() { Exit::Failed } else { Exit::Done })
}

/// What a bundle came to.
pub(crate) struct Bundled {
    /// Events of the run.
    events: u64,
    index: FolderIndex,
    /// What the metric files could not hold.
    unmeasured: Vec<Problem>,
}

impl Bundled {
    /// Says what is wrong with the bundle; true when it is not whole.
    pub(crate) fn say_problems(&self) -> bool {
        // The report of a failed run says that it did not pass, and the index rightly repeats it; the
        // evidence is whole all the same.
        let told = self.index.problems.iter().filter(|it| it.code != Code::ArtifactNotPassed);
        let mut blocked = false;
        for problem in self.unmeasured.iter().chain(told) {
            blocked |= problem.severity == Severity::Blocker;
            let source = problem.source.as_deref().unwrap_or("bundle");
            let said = format!("{}: {source}: {}", problem.code.text(), problem.message);
            console::say(&words::printable(&said));
        }
        blocked
    }
}

/// Writes the bundle of a run, the index last.
///
/// # Errors
/// What cannot be read or written, by name.
pub(crate) fn write_bundle(reader: &Reader, run: RunId, folder: &Path) -> anyhow::Result<Bundled> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("making the folder {}", folder.display()))?;
    let mut bundle = Bundle { folder, files: Vec::new() };
    let snapshot = bundle.events_and_logs(reader, run)?;
    bundle.json("snapshot.json", &snapshot)?;
    bundle.json(REPORT_FILE, &RunReport::of(&snapshot))?;
    bundle.publish()?;
    let time = snapshot.run.last_event_at.unwrap_or_else(|| SystemClock::new().now());
    let unmeasured = metric_files(REPORT_FILE, folder, time);
    let index = index_folder(folder, None, time, false);
    Ok(Bundled { events: snapshot.run.last_seq, index, unmeasured })
}

/// A file that is to be named when it is whole.
pub(super) fn aside(folder: &Path) -> std::io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".flowglass-").suffix(".tmp");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As the process's umask says: evidence is there for others to read.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder)
}

/// Files of a bundle, written aside.
struct Bundle<'a> {
    folder: &'a Path,
    files: Vec<(NamedTempFile, PathBuf)>,
}

impl Bundle<'_> {
    fn aside(&self, name: &str) -> anyhow::Result<(NamedTempFile, PathBuf)> {
        let place = self.folder.join(name);
        anyhow::ensure!(!place.is_dir(), "{} is a folder: move it away", place.display());
        let file = aside(self.folder).with_context(|| format!("writing {}", place.display()))?;
        Ok((file, place))
    }

    /// Writes both files in one reading, and folds the snapshot from the same events.
    fn events_and_logs(&mut self, reader: &Reader, run: RunId) -> anyhow::Result<Snapshot> {
        let (events, events_place) = self.aside("events.jsonl")?;
        let (logs, logs_place) = self.aside("logs.ndjson")?;
        let mut snapshot = Snapshot::default();
        {
            let mut to_events = BufWriter::new(&events);
            let mut to_logs = BufWriter::new(&logs);
            loop {
                let lines = reader.lines(run, snapshot.run.last_seq, PART_EVENTS_MAX)?;
                if lines.is_empty() {
                    break;
                }
                for line in &lines {
                    writeln!(to_events, "{}", line.line).context("writing events.jsonl")?;
                    let event = line.event()?;
                    snapshot.apply(&event)?;
                    if let Some(record) = LogRecord::of(&event) {
                        let record = serde_json::to_string(&record)?;
                        writeln!(to_logs, "{record}").context("writing logs.ndjson")?;
                    }
                }
            }
            to_events.flush().context("writing events.jsonl")?;
            to_logs.flush().context("writing logs.ndjson")?;
        }
        self.files.push((events, events_place));
        self.files.push((logs, logs_place));
        Ok(snapshot)
    }

    fn json(&mut self, name: &str, value: &impl serde::Serialize) -> anyhow::Result<()> {
        let (file, place) = self.aside(name)?;
        let mut to = BufWriter::new(&file);
        serde_json::to_writer_pretty(&mut to, value)
            .with_context(|| format!("writing {}", place.display()))?;
        writeln!(to)
            .and_then(|()| to.flush())
            .with_context(|| format!("writing {}", place.display()))?;
        drop(to);
        self.files.push((file, place));
        Ok(())
    }

    /// Gives every file its name.
    fn publish(self) -> anyhow::Result<()> {
        for (file, place) in self.files {
            file.persist(&place)
                .map_err(|error| error.error)
                .with_context(|| format!("writing {}", place.display()))?;
        }
        Ok(())
    }
}
