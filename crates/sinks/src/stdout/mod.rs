//! Messages as lines, for people and for pipes. Where they are printed is the binary's matter: it
//! hands in what to write to.

mod sink;

pub use sink::{Config, Connector};
