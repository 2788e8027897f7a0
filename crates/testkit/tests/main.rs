//! The kit is held to what it promises: servers that are ours and go away, deaths that are sudden,
//! stand-ins that stand.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails by a panic, as the test does")]

mod binary;
mod postgres;
mod redact;
mod victim;
