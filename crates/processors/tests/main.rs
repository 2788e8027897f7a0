//! The processors from outside: rows in, rows out, with everything that the ledger counts by.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test ends where something is not as expected"
)]

mod columns;
mod filter;
mod flatten;
mod javascript;
mod measure;
mod outbox;
mod properties;
mod support;
