//! Every committed change of tables of a Postgres database, by logical replication.
//!
//! ```text
//!   walsender ─▶ link (socket, one large buffer) ─▶ frame ─▶ decode ─▶ chunk ─▶ reader
//!       ▲          │ status: alive, confirmed          │ a table's shape
//!       └──────────┘                                   └▶ catalog (side connection)
//! ```
//!
//! * A task holds the connection, so that keep-alives are answered whatever the reader's owner does.
//! * The bytes of the socket are the bytes of the chunks; a change is a few ranges into them.
//! * The server is told to forget what was confirmed and nothing else. A position between two
//!   transactions is the place of the last commit record; one inside a transaction adds how many
//!   changes were taken. Everything committed before a keep-alive's end has been sent, so that a
//!   quiet stream moves too.

mod assemble;
mod backfill;
mod broken;
mod catalog;
mod config;
mod decode;
mod examine;
mod follow;
mod frame;
#[doc(hidden)]
pub mod fuzzing;
mod kinds;
mod known;
mod link;
mod message;
mod pattern;
mod pending;
mod publication;
mod reader;
mod replay;
mod shared;
mod side;
mod slot;
mod snapshot;
mod source;
mod tend;
mod watch;

pub use config::{
    Config as StreamConfig, SnapshotMode, SnapshotSettings, SpillSettings, StreamConnector,
    Streaming,
};

#[cfg(test)]
mod assemble_tests;
