//! The one way into a run's history. Every event passes here: it is stamped, redacted, checked
//! against the snapshot (an illegal move is refused and not stored), kept by the log, and only
//! then told to listeners.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use flowglass_connect::{Clock, EventLog, Fault};
use flowglass_model::{
    ApplyError, Entity, ErrorClass, ErrorInfo, Event, EventKind, LogLevel, LogLine, LogStream,
    Reason, Redactor, Scope, Snapshot, Stamp, State, whole_nanoseconds,
};
use tokio::sync::{mpsc, oneshot, watch};

/// Events that may wait for the log before the engine is held back.
const EVENTS_QUEUED_MAX: usize = 8192;

/// Events that are appended in one go.
const EVENTS_APPENDED_MAX: usize = 1024;

/// Hears events in order, after they are kept.
pub trait Listener: Send {
    /// Takes the next events of the run. Called from one thread at a time; a slow listener holds
    /// the log back, so it must be bounded by something real, such as a pipe's reader.
    fn heard(&mut self, events: &[Event]);
}

/// Why an event was not recorded.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The model refuses it. A defect of ours: nothing was stored.
    #[error("an event was refused")]
    Refused(#[from] ApplyError),
    /// The log does not take events any more; the cause is told by [`Recorder::log_fault`].
    #[error("the event log does not take events any more")]
    LogGone,
}

enum Order {
    Keep(Box<Event>),
    Flush(oneshot::Sender<()>),
}

/// Records the events of one run. Cheap to clone; all clones write one history.
#[derive(Clone)]
pub struct Recorder {
    history: Arc<Mutex<Snapshot>>,
    orders: mpsc::Sender<Order>,
    fault: watch::Receiver<Option<Arc<Fault>>>,
    clock: Arc<dyn Clock>,
    redactor: Arc<Redactor>,
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder").finish_non_exhaustive()
    }
}

/// The recorder's own task: ends when every clone of the recorder is gone.
pub struct Keeper {
    orders: mpsc::Receiver<Order>,
    log: Arc<dyn EventLog>,
    listeners: Vec<Box<dyn Listener>>,
    fault: watch::Sender<Option<Arc<Fault>>>,
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").finish_non_exhaustive()
    }
}

impl Recorder {
    /// A recorder that goes on from `snapshot` (empty for a new run), and the task that keeps
    /// what it records: the caller spawns [`Keeper::run`].
    pub fn new(
        snapshot: Snapshot,
        log: Arc<dyn EventLog>,
        clock: Arc<dyn Clock>,
        redactor: Redactor,
    ) -> (Self, Keeper) {
        let (send, orders) = mpsc::channel(EVENTS_QUEUED_MAX);
        let (tell, fault) = watch::channel(None);
        let recorder = Self {
            history: Arc::new(Mutex::new(snapshot)),
            orders: send,
            fault,
            clock,
            redactor: Arc::new(redactor),
        };
        (recorder, Keeper { orders, log, listeners: Vec::new(), fault: tell })
    }

    /// The run as it stands, including events that are not kept yet.
    pub fn with_snapshot<T>(&self, look: impl FnOnce(&Snapshot) -> T) -> T {
        look(&self.lock())
    }

    /// Records one event; `fill` tells what happened. It must not ask this recorder anything: the
    /// history is locked while it runs.
    ///
    /// # Errors
    /// [`RecordError`]; nothing was stored then.
    pub async fn record(
        &self,
        scope: &Scope,
        kind: EventKind,
        entity: Entity,
        fill: impl FnOnce(&mut Event),
    ) -> Result<(), RecordError> {
        // A place in the queue first: what has been applied must reach the log in its order.
        let place = self.orders.reserve().await.map_err(|_closed| RecordError::LogGone)?;
        let mut history = self.lock();
        let stamp = self.stamp(&history);
        let mut event = Event::new(stamp, scope, kind, entity);
        fill(&mut event);
        if kind == EventKind::Transition {
            event.from = history.state_of(&event);
        }
        event.duration_seconds = event.duration_seconds.map(whole_nanoseconds);
        self.redactor.event(&mut event);
        history.apply(&event)?;
        place.send(Order::Keep(Box::new(event)));
        Ok(())
    }

