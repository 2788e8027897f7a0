//! Feeds mutated input to the face `pglog` of `crates/flowglass/tests/fuzzing/faces.rs`.
#![no_main]

#[path = "../../crates/flowglass/tests/fuzzing/faces.rs"]
mod faces;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| faces::feed("pglog", bytes));
