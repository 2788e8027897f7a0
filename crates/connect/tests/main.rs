//! The encoders, held from outside: golden messages of every envelope, operation and type, what must
//! hold for any value at all, and what is refused.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test ends where something is not as expected"
)]

mod allocations;
mod cloudevents;
mod debezium;
mod keys;
mod native;
mod properties;
mod refused;
mod saved;
mod speed;
mod support;
mod types;
