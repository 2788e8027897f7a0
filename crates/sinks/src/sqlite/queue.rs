//! Writers of one process to one file, one after the other.
//!
//! Several nodes of a workflow may fill tables of the same file. SQLite would let all but one
//! wait in a poll loop and fail them when the first takes long; here they queue up instead. Other
//! processes are still waited for by SQLite's own busy timeout.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

use tokio::sync::{Mutex as Turns, OwnedMutexGuard};

/// The right to write; given back when dropped.
pub(super) type Turn = OwnedMutexGuard<()>;

static FILES: LazyLock<Mutex<HashMap<PathBuf, Weak<Turns<()>>>>> = LazyLock::new(Mutex::default);

/// Waits for the turn to write to `file`.
pub(super) async fn turn(file: &Path) -> Turn {
    let turns = {
        let mut files = FILES.lock().unwrap_or_else(PoisonError::into_inner);
        files.retain(|_file, turns| turns.strong_count() > 0);
        let known = files.get(&name_of(file)).and_then(Weak::upgrade);
        known.unwrap_or_else(|| {
            let turns = Arc::new(Turns::new(()));
            files.insert(name_of(file), Arc::downgrade(&turns));
            turns
        })
    };
    turns.lock_owned().await
}

/// One name for one file, however it is written; the file itself may not be there yet.
fn name_of(file: &Path) -> PathBuf {
    let folder = file.parent().and_then(|folder| folder.canonicalize().ok());
    match (folder, file.file_name()) {
        (Some(folder), Some(name)) => folder.join(name),
        _ => file.to_owned(),
    }
}
