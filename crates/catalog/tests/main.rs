//! The tests of this crate, in one binary.

mod fold;
mod form;
mod golden;
mod guard;
mod owners;
mod reading;
mod reference;
mod registry;
mod signals;
