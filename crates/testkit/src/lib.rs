//! What tests stand on: real services on free ports, throw-away folders, the built binary, seeded
//! dice, kill −9.
//!
//! Everything here fails loudly. A service that is not installed is a failed test whose message
//! names `cargo xtask deps`; it is never a skipped one, because a skipped test is a promise nobody
//! checks. Nothing started here outlives the test process, not even when that process is killed:
//! see [`watchdog`].
//!
//! This crate is only ever a dev-dependency.

mod binary;
mod certificates;
mod clock;
mod dice;
mod kafka;
#[cfg(feature = "kafka-client")]
mod kafka_read;
#[cfg(feature = "kafka-client")]
mod kafka_write;
mod locate;
mod memory;
mod page;
mod postgres;
mod proxy;
mod redact;
mod redis;
#[cfg(feature = "redis-client")]
mod redis_read;
pub mod row_sinks;
mod scratch;
mod service;
pub mod stream_sinks;
mod victim;
mod wait;
pub mod watchdog;

pub use binary::{Flowglass, Said};
pub use certificates::Certificates;
pub use clock::{FakeClock, PausedClock};
pub use dice::Dice;
pub use kafka::{KAFKA_PASSWORD, KAFKA_USER, Kafka, KafkaSettings};
pub use locate::{program, promtool, sqlite3};
pub use memory::MemorySource;
pub use page::get;
pub use postgres::{Database, Postgres, Settings};
pub use proxy::Proxy;
pub use redact::Redact;
pub use redis::{Redis, RedisSettings};
pub use scratch::Scratch;
pub use service::{Recipe, Service, unused_port};
pub use victim::{Fate, Victim};
pub use wait::{wait_for, wait_for_async};
