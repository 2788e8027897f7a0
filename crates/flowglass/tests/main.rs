//! The binary as a person and a script meet it.

#![expect(clippy::indexing_slicing, reason = "a test that asks for what is not there fails")]

mod bad_data;
mod ceiling;
mod control;
mod crash;
mod demo;
mod dlq;
mod evidence;
mod full_disk;
mod fuzzing;
mod idle;
mod import;
mod manifests;
mod observability;
mod one_truth;
mod run;
mod runs;
mod secrets;
mod serve;
mod stream_crash;
mod support;
mod terminal;
mod top;
mod verify;