    /// Records a change of state.
    ///
    /// # Errors
    /// As [`Self::record`].
    pub async fn transition(
        &self,
        scope: &Scope,
        entity: Entity,
        to: (State, Reason),
        fill: impl FnOnce(&mut Event),
    ) -> Result<(), RecordError> {
        self.record(scope, EventKind::Transition, entity, |event| {
            event.to = Some(to.0);
            event.reason = Some(to.1);
            fill(event);
        })
        .await
    }

    /// Records a line that the engine says about a node.
    ///
    /// # Errors
    /// As [`Self::record`].
    pub async fn say(
        &self,
        scope: &Scope,
        level: LogLevel,
        text: impl Into<String>,
    ) -> Result<(), RecordError> {
        let text = text.into();
        let line = LogLine { stream: LogStream::Engine, level, text, base64: None };
        self.record(scope, EventKind::Log, scope.innermost(), |event| event.log = Some(line)).await
    }

    /// Waits until all that was recorded before is kept (or the log has failed).
    pub async fn flush(&self) {
        let (send, done) = oneshot::channel();
        if self.orders.send(Order::Flush(send)).await.is_ok() {
            drop(done.await);
        }
    }

    /// Resolves when the log has failed, with its fault.
    pub async fn log_failed(&self) -> Arc<Fault> {
        let mut fault = self.fault.clone();
        loop {
            if let Some(fault) = fault.borrow_and_update().clone() {
                return fault;
            }
            if fault.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// The log's fault, if it has failed.
    #[must_use]
    pub fn log_fault(&self) -> Option<Arc<Fault>> {
        self.fault.borrow().clone()
    }

    /// Time since some fixed instant.
    #[must_use]
    pub fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }

    /// The clock that stamps the events.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// The redactor that every event passes.
    #[must_use]
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    fn stamp(&self, history: &Snapshot) -> Stamp {
        let time = self.clock.now();
        // UUIDv7 of the event's own time; its random half keeps ids apart.
        let id = uuid::Builder::from_unix_timestamp_millis(
            u64::try_from(time.as_millisecond()).unwrap_or(0),
            &random_bytes(),
        )
        .into_uuid();
        Stamp { id, seq: history.run.last_seq + 1, time }
    }

    fn lock(&self) -> MutexGuard<'_, Snapshot> {
        // A panic while the lock was held left the snapshot as it was or fully applied.
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ten random bytes, for ids that only have to differ.
pub(crate) fn random_bytes() -> [u8; 10] {
    let mut bytes = [0; 10];
    fastrand::fill(&mut bytes);
    bytes
}

impl Keeper {
    /// Adds a listener.
    pub fn listen(&mut self, listener: Box<dyn Listener>) {
        self.listeners.push(listener);
    }

    /// Keeps events until every recorder is gone or the log fails.
    pub async fn run(mut self) {
        let mut orders = Vec::with_capacity(EVENTS_APPENDED_MAX);
        while self.orders.recv_many(&mut orders, EVENTS_APPENDED_MAX).await > 0 {
            let mut events = Vec::with_capacity(orders.len());
            let mut flushes = Vec::new();
            for order in orders.drain(..) {
                match order {
                    Order::Keep(event) => events.push(*event),
                    Order::Flush(done) => flushes.push(done),
                }
            }
            if !events.is_empty() && !self.keep(events).await {
                // Dropping the receiver tells every recorder.
                return;
            }
            for done in flushes {
                done.send(()).unwrap_or_default();
            }
        }
    }

    async fn keep(&mut self, events: Vec<Event>) -> bool {
        let told = if self.listeners.is_empty() { Vec::new() } else { events.clone() };
        if let Err(fault) = self.log.append(events).await {
            self.fault.send_replace(Some(Arc::new(fault)));
            return false;
        }
        for listener in &mut self.listeners {
            listener.heard(&told);
        }
        true
    }
}

/// What an event says of a fault.
#[must_use]
pub fn error_info(fault: &Fault) -> ErrorInfo {
    let class: ErrorClass = fault.class();
    ErrorInfo {
        class,
        detail: fault.chain(),
        retryable: class.retryable(),
        hint: Some(fault.advice().to_owned()),
    }
}
