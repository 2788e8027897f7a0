//! The page, held against a strict reader of our own and against `promtool`.

mod page;
mod promtool;
mod sample;
mod strict;
