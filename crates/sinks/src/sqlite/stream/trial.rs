//! A file to measure with, and removing it.

use std::io;
use std::path::PathBuf;

use async_trait::async_trait;
use flowglass_connect::Fault;
use flowglass_connect::stream::TrialPlaces;

use crate::messages::ask;

/// The database of a trial.
#[derive(Debug)]
pub(super) struct TrialFile {
    pub(super) file: PathBuf,
}

#[async_trait]
impl TrialPlaces for TrialFile {
    async fn remove(&self) -> Result<(), Fault> {
        let file = self.file.clone();
        ask("sqlite sink", move || {
            // SQLite keeps two files beside it.
            for end in ["", "-wal", "-shm"] {
                let mut path = file.clone().into_os_string();
                path.push(end);
                match std::fs::remove_file(&path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        let doing = format!("removing {}", PathBuf::from(path).display());
                        return Err(Fault::io(doing, error));
                    }
                    _ => {}
                }
            }
            Ok(())
        })
        .await
    }
}
