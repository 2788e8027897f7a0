//! One module a command: flags in, a call into a crate, words and an exit code out.

pub(crate) mod ceiling;
pub(crate) mod control;
pub(crate) mod demo;
pub(crate) mod dlq;
pub(crate) mod doctor;
pub(crate) mod exec;
pub(crate) mod generate;
pub(crate) mod import;
pub(crate) mod observability;
pub(crate) mod run;
pub(crate) mod runs;
pub(crate) mod schema;
pub(crate) mod serve;
mod store_words;
mod target;
pub(crate) mod top;
pub(crate) mod validate;
pub(crate) mod verify;
