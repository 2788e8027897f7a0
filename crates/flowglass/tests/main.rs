//! The binary as a person and a script meet it.

mod observability;
mod one_truth;
mod runs;
