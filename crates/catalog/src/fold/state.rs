//! What the fold has to remember of a run: little, and bounded.

use std::collections::{HashMap, VecDeque};

use flowglass_model::{AttemptId, Counts, LedgerEntry, NodeId, PipelineId, RunId};

/// Runs that are remembered, so that an event of theirs that comes again is known. A run in
/// progress is never forgotten; of those that have ended the oldest go first.
pub const RUNS_REMEMBERED_MAX: usize = 10_000;

/// One ledger of a run: the node that told it, the dataset and the sink.
pub(super) type LedgerKey = (Option<NodeId>, String, String);

/// A pipeline inside a run.
#[derive(Debug, Default)]
pub(super) struct PipelineState {
    /// It counts in `runs_in_progress`.
    pub(super) in_progress: bool,
    /// The last counts of each node that has not ended.
    pub(super) counts: HashMap<NodeId, Counts>,
    /// The last entry of each ledger and the attempt that told it.
    pub(super) ledgers: HashMap<LedgerKey, (Option<AttemptId>, LedgerEntry)>,
}

#[derive(Debug, Default)]
pub(super) struct RunState {
    /// The place of the last event that was counted.
    pub(super) last_seq: u64,
    /// A pipeline of it has told its own states, so the run's own are not counted again.
    pub(super) pipelines_tell: bool,
    /// Pipelines that have not ended.
    pub(super) pipelines: HashMap<PipelineId, PipelineState>,
}

impl RunState {
    fn in_progress(&self) -> bool {
        self.pipelines.values().any(|it| it.in_progress)
    }
}

/// All runs that are remembered, in the order in which they were first seen.
#[derive(Debug, Default)]
pub(super) struct Runs {
    known: HashMap<RunId, RunState>,
    order: VecDeque<RunId>,
}

impl Runs {
    pub(super) fn get(&mut self, run: RunId) -> &mut RunState {
        if !self.known.contains_key(&run) {
            self.order.push_back(run);
            self.forget_one();
        }
        self.known.entry(run).or_default()
    }

    fn forget_one(&mut self) {
        if self.order.len() <= RUNS_REMEMBERED_MAX {
            return;
        }
        let ended = |run: &RunId| self.known.get(run).is_none_or(|it| !it.in_progress());
        // The newest is the one that is about to be used.
        let oldest = self.order.iter().take(RUNS_REMEMBERED_MAX).position(ended);
        if let Some(run) = oldest.and_then(|at| self.order.remove(at)) {
            self.known.remove(&run);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_of_runs_that_ended_is_bounded_and_live_ones_stay() {
        let run = |n: u64| RunId::from_parts(n + 1, [1; 10]);
        let mut runs = Runs::default();
        let pipeline = PipelineId::from_foreign("p");
        runs.get(run(0)).pipelines.entry(pipeline).or_default().in_progress = true;
        for n in 1..(RUNS_REMEMBERED_MAX as u64 + 50) {
            runs.get(run(n)).last_seq = n;
        }
        assert_eq!(runs.len(), RUNS_REMEMBERED_MAX);
        assert!(runs.known.contains_key(&run(0)));
        assert!(!runs.known.contains_key(&run(1)));
    }
}
