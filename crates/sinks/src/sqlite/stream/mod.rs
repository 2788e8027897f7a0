//! Tables of a SQLite file, kept like those of a stream's source, exactly once.
//!
//! Each batch is one transaction: the rows, in the order of their commits, and the position behind
//! them. SQLite runs in this process, so that a prepared statement a row is as fast as it gets; a row
//! that a statement refuses leaves nothing behind, and the transaction goes on without it.
//!
//! A writer's token is in the row of its position. A new writer puts its own there; an older one
//! finds it at the beginning of its next batch, when nobody else can write, and stops.

mod bind;
mod config;
mod positions;
mod reread;
mod sink;
mod tables;
mod trial;
mod writer;

pub use config::{StreamConfig, StreamConnector};
