//! The manifests that a server runs: those of a folder that people write, and those that were made
//! through the API, which lie beside the store.
//!
//! Each file is read by itself, so that a broken one costs no other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use flowglass_connect::Registry;
use flowglass_manifest::{Loaded, Severity, Style, to_text};
use flowglass_model::Redactor;
use flowglass_server::{MemberPlan, Origin};

use crate::manifests::{ManifestArgs, check};

/// Files that are read of a folder.
const FILES_MAX: usize = 10_000;

/// A pipeline as its file describes it.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) plan: MemberPlan,
    pub(super) origin: Origin,
    pub(super) file: PathBuf,
    /// The file's text, secrets starred out.
    pub(super) shown: Arc<str>,
}

/// What reading the folders brought.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// By name.
    pub(super) found: BTreeMap<String, Found>,
    /// Files that cannot be used, with why.
    pub(super) broken: BTreeMap<PathBuf, String>,
}

/// Where manifests lie.
#[derive(Debug, Clone)]
pub(super) struct Folders {
    /// Those that people write; none for a server that is told by the API alone.
    pub(super) written: Option<PathBuf>,
    /// Those that were made through the API.
    pub(super) made: PathBuf,
    pub(super) params: Vec<(String, String)>,
}

impl Folders {
    /// Reads everything. What is wrong with a file is in the answer.
    pub(super) fn read(&self, registry: &Registry) -> Reading {
        let mut reading = Reading::default();
        let written = self.written.iter().map(|it| (it.as_path(), Origin::Manifest));
        for (folder, origin) in written.chain([(self.made.as_path(), Origin::Api)]) {
            for file in files_of(folder) {
                // The folder that people write may hold the other one.
                if origin == Origin::Manifest && file.starts_with(&self.made) {
                    continue;
                }
                self.read_file(registry, (file, origin), &mut reading);
            }
        }
        reading
    }

    /// What tells whether a manifest of a person has changed since: path, time and size of each.
    pub(super) fn stamp(&self) -> Vec<(PathBuf, Option<SystemTime>, u64)> {
        let files = self.written.iter().flat_map(|it| files_of(it));
        let stamped = files.map(|file| {
            let known = std::fs::metadata(&file).ok();
            let time = known.as_ref().and_then(|it| it.modified().ok());
            (file, time, known.map_or(0, |it| it.len()))
        });
        stamped.collect()
    }

    fn read_file(
        &self,
        registry: &Registry,
        (file, origin): (PathBuf, Origin),
        reading: &mut Reading,
    ) {
        let broken = match self.load(registry, &file) {
            Err(said) => Some(said),
            Ok(loaded) if loaded.has_errors() => {
                Some(to_text(&loaded.complaints, Style::Plain).trim_end().to_owned())
            }
            Ok(loaded) => {
                let text = std::fs::read_to_string(&file).unwrap_or_default();
                take(loaded, (&file, origin, &text), &mut reading.found)
            }
        };
        if let Some(said) = broken {
            reading.broken.insert(file, said);
        }
    }

    fn load(&self, registry: &Registry, file: &Path) -> Result<Loaded, String> {
        let args = ManifestArgs { files: vec![file.to_owned()], params: self.params.clone() };
        check(&args, registry, Severity::Error).map_err(|error| format!("{error:#}"))
    }
}

/// Adds the pipelines of a file; says which names are taken already.
fn take(
    loaded: Loaded,
    (file, origin, text): (&Path, Origin, &str),
    found: &mut BTreeMap<String, Found>,
) -> Option<String> {
    let workflows = loaded.plans.into_iter().map(|it| MemberPlan::Workflow(Arc::new(it)));
    let streams = loaded.streams.into_iter().map(|it| MemberPlan::Stream(Arc::new(it)));
    let plans: Vec<MemberPlan> = workflows.chain(streams).collect();
    let secrets: BTreeSet<String> = plans.iter().flat_map(secrets_of).collect();
    let shown: Arc<str> = Redactor::new(secrets.iter().map(String::as_str)).text(text).into();
    let mut taken = Vec::new();
    for plan in plans {
        let name = plan.name().to_owned();
        if let Some(other) = found.get(&name) {
            taken.push(format!("`{name}` is described in {} too", other.file.display()));
            continue;
        }
        let (file, shown) = (file.to_owned(), Arc::clone(&shown));
        found.insert(name, Found { plan, origin, file, shown });
    }
    (!taken.is_empty()).then(|| taken.join("\n"))
}

/// What must not be shown of a plan.
pub(super) fn secrets_of(plan: &MemberPlan) -> Vec<String> {
    let secrets = match plan {
        MemberPlan::Workflow(plan) => plan.secrets(),
        MemberPlan::Stream(plan) => plan.secrets(),
    };
    secrets.expose().map(ToOwned::to_owned).collect()
}

/// The manifests of a folder and of those below it, in order. Hidden ones are left out, among them
/// files that an editor is still writing.
fn files_of(folder: &Path) -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if entry.file_name().to_string_lossy().starts_with('.') || files.len() >= FILES_MAX {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if is_manifest(&path) {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// YAML that says that it is ours: a folder may hold other programs' files too.
fn is_manifest(path: &Path) -> bool {
    let kind = path.extension().and_then(|it| it.to_str());
    let fits = matches!(kind, Some("yaml" | "yml" | "json"));
    fits && std::fs::read(path).is_ok_and(|it| {
        // A broken file of ours says so too, unless it breaks in its first line.
        let text = String::from_utf8_lossy(&it);
        text.contains("apiVersion") && text.contains("flowglass/")
    })
}
