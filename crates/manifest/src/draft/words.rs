//! The small words of a manifest: ids, durations, sizes, and the closed lists.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::units::{DURATION_PATTERN, SIZE_PATTERN};

/// Tells the checker to take a number or a boolean as the text it is written as: `5` in an argument
/// list is the text "5". Not a keyword of JSON Schema; validators ignore it.
pub(crate) const TAKEN_AS_TEXT: &str = "x-flowglass-text";

macro_rules! text_type {
    ($(#[doc = $doc:literal])+ $name:ident, $schema:tt) => {
        $(#[doc = $doc])+
        #[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
        #[serde(transparent)]
        pub(crate) struct $name(pub(crate) String);

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

text_type! {
    /// A pipeline's, a node's or a tenant's name.
    Id, {
        "title": "id",
        "description": "Lower-case letters, digits, `_` and `-`; begins with a letter or a digit; 63 characters at most.",
        "type": "string",
        "pattern": "^[a-z0-9][a-z0-9_-]{0,62}$",
        "examples": ["load_orders"]
    }
}

text_type! {
    /// A duration as written.
    DurationText, {
        "title": "duration",
        "description": "Whole numbers with units `w`, `d`, `h`, `m`, `s`, `ms`, the longest first.",
        "type": "string",
        "pattern": DURATION_PATTERN,
        "examples": ["2s", "10m", "1h30m"]
    }
}

text_type! {
    /// A text for which a number or a boolean may be written without quotes.
    Word, {
        "title": "text",
        "type": ["string", "number", "boolean"],
        TAKEN_AS_TEXT: true
    }
}

text_type! {
    /// A size as written.
    SizeText, {
        "title": "size",
        "description": "A whole number of bytes, or one with `B`, `kB`, `MB`, `GB`, `KiB`, `MiB`, `GiB`.",
        "type": ["string", "integer"],
        "pattern": SIZE_PATTERN,
        "examples": ["16MiB"],
        TAKEN_AS_TEXT: true
    }
}

macro_rules! connector_type {
    ($(#[doc = $doc:literal])+ $name:ident, $def:literal) => {
        $(#[doc = $doc])+
        #[derive(Clone, Debug, Deserialize)]
        pub(crate) struct $name {
            // The rest of the configuration is taken from the tree, where secrets are known.
            #[serde(rename = "type")]
            #[expect(dead_code, reason = "taken from the tree with the rest of the configuration")]
            kind: String,
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                $def.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "description": concat!("A ", $def, ": `type` names the connector, the other keys are its own."),
                    "type": "object",
                    "properties": { "type": { "description": "The connector.", "type": "string" } },
                    "required": ["type"]
                })
            }
        }
    };
}

connector_type! {
    /// Where rows come from.
    SourceDraft, "source"
}

connector_type! {
    /// Where rows go.
    TargetDraft, "target"
}

/// On which ends of the needed nodes a node runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// All of them completed.
    #[default]
    OnSuccess,
    /// At least one of them failed, or was skipped because of a failure.
    OnFailure,
    /// All of them ended, however.
    Always,
}

/// How rows get into the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// Everything is loaded aside and swapped in at once.
    #[default]
    FullRefresh,
    /// Everything read is added.
    Append,
    /// Rows above the highest `cursor` seen so far are added.
    IncrementalAppend,
    /// Rows above the highest `cursor` seen so far are inserted, or update the row of their `key`.
    IncrementalMerge,
}

/// What happens when the source has columns that the target has not, or other types.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SchemaChange {
    /// The target gets the new columns.
    #[default]
    Evolve,
    /// The node fails.
    Fail,
    /// New columns are left out.
    Ignore,
}

/// What runs the SQL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Engine {
    /// Apache DataFusion, inside this process.
    #[default]
    Datafusion,
}

/// What a broken rule means for the node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RuleSeverity {
    /// It is told, and the node completes with a warning.
    Warn,
    /// The node fails.
    #[default]
    Error,
}
