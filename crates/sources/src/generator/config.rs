//! What can be said about made-up changes.

use flowglass_connect::Fault;
use flowglass_model::ErrorClass;
use schemars::JsonSchema;
use serde::Deserialize;

/// Most tables that can be made up.
const TABLES_MAX: u32 = 1_000;

/// Longest text of a row.
const PAYLOAD_BYTES_MAX: u32 = 1 << 20;

/// The `config` of a `generator` source.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Config {
    /// Its id.
    #[serde(default = "id")]
    pub(super) id: String,
    /// Rows a second; 0 as fast as they are taken.
    #[serde(default)]
    pub(super) rate: u64,
    /// Rows in all; 0 without an end.
    #[serde(default)]
    pub(super) rows: u64,
    /// Rows of a transaction.
    #[serde(default = "transaction_rows")]
    pub(super) transaction_rows: u64,
    /// Tables that the rows go to.
    #[serde(default = "tables")]
    pub(super) tables: u32,
    /// Bytes of each row's payload.
    #[serde(default = "payload_bytes")]
    pub(super) payload_bytes: u32,
    /// How many of a hundred changes are updates, and as many deletes again at most; the others are
    /// inserts.
    #[serde(default)]
    pub(super) updates_percent: u8,
    /// How many of a hundred changes are deletes.
    #[serde(default)]
    pub(super) deletes_percent: u8,
    /// The same seed gives the same rows.
    #[serde(default)]
    pub(super) seed: u64,
}

fn id() -> String {
    "generator".to_owned()
}

const fn transaction_rows() -> u64 {
    100
}

const fn tables() -> u32 {
    1
}

const fn payload_bytes() -> u32 {
    150
}

impl Config {
    pub(super) fn check(&self) -> Result<(), Fault> {
        let wrong = |said: String| {
            Err(Fault::new(ErrorClass::Config, format!("source `{}`: {said}", self.id)))
        };
        if self.transaction_rows == 0 {
            return wrong("`transaction_rows` is at least 1".to_owned());
        }
        if self.tables == 0 || self.tables > TABLES_MAX {
            return wrong(format!("`tables` is from 1 to {TABLES_MAX}"));
        }
        if self.payload_bytes > PAYLOAD_BYTES_MAX {
            return wrong(format!("`payload_bytes` is at most {PAYLOAD_BYTES_MAX}"));
        }
        if u16::from(self.updates_percent) + u16::from(self.deletes_percent) > 100 {
            return wrong(
                "`updates_percent` and `deletes_percent` are at most 100 together".to_owned(),
            );
        }
        Ok(())
    }
}
