//! `import dbt`: a call of dbt becomes a run, with its graph, its times, its tests and its tables.

use std::path::PathBuf;

use clap::Args;
use flowglass_model::{PipelineId, RunId};
use flowglass_store::StoreError;

use super::artifacts::{Manifest, RunResults, read};
use super::tell::{Names, events};
use crate::commands::run::{Session, StoreArgs};
use crate::console;
use crate::exit::{BadUsage, Exit};

/// Take in a call of dbt from its `target` folder.
///
/// Reads `run_results.json` and `manifest.json`. The run's id is dbt's invocation id, so that importing
/// it again changes nothing.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    dbt build; flowglass import dbt target/\n  \
    flowglass import dbt target/ --namespace postgres://warehouse:5432 && flowglass runs show latest")]
pub(super) struct DbtArgs {
    /// The folder that holds dbt's artifacts.
    #[arg(default_value = "target", value_name = "FOLDER")]
    folder: PathBuf,
    /// The pipeline that the run counts as; without it the project's name.
    #[arg(long, value_name = "NAME")]
    pipeline: Option<PipelineId>,
    /// Whose it is.
    #[arg(long, default_value = "default")]
    tenant: String,
    /// Where the warehouse is, as assets of other tools name it: `postgres://db:5432`, `snowflake://org`.
    /// Without it dbt's name of the adapter.
    #[arg(long, value_name = "URI")]
    namespace: Option<String>,
    #[command(flatten)]
    store: StoreArgs,
}

/// Runs the command.
///
/// # Errors
/// What cannot be read or kept.
pub(super) async fn run(args: &DbtArgs) -> anyhow::Result<Exit> {
    let results: RunResults = read(&args.folder, "run_results.json")?;
    let manifest: Manifest = read(&args.folder, "manifest.json")?;
    let run = RunId::from_uuid(results.metadata.invocation_id)
        .ok_or_else(|| BadUsage("run_results.json has no invocation id".to_owned()))?;
    let known = &manifest.metadata;
    let project = known.project_name.as_deref().unwrap_or("dbt");
    let names = Names {
        tenant: args.tenant.clone(),
        pipeline: args.pipeline.clone().unwrap_or_else(|| PipelineId::from_foreign(project)),
        namespace: args
            .namespace
            .clone()
            .or_else(|| known.adapter_type.clone())
            .unwrap_or_else(|| "dbt".to_owned()),
    };
    let events = events(run, (&results, &manifest), &names);
    let session = Session::open(&args.store)?;
    let told = session.store.reader()?.summary(run)?.is_some();
    let (nodes, pipeline) = (results.results.len(), &names.pipeline);
    match session.store.appender().append(events).await {
        Ok(()) if told => console::out(&format!("run {run} of `{pipeline}` is known already\n"))?,
        Ok(()) => console::out(&format!(
            "run {run}: {nodes} nodes of `{pipeline}`\nlook at it with `flowglass runs show {run}`\n"
        ))?,
        Err(
            error @ (StoreError::Rewritten { .. }
            | StoreError::Illegal { .. }
            | StoreError::Gap { .. }),
        ) => {
            console::say(&format!(
                "error: run {run} is known, and told otherwise: {error}\n  hint: it was imported under other \
                 names, or dbt reports it by OpenLineage as well; one of both is enough"
            ));
            return Ok(Exit::Failed);
        }
        Err(error) => return Err(error.into()),
    }
    Ok(Exit::Done)
}
