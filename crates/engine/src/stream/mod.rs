//! Streams: changes from a source to sinks, for as long as it is asked for, with every row
//! accounted for.
//!
//! [`StreamWork`] runs a [`StreamJob`]. Inside, the coordinator owns the source and the batcher; a
//! lane owns each sink; the ledger, the commit policy, the onlooker and the choice of where to begin
//! are pure and stand by themselves.

mod batcher;
mod begin;
mod built;
mod coordinator;
mod job;
mod lane;
mod ledger;
mod letters;
mod meters;
mod policy;
mod processing;
mod receipts;
mod replay;
mod seat;
mod tally;
mod trim;
mod watcher;
mod work;

pub use batcher::{BatchLimits, OVERSIZE};
pub use built::{BuiltStream, StreamContext, build_stream};
pub use coordinator::run;
pub use job::{SinkJob, SinkStatus, Stall, Status, StreamJob, Until};
pub use meters::StageOf;
pub use policy::CommitPolicy;
pub use replay::{REPLAY_LETTERS_MAX, Replay, ReplayJob, Sent};
pub use work::StreamWork;
