//! What the manifest says about a CSV target. The comments become the reference page.

use flowglass_connect::Fault;
use flowglass_model::ErrorClass;
use schemars::JsonSchema;
use serde::Deserialize;

use super::record::Dialect;
use crate::files::BinaryText;

/// Writes a CSV file.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Config {
    /// The file. Folders above it are made.
    pub(super) path: String,
    /// The character between fields: one ASCII character, or `tab`.
    #[serde(default = "comma")]
    delimiter: String,
    /// The character around fields that need it; a quote inside is doubled. With `none`, a value
    /// that would need quotes is refused.
    #[serde(default = "double_quote")]
    quote: String,
    /// Whether the first line holds the names of the columns.
    #[serde(default = "yes")]
    header: bool,
    /// The text of null. A value with the same text is written in quotes.
    #[serde(default)]
    null: String,
    /// How bytes become text.
    #[serde(default)]
    pub(super) binary: BinaryText,
}

/// The configuration as the format uses it.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) dialect: Dialect,
    pub(super) header: bool,
    pub(super) null: Vec<u8>,
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

impl Config {
    /// # Errors
    /// `config` when a character cannot be used.
    pub(super) fn settings(&self) -> Result<Settings, Fault> {
        let wrong = |key: &str, must: &str| {
            Fault::new(ErrorClass::Config, format!("`{key}` of a csv target must be {must}"))
        };
        let one = |text: &str| match text.as_bytes() {
            [byte] if byte.is_ascii() && !matches!(byte, b'\n' | b'\r' | 0) => Some(*byte),
            _ => None,
        };
        let delimiter = match self.delimiter.as_str() {
            "tab" | "\\t" => b'\t',
            text => one(text).ok_or_else(|| wrong("delimiter", "one ASCII character or `tab`"))?,
        };
        let quote = match self.quote.as_str() {
            "none" | "" => None,
            text => Some(one(text).ok_or_else(|| wrong("quote", "one ASCII character or `none`"))?),
        };
        if quote == Some(delimiter) {
            return Err(wrong("quote", "another character than `delimiter`"));
        }
        let null = self.null.clone().into_bytes();
        let special = |byte: &u8| matches!(byte, b'\n' | b'\r' | 0) || *byte == delimiter;
        if null.iter().any(|byte| special(byte) || Some(*byte) == quote) {
            return Err(wrong("null", "free of delimiters, quotes and line ends"));
        }
        Ok(Settings { dialect: Dialect { delimiter, quote }, header: self.header, null })
    }
}
