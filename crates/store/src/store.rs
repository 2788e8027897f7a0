//! The store as a process holds it: one writer's thread, a few readers, and what runs beside.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use flowglass_connect::Clock;
use flowglass_model::RunId;
use jiff::Timestamp;
use rusqlite::OptionalExtension;
use tokio::sync::{Semaphore, oneshot, watch};
use uuid::Uuid;

use crate::appender::{Appender, INBOX_EVENTS_MAX};
use crate::codec::{nanoseconds, run_blob};
use crate::error::StoreError;
use crate::follow::Follow;
use crate::open::{self, Durability};
use crate::owner::{self, Owner};
use crate::reader::Reader;
use crate::retention::{self, Pruned, Retention};
use crate::transaction::Log;
use crate::writer::{Order, StoreFigures, Writer};

/// Connections for reading that are kept open between two uses.
const IDLE_READERS_MAX: usize = 4;

/// How a store is opened.
#[derive(Debug, Clone, Default)]
pub struct StoreOptions {
    /// What an answered append survives.
    pub durability: Durability,
    /// What is removed when the store is opened, a bit at a time and never in the way of an append
    /// for long.
    pub retention: Retention,
    /// The largest size of the file in bytes; an append beyond it fails as on a full disk. The
    /// last line of defence of a shared disk; retention is the gentle one.
    pub file_bytes_max: Option<u64>,
}

/// An open store. Dropping it stores what was handed over and ends the writer's thread.
#[derive(Debug)]
pub struct Store {
    path: Arc<Path>,
    orders: Sender<Order>,
    room: Arc<Semaphore>,
    newest: watch::Receiver<i64>,
    figures: Arc<StoreFigures>,
    readers: Arc<Mutex<Vec<Reader>>>,
    thread: Option<JoinHandle<()>>,
}

impl Store {
    /// Opens the store at `path`; makes it and its folder when they are not there. Blocks for a
    /// moment, so call it before the work begins.
    ///
    /// # Errors
    /// A path that is no store, a store of a newer flowglass, or one that cannot be written.
    pub fn open(
        path: impl Into<PathBuf>,
        options: &StoreOptions,
        clock: &dyn Clock,
    ) -> Result<Self, StoreError> {
        let path: Arc<Path> = path.into().into();
        let connection = open::writer(&path, options.durability)?;
        if let Some(bytes) = options.file_bytes_max {
            limit_size(&connection, bytes).map_err(|cause| crate::schema::opening(&path, cause))?;
        }
        owner::sweep(&path);
        let now = clock.now();
        let owner = Owner::new(&path, Uuid::now_v7(), nanoseconds(now));
        let log = Log::new(connection, Arc::clone(&path), owner);
        let (orders, inbox) = channel();
        let (tell, newest) = watch::channel(0);
        let figures = Arc::new(StoreFigures::default());
        let writer = Writer { log, inbox, newest: tell, figures: Arc::clone(&figures) };
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || writer.run())
            .map_err(|cause| StoreError::File {
                doing: "starting the writer's thread of",
                path: path.to_path_buf(),
                cause: Arc::new(cause),
            })?;
        let store = Self {
            path,
            orders,
            room: Arc::new(Semaphore::new(INBOX_EVENTS_MAX as usize)),
            newest,
            figures,
            readers: Arc::default(),
            thread: Some(thread),
        };
        store.prune_in_passing(options.retention, now);
        Ok(store)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A way in, with its own memory of failures.
    #[must_use]
    pub fn appender(&self) -> Appender {
        Appender {
            orders: self.orders.clone(),
            room: Arc::clone(&self.room),
            trouble: Arc::default(),
        }
    }

    /// The writer's figures.
    #[must_use]
    pub fn figures(&self) -> &StoreFigures {
        &self.figures
    }

    /// Events that wait for the writer, for the queue's gauge.
    #[must_use]
    pub fn waiting_events(&self) -> usize {
        (INBOX_EVENTS_MAX as usize).saturating_sub(self.room.available_permits())
    }

