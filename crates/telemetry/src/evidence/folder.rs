//! `observability index`: a checksum index over any folder of evidence.
//!
//! Unlike an export's own index this lists whatever is there, of every type, and reads from JSON files
//! what they say of themselves. A folder that is absent or empty is a failure: a gate that indexes
//! nothing must not be green.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::problem::{Code, Problem, Problems, Severity, codes_of};

use super::digest::sha256_file;
use super::index::digest_of;
use super::markdown::escape;
use super::redact::redact;
use super::summary::{BLOCKED_JSON_FILE, BLOCKED_MARKDOWN_FILE, problem_section};
use super::write::write_all;

/// Schema of `artifact_index.json`.
pub const ARTIFACT_INDEX_SCHEMA: &str = "flowglass.artifact-index/v1";
/// Name of the index of a folder.
pub const ARTIFACT_INDEX: &str = "artifact_index.json";
/// The same for people.
pub const ARTIFACT_INDEX_MARKDOWN: &str = "artifact_index.md";
/// Files in one folder at most.
pub const FOLDER_FILES_MAX: usize = 100_000;
/// Folders inside one another at most.
const FOLDER_DEPTH_MAX: usize = 32;
/// JSON files up to this size are read for what they say of themselves.
const PEEK_BYTES_MAX: u64 = 64 << 20;

/// One file of the index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexedFile {
    /// File name.
    pub name: String,
    /// Path as it was reached.
    pub path: String,
    /// Path from the folder of the index, with `/`.
    pub relative_path: String,
    /// A known kind of evidence, else the file's suffix.
    pub artifact_type: String,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
    /// Size.
    pub size_bytes: u64,
    /// `--release`.
    pub release: Option<String>,
    /// The run that a JSON file says it is of.
    pub run_id: Option<String>,
    /// Whether a JSON file says of itself that it passed.
    pub passed: Option<bool>,
}

/// `artifact_index.json`.
#[derive(Debug, Serialize)]
pub struct FolderIndex {
    /// [`ARTIFACT_INDEX_SCHEMA`].
    pub schema: &'static str,
    /// Time of the index, RFC 3339.
    pub generated_at: String,
    /// `--release`.
    pub release: Option<String>,
    /// The folder as given.
    pub root: String,
    /// Number of files.
    pub total_artifacts: usize,
    /// Their size together.
    pub total_bytes: u64,
    /// No blocker, and no file says that it did not pass.
    pub passed: bool,
    /// One value over all files: see [`digest_of`].
    pub digest: String,
    /// Codes of the blockers, each once.
    pub blockers: Vec<&'static str>,
    /// Codes of the warnings, each once.
    pub warnings: Vec<&'static str>,
    /// Every blocker and warning.
    pub problems: Vec<Problem>,
    /// The files, sorted by their path.
    pub items: Vec<IndexedFile>,
}

/// Indexes `folder` and writes `artifact_index.json` and `.md` into it. An empty folder gets none.
#[must_use]
pub fn index_folder(
    folder: &Path,
    release: Option<&str>,
    time: Timestamp,
    strict: bool,
) -> FolderIndex {
    let mut problems = Problems::new(strict);
    let source: Arc<str> = Arc::from(redact(&folder.display().to_string()));
    let mut items = Vec::new();
    let mut files = files_in(folder);
    files.regular.retain(|path| !is_index(&relative(folder, path)));
    for (path, error) in &files.unreadable {
        problems.add(
            Code::FolderEmpty,
            Some(&source),
            format!("{}: {error}", relative(folder, path)),
        );
    }
    for link in &files.links {
        let says = format!("`{}` is a symbolic link", relative(folder, link));
        problems.add(Code::ArtifactSymlink, Some(&source), says);
    }
    for path in &files.regular {
        items.extend(item(folder, path, release, &mut problems));
    }
    if items.is_empty() {
        problems.add(Code::FolderEmpty, Some(&source), "the folder is absent or holds no file");
    }
    let mut index = assemble(folder, release, time, items);
    settle(&mut index, problems.clone());
    if index.items.is_empty() {
        return index;
    }
    let json = index.to_json();
    let markdown = index.to_markdown();
    let files = [(ARTIFACT_INDEX_MARKDOWN, markdown.as_bytes()), (ARTIFACT_INDEX, json.as_bytes())];
    if let Err(error) = write_all(folder, &files) {
        problems.add(Code::OutputUnwritable, Some(&source), error.cause().to_string());
        settle(&mut index, problems);
    }
    index
}

