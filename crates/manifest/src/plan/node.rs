//! A node of the plan and its action, with every default filled in.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use flowglass_model::{ErrorClass, NodeId};
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::draft::{RuleSeverity, SchemaChange, Strategy, When};
use crate::secret::GuardedText;
use crate::units::duration_text;

/// A step.
#[derive(Clone, Debug, Serialize)]
pub struct Node {
    /// Unique in the pipeline.
    pub id: NodeId,
    /// The nodes that must have ended before, sorted, each once.
    pub needs: Vec<NodeId>,
    /// On which ends of these it runs.
    pub when: When,
    /// What `if` came to; `None` when the node has no condition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<Condition>,
    /// How it is tried again.
    pub retry: Backoff,
    /// How long one attempt may take.
    #[serde(serialize_with = "duration_option", skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// What it does.
    #[serde(flatten)]
    pub action: Action,
}

/// What an `if` came to. It depends on parameters alone, so it is known before the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Condition {
    /// Whether the node runs; otherwise it is skipped with the reason `condition`.
    pub holds: bool,
    /// The condition in words, such as `param env equals prod`.
    pub says: String,
}

/// How a node is tried again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Backoff {
    /// Attempts in all, 1 to 100.
    pub max_attempts: u32,
    /// The pause before the second attempt; it doubles with every further one.
    #[serde(rename = "backoff", serialize_with = "duration")]
    pub first: Duration,
    /// The longest pause, at least `first`.
    #[serde(rename = "max_backoff", serialize_with = "duration")]
    pub longest: Duration,
    /// Whether each pause is drawn at random between half of it and all of it.
    pub jitter: bool,
    /// Only these classes are tried again; `None`: those that the class's policy retries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on: Option<BTreeSet<ErrorClass>>,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            max_attempts: 1,
            first: Duration::from_secs(1),
            longest: Duration::from_secs(60),
            jitter: true,
            on: None,
        }
    }
}

/// What a node does.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Run a program.
    Command(Command),
    /// Copy rows.
    Copy(Copy),
    /// Compute rows with SQL.
    Sql(Sql),
    /// Check rules.
    Check(Check),
}

impl Action {
    /// The manifest's word: `command`, `copy`, `sql` or `check`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Command(_) => "command",
            Self::Copy(_) => "copy",
            Self::Sql(_) => "sql",
            Self::Check(_) => "check",
        }
    }
}

/// A program to run.
#[derive(Clone, Debug, Serialize)]
pub struct Command {
    /// What is run.
    #[serde(flatten)]
    pub line: CommandLine,
    /// Environment variables, on top of [`Plan::env`](crate::Plan::env).
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, GuardedText>,
    /// The working folder, relative to the manifest's; `None` is the manifest's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cwd: Option<GuardedText>,
    /// Exit codes that mean success.
    pub success_codes: BTreeSet<u8>,
    /// Exit codes that mean success with a warning.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub warning_codes: BTreeSet<u8>,
    /// The time between TERM and KILL when it must stop.
    #[serde(serialize_with = "duration")]
    pub stop_grace: Duration,
}

/// What is run.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandLine {
    /// A program and its arguments, without a shell.
    Argv(Program),
    /// A script for `/bin/sh -c`.
    Shell(GuardedText),
}

/// A program and its arguments.
#[derive(Clone, Debug, Serialize)]
pub struct Program {
    /// The program's name or path. Never empty.
    pub program: GuardedText,
    /// Its arguments.
    pub args: Vec<GuardedText>,
}

/// A connector and its configuration.
#[derive(Clone, PartialEq, Eq)]
pub struct Connector {
    /// The manifest's word for it: `type`.
    pub kind: String,
    config: Value,
    shown: Value,
}

impl Connector {
    pub(crate) fn new(kind: String, config: Value, shown: Value) -> Self {
        Self { kind, config, shown }
    }

    /// The configuration without `type`, with true secrets. For the connector only.
    #[must_use]
    pub const fn expose(&self) -> &Value {
        &self.config
    }

    /// The configuration without `type`, with secrets starred out.
    #[must_use]
    pub const fn shown(&self) -> &Value {
        &self.shown
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.shown)
    }
}

impl Serialize for Connector {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let typed = [("type".to_owned(), Value::String(self.kind.clone()))];
        let config = self.shown.as_object().cloned().unwrap_or_default();
        serializer.collect_map(typed.into_iter().chain(config))
    }
}

/// Copy rows from a source to a target.
#[derive(Clone, Debug, Serialize)]
pub struct Copy {
    /// Where they come from.
    pub from: Connector,
    /// Where they go and how.
    #[serde(flatten)]
    pub write: Write,
    /// What columns of the target are made of, in the order of the manifest.
    #[serde(skip_serializing_if = "ColumnRules::is_empty")]
    pub columns: ColumnRules,
    /// Whether columns that are not named in `columns` pass as they are.
    pub keep_other_columns: bool,
}

/// How rows get into a target.
#[derive(Clone, Debug, Serialize)]
pub struct Write {
    /// Where they go.
    pub to: Connector,
    /// How they get there.
    pub strategy: Strategy,
    /// The key columns; never empty for `incremental_merge`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub key: Vec<String>,
    /// The cursor column; there for both incremental strategies, `None` for the others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// What happens when the columns change.
    pub schema_change: SchemaChange,
    /// The bounds of a batch, where the manifest gives any.
    pub batch: Batching,
}

