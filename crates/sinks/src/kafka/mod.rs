//! Apache Kafka, through librdkafka: each message a record, by the idempotent producer.
//!
//! **At least once** by default: a batch is acknowledged when every record of it is, in order, and
//! the engine keeps the position.
//!
//! **Exactly once** when asked for: the records of a batch and its position, a record of a compacted
//! topic, are one transaction. A reader with `isolation.level=read_committed` sees each row once.
//! The transactional id names stream and sink, so that a newer writer fences an older one, and what
//! an older one left open is aborted before the position is read.
//!
//! **Rows that the broker refuses.** A broker refuses whole requests, so that the small rows beside
//! one that is too large come back with it. Nothing is set aside on such a word: the writer ends,
//! the next one sends each message by itself, and what is refused then is refused for its own sake.
//! The module `suspects` says how.
//!
//! librdkafka blocks, so that a writer lives on a thread of its own.

mod client;
mod config;
mod errors;
mod examine;
mod position;
mod produce;
mod reread;
mod sink;
mod suspects;
mod topics;
mod tracker;
mod trial;
mod worker;

pub use config::{Config, Connector};
