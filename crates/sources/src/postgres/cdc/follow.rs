//! The task that holds the connection: it reads, decodes, hands chunks over, and comes back when the
//! connection breaks.
//!
//! How large a chunk becomes follows from the load. When the socket is empty, what there is goes
//! out at once, unless something went out a moment ago: then the task gathers for that moment, for
//! a server sends every row by itself. It goes on reading meanwhile: looking away instead saves
//! time of ours and costs more of the server's.

use std::sync::Arc;
use std::time::Duration;

use flowglass_clients::postgres::fault_of_response;
use flowglass_connect::stream::{Chunk, Position};
use flowglass_connect::{Clock, Fault};
use flowglass_model::ErrorClass;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::assemble::{Assembly, Pause};
use super::backfill::Backfill;
use super::catalog::{look_up, teach};
use super::config::Plan;
use super::frame::frame_length;
use super::link::{Link, Server};
use super::shared::Shared;
use super::side::Side;
use super::snapshot::Initial;

/// What one read may bring at most.
const BUFFER_BYTES: usize = 1 << 20;
/// With less room than this no read is worth its system call.
const READ_BYTES_MIN: usize = 64 << 10;

/// Between two chunks that are not full.
const LINGER: Duration = Duration::from_millis(1);

/// Between two chunks that hold no change, only a position.
const MARK_EVERY: Duration = Duration::from_millis(250);

/// Pauses between two attempts to connect again.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// After so long in vain the fault is handed to the reader's owner, who tells it and tries on.
const RECONNECT_WITHIN: Duration = Duration::from_secs(60);

/// What the task hands over: a chunk or the fault that ended it, and the room that it takes.
pub(super) type Handed = (Result<Chunk, Fault>, Option<OwnedSemaphorePermit>);

/// Where chunks go. Bounded in chunks by the channel and in bytes by the room.
#[derive(Debug)]
pub(super) struct Outlet {
    pub(super) chunks: mpsc::Sender<Handed>,
    /// One permit is a KiB.
    pub(super) room: Arc<Semaphore>,
    pub(super) room_kib_max: u32,
}

impl Outlet {
    /// Waits for room and hands the chunk over; `false` when nobody takes it any more.
    pub(super) async fn hand(&self, chunk: Chunk) -> bool {
        let kib = u32::try_from(chunk.memory_bytes() / 1024 + 1).unwrap_or(u32::MAX);
        let kib = kib.min(self.room_kib_max);
        let room = Arc::clone(&self.room).acquire_many_owned(kib).await.ok();
        self.chunks.send((Ok(chunk), room)).await.is_ok()
    }
}

/// What the task works with.
#[derive(Debug)]
pub(super) struct Around {
    pub(super) plan: Arc<Plan>,
    pub(super) side: Arc<Side>,
    pub(super) shared: Arc<Shared>,
    pub(super) clock: Arc<dyn Clock>,
    /// The server that the stream began at.
    pub(super) system: String,
    pub(super) database: Arc<str>,
}

/// What the task begins with.
#[derive(Debug)]
pub(super) enum Begin {
    /// A stream that has started.
    Stream(Box<Link>),
    /// A snapshot; the stream is started when it has been handed over.
    Snapshot(Initial),
    /// A snapshot, and nothing behind it.
    Only(Initial),
}

/// The task's state.
#[derive(Debug)]
pub(super) struct Follower {
    pub(super) around: Around,
    pub(super) out: Outlet,
    pub(super) assembly: Assembly,
    /// Behind everything that was handed over, or does not have to be.
    pub(super) handed: Position,
    pub(super) handed_at: Duration,
    /// What is read beside the log.
    pub(super) backfill: Option<Box<Backfill>>,
    pub(super) rows_expected: u64,
    /// Tables that are to be read again.
    pub(super) requests: mpsc::Receiver<String>,
    /// Whether the server may send transactions that are not committed yet.
    pub(super) in_progress: bool,
}

