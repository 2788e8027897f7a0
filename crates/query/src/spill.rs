//! The folder that a query spills to, and the leftovers of queries that were killed.
//!
//! A query holds a locked file in its folder. The system lets go of the lock when the process ends,
//! however it ends, so a folder whose lock can be taken belongs to nobody and is removed. Nothing
//! is guessed from process ids or ages.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use flowglass_connect::Fault;

const PREFIX: &str = "sql-";
const LOCK: &str = "in-use";

/// Tells the folders of one process apart.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// A folder for one query's spilled rows. Removed when dropped.
#[derive(Debug)]
pub(crate) struct SpillFolder {
    path: PathBuf,
    _lock: File,
}

impl SpillFolder {
    /// Makes a new folder under `scratch` and removes those that nobody uses any more.
    pub(crate) fn new(scratch: &Path) -> Result<Self, Fault> {
        remove_leftovers(scratch);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = scratch.join(format!("{PREFIX}{}-{number}", std::process::id()));
        Self::make(&path).map_err(|error| {
            Fault::io(format!("making the scratch folder {}", path.display()), error)
        })
    }

    fn make(path: &Path) -> std::io::Result<Self> {
        std::fs::create_dir_all(path)?;
        // Locked under another name first: a file named `in-use` is in use from its first instant.
        let making = path.join("making");
        let lock = File::create(&making)?;
        lock.lock()?;
        std::fs::rename(&making, path.join(LOCK))?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SpillFolder {
    fn drop(&mut self) {
        // What cannot be removed now is a leftover that the next query removes.
        drop(std::fs::remove_dir_all(&self.path));
    }
}

/// Leftovers cost disk, not correctness: what cannot be looked at or removed stays for the next.
fn remove_leftovers(scratch: &Path) {
    let Ok(entries) = std::fs::read_dir(scratch) else { return };
    for entry in entries.flatten() {
        let named = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        if named && abandoned(&entry.path()) {
            drop(std::fs::remove_dir_all(entry.path()));
        }
    }
}

fn abandoned(folder: &Path) -> bool {
    // A folder without its file is just being made, or just being removed.
    let Ok(lock) = File::open(folder.join(LOCK)) else { return false };
    !matches!(lock.try_lock(), Err(TryLockError::WouldBlock | TryLockError::Error(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_goes_with_its_query_and_leftovers_go_with_the_next() {
        let scratch = tempfile::tempdir().unwrap();
        let leftover = scratch.path().join("sql-1-0");
        std::fs::create_dir_all(leftover.join("datafusion-x")).unwrap();
        File::create(leftover.join(LOCK)).unwrap();
        let first = SpillFolder::new(scratch.path()).unwrap();
        assert!(!leftover.exists());
        let second = SpillFolder::new(scratch.path()).unwrap();
        assert!(first.path().exists() && second.path().exists());
        drop((first, second));
        assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0);
    }
}
