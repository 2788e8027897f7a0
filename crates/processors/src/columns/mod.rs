//! Processors that choose, name or hide columns: what they do is settled by a table's shape, so that a
//! row costs no more than the copy of its cells' places.

pub mod mask;
pub mod project;
pub mod rename;
mod reshape;
