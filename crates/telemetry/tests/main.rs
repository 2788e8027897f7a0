//! The tests of this crate, in one binary.

mod evidence;
mod exposition;
