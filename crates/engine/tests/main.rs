//! The engine from outside: seeded simulations with fake work and paused time, commands as real
//! processes, copies between ends that a test controls.
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as expected")]
#![expect(clippy::indexing_slicing, reason = "a test ends where something is not as expected")]

mod command;
mod copy;
mod simulation;
mod stream;
mod support;
