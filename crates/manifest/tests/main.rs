//! The tests of manifests: one binary, a module for each question.

mod broken;
mod good;
mod properties;
mod schema;
mod secrets;
mod streams;
mod support;
mod variables;
