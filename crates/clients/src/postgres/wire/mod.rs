//! A connection of our own, for what `tokio-postgres` does not do: replication, and rows by the
//! million without an allocation each.
//!
//! It speaks the start-up, the simple query protocol, and then gets out of the way: once a stream
//! of changes has begun, whoever holds the connection reads raw bytes into one large buffer and
//! finds the frames in it by itself.
//! <https://www.postgresql.org/docs/current/protocol-replication.html>

mod authenticate;
mod binding;
mod connect;
mod connection;

pub use connection::Wire;
