//! The rows that are there already: read in one snapshot that a new slot exports, so that the log
//! goes on exactly where the snapshot ends.
//!
//! Tables are cut into runs of pages (`ctid` ranges: no key is needed, no index is walked, and no run
//! is read twice). Several connections read at once; the runs are handed over in their order, each
//! with a position that says how many are done.

mod copy;
mod parts;
mod progress;
mod read;
mod run;

pub(super) use copy::{Common, place_of, push_line, transaction};
pub(super) use parts::{Subject, condition, copy, holder, parts, subject};
pub(super) use progress::{Part, Progress, Run};
pub(super) use read::more;
pub(super) use run::{Initial, Place};
