//! Keeping dead letters: each once, and under the stream's rule when there is no room.

use flowglass_connect::stream::{DeadLetter, DeadLetterLimits, Overflow, SavedChange, SetAside};
use rusqlite::{Transaction, params};

use super::doorframe::begin;
use super::marking::{forget_shapes, open_letters};
use crate::codec::{int, nanoseconds};
use crate::error::StoreError;
use crate::transaction::Log;

pub(super) fn set_aside(
    log: &mut Log,
    letters: &[DeadLetter],
    limits: DeadLetterLimits,
) -> Result<SetAside, StoreError> {
    let failed = log.failed("keeping dead letters");
    let transaction = begin(log).map_err(&failed)?;
    let done = set_aside_in(&transaction, letters, limits).map_err(&failed)?;
    if done.rejected > 0 && limits.overflow == Overflow::Block {
        // Nothing is kept of a batch whose letters do not all find room: it comes again.
        transaction.rollback().map_err(&failed)?;
    } else {
        transaction.commit().map_err(&failed)?;
    }
    Ok(done)
}

fn set_aside_in(
    transaction: &Transaction<'_>,
    letters: &[DeadLetter],
    limits: DeadLetterLimits,
) -> rusqlite::Result<SetAside> {
    let mut done = SetAside::default();
    let Some(first) = letters.first() else { return Ok(done) };
    let stream = first.stream.as_str();
    done.evicted = evict_old(transaction, first, limits.age_max)?;
    let mut entries = open_letters(transaction, stream)?;
    for letter in letters {
        if again(transaction, letter)? {
            // It may have been dealt with, and takes room again.
            entries = open_letters(transaction, stream)?;
            continue;
        }
        if entries >= limits.entries_max {
            if limits.overflow != Overflow::DropOldest || limits.entries_max == 0 {
                done.rejected += 1;
                continue;
            }
            evict_oldest(transaction, stream)?;
            done.evicted += 1;
            entries -= 1;
        }
        insert(transaction, letter)?;
        done.kept += 1;
        entries += 1;
    }
    forget_settled(transaction, stream, limits.entries_max)?;
    done.entries = entries;
    Ok(done)
}

/// Whether the letter is there already; then it says what is known of it now, and is open.
fn again(transaction: &Transaction<'_>, letter: &DeadLetter) -> rusqlite::Result<bool> {
    let (shape, event) = saved(transaction, letter.change.as_ref())?;
    let changed = transaction
        .prepare_cached(
            "UPDATE dead_letter SET class = ?4, detail = ?5, at_ns = ?6, changed_ns = ?6,
                 row = ?7, truncated = ?8, processor = ?9, shape_no = ?10, event = ?11,
                 attempts = attempts + 1, state = 'open'
             WHERE stream = ?1 AND sink = ?2 AND id = ?3",
        )?
        .execute(params![
            letter.stream,
            letter.sink,
            letter.id,
            letter.class.name(),
            letter.detail,
            nanoseconds(letter.at),
            letter.row,
            letter.truncated,
            letter.processor,
            shape,
            event,
        ])?;
    Ok(changed > 0)
}

/// Takes away what is older than letters may become. Open ones count as evicted.
fn evict_old(
    transaction: &Transaction<'_>,
    newest: &DeadLetter,
    age_max: std::time::Duration,
) -> rusqlite::Result<u64> {
    // A time before all times takes nothing away.
    let Ok(before) = newest.at.checked_sub(age_max) else { return Ok(0) };
    let old = params![newest.stream, nanoseconds(before)];
    transaction
        .prepare_cached(
            "DELETE FROM dead_letter WHERE stream = ?1 AND at_ns < ?2 AND state <> 'open'",
        )?
        .execute(old)?;
    transaction
        .prepare_cached("DELETE FROM dead_letter WHERE stream = ?1 AND at_ns < ?2")?
        .execute(old)
        .map(|gone| gone as u64)
}

fn evict_oldest(transaction: &Transaction<'_>, stream: &str) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "DELETE FROM dead_letter WHERE letter_no =
                 (SELECT min(letter_no) FROM dead_letter WHERE stream = ?1 AND state = 'open')",
        )?
        .execute([stream])
        .map(drop)
}

/// Letters that were dealt with are kept to be looked at, but no more of them than may be open.
fn forget_settled(
    transaction: &Transaction<'_>,
    stream: &str,
    entries_max: u64,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "DELETE FROM dead_letter WHERE stream = ?1 AND state <> 'open' AND letter_no <=
                 (SELECT letter_no FROM dead_letter WHERE stream = ?1 AND state <> 'open'
                  ORDER BY letter_no DESC LIMIT 1 OFFSET ?2)",
        )?
        .execute(params![stream, int(entries_max)])?;
    forget_shapes(transaction)
}

fn insert(transaction: &Transaction<'_>, letter: &DeadLetter) -> rusqlite::Result<()> {
    let (shape, event) = saved(transaction, letter.change.as_ref())?;
    transaction
        .prepare_cached(
            "INSERT INTO dead_letter
                 (stream, sink, id, tab, op, key, class, detail, row, truncated, at_ns, changed_ns,
                  processor, shape_no, event)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?11, ?12, ?13, ?14)",
        )?
        .execute(params![
            letter.stream,
            letter.sink,
            letter.id,
            letter.table,
            letter.op.name(),
            letter.key,
            letter.class.name(),
            letter.detail,
            letter.row,
            letter.truncated,
            nanoseconds(letter.at),
            letter.processor,
            shape,
            event,
        ])
        .map(drop)
}

/// The number of the change's shape, which is kept once however many letters have it, and the change.
fn saved(
    transaction: &Transaction<'_>,
    change: Option<&SavedChange>,
) -> rusqlite::Result<(Option<i64>, Option<String>)> {
    let Some(change) = change else { return Ok((None, None)) };
    let shape = change.shape_json();
    transaction
        .prepare_cached("INSERT INTO letter_shape (doc) VALUES (?1) ON CONFLICT (doc) DO NOTHING")?
        .execute([&shape])?;
    let number = transaction
        .prepare_cached("SELECT shape_no FROM letter_shape WHERE doc = ?1")?
        .query_row([&shape], |row| row.get(0))?;
    Ok((Some(number), Some(change.event_json())))
}
