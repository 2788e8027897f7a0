//! Offline evidence, from reports to verified files.

mod corpus;
mod folders;
mod goldens;
mod guide;
mod promtext;
mod properties;
mod slo;
mod support;
mod writing;
