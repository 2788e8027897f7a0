//! The tolerant reader: bytes of a run report, or of a neighbouring report, to facts.
//!
//! A report is evidence of a run that often went wrong, written by a program that may have died in
//! the middle of it, by another tool, or by hand. So nothing here fails: each field is taken if its
//! meaning is plain, left out with a complaint that has a code and a place if not, and the rest of
//! the report counts. Facts are plain values; names, labels and files are `evidence`'s affair.

mod field;
mod json;
mod number;
mod read;
mod run;
mod sources;
mod text;

pub(crate) use number::number_of_token;
pub use number::{Number, parse_number};
pub use read::{Facts, Kind, REPORT_BYTES_MAX, Report, Sample, read};
