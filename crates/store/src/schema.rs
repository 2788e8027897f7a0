//! The tables, their version, and the way from an older version to this one.
//!
//! The version is SQLite's `user_version` and the file is known as ours by its `application_id`, so
//! that both are in the file's first hundred bytes and `file(1)` can tell. Steps run in one
//! transaction: a store is of one version or of the next, never between.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use crate::error::StoreError;

/// `Flow` in ASCII.
pub(crate) const APPLICATION_ID: i64 = 0x466c_6f77;

/// What leads from each version to the next; the first makes an empty file a store.
///
/// `event.pos` is the order of commits over all runs and is never used twice, also not after the
/// newest events were deleted: `counter` remembers it, because an exporter's cursor must not see
/// new events under old numbers. `event.line` is the event's JSON as TEXT; no other type is
/// stored, so that a packed form could be told apart by its type (BLOB) without a new table.
/// `run.doc` is the summary of the run, folded from its events in the transaction that adds them.
/// A run in `doomed` is gone for every reader; its events are deleted bit by bit.
///
/// `checkpoint` holds where each sink of a stream stands, as JSON; `dead_letter` the rows that a sink
/// could not take, in the order in which they were set aside. A change fails at a sink once: the same
/// `id` again is the same letter. `dead_letter.event` is the change as it can be sent again, and
/// `letter_shape` the shape of its table, which many letters share; both are absent from letters of
/// the second version. `stream` says how each stream is meant to be, and `stream_request` what was asked
/// of it and answered.
///
/// `receipt` holds, by sink and account, what was acknowledged since the account began, at some of its
/// positions: the difference of two of them is what was delivered between. `receipt_late` holds what
/// was delivered later at a place that the stream had passed.
pub(crate) const STEPS: &[&str] = &[
    "
    CREATE TABLE owner (
        owner_no   INTEGER PRIMARY KEY,
        token      TEXT    NOT NULL UNIQUE,
        process_id INTEGER NOT NULL,
        since_ns   INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE run (
        run_no   INTEGER PRIMARY KEY,
        run_id   BLOB    NOT NULL UNIQUE,
        owner_no INTEGER,
        tenant   TEXT    NOT NULL,
        state    TEXT,
        first_ns INTEGER NOT NULL,
        ended_ns INTEGER,
        last_seq INTEGER NOT NULL,
        words    TEXT    NOT NULL,
        doc      TEXT    NOT NULL
    ) STRICT;
    CREATE INDEX run_by_time  ON run (first_ns, run_no);
    CREATE INDEX run_by_state ON run (state, first_ns, run_no);
    CREATE INDEX run_by_end   ON run (ended_ns) WHERE ended_ns IS NOT NULL;
    CREATE TABLE run_pipeline (
        pipeline_id TEXT    NOT NULL,
        first_ns    INTEGER NOT NULL,
        run_no      INTEGER NOT NULL,
        PRIMARY KEY (pipeline_id, first_ns, run_no)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE event (
        pos     INTEGER PRIMARY KEY,
        run_no  INTEGER NOT NULL,
        seq     INTEGER NOT NULL,
        kind    INTEGER NOT NULL,
        level   INTEGER,
        node    TEXT,
        attempt INTEGER,
        line    ANY NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX event_by_run ON event (run_no, seq);
    CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    INSERT INTO counter VALUES ('pos', 0), ('run', 0);
    CREATE TABLE cursor (
        name TEXT PRIMARY KEY,
        pos  INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE doomed (run_no INTEGER PRIMARY KEY) STRICT;
",
    "
    CREATE TABLE checkpoint (
        stream   TEXT    NOT NULL,
        sink     TEXT    NOT NULL,
        position TEXT    NOT NULL,
        rows     INTEGER NOT NULL,
        at_ns    INTEGER NOT NULL,
        PRIMARY KEY (stream, sink)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE dead_letter (
        letter_no INTEGER PRIMARY KEY AUTOINCREMENT,
        stream    TEXT    NOT NULL,
        sink      TEXT    NOT NULL,
        id        TEXT    NOT NULL,
        tab       TEXT    NOT NULL,
        op        TEXT    NOT NULL,
        key       TEXT,
        class     TEXT    NOT NULL,
        detail    TEXT    NOT NULL,
        row       TEXT    NOT NULL,
        truncated INTEGER NOT NULL,
        at_ns     INTEGER NOT NULL,
        UNIQUE (stream, sink, id)
    ) STRICT;
",
    "
    CREATE TABLE letter_shape (
        shape_no INTEGER PRIMARY KEY,
        doc      TEXT    NOT NULL UNIQUE
    ) STRICT;
    ALTER TABLE dead_letter ADD COLUMN state      TEXT    NOT NULL DEFAULT 'open';
    ALTER TABLE dead_letter ADD COLUMN attempts   INTEGER NOT NULL DEFAULT 1;
    ALTER TABLE dead_letter ADD COLUMN changed_ns INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE dead_letter ADD COLUMN processor  TEXT;
    ALTER TABLE dead_letter ADD COLUMN shape_no   INTEGER;
    ALTER TABLE dead_letter ADD COLUMN event      TEXT;
    UPDATE dead_letter SET changed_ns = at_ns;
    CREATE INDEX dead_letter_by_state ON dead_letter (stream, state, letter_no, at_ns);
    CREATE INDEX dead_letter_by_shape ON dead_letter (shape_no) WHERE shape_no IS NOT NULL;
    CREATE TABLE stream (
        stream      TEXT    NOT NULL PRIMARY KEY,
        desired     TEXT    NOT NULL,
        desired_ns  INTEGER,
        desired_by  TEXT,
        letters_max INTEGER
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE stream_request (
        request_no  INTEGER PRIMARY KEY AUTOINCREMENT,
        stream      TEXT    NOT NULL,
        verb        TEXT    NOT NULL,
        argument    TEXT    NOT NULL,
        asked_ns    INTEGER NOT NULL,
        asked_by    TEXT    NOT NULL,
        state       TEXT    NOT NULL,
        answer      TEXT,
        answered_ns INTEGER
    ) STRICT;
    CREATE INDEX stream_request_by_state ON stream_request (stream, state, request_no);
",
    "
    CREATE TABLE receipt (
        stream     TEXT    NOT NULL,
        sink       TEXT    NOT NULL,
        account_no INTEGER NOT NULL,
        seq        INTEGER NOT NULL,
        position   TEXT    NOT NULL,
        at_ns      INTEGER NOT NULL,
        doc        TEXT    NOT NULL,
        PRIMARY KEY (stream, sink, account_no, seq)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE receipt_late (
        late_no     INTEGER PRIMARY KEY,
        stream      TEXT    NOT NULL,
        sink        TEXT    NOT NULL,
        destination TEXT    NOT NULL,
        place       INTEGER NOT NULL,
        messages    INTEGER NOT NULL,
        hash        INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX receipt_late_by_sink ON receipt_late (stream, sink);
",
];

/// The version that this build writes.
#[must_use]
pub(crate) fn known() -> i64 {
    i64::try_from(STEPS.len()).unwrap_or(i64::MAX)
}

/// What a file is, as its header and tables say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// A database without any table: a new file.
    Empty,
    /// A store of this version.
    Store(i64),
}

/// Looks what the file is, without changing it.
///
/// # Errors
/// [`StoreError::NotAStore`] for another program's database, [`StoreError::Newer`] for a later one.
pub(crate) fn identify(connection: &Connection, path: &Path) -> Result<Found, StoreError> {
    let failed = |cause| opening(path, cause);
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let application = pragma("application_id").map_err(failed)?;
    let found = pragma("user_version").map_err(failed)?;
    if application == APPLICATION_ID && found > known() {
        return Err(StoreError::Newer { path: path.to_owned(), found, known: known() });
    }
    if application == APPLICATION_ID && found > 0 {
        return Ok(Found::Store(found));
    }
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0))
        .map_err(failed)?;
    if application == 0 && found == 0 && tables == 0 {
        return Ok(Found::Empty);
    }
    let what = "it is a SQLite database of another program";
    Err(StoreError::NotAStore { path: path.to_owned(), what })
}

/// Brings a new or older file to the version of `steps`, in one transaction.
///
/// # Errors
/// As [`identify`], and what SQLite answers; then the file is as it was.
pub(crate) fn migrate(
    connection: &mut Connection,
    path: &Path,
    steps: &[&str],
) -> Result<(), StoreError> {
    let newest = i64::try_from(steps.len()).unwrap_or(i64::MAX);
    if identify(connection, path)? == Found::Store(newest) {
        return Ok(());
    }
    let failed = |cause| StoreError::Database {
        doing: "bringing the tables up to date",
        path: path.to_owned(),
        cause: std::sync::Arc::new(cause),
    };
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    // Another process may have done it while this one waited for the lock.
    let from = match identify(&transaction, path)? {
        Found::Empty => 0,
        Found::Store(version) => version,
    };
    for step in steps.iter().skip(usize::try_from(from).unwrap_or(usize::MAX)) {
        transaction.execute_batch(step).map_err(failed)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(failed)?;
    transaction.pragma_update(None, "user_version", newest).map_err(failed)?;
    transaction.commit().map_err(failed)
}

/// SQLite's answer while opening, as what it means for the person.
pub(crate) fn opening(path: &Path, cause: rusqlite::Error) -> StoreError {
    if cause.sqlite_error_code() == Some(rusqlite::ErrorCode::NotADatabase) {
        let what = "the file is no SQLite database";
        return StoreError::NotAStore { path: path.to_owned(), what };
    }
    StoreError::Database {
        doing: "opening the log",
        path: path.to_owned(),
        cause: std::sync::Arc::new(cause),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_store_is_brought_up_to_date_and_keeps_its_rows() {
        let mut connection = Connection::open_in_memory().unwrap();
        let path = Path::new("test.db");
        migrate(&mut connection, path, STEPS).unwrap();
        connection.execute("INSERT INTO cursor VALUES ('otlp', 7)", ()).unwrap();
        let mut later = STEPS.to_vec();
        later.push("ALTER TABLE cursor ADD COLUMN note TEXT");
        // This build's own reader must still know that a later version is none of its own.
        migrate(&mut connection, path, &later).unwrap();
        let kept: (String, i64, Option<String>) = connection
            .query_row("SELECT name, pos, note FROM cursor", (), |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .unwrap();
        assert_eq!(kept, ("otlp".to_owned(), 7, None));
        let refused = identify(&connection, path).unwrap_err();
        assert!(matches!(refused, StoreError::Newer { .. }), "{refused}");
    }

    #[test]
    fn letters_of_the_second_version_are_open_and_were_tried_once() {
        let mut connection = Connection::open_in_memory().unwrap();
        let path = Path::new("test.db");
        migrate(&mut connection, path, STEPS.get(..2).unwrap()).unwrap();
        connection
            .execute_batch(
                "INSERT INTO checkpoint VALUES ('s', 'cache', '{\"commit\":7}', 3, 5);
                 INSERT INTO dead_letter VALUES
                     (4, 's', 'cache', '0/7/1', 'public.t', 'insert', NULL, 'malformed', 'why',
                      '{}', 0, 99)",
            )
            .unwrap();
        migrate(&mut connection, path, STEPS).unwrap();
        let kept: (i64, String, i64, i64, Option<String>, Option<i64>) = connection
            .query_row(
                "SELECT letter_no, state, attempts, changed_ns, event, shape_no FROM dead_letter",
                (),
                |row| {
                    let (no, state) = (row.get(0)?, row.get(1)?);
                    Ok((no, state, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
                },
            )
            .unwrap();
        assert_eq!(kept, (4, "open".to_owned(), 1, 99, None, None));
        let rows: i64 =
            connection.query_row("SELECT rows FROM checkpoint", (), |row| row.get(0)).unwrap();
        assert_eq!(rows, 3);
        assert!(connection.table_exists(None, "stream_request").unwrap());
    }

    #[test]
    fn a_step_that_fails_leaves_the_store_as_it_was() {
        let mut connection = Connection::open_in_memory().unwrap();
        let path = Path::new("test.db");
        migrate(&mut connection, path, STEPS).unwrap();
        let mut later = STEPS.to_vec();
        later.push("CREATE TABLE half (x INTEGER); CREATE TABLE run (x INTEGER);");
        migrate(&mut connection, path, &later).unwrap_err();
        assert_eq!(identify(&connection, path).unwrap(), Found::Store(known()));
        assert!(!connection.table_exists(None, "half").unwrap());
    }
}
