//! What sinks have acknowledged, kept at some of their positions, so that it can be proved later.
//!
//! An account grows with each checkpoint, and each row holds all of it so far: what lies between two
//! rows is their difference. So rows may be left out anywhere. Near the newest each checkpoint is
//! kept, and further back ever fewer, evenly: a stream that has run for a year has some hundred rows.

use flowglass_connect::stream::{Account, Checkpoint, LateReceipt, Position, Receipt, Tally};
use rusqlite::{OptionalExtension, Transaction, params};

use super::doorframe::begin;
use crate::codec::{int, nanoseconds, uint};
use crate::error::StoreError;
use crate::reader::Reader;
use crate::transaction::Log;

/// Rows that are kept of each distance from the newest, where the distances double.
const ROWS_KEPT: i64 = 64;

/// An account at one position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredReceipt {
    /// The sink.
    pub sink: String,
    /// Which account; in order.
    pub account: i64,
    /// Where the sink stood, without the source's own detail.
    pub position: Position,
    /// Everything since the account began. Nothing in its first row.
    pub sums: Receipt,
}

/// Adds where an account stands now.
pub(super) fn add(
    transaction: &Transaction<'_>,
    at: &Checkpoint,
    account: &Account,
) -> rusqlite::Result<()> {
    let newest: Option<i64> = transaction
        .prepare_cached(
            "SELECT max(seq) FROM receipt WHERE stream = ?1 AND sink = ?2 AND account_no = ?3",
        )?
        .query_row(params![at.stream, at.sink, account.number], |row| row.get(0))
        .optional()?
        .flatten();
    let mut insert = transaction.prepare_cached(
        "INSERT INTO receipt (stream, sink, account_no, seq, position, at_ns, doc)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    let mut put = |seq: i64, position: &Position, sums: &Receipt| {
        // Numbers and texts always have a JSON form.
        let doc = serde_json::to_string(sums).unwrap_or_default();
        let (position, at_ns) = (position.to_string(), nanoseconds(at.at));
        insert.execute(params![at.stream, at.sink, account.number, seq, position, at_ns, doc])
    };
    let seq = match newest {
        Some(newest) => newest + 1,
        None => {
            put(0, &account.from, &Receipt::default())?;
            1
        }
    };
    put(seq, &at.position, &account.sums)?;
    thin(transaction, (at, account), seq)
}

/// Takes out the rows that are too near to each other for their distance from the newest.
fn thin(
    transaction: &Transaction<'_>,
    (at, account): (&Checkpoint, &Account),
    newest: i64,
) -> rusqlite::Result<()> {
    let mut delete = transaction.prepare_cached(
        "DELETE FROM receipt WHERE stream = ?1 AND sink = ?2 AND account_no = ?3 AND seq = ?4",
    )?;
    let mut step = 1;
    while step * ROWS_KEPT <= newest {
        let old = newest - step * ROWS_KEPT;
        if old % step == 0 && old % (step * 2) != 0 {
            delete.execute(params![at.stream, at.sink, account.number, old])?;
        }
        step *= 2;
    }
    Ok(())
}

/// Adds receipts of letters that were delivered after all.
pub(super) fn add_late(log: &mut Log, receipts: &[LateReceipt]) -> Result<(), StoreError> {
    let failed = log.failed("keeping receipts");
    let transaction = begin(log).map_err(&failed)?;
    for it in receipts {
        transaction
            .prepare_cached(
                "INSERT INTO receipt_late (stream, sink, destination, place, messages, hash)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )
            .and_then(|mut insert| {
                let (place, hash) = (it.commit.cast_signed(), it.sum.hash.cast_signed());
                let messages = int(it.sum.messages);
                insert.execute(params![it.stream, it.sink, it.destination, place, messages, hash])
            })
            .map_err(&failed)?;
    }
    transaction.commit().map_err(&failed)
}

impl Reader {
    /// The receipts of a stream's sinks, by sink and account, each in order.
    ///
    /// # Errors
    /// What SQLite answers; [`StoreError::Unreadable`] for a row that this version cannot read.
    pub fn receipts(&self, stream: &str) -> Result<Vec<StoredReceipt>, StoreError> {
        let failed = self.failed("reading receipts");
        let mut select = self
            .connection
            .prepare_cached(
                "SELECT sink, account_no, seq, position, doc FROM receipt
                 WHERE stream = ?1 ORDER BY sink, account_no, seq",
            )
            .map_err(&failed)?;
        let rows = select
            .query_map([stream], |row| {
                let texts: (String, String) = (row.get(3)?, row.get(4)?);
                Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?, texts))
            })
            .map_err(&failed)?;
        let mut receipts = Vec::new();
        for row in rows {
            let (sink, account, seq, (position, doc)) = row.map_err(&failed)?;
            let unreadable = |why: String| StoreError::Unreadable {
                run: format!("receipts of {stream}/{sink}"),
                seq: uint(seq),
                why,
            };
            let position = position.parse().map_err(|error| unreadable(format!("{error}")))?;
            let sums = serde_json::from_str(&doc).map_err(|error| unreadable(error.to_string()))?;
            receipts.push(StoredReceipt { sink, account, position, sums });
        }
        Ok(receipts)
    }

    /// The receipts of dead letters that were delivered after all.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn late_receipts(&self, stream: &str) -> Result<Vec<LateReceipt>, StoreError> {
        let failed = self.failed("reading receipts");
        let mut select = self
            .connection
            .prepare_cached(
                "SELECT sink, destination, place, messages, hash FROM receipt_late
                 WHERE stream = ?1 ORDER BY late_no",
            )
            .map_err(&failed)?;
        let rows = select
            .query_map([stream], |row| {
                Ok(LateReceipt {
                    stream: stream.to_owned(),
                    sink: row.get(0)?,
                    destination: row.get(1)?,
                    commit: row.get::<_, i64>(2)?.cast_unsigned(),
                    sum: Tally {
                        messages: uint(row.get(3)?),
                        hash: row.get::<_, i64>(4)?.cast_unsigned(),
                    },
                })
            })
            .map_err(&failed)?;
        rows.collect::<Result<_, _>>().map_err(&failed)
    }
}
