//! `cargo xtask layers`: the architecture's laws, each of them an absence, held over what Cargo and
//! the sources say.
//!
//! The laws are in [`law`] as data; `ARCHITECTURE.md` says the same in prose. A law is changed
//! there, with a decision record in `docs/adr/`, and never by an exception in a crate.

mod arrows;
mod check;
mod law;
mod sources;

pub(crate) use check::{check, command};