impl Follower {
    pub(super) fn new(
        around: Around,
        (out, requests): (Outlet, mpsc::Receiver<String>),
        from: Position,
    ) -> Self {
        let (limits, in_progress) = (around.plan.limits, around.plan.in_progress);
        Self {
            around,
            out,
            assembly: Assembly::new(from.clone(), limits),
            handed: from,
            handed_at: Duration::ZERO,
            backfill: None,
            rows_expected: 0,
            requests,
            in_progress,
        }
    }

    /// Reads until the reader is closed, or until a fault that connecting again cannot mend.
    pub(super) async fn run(mut self, begin: Begin) {
        let ended = match self.begin(begin).await {
            Ok(Some(link)) => Some(self.stream(link).await),
            Ok(None) => None,
            Err(fault) => Some(fault),
        };
        match ended {
            // When nobody listens any more there is nobody to tell.
            Some(fault) => drop(self.out.chunks.send((Err(fault), None)).await),
            None => self.around.shared.finish(),
        }
        self.around.shared.ended.notify_one();
    }

    /// Hands the snapshot over where there is one, and connects where there is more.
    async fn begin(&mut self, begin: Begin) -> Result<Option<Link>, Fault> {
        let (initial, ends) = match begin {
            Begin::Stream(link) => return Ok(Some(*link)),
            Begin::Snapshot(initial) => (initial, false),
            Begin::Only(initial) => (initial, true),
        };
        initial.relations().for_each(|it| self.assembly.decoder.learn(Arc::clone(it), true));
        self.handed = initial.hand_over(&self.out, &self.around.shared).await?;
        if ends {
            return Ok(None);
        }
        match self.connect().await {
            Ok(link) => Ok(Some(link)),
            Err(fault) => self.connect_again(fault).await.map(Some),
        }
    }

    async fn stream(&mut self, mut link: Link) -> Fault {
        loop {
            let broke = loop {
                if self.around.shared.is_closing() {
                    break closed();
                }
                if let Err(fault) = self.turn(&mut link).await {
                    break fault;
                }
            };
            if self.around.shared.is_closing() {
                link.say_farewell().await;
                return broke;
            }
            // Not every fault is the connection's: as long as it is there the slot is taken.
            drop(link);
            match self.connect_again(broke).await {
                Ok(next) => link = next,
                Err(fault) => return fault,
            }
        }
    }

    /// One look at the socket, and what follows from it.
    async fn turn(&mut self, link: &mut Link) -> Result<(), Fault> {
        self.tend(link).await?;
        let full = self.decode(link).await?;
        let now = self.around.clock.monotonic();
        link.keep_up(now).await?;
        if full {
            return self.hand_over(link).await;
        }
        if link.buffer().capacity() - link.buffer().len() < READ_BYTES_MIN {
            self.hand_over(link).await?;
            let frame = frame_length(link.buffer(), 0).unwrap_or_default();
            let missing = frame.saturating_sub(link.buffer().len());
            link.buffer_mut().reserve(BUFFER_BYTES.max(missing + READ_BYTES_MIN));
        }
        if link.try_read()? {
            return Ok(());
        }
        if self.assembly.changes() > 0 {
            let due = self.handed_at + LINGER;
            if now >= due {
                return self.hand_over(link).await;
            }
            return link.gather(due - now, READ_BYTES_MIN).await;
        }
        self.hand_over(link).await?;
        let at_most = if self.assembly.unsaid().is_some() { MARK_EVERY } else { Duration::MAX };
        link.wait(at_most).await
    }

