//! All tests of this crate that are too large to sit beside the code, in one binary: linking
//! dominates.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[cfg(feature = "tail")]
mod file_stream;
#[cfg(all(feature = "csv", feature = "jsonl", feature = "parquet"))]
mod files;
#[cfg(feature = "postgres")]
mod postgres_stream;
