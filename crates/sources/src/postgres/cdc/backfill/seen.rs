//! What a snapshot saw: `pg_current_snapshot()`.
//! <https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-PG-SNAPSHOT-PARTS>

use std::collections::HashSet;

/// The transactions that a snapshot sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    /// Every earlier one is seen or rolled back.
    oldest: u64,
    /// This one and every later one is not seen.
    next: u64,
    /// Those in between that were running, and so are not seen.
    running: HashSet<u64>,
}

impl Seen {
    /// Reads `xmin:xmax:running,running`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let (oldest, next) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let running = parts.next()?.split(',').filter(|it| !it.is_empty());
        Some(Self {
            oldest,
            next,
            running: running.map(str::parse).collect::<Result<_, _>>().ok()?,
        })
    }

    /// Whether that transaction and every earlier one had ended. The whole number.
    pub(super) const fn is_behind(&self, transaction: u64) -> bool {
        self.oldest > transaction
    }

    /// Whether it saw the transaction that the log calls by the lower half of its number.
    pub(super) fn sees(&self, transaction: u64) -> bool {
        // Numbers wrap around; the log never tells one that is two billions away.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_possible_wrap,
            reason = "the lower halves are what is compared, and their distance has a sign"
        )]
        let distance = (transaction as u32).wrapping_sub(self.next as u32) as i32;
        let whole = self.next.saturating_add_signed(i64::from(distance));
        whole < self.oldest || (whole < self.next && !self.running.contains(&whole))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_running_or_came_later_is_not_seen() {
        let seen = Seen::parse("100:110:103,107").unwrap();
        let sees: Vec<u64> = (98..112).filter(|it| seen.sees(*it)).collect();
        assert!(seen.is_behind(99) && !seen.is_behind(100));
        assert_eq!(sees, [98, 99, 100, 101, 102, 104, 105, 106, 108, 109]);
        assert_eq!(Seen::parse("5:5:").unwrap().running, HashSet::new());
        for wrong in ["", "1", "1:2", "a:b:", "1:2:x"] {
            assert_eq!(Seen::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn numbers_that_wrapped_around_are_compared_by_their_distance() {
        let seen = Seen::parse("4294967290:4294967306:4294967300").unwrap();
        // The log tells 4294967296 as 0.
        assert!(seen.sees(4_294_967_295) && seen.sees(0) && seen.sees(3) && seen.sees(9));
        assert!(!seen.sees(4) && !seen.sees(10));
        assert!(Seen::parse("3:10:").unwrap().sees(4_294_967_295));
    }
}
