//! What the manifest says about a Postgres stream.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use flowglass_clients::Secret;
use flowglass_clients::postgres::Address;
use flowglass_connect::stream::{StreamSource, StreamSourceConnector};
use flowglass_connect::{Fault, Surroundings};
use flowglass_model::ErrorClass;
use schemars::JsonSchema;
use serde::Deserialize;

use super::pattern::Patterns;
use super::pending::{Limits, MEMORY_BYTES_MIN};
use super::source::Source;
use crate::units::{Size, Span};

/// Postgres limits the names of its objects to this many bytes (`NAMEDATALEN` less one).
pub(super) const NAME_BYTES_MAX: usize = 63;

/// Reads every committed change of tables of a Postgres database (13 or newer) from its write-ahead
/// log, by logical replication.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Names the source in metrics: lower-case letters, digits, `_` and `-`.
    pub id: String,
    /// Where the database is: `postgres://user:password@host:5432/database?sslmode=verify-full`.
    /// The role needs `REPLICATION`. Several hosts may be named; the first that takes writes is used
    /// when `target_session_attrs=read-write` is given. Take it from the environment (`${SHOP_DSN}`).
    pub dsn: Secret,
    /// The tables: `schema.table`, with `%` or `*` for any run of characters and `?` for one. An
    /// underscore is an underscore. Without a schema it is `public`.
    pub tables: Vec<String>,
    /// The replication slot; made when it is missing, and never dropped. By default
    /// `flowglass_` and the id.
    pub slot: Option<String>,
    /// The publication; made, and given further tables, when the role may do so; never dropped. By
    /// default named like the slot.
    pub publication: Option<String>,
    /// Whether and how the rows that are there already are read.
    #[serde(default)]
    pub snapshot: SnapshotSettings,
    /// How often a message is written into the log, so that the slot of quiet tables on a busy server
    /// lets go of it: `10s`, or `0s` for never.
    #[serde(default = "heartbeat")]
    pub heartbeat: Span,
    /// After how long without a change the source counts as idle.
    #[serde(default = "idle_after")]
    pub idle_after: Span,
    /// How often tables are looked for that a pattern means and that were not there before: they join
    /// the publication. `1m`, or `0s` for never.
    #[serde(default = "discover_every")]
    pub discover_every: Span,
    /// Whether the server may send a large transaction before it is committed (PostgreSQL 14 or
    /// newer). Nothing of it is delivered before its commit.
    #[serde(default)]
    pub streaming: Streaming,
    /// Where transactions are kept that were sent and are not committed yet.
    #[serde(default)]
    pub spill: SpillSettings,
}

/// Whether the server may send a large transaction before it is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Streaming {
    /// When the server can, and as long as there is room here.
    #[default]
    Auto,
    /// Never: the server keeps a transaction until it is committed.
    Off,
}

/// Where transactions are kept that were sent and are not committed yet.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SpillSettings {
    /// In memory, all of them together. What is more goes to files.
    pub memory: Size,
    /// In files, all of them together. What is more the server has to keep.
    pub disk: Size,
}

impl Default for SpillSettings {
    fn default() -> Self {
        Self { memory: Size::new(64 << 20), disk: Size::new(100 << 30) }
    }
}

/// Whether and how the rows that are there already are read.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SnapshotSettings {
    /// When rows that are there already are read.
    pub mode: SnapshotMode,
    /// About how many rows are read at a time, and are what a crash can make us read again.
    pub chunk_rows: u32,
    /// How many connections read at once.
    pub parallel: u8,
}

impl Default for SnapshotSettings {
    fn default() -> Self {
        Self { mode: SnapshotMode::default(), chunk_rows: 10_000, parallel: 2 }
    }
}

/// When rows that are there already are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SnapshotMode {
    /// When the stream begins without a position, and for tables that join it later.
    #[default]
    Initial,
    /// Whenever the stream is started, every table, beside the log.
    Always,
    /// When the stream begins without a position, and then nothing else: the stream ends behind it.
    Only,
    /// Never: only changes from now on.
    Never,
}

const fn heartbeat() -> Span {
    Span::seconds(10)
}

