//! What a sink of messages may be told about their form. Every such sink flattens this into its own
//! configuration, so that the words are the same everywhere.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use flowglass_model::ErrorClass;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::fault::Fault;

/// The form of messages.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct EncoderSettings {
    /// What is written around the row.
    #[serde(default)]
    pub envelope: Envelope,
    /// How the envelope becomes bytes.
    #[serde(default)]
    pub encoding: Encoding,
    /// What names the row in its messages.
    #[serde(default)]
    pub key: KeyRule,
    /// Whether a delete is followed by a message without a body, which lets a compacted topic
    /// forget the key. By default where the envelope is `debezium`.
    #[serde(default)]
    pub tombstones: Option<bool>,
    /// How values look; only with the envelope `debezium`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub debezium: Option<DebeziumSettings>,
    /// The most bytes of key and body together. A longer message is refused, and its row set aside,
    /// before the sink sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_bytes_max: Option<NonZeroU32>,
    /// Where a message goes: text with `{schema}`, `{table}`, `{op}` and `{col:NAME}`. Filled by the
    /// sink from its own word for it (`topic`, `stream`, `path`, `url`).
    #[serde(skip)]
    pub route: String,
}

impl EncoderSettings {
    /// Whether a delete is followed by a message without a body.
    #[must_use]
    pub fn has_tombstones(&self) -> bool {
        self.tombstones.unwrap_or(self.envelope == Envelope::Debezium)
    }

    /// Looks at what the types alone do not forbid. The route is looked at where it is parsed.
    pub(super) fn check(&self) -> Result<(), Fault> {
        if self.debezium.is_some() && self.envelope != Envelope::Debezium {
            let said = "`debezium` settings are given but the envelope is another one";
            return Err(Fault::new(ErrorClass::Config, said)
                .hint("Set `envelope: debezium`, or remove the settings."));
        }
        if let KeyRule::Columns(columns) = &self.key {
            if columns.is_empty() {
                return Err(Fault::new(ErrorClass::Config, "the key has no columns")
                    .hint("Name columns under `key`, or set `key: none`."));
            }
            let mut seen = BTreeSet::new();
            if let Some(twice) = columns.iter().find(|column| !seen.insert(column.as_str())) {
                let said = format!("the key names the column `{twice}` twice");
                return Err(Fault::new(ErrorClass::Config, said));
            }
        }
        Ok(())
    }
}

/// What is written around the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Envelope {
    /// Ours: operation, table, position and rows, nothing else.
    #[default]
    Native,
    /// As Debezium's Postgres connector writes it with schemas off.
    Debezium,
    /// CloudEvents 1.0 in structured JSON mode, with the native envelope as its data.
    CloudEvents,
}

/// How an envelope becomes bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", tag = "type")]
pub enum Encoding {
    /// JSON on one line.
    #[default]
    Json,
}

/// What names the row in its messages.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyRule {
    /// The columns of the primary key, else of the replica identity.
    #[default]
    PrimaryKey,
    /// No key.
    None,
    /// These columns.
    Columns(Vec<String>),
}

/// How values look in the envelope `debezium`. The words and their defaults are those of Debezium's
/// Postgres connector, with underscores for its dots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DebeziumSettings {
    /// `topic.prefix`: what `source.name` says. The stream's name unless given.
    pub topic_prefix: Option<String>,
    /// `decimal.handling.mode`.
    pub decimal_handling_mode: DecimalMode,
    /// `time.precision.mode`.
    pub time_precision_mode: TimeMode,
    /// `interval.handling.mode`.
    pub interval_handling_mode: IntervalMode,
    /// `hstore.handling.mode`.
    pub hstore_handling_mode: HstoreMode,
    /// `binary.handling.mode`.
    pub binary_handling_mode: BinaryMode,
    /// `unavailable.value.placeholder`: stands for a large value that did not change.
    pub unavailable_value_placeholder: String,
    /// `provide.transaction.metadata`: whether `transaction` says the order in the transaction.
    pub provide_transaction_metadata: bool,
}

impl Default for DebeziumSettings {
    fn default() -> Self {
        Self {
            topic_prefix: None,
            decimal_handling_mode: DecimalMode::default(),
            time_precision_mode: TimeMode::default(),
            interval_handling_mode: IntervalMode::default(),
            hstore_handling_mode: HstoreMode::default(),
            binary_handling_mode: BinaryMode::default(),
            unavailable_value_placeholder: "__debezium_unavailable_value".to_owned(),
            provide_transaction_metadata: false,
        }
    }
}

/// How `numeric` and `money` are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DecimalMode {
    /// Base64 of the unscaled number; exact.
    #[default]
    Precise,
    /// A JSON number with the precision of a double.
    Double,
    /// The digits as text; exact.
    String,
}

/// How dates and times without a zone are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TimeMode {
    /// Milliseconds or microseconds, by the declared number of digits.
    #[default]
    Adaptive,
    /// The same, but a time of day always in microseconds.
    AdaptiveTimeMicroseconds,
    /// Always milliseconds.
    Connect,
}

/// How `interval` is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IntervalMode {
    /// Microseconds, a month taken as 365.25 / 12 days.
    #[default]
    Numeric,
    /// `P1Y2M3DT4H5M6.78S`.
    String,
}

/// How `hstore` is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HstoreMode {
    /// Text that holds a JSON object.
    #[default]
    Json,
    /// A JSON object.
    Map,
}

/// How `bytea` is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BinaryMode {
    /// As bytes, which JSON shows as base64.
    #[default]
    Bytes,
    /// Base64.
    Base64,
    /// Base64 with the alphabet for URLs and file names.
    Base64UrlSafe,
    /// Hexadecimal digits.
    Hex,
}
