//! The stream that a person means: by its name, or by the manifest that describes it.

use std::path::{Path, PathBuf};

use clap::Args;
use flowglass_manifest::{Severity, StreamPlan};
use flowglass_model::{PipelineId, Snapshot};
use flowglass_store::{Reader, RunFilter, StoreError};

use super::run::KeptParams;
use crate::exit::BadUsage;
use crate::manifests::{ManifestArgs, check, complain};
use crate::registry::registry;

/// Mistyped characters that still count as meant.
const TYPOS_MAX: usize = 3;
/// Events at a run's beginning among which its header is.
const HEADER_EVENTS_MAX: usize = 8;

/// A stream, as several commands take it.
#[derive(Debug, Clone, Args)]
pub(crate) struct TargetArgs {
    /// The stream: its name, or a manifest that holds it.
    #[arg(value_name = "STREAM|MANIFEST")]
    pub(crate) stream: String,
    /// Gives a parameter of the manifest a value; may be repeated.
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = crate::manifests::parse_param)]
    pub(crate) params: Vec<(String, String)>,
}

impl TargetArgs {
    /// The stream's name. Where a manifest is named, what it says is read and not what its variables
    /// hold.
    ///
    /// # Errors
    /// [`BadUsage`]: no name of a stream, or a manifest that holds none or several.
    pub(crate) fn name(&self) -> anyhow::Result<PipelineId> {
        match self.manifest() {
            None => PipelineId::new(&self.stream).map_err(|error| {
                let said = format!("`{}` is neither a file nor a stream: {error}", self.stream);
                BadUsage(said).into()
            }),
            Some(file) => {
                let plan = self.load(vec![file], (Severity::Warning, None))?;
                Ok(plan.pipeline().clone())
            }
        }
    }

    /// The stream's plan: of the manifest that is named, else of the one that its latest run in the
    /// store was started with.
    ///
    /// # Errors
    /// [`BadUsage`]: as for [`TargetArgs::name`], or there is no such run.
    pub(crate) fn plan(&self, reader: &Reader) -> anyhow::Result<StreamPlan> {
        if let Some(file) = self.manifest() {
            return self.load(vec![file], (Severity::Error, None));
        }
        let name = self.name()?;
        let filter = RunFilter { pipeline: Some(name.clone()), ..RunFilter::default() };
        let Some(run) = reader.list(&filter, None, 1)?.runs.into_iter().next() else {
            let said = format!("the store holds no run of `{name}`: name its manifest instead");
            return Err(BadUsage(said).into());
        };
        let mut header = Snapshot::default();
        for event in reader.events(run.run_id, 0, HEADER_EVENTS_MAX)? {
            header.apply(&event)?;
        }
        let attributes = &header.run.attributes;
        let files = attributes.get("manifests").map(String::as_str).unwrap_or_default();
        let files: Vec<PathBuf> = files.lines().map(PathBuf::from).collect();
        if files.is_empty() {
            let said = format!("nobody kept which manifest `{name}` has: name it instead");
            return Err(BadUsage(said).into());
        }
        let mut with = self.clone();
        let kept = KeptParams::of(run.run_id, attributes);
        kept.give(&mut with.params).map_err(BadUsage)?;
        with.load(files, (Severity::Error, Some(&name)))
    }

    /// The plan of the manifest that is named, where one is: it needs no store.
    ///
    /// # Errors
    /// As for [`TargetArgs::plan`].
    pub(crate) fn plan_of_manifest(&self) -> anyhow::Result<Option<StreamPlan>> {
        let load = |file| self.load(vec![file], (Severity::Error, None));
        self.manifest().map(load).transpose()
    }

    fn manifest(&self) -> Option<PathBuf> {
        let path = Path::new(&self.stream);
        let looks_like_one = self.stream.contains('/')
            || path.extension().is_some_and(|it| it == "yaml" || it == "yml");
        (looks_like_one || path.is_file()).then(|| path.to_owned())
    }

    fn load(
        &self,
        files: Vec<PathBuf>,
        (missing, wanted): (Severity, Option<&PipelineId>),
    ) -> anyhow::Result<StreamPlan> {
        let args = ManifestArgs { files, params: self.params.clone() };
        let loaded = check(&args, &registry(), missing)?;
        if loaded.has_errors() {
            complain(&loaded.complaints);
            return Err(BadUsage("the manifest cannot be used".to_owned()).into());
        }
        let names: Vec<String> =
            loaded.streams.iter().map(|it| format!("`{}`", it.pipeline())).collect();
        let fits = |plan: &StreamPlan| wanted.is_none_or(|name| plan.pipeline() == name);
        let mut fitting = loaded.streams.into_iter().filter(fits);
        match (fitting.next(), fitting.next()) {
            (Some(plan), None) => Ok(plan),
            (None, _) => {
                let what = wanted.map_or_else(|| "a stream".to_owned(), |it| format!("`{it}`"));
                Err(BadUsage(format!("the manifest does not hold {what}")).into())
            }
            (Some(_), Some(_)) => {
                let names = names.join(", ");
                let said = format!("the manifest holds {names}: give the name of one of them");
                Err(BadUsage(said).into())
            }
        }
    }
}

/// Refuses a name that the store knows nothing of, with the one that may be meant.
///
/// # Errors
/// [`BadUsage`], and what the store answers.
pub(crate) fn refuse_unknown(reader: &Reader, name: &PipelineId) -> anyhow::Result<()> {
    let known = names(reader)?;
    if known.iter().any(|it| it == name.as_str()) || reader.attended_run_of(name)?.is_some() {
        return Ok(());
    }
    let typos = |it: &String| strsim::levenshtein(it, name.as_str());
    let nearest = known.iter().min_by_key(|it| typos(it)).filter(|it| typos(it) <= TYPOS_MAX);
    let hint = match (nearest, known.is_empty()) {
        (Some(nearest), _) => format!("did you mean `{nearest}`?"),
        (None, true) => "it holds no stream yet".to_owned(),
        (None, false) => format!("it knows `{}`", known.join("`, `")),
    };
    Err(BadUsage(format!("the store knows no stream `{name}`; {hint}")).into())
}

fn names(reader: &Reader) -> Result<Vec<String>, StoreError> {
    reader.stream_names()
}
