//! From the receipts of a sink to windows: what was delivered between two of its kept positions.
//!
//! A message names its transaction and not the checkpoint that it came with. So a window begins and ends
//! between transactions: what lies inside of one, or inside of a snapshot, belongs to the window around.
//! What a crash kept from being written is a window of which nothing is known.

use std::collections::BTreeMap;

use flowglass_connect::stream::{Position, Receipt, TableTally, Tally};
use flowglass_store::StoredReceipt;

/// A window of the history.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Window {
    /// Behind this commit; none at the very beginning.
    pub(super) after: Option<u64>,
    /// Up to this commit.
    pub(super) to: u64,
    /// Whether it ends between two transactions.
    pub(super) ends_whole: bool,
    /// What was delivered, by destination; none where nobody knows.
    pub(super) sums: Option<BTreeMap<String, Tally>>,
}

/// The history of a sink.
#[derive(Debug, Default)]
pub(super) struct History {
    /// In order, without a hole.
    pub(super) windows: Vec<Window>,
    /// What should have become of each table, over everything that is known.
    pub(super) tables: BTreeMap<String, TableTally>,
    /// There were more destinations than are counted.
    pub(super) partial: bool,
    /// Behind the last receipt.
    pub(super) end: Option<Position>,
}

impl History {
    /// Of the receipts of one sink, in order.
    pub(super) fn of(receipts: &[StoredReceipt]) -> Self {
        let mut history = Self::default();
        let empty = Receipt::default();
        for account in receipts.chunk_by(|one, other| one.account == other.account) {
            let mut before: Option<&StoredReceipt> = None;
            for row in account {
                let from = before.map_or(&row.position, |it| &it.position);
                if before.is_none() {
                    history.begin_account(from);
                } else {
                    let earlier = before.map_or(&empty, |it| &it.sums);
                    history.push(from, &row.position, Some(since(&row.sums, earlier)));
                }
                before = Some(row);
            }
            if let Some(last) = account.last() {
                history.partial |= last.sums.partial;
                for (name, sum) in &last.sums.tables {
                    history.tables.entry(name.clone()).or_default().join(sum);
                }
            }
        }
        history
    }

    /// Whether everything from the beginning is known.
    pub(super) fn is_whole(&self) -> bool {
        !self.partial && self.windows.iter().all(|it| it.sums.is_some())
    }

    /// The index of the window that a commit belongs to; none for what came later.
    pub(super) fn window_of(&self, commit: u64) -> Option<usize> {
        let at = self.windows.partition_point(|it| it.to < commit);
        (at < self.windows.len()).then_some(at)
    }

    /// Adds what was delivered late, where it belongs.
    pub(super) fn add_late(&mut self, commit: u64, destination: &str, sum: Tally) {
        let window = self.window_of(commit).and_then(|at| self.windows.get_mut(at));
        if let Some(sums) = window.and_then(|it| it.sums.as_mut()) {
            sums.entry(destination.to_owned()).or_default().join(sum);
        }
    }

    /// Between two accounts there may be what a crash kept from being written; before the first one,
    /// what an older flowglass delivered.
    fn begin_account(&mut self, from: &Position) {
        let end = self.end.clone().unwrap_or(Position::ORIGIN);
        if !end.reaches(from) {
            self.push(&end, from, None);
        }
        self.end = Some(from.clone());
    }

    fn push(&mut self, from: &Position, to: &Position, sums: Option<BTreeMap<String, Tally>>) {
        self.end = Some(to.clone());
        let ends_whole = to.is_between_transactions();
        let joins =
            self.windows.last().is_some_and(|last| !last.ends_whole || to.commit <= last.to);
        if joins && let Some(last) = self.windows.last_mut() {
            last.to = last.to.max(to.commit);
            last.ends_whole = ends_whole;
            last.sums = match (last.sums.take(), sums) {
                (Some(mut known), Some(more)) => {
                    for (name, sum) in more {
                        known.entry(name).or_default().join(sum);
                    }
                    Some(known)
                }
                _ => None,
            };
            return;
        }
        let after = self.windows.last().map_or_else(
            || (*from != Position::ORIGIN).then_some(from.commit),
            |last| Some(last.to),
        );
        self.windows.push(Window { after, to: to.commit, ends_whole, sums });
    }
}

