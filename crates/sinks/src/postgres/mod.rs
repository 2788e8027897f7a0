//! Tables of a Postgres database: filled by copies, with `COPY` in one transaction, and kept like
//! their source by streams.
//!
//! Everything a load does (making the table, new columns, rows, cursor, token) is one transaction.
//! Rows go into the table itself where nothing else is needed, into a new table that takes the old
//! one's place for a full refresh, or into a temporary table that is merged at the end. Why the
//! full refresh is done as it is: `docs/adr/0004-postgres-full-refresh.md`.

mod config;
mod encode;
mod fit;
mod merge;
mod refresh;
mod spell;
mod state;
mod stream;
mod write;

pub use config::{Config, Connector};
pub use stream::{StreamConfig, StreamConnector};
