//! The Parquet file behind the doorframe of targets.

use std::path::PathBuf;

use async_trait::async_trait;
use flowglass_connect::{
    BatchTarget, BatchWriter, CursorState, Fault, Outcome, Surroundings, ThreadedWriter,
    WriteOwner, WritePlan,
};
use flowglass_model::{AssetRef, ErrorClass};

use super::config::Config;
use super::old::Old;
use super::write::Writer;
use crate::files::blocking;

/// A Parquet file as a target.
#[derive(Debug)]
pub(super) struct Target {
    config: Config,
    path: PathBuf,
    scratch: PathBuf,
}

impl Target {
    pub(super) fn new(config: Config, around: &Surroundings) -> Self {
        let path = around.base_dir.join(&config.path);
        Self { config, path, scratch: around.scratch_dir.clone() }
    }

    /// The file that is there. One that is no Parquet file holds no state: a full refresh may
    /// replace it, and every other strategy refuses it when it begins.
    async fn old(&self) -> Result<Option<Old>, Fault> {
        let (path, shown) = (self.path.clone(), self.config.path.clone());
        let old = blocking("looking at the parquet file", move || Old::open(&path, &shown)).await;
        match old {
            Err(fault) if fault.class() == ErrorClass::Malformed => Ok(None),
            old => old,
        }
    }
}

#[async_trait]
impl BatchTarget for Target {
    fn asset(&self) -> AssetRef {
        AssetRef::file(&self.config.path)
    }

    async fn cursor(&self, owner: &WriteOwner) -> Result<Option<CursorState>, Fault> {
        Ok(self.old().await?.and_then(|old| old.states().cursor(owner)))
    }

    async fn committed(&self, owner: &WriteOwner, token: &str) -> Result<Option<Outcome>, Fault> {
        Ok(self.old().await?.and_then(|old| old.states().outcome(owner, token)))
    }

    async fn begin(&self, plan: WritePlan) -> Result<Box<dyn BatchWriter>, Fault> {
        let (config, path, scratch) =
            (self.config.clone(), self.path.clone(), self.scratch.clone());
        let make = move || Writer::begin(&config, &path, &scratch, plan);
        Ok(Box::new(ThreadedWriter::start("parquet-write", make).await?))
    }
}
