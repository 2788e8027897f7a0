//! Redis Streams: each message an entry, each batch one `MULTI` … `EXEC` with its position in it.
//!
//! **Exactly once.** The position is a field of a hash that is set in the same `EXEC` as the
//! entries, so that after a crash at any instant either both are there or neither.
//!
//! **One writer.** Opening puts a token of the new writer into the same hash. Each batch begins with
//! `WATCH` of the hash and asks for the token; its `EXEC` is sent only when the token is still ours,
//! and fails when somebody took over in between. So nothing of an older writer arrives once a new
//! one is open.
//!
//! **Never idle.** The server queues the commands of a batch while the batch before it is still
//! being answered: what a batch waits for is the last two commands, which go out when the batch
//! before has been acknowledged. A batch can therefore never be applied past one that failed.
//!
//! We speak the protocol ourselves: a client library spends six times the processor time on
//! commands that are ready as bytes.

mod address;
mod command;
mod config;
mod connection;
mod errors;
mod examine;
mod inbox;
mod incoming;
mod outgoing;
mod reread;
mod sink;
mod trial;
mod writer;

pub use config::{Config, Connector};
