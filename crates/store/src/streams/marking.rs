//! What becomes of letters afterwards: acknowledged, replayed, failed once more, removed.

use flowglass_connect::stream::{FailedAgain, LetterState};
use jiff::Timestamp;
use rusqlite::{Transaction, params};

use super::doorframe::begin;
use crate::codec::{int, nanoseconds, uint};
use crate::error::StoreError;
use crate::store::Store;
use crate::transaction::Log;

impl Store {
    /// Removes letters, whatever became of them; how many there were.
    ///
    /// # Errors
    /// What keeps the transaction from being committed; then none is gone.
    pub async fn remove_letters(&self, numbers: Vec<u64>) -> Result<u64, StoreError> {
        self.write(move |log| {
            let failed = log.failed("removing dead letters");
            let transaction = begin(log).map_err(&failed)?;
            let mut gone = 0;
            for number in &numbers {
                gone += transaction
                    .prepare_cached("DELETE FROM dead_letter WHERE letter_no = ?1")
                    .and_then(|mut it| it.execute([int(*number)]))
                    .map_err(&failed)?;
            }
            forget_shapes(&transaction).map_err(&failed)?;
            transaction.commit().map_err(&failed)?;
            Ok(gone as u64)
        })
        .await
    }
}

/// Removes shapes that no letter has any more.
pub(super) fn forget_shapes(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "DELETE FROM letter_shape WHERE NOT EXISTS
                 (SELECT 1 FROM dead_letter WHERE dead_letter.shape_no = letter_shape.shape_no)",
        )?
        .execute(())
        .map(drop)
}

pub(super) fn mark(
    log: &mut Log,
    numbers: &[u64],
    state: LetterState,
    at: Timestamp,
) -> Result<u64, StoreError> {
    let failed = log.failed("marking dead letters");
    let transaction = begin(log).map_err(&failed)?;
    let mut changed = 0;
    for number in numbers {
        changed += transaction
            .prepare_cached(
                "UPDATE dead_letter SET state = ?2, changed_ns = ?3
                 WHERE letter_no = ?1 AND state <> ?2",
            )
            .and_then(|mut it| it.execute(params![int(*number), state.name(), nanoseconds(at)]))
            .map_err(&failed)?;
    }
    transaction.commit().map_err(&failed)?;
    Ok(changed as u64)
}

pub(super) fn failed_again(
    log: &mut Log,
    letters: &[FailedAgain],
    at: Timestamp,
) -> Result<(), StoreError> {
    let failed = log.failed("keeping that dead letters failed again");
    let transaction = begin(log).map_err(&failed)?;
    for it in letters {
        transaction
            .prepare_cached(
                "UPDATE dead_letter SET attempts = attempts + 1, class = ?2, detail = ?3,
                     changed_ns = ?4, state = 'open' WHERE letter_no = ?1",
            )
            .and_then(|mut update| {
                let at = nanoseconds(at);
                update.execute(params![int(it.number), it.class.name(), it.detail, at])
            })
            .map_err(&failed)?;
    }
    transaction.commit().map_err(&failed)
}

/// How many open letters a stream has.
pub(super) fn open_letters(transaction: &Transaction<'_>, stream: &str) -> rusqlite::Result<u64> {
    transaction
        .prepare_cached("SELECT count(*) FROM dead_letter WHERE stream = ?1 AND state = 'open'")?
        .query_row([stream], |row| row.get(0))
        .map(uint)
}
