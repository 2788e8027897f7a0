//! What the reader's task and the reader's owner tell each other beside the chunks.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use flowglass_clients::postgres::TableName;
use flowglass_connect::stream::{Head, Position, TableProgress};
use tokio::sync::Notify;

use super::slot::first_needed;

/// Figures in both directions.
#[derive(Debug)]
pub(super) struct Shared {
    /// The first place of the log that is still needed.
    confirmed: AtomicU64,
    /// Told when it moved, or when the reader is being closed.
    pub(super) moved: Notify,
    closing: AtomicBool,
    /// Told when the task has ended.
    pub(super) ended: Notify,
    /// The source has an end, and it was reached.
    finished: AtomicBool,
    wire_bytes: AtomicU64,
    head: Mutex<Head>,
    /// The tables that the stream carries.
    tables: Mutex<Vec<TableName>>,
}

impl Shared {
    /// Everything before `confirmed` was confirmed earlier.
    pub(super) fn new(confirmed: u64) -> Self {
        Self {
            confirmed: AtomicU64::new(confirmed),
            moved: Notify::new(),
            closing: AtomicBool::new(false),
            ended: Notify::new(),
            finished: AtomicBool::new(false),
            wire_bytes: AtomicU64::new(0),
            head: Mutex::new(Head::default()),
            tables: Mutex::new(Vec::new()),
        }
    }

    /// The first place of the log that is still needed.
    pub(super) fn confirmed(&self) -> u64 {
        self.confirmed.load(Ordering::Relaxed)
    }

    /// Every sink that counts has everything before `position`.
    pub(super) fn confirm(&self, position: &Position) {
        let needed = first_needed(position);
        if self.confirmed.fetch_max(needed, Ordering::Relaxed) < needed {
            self.moved.notify_one();
        }
    }

    /// The reader's owner wants no more.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
        self.moved.notify_one();
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }

    /// Nothing comes any more, and nothing is wrong.
    pub(super) fn finish(&self) {
        self.finished.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_finished(&self) -> bool {
        self.finished.load(Ordering::Relaxed)
    }

    pub(super) fn set_tables(&self, tables: Vec<TableName>) {
        *self.tables.lock().unwrap_or_else(PoisonError::into_inner) = tables;
    }

    pub(super) fn carries(&self, table: &TableName) -> bool {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner).contains(table)
    }

    pub(super) fn add_wire_bytes(&self, count: usize) {
        self.wire_bytes.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// The log reaches up to `end` at least; transactions are committed before it.
    pub(super) fn seen_end(&self, end: u64, at: Duration) {
        let mut head = self.lock();
        head.end = head.end.max(end.saturating_sub(1));
        head.seen_at = at;
    }

    pub(super) fn set_retained(&self, bytes: Option<u64>) {
        self.lock().retained_bytes = bytes;
    }

    /// Rows of the running snapshot: done and expected.
    pub(super) fn set_snapshot(&self, rows: Option<(u64, u64)>) {
        self.lock().snapshot = rows;
    }

    /// How far each table of a snapshot has been read.
    pub(super) fn set_progress(&self, tables: Vec<TableProgress>) {
        self.lock().tables = tables;
    }

    pub(super) fn add_reconnect(&self) {
        self.lock().reconnects += 1;
    }

    pub(super) fn head(&self) -> Head {
        let mut head = self.lock().clone();
        head.wire_bytes = self.wire_bytes.load(Ordering::Relaxed);
        if head.snapshot.is_some() {
            // Who waits until the stream has caught up waits for these rows first: the end of the
            // log counts as said when they have been read.
            head.seen_at = Duration::ZERO;
        }
        head
    }

    fn lock(&self) -> MutexGuard<'_, Head> {
        // Nobody who holds it can panic half way.
        self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_counts_when_no_rows_are_left_to_be_read() {
        let shared = Shared::new(0);
        shared.set_snapshot(Some((0, 5)));
        shared.seen_end(100, Duration::from_secs(1));
        assert_eq!((shared.head().end, shared.head().seen_at), (99, Duration::ZERO));
        shared.set_snapshot(None);
        assert_eq!(shared.head().seen_at, Duration::from_secs(1));
    }

    #[test]
    fn what_was_confirmed_is_never_taken_back() {
        let shared = Shared::new(5);
        shared.confirm(&Position::after(9));
        shared.confirm(&Position::after(7));
        assert_eq!(shared.confirmed(), 10);
        shared.confirm(&Position::inside(12, 3));
        assert_eq!(shared.confirmed(), 12);
    }
}
