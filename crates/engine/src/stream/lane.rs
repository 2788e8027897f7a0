//! One sink's own path: its queue, its encoder, its writer, its retries and its position.
//!
//! A lane never drops a batch. What was handed to it stays in its hands until the sink has
//! acknowledged it, however often the connection is lost in between; after each loss the sink is
//! asked where it stands, and only what it does not have is sent again.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use flowglass_connect::encode::Encoder;
use flowglass_connect::stream::{
    Acknowledged, Delivery, Guarantee, Messages, Position, Receipt, SinkWriter, StreamBatch,
    StreamSink,
};
use flowglass_connect::{Clock, Fault};
use flowglass_model::{ErrorClass, Policy};
use jiff::Timestamp;
use tokio::sync::mpsc;

use super::begin::emptied;
use super::ledger::{ByTable, Outcome};
use super::letters::Letters;
use super::processing::refused_of;
use super::receipts::{Counting, Written, receipt};
use super::tally;

/// The first wait before a sink is opened again; doubled each time.
const BACKOFF: Duration = Duration::from_millis(100);

/// The longest wait.
const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// A batch for a lane.
#[derive(Debug, Clone)]
pub(super) struct Handed {
    /// Numbers the batches of a lane from 1.
    pub(super) number: u64,
    /// The rows.
    pub(super) batch: Arc<StreamBatch>,
}

/// What a lane tells.
#[derive(Debug)]
pub(super) enum Report {
    /// The sink is open for the first time and says where it stands.
    Opened(Option<Position>),
    /// A batch is durable.
    Settled(Settled),
    /// The sink could not be used, for the `attempt`th time in a row; it is tried again.
    Trouble { fault: Fault, attempt: u32 },
    /// The sink is open again after trouble.
    Recovered,
    /// The sink cannot be used until a person acts. The lane has ended.
    Failed(Fault),
    /// Everything that was handed over is durable, and nothing more will come. The lane has ended.
    Drained,
}

/// A batch that is durable.
#[derive(Debug)]
pub(super) struct Settled {
    /// Where the sink stands now.
    pub(super) position: Position,
    /// What became of its rows.
    pub(super) outcome: ByTable<Outcome>,
    /// Bytes written.
    pub(super) bytes: u64,
    /// What is left in the client's own buffers.
    pub(super) buffered: (u64, u64),
    /// From the first send to the acknowledgement.
    pub(super) took: Duration,
    /// Time spent encoding.
    pub(super) encoding: Duration,
    /// When the oldest row was received, by the monotonic clock.
    pub(super) oldest: Duration,
    /// What can be held against the sink later, and when it was made.
    pub(super) receipt: (Option<Receipt>, Timestamp),
}

/// A lane's parts.
pub(super) struct Lane {
    pub(super) sink: Arc<dyn StreamSink>,
    pub(super) encoder: Option<Encoder>,
    pub(super) letters: Letters,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) orders: mpsc::Receiver<Handed>,
    pub(super) reports: Reports,
}

/// The way from a lane to its coordinator.
#[derive(Debug, Clone)]
pub(super) struct Reports {
    pub(super) lane: usize,
    pub(super) send: mpsc::Sender<(usize, Report)>,
}

impl Reports {
    /// Tells; a coordinator that is gone hears nothing more.
    async fn tell(&self, report: Report) {
        self.send.send((self.lane, report)).await.unwrap_or_default();
    }
}

/// A batch that is in the lane's hands.
struct Held {
    handed: Handed,
    outcome: ByTable<Outcome>,
    written: Written,
    sent_at: Duration,
    encoding: Duration,
}

/// A lane at work.
struct Running {
    lane: Lane,
    counting: Counting,
    /// In order; the first `sent` of them are with the writer.
    held: VecDeque<Held>,
    sent: usize,
    /// Whether more may come.
    open: bool,
    told_opened: bool,
    /// Behind everything that the sink has said it keeps with its rows.
    kept: Option<Position>,
    attempt: u32,
    /// Size of the last encoded batch: the next one will be about as large.
    encoded_bytes: usize,
}

/// Runs a lane to its end, which it reports.
pub(super) async fn run(lane: Lane) {
    let reports = lane.reports.clone();
    let mut running = Running {
        counting: Counting::of(&lane.sink.reread()),
        lane,
        held: VecDeque::new(),
        sent: 0,
        open: true,
        told_opened: false,
        kept: None,
        attempt: 0,
        encoded_bytes: 0,
    };
    loop {
        let fault = match running.live().await {
            Ok(()) => return reports.tell(Report::Drained).await,
            Err(fault) => fault,
        };
        // A writer that another one has fenced off would fence that one off in turn, for ever.
        let fenced = fault.class() == ErrorClass::Conflict;
        if fenced || fault.class().policy() != Policy::Retry {
            return reports.tell(Report::Failed(fault)).await;
        }
        running.sent = 0;
        running.attempt += 1;
        let (attempt, wait) = (running.attempt, backoff(running.attempt));
        reports.tell(Report::Trouble { fault, attempt }).await;
        tokio::time::sleep(wait).await;
    }
}

/// Doubles up to the longest wait; drawn from its upper half, so that many sinks do not return at
/// once.
fn backoff(attempt: u32) -> Duration {
    let full = BACKOFF.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(BACKOFF_MAX);
    full.mul_f64(0.5 + fastrand::f64() / 2.0)
}

