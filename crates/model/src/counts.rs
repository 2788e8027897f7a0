//! Rows and bytes of a piece of work.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many rows and bytes. Absent means that nobody counted, which is not zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// Rows read from the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extracted: Option<u64>,
    /// Rows that are new in the target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inserted: Option<u64>,
    /// Rows that were there and changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated: Option<u64>,
    /// Rows that were there and equal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unchanged: Option<u64>,
    /// Rows that went away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted: Option<u64>,
    /// Rows left out by rule, such as those of a cursor's boundary that were there already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filtered: Option<u64>,
    /// Rows set aside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_lettered: Option<u64>,
    /// Rows in the target at the end, as the target says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub final_rows: Option<u64>,
    /// Bytes read from the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Rows that are expected in all, for progress; never a fact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<u64>,
}

impl Counts {
    /// Field by field; what only one side counted stays.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let add = |a: Option<u64>, b: Option<u64>| match (a, b) {
            (None, None) => None,
            (a, b) => Some(a.unwrap_or(0).saturating_add(b.unwrap_or(0))),
        };
        Self {
            extracted: add(self.extracted, other.extracted),
            inserted: add(self.inserted, other.inserted),
            updated: add(self.updated, other.updated),
            unchanged: add(self.unchanged, other.unchanged),
            deleted: add(self.deleted, other.deleted),
            filtered: add(self.filtered, other.filtered),
            dead_lettered: add(self.dead_lettered, other.dead_lettered),
            final_rows: add(self.final_rows, other.final_rows),
            bytes: add(self.bytes, other.bytes),
            expected: add(self.expected, other.expected),
        }
    }

    /// Whether nobody counted anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
