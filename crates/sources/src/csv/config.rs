//! What the manifest says about a CSV source. The comments become the reference page.

use std::collections::BTreeMap;

use flowglass_connect::Fault;
use flowglass_model::ErrorClass;
use schemars::JsonSchema;
use serde::Deserialize;

use super::scan::Dialect;
use crate::files::ColumnType;

/// Reads CSV files.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Config {
    /// A file, a folder (its `.csv`, `.tsv` and `.txt` files in the order of their names) or a
    /// pattern such as `data/*.csv`. Names that end in `.gz` or `.zst` are unpacked.
    pub(super) path: String,
    /// The character between fields: one ASCII character, or `tab`.
    #[serde(default = "comma")]
    pub(super) delimiter: String,
    /// The character around fields that hold delimiters, quotes or line ends; a quote inside is
    /// doubled. `none` takes every character as it is.
    #[serde(default = "double_quote")]
    pub(super) quote: String,
    /// Whether the first record holds the names of the columns.
    #[serde(default = "yes")]
    pub(super) header: bool,
    /// Names of the columns of a file without header; `column1`, `column2` and so on otherwise.
    #[serde(default)]
    pub(super) names: Vec<String>,
    /// Texts that mean null where they stand without quotes. A quoted text is never null.
    #[serde(default = "empty")]
    pub(super) null: Vec<String>,
    /// The encoding of the text. Only UTF-8 is read; a byte order mark is skipped.
    #[serde(default)]
    pub(super) encoding: Encoding,
    /// Types of columns by name. Columns that are not named get the type that the first 20,000
    /// rows suggest, and a later value that does not fit it is refused.
    #[serde(default)]
    pub(super) columns: BTreeMap<String, ColumnType>,
}

/// The encoding of a text file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub(super) enum Encoding {
    /// UTF-8.
    #[default]
    #[serde(rename = "utf-8")]
    Utf8,
}

fn comma() -> String {
    ",".to_owned()
}

fn double_quote() -> String {
    "\"".to_owned()
}

fn yes() -> bool {
    true
}

fn empty() -> Vec<String> {
    vec![String::new()]
}

impl Config {
    /// The delimiter and quote as bytes.
    ///
    /// # Errors
    /// `config` when one of them cannot be used.
    pub(super) fn dialect(&self) -> Result<Dialect, Fault> {
        let wrong = |key: &str, must: &str| {
            Fault::new(ErrorClass::Config, format!("`{key}` of a csv source must be {must}"))
        };
        let delimiter = match self.delimiter.as_bytes() {
            b"tab" | b"\\t" => b'\t',
            [byte] if byte.is_ascii() && !matches!(byte, b'\n' | b'\r' | 0) => *byte,
            _ => return Err(wrong("delimiter", "one ASCII character or `tab`")),
        };
        let quote = match self.quote.as_bytes() {
            b"none" | b"" => None,
            [byte] if byte.is_ascii() && !matches!(byte, b'\n' | b'\r' | 0) => Some(*byte),
            _ => return Err(wrong("quote", "one ASCII character or `none`")),
        };
        if quote == Some(delimiter) {
            return Err(wrong("quote", "another character than `delimiter`"));
        }
        if self.header && !self.names.is_empty() {
            return Err(wrong("names", "left out when the file has a header"));
        }
        let _only = self.encoding;
        Ok(Dialect { delimiter, quote })
    }
}
