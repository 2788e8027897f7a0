//! `observability verify`: is a folder still what its index says?
//!
//! Every file of every index in the folder is read again. A file that differs, is gone, or has come
//! in since is named. Where both an export's index and a folder's index are there, a file needs to be
//! in one of them, and both must hold.

use std::collections::HashSet;
use std::fs;
use std::path::{Component, Path};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::problem::{Code, Problem, Problems, Severity, codes_of};

use super::digest::sha256_file;
use super::folder::{ARTIFACT_INDEX, ARTIFACT_INDEX_SCHEMA, files_in, needs_no_entry, relative};
use super::index::{METRICS_INDEX, METRICS_INDEX_SCHEMA, digest_of};
use super::markdown::escape;
use super::summary::problem_section;

/// What `verify` found.
#[derive(Debug, Serialize)]
pub struct Verified {
    /// The schema of this report.
    pub schema: &'static str,
    /// The folder as given.
    pub folder: String,
    /// Every index holds and nothing was added.
    pub passed: bool,
    /// Files that were read and are as their index says.
    pub unchanged: usize,
    /// The indexes that were checked, and their digests.
    pub indexes: Vec<CheckedIndex>,
    /// Codes of the blockers, each once.
    pub blockers: Vec<&'static str>,
    /// Every changed, missing and added file by name.
    pub problems: Vec<Problem>,
}

/// An index that was checked.
#[derive(Debug, Serialize)]
pub struct CheckedIndex {
    /// File name.
    pub name: String,
    /// When it was written, as it says.
    pub generated_at: Option<String>,
    /// The digest over its entries.
    pub digest: String,
}

/// Schema of the report of `verify`.
pub const VERIFY_SCHEMA: &str = "flowglass.verify/v1";

/// As much of an index as checking needs. Entries are called `artifacts` in one and `items` in the
/// other; indexes of compatible tools have neither `schema` nor `digest`.
#[derive(Deserialize)]
struct IndexFile {
    schema: Option<String>,
    generated_at: Option<String>,
    digest: Option<String>,
    #[serde(alias = "items")]
    artifacts: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    relative_path: String,
    sha256: String,
    size_bytes: u64,
}

/// Checks the folder. With `expected`, one of its indexes must have that digest: that is what makes
/// the proof independent of the folder itself.
#[must_use]
pub fn verify_folder(folder: &Path, expected: Option<&str>) -> Verified {
    let mut check = Check {
        folder,
        problems: Problems::new(false),
        listed: HashSet::new(),
        unchanged: HashSet::new(),
        indexes: Vec::new(),
    };
    for name in [METRICS_INDEX, ARTIFACT_INDEX] {
        check.index(name);
    }
    let source: Arc<str> = Arc::from(folder.display().to_string());
    if check.indexes.is_empty() && !check.problems.blocked() {
        let says = format!("neither `{METRICS_INDEX}` nor `{ARTIFACT_INDEX}` is there");
        check.problems.add(Code::IndexMissing, Some(&source), says);
    }
    if !check.indexes.is_empty() {
        check.added();
    }
    if let Some(expected) = expected
        && !check.indexes.iter().any(|index| index.digest.eq_ignore_ascii_case(expected))
    {
        let says = format!("no index has the expected digest {expected}");
        check.problems.add(Code::IndexInvalid, Some(&source), says);
    }
    let problems = check.problems.into_list();
    let blockers = codes_of(&problems, Severity::Blocker);
    Verified {
        schema: VERIFY_SCHEMA,
        folder: folder.display().to_string(),
        passed: blockers.is_empty(),
        unchanged: check.unchanged.len(),
        indexes: check.indexes,
        blockers,
        problems,
    }
}

struct Check<'f> {
    folder: &'f Path,
    problems: Problems,
    listed: HashSet<String>,
    unchanged: HashSet<String>,
    indexes: Vec<CheckedIndex>,
}

