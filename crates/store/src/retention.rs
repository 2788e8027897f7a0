//! What is kept and for how long. Whole runs go, finished ones only, the ones that ended first go
//! first, a bit at a time so that nobody who appends waits for long.
//!
//! A run leaves every list in one transaction; its events follow in bits, unseen by any reader. A
//! process that dies in between leaves them marked, and the next bit goes on there.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use crate::codec::{int, nanoseconds, uint};
use crate::error::StoreError;
use crate::transaction::Log;

/// Events that one transaction deletes: a few milliseconds.
const EVENTS_PER_STEP_MAX: i64 = 2000;
/// Runs that one transaction marks.
const RUNS_PER_STEP_MAX: i64 = 200;
/// Free pages that one step gives back to the file system.
const PAGES_PER_STEP_MAX: i64 = 1000;

/// What a store keeps. The default keeps everything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retention {
    /// Runs that ended longer ago than this go.
    pub age_max: Option<Duration>,
    /// While the log fills more than this many bytes of its file, the oldest runs go.
    pub bytes_max: Option<u64>,
}

impl Retention {
    /// Whether there is no rule.
    #[must_use]
    pub fn keeps_everything(&self) -> bool {
        self.age_max.is_none() && self.bytes_max.is_none()
    }
}

/// What was removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Runs.
    pub runs: u64,
    /// Events.
    pub events: u64,
    /// Among them events that a reader with a kept position had not dealt with. A loss that is to
    /// be told.
    pub unread_events: u64,
}

impl Pruned {
    /// Adds another step's.
    pub fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.events += other.events;
        self.unread_events += other.unread_events;
    }
}

/// Does a bit, and says whether there is more to do.
pub(crate) fn step(
    log: &mut Log,
    rules: Retention,
    now: Timestamp,
) -> Result<(Pruned, bool), StoreError> {
    let failed = log.failed("removing old runs");
    let (pruned, more) = delete(log.connection(), rules, now).map_err(failed)?;
    if pruned.runs > 0 {
        log.forget_heads();
    }
    if more {
        return Ok((pruned, true));
    }
    let failed = log.failed("giving back free pages");
    let more = give_back(log.connection()).map_err(failed)?;
    Ok((pruned, more))
}

fn delete(
    connection: &mut Connection,
    rules: Retention,
    now: Timestamp,
) -> rusqlite::Result<(Pruned, bool)> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut pruned = delete_events(&transaction)?;
    let busy = pruned.events > 0;
    if !busy {
        pruned.runs = mark_old(&transaction, rules, now)?;
        if pruned.runs == 0 {
            pruned.runs = mark_for_room(&transaction, rules)?;
        }
    }
    transaction.commit()?;
    Ok((pruned, busy || pruned.runs > 0))
}

/// Deletes events of runs that are marked already.
fn delete_events(transaction: &Transaction<'_>) -> rusqlite::Result<Pruned> {
    let mut pruned = Pruned::default();
    loop {
        let run_no: Option<i64> = transaction
            .query_row("SELECT run_no FROM doomed ORDER BY run_no LIMIT 1", (), |row| row.get(0))
            .optional()?;
        let left = EVENTS_PER_STEP_MAX - int(pruned.events);
        let (Some(run_no), true) = (run_no, left > 0) else { return Ok(pruned) };
        let read: i64 = transaction.query_row(
            "SELECT coalesce(min(pos), 9223372036854775807) FROM cursor",
            (),
            |row| row.get(0),
        )?;
        let mut delete = transaction.prepare_cached(
            "DELETE FROM event WHERE pos IN
               (SELECT pos FROM event WHERE run_no = ?1 ORDER BY seq LIMIT ?2)
             RETURNING pos > ?3",
        )?;
        let mut deleted = 0;
        for unread in delete.query_map((run_no, left, read), |row| row.get::<_, bool>(0))? {
            deleted += 1;
            pruned.unread_events += u64::from(unread?);
        }
        pruned.events += uint(deleted);
        if deleted < left {
            transaction.execute("DELETE FROM doomed WHERE run_no = ?1", [run_no])?;
        }
    }
}

