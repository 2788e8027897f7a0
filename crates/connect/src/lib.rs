//! The doorframes: what sources, sinks, stores and clocks look like from the engine's side.
//!
//! Each trait's contract is prose beside it; `testkit` holds the acceptance suite of each. No
//! connector lives here, and no connector is known here.

mod batch;
mod blocking;
mod clock;
pub mod encode;
mod event_log;
mod fault;
mod query;
mod registry;
pub mod stream;
mod tasks;

pub use batch::{
    Batch, BatchReader, BatchSource, BatchTarget, BatchWriter, CursorBound, CursorKind,
    CursorState, CursorValue, NATIVE_TYPE_KEY, Outcome, RawBatch, RawEncoding, ReadRequest,
    SchemaChange, SourceConnector, Strategy, Surroundings, TargetConnector, WriteOwner, WritePlan,
};
pub use blocking::{BlockingRead, BlockingWrite, ThreadedReader, ThreadedWriter};
pub use clock::{Clock, SystemClock};
pub use event_log::EventLog;
pub use fault::Fault;
pub use query::{QueryEngine, QueryTable};
pub use registry::Registry;
pub use tasks::Tasks;
