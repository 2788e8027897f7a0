//! Rules as the engine takes them, with sources built, and their results.

use std::sync::Arc;
use std::time::Duration;

use flowglass_connect::BatchSource;
use serde_json::Value;

/// A rule about a dataset.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    /// What results call it; unique in its node.
    pub(crate) name: String,
    /// What it means when it is broken.
    pub(crate) severity: Severity,
    /// What must hold.
    pub(crate) kind: RuleKind,
}

/// What a broken rule means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Severity {
    /// It is told, and the node completes with a warning.
    Warn,
    /// The node fails.
    Error,
}

impl Severity {
    /// The word in events: `warn` or `error`.
    #[must_use]
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// What must hold.
#[derive(Debug, Clone)]
pub(crate) enum RuleKind {
    /// These columns hold no null.
    NotNull(Vec<String>),
    /// These columns together tell every row apart.
    Unique(Vec<String>),
    /// A column holds only these values: texts, numbers or booleans.
    AcceptedValues {
        /// The column.
        column: String,
        /// The values, at least one.
        values: Vec<Value>,
    },
    /// A column's values lie between bounds, both included.
    Range {
        /// The column.
        column: String,
        /// The least value: a number, or a text for texts, dates and times.
        min: Option<Value>,
        /// The greatest value.
        max: Option<Value>,
    },
    /// The number of rows lies between bounds, both included.
    RowCount {
        /// The least number.
        min: Option<u64>,
        /// The greatest number.
        max: Option<u64>,
    },
    /// The newest value of a column is at most this old. A date is as old as its first instant in
    /// UTC; a time without zone is taken as UTC.
    Freshness {
        /// A column of dates or times, or of texts that can be read as such.
        column: String,
        /// The greatest age.
        max_age: Duration,
    },
    /// Every combination of values without a null is found in another dataset.
    ForeignKey(ForeignKey),
    /// A query; the dataset is called `data` in it.
    Sql {
        /// The query.
        query: String,
        /// What it must answer.
        expect: Expect,
    },
}

/// Values that must be found in another dataset.
#[derive(Clone)]
pub(crate) struct ForeignKey {
    /// The columns here.
    pub(crate) columns: Vec<String>,
    /// The other dataset.
    pub(crate) references: Arc<dyn BatchSource>,
    /// The columns there, as many as here and in their order.
    pub(crate) referenced_columns: Vec<String>,
}

impl std::fmt::Debug for ForeignKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ForeignKey")
            .field("columns", &self.columns)
            .field("references", &self.references.asset())
            .field("referenced_columns", &self.referenced_columns)
            .finish()
    }
}

/// What a query must answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expect {
    /// No row.
    NoRows,
    /// At least one row.
    Rows,
    /// The first column of the first row is this text, number or boolean.
    Equals(Value),
    /// The first column of the first row is a number between bounds, both included.
    Between {
        /// The least.
        min: Option<f64>,
        /// The greatest.
        max: Option<f64>,
    },
}

/// What a rule came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CheckResult {
    /// The rule's name.
    pub(crate) name: String,
    /// What it means when it is broken.
    pub(crate) severity: Severity,
    /// Whether it holds.
    pub(crate) passed: bool,
    /// What was asked and what was found, in figures; holds no cell's value.
    pub(crate) detail: String,
    /// Rows that the rule was asked about: all rows, without those that it passes over. For `sql`
    /// the rows of its answer.
    pub(crate) rows_checked: u64,
    /// Rows that break it. Where the rule is not about rows: 1 when it is broken.
    pub(crate) rows_offending: u64,
}
