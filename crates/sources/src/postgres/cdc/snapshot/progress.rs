//! How far a snapshot has come: what its positions carry, so that the sinks keep it with the rows.

use std::sync::Arc;

use flowglass_connect::stream::{Position, TableProgress};
use serde::{Deserialize, Serialize};

/// A table, or a partition of one, cut into runs of pages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct Part {
    /// The table that its rows are told as.
    pub(in super::super) schema: String,
    pub(in super::super) table: String,
    /// The table that holds them: another one for partitions.
    pub(in super::super) holder: (String, String),
    /// How many pages a run has; the last one goes on to the end.
    pub(in super::super) pages: u32,
    /// How many runs there are.
    pub(in super::super) runs: u32,
    /// The holder's file: another one after a rewrite, when every row has moved.
    pub(in super::super) file: u32,
    /// The transaction that added the table to the publication. Those that ran beside it may have
    /// changed rows that the log does not tell: the table is read when they have ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in super::super) joined: Option<u64>,
}

impl Part {
    /// Whether the other part is of the same table.
    pub(in super::super) fn is_of(&self, other: &Self) -> bool {
        self.schema == other.schema && self.table == other.table
    }
}

/// One run of pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Run {
    /// Index of its part.
    pub(in super::super) part: usize,
    /// Its pages: from the first to before the last, or to the end.
    pub(in super::super) from: u32,
    pub(in super::super) to: Option<u32>,
}

/// How far it has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct Progress {
    /// When the snapshot was taken, in microseconds since 1970.
    pub(in super::super) taken_at_micros: i64,
    /// What is read, in this order.
    pub(in super::super) parts: Vec<Part>,
    /// How many runs of all parts are done.
    pub(in super::super) runs_done: u64,
    /// How many rows they had.
    pub(in super::super) rows_done: u64,
    /// Where the log went on behind the snapshot that was exported; none when there was no such one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in super::super) point: Option<u64>,
    /// Behind which row of the next run the reading stopped: page and item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in super::super) within: Option<(u32, u16)>,
    /// The log has told changes without their large values since the table that is being read was
    /// begun. Which rows these are is not kept: who goes on from here begins the table again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(in super::super) incomplete: bool,
}

/// What a position's detail holds.
#[derive(Debug, Serialize, Deserialize)]
struct Detail {
    snapshot: Progress,
}

impl Progress {
    /// Of these parts nothing has been read.
    pub(in super::super) const fn new(taken_at_micros: i64, parts: Vec<Part>) -> Self {
        Self {
            taken_at_micros,
            parts,
            runs_done: 0,
            rows_done: 0,
            point: None,
            within: None,
            incomplete: false,
        }
    }

    /// The run that comes next.
    pub(in super::super) fn next_run(&self) -> Option<Run> {
        self.run_at(self.runs_done)
    }

    /// How far each table has been read.
    pub(in super::super) fn tables(&self) -> Vec<TableProgress> {
        let mut left = self.runs_done;
        let mut tables: Vec<TableProgress> = Vec::new();
        for part in &self.parts {
            let parts = u64::from(part.runs);
            let done = parts.min(left);
            left -= done;
            let table = format!("{}.{}", part.schema, part.table);
            match tables.last_mut().filter(|it| it.table == table) {
                Some(same) => {
                    same.done += done;
                    same.parts += parts;
                }
                None => tables.push(TableProgress { table, done, parts }),
            }
        }
        tables
    }

    fn run_at(&self, number: u64) -> Option<Run> {
        let mut left = number;
        for (part, of) in self.parts.iter().enumerate() {
            match u32::try_from(left) {
                Ok(run) if run < of.runs => return Some(run_of(part, of, run)),
                _ => left = left.saturating_sub(u64::from(of.runs)),
            }
        }
        None
    }

    /// Whether the run that comes next is the last one of its table.
    pub(in super::super) fn is_at_last_run_of_table(&self) -> bool {
        let part = |run: Option<Run>| run.and_then(|run| self.parts.get(run.part));
        let here = part(self.next_run());
        let behind = part(self.run_at(self.runs_done + 1));
        here.zip(behind).is_none_or(|(here, behind)| !behind.is_of(here))
    }

