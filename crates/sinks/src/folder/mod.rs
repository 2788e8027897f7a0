//! Files in a folder, exactly once, rolled by size, rows and age: messages as JSON lines, or rows as
//! Parquet.
//!
//! Lines are appended to a file whose name ends in `.open`. What counts of it is written in the
//! manifest, together with the position: the manifest is written aside and renamed with each batch,
//! and only then is the batch acknowledged. A writer that opens cuts off what its files hold beyond
//! the manifest, so that a batch is there whole, with its position, or not at all. A file that is
//! full, or old, loses the `.open` and is never touched again.
//!
//! A Parquet file is of no use before its end is written, and could not be appended to after a crash.
//! Rows are therefore appended as Arrow's stream format, which can, and become Parquet when the file
//! is closed. A table that changes its columns closes its file.
//!
//! Everything that changes a file happens under a lock, by the writer whose token is in the
//! manifest: an older one finds another's token there and stops.

mod config;
mod digest;
mod files;
mod lines;
mod manifest;
mod piece;
mod reread;
mod rows;
mod sink;
mod trial;
mod writer;

pub use config::{Config, Connector};
