//! The event log on disk: what happened, in order, kept through a crash.
//!
//! One SQLite file in WAL mode holds the events of all runs. Each process that writes has one thread
//! for it, which commits in groups; any number of processes may use a file at once, on one machine.
//! Readers never wait for writers. A run's summary is folded from its events in the transaction
//! that stores them, so that a list of runs reads no events.
//!
//! * [`Store`] opens a file for writing; [`Store::appender`] is the way in.
//! * [`Reader`] reads: events of a run, all events by position, the list of runs, log lines.
//! * [`Follow`] follows a run while it is written.
//! * [`Retention`] says what goes.
//! * A store also keeps what streams need beside their sinks: positions, dead letters, requests of
//!   other processes, and the lock by which a stream runs once.
//!
//! What is refused rather than stored: an event that leaves a gap in its run's `seq`, one that
//! differs from the stored event at the same place, and a move that the model's one transition
//! function refuses. An append is stored wholly or not at all.

mod appender;
mod codec;
mod error;
mod follow;
mod glance;
mod head;
mod list;
mod logs;
mod open;
mod owner;
mod reader;
mod retention;
mod schema;
mod store;
mod streams;
mod summary;
mod transaction;
mod writer;

pub use appender::Appender;
pub use error::StoreError;
pub use follow::{Follow, FollowEnd, Followed};
pub use glance::Moved;
pub use list::{BadPageKey, Page, PageKey, RunFilter};
pub use logs::LogQuery;
pub use open::Durability;
pub use reader::{Reader, StoredLine};
pub use retention::{Pruned, Retention};
pub use store::{Store, StoreOptions};
pub use streams::{RequestView, StoredReceipt, StreamFacts};
pub use summary::{NodeTally, RunFailure, RunSummary};
pub use writer::StoreFigures;
