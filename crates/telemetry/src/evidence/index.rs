//! The checksum index of an export, `metrics_index.json`.
//!
//! It lists every file of the export with its SHA-256, and the reports that went in. Over all entries
//! there is one `digest`, so that a single value kept elsewhere (a CI log, a release note) proves the
//! whole folder, the index included.

use serde::{Deserialize, Serialize};

use super::digest::sha256_hex;
use super::input::InputRecord;

/// Schema of `metrics_index.json`.
pub const METRICS_INDEX_SCHEMA: &str = "flowglass.metrics-index/v1";
/// Name of the index of an export.
pub const METRICS_INDEX: &str = "metrics_index.json";

/// One file of an index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// File name.
    pub name: String,
    /// Path as the export was told it.
    pub path: String,
    /// Path from the folder of the index, with `/`.
    pub relative_path: String,
    /// `prometheus`, `opentelemetry`, `runtime_report`, or a kind of evidence.
    pub artifact_type: String,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
    /// Size.
    pub size_bytes: u64,
    /// What it is, in one sentence.
    #[serde(default)]
    pub description: String,
}

/// The digest over a set of files: SHA-256 of one line `<sha256>  <size>  <relative path>` a file,
/// sorted by path.
#[must_use]
pub fn digest_of<'a>(files: impl Iterator<Item = (&'a str, &'a str, u64)>) -> String {
    let mut lines: Vec<String> =
        files.map(|(path, sha256, size)| format!("{path}\0{sha256}  {size}  {path}\n")).collect();
    lines.sort_unstable();
    let text: String =
        lines.iter().filter_map(|line| line.split_once('\0').map(|(_, text)| text)).collect();
    sha256_hex(text.as_bytes())
}

/// `metrics_index.json`.
#[derive(Debug, Serialize)]
pub(crate) struct MetricsIndex<'e> {
    pub(crate) schema: &'static str,
    pub(crate) generated_at: String,
    pub(crate) passed: bool,
    pub(crate) output_dir: &'e str,
    pub(crate) digest: String,
    pub(crate) artifacts: Vec<Artifact>,
    pub(crate) inputs: &'e [InputRecord],
}

/// The entry of a file that is about to be written.
pub(crate) fn artifact(
    path: String,
    name: &str,
    content: &[u8],
    (artifact_type, description): (&str, &str),
) -> Artifact {
    Artifact {
        name: name.to_owned(),
        path,
        relative_path: name.to_owned(),
        artifact_type: artifact_type.to_owned(),
        sha256: sha256_hex(content),
        size_bytes: content.len() as u64,
        description: description.to_owned(),
    }
}
