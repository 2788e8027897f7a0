//! `${…}` inside scalar values: variables, files and parameters.
//!
//! It works on the tree, after parsing, so that a value full of YAML stays one value. It notes
//! which parts of a text are secret while it puts them in, because later nobody can tell.

mod template;
mod walk;

pub use self::walk::Lookup;
pub(crate) use self::walk::{Inputs, Param, expand};
