//! A folder to measure with, and removing it.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use flowglass_connect::Fault;
use flowglass_connect::stream::TrialPlaces;

use crate::messages::ask;

/// The folder of a trial.
#[derive(Debug)]
pub(super) struct TrialFolder {
    pub(super) folder: PathBuf,
}

impl TrialFolder {
    /// Beside what is there of `folder`, so that it is on the same disk.
    pub(super) fn beside(folder: &Path, name: &str) -> Self {
        let nearest = folder.ancestors().find(|it| it.is_dir());
        Self { folder: nearest.unwrap_or_else(|| Path::new(".")).join(format!(".{name}")) }
    }
}

#[async_trait]
impl TrialPlaces for TrialFolder {
    async fn remove(&self) -> Result<(), Fault> {
        let folder = self.folder.clone();
        ask("files sink", move || match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Fault::io(format!("removing {}", folder.display()), error))
            }
            _ => Ok(()),
        })
        .await
    }
}
