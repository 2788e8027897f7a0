//! The processors from outside: rows in, rows out, with everything that the ledger counts by.

mod columns;
mod filter;
mod javascript;
mod measure;
mod properties;
mod support;