const fn idle_after() -> Span {
    Span::seconds(60)
}

const fn discover_every() -> Span {
    Span::seconds(60)
}

/// What a stream of changes needs to know to be opened, any number of times.
#[derive(Clone)]
pub(super) struct Plan {
    pub(super) id: String,
    pub(super) address: Address,
    pub(super) patterns: Patterns,
    pub(super) slot: String,
    pub(super) publication: String,
    pub(super) snapshot: SnapshotSettings,
    pub(super) heartbeat: Duration,
    pub(super) idle_after: Duration,
    pub(super) discover_every: Duration,
    /// Whether the server may send transactions in progress, and how much of them is kept.
    pub(super) in_progress: bool,
    pub(super) limits: Limits,
    /// Folder for what outgrows memory.
    pub(super) scratch: PathBuf,
    /// A second reader: it reads from a copy of the slot, made anew for each connection.
    pub(super) beside: bool,
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Plan({}, {:?}, slot {})", self.id, self.address, self.slot)
    }
}

impl Plan {
    fn new(config: &Config, around: &Surroundings) -> Result<Self, Fault> {
        let slot = config.slot.clone().unwrap_or_else(|| slot_name(&config.id));
        let lawful = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '_';
        if slot.is_empty() || slot.len() > NAME_BYTES_MAX || !slot.chars().all(lawful) {
            return Err(Fault::new(ErrorClass::Config, format!("`{slot}` is no name for a slot"))
                .hint("Slots have up to 63 lower-case letters, digits and underscores."));
        }
        let publication = config.publication.clone().unwrap_or_else(|| slot.clone());
        if publication.is_empty() || publication.len() > NAME_BYTES_MAX {
            let said = format!("`{publication}` is no name for a publication");
            return Err(Fault::new(ErrorClass::Config, said));
        }
        if config.snapshot.chunk_rows == 0 || config.snapshot.parallel == 0 {
            let said = "`snapshot.chunk_rows` and `snapshot.parallel` are at least 1";
            return Err(Fault::new(ErrorClass::Config, said));
        }
        let limits = Limits {
            memory_bytes_max: config.spill.memory.bytes(),
            disk_bytes_max: config.spill.disk.bytes(),
        };
        if limits.memory_bytes_max < MEMORY_BYTES_MIN {
            let least = MEMORY_BYTES_MIN >> 20;
            let said = format!("`spill.memory` is at least {least}MiB");
            return Err(Fault::new(ErrorClass::Config, said));
        }
        Ok(Self {
            id: config.id.clone(),
            address: Address::parse(config.dsn.reveal(), &around.base_dir)?,
            patterns: Patterns::parse(&config.tables)?,
            slot,
            publication,
            snapshot: config.snapshot.clone(),
            heartbeat: config.heartbeat.duration(),
            idle_after: config.idle_after.duration(),
            discover_every: config.discover_every.duration(),
            in_progress: config.streaming == Streaming::Auto,
            limits,
            scratch: around.scratch_dir.clone(),
            beside: false,
        })
    }
}

fn slot_name(id: &str) -> String {
    let id: String = id
        .chars()
        .map(|it| if it.is_ascii_alphanumeric() { it.to_ascii_lowercase() } else { '_' })
        .collect();
    format!("flowglass_{id}")
}

/// Makes Postgres streams.
#[derive(Debug, Clone, Copy, Default)]
pub struct StreamConnector;

impl StreamSourceConnector for StreamConnector {
    fn kind(&self) -> &'static str {
        "postgres"
    }

    fn schema(&self) -> serde_json::Value {
        schemars::schema_for!(Config).to_value()
    }

    fn build(
        &self,
        config: serde_json::Value,
        around: &Surroundings,
    ) -> Result<Arc<dyn StreamSource>, Fault> {
        let config: Config = serde_json::from_value(config).map_err(|error| {
            Fault::new(ErrorClass::Config, "reading the postgres stream's settings").because(error)
        })?;
        Ok(Arc::new(Source::new(Plan::new(&config, around)?, Arc::clone(&around.clock))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_named_after_the_source() {
        assert_eq!(slot_name("Shop-1"), "flowglass_shop_1");
    }
}