impl Running {
    /// The life of one writer: until everything is delivered, or until it breaks.
    async fn live(&mut self) -> Result<(), Fault> {
        let mut writer = self.lane.sink.open().await?;
        let committed = writer.committed().await?;
        self.opened(committed).await?;
        let sent_max = self.lane.sink.in_flight_batches_max().max(1);
        loop {
            let room = self.sent < sent_max;
            let waits = self.sent < self.held.len();
            if !self.open && self.held.is_empty() {
                return Ok(());
            }
            if room && waits {
                self.send_next(writer.as_mut()).await?;
                continue;
            }
            tokio::select! {
                // What is done is told first: it is what everybody else waits for.
                biased;
                acknowledged = writer.acknowledged(), if self.sent > 0 => {
                    self.settle(acknowledged?).await?;
                }
                handed = self.lane.orders.recv(), if room && self.open => match handed {
                    Some(handed) => self.take(handed),
                    None => self.open = false,
                },
            }
        }
    }

    async fn opened(&mut self, committed: Option<Position>) -> Result<(), Fault> {
        let sink = &self.lane.sink;
        if sink.guarantee() == Guarantee::ExactlyOnce
            && let Some(kept) = &self.kept
            && !committed.as_ref().is_some_and(|it| it.reaches(kept))
        {
            // What it acknowledged is gone: to go on would leave a gap that nobody sees.
            return Err(emptied(sink.id(), kept));
        }
        if let Some(committed) = &committed {
            self.kept = Some(committed.clone());
        }
        if !self.told_opened {
            self.told_opened = true;
            self.lane.reports.tell(Report::Opened(committed)).await;
        } else if let Some(committed) = committed {
            // The connection was lost after the commit and before its acknowledgement.
            while self.held.front().is_some_and(|it| committed.reaches(it.handed.batch.position()))
            {
                if let Some(held) = self.held.pop_front() {
                    self.report(held, Acknowledged::default()).await;
                }
            }
        }
        if self.attempt > 0 {
            self.attempt = 0;
            self.lane.reports.tell(Report::Recovered).await;
        }
        Ok(())
    }

    fn take(&mut self, handed: Handed) {
        self.held.push_back(Held {
            handed,
            outcome: ByTable::default(),
            written: Written::default(),
            sent_at: Duration::ZERO,
            encoding: Duration::ZERO,
        });
    }

    async fn send_next(&mut self, writer: &mut dyn SinkWriter) -> Result<(), Fault> {
        let Some(held) = self.held.get_mut(self.sent) else { return Ok(()) };
        let batch = Arc::clone(&held.handed.batch);
        let since = self.lane.clock.monotonic();
        let mut messages = None;
        let mut refused = refused_of(&batch);
        if let Some(encoder) = &mut self.lane.encoder {
            let mut out = Messages::with_capacity(batch.spanned(), self.encoded_bytes);
            refused.extend(encoder.encode(&batch, &mut out));
            self.encoded_bytes = out.buffer.len() + out.buffer.len() / 8;
            messages = Some(out);
        }
        held.outcome = tally::delivered(&batch, messages.as_ref());
        held.written = self.counting.written(&batch, messages.as_ref());
        held.sent_at = self.lane.clock.monotonic();
        held.encoding = held.sent_at.saturating_sub(since);
        if !refused.is_empty() {
            // Kept before the rest is sent: a position behind a row says that it is accounted for.
            let fate = self.lane.letters.keep(&batch, &refused).await?;
            tally::set_aside(&mut held.outcome, &batch, &refused, fate);
        }
        let number = held.handed.number;
        writer.send(Delivery { number, batch, messages }).await?;
        self.sent += 1;
        Ok(())
    }

    async fn settle(&mut self, acknowledged: Acknowledged) -> Result<(), Fault> {
        let Some(mut held) = self.held.pop_front() else { return Ok(()) };
        self.sent -= 1;
        if held.handed.number != acknowledged.number {
            let said = format!(
                "the sink acknowledged batch {} where {} was next",
                acknowledged.number, held.handed.number
            );
            return Err(Fault::new(ErrorClass::Internal, said));
        }
        if !acknowledged.refused.is_empty() {
            let batch = &held.handed.batch;
            let fate = self.lane.letters.keep(batch, &acknowledged.refused).await?;
            tally::refused_late(&mut held.outcome, batch, &acknowledged.refused, fate);
        }
        self.kept = Some(held.handed.batch.position().clone());
        self.report(held, acknowledged).await;
        Ok(())
    }

    async fn report(&self, held: Held, mut acknowledged: Acknowledged) {
        let sent = (held.handed.batch.as_ref(), &held.written);
        let receipt = receipt(self.counting, sent, &held.outcome, &mut acknowledged);
        let settled = Settled {
            position: held.handed.batch.position().clone(),
            outcome: held.outcome,
            bytes: acknowledged.bytes,
            buffered: acknowledged.buffered,
            took: self.lane.clock.monotonic().saturating_sub(held.sent_at),
            encoding: held.encoding,
            oldest: held.handed.batch.oldest_received(),
            receipt: (receipt, self.lane.clock.now()),
        };
        self.lane.reports.tell(Report::Settled(settled)).await;
    }
}