/// The bounds of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Batching {
    /// Rows at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows_max: Option<u32>,
    /// Bytes at most, approximately.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_max: Option<u64>,
}

/// What columns of the target are made of, by the target's name, in the order of the manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColumnRules(Vec<(String, ColumnRule)>);

impl ColumnRules {
    pub(crate) const fn new(rules: Vec<(String, ColumnRule)>) -> Self {
        Self(rules)
    }

    /// The target's columns and what they are made of.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &ColumnRule)> {
        self.0.iter().map(|(name, rule)| (name, rule))
    }

    /// Whether no column is named.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for ColumnRules {
    /// A list: JSON objects have no order.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Named<'a> {
            name: &'a str,
            #[serde(flatten)]
            rule: &'a ColumnRule,
        }
        serializer.collect_seq(self.iter().map(|(name, rule)| Named { name, rule }))
    }
}

/// What a column of the target is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ColumnRule {
    /// The source's column.
    pub from: String,
    /// The type it gets, in words such as `int64` or `decimal(12,2)`; `None` keeps the source's.
    /// Which conversions are exact is known to the engine.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

/// Compute rows with SQL.
#[derive(Clone, Debug, Serialize)]
pub struct Sql {
    /// The engine's word: `datafusion`.
    pub engine: String,
    /// The query.
    #[serde(flatten)]
    pub text: SqlText,
    /// The tables that the query may name, by name.
    pub tables: BTreeMap<String, PlanTable>,
    /// Where the rows go and how.
    #[serde(flatten)]
    pub write: Write,
}

/// Where a query stands.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SqlText {
    /// In a file, relative to the manifest's folder.
    File(String),
    /// In the manifest.
    Query(GuardedText),
}

/// A table of a query.
#[derive(Clone, Debug, Serialize)]
pub struct PlanTable {
    /// Where its rows come from.
    pub from: Connector,
    /// Why it is there.
    pub origin: TableOrigin,
}

/// Why a table is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TableOrigin {
    /// The manifest names it under `tables`.
    Declared,
    /// A needed node writes it.
    WrittenBy(NodeId),
}

/// Check rules on data.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// What is checked.
    pub subject: CheckSubject,
    /// The rules, at least one, with different names.
    pub rules: Vec<Rule>,
}

/// What is checked, or referred to.
#[derive(Clone, Debug, Serialize)]
pub struct CheckSubject {
    /// Where the rows are read.
    pub from: Connector,
    /// The path, when the manifest names an asset by its path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asset: Option<String>,
}

/// A rule.
#[derive(Clone, Debug, Serialize)]
pub struct Rule {
    /// Its name in results, unique in the node, such as `not_null_day`.
    pub name: String,
    /// What it means when it is broken.
    pub severity: RuleSeverity,
    /// What must hold.
    #[serde(flatten)]
    pub kind: RuleKind,
}

/// What must hold.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "rule", rename_all = "snake_case")]
pub enum RuleKind {
    /// These columns hold no null.
    NotNull {
        /// At least one.
        columns: Vec<String>,
    },
    /// These columns together tell every row apart.
    Unique {
        /// At least one.
        columns: Vec<String>,
    },
    /// A column holds only these values, or null.
    AcceptedValues {
        /// The column.
        column: String,
        /// Texts, numbers or booleans; at least one.
        values: Vec<Value>,
    },
    /// A column's values, where they are not null, lie between bounds.
    Range {
        /// The column.
        column: String,
        /// The least value, included: a number or a text.
        min: Option<Value>,
        /// The greatest value, included.
        max: Option<Value>,
    },
    /// The number of rows lies between bounds, at least one of which is there.
    RowCount {
        /// The least number, included.
        min: Option<u64>,
        /// The greatest number, included.
        max: Option<u64>,
    },
    /// The newest value of a column is at most this old.
    Freshness {
        /// A column of dates or times.
        column: String,
        /// The greatest age.
        #[serde(serialize_with = "duration")]
        max_age: Duration,
    },
    /// Every combination of values without a null is found in another table.
    ForeignKey(ForeignKey),
    /// A query of the user's; the table checked is called `data`.
    Sql {
        /// The query.
        query: GuardedText,
        /// What it must answer.
        expect: Expect,
    },
}

/// Values that must be found in another table.
#[derive(Clone, Debug, Serialize)]
pub struct ForeignKey {
    /// The columns here.
    pub columns: Vec<String>,
    /// The other table.
    pub references: CheckSubject,
    /// The columns there, as many as here.
    pub referenced_columns: Vec<String>,
}

/// What a query must answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Expect {
    /// No row.
    NoRows,
    /// At least one row.
    Rows,
    /// The first column of the first row is this.
    Equals(Value),
    /// The first column of the first row is a number between bounds, at least one of which is
    /// there.
    Between {
        /// The least, included.
        min: Option<f64>,
        /// The greatest, included.
        max: Option<f64>,
    },
}

pub(super) fn duration<S: Serializer>(
    duration: &Duration,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&duration_text(*duration))
}

#[expect(clippy::ref_option, reason = "the signature is serde's")]
pub(super) fn duration_option<S: Serializer>(
    given: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match given {
        Some(given) => duration(given, serializer),
        None => serializer.serialize_none(),
    }
}