    /// Leaves out what is left of that part.
    pub(in super::super) fn skip_part(&mut self, part: usize) {
        self.runs_done = self.parts.iter().take(part + 1).map(|it| u64::from(it.runs)).sum();
        self.within = None;
    }

    /// Begins the table of that part again.
    pub(in super::super) fn begin_table_again(&mut self, part: usize) {
        let Some(table) = self.parts.get(part).cloned() else { return };
        let same = self.parts.iter().take(part).rev().take_while(|it| it.is_of(&table)).count();
        let before = self.parts.iter().take(part - same);
        self.runs_done = before.map(|it| u64::from(it.runs)).sum();
        self.within = None;
        self.incomplete = false;
    }

    /// What a position's detail says of it.
    pub(in super::super) fn detail(&self) -> Arc<str> {
        serde_json::json!({ "snapshot": self }).to_string().into()
    }

    /// All runs in their order.
    pub(super) fn runs(&self) -> impl Iterator<Item = Run> + '_ {
        self.parts
            .iter()
            .enumerate()
            .flat_map(|(part, of)| (0..of.runs).map(move |run| run_of(part, of, run)))
    }

    /// The progress that a position's detail tells.
    pub(in super::super) fn of(position: &Position) -> Option<Self> {
        let detail: Detail = serde_json::from_str(position.detail.as_deref()?).ok()?;
        Some(detail.snapshot)
    }

    /// The position of a snapshot that ends where the log goes on from `point`.
    pub(super) fn position(&self, point: u64) -> Position {
        Position::inside(before(point), self.runs_done).with_detail(Some(self.detail()))
    }

    /// Where the log goes on from a position with this progress.
    pub(in super::super) fn log_position(&self, position: &Position) -> Position {
        match self.point {
            // No record begins at an odd place: this is the snapshot itself.
            Some(point) if before(point) == position.commit => {
                Position::after(position.commit).with_detail(position.detail.clone())
            }
            _ => position.clone(),
        }
    }
}

fn run_of(part: usize, of: &Part, run: u32) -> Run {
    Run {
        part,
        from: run.saturating_mul(of.pages),
        to: (run + 1 < of.runs).then(|| (run + 1).saturating_mul(of.pages)),
    }
}

/// The last place before the log goes on: where the snapshot's rows stand.
pub(super) const fn before(point: u64) -> u64 {
    point.saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress() -> Progress {
        let part = |pages, runs| Part {
            schema: "s".into(),
            table: "t".into(),
            holder: ("s".into(), "t_1".into()),
            pages,
            runs,
            file: 1,
            joined: None,
        };
        let parts = vec![part(10, 2), part(7, 1)];
        Progress { runs_done: 1, rows_done: 99, point: Some(100), ..Progress::new(5, parts) }
    }

    #[test]
    fn the_last_run_of_a_part_goes_on_to_the_end() {
        let runs: Vec<_> = progress().runs().map(|run| (run.part, run.from, run.to)).collect();
        assert_eq!(runs, [(0, 0, Some(10)), (0, 10, None), (1, 0, None)]);
        for (done, run) in progress().runs().enumerate() {
            let at = Progress { runs_done: done as u64, ..progress() };
            assert_eq!(at.next_run(), Some(run));
        }
        assert_eq!(Progress { runs_done: 3, ..progress() }.next_run(), None);
        let mut again = Progress { runs_done: 2, ..progress() };
        again.begin_table_again(1);
        assert_eq!(again.runs_done, 0, "both parts are of one table");
        let told = TableProgress { table: "s.t".to_owned(), done: 1, parts: 3 };
        assert_eq!(progress().tables(), [told]);
    }

    #[test]
    fn progress_reads_back_from_its_position_and_comes_before_the_log() {
        let position = progress().position(100);
        assert_eq!(Progress::of(&position), Some(progress()));
        assert!(position < Position::after(99));
        assert_eq!(Progress::of(&Position::after(99)), None);
        let log = progress().log_position(&position);
        assert!(log.is_between_transactions() && log.commit == 99 && log.detail.is_some());
        let later = Position::inside(200, 3);
        assert_eq!(progress().log_position(&later), later);
    }
}