    /// Decodes every whole frame of the buffer, until the chunk is full.
    async fn decode(&mut self, link: &mut Link) -> Result<bool, Fault> {
        let now = self.around.clock.monotonic();
        loop {
            match self.assembly.read(link.buffer(), now)? {
                Pause::Empty => return Ok(false),
                Pause::Full => return Ok(true),
                Pause::Shape(shape) => {
                    let known =
                        link.meanwhile(Box::pin(look_up(&self.around.side, &shape))).await??;
                    let names = (&self.around.database, &self.around.plan.patterns);
                    teach(&mut self.assembly.decoder, (&shape, &known), names);
                }
                Pause::Said(said) => Box::pin(self.hear(link, said)).await?,
                Pause::Crowded => Box::pin(self.spill(link)).await?,
                Pause::Committed(transaction) => {
                    Box::pin(self.replay(link, transaction)).await?;
                }
                Pause::Alive { end, asks } => {
                    link.heard_end(end);
                    if asks {
                        link.tell(false).await?;
                    }
                }
                Pause::Error(body) => {
                    let body = link.buffer().get(body).unwrap_or_default();
                    return Err(fault_of_response("reading the stream of changes", body));
                }
                Pause::Finished => {
                    let said = "the server ended the stream of changes";
                    return Err(Fault::new(ErrorClass::Unreachable, said));
                }
            }
        }
    }

    /// Hands over what has been decoded. What holds no change is not worth a chunk by itself: its
    /// position goes out when none did for a while.
    pub(super) async fn hand_over(&mut self, link: &mut Link) -> Result<(), Fault> {
        let chunk = self.assembly.cut(link.buffer_mut());
        self.give(link, chunk).await
    }

    /// Hands over what was cut.
    pub(super) async fn give(
        &mut self,
        link: &mut Link,
        mut chunk: Option<Chunk>,
    ) -> Result<(), Fault> {
        let now = self.around.clock.monotonic();
        if chunk.is_none() && now >= self.handed_at + MARK_EVERY {
            chunk = self.assembly.position(now);
        }
        if let Some(chunk) = chunk {
            if let Some(backfill) = &mut self.backfill {
                backfill.note(&chunk);
            }
            if !link.meanwhile(self.out.hand(chunk)).await? {
                return Err(closed());
            }
            self.handed_at = self.around.clock.monotonic();
        }
        self.handed = self.assembly.decoder.at();
        Ok(())
    }

    /// Connects again after a fault that may pass, and goes on behind what was handed over.
    async fn connect_again(&mut self, mut fault: Fault) -> Result<Link, Fault> {
        self.assembly.begin_again(self.handed.clone());
        let clock = Arc::clone(&self.around.clock);
        let (began, mut pause) = (clock.monotonic(), PAUSE_FIRST);
        loop {
            let waited = clock.monotonic().saturating_sub(began);
            let hopeless = !fault.class().retryable() || waited >= RECONNECT_WITHIN;
            if hopeless || self.around.shared.is_closing() {
                return Err(fault);
            }
            // Several streams that lost one server do not all come back at once.
            let jitter = f64::from(clock.monotonic().subsec_nanos() % 1000) / 2000.0;
            tokio::time::sleep(pause.mul_f64(0.75 + jitter)).await;
            pause = (pause * 2).min(PAUSE_MAX);
            match self.connect().await {
                Ok(link) => {
                    self.around.shared.add_reconnect();
                    return Ok(link);
                }
                Err(next) => fault = next,
            }
        }
    }

    async fn connect(&self) -> Result<Link, Fault> {
        let Around { plan, shared, clock, system, .. } = &self.around;
        let mut server = Server::connect(plan).await?;
        if server.system != *system {
            let said = format!("the server is another one than the one that {plan:?} began at");
            return Err(Fault::new(ErrorClass::PositionLost, said)
                .hint("Positions mean nothing at another server. Take a new snapshot."));
        }
        let located = server.locate(plan, Some(&self.handed)).await?;
        let around = (Arc::clone(shared), Arc::clone(clock));
        server.start(plan, (&located.from, self.in_progress), around).await
    }
}

pub(super) fn closed() -> Fault {
    Fault::new(ErrorClass::Cancelled, "nobody reads the stream any more")
}
