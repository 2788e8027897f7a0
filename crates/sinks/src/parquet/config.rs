//! What the manifest says about a Parquet target. The comments become the reference page.

use parquet::basic::{Compression, ZstdLevel};
use schemars::JsonSchema;
use serde::Deserialize;

/// Writes a Parquet file.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Config {
    /// The file. Folders above it are made.
    pub(super) path: String,
    /// How pages are compressed.
    #[serde(default)]
    pub(super) compression: Packing,
}

/// How pages are compressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Packing {
    /// As fast as snappy on tables, at its fastest level, and a third smaller.
    #[default]
    Zstd,
    /// For readers that know nothing newer.
    Snappy,
    /// Fast to read.
    Lz4,
    /// Not at all.
    None,
}

impl Packing {
    pub(super) fn codec(self) -> Compression {
        match self {
            Self::Snappy => Compression::SNAPPY,
            Self::Zstd => Compression::ZSTD(ZstdLevel::try_new(1).unwrap_or_default()),
            Self::Lz4 => Compression::LZ4_RAW,
            Self::None => Compression::UNCOMPRESSED,
        }
    }
}