fn assemble(
    folder: &Path,
    release: Option<&str>,
    time: Timestamp,
    items: Vec<IndexedFile>,
) -> FolderIndex {
    let entries = items.iter().map(|i| (i.relative_path.as_str(), i.sha256.as_str(), i.size_bytes));
    FolderIndex {
        schema: ARTIFACT_INDEX_SCHEMA,
        generated_at: time.to_string(),
        release: release.map(str::to_owned),
        root: folder.display().to_string(),
        total_artifacts: items.len(),
        total_bytes: items.iter().map(|item| item.size_bytes).sum(),
        passed: false,
        digest: digest_of(entries),
        blockers: Vec::new(),
        warnings: Vec::new(),
        problems: Vec::new(),
        items,
    }
}

fn settle(index: &mut FolderIndex, problems: Problems) {
    let listed = problems.into_list();
    index.blockers = codes_of(&listed, Severity::Blocker);
    index.warnings = codes_of(&listed, Severity::Warning);
    index.passed = index.blockers.is_empty();
    index.problems = listed;
}

impl FolderIndex {
    /// The index for programs.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// The index for people.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let mut out = String::from("# Flowglass artifact index\n\n");
        out.push_str(&format!("- Root: {}\n", escape(&self.root)));
        out.push_str(&format!(
            "- Release: {}\n",
            escape(self.release.as_deref().unwrap_or("none"))
        ));
        out.push_str(&format!("- Total artifacts: {}\n", self.total_artifacts));
        out.push_str(&format!("- Total bytes: {}\n", self.total_bytes));
        out.push_str(&format!("- Passed: {}\n", if self.passed { "yes" } else { "no" }));
        out.push_str(&format!("- Digest: {}\n", self.digest));
        problem_section(&mut out, "Blockers", &self.problems, Severity::Blocker);
        problem_section(&mut out, "Warnings", &self.problems, Severity::Warning);
        out.push_str(
            "\n## Files\n\n| type | file | passed | run | sha256 |\n|---|---|---|---|---|\n",
        );
        for item in &self.items {
            let passed = item.passed.map_or("", |passed| if passed { "yes" } else { "no" });
            out.push_str(&format!(
                "| {} | {} | {passed} | {} | {} |\n",
                escape(&item.artifact_type),
                escape(&item.relative_path),
                escape(item.run_id.as_deref().unwrap_or("")),
                item.sha256
            ));
        }
        out
    }
}

/// What a JSON file says of itself at its top level.
#[derive(Default)]
struct Peek {
    run_id: Option<String>,
    passed: Option<bool>,
}

fn item(
    folder: &Path,
    path: &Path,
    release: Option<&str>,
    problems: &mut Problems,
) -> Option<IndexedFile> {
    let relative_path = relative(folder, path);
    let source: Arc<str> = Arc::from(relative_path.as_str());
    let (sha256, size_bytes) = match sha256_file(path) {
        Ok(read) => read,
        Err(error) => {
            problems.add(Code::FileMissing, Some(&source), error.to_string());
            return None;
        }
    };
    let name =
        path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let is_json = path.extension().is_some_and(|extension| extension == "json");
    let peek = if is_json && size_bytes <= PEEK_BYTES_MAX {
        peek(path, &source, problems)
    } else {
        Peek::default()
    };
    if peek.passed == Some(false) {
        problems.add(
            Code::ArtifactNotPassed,
            Some(&source),
            "it says `\"passed\": false` of itself",
        );
    }
    Some(IndexedFile {
        artifact_type: artifact_type(&name),
        name,
        path: path.display().to_string(),
        relative_path,
        sha256,
        size_bytes,
        release: release.map(str::to_owned),
        run_id: peek.run_id,
        passed: peek.passed,
    })
}

