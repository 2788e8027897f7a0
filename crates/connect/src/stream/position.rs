//! Where a stream stands in its source's log.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A place in the order of commits, and how much of the transaction there has been taken.
///
/// Positions of one source are ordered by commit, then by row. [`Position::detail`] belongs to the
/// source: it takes no part in the order, and travels with the position so that it is kept in the
/// same commit as the rows (progress of a snapshot, a set of GTIDs).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Position {
    /// The commit's place in the log. Postgres: the LSN of the commit record.
    pub commit: u64,
    /// How many rows of that transaction are taken; [`Position::WHOLE`] for all of them.
    #[serde(default = "whole", skip_serializing_if = "is_whole")]
    pub rows: u64,
    /// What else the source needs to go on from here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Arc<str>>,
}

fn whole() -> u64 {
    Position::WHOLE
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_whole(rows: &u64) -> bool {
    *rows == Position::WHOLE
}

impl Position {
    /// The whole transaction is taken.
    pub const WHOLE: u64 = u64::MAX;

    /// Before everything: nothing has been taken, not even a snapshot.
    pub const ORIGIN: Self = Self { commit: 0, rows: 0, detail: None };

    /// Behind the transaction that was committed here.
    #[must_use]
    pub const fn after(commit: u64) -> Self {
        Self { commit, rows: Self::WHOLE, detail: None }
    }

    /// Inside the transaction that was committed here, behind its first `rows` rows.
    #[must_use]
    pub const fn inside(commit: u64, rows: u64) -> Self {
        Self { commit, rows, detail: None }
    }

    /// The same place with the source's own detail.
    #[must_use]
    pub fn with_detail(mut self, detail: Option<Arc<str>>) -> Self {
        self.detail = detail;
        self
    }

    /// Whether the change with this number (from 0) of the transaction committed at `commit` is
    /// taken already.
    #[must_use]
    pub const fn covers(&self, commit: u64, row: u64) -> bool {
        commit < self.commit || (commit == self.commit && row < self.rows)
    }

    /// Whether everything before `other` is taken here too, whatever the details say.
    #[must_use]
    pub const fn reaches(&self, other: &Self) -> bool {
        self.commit > other.commit || (self.commit == other.commit && self.rows >= other.rows)
    }

    /// Whether it stands between transactions.
    #[must_use]
    pub const fn is_between_transactions(&self) -> bool {
        self.rows == Self::WHOLE
    }
}

impl PartialOrd for Position {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// By place; positions at one place with different details are ordered by detail, so that the order
/// agrees with equality.
impl Ord for Position {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.commit, self.rows, &self.detail).cmp(&(other.commit, other.rows, &other.detail))
    }
}

/// `0/16B3748` between transactions, `0/16B3748+12` inside one: the way Postgres writes an LSN.
impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.commit >> 32, self.commit & 0xffff_ffff)?;
        if self.rows != Self::WHOLE {
            write!(f, "+{}", self.rows)?;
        }
        Ok(())
    }
}

/// The text is not a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParsePositionError;

impl fmt::Display for ParsePositionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a position is written `0/16B3748`, or `0/16B3748+12` inside a transaction")
    }
}

impl std::error::Error for ParsePositionError {}

impl FromStr for Position {
    type Err = ParsePositionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (place, rows) = match text.split_once('+') {
            Some((place, rows)) => (place, rows.parse().map_err(|_| ParsePositionError)?),
            None => (text, Self::WHOLE),
        };
        let (high, low) = place.split_once('/').ok_or(ParsePositionError)?;
        let half = |digits: &str| {
            let fine = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            fine.then(|| u32::from_str_radix(digits, 16).ok()).flatten().ok_or(ParsePositionError)
        };
        let commit = (u64::from(half(high)?) << 32) | u64::from(half(low)?);
        Ok(Self { commit, rows, detail: None })
    }
}

#[cfg(test)]
mod tests {
    use super::Position;

    #[test]
    fn a_position_reads_back_from_its_text() {
        for text in ["0/0", "0/16B3748", "FFFFFFFF/FFFFFFFF", "1/2+0", "1/2+5000000"] {
            assert_eq!(text.parse::<Position>().unwrap().to_string(), text);
        }
        for text in ["", "/", "1", "1/", "+1", "1/2+", "1/2+x", "1/+2", "100000000/0", "1/ 2"] {
            assert!(text.parse::<Position>().is_err(), "{text}");
        }
    }

    #[test]
    fn part_of_a_transaction_comes_before_the_whole_of_it() {
        let part = Position::inside(7, 3);
        assert!(part < Position::after(7));
        assert!(Position::after(6) < part);
        assert!(part.covers(7, 2) && !part.covers(7, 3) && part.covers(6, 99));
    }

    #[test]
    fn a_position_reads_back_from_json() {
        let there = Position::after(7).with_detail(Some("{\"a\":1}".into()));
        let text = serde_json::to_string(&there).unwrap();
        assert_eq!(text, r#"{"commit":7,"detail":"{\"a\":1}"}"#);
        assert_eq!(serde_json::from_str::<Position>(&text).unwrap(), there);
        let part = Position::inside(7, 3);
        let text = serde_json::to_string(&part).unwrap();
        assert_eq!(serde_json::from_str::<Position>(&text).unwrap(), part);
    }
}
