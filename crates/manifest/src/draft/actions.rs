//! The four actions of a node: `command`, `copy`, `sql` and `check`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::words::{
    DurationText, Engine, RuleSeverity, SchemaChange, SizeText, SourceDraft, Strategy, TargetDraft,
    Word,
};

/// A program to run: its argument list, or more about it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(extend("x-flowglass-help" = "write the arguments as a list, such as [\"python3\", \"notify.py\"], or use `{ shell: … }`"))]
pub(crate) enum CommandDraft {
    /// The program and its arguments. No shell is involved.
    Argv(Vec<Word>),
    /// The program and more.
    Full(Box<CommandFull>),
}

/// A program to run, with its surroundings.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{"required": ["argv"]}, {"required": ["shell"]}]))]
pub(crate) struct CommandFull {
    /// The program and its arguments. No shell is involved.
    pub(crate) argv: Option<Vec<Word>>,
    /// A script for `/bin/sh -c`. A literal `${` is written `$${`.
    pub(crate) shell: Option<String>,
    /// Environment variables, added to those of `spec.env` and of the caller.
    #[serde(default)]
    #[expect(dead_code, reason = "taken from the tree, where secrets are known")]
    pub(crate) env: BTreeMap<String, Word>,
    /// The folder it runs in, relative to the manifest's folder, which is the default.
    pub(crate) cwd: Option<String>,
    /// What its exit codes mean.
    pub(crate) exit_codes: Option<ExitCodes>,
    /// How long it may take to end after it was asked to.
    #[schemars(extend("default" = "10s"))]
    pub(crate) stop_grace: Option<DurationText>,
}

/// What exit codes mean. All others are failures.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExitCodes {
    /// All is well.
    #[schemars(extend("default" = [0]))]
    pub(crate) success: Option<Vec<u8>>,
    /// It is done, with a warning.
    #[serde(default)]
    pub(crate) warning: Vec<u8>,
}

/// Rows from a source to a target.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CopyDraft {
    /// Where the rows come from.
    #[serde(rename = "from")]
    #[expect(dead_code, reason = "taken from the tree, where secrets are known")]
    source: SourceDraft,
    /// Where the rows go.
    #[serde(rename = "to")]
    #[expect(dead_code, reason = "taken from the tree, where secrets are known")]
    target: TargetDraft,
    /// How they get there.
    #[serde(default)]
    pub(crate) strategy: Strategy,
    /// The columns that tell rows apart; needed by `incremental_merge`.
    pub(crate) key: Option<Columns>,
    /// The column that grows; needed by the incremental strategies.
    pub(crate) cursor: Option<String>,
    /// What the target's columns are made of. Columns not named pass as they are.
    #[serde(default)]
    pub(crate) columns: BTreeMap<String, ColumnDraft>,
    /// What happens to columns not named under `columns`.
    #[serde(default)]
    pub(crate) other_columns: OtherColumns,
    /// What happens when the source's columns change.
    #[serde(default)]
    pub(crate) schema_change: SchemaChange,
    /// How many rows travel together.
    pub(crate) batch: Option<BatchDraft>,
}

/// What happens to columns that are not named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OtherColumns {
    /// They pass as they are.
    #[default]
    Keep,
    /// They are left out.
    Drop,
}

/// One column name, or several.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Columns {
    /// One.
    One(String),
    /// Several.
    Many(#[schemars(length(min = 1))] Vec<String>),
}

impl Columns {
    pub(crate) fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(column) => vec![column],
            Self::Many(columns) => columns,
        }
    }
}

/// A column of the target: its type, or more about it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum ColumnDraft {
    /// Its type.
    Type(String),
    /// Its source and its type.
    Full(ColumnFull),
}

/// A column of the target.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ColumnFull {
    /// The source's column; the same name by default.
    pub(crate) from: Option<String>,
    /// Its type, such as `int64`, `decimal(12,2)`, `text` or `timestamptz`; the source's by default.
    #[serde(rename = "type")]
    #[schemars(extend("examples" = ["int64", "decimal(12,2)"]))]
    pub(crate) kind: Option<String>,
}

/// The bounds of a batch.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BatchDraft {
    /// Rows at most.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(crate) rows: Option<u32>,
    /// Bytes at most, approximately.
    pub(crate) bytes: Option<SizeText>,
}

/// Rows computed by SQL.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{"required": ["file"]}, {"required": ["query"]}]))]
pub(crate) struct SqlDraft {
    /// What runs it.
    #[serde(default)]
    #[expect(dead_code, reason = "there is one engine so far")]
    engine: Engine,
    /// A file with one query, relative to the manifest's folder.
    pub(crate) file: Option<String>,
    /// The query itself.
    pub(crate) query: Option<String>,
    /// The tables that it may name, besides those that the needed nodes wrote: they are there under
    /// the node's id and, where it is free, the name of the table.
    #[serde(default)]
    pub(crate) tables: BTreeMap<String, SourceDraft>,
    /// Where its rows go.
    #[serde(rename = "to")]
    #[expect(dead_code, reason = "taken from the tree, where secrets are known")]
    target: TargetDraft,
    /// How they get there.
    #[serde(default)]
    pub(crate) strategy: Strategy,
    /// The columns that tell rows apart; needed by `incremental_merge`.
    pub(crate) key: Option<Columns>,
    /// The column that grows; needed by the incremental strategies.
    pub(crate) cursor: Option<String>,
    /// What happens when the result's columns change.
    #[serde(default)]
    pub(crate) schema_change: SchemaChange,
    /// How many rows travel together.
    pub(crate) batch: Option<BatchDraft>,
}

