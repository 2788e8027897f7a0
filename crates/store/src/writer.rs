//! The one thread of a process that writes: it takes what has gathered in its inbox, commits it
//! as one transaction, and answers.
//!
//! The disk sets the pace. While one commit waits for it, the next group gathers, so that a group
//! is as large as the load demands. Only when nobody waits for an answer does the thread linger for
//! a moment, so that a trickle of events does not cost a disk write each.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use flowglass_model::Event;
use tokio::sync::{OwnedSemaphorePermit, oneshot, watch};

use crate::error::StoreError;
use crate::transaction::{Lines, Log};

/// Events of one transaction. More gain little and make other processes wait.
const GROUP_EVENTS_MAX: usize = 2048;
/// One moment of lingering for more, and how many of them a group may take.
const LINGER: Duration = Duration::from_millis(1);
const LINGERS_MAX: u32 = 5;

/// The first failure since the last flush, told to whoever did not wait for an answer.
pub(crate) type Trouble = Arc<Mutex<Option<StoreError>>>;

/// What the thread can be asked for.
pub(crate) enum Order {
    /// Store events.
    Append(Append),
    /// Anything else that writes; it gets the log between two groups.
    Job(Box<dyn FnOnce(&mut Log) + Send>),
    /// Store what came before, then end.
    Close,
}

/// Events on their way.
pub(crate) struct Append {
    pub(crate) events: Arc<[Event]>,
    pub(crate) answer: Answer,
    /// Held until the events are stored: the bound of the inbox.
    pub(crate) room: Option<OwnedSemaphorePermit>,
}

/// Who is told how it went.
pub(crate) enum Answer {
    /// Somebody waits.
    Now(oneshot::Sender<Result<(), StoreError>>),
    /// Nobody waits; a failure is kept for the next flush.
    Later(Trouble),
}

/// Figures of the writer, for the metrics about Flowglass itself.
#[derive(Debug, Default)]
pub struct StoreFigures {
    /// Events that this process added to the log.
    pub events_total: AtomicU64,
    /// Transactions that added them.
    pub commits_total: AtomicU64,
    /// Appends that were refused or failed.
    pub failed_total: AtomicU64,
    /// Runs that retention removed.
    pub pruned_runs_total: AtomicU64,
    /// Events that retention removed.
    pub pruned_events_total: AtomicU64,
}

pub(crate) struct Writer {
    pub(crate) log: Log,
    pub(crate) inbox: Receiver<Order>,
    pub(crate) newest: watch::Sender<i64>,
    pub(crate) figures: Arc<StoreFigures>,
}

impl Writer {
    /// Runs until it is told to close or everybody who could ask is gone.
    pub(crate) fn run(mut self) {
        while let Ok(order) = self.inbox.recv() {
            match order {
                Order::Append(first) => {
                    let (group, then) = self.gather(first);
                    self.store(group);
                    match then {
                        Some(Order::Job(job)) => job(&mut self.log),
                        Some(Order::Close) => return,
                        // `gather` keeps appends for itself.
                        Some(Order::Append(_)) | None => {}
                    }
                }
                Order::Job(job) => job(&mut self.log),
                Order::Close => return,
            }
        }
    }

    /// Takes all appends that are there, in order, up to the next order of another kind.
    fn gather(&self, first: Append) -> (Vec<Append>, Option<Order>) {
        let mut events = first.events.len();
        let mut awaited = matches!(first.answer, Answer::Now(_));
        let mut group = vec![first];
        let mut lingers = 0;
        while events < GROUP_EVENTS_MAX {
            let wait = if awaited || lingers == LINGERS_MAX { Duration::ZERO } else { LINGER };
            // Also a wait that was rewarded counts, so that a trickle cannot hold a group open.
            lingers += u32::from(!wait.is_zero());
            match self.inbox.recv_timeout(wait) {
                Ok(Order::Append(append)) => {
                    events += append.events.len();
                    awaited |= matches!(append.answer, Answer::Now(_));
                    group.push(append);
                }
                Ok(other) => return (group, Some(other)),
                Err(RecvTimeoutError::Timeout) if wait.is_zero() => break,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        (group, None)
    }

    fn store(&mut self, group: Vec<Append>) {
        let lines: Vec<_> =
            group.iter().map(|append| Lines::new(Arc::clone(&append.events))).collect();
        match self.log.commit(&lines) {
            Ok(committed) => {
                self.figures.events_total.fetch_add(committed.added, Ordering::Relaxed);
                self.figures.commits_total.fetch_add(1, Ordering::Relaxed);
                if committed.added > 0 {
                    self.newest.send_replace(committed.pos);
                }
                for (append, answer) in group.into_iter().zip(committed.answers) {
                    self.answer(append, answer);
                }
            }
            Err(error) => {
                for append in group {
                    self.answer(append, Err(error.clone()));
                }
            }
        }
    }

    fn answer(&self, append: Append, answer: Result<(), StoreError>) {
        if answer.is_err() {
            self.figures.failed_total.fetch_add(1, Ordering::Relaxed);
        }
        drop(append.room);
        match append.answer {
            // Whoever waited may have gone; the events are stored all the same.
            Answer::Now(waiting) => drop(waiting.send(answer)),
            Answer::Later(trouble) => {
                if let Err(error) = answer {
                    let mut kept = trouble.lock().unwrap_or_else(PoisonError::into_inner);
                    kept.get_or_insert(error);
                }
            }
        }
    }
}
