//! How a database is reached, and what both of its ends must agree on: addresses without their
//! secrets, TLS, sessions, type tables, exact text of values.
//!
//! A source and a sink of one system may not see each other; what they share is here.

mod secret;

pub mod exact;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "sqlite")]
pub mod sqlite;

pub use secret::Secret;
