//! The store against what it promises, on real files.
#![expect(clippy::unwrap_used, clippy::string_slice, reason = "a test may fail by panicking")]

mod append;
mod crash;
mod follow;
mod history;
mod open;
mod random;
mod read;
mod retention;
mod streams;
