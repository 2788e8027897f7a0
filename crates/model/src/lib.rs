//! The nouns and the contract: ids, states and their one transition function, events, and the
//! folds that every surface is made of. No I/O, no async, no clock.

mod asset;
mod counts;
mod error_class;
mod event;
mod ids;
mod ledger;
mod redact;
mod report;
mod snapshot;
mod state;

pub use asset::AssetRef;
pub use counts::Counts;
pub use error_class::{ErrorClass, Policy};
pub use event::{
    Action, EVENT_SCHEMA, Edge, Entity, ErrorInfo, Event, EventKind, Graph, GraphNode, LogLevel,
    LogLine, LogStream, Scope, Stamp, TraceRef, whole_nanoseconds,
};
pub use ids::{
    AttemptId, BadHexId, BadRunId, BadSlug, NodeId, PipelineId, RunId, SLUG_LENGTH_MAX, SpanId,
    StageId, TraceId,
};
pub use ledger::LedgerEntry;
pub use redact::{REDACTED, Redactor};
pub use report::{LedgerReport, NodeError, NodeReport, REPORT_SCHEMA, RunReport, RunResult};
pub use snapshot::{
    Applied, ApplyError, AssetView, AttemptView, CheckView, LedgerView, LogTail, NodeView,
    PipelineView, RunHeader, SNAPSHOT_SCHEMA, Snapshot, StageTotal, StageView, StateCounts, Times,
};
pub use state::{IllegalMove, Reason, State, transition};
