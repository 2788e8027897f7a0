//! Opening a database file the way a bulk reader or writer needs it.

use std::path::Path;
use std::time::Duration;

use flowglass_connect::Fault;
use flowglass_model::ErrorClass;
use rusqlite::{Connection, OpenFlags};

use super::{STATE_TABLE, fault};

/// How long another process may hold its lock before we give up with class `conflict`.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Pages kept in memory by a writer, in KiB: index pages of a bulk load are touched again and
/// again. Well below the memory that a copy may take in all.
const WRITER_CACHE_KIB: i64 = 64 * 1024;

/// Opens an existing file for reading only; it is never made or changed.
///
/// # Errors
/// `not_found` without the file, or what SQLite says.
pub fn open_reader(path: &Path) -> Result<Connection, Fault> {
    let doing = || format!("opening {} to read", path.display());
    if !path.exists() {
        return Err(Fault::new(ErrorClass::NotFound, doing())
            .hint("Check `path`; it starts from the manifest's folder."));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection =
        Connection::open_with_flags(path, flags).map_err(|error| fault(doing(), error))?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(|error| fault(doing(), error))?;
    // The first look at the file is what tells a database from some other file.
    connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |_row| Ok(()))
        .map_err(|error| fault(doing(), error))?;
    Ok(connection)
}

/// Opens a file for writing and makes it when it is missing. The journal mode stays as it is.
///
/// # Errors
/// What SQLite says.
pub fn open_writer(path: &Path) -> Result<Connection, Fault> {
    let doing = || format!("opening {} to write", path.display());
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection =
        Connection::open_with_flags(path, flags).map_err(|error| fault(doing(), error))?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(|error| fault(doing(), error))?;
    connection
        .pragma_update(None, "cache_size", -WRITER_CACHE_KIB)
        .map_err(|error| fault(doing(), error))?;
    Ok(connection)
}

/// An identifier in double quotes.
#[must_use]
pub fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Whether there is a table (or view) of this name.
///
/// # Errors
/// What SQLite says.
pub fn table_exists(connection: &Connection, table: &str) -> Result<bool, Fault> {
    let sql = "SELECT count(*) FROM sqlite_schema \
               WHERE type IN ('table', 'view') AND name = ?1 COLLATE NOCASE";
    let found: i64 = connection
        .query_row(sql, [table], |row| row.get(0))
        .map_err(|error| fault(format!("looking for the table `{table}`"), error))?;
    Ok(found > 0)
}

/// Whether a target has written here before.
///
/// # Errors
/// What SQLite says.
pub fn state_table_exists(connection: &Connection) -> Result<bool, Fault> {
    table_exists(connection, STATE_TABLE)
}