fn peek(path: &Path, source: &Arc<str>, problems: &mut Problems) -> Peek {
    let parsed =
        fs::read(path).ok().map(|bytes| serde_json::from_slice::<serde_json::Value>(&bytes));
    match parsed {
        Some(Ok(value)) => {
            let text = |key: &str| value.get(key).and_then(|it| it.as_str());
            let run_id = text("run_id").or_else(|| text("incident_id")).or_else(|| text("load_id"));
            Peek {
                run_id: run_id.map(|id| redact(id).into_owned()),
                passed: value.get("passed").and_then(serde_json::Value::as_bool),
            }
        }
        Some(Err(error)) => {
            problems.add(Code::ArtifactInvalidJson, Some(source), error.to_string());
            Peek::default()
        }
        None => Peek::default(),
    }
}

/// Names of evidence files that say what they are; others are known by their suffix.
const KNOWN_TYPES: &[(&str, &str)] = &[
    ("prometheus_metrics.prom", "prometheus"),
    ("opentelemetry_metrics.json", "opentelemetry"),
    ("runtime_metrics.json", "runtime_report"),
    ("runtime_metrics.md", "runtime_report"),
    ("metrics_index.json", "metrics_index"),
    ("slo_report.json", "slo_report"),
    ("slo_report.md", "slo_report"),
    ("run_report.json", "run_report"),
    ("report.json", "run_report"),
    ("certification_report.json", "certification_report"),
    ("certification_suite.json", "certification_suite"),
    ("benchmark_baseline.json", "benchmark_baseline"),
    ("benchmark_slo_gate.json", "benchmark_slo_gate"),
    ("run_registry_index.json", "run_registry"),
    ("events.jsonl", "events"),
    ("logs.ndjson", "logs"),
    ("snapshot.json", "snapshot"),
];

fn artifact_type(name: &str) -> String {
    let known = KNOWN_TYPES.iter().find(|(file, _)| *file == name);
    if let Some((_, kind)) = known {
        return (*kind).to_owned();
    }
    if name.ends_with("__run_registry.json") {
        return "run_registry".to_owned();
    }
    match Path::new(name).extension() {
        Some(suffix) => suffix.to_string_lossy().to_ascii_lowercase(),
        None => "file".to_owned(),
    }
}

/// Files that an index does not list: itself in both forms.
fn is_index(relative_path: &str) -> bool {
    matches!(relative_path, ARTIFACT_INDEX | ARTIFACT_INDEX_MARKDOWN)
}

/// Files that `verify` does not miss in an index: indexes, and the reports of a later, blocked export.
pub(crate) fn needs_no_entry(relative_path: &str) -> bool {
    is_index(relative_path)
        || relative_path == super::index::METRICS_INDEX
        || relative_path == BLOCKED_JSON_FILE
        || relative_path == BLOCKED_MARKDOWN_FILE
}

/// The path from `folder` to `path`, with `/` on every system.
pub(crate) fn relative(folder: &Path, path: &Path) -> String {
    let inner = path.strip_prefix(folder).unwrap_or(path);
    let parts: Vec<_> = inner.iter().map(|part| part.to_string_lossy()).collect();
    parts.join("/")
}

/// All that lies below a folder.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) regular: Vec<PathBuf>,
    /// Symbolic links, sockets, pipes: nothing that a checksum could prove.
    pub(crate) links: Vec<PathBuf>,
    pub(crate) unreadable: Vec<(PathBuf, std::io::Error)>,
}

/// Every file below `folder`, sorted by path.
pub(crate) fn files_in(folder: &Path) -> Found {
    let mut found = Found::default();
    walk(folder, 0, &mut found);
    found.regular.sort_by_key(|path| relative(folder, path));
    found
}

fn walk(folder: &Path, depth: usize, found: &mut Found) {
    let refused = |found: &mut Found, error| found.unreadable.push((folder.to_owned(), error));
    if depth > FOLDER_DEPTH_MAX || found.regular.len() > FOLDER_FILES_MAX {
        return refused(found, std::io::Error::other("too many files or folders"));
    }
    let entries = match fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>) {
        Ok(entries) => entries,
        Err(error) => return refused(found, error),
    };
    for entry in entries {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => walk(&entry.path(), depth + 1, found),
            Ok(kind) if kind.is_file() => found.regular.push(entry.path()),
            Ok(_) => found.links.push(entry.path()),
            Err(error) => found.unreadable.push((entry.path(), error)),
        }
    }
}