    /// Whether the writer's thread lives: a health check.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.thread.as_ref().is_some_and(|it| !it.is_finished())
    }

    /// A reader of one's own, for work that blocks.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn reader(&self) -> Result<Reader, StoreError> {
        let idle = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.map_or_else(|| Reader::open(&*self.path), Ok)
    }

    /// Runs `work` with a reader on a thread where it may block.
    ///
    /// # Errors
    /// What `work` answers, or [`StoreError::Closed`] when it panicked.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let reader = self.reader()?;
        let readers = Arc::clone(&self.readers);
        let blocking = tokio::task::spawn_blocking(move || {
            let said = work(&reader);
            let mut idle = readers.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < IDLE_READERS_MAX {
                idle.push(reader);
            }
            said
        });
        blocking.await.map_err(|_panicked| StoreError::Closed)?
    }

    /// Follows a run from `after` on; see [`Follow`].
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn follow(&self, run: RunId, after: u64) -> Result<Follow, StoreError> {
        Ok(Follow::new(self.reader()?, run, after, Some(self.newest.clone())))
    }

    /// The newest position, as far as this process added to it; a change says that there is
    /// something to read.
    #[must_use]
    pub fn newest(&self) -> watch::Receiver<i64> {
        self.newest.clone()
    }

    /// Remembers durably that the reader `name` has dealt with everything up to `pos`. It never
    /// goes back.
    ///
    /// # Errors
    /// What keeps the transaction from being committed.
    pub async fn commit_cursor(&self, name: &str, pos: i64) -> Result<(), StoreError> {
        let name = name.to_owned();
        self.write(move |log| {
            let failed = log.failed("keeping a reader's position");
            log.connection()
                .prepare_cached(
                    "INSERT INTO cursor (name, pos) VALUES (?1, ?2)
                     ON CONFLICT (name) DO UPDATE SET pos = max(pos, excluded.pos)",
                )
                .and_then(|mut it| it.execute((name, pos)))
                .map(drop)
                .map_err(failed)
        })
        .await
    }

    /// Forgets a reader's position.
    ///
    /// # Errors
    /// What keeps the transaction from being committed.
    pub async fn drop_cursor(&self, name: &str) -> Result<(), StoreError> {
        let name = name.to_owned();
        self.write(move |log| {
            let failed = log.failed("forgetting a reader's position");
            log.connection()
                .execute("DELETE FROM cursor WHERE name = ?1", [name])
                .map(drop)
                .map_err(failed)
        })
        .await
    }

    /// Takes over a run whose process is gone, so that its end can be written. `false` when its
    /// process lives, the run has ended, or another process was faster.
    ///
    /// # Errors
    /// [`StoreError::UnknownRun`], and what keeps the transaction from being committed.
    pub async fn adopt(&self, run: RunId) -> Result<bool, StoreError> {
        let path = Arc::clone(&self.path);
        self.write(move |log| adopt(log, &path, run)).await
    }

    /// Removes what the rules say, oldest first, and tells how much. Appends go in between.
    ///
    /// # Errors
    /// What keeps a transaction from being committed; what was removed until then stays removed.
    pub async fn prune(&self, rules: Retention, now: Timestamp) -> Result<Pruned, StoreError> {
        let mut sum = Pruned::default();
        loop {
            let (step, more) = self.write(move |log| retention::step(log, rules, now)).await?;
            self.count(&step);
            sum.add(&step);
            if !more {
                return Ok(sum);
            }
        }
    }

    /// Stores what was handed over, ends the writer's thread and waits for it.
    pub fn close(self) {
        drop(self);
    }

    pub(crate) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Log) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (tell, told) = oneshot::channel();
        // Whoever asked may have gone; the work is done all the same.
        let job = move |log: &mut Log| drop(tell.send(work(log)));
        self.orders.send(Order::Job(Box::new(job))).map_err(|_gone| StoreError::Closed)?;
        told.await.map_err(|_gone| StoreError::Closed)?
    }

    fn count(&self, step: &Pruned) {
        self.figures.pruned_runs_total.fetch_add(step.runs, Ordering::Relaxed);
        self.figures.pruned_events_total.fetch_add(step.events, Ordering::Relaxed);
    }

    /// One bit of retention after another, each queued behind whatever came in meanwhile.
    fn prune_in_passing(&self, rules: Retention, now: Timestamp) {
        if !rules.keeps_everything() {
            let passing = Passing {
                orders: self.orders.clone(),
                figures: Arc::clone(&self.figures),
                rules,
                now,
            };
            passing.queue();
        }
    }
}

/// Retention that nobody waits for.
struct Passing {
    orders: Sender<Order>,
    figures: Arc<StoreFigures>,
    rules: Retention,
    now: Timestamp,
}

impl Passing {
    fn queue(self) {
        let orders = self.orders.clone();
        let job = move |log: &mut Log| {
            // A failure here is met again by the next append, which has somebody to tell.
            let Ok((step, more)) = retention::step(log, self.rules, self.now) else { return };
            self.figures.pruned_runs_total.fetch_add(step.runs, Ordering::Relaxed);
            self.figures.pruned_events_total.fetch_add(step.events, Ordering::Relaxed);
            if more {
                self.queue();
            }
        };
        // Fails only when the store is closing, and then there is nothing left to tidy.
        orders.send(Order::Job(Box::new(job))).ok();
    }
}

fn limit_size(connection: &rusqlite::Connection, bytes: u64) -> rusqlite::Result<()> {
    let page: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
    let pages = crate::codec::int(bytes) / page.max(1);
    connection.pragma_update_and_check(None, "max_page_count", pages, |_row| Ok(()))
}

fn adopt(log: &mut Log, path: &Path, run: RunId) -> Result<bool, StoreError> {
    let failed = log.failed("taking over a run");
    let owner = log.register().map_err(&failed)?;
    let transaction = log
        .connection()
        .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
        .map_err(&failed)?;
    let found: Option<(Option<i64>, Option<String>)> = transaction
        .query_row(
            "SELECT ended_ns, token FROM run LEFT JOIN owner USING (owner_no) WHERE run_id = ?1",
            [run_blob(run)],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()
        .map_err(&failed)?;
    let Some((ended, token)) = found else {
        return Err(StoreError::UnknownRun { given: run.to_string() });
    };
    if ended.is_some() || token.is_some_and(|it| owner::is_alive(path, &it)) {
        return Ok(false);
    }
    transaction
        .execute("UPDATE run SET owner_no = ?2 WHERE run_id = ?1", (run_blob(run), owner))
        .map_err(&failed)?;
    transaction.commit().map_err(&failed)?;
    Ok(true)
}

impl Drop for Store {
    fn drop(&mut self) {
        // Fails when the thread has ended by itself.
        self.orders.send(Order::Close).ok();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been told by every call that it left without an answer.
            thread.join().ok();
        }
    }
}
