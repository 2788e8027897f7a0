//! Offline evidence, from reports to verified files.

#![expect(
    clippy::unwrap_used,
    clippy::string_slice,
    reason = "a helper of a test fails by a panic, as the test does"
)]

mod corpus;
mod folders;
mod goldens;
mod guide;
mod promtext;
mod properties;
mod slo;
mod support;
mod writing;
