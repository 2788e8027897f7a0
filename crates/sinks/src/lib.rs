//! Where rows go: one folder and one cargo feature a system. Sinks never see sources.
//!
//! Each folder exports a `Connector` that implements [`flowglass_connect::TargetConnector`] for
//! copies or [`flowglass_connect::stream::StreamSinkConnector`] for streams; the binary lists them
//! in its registry.

#[cfg(feature = "csv")]
pub mod csv;
#[cfg(feature = "files")]
mod files;
#[cfg(feature = "folder")]
pub mod folder;
#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "jsonl")]
pub mod jsonl;
#[cfg(feature = "kafka")]
pub mod kafka;
#[cfg(any(
    feature = "folder",
    feature = "http",
    feature = "kafka",
    feature = "postgres",
    feature = "redis",
    feature = "sqlite",
    feature = "stdout"
))]
mod messages;
#[cfg(feature = "null")]
pub mod null;
#[cfg(feature = "parquet")]
pub mod parquet;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "redis")]
pub mod redis;
#[cfg(any(feature = "folder", feature = "postgres", feature = "sqlite"))]
mod rows;
#[cfg(any(
    feature = "folder",
    feature = "http",
    feature = "kafka",
    feature = "null",
    feature = "postgres",
    feature = "redis",
    feature = "sqlite",
    feature = "stdout"
))]
mod settings;
#[cfg(feature = "sqlite")]
pub mod sqlite;
#[cfg(feature = "stdout")]
pub mod stdout;
#[cfg(any(feature = "http", feature = "redis"))]
mod tls;
