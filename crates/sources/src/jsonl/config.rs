//! What the manifest says about a JSON Lines source. The comments become the reference page.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::files::ColumnType;

/// Reads JSON Lines files: one object a line.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Config {
    /// A file, a folder (its `.jsonl`, `.ndjson` and `.json` files in the order of their names)
    /// or a pattern such as `data/*.jsonl`. Names that end in `.gz` or `.zst` are unpacked.
    pub(super) path: String,
    /// Types of columns by key. Keys that are not named get the type that the first 20,000 lines
    /// suggest, and a later value that does not fit it is refused.
    #[serde(default)]
    pub(super) columns: BTreeMap<String, ColumnType>,
    /// What to do with a key that neither `columns` nor the first 20,000 lines know.
    #[serde(default)]
    pub(super) unknown_keys: UnknownKeys,
}

/// What to do with a key that is not known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum UnknownKeys {
    /// Refuse the line.
    #[default]
    Fail,
    /// Leave it out.
    Ignore,
}
