//! Tables of a SQLite file: filled by copies in one transaction, and kept like their source by
//! streams.
//!
//! Everything a load does (making the table, new columns, rows, cursor, token) is one SQLite
//! transaction, so that a reader sees all of it or nothing, and a killed process leaves only a
//! journal that SQLite itself rolls back. A full refresh deletes and fills within that same
//! transaction: SQLite's `DELETE` without a condition only frees pages, and unlike a table made
//! aside it keeps indexes, triggers, views and foreign keys as they are.

mod bind;
mod config;
mod merge;
mod plan;
mod queue;
mod state;
mod stream;
mod write;

pub use config::{Config, Connector};
pub use stream::{StreamConfig, StreamConnector};
