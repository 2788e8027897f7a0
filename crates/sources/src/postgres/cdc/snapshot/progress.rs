//! How far a snapshot has come: what its positions carry, so that the sinks keep it with the rows.

use std::sync::Arc;

use flowglass_connect::stream::Position;
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
}

/// One run of pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    /// Index of its part.
    pub(super) part: usize,
    /// Its pages: from the first to before the last, or to the end.
    pub(super) from: u32,
    pub(super) to: Option<u32>,
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
}

/// What a position's detail holds.
#[derive(Debug, Serialize, Deserialize)]
struct Detail {
    snapshot: Progress,
}

impl Progress {
    /// All runs in their order.
    pub(super) fn runs(&self) -> impl Iterator<Item = Run> + '_ {
        self.parts.iter().enumerate().flat_map(|(part, of)| {
            (0..of.runs).map(move |run| Run {
                part,
                from: run.saturating_mul(of.pages),
                to: (run + 1 < of.runs).then(|| (run + 1).saturating_mul(of.pages)),
            })
        })
    }

    /// The progress that a position's detail tells.
    pub(in super::super) fn of(position: &Position) -> Option<Self> {
        let detail: Detail = serde_json::from_str(position.detail.as_deref()?).ok()?;
        Some(detail.snapshot)
    }

    /// The position of a snapshot that ends where the log goes on from `point`.
    pub(super) fn position(&self, point: u64) -> Position {
        let detail = serde_json::json!({ "snapshot": self }).to_string();
        Position::inside(before(point), self.runs_done).with_detail(Some(Arc::from(detail)))
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
        };
        Progress {
            taken_at_micros: 5,
            parts: vec![part(10, 2), part(7, 1)],
            runs_done: 1,
            rows_done: 99,
        }
    }

    #[test]
    fn the_last_run_of_a_part_goes_on_to_the_end() {
        let runs: Vec<_> = progress().runs().map(|run| (run.part, run.from, run.to)).collect();
        assert_eq!(runs, [(0, 0, Some(10)), (0, 10, None), (1, 0, None)]);
    }

    #[test]
    fn progress_reads_back_from_its_position_and_comes_before_the_log() {
        let position = progress().position(100);
        assert_eq!(Progress::of(&position), Some(progress()));
        assert!(position < Position::after(99));
        assert_eq!(Progress::of(&Position::after(99)), None);
    }
}
