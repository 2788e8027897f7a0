//! Opening a database file the way a bulk reader or writer needs it.

use std::path::Path;
use std::time::Duration;

use flowglass_connect::Fault;
use flowglass_model::ErrorClass;
use rusqlite::{Connection, OpenFlags, ffi};

use super::{STATE_TABLE, fault};

/// How long another process may hold its lock before we give up with class `conflict`.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Pages kept in memory by a writer, in KiB: index pages of a bulk load are touched again and
/// again. Well below the memory that a copy may take in all.
const WRITER_CACHE_KIB: i64 = 64 * 1024;

/// Opens an existing file for reading only; it is never made, and its rows are never changed.
///
/// A process that was killed while it wrote leaves a journal beside the file, and the rows are those
/// before it only once the journal is rolled back. Every program that opens the file does that, but a
/// reader without the right to write cannot, so it is done here by a connection that has it.
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
    match look(&connection) {
        Err(error) if is_left_half_written(&error) => {
            let healer = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE);
            let healed = healer.and_then(|it| {
                it.busy_timeout(BUSY_TIMEOUT)?;
                look(&it)
            });
            healed.and_then(|()| look(&connection))
        }
        looked => looked,
    }
    .map_err(|error| fault(doing(), error))?;
    Ok(connection)
}

fn look(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_row| Ok(()))
}

/// Whether SQLite cannot read before somebody with the right to write has rolled back or recovered
/// what a killed writer left.
fn is_left_half_written(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|it| {
        matches!(
            it.extended_code,
            ffi::SQLITE_READONLY_ROLLBACK
                | ffi::SQLITE_READONLY_RECOVERY
                | ffi::SQLITE_READONLY_CANTINIT
        )
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_writer_left_is_rolled_back_before_it_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let (file, copy) = (folder.path().join("a.db"), folder.path().join("b.db"));
        let writer = open_writer(&file).unwrap();
        // So small a memory that the file itself is written before the commit.
        writer
            .execute_batch(
                "CREATE TABLE t (v TEXT); INSERT INTO t VALUES ('kept'); PRAGMA cache_size = 2;
                 BEGIN;
                 WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9999)
                 INSERT INTO t SELECT hex(randomblob(40)) FROM n;",
            )
            .unwrap();
        // The copies have nobody who holds a lock on them, as after a kill.
        std::fs::copy(&file, &copy).unwrap();
        let journal = |path: &Path| path.with_extension("db-journal");
        std::fs::copy(journal(&file), journal(&copy)).unwrap();
        let reader = open_reader(&copy).unwrap();
        let rows: Vec<String> = reader
            .prepare("SELECT v FROM t")
            .and_then(|mut it| it.query_map([], |row| row.get(0))?.collect())
            .unwrap();
        assert_eq!(rows, ["kept"]);
    }
}
