//! What is done with rows between a source and its sinks: one folder a processor.
//!
//! Each folder exports a `Connector` unit struct that implements
//! [`flowglass_connect::stream::ProcessorConnector`]; the binary lists them in its registry. The words
//! of their configurations are the manifest's own, in `flowglass_manifest::processor_schemas`.
//!
//! None of them makes a tree of values of a row. A filter looks at the bytes where the source left
//! them; what changes columns derives a chunk over the same bytes. Only a user's function gets values,
//! and only of the tables that it asks for.

mod columns;
mod config;
pub mod filter;
pub mod flatten;
pub mod javascript;
pub mod outbox;
mod rows;
mod shapes;
mod tables;
mod variants;

pub use columns::{mask, project, rename};
