//! The row ledger's arithmetic: every row that was read is somewhere.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The ledger of one table and one sink (or of one copy) at a checkpoint.
///
/// `read = delivered + filtered + dead_lettered + evicted + in_flight`; a difference is an alert.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LedgerEntry {
    /// The table or dataset at the source.
    pub table: String,
    /// The sink or target.
    pub sink: String,
    /// Rows read.
    pub read: u64,
    /// Rows that the target says it keeps.
    pub delivered: u64,
    /// Rows left out by rule.
    pub filtered: u64,
    /// Rows set aside as dead letters.
    pub dead_lettered: u64,
    /// Dead letters that had to make room.
    pub evicted: u64,
    /// Rows on their way.
    pub in_flight: u64,
}

impl LedgerEntry {
    /// Rows that nobody can account for: positive when rows are missing, negative when there are
    /// more than were read. Zero when the ledger is closed.
    #[must_use]
    pub fn unaccounted(&self) -> i128 {
        let somewhere = i128::from(self.delivered)
            + i128::from(self.filtered)
            + i128::from(self.dead_lettered)
            + i128::from(self.evicted)
            + i128::from(self.in_flight);
        i128::from(self.read) - somewhere
    }

    /// Whether every row is accounted for.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.unaccounted() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::LedgerEntry;

    #[test]
    fn a_missing_and_a_doubled_row_are_both_seen() {
        let closed = LedgerEntry {
            read: 10,
            delivered: 7,
            filtered: 2,
            dead_lettered: 1,
            ..Default::default()
        };
        assert!(closed.is_closed());
        assert_eq!(LedgerEntry { read: 11, ..closed.clone() }.unaccounted(), 1);
        assert_eq!(LedgerEntry { delivered: 8, ..closed }.unaccounted(), -1);
    }
}
