//! Who is alive: the proof that lets one process call another one's run lost.
//!
//! A process number is no proof: it is given anew, and means another process in another container.
//! A heartbeat is none either: a stopped laptop misses it. So each process that writes holds a lock
//! (`flock`) on a file of its own in the folder `<store>-live/` as long as it lives; the kernel
//! lets go of it at the process's end, however that comes. All users of one store share one kernel,
//! because SQLite's own write-ahead log demands the same.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};
use uuid::Uuid;

/// This process as an owner of runs. Dropping it lets go of the proof of life.
#[derive(Debug)]
pub(crate) struct Owner {
    folder: PathBuf,
    token: Uuid,
    since_ns: i64,
    /// Held for its lock, from the first append on.
    proof: Option<(File, i64)>,
}

/// The folder of the proofs of life beside a store.
pub(crate) fn folder_of(store: &Path) -> PathBuf {
    let mut folder = store.as_os_str().to_owned();
    folder.push("-live");
    folder.into()
}

impl Owner {
    pub(crate) fn new(store: &Path, token: Uuid, since_ns: i64) -> Self {
        Self { folder: folder_of(store), token, since_ns, proof: None }
    }

    /// Makes the proof and the row when they are not there yet; gives the row's number.
    pub(crate) fn register(&mut self, connection: &mut Connection) -> rusqlite::Result<i64> {
        if let Some((_proof, owner_no)) = &self.proof {
            return Ok(*owner_no);
        }
        let proof = self.prove().map_err(|error| {
            let code = rusqlite::ffi::Error::new(match error.kind() {
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded => rusqlite::ffi::SQLITE_FULL,
                _ => rusqlite::ffi::SQLITE_CANTOPEN,
            });
            let said = format!("making the proof of life {}: {error}", self.folder.display());
            rusqlite::Error::SqliteFailure(code, Some(said))
        })?;
        connection.execute(
            "INSERT INTO owner (token, process_id, since_ns) VALUES (?1, ?2, ?3)
             ON CONFLICT (token) DO NOTHING",
            params![self.token.to_string(), std::process::id(), self.since_ns],
        )?;
        let owner_no = connection.query_row(
            "SELECT owner_no FROM owner WHERE token = ?1",
            [self.token.to_string()],
            |row| row.get(0),
        )?;
        self.proof = Some((proof, owner_no));
        Ok(owner_no)
    }

    /// The file gets its name after it is locked, so that nobody can find it free by haste.
    fn prove(&self) -> std::io::Result<File> {
        std::fs::create_dir_all(&self.folder)?;
        let name = self.folder.join(self.token.to_string());
        let aside = name.with_extension("new");
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(&aside)?;
        file.lock()?;
        std::fs::rename(&aside, &name)?;
        Ok(file)
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        if self.proof.take().is_some() {
            // Left behind, it would only be found free and removed by the next reader.
            std::fs::remove_file(self.folder.join(self.token.to_string())).ok();
            // Fails while another process is alive, as it should.
            std::fs::remove_dir(&self.folder).ok();
        }
    }
}

/// Whether the process with this token lives. Its file is left alone.
pub(crate) fn is_alive(store: &Path, token: &str) -> bool {
    let Ok(file) = File::open(folder_of(store).join(token)) else { return false };
    // A shared lock is enough to find out, and does not make two askers see each other.
    match file.try_lock_shared() {
        Ok(()) => false,
        Err(TryLockError::WouldBlock) => true,
        // A file system without locks proves nothing; declaring a live run lost would be worse.
        Err(TryLockError::Error(_)) => true,
    }
}

/// Removes the proofs of processes that ended without tidying up.
pub(crate) fn sweep(store: &Path) {
    let Ok(entries) = std::fs::read_dir(folder_of(store)) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(token) = name.to_str().filter(|it| Uuid::parse_str(it).is_ok()) else { continue };
        if !is_alive(store, token) {
            std::fs::remove_file(entry.path()).ok();
        }
    }
}
