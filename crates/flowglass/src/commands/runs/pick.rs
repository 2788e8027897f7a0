//! The run that a person means, and what to say when there is none.

use flowglass_model::{PipelineId, RunId};
use flowglass_store::{Reader, RunFilter, StoreError};

use crate::console;
use crate::exit::Exit;
use crate::words;

/// Runs among which a mistyped id is looked for.
const RUNS_COMPARED_MAX: usize = 500;
/// Mistyped characters that still count as meant.
const TYPOS_MAX: usize = 3;

/// Finds the run, or tells what was wrong and gives the exit code for it.
pub(super) fn pick(reader: &Reader, given: &str) -> anyhow::Result<Result<RunId, Exit>> {
    let error = match reader.find(given) {
        Ok(run) => return Ok(Ok(run)),
        Err(error @ (StoreError::UnknownRun { .. } | StoreError::AmbiguousRun { .. })) => error,
        Err(error) => return Err(error.into()),
    };
    let advice = match error {
        StoreError::UnknownRun { .. } => nearest(reader, given)?,
        _ => None,
    };
    let advice = advice.unwrap_or_else(|| error.hint().to_owned());
    console::say(&format!("error: {}\n  hint: {advice}", words::printable(&error.to_string())));
    Ok(Err(Exit::Usage))
}

fn nearest(reader: &Reader, given: &str) -> Result<Option<String>, StoreError> {
    let latest = |filter: &RunFilter| -> Result<_, StoreError> {
        Ok(reader.list(filter, None, 1)?.runs.into_iter().next())
    };
    if let Ok(pipeline) = PipelineId::new(given) {
        let filter = RunFilter { pipeline: Some(pipeline), ..RunFilter::default() };
        if let Some(run) = latest(&filter)? {
            return Ok(Some(format!("`{given}` is a pipeline; its latest run is {}", run.run_id)));
        }
    }
    let runs = reader.list(&RunFilter::default(), None, RUNS_COMPARED_MAX)?.runs;
    if runs.is_empty() {
        return Ok(Some("the store holds no run yet".to_owned()));
    }
    let typos = |run: RunId| {
        let id: String = run.to_string().chars().take(given.chars().count().max(8)).collect();
        strsim::levenshtein(&id, &given.to_lowercase())
    };
    let best = runs.iter().map(|it| (typos(it.run_id), it.run_id)).min_by_key(|it| it.0);
    Ok(best
        .filter(|(typos, _run)| *typos <= TYPOS_MAX && given.len() > TYPOS_MAX)
        .map(|(_typos, run)| format!("did you mean {run}?")))
}
