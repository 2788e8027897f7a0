//! Where rows come from: one folder and one cargo feature a system. Sources never see sinks.
//!
//! Each folder exports a `Connector` unit struct that implements
//! [`flowglass_connect::SourceConnector`]; the binary lists them in its registry.

#[cfg(feature = "csv")]
pub mod csv;
#[cfg(feature = "files")]
mod files;
#[cfg(feature = "generator")]
pub mod generator;
#[cfg(feature = "jsonl")]
pub mod jsonl;
#[cfg(feature = "parquet")]
pub mod parquet;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "sqlite")]
pub mod sqlite;
#[cfg(feature = "tail")]
pub mod tail;
#[cfg(any(feature = "postgres", feature = "tail"))]
pub mod units;
