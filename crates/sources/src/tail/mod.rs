//! The lines of a JSON Lines file that is written to, each as a row: what `tail -F` does, with a
//! position.
//!
//! A file is told from another by its number on its device and by its first bytes, never by its
//! name: programs that rotate logs rename files, copy and empty them, and file systems use numbers
//! again. A position counts bytes over all files that were read, and carries which file it stands
//! in, so that a stream finds its file again after it was renamed, and says so when it is gone.

mod columns;
mod config;
mod file;
mod follow;
#[doc(hidden)]
pub mod fuzzing;
mod place;
mod read;
mod row;

pub use config::{BadLines, Config, Connector};

#[cfg(test)]
mod tests;
