//! `cargo xtask tidy`: the rules of the style that a program can hold.
//!
//! What prose asks for and nobody checks is forgotten within a month. Each rule is a function from
//! a file (or the list of files) to complaints; exceptions are in `tidy.toml`, each with a reason.

mod check;
mod crates;
mod exceptions;
mod links;
mod modules;
mod text;

pub(crate) use check::{check, command};
