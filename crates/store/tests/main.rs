//! The store against what it promises, on real files.

mod append;
mod crash;
mod follow;
mod history;
mod open;
mod random;
mod read;
mod retention;
