//! What streams keep beside their sinks: positions, and the rows that were set aside.
//!
//! Both go through the store's one writer, each call as one transaction that is on the disk when it
//! is answered.

use async_trait::async_trait;
use flowglass_connect::Fault;
use flowglass_connect::stream::{
    Checkpoint, DeadLetter, DeadLetterLimits, Overflow, Position, SetAside, StreamState,
};
use flowglass_model::ErrorClass;
use jiff::Timestamp;
use rusqlite::{Transaction, TransactionBehavior, params};

use crate::codec::{int, nanoseconds, uint};
use crate::error::StoreError;
use crate::store::Store;
use crate::transaction::Log;

#[async_trait]
impl StreamState for Store {
    async fn checkpoints(&self, stream: &str) -> Result<Vec<Checkpoint>, Fault> {
        let stream = stream.to_owned();
        let rows = self.write(move |log| read(log, &stream)).await?;
        rows.into_iter().map(Row::checkpoint).collect()
    }

    async fn save(&self, checkpoints: Vec<Checkpoint>) -> Result<(), Fault> {
        self.write(move |log| save(log, &checkpoints)).await?;
        Ok(())
    }

    async fn dead_letters(&self, stream: &str) -> Result<u64, Fault> {
        let stream = stream.to_owned();
        let count = self.write(move |log| {
            let failed = log.failed("counting the dead letters of a stream");
            let sql = "SELECT count(*) FROM dead_letter WHERE stream = ?1";
            log.connection().query_row(sql, [stream], |row| row.get(0)).map_err(failed)
        });
        Ok(uint(count.await?))
    }

    async fn set_aside(
        &self,
        letters: Vec<DeadLetter>,
        limits: DeadLetterLimits,
    ) -> Result<SetAside, Fault> {
        Ok(self.write(move |log| set_aside(log, &letters, limits)).await?)
    }
}

/// A checkpoint as it is stored.
struct Row {
    stream: String,
    sink: String,
    position: String,
    rows: i64,
    at_ns: i64,
}

impl Row {
    fn checkpoint(self) -> Result<Checkpoint, Fault> {
        let unreadable = |what: &str| {
            let said = format!("the checkpoint of `{}/{}` has no {what}", self.stream, self.sink);
            Fault::new(ErrorClass::Internal, said)
        };
        let position: Position = serde_json::from_str(&self.position)
            .map_err(|cause| unreadable("readable position").because(cause))?;
        let at = Timestamp::from_nanosecond(i128::from(self.at_ns))
            .map_err(|cause| unreadable("time").because(cause))?;
        Ok(Checkpoint { stream: self.stream, sink: self.sink, position, rows: uint(self.rows), at })
    }
}

fn read(log: &mut Log, stream: &str) -> Result<Vec<Row>, StoreError> {
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

fn save(log: &mut Log, checkpoints: &[Checkpoint]) -> Result<(), StoreError> {
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
    }
    transaction.commit().map_err(&failed)
}

fn begin(log: &mut Log) -> rusqlite::Result<Transaction<'_>> {
    log.connection().transaction_with_behavior(TransactionBehavior::Immediate)
}

fn set_aside(
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
    let mut entries = count(transaction, stream)?;
    for letter in letters {
        if again(transaction, letter)? {
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
    done.entries = entries;
    Ok(done)
}

fn count(transaction: &Transaction<'_>, stream: &str) -> rusqlite::Result<u64> {
    transaction
        .prepare_cached("SELECT count(*) FROM dead_letter WHERE stream = ?1")?
        .query_row([stream], |row| row.get(0))
        .map(uint)
}

/// Whether the letter is there already; then it says what is known of it now.
fn again(transaction: &Transaction<'_>, letter: &DeadLetter) -> rusqlite::Result<bool> {
    let changed = transaction
        .prepare_cached(
            "UPDATE dead_letter SET class = ?4, detail = ?5, at_ns = ?6
             WHERE stream = ?1 AND sink = ?2 AND id = ?3",
        )?
        .execute(params![
            letter.stream,
            letter.sink,
            letter.id,
            letter.class.name(),
            letter.detail,
            nanoseconds(letter.at)
        ])?;
    Ok(changed > 0)
}

/// Takes away what is older than letters may become.
fn evict_old(
    transaction: &Transaction<'_>,
    newest: &DeadLetter,
    age_max: std::time::Duration,
) -> rusqlite::Result<u64> {
    // A time before all times takes nothing away.
    let Ok(before) = newest.at.checked_sub(age_max) else { return Ok(0) };
    transaction
        .prepare_cached("DELETE FROM dead_letter WHERE stream = ?1 AND at_ns < ?2")?
        .execute(params![newest.stream, nanoseconds(before)])
        .map(|gone| gone as u64)
}

fn evict_oldest(transaction: &Transaction<'_>, stream: &str) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "DELETE FROM dead_letter WHERE letter_no =
                 (SELECT min(letter_no) FROM dead_letter WHERE stream = ?1)",
        )?
        .execute([stream])
        .map(drop)
}

fn insert(transaction: &Transaction<'_>, letter: &DeadLetter) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO dead_letter
                 (stream, sink, id, tab, op, key, class, detail, row, truncated, at_ns)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
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
            nanoseconds(letter.at)
        ])
        .map(drop)
}
