//! `tidy.toml`: what is excepted from a rule, and why.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::text::too_large;

/// The file. An exception without a reason does not parse, and one that is no longer needed is a
/// complaint.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exceptions {
    /// Files of more than 600 lines: path and reason.
    #[serde(default)]
    large: BTreeMap<String, String>,
}

impl Exceptions {
    /// Reads it; no file is no exception.
    pub(crate) fn read(root: &Path) -> Result<Self> {
        match std::fs::read_to_string(root.join("tidy.toml")) {
            Ok(text) => toml::from_str(&text).context("cannot read tidy.toml"),
            Err(_) => Ok(Self::default()),
        }
    }

    /// Whether this file may be large.
    pub(crate) fn is_large(&self, path: &str) -> bool {
        self.large.contains_key(path)
    }

    /// Exceptions that say nothing or except nothing.
    pub(crate) fn complaints(&self, root: &Path) -> Vec<String> {
        let judge = |(path, reason): (&String, &String)| {
            let text = std::fs::read_to_string(root.join(path)).unwrap_or_default();
            if reason.trim().len() < 20 {
                Some(format!("tidy.toml: the reason for {path} is too short to be one"))
            } else if too_large(path, &text).is_none() {
                Some(format!("tidy.toml: {path} is not large (any more); remove its line"))
            } else {
                None
            }
        };
        self.large.iter().filter_map(judge).collect()
    }
}
