//! Where each sink of a stream stands.

use flowglass_connect::Fault;
use flowglass_connect::stream::{Checkpoint, Position};
use flowglass_model::ErrorClass;
use jiff::Timestamp;
use rusqlite::params;

use super::doorframe::begin;
use super::receipts;
use crate::codec::{int, nanoseconds, uint};
use crate::error::StoreError;
use crate::transaction::Log;

/// A checkpoint as it is stored.
pub(super) struct Row {
    stream: String,
    sink: String,
    position: String,
    rows: i64,
    at_ns: i64,
}

impl Row {
    pub(super) fn checkpoint(self) -> Result<Checkpoint, Fault> {
        let unreadable = |what: &str| {
            let said = format!("the checkpoint of `{}/{}` has no {what}", self.stream, self.sink);
            Fault::new(ErrorClass::Internal, said)
        };
        let position: Position = serde_json::from_str(&self.position)
            .map_err(|cause| unreadable("readable position").because(cause))?;
        let at = Timestamp::from_nanosecond(i128::from(self.at_ns))
            .map_err(|cause| unreadable("time").because(cause))?;
        let (stream, sink) = (self.stream, self.sink);
        Ok(Checkpoint { stream, sink, position, rows: uint(self.rows), at, account: None })
    }
}

pub(super) fn read(log: &mut Log, stream: &str) -> Result<Vec<Row>, StoreError> {
    let failed = log.failed("reading the checkpoints of a stream");
    let mut statement = log
        .connection()
        .prepare_cached(
            "SELECT stream, sink, position, rows, at_ns FROM checkpoint
             WHERE stream = ?1 ORDER BY sink",
        )
        .map_err(&failed)?;
    let rows = statement
        .query_map([stream], |row| {
            Ok(Row {
                stream: row.get(0)?,
                sink: row.get(1)?,
                position: row.get(2)?,
                rows: row.get(3)?,
                at_ns: row.get(4)?,
            })
        })
        .map_err(&failed)?;
    rows.collect::<Result<_, _>>().map_err(&failed)
}

pub(super) fn save(log: &mut Log, checkpoints: &[Checkpoint]) -> Result<(), StoreError> {
    let failed = log.failed("keeping the checkpoints of a stream");
    let transaction = begin(log).map_err(&failed)?;
    for it in checkpoints {
        // A position is text and numbers: it always has a JSON form.
        let position = serde_json::to_string(&it.position).unwrap_or_default();
        transaction
            .prepare_cached(
                "INSERT INTO checkpoint (stream, sink, position, rows, at_ns)
                 VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (stream, sink) DO UPDATE SET
                     position = excluded.position, rows = excluded.rows, at_ns = excluded.at_ns",
            )
            .and_then(|mut insert| {
                let at = nanoseconds(it.at);
                insert.execute(params![it.stream, it.sink, position, int(it.rows), at])
            })
            .map_err(&failed)?;
        if let Some(account) = &it.account {
            receipts::add(&transaction, it, account).map_err(&failed)?;
        }
    }
    transaction.commit().map_err(&failed)
}
