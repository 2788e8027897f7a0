//! Opening the file: who may write, what a path that is no store is told, and the settings that
//! every connection gets.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::error::StoreError;
use crate::schema::{self, Found};

/// How long a process waits for another one's transaction. Transactions are short: a batch of
/// events or one bit of retention; whoever holds the lock longer is stuck or stopped.
const BUSY_WAIT: Duration = Duration::from_secs(30);
/// What the write-ahead log may keep on disk after a burst.
const WAL_BYTES_KEPT_MAX: i64 = 16 * 1024 * 1024;

/// What an answered append has survived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// The process may be killed and the machine may lose power: each commit waits for the disk
    /// (`synchronous = FULL`). Group commit shares that wait among all that were handed over in
    /// the meantime, so that it costs little; and whoever saw an event outside of this machine
    /// can rely on never seeing another one under its number.
    #[default]
    Power,
    /// The process may be killed; the last moments before a power cut may be missing, though
    /// never torn (`synchronous = NORMAL`).
    Process,
}

/// Opens for writing, makes the file and its folder when they are missing, and brings an older
/// file up to date.
pub(crate) fn writer(path: &Path, durability: Durability) -> Result<Connection, StoreError> {
    refuse_folder(path)?;
    if let Some(folder) = path.parent().filter(|it| !it.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|cause| StoreError::File {
            doing: "making the store's folder",
            path: folder.to_owned(),
            cause: Arc::new(cause),
        })?;
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let failed = |cause| schema::opening(path, cause);
    let mut connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(BUSY_WAIT).map_err(failed)?;
    // Nothing is written before it is known whose file it is.
    if schema::identify(&connection, path)? == Found::Empty {
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL").map_err(failed)?;
    }
    let synchronous = match durability {
        Durability::Power => "FULL",
        Durability::Process => "NORMAL",
    };
    connection
        .pragma_update_and_check(None, "journal_mode", "WAL", |_row| Ok(()))
        .map_err(failed)?;
    connection.pragma_update(None, "synchronous", synchronous).map_err(failed)?;
    connection
        .pragma_update_and_check(None, "journal_size_limit", WAL_BYTES_KEPT_MAX, |_row| Ok(()))
        .map_err(failed)?;
    connection.pragma_update(None, "cache_size", -8192).map_err(failed)?;
    connection.set_prepared_statement_cache_capacity(64);
    schema::migrate(&mut connection, path, schema::STEPS)?;
    refuse_read_only(&connection, path)?;
    Ok(connection)
}

/// Opens for reading. Nothing is made or changed; a store on a read-only disk is read too.
pub(crate) fn reader(path: &Path) -> Result<Connection, StoreError> {
    refuse_folder(path)?;
    if !path.exists() {
        return Err(StoreError::Missing { path: path.to_owned() });
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let failed = |cause| schema::opening(path, cause);
    let mut connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(BUSY_WAIT).map_err(failed)?;
    let found = match schema::identify(&connection, path) {
        Err(refused) if cannot_share(&refused) && !has_wal(path) => {
            // Shared memory cannot be made beside the file; with no write-ahead log there is
            // nothing to share, and the file alone is the whole store.
            connection = immutable(path).map_err(failed)?;
            schema::identify(&connection, path)?
        }
        found => found?,
    };
    match found {
        Found::Store(version) if version == schema::known() => {}
        Found::Store(found) => {
            let known = schema::known();
            return Err(StoreError::Older { path: path.to_owned(), found, known });
        }
        Found::Empty => return Err(StoreError::Missing { path: path.to_owned() }),
    }
    connection.pragma_update(None, "cache_size", -4096).map_err(failed)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

fn immutable(path: &Path) -> rusqlite::Result<Connection> {
    let mut uri = "file:".to_owned();
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => {
                uri.push(char::from(*byte));
            }
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    uri.push_str("?immutable=1");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI;
    Connection::open_with_flags(uri, flags)
}

fn cannot_share(error: &StoreError) -> bool {
    let StoreError::Database { cause, .. } = error else { return false };
    matches!(
        cause.sqlite_error_code(),
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied)
    )
}

fn has_wal(path: &Path) -> bool {
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    std::fs::metadata(wal).is_ok_and(|it| it.len() > 0)
}

fn refuse_folder(path: &Path) -> Result<(), StoreError> {
    if path.is_dir() {
        let what = "it is a folder";
        return Err(StoreError::NotAStore { path: path.to_owned(), what });
    }
    Ok(())
}

/// SQLite opens a file without the right to write for reading alone and says nothing until the
/// first write; a run must hear it before it starts.
fn refuse_read_only(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    if !connection.is_readonly("main").unwrap_or(false) {
        return Ok(());
    }
    let cause = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
    Err(StoreError::File {
        doing: "writing to the store",
        path: path.to_owned(),
        cause: Arc::new(cause),
    })
}
