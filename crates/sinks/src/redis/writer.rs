//! An open sink: one task that writes batches and reads their answers at the same time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use flowglass_connect::stream::{Acknowledged, Delivery, Position, Refused, SinkWriter};
use flowglass_connect::{Fault, Tasks};
use flowglass_model::ErrorClass;
use tokio::sync::mpsc;

use super::config::Settings;
use super::connection::Connection;
use super::incoming::Incoming;
use super::outgoing::Outgoing;

/// One that the server executes, one that it queues, one that waits for its turn.
pub(super) const BATCHES_IN_FLIGHT_MAX: usize = 3;

/// When writing fails, how long the server's own words are waited for: it answers why, then closes.
const LAST_WORDS_WITHIN: Duration = Duration::from_millis(200);

/// A batch that is on its way.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) delivery: Delivery,
    /// Messages that go out, by index.
    pub(super) sent: Sent,
    /// Rows that do not; taken by whoever acknowledges.
    pub(super) refused: Mutex<Vec<Refused>>,
}

/// Which messages of a delivery go out.
#[derive(Debug)]
pub(super) enum Sent {
    /// As many as there are.
    All(usize),
    /// Only these.
    Some(Vec<usize>),
}

impl Sent {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::All(count) => *count,
            Self::Some(indices) => indices.len(),
        }
    }

    /// The index of the message that goes out as number `at`.
    pub(super) fn message(&self, at: usize) -> usize {
        match self {
            Self::All(_) => at,
            Self::Some(indices) => indices.get(at).copied().unwrap_or(at),
        }
    }
}

/// What both directions and the writer know of each other.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Grows with everything that the system took from us.
    pub(super) written_bytes: AtomicU64,
    /// Messages and bytes that are not acknowledged.
    pub(super) buffered: (AtomicU64, AtomicU64),
}

/// An open Redis sink.
pub(super) struct Writer {
    deliveries: mpsc::Sender<Delivery>,
    said: mpsc::Receiver<Result<Acknowledged, Fault>>,
    shared: Arc<Shared>,
    position: Option<Position>,
    /// Ends with the writer, and with it the connection: Redis forgets what was not executed.
    _tasks: Tasks,
}

impl Writer {
    /// Starts the task over a connection that has put `owner` into the position's hash.
    pub(super) fn start(
        settings: Arc<Settings>,
        connection: Connection,
        owner: String,
        position: Option<Position>,
    ) -> Self {
        let (deliveries, inbox) = mpsc::channel(BATCHES_IN_FLIGHT_MAX);
        let (say, said) = mpsc::channel(BATCHES_IN_FLIGHT_MAX + 1);
        let shared = Arc::new(Shared::default());
        let mut tasks = Tasks::new();
        let work = run(settings, connection, owner, (inbox, say, Arc::clone(&shared)));
        tasks.spawn("redis sink", work);
        Self { deliveries, said, shared, position, _tasks: tasks }
    }
}

type Ends = (mpsc::Receiver<Delivery>, mpsc::Sender<Result<Acknowledged, Fault>>, Arc<Shared>);

async fn run(settings: Arc<Settings>, connection: Connection, owner: String, ends: Ends) {
    let (deliveries, say, shared) = ends;
    let Connection { inbox, outbox, .. } = connection;
    let (begun, pending) = mpsc::channel(BATCHES_IN_FLIGHT_MAX);
    let (open_gate, gate) = mpsc::channel(1);
    let (ended, sizes) = mpsc::channel(BATCHES_IN_FLIGHT_MAX);
    let outgoing = Outgoing::new(&settings, outbox, &shared, (begun, gate, ended));
    let incoming = Incoming {
        inbox,
        owner: owner.as_bytes(),
        settings: &settings,
        shared: &shared,
        pending,
        open_gate,
        sizes,
        say: say.clone(),
    };
    let reading = incoming.run();
    tokio::pin!(reading);
    let fault = tokio::select! {
        fault = &mut reading => fault,
        wrote = outgoing.run(deliveries) => match wrote {
            // The engine is gone.
            Ok(()) => return,
            Err(fault) => {
                tokio::time::timeout(LAST_WORDS_WITHIN, reading).await.unwrap_or(fault)
            }
        },
    };
    // Nobody listens any more when this fails.
    say.send(Err(fault)).await.unwrap_or_default();
}

#[async_trait]
impl SinkWriter for Writer {
    async fn committed(&mut self) -> Result<Option<Position>, Fault> {
        Ok(self.position.take())
    }

    async fn send(&mut self, delivery: Delivery) -> Result<(), Fault> {
        let (messages, bytes) = size_of(&delivery);
        self.shared.buffered.0.fetch_add(messages, Ordering::Relaxed);
        self.shared.buffered.1.fetch_add(bytes, Ordering::Relaxed);
        if self.deliveries.send(delivery).await.is_ok() {
            return Ok(());
        }
        loop {
            match self.said.recv().await {
                Some(Err(fault)) => return Err(fault),
                // Acknowledgements that nobody asked for: what is kept says so when it is opened.
                Some(Ok(_)) => {}
                None => return Err(gone()),
            }
        }
    }

    async fn acknowledged(&mut self) -> Result<Acknowledged, Fault> {
        self.said.recv().await.unwrap_or_else(|| Err(gone()))
    }
}

/// Messages and bytes of a delivery.
pub(super) fn size_of(delivery: &Delivery) -> (u64, u64) {
    delivery.messages.as_ref().map_or((0, 0), |it| (it.len() as u64, it.buffer.len() as u64))
}

fn gone() -> Fault {
    Fault::new(ErrorClass::Internal, "the redis sink's task ended without a word")
}
