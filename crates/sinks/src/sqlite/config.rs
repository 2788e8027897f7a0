//! What the manifest says about a SQLite target.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use flowglass_clients::sqlite::open_reader;
use flowglass_connect::{
    BatchTarget, BatchWriter, CursorState, Fault, Outcome, Surroundings, TargetConnector,
    ThreadedWriter, WriteOwner, WritePlan,
};
use flowglass_model::{AssetRef, ErrorClass};
use schemars::JsonSchema;
use serde::Deserialize;

use super::queue;
use super::state::{self, Kept};
use super::write::Writer;

/// Writes a table of a SQLite database file. File and table are made when they are missing.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The database file; a relative path starts from the manifest's folder.
    pub path: PathBuf,
    /// The table to fill.
    pub table: String,
}

/// Makes SQLite targets.
#[derive(Debug, Clone, Copy, Default)]
pub struct Connector;

impl TargetConnector for Connector {
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
    ) -> Result<Arc<dyn BatchTarget>, Fault> {
        let config: Config = serde_json::from_value(config).map_err(|error| {
            Fault::new(ErrorClass::Config, "reading the sqlite target's settings").because(error)
        })?;
        let ours = config.table.to_ascii_lowercase();
        if ours.starts_with("_flowglass_") || ours.starts_with("sqlite_") || ours.is_empty() {
            return Err(Fault::new(
                ErrorClass::Config,
                format!("`{}` cannot be the name of a target table", config.table),
            ));
        }
        let file = around.base_dir.join(&config.path);
        Ok(Arc::new(Target { config, file, around: around.clone() }))
    }
}

#[derive(Debug)]
struct Target {
    config: Config,
    file: PathBuf,
    around: Surroundings,
}

impl Target {
    /// What is kept for a node, looked up on a thread that may block.
    async fn kept(&self, owner: &WriteOwner) -> Result<Option<Kept>, Fault> {
        // A writer that outgrew its cache keeps readers out until it commits.
        let _turn = queue::turn(&self.file).await;
        let (file, owner) = (self.file.clone(), owner.clone());
        let look = move || {
            if !file.exists() {
                return Ok(None);
            }
            state::load(&open_reader(&file)?, &owner)
        };
        tokio::task::spawn_blocking(look).await.map_err(|error| {
            Fault::new(ErrorClass::Internal, "looking up what was kept").because(error)
        })?
    }
}

#[async_trait]
impl BatchTarget for Target {
    fn asset(&self) -> AssetRef {
        AssetRef::new("sqlite", format!("{}#{}", self.config.path.display(), self.config.table))
    }

    async fn cursor(&self, owner: &WriteOwner) -> Result<Option<CursorState>, Fault> {
        Ok(self.kept(owner).await?.and_then(|kept| kept.cursor))
    }

    async fn committed(&self, owner: &WriteOwner, token: &str) -> Result<Option<Outcome>, Fault> {
        let kept = self.kept(owner).await?;
        Ok(kept.filter(|kept| kept.token == token).map(|kept| kept.outcome))
    }

    async fn begin(&self, plan: WritePlan) -> Result<Box<dyn BatchWriter>, Fault> {
        // SQLite takes one writer at a time; those of this process wait in order, without a
        // thread each and for as long as the engine lets them.
        let turn = queue::turn(&self.file).await;
        let (file, table) = (self.file.clone(), self.config.table.clone());
        let clock = Arc::clone(&self.around.clock);
        let make = move || Writer::begin(&file, table, plan, clock, turn);
        Ok(Box::new(ThreadedWriter::start("sqlite-write", make).await?))
    }
}
