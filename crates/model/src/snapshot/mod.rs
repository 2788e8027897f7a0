//! The snapshot: all that a page needs to draw a run, folded from its events and nothing else.
//!
//! `apply` is pure and total: the same events in the same order give the same snapshot, live or
//! replayed; a duplicate changes nothing; an event that cannot be is an error and changes nothing.

mod fold;
mod views;

pub use fold::{Applied, ApplyError};
pub use views::{
    AssetView, AttemptView, CheckView, LedgerView, LogTail, NodeView, PipelineView, RunHeader,
    SNAPSHOT_SCHEMA, Snapshot, StageTotal, StageView, StateCounts, Times,
};
