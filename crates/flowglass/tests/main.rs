//! The binary as a person and a script meet it.

mod observability;
mod runs;
