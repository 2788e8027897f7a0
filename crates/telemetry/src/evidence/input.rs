//! Where reports come from: files, pipes, folders of files, bytes that the caller read already.

use std::collections::HashSet;
use std::fs;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use crate::problem::{Code, Problems};
use crate::report::{self, Kind, REPORT_BYTES_MAX};

use super::digest::sha256_hex;
use super::points::Sourced;
use super::redact::redact;

/// Reports taken from one folder at most.
pub const FOLDER_REPORTS_MAX: usize = 100_000;
/// Folders inside one another at most.
const FOLDER_DEPTH_MAX: usize = 16;

/// A report to read.
#[derive(Clone, Debug)]
pub enum Input {
    /// A file, a named pipe, or a folder whose `.json` files are read in the order of their names.
    Path(PathBuf),
    /// Bytes that were read already: standard input, or a run out of the store.
    Bytes {
        /// What to call it in complaints, such as `-` or `run:0198…`.
        name: String,
        /// The report.
        bytes: Vec<u8>,
    },
    /// A report that the caller looked for and did not find.
    Missing {
        /// What to call it in complaints.
        name: String,
        /// Why it is not there.
        why: String,
    },
}

/// A report that was read, as the index and the summary list it.
#[derive(Clone, Debug, Serialize)]
pub struct InputRecord {
    /// The path or name as it was given.
    pub path: String,
    /// What it is.
    pub kind: Kind,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// Its size.
    pub size_bytes: usize,
}

impl InputRecord {
    pub(crate) fn of(name: &str, kind: Kind, bytes: &[u8]) -> Self {
        Self { path: name.to_owned(), kind, sha256: sha256_hex(bytes), size_bytes: bytes.len() }
    }
}

/// Files that evidence commands write themselves. A folder may hold them beside reports, and they
/// are no reports.
pub(crate) const OWN_FILES: &[&str] = &[
    "metrics_index.json",
    "opentelemetry_metrics.json",
    "runtime_metrics.json",
    "runtime_metrics.blocked.json",
    "artifact_index.json",
    "snapshot.json",
];

/// Reads a stream to its end, but no more than one byte over the bound, which is then complained
/// about as a report that is too large.
///
/// # Errors
/// What the stream says.
pub fn read_bounded(from: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(REPORT_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What was read of all inputs.
#[derive(Default)]
pub(crate) struct Loaded {
    pub(crate) records: Vec<InputRecord>,
    pub(crate) facts: Vec<Sourced>,
}

/// Reads every input. Complaints tell what could not be.
pub(crate) fn load(inputs: &[Input], problems: &mut Problems) -> Loaded {
    let mut loaded = Loaded::default();
    let mut seen = HashSet::new();
    each(inputs, problems, &mut |name, bytes, problems| {
        loaded.take(name, bytes, &mut seen, problems);
    });
    loaded
}

/// Hands the bytes of every report to `take`, folders opened up.
pub(crate) fn each(
    inputs: &[Input],
    problems: &mut Problems,
    take: &mut dyn FnMut(&str, &[u8], &mut Problems),
) {
    for input in inputs {
        match input {
            Input::Bytes { name, bytes } => take(name, bytes, problems),
            Input::Missing { name, why } => {
                let source: Arc<str> = Arc::from(redact(name));
                problems.add(Code::RunReportMissing, Some(&source), redact(why));
            }
            Input::Path(path) => {
                for file in files_of(path, problems) {
                    match fs::File::open(&file).and_then(read_bounded) {
                        Ok(bytes) => take(&file.display().to_string(), &bytes, problems),
                        Err(error) => unreadable(&file, &error, problems),
                    }
                }
            }
        }
    }
}

impl Loaded {
    fn take(
        &mut self,
        name: &str,
        bytes: &[u8],
        seen: &mut HashSet<String>,
        problems: &mut Problems,
    ) {
        let source: Arc<str> = Arc::from(redact(name));
        let sha256 = sha256_hex(bytes);
        if !seen.insert(sha256.clone()) {
            let says = "the same bytes were given before; they are read once";
            problems.add(Code::RunReportRepeated, Some(&source), says);
            return;
        }
        let Some(report) = report::read(bytes, &source, problems) else { return };
        let size_bytes = bytes.len();
        let path = source.to_string();
        self.records.push(InputRecord { path, kind: report.kind, sha256, size_bytes });
        let sourced =
            report.facts.into_iter().map(|facts| Sourced { source: Arc::clone(&source), facts });
        self.facts.extend(sourced);
    }
}

fn unreadable(path: &Path, error: &std::io::Error, problems: &mut Problems) {
    let source: Arc<str> = Arc::from(redact(&path.display().to_string()));
    if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) {
        problems.add(Code::RunReportMissing, Some(&source), "there is no such file");
    } else {
        problems.add(Code::RunReportUnreadable, Some(&source), error.to_string());
    }
}

/// The files that a path stands for: itself, or the `.json` files below it.
fn files_of(path: &Path, problems: &mut Problems) -> Vec<PathBuf> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => {}
        Ok(_) => return vec![path.to_owned()],
        Err(error) => {
            unreadable(path, &error, problems);
            return Vec::new();
        }
    }
    let mut files = Vec::new();
    walk(path, 0, &mut files, problems);
    let source: Arc<str> = Arc::from(redact(&path.display().to_string()));
    if files.is_empty() {
        problems.add(Code::RunReportMissing, Some(&source), "the folder holds no `.json` report");
    }
    if files.len() > FOLDER_REPORTS_MAX {
        let says = format!("the folder holds more than {FOLDER_REPORTS_MAX} reports");
        problems.add(Code::RunReportTooLarge, Some(&source), says);
        files.clear();
    }
    files
}

fn walk(folder: &Path, depth: usize, files: &mut Vec<PathBuf>, problems: &mut Problems) {
    let entries = match fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>) {
        Ok(mut entries) => {
            entries.sort_by_key(fs::DirEntry::file_name);
            entries
        }
        Err(error) => return unreadable(folder, &error, problems),
    };
    for entry in entries {
        if files.len() > FOLDER_REPORTS_MAX {
            return;
        }
        let path = entry.path();
        let name = entry.file_name();
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder && depth < FOLDER_DEPTH_MAX {
            walk(&path, depth + 1, files, problems);
        } else if !is_folder
            && path.extension().is_some_and(|extension| extension == "json")
            && !OWN_FILES.iter().any(|own| name == *own)
        {
            files.push(path);
        }
    }
}