fn mark_old(
    transaction: &Transaction<'_>,
    rules: Retention,
    now: Timestamp,
) -> rusqlite::Result<u64> {
    let Some(age) = rules.age_max else { return Ok(0) };
    let age = i64::try_from(age.as_nanos()).unwrap_or(i64::MAX);
    mark(transaction, nanoseconds(now).saturating_sub(age), RUNS_PER_STEP_MAX)
}

/// Marks the oldest runs while the log is too large: about as many as make up the difference, by
/// the log's own mean bytes per event.
fn mark_for_room(transaction: &Transaction<'_>, rules: Retention) -> rusqlite::Result<u64> {
    let Some(bytes_max) = rules.bytes_max else { return Ok(0) };
    let used = used_bytes(transaction)?;
    if used <= bytes_max {
        return Ok(0);
    }
    let newest: i64 = transaction.query_row(
        "SELECT coalesce(max(pos) - min(pos) + 1, 1) FROM event",
        (),
        |row| row.get(0),
    )?;
    let mean = (used / uint(newest).max(1)).max(1);
    let surplus = int((used - bytes_max) / mean);
    let mut ended = transaction.prepare_cached(
        "SELECT last_seq FROM run WHERE ended_ns IS NOT NULL ORDER BY ended_ns LIMIT ?1",
    )?;
    let (mut runs, mut events) = (0, 0);
    for last_seq in ended.query_map([RUNS_PER_STEP_MAX], |row| row.get::<_, i64>(0))? {
        runs += 1;
        events += last_seq?;
        if events >= surplus {
            break;
        }
    }
    if runs == 0 {
        return Ok(0);
    }
    mark(transaction, i64::MAX, runs)
}

/// Takes the runs that ended first, before `until`, out of every list.
fn mark(transaction: &Transaction<'_>, until: i64, runs_max: i64) -> rusqlite::Result<u64> {
    let mut chosen = transaction.prepare_cached(
        "SELECT run_no, first_ns FROM run WHERE ended_ns IS NOT NULL AND ended_ns < ?1
         ORDER BY ended_ns LIMIT ?2",
    )?;
    let runs: Vec<(i64, i64)> = chosen
        .query_map((until, runs_max), |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    for (run_no, first_ns) in &runs {
        let doc: String =
            transaction
                .query_row("SELECT doc FROM run WHERE run_no = ?1", [run_no], |row| row.get(0))?;
        for pipeline in pipelines_of(&doc) {
            transaction.execute(
                "DELETE FROM run_pipeline WHERE pipeline_id = ?1 AND first_ns = ?2 AND run_no = ?3",
                params![pipeline, first_ns, run_no],
            )?;
        }
        transaction.execute("DELETE FROM run WHERE run_no = ?1", [run_no])?;
        transaction.execute("INSERT INTO doomed (run_no) VALUES (?1)", [run_no])?;
    }
    Ok(runs.len() as u64)
}

fn pipelines_of(doc: &str) -> Vec<String> {
    let summary: Result<crate::summary::RunSummary, _> = serde_json::from_str(doc);
    summary.map(|it| it.pipelines.into_iter().map(String::from).collect()).unwrap_or_default()
}

/// Bytes of the file that hold something.
pub(crate) fn used_bytes(connection: &Connection) -> rusqlite::Result<u64> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let pages = pragma("page_count")? - pragma("freelist_count")?;
    Ok(uint(pages * pragma("page_size")?))
}

fn give_back(connection: &Connection) -> rusqlite::Result<bool> {
    let free = || -> rusqlite::Result<i64> {
        connection.pragma_query_value(None, "freelist_count", |row| row.get(0))
    };
    let before = free()?;
    // Some free pages stay for the next events; giving back each and every one would only move
    // pages to and fro.
    if before <= PAGES_PER_STEP_MAX {
        return Ok(false);
    }
    // Each row that the pragma gives is one page given back.
    let mut vacuum =
        connection.prepare(&format!("PRAGMA incremental_vacuum({PAGES_PER_STEP_MAX})"))?;
    let mut pages = vacuum.query(())?;
    while pages.next()?.is_some() {}
    Ok(free()? < before)
}
