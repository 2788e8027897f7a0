//! What the manifest says about a SQLite source.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use async_trait::async_trait;
use flowglass_connect::{
    BatchReader, BatchSource, Fault, ReadRequest, SourceConnector, Surroundings,
};
use flowglass_model::{AssetRef, ErrorClass};
use schemars::JsonSchema;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::read::Reader;

/// Reads a table, a view or a query of a SQLite database file. The file is only read.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The database file; a relative path starts from the manifest's folder.
    pub path: PathBuf,
    /// Table or view to read. Give either this or `query`.
    pub table: Option<String>,
    /// A `SELECT` to read instead of a table.
    pub query: Option<String>,
    /// Types for columns whose declared type says too little, for instance
    /// `{ price: "decimal(18,2)", made_at: timestamp }`.
    #[serde(default)]
    pub columns: BTreeMap<String, ColumnType>,
}

/// A type that a column is read as: `text`, `integer`, `real`, `blob`, `boolean`, `date`, `time`,
/// `timestamp`, `timestamptz` or `decimal(PRECISION,SCALE)`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub struct ColumnType(pub(super) DataType);

impl TryFrom<String> for ColumnType {
    type Error = String;

    fn try_from(word: String) -> Result<Self, String> {
        let word = word.to_ascii_lowercase();
        let simple = match word.as_str() {
            "text" => Some(DataType::Utf8),
            "integer" => Some(DataType::Int64),
            "real" => Some(DataType::Float64),
            "blob" => Some(DataType::Binary),
            "boolean" => Some(DataType::Boolean),
            "date" => Some(DataType::Date32),
            "time" => Some(DataType::Time64(TimeUnit::Microsecond)),
            "timestamp" => Some(DataType::Timestamp(TimeUnit::Microsecond, None)),
            "timestamptz" => Some(DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
            _ => None,
        };
        let found = simple.or_else(|| super::schema::decimal_of(word.strip_prefix("decimal")?));
        found.map(Self).ok_or_else(|| {
            format!(
                "`{word}` is no column type; there are text, integer, real, blob, boolean, date, \
                 time, timestamp, timestamptz and decimal(PRECISION,SCALE)"
            )
        })
    }
}

/// Makes SQLite sources.
#[derive(Debug, Clone, Copy, Default)]
pub struct Connector;

impl SourceConnector for Connector {
    fn kind(&self) -> &'static str {
        "sqlite"
    }

    fn schema(&self) -> serde_json::Value {
        schemars::schema_for!(Config).to_value()
    }

    fn build(
        &self,
        config: serde_json::Value,
        around: &Surroundings,
    ) -> Result<Arc<dyn BatchSource>, Fault> {
        let config: Config = serde_json::from_value(config).map_err(|error| {
            Fault::new(ErrorClass::Config, "reading the sqlite source's settings").because(error)
        })?;
        if config.table.is_some() == config.query.is_some() {
            return Err(Fault::new(
                ErrorClass::Config,
                "a sqlite source needs either `table` or `query`",
            ));
        }
        let file = around.base_dir.join(&config.path);
        Ok(Arc::new(Source { config, file }))
    }
}

#[derive(Debug)]
struct Source {
    config: Config,
    file: PathBuf,
}

#[async_trait]
impl BatchSource for Source {
    fn asset(&self) -> AssetRef {
        let what = match (&self.config.table, &self.config.query) {
            (Some(table), _) => table.clone(),
            // A query's text is too long for a name, and may hold values.
            (None, query) => {
                let digest = Sha256::digest(query.as_deref().unwrap_or_default());
                let hex: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
                format!("query-{hex}")
            }
        };
        AssetRef::new("sqlite", format!("{}#{what}", self.config.path.display()))
    }

    async fn open(&self, request: ReadRequest) -> Result<Box<dyn BatchReader>, Fault> {
        let reader = Reader::start(self.config.clone(), self.file.clone(), request).await?;
        Ok(Box::new(reader))
    }
}