fn since(sums: &Receipt, earlier: &Receipt) -> BTreeMap<String, Tally> {
    let known = |name: &String| earlier.messages.get(name).copied().unwrap_or_default();
    let grown = sums.messages.iter().map(|(name, sum)| (name.clone(), sum.since(known(name))));
    grown.filter(|(_, sum)| *sum != Tally::default()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(account: i64, position: Position, messages: u64) -> StoredReceipt {
        let mut sums = Receipt::default();
        if messages > 0 {
            sums.of("t").unwrap().join(Tally { messages, hash: messages * 10 });
        }
        StoredReceipt { sink: "s".to_owned(), account, position, sums }
    }

    fn shape(history: &History) -> Vec<(Option<u64>, u64, Option<u64>)> {
        let messages =
            |it: &Window| it.sums.as_ref().map(|it| it.get("t").map_or(0, |it| it.messages));
        history.windows.iter().map(|it| (it.after, it.to, messages(it))).collect()
    }

    #[test]
    fn windows_are_what_lies_between_two_rows() {
        let history = History::of(&[
            row(1, Position::ORIGIN, 0),
            row(1, Position::after(5), 3),
            row(1, Position::after(9), 7),
        ]);
        assert_eq!(shape(&history), [(None, 5, Some(3)), (Some(5), 9, Some(4))]);
        assert!(history.is_whole());
        let found = [0, 5, 6, 9, 10].map(|commit| history.window_of(commit));
        assert_eq!(found, [Some(0), Some(0), Some(1), Some(1), None]);
    }

    #[test]
    fn a_window_ends_between_transactions_and_snapshots() {
        let history = History::of(&[
            row(1, Position::ORIGIN, 0),
            row(1, Position::inside(4, 1), 3),
            row(1, Position::inside(4, 2), 5),
            row(1, Position::after(4), 6),
            row(1, Position::after(4), 8),
            row(1, Position::inside(9, 70), 10),
            row(1, Position::after(9), 12),
        ]);
        assert_eq!(shape(&history), [(None, 4, Some(8)), (Some(4), 9, Some(4))]);
    }

    #[test]
    fn what_a_crash_kept_from_being_written_is_not_known() {
        let mut history = History::of(&[
            row(1, Position::ORIGIN, 0),
            row(1, Position::after(5), 3),
            row(2, Position::after(8), 0),
            row(2, Position::after(9), 7),
            row(3, Position::after(9), 0),
            row(3, Position::after(12), 1),
        ]);
        let expected =
            [(None, 5, Some(3)), (Some(5), 8, None), (Some(8), 9, Some(7)), (Some(9), 12, Some(1))];
        assert_eq!(shape(&history), expected);
        assert!(!history.is_whole());
        history.add_late(9, "t", Tally { messages: 1, hash: 0 });
        history.add_late(7, "t", Tally { messages: 1, hash: 0 });
        assert_eq!(shape(&history).get(2), Some(&(Some(8), 9, Some(8))));
        // A crash inside of a transaction takes the rest of it along.
        let inside = History::of(&[
            row(1, Position::ORIGIN, 0),
            row(1, Position::inside(5, 2), 3),
            row(2, Position::inside(5, 4), 0),
            row(2, Position::after(5), 1),
            row(2, Position::after(6), 2),
        ]);
        assert_eq!(shape(&inside), [(None, 5, None), (Some(5), 6, Some(1))]);
        // Receipts of a stream that an older flowglass began.
        let older = History::of(&[row(1, Position::after(7), 0), row(1, Position::after(8), 2)]);
        assert_eq!(shape(&older), [(None, 7, None), (Some(7), 8, Some(2))]);
    }
}
