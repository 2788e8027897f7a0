//! One module a command: flags in, a call into a crate, words and an exit code out.

pub(crate) mod observability;
pub(crate) mod runs;
