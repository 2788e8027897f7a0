//! Tables of a Postgres database, kept like those of a stream's source, exactly once.
//!
//! Each batch is one transaction: the rows by table, and the position behind them. Several changes
//! of one row in a batch become the last of them, and the rows of a table go out as a few statements
//! over arrays, not one by one. Where the server refuses such a statement because of its data, the
//! batch is halved, in the order of its commits, until the rows that are at fault stand alone; they
//! are named, and the rest is kept.
//!
//! A writer's token is in the row of its position. A new writer puts its own there, and the last
//! statement of every batch changes the row only where the token is still the batch's own: an older
//! writer finds that nothing was changed, rolls back and stops.

mod apply;
mod checks;
mod config;
mod examine;
mod gather;
mod params;
mod positions;
mod reread;
mod screen;
mod session;
mod sink;
mod sql;
mod tables;
mod trial;
mod writer;

pub use config::{StreamConfig, StreamConnector};
