//! Cursor, token and outcome of each pipeline node, in a table beside the data.

use flowglass_clients::sqlite::{STATE_TABLE, fault, quote, state_table_exists};
use flowglass_connect::{CursorState, Fault, Outcome, WriteOwner};
use flowglass_model::ErrorClass;
use rusqlite::{Connection, OptionalExtension};

/// What a commit left behind.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) cursor: Option<CursorState>,
    pub(super) token: String,
    pub(super) outcome: Outcome,
}

/// What the last commit of this node left, if there was one.
pub(super) fn load(connection: &Connection, owner: &WriteOwner) -> Result<Option<Kept>, Fault> {
    let doing = || format!("reading `{STATE_TABLE}`");
    if !state_table_exists(connection)? {
        return Ok(None);
    }
    let sql = format!(
        "SELECT cursor, token, outcome FROM {} WHERE tenant = ?1 AND pipeline = ?2 AND node = ?3",
        quote(STATE_TABLE)
    );
    let found: Option<(Option<String>, String, String)> = connection
        .query_row(&sql, (&owner.tenant, &owner.pipeline, &owner.node), |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()
        .map_err(|error| fault(doing(), error))?;
    let Some((cursor, token, outcome)) = found else {
        return Ok(None);
    };
    let unreadable = |error| Fault::new(ErrorClass::Malformed, doing()).because(error);
    let cursor = cursor.as_deref().map(serde_json::from_str).transpose().map_err(unreadable)?;
    let outcome = serde_json::from_str(&outcome).map_err(unreadable)?;
    Ok(Some(Kept { cursor, token, outcome }))
}

/// Keeps what a commit leaves, within its transaction.
pub(super) fn store(
    connection: &Connection,
    owner: &WriteOwner,
    kept: &Kept,
    now: jiff::Timestamp,
) -> Result<(), Fault> {
    let doing = || format!("writing `{STATE_TABLE}`");
    let unwritable = |error| Fault::new(ErrorClass::Internal, doing()).because(error);
    let table = quote(STATE_TABLE);
    let make = format!(
        "CREATE TABLE IF NOT EXISTS {table} (tenant TEXT NOT NULL, pipeline TEXT NOT NULL, \
         node TEXT NOT NULL, cursor TEXT, token TEXT NOT NULL, outcome TEXT NOT NULL, \
         updated_at TEXT NOT NULL, PRIMARY KEY (tenant, pipeline, node)) WITHOUT ROWID"
    );
    connection.execute_batch(&make).map_err(|error| fault(doing(), error))?;
    let cursor = kept.cursor.as_ref().map(serde_json::to_string).transpose().map_err(unwritable)?;
    let outcome = serde_json::to_string(&kept.outcome).map_err(unwritable)?;
    let put = format!("INSERT OR REPLACE INTO {table} VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)");
    let row = (
        &owner.tenant,
        &owner.pipeline,
        &owner.node,
        cursor,
        &kept.token,
        outcome,
        now.to_string(),
    );
    connection.execute(&put, row).map_err(|error| fault(doing(), error))?;
    Ok(())
}
