//! Where the stream stands, and who writes it: a row in the same file.

use flowglass_clients::sqlite::{fault, quote};
use flowglass_connect::Fault;
use flowglass_connect::stream::Position;
use flowglass_model::ErrorClass;
use rusqlite::{Connection, OptionalExtension};

use super::config::Settings;

/// The table of all streams' positions.
pub(super) const POSITIONS_TABLE: &str = "_flowglass_positions";

/// The row of one writer.
#[derive(Debug)]
pub(super) struct Positions {
    stream: String,
    sink: String,
    owner: String,
}

impl Positions {
    /// Takes the stream over: from here on no older writer begins a batch, so that the position that
    /// comes with it is the last word.
    ///
    /// # Errors
    /// What SQLite says; `conflict` when what is kept there is not ours.
    pub(super) fn take_over(
        connection: &Connection,
        settings: &Settings,
    ) -> Result<(Self, Option<Position>), Fault> {
        let doing = "taking over the stream's position";
        let table = quote(POSITIONS_TABLE);
        let make = format!(
            "BEGIN IMMEDIATE; \
             CREATE TABLE IF NOT EXISTS {table} (stream TEXT NOT NULL, sink TEXT NOT NULL, \
             owner TEXT NOT NULL, position TEXT, updated_at TEXT, PRIMARY KEY (stream, sink)) \
             WITHOUT ROWID"
        );
        connection.execute_batch(&make).map_err(|error| trouble(doing, error))?;
        let owner = uuid::Uuid::now_v7().simple().to_string();
        let sql = format!(
            "INSERT INTO {table} (stream, sink, owner) VALUES (?1, ?2, ?3) \
             ON CONFLICT (stream, sink) DO UPDATE SET owner = excluded.owner RETURNING position"
        );
        let kept: Option<String> = connection
            .query_row(&sql, (&settings.stream, &settings.id, &owner), |row| row.get(0))
            .map_err(|error| trouble(doing, error))?;
        connection.execute_batch("COMMIT").map_err(|error| trouble(doing, error))?;
        let kept = kept.as_deref().map(serde_json::from_str).transpose().map_err(|error| {
            let said = format!("the position in the table {table} cannot be read");
            Fault::new(ErrorClass::Conflict, said).because(error).hint(
                "Another program wrote it. Delete the row only if the stream may start from its \
                 beginning.",
            )
        })?;
        let (stream, sink) = (settings.stream.clone(), settings.id.clone());
        Ok((Self { stream, sink, owner }, kept))
    }

    /// Begins a batch, as the one who may write.
    ///
    /// # Errors
    /// `conflict` when another writer has taken over; `timeout` when somebody else writes for long.
    pub(super) fn begin(&self, connection: &Connection) -> Result<(), Fault> {
        let doing = "beginning a batch";
        connection.execute_batch("BEGIN IMMEDIATE").map_err(|error| trouble(doing, error))?;
        let sql = format!(
            "SELECT owner = ?3 FROM {} WHERE stream = ?1 AND sink = ?2",
            quote(POSITIONS_TABLE)
        );
        let ours: Option<bool> = connection
            .prepare_cached(&sql)
            .and_then(|mut it| {
                it.query_row((&self.stream, &self.sink, &self.owner), |row| row.get(0)).optional()
            })
            .map_err(|error| trouble(doing, error))?;
        if ours == Some(true) {
            return Ok(());
        }
        let said =
            format!("another writer has taken over `{}` of stream `{}`", self.sink, self.stream);
        Err(Fault::new(ErrorClass::Conflict, said)
            .hint("Two processes run the same stream: stop one of them."))
    }

    /// Moves the position and commits the batch.
    ///
    /// # Errors
    /// What SQLite says.
    pub(super) fn commit(
        &self,
        connection: &Connection,
        to: &Position,
        now: jiff::Timestamp,
    ) -> Result<(), Fault> {
        let doing = "committing a batch";
        let position = serde_json::to_string(to)
            .map_err(|error| Fault::new(ErrorClass::Internal, doing).because(error))?;
        let sql = format!(
            "UPDATE {} SET position = ?3, updated_at = ?4 WHERE stream = ?1 AND sink = ?2",
            quote(POSITIONS_TABLE)
        );
        connection
            .prepare_cached(&sql)
            .and_then(|mut it| it.execute((&self.stream, &self.sink, position, now.to_string())))
            .map_err(|error| trouble(doing, error))?;
        connection.execute_batch("COMMIT").map_err(|error| trouble(doing, error))
    }
}

/// What SQLite says, as a stream takes it. `conflict` is said of a writer that was fenced off for
/// good, and a lock passes; `malformed` is said of rows, and here it is the file.
pub(super) fn trouble(doing: impl Into<String>, error: rusqlite::Error) -> Fault {
    let found = fault(doing, error);
    let (class, said) = match found.class() {
        ErrorClass::Conflict => (ErrorClass::Timeout, "another program holds the database file"),
        ErrorClass::Malformed => (ErrorClass::Unsupported, "the database file cannot be used"),
        _ => return found,
    };
    let hint = found.advice().to_owned();
    Fault::new(class, said).because(found).hint(hint)
}
