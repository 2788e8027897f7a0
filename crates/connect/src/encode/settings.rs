//! What a sink of messages may be told about their form. Every such sink flattens this into its own
//! configuration, so that the words are the same everywhere.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The form of messages.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct EncoderSettings {
    /// What is written around the row.
    #[serde(default)]
    pub envelope: Envelope,
    /// How the envelope becomes bytes.
    #[serde(default)]
    pub encoding: Encoding,
    /// What names the row in its messages.
    #[serde(default)]
    pub key: KeyRule,
    /// Whether a delete is followed by a message without a body, which lets a compacted topic
    /// forget the key. By default where the envelope is `debezium`.
    #[serde(default)]
    pub tombstones: Option<bool>,
    /// Where a message goes: text with `{schema}`, `{table}`, `{op}` and `{col:NAME}`. Filled by the
    /// sink from its own word for it (`topic`, `stream`, `path`, `url`).
    #[serde(skip)]
    pub route: String,
}

/// What is written around the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Envelope {
    /// Ours: operation, table, position and rows, nothing else.
    #[default]
    Native,
    /// As Debezium's Postgres connector writes it with schemas off.
    Debezium,
    /// CloudEvents 1.0 in structured JSON mode, with the native envelope as its data.
    CloudEvents,
}

/// How an envelope becomes bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", tag = "type")]
pub enum Encoding {
    /// JSON on one line.
    #[default]
    Json,
}

/// What names the row in its messages.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyRule {
    /// The columns of the primary key, else of the replica identity.
    #[default]
    PrimaryKey,
    /// No key.
    None,
    /// These columns.
    Columns(Vec<String>),
}
