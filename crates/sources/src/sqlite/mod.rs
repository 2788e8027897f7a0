//! Tables and queries of a SQLite file, in one read transaction, in the order of the rowid.
//!
//! SQLite types values, not columns. A copy needs columns: what each one is follows from its
//! declared type (or from what our own target wrote down about it), and every value is checked
//! against that. A value that does not fit is refused by column and row, never bent.

mod column;
mod config;
mod read;
mod schema;

pub use config::{ColumnType, Config, Connector};
