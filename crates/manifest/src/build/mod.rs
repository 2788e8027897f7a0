//! Draft to plan: what a schema cannot say is checked here, all at once, and defaults are filled
//! in. A node that the schema complained about still takes part with its id and its needs, so
//! that one slip does not bring complaints about the nodes around it.

mod assets;
mod builder;
mod check;
mod command;
mod graph;
mod spec;
mod stream;
mod stream_parts;
mod write;

pub(crate) use self::builder::{Context, build};
pub(crate) use self::stream::build_stream;
