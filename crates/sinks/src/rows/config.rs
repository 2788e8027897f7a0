//! The words that every sink of tables has in its configuration.

use flowglass_connect::SchemaChange;
use schemars::JsonSchema;
use serde::Deserialize;

/// How tables are treated. Every sink of tables flattens this into its own configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct Tables {
    /// Whether a table that is missing is made, with the source's types.
    #[serde(default = "yes")]
    pub create_tables: bool,
    /// What happens when the source has a column that the table lacks.
    #[serde(default)]
    pub schema_change: OnSchemaChange,
    /// What happens to the rows of a table that nothing names a row of.
    #[serde(default)]
    pub without_key: WithoutKey,
    /// What happens when all rows of a table were removed at once.
    #[serde(default)]
    pub truncate: OnTruncate,
}

const fn yes() -> bool {
    true
}

/// What happens when the source has a column that the table lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnSchemaChange {
    /// The column is added; it is null in the rows that are there.
    #[default]
    Evolve,
    /// The stream stops and names the column.
    Fail,
    /// The column is left out.
    Ignore,
}

impl OnSchemaChange {
    /// The word that copies use.
    pub(crate) const fn plain(self) -> SchemaChange {
        match self {
            Self::Evolve => SchemaChange::Evolve,
            Self::Fail => SchemaChange::Fail,
            Self::Ignore => SchemaChange::Ignore,
        }
    }
}

/// What happens to the rows of a table without a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WithoutKey {
    /// Each is set aside: an update or delete of such a table cannot find its row.
    #[default]
    Refuse,
    /// Inserts are added; updates and deletes are set aside.
    Append,
}

/// What happens when all rows of a table were removed at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnTruncate {
    /// They are removed here too.
    #[default]
    Apply,
    /// They stay.
    Ignore,
}
