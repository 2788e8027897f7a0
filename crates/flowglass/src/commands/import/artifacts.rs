//! What is read of dbt's artifacts: `run_results.json` (versions 4 to 6) and `manifest.json`. Their
//! schemas are at <https://schemas.getdbt.com/>; everything that is not named here is left out.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;

use crate::exit::BadUsage;

/// `run_results.json`: what one call of dbt came to.
#[derive(Debug, Deserialize)]
pub(super) struct RunResults {
    pub(super) metadata: ResultsMetadata,
    pub(super) results: Vec<NodeResult>,
    #[serde(default)]
    pub(super) elapsed_time: f64,
    #[serde(default)]
    pub(super) args: Value,
}

#[derive(Debug, Deserialize)]
pub(super) struct ResultsMetadata {
    pub(super) generated_at: Timestamp,
    pub(super) invocation_id: Uuid,
    #[serde(default)]
    pub(super) dbt_version: String,
}

/// What became of a model, a test, a seed or a snapshot.
#[derive(Debug, Deserialize)]
pub(super) struct NodeResult {
    pub(super) unique_id: String,
    pub(super) status: String,
    #[serde(default)]
    pub(super) timing: Vec<Timing>,
    #[serde(default)]
    pub(super) execution_time: f64,
    #[serde(default)]
    pub(super) message: Option<String>,
    /// Of tests: rows that failed.
    #[serde(default)]
    pub(super) failures: Option<u64>,
    #[serde(default)]
    pub(super) adapter_response: Value,
}

#[derive(Debug, Deserialize)]
pub(super) struct Timing {
    #[serde(default)]
    pub(super) started_at: Option<Timestamp>,
    #[serde(default)]
    pub(super) completed_at: Option<Timestamp>,
}

/// `manifest.json`: the project.
#[derive(Debug, Deserialize)]
pub(super) struct Manifest {
    pub(super) metadata: ManifestMetadata,
    #[serde(default)]
    pub(super) nodes: BTreeMap<String, Node>,
    #[serde(default)]
    pub(super) sources: BTreeMap<String, Node>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ManifestMetadata {
    #[serde(default)]
    pub(super) project_name: Option<String>,
    #[serde(default)]
    pub(super) adapter_type: Option<String>,
}

/// A node or a source of the project.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Node {
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) resource_type: String,
    #[serde(default)]
    pub(super) database: Option<String>,
    #[serde(default)]
    pub(super) schema: Option<String>,
    #[serde(default)]
    pub(super) alias: Option<String>,
    /// Of sources: the table's name.
    #[serde(default)]
    pub(super) identifier: Option<String>,
    #[serde(default)]
    pub(super) config: NodeConfig,
    #[serde(default)]
    pub(super) depends_on: DependsOn,
    #[serde(default)]
    pub(super) columns: BTreeMap<String, Column>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct NodeConfig {
    #[serde(default)]
    pub(super) materialized: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct DependsOn {
    #[serde(default)]
    pub(super) nodes: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Column {
    pub(super) name: String,
    #[serde(default)]
    pub(super) data_type: Option<String>,
}

/// Reads an artifact of a folder.
///
/// # Errors
/// [`BadUsage`] when it is not there or is not what dbt writes, with the place.
pub(super) fn read<T: DeserializeOwned>(folder: &Path, name: &str) -> anyhow::Result<T> {
    let path = folder.join(name);
    let shown = path.display();
    let bytes = std::fs::read(&path).map_err(|error| {
        BadUsage(format!(
            "{shown} cannot be read ({error}): name the `target` folder of a dbt project that has been run"
        ))
    })?;
    Ok(serde_json::from_slice(&bytes).map_err(|error| {
        let said = error.to_string();
        let said = said.rsplit_once(" at line ").map_or(&*said, |(said, _place)| said);
        let (line, column) = (error.line(), error.column());
        BadUsage(format!("{shown}:{line}:{column}: this is not what dbt writes: {said}"))
    })?)
}
