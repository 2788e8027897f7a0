//! Things worth telling, each as one struct that decides which numbers it raises and which event it
//! becomes. The call site is one line, and the line in the log, the number and the event cannot
//! disagree.
//!
//! Signals of runs become an event; their numbers follow from it through
//! [`MetricsFold`](crate::MetricsFold), so that a run that another tool tells about counts alike.
//! Signals of the process have no run to belong to and raise their numbers at once.

mod process;
mod runs;
mod signal;

pub use process::{
    DeliveryEnded, PanicSeen, PipelineAsked, RequestAnswered, RequestBroke, SignalsDropped,
};
pub use runs::{
    AttemptMoved, CheckJudged, LedgerTold, LineWritten, Moved, ProgressMade, StageMoved,
};
pub(crate) use runs::{CPU_SECONDS, PEAK_RSS_BYTES};
pub use signal::Signal;