/// What `copy` and `sql` say in common about writing.
pub(crate) struct WriteDraft {
    pub(crate) strategy: Strategy,
    pub(crate) key: Vec<String>,
    pub(crate) cursor: Option<String>,
    pub(crate) schema_change: SchemaChange,
    pub(crate) batch: BatchDraft,
}

impl From<&CopyDraft> for WriteDraft {
    fn from(draft: &CopyDraft) -> Self {
        Self {
            strategy: draft.strategy,
            key: draft.key.clone().map(Columns::into_vec).unwrap_or_default(),
            cursor: draft.cursor.clone(),
            schema_change: draft.schema_change,
            batch: draft.batch.clone().unwrap_or_default(),
        }
    }
}

impl From<&SqlDraft> for WriteDraft {
    fn from(draft: &SqlDraft) -> Self {
        Self {
            strategy: draft.strategy,
            key: draft.key.clone().map(Columns::into_vec).unwrap_or_default(),
            cursor: draft.cursor.clone(),
            schema_change: draft.schema_change,
            batch: draft.batch.clone().unwrap_or_default(),
        }
    }
}

/// Rules that data must keep.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{"required": ["asset"]}, {"required": ["from"]}]))]
pub(crate) struct CheckDraft {
    /// A file, relative to the manifest's folder: one that a needed node wrote, or one whose ending
    /// says its format.
    pub(crate) asset: Option<String>,
    /// A source.
    #[serde(rename = "from")]
    #[expect(dead_code, reason = "taken from the tree, where secrets are known")]
    source: Option<SourceDraft>,
    /// The rules; all are checked, and all that are broken are told.
    #[schemars(length(min = 1, max = 1000))]
    pub(crate) rules: Vec<RuleDraft>,
}

/// A rule: exactly one kind, and what it means when it is broken.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [
    {"required": ["not_null"]}, {"required": ["unique"]}, {"required": ["accepted_values"]},
    {"required": ["range"]}, {"required": ["row_count"]}, {"required": ["freshness"]},
    {"required": ["foreign_key"]}, {"required": ["sql"]}
]))]
pub(crate) struct RuleDraft {
    /// These columns hold no null.
    pub(crate) not_null: Option<Columns>,
    /// These columns together tell every row apart.
    pub(crate) unique: Option<Columns>,
    /// A column holds only these values.
    pub(crate) accepted_values: Option<AcceptedValues>,
    /// A column's values lie between bounds.
    pub(crate) range: Option<RangeDraft>,
    /// The number of rows lies between bounds.
    pub(crate) row_count: Option<RowCount>,
    /// The newest value of a column is not too old.
    pub(crate) freshness: Option<Freshness>,
    /// Every value is found in another table.
    pub(crate) foreign_key: Option<ForeignKeyDraft>,
    /// A query of your own; the table checked is called `data`.
    pub(crate) sql: Option<String>,
    /// What the query must answer.
    pub(crate) expect: Option<ExpectDraft>,
    /// What it means when the rule is broken.
    #[serde(default)]
    pub(crate) severity: RuleSeverity,
    /// What the rule is called in results; made from the rule by default.
    pub(crate) name: Option<String>,
}

/// A closed list of values.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AcceptedValues {
    /// The column.
    pub(crate) column: String,
    /// Its values: texts, numbers or booleans. Null is always accepted; see `not_null`.
    #[schemars(length(min = 1, max = 10_000))]
    pub(crate) values: Vec<Value>,
}

/// Bounds of a column's values.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RangeDraft {
    /// The column.
    pub(crate) column: String,
    /// The least value, included: a number, or a text for dates and times.
    #[schemars(extend("type" = ["number", "string"]))]
    pub(crate) min: Option<Value>,
    /// The greatest value, included.
    #[schemars(extend("type" = ["number", "string"]))]
    pub(crate) max: Option<Value>,
}

/// Bounds of the number of rows.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RowCount {
    /// The least number, included.
    pub(crate) min: Option<u64>,
    /// The greatest number, included.
    pub(crate) max: Option<u64>,
}

/// How old the newest row may be.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Freshness {
    /// A column of dates or times.
    pub(crate) column: String,
    /// The greatest age.
    pub(crate) max_age: DurationText,
}

/// Values that must be found elsewhere.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ForeignKeyDraft {
    /// The columns here.
    pub(crate) columns: Columns,
    /// Where their values must be found.
    pub(crate) references: ReferenceDraft,
}

/// Another table.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{"required": ["asset"]}, {"required": ["from"]}]))]
pub(crate) struct ReferenceDraft {
    /// A file, relative to the manifest's folder.
    pub(crate) asset: Option<String>,
    /// A source.
    #[serde(rename = "from")]
    #[expect(dead_code, reason = "taken from the tree, where secrets are known")]
    source: Option<SourceDraft>,
    /// The columns there, in the order of those here.
    pub(crate) columns: Columns,
}

/// What a query must answer.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum ExpectDraft {
    /// A word.
    Word(ExpectWord),
    /// The first column of the first row.
    Value(ExpectValue),
}

/// What a query must answer, as a word.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ExpectWord {
    /// No row: the query finds the rows that break the rule. The default.
    NoRows,
    /// At least one row.
    Rows,
}

/// What the first column of the first row must be.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExpectValue {
    /// Exactly this.
    #[schemars(extend("type" = ["number", "string", "boolean"]))]
    pub(crate) equals: Option<Value>,
    /// At least this.
    pub(crate) min: Option<f64>,
    /// At most this.
    pub(crate) max: Option<f64>,
}