impl Check<'_> {
    fn index(&mut self, name: &str) {
        let source: Arc<str> = Arc::from(name);
        let bytes = match fs::read(self.folder.join(name)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
            Err(error) => {
                return self.problems.add(Code::IndexInvalid, Some(&source), error.to_string());
            }
        };
        let index: IndexFile = match serde_json::from_slice(&bytes) {
            Ok(index) => index,
            Err(error) => {
                return self.problems.add(Code::IndexInvalid, Some(&source), error.to_string());
            }
        };
        let known = [METRICS_INDEX_SCHEMA, ARTIFACT_INDEX_SCHEMA];
        if let Some(schema) = index.schema.as_deref().filter(|schema| !known.contains(schema)) {
            let says = format!("schema `{schema}` is unknown to this version");
            return self.problems.add(Code::IndexInvalid, Some(&source), says);
        }
        let entries = index.artifacts.iter();
        let digest =
            digest_of(entries.map(|e| (e.relative_path.as_str(), e.sha256.as_str(), e.size_bytes)));
        if index.digest.as_ref().is_some_and(|stated| *stated != digest) {
            let says = "its digest does not fit its entries: the index itself was changed";
            self.problems.add(Code::IndexInvalid, Some(&source), says);
        }
        if index.artifacts.is_empty() {
            self.problems.add(Code::IndexInvalid, Some(&source), "it lists no file");
        }
        for entry in &index.artifacts {
            self.entry(&source, entry);
        }
        let generated_at = index.generated_at;
        self.indexes.push(CheckedIndex { name: name.to_owned(), generated_at, digest });
    }

    fn entry(&mut self, index: &Arc<str>, entry: &Entry) {
        let inner = Path::new(&entry.relative_path);
        let inside = !entry.relative_path.is_empty()
            && inner.components().all(|part| matches!(part, Component::Normal(_)));
        if !inside {
            let says = format!("`{}` lies outside the folder", entry.relative_path);
            return self.problems.add(Code::IndexInvalid, Some(index), says);
        }
        self.listed.insert(entry.relative_path.clone());
        let source: Arc<str> = Arc::from(entry.relative_path.as_str());
        let path = self.folder.join(inner);
        let regular = fs::symlink_metadata(&path).map(|metadata| metadata.is_file());
        if let Ok(false) = regular {
            let says = format!("it is in {index} as a file and is none any more");
            return self.problems.add(Code::FileChanged, Some(&source), says);
        }
        match regular.and_then(|_| sha256_file(&path)) {
            Ok((sha256, size)) if sha256 == entry.sha256 && size == entry.size_bytes => {
                self.unchanged.insert(entry.relative_path.clone());
            }
            Ok((sha256, size)) => {
                let says = format!(
                    "changed: {index} says {} bytes, SHA-256 {}; the file has {size} bytes, SHA-256 {sha256}",
                    entry.size_bytes, entry.sha256
                );
                self.problems.add(Code::FileChanged, Some(&source), says);
            }
            Err(error) => {
                let says = format!("missing, but in {index}: {error}");
                self.problems.add(Code::FileMissing, Some(&source), says);
            }
        }
    }

    fn added(&mut self) {
        let found = files_in(self.folder);
        for path in found.regular.iter().chain(&found.links) {
            let name = relative(self.folder, path);
            if !self.listed.contains(&name) && !needs_no_entry(&name) {
                let source: Arc<str> = Arc::from(name);
                self.problems.add(Code::FileAdded, Some(&source), "added: it is in no index");
            }
        }
        for (path, error) in &found.unreadable {
            let source: Arc<str> = Arc::from(relative(self.folder, path));
            self.problems.add(Code::FileAdded, Some(&source), error.to_string());
        }
    }
}

impl Verified {
    /// The report for programs.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// The report for people.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let mut out = String::from("# Flowglass evidence check\n\n");
        out.push_str(&format!("- Folder: {}\n", escape(&self.folder)));
        out.push_str(&format!("- Passed: {}\n", if self.passed { "yes" } else { "no" }));
        out.push_str(&format!("- Unchanged files: {}\n", self.unchanged));
        for index in &self.indexes {
            let name = escape(&index.name);
            out.push_str(&format!("- Digest of {name}: {}\n", index.digest));
        }
        problem_section(&mut out, "Blockers", &self.problems, Severity::Blocker);
        out
    }
}
