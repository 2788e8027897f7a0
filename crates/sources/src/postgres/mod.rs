//! Tables and queries of a Postgres database, by one binary `COPY` out of one snapshot.
//!
//! Rows leave the server as `COPY … TO STDOUT (FORMAT binary)` and go from those bytes straight
//! into Arrow's builders; when the target is a Postgres too and its columns are the same, the
//! bytes are handed on as they are, and only cut between rows.

pub mod cdc;
mod config;
mod decode;
#[doc(hidden)]
pub mod fuzzing;
mod read;
mod select;
mod tuples;

pub use config::{Config, Connector};
