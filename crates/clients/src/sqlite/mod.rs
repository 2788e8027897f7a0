//! SQLite from both ends: opening, faults, and what a column means beyond its storage class.

mod fault;
mod logical;
mod session;

pub use fault::fault;
pub use logical::{COLUMNS_TABLE, Storage, keep_meanings, meanings, storage_of};
pub use session::{open_reader, open_writer, quote, state_table_exists, table_exists};

/// Table in which a target keeps cursor, token and outcome of each pipeline node.
pub const STATE_TABLE: &str = "_flowglass_state";
