//! The processors from outside: rows in, rows out, with everything that the ledger counts by.

mod columns;
mod filter;
mod flatten;
mod javascript;
mod measure;
mod outbox;
mod properties;
mod support;
