//! All tests of this crate that are too large to sit beside the code, in one binary: linking
//! dominates.

#[cfg(all(feature = "sqlite", feature = "postgres"))]
mod databases;
#[cfg(all(feature = "csv", feature = "jsonl", feature = "parquet"))]
mod files;
#[cfg(any(feature = "folder", feature = "http", feature = "kafka", feature = "redis"))]
mod streams;
#[cfg(all(feature = "sqlite", feature = "postgres"))]
mod tables;
