//! The coordinator: one source, one batcher, a lane for each sink, and the accounts between them.
//!
//! It alone decides what the source may forget, and only from what the sinks have said. Nothing it
//! holds is lost when a sink is away: lanes keep their batches, queues fill, reading stops, and the
//! source keeps the rest.

mod beside;
mod control;
mod handing;
mod opening;
mod processed;

use std::sync::Arc;
use std::time::Duration;

use flowglass_connect::encode::{Encoder, Origin};
use flowglass_connect::stream::{Chunk, Position, StreamReader, Takes};
use flowglass_connect::{Fault, Tasks};
use flowglass_model::{ErrorClass, Policy};
use tokio::sync::{mpsc, watch};
use tokio::time::{Interval, MissedTickBehavior};

pub(super) use self::beside::Feed;
use self::beside::Ways;
use self::control::Control;
use super::batcher::Batcher;
use super::job::{Status, StreamJob, Until};
use super::lane::{self, Lane, Report, Reports, Settled};
use super::letters::{LetterTotals, Letters};
use super::meters::{Meters, StageOf};
use super::policy::{CommitPolicy, SinkPosition};
use super::processing::Processors;
use super::seat::Seat;
use super::watcher::Watcher;
use crate::stop::Stop;

/// How often figures are brought up to date and positions kept.
const TICK: Duration = Duration::from_millis(200);

/// Chunks that may wait before they are cut into batches, in batches' worth of rows.
const BATCHES_GATHERED_MAX: usize = 2;

/// Runs a stream until it has done what it was started for, is asked to stop, or fails. Whatever it
/// comes to, and also when this is dropped half-way: what the sinks have acknowledged is safe, and the
/// rest comes again.
///
/// # Errors
/// What ended it: a required sink or the source cannot go on, the ledger is open, or the stream runs
/// already (`conflict`).
pub async fn run(job: &StreamJob, stop: &Stop, status: watch::Sender<Status>) -> Result<(), Fault> {
    let _held = job.state.hold(&job.name).await?;
    Coordinator::start(job, stop, status)?.run().await
}

/// A stream at work.
struct Coordinator<'a> {
    job: &'a StreamJob,
    stop: &'a Stop,
    seats: Vec<Seat>,
    reports: mpsc::Receiver<(usize, Report)>,
    // Kept so that the channel stays open while no lane runs.
    _tell: mpsc::Sender<(usize, Report)>,
    _lanes: Tasks,
    batcher: Batcher,
    processors: Processors,
    reader: Option<Box<dyn StreamReader>>,
    /// Behind the last batch that was handed over.
    handed: Option<Position>,
    /// Behind the batch whose handing out has begun; all lanes have it when this is `handed`.
    begun: Option<Position>,
    status: watch::Sender<Status>,
    letters: watch::Receiver<LetterTotals>,
    totals: Arc<watch::Sender<LetterTotals>>,
    meters: Meters,
    watcher: Watcher,
    control: Control,
    /// What sinks that fell behind read for themselves.
    ways: Ways,
    ticker: Interval,
    /// Times the source was opened again by us.
    reopened: u64,
    unaccounted: u64,
    /// A batch was not handed to every lane, because somebody asked to stop: nothing may be handed
    /// out after it.
    cut_short: bool,
    finishing: bool,
    /// The source has come to its end.
    ended: bool,
}

impl<'a> Coordinator<'a> {
    /// Starts a lane for each sink.
    ///
    /// # Errors
    /// `config` when a sink's messages cannot be made as it asks; what keeps a processor from working.
    fn start(
        job: &'a StreamJob,
        stop: &'a Stop,
        status: watch::Sender<Status>,
    ) -> Result<Self, Fault> {
        let (tell, reports) = mpsc::channel(64);
        let (totals, letters) = watch::channel(LetterTotals::default());
        let totals = Arc::new(totals);
        let known = Arc::clone(&totals);
        let mut lanes = Tasks::new();
        let mut seats = Vec::with_capacity(job.sinks.len());
        for (index, sink) in job.sinks.iter().enumerate() {
            let (orders, queue) = mpsc::channel(job.queue_batches_max.max(1));
            let id = sink.sink.id().to_owned();
            let encoder = match sink.sink.takes() {
                Takes::Messages(settings) => Some(Encoder::new(settings, origin(job))?),
                Takes::Rows => None,
            };
            let lane = Lane {
                sink: Arc::clone(&sink.sink),
                encoder,
                letters: Letters {
                    stream: job.name.as_str().into(),
                    sink: id.clone(),
                    limits: job.dead_letters,
                    state: Arc::clone(&job.state),
                    clock: Arc::clone(&job.clock),
                    totals: Arc::clone(&totals),
                },
                clock: Arc::clone(&job.clock),
                orders: queue,
                reports: Reports { lane: index, send: tell.clone() },
            };
            lanes.spawn("stream-lane", lane::run(lane));
            seats.push(Seat::new(id, sink, orders));
        }
        let sinks: Vec<_> =
            job.sinks.iter().map(|it| (it.sink.id(), it.sink.guarantee())).collect();
        let bounds = (job.queue_batches_max.max(1), gathered_max(job));
        let meters = Meters::new(job.meters.clone(), job.source.id(), &sinks, bounds);
        Ok(Self {
            job,
            stop,
            seats,
            reports,
            _tell: tell,
            _lanes: lanes,
            batcher: Batcher::new(job.limits),
            processors: Processors::open(&job.processors, &job.meters)?,
            reader: None,
            handed: None,
            begun: None,
            status,
            letters,
            totals: known,
            meters,
            watcher: Watcher::new(job.stalled_after),
            control: Control::default(),
            ways: beside::ways(job.sinks.len()),
            ticker: ticker(),
            reopened: 0,
            unaccounted: 0,
            cut_short: false,
            finishing: false,
            ended: false,
        })
    }

    /// Runs the stream until it has done what it was started for, or is asked to stop, or fails.
    async fn run(&mut self) -> Result<(), Fault> {
        let ended = self.drive().await;
        self.keep_positions().await.unwrap_or_default();
        self.tell_status();
        self.answer_stop(ended.as_ref().err()).await;
        self.meters.status(if ended.is_ok() { 0.0 } else { -1.0 });
        ended
    }

    async fn drive(&mut self) -> Result<(), Fault> {
        self.begin_control().await?;
        let Some(from) = self.where_to_begin().await? else { return Ok(()) };
        let from = Some(from).filter(|it| *it != Position::ORIGIN);
        self.handed.clone_from(&from);
        self.begun.clone_from(&from);
        self.batcher.begin_at(from.clone());
        self.open_source(from).await?;
        let stop = self.stop;
        let mut asked = std::pin::pin!(stop.asked());
        loop {
            while !self.cut_short
                && let Some((batch, trigger)) = self.batcher.next(self.now(), self.hungry())
            {
                self.hand_out(batch, trigger).await?;
            }
            if self.cut_short || self.control.is_leaving() || self.is_done() {
                break;
            }
            let due = self.batcher.due_at().map(|at| at.saturating_sub(self.now()));
            let gathered = self.batcher.waiting_events() >= gathered_max(self.job) && due.is_some();
            let reads = !self.control.is_paused();
            let waiting_since = self.now();
            tokio::select! {
                biased;
                report = self.reports.recv() => self.heard(report)?,
                Some(brought) = self.ways.1.recv(), if reads => self.brought(brought).await?,
                chunk = next_chunk(&mut self.reader), if reads && !gathered && !self.ended => {
                    let waited = self.now().saturating_sub(waiting_since);
                    self.read(chunk, waited).await?;
                }
                () = tokio::time::sleep(due.unwrap_or_default()), if due.is_some() => {}
                _ = self.ticker.tick() => self.tick().await?,
                _ = &mut asked => break,
            }
        }
        self.finish().await
    }

    /// Takes what the source gave.
    async fn read(
        &mut self,
        chunk: Result<Option<Chunk>, Fault>,
        waited: Duration,
    ) -> Result<(), Fault> {
        let now = self.now();
        match chunk {
            Ok(Some(chunk)) => {
                let worked = now.saturating_sub(chunk.received()).min(waited);
                self.meters.busy(StageOf::Source, worked);
                self.watcher.read(&chunk, now);
                self.status.send_modify(|status| status.read += chunk.len() as u64);
                self.batcher.push(Arc::new(chunk), now);
                Ok(())
            }
            Ok(None) => {
                self.ended = true;
                while let Some((batch, trigger)) = self.batcher.drain(now) {
                    self.hand_out(batch, trigger).await?;
                }
                Ok(())
            }
            Err(fault) if fault.class().policy() == Policy::Retry => {
                // What was read and not handed out is read again.
                self.watcher.source_trouble(&fault);
                self.reopened += 1;
                self.reader = None;
                self.batcher = Batcher::new(self.job.limits);
                self.batcher.begin_at(self.handed.clone());
                self.open_source(self.handed.clone()).await
            }
            Err(fault) => Err(fault),
        }
    }

    /// Takes a lane's report.
    fn heard(&mut self, report: Option<(usize, Report)>) -> Result<(), Fault> {
        let (lane, report) = report.ok_or_else(lanes_gone)?;
        match report {
            Report::Settled(settled) => self.settled(lane, &settled),
            Report::Trouble { fault, attempt } => {
                self.meters.trouble(lane, &fault);
                if let Some(seat) = self.seats.get_mut(lane) {
                    if attempt == 1 && !seat.in_flight.is_empty() {
                        self.meters.gave_up(lane);
                    }
                    seat.trouble = Some(fault.chain());
                    seat.attempts = attempt;
                }
                Ok(())
            }
            Report::Opened(said) => self.opened_late(lane, said),
            Report::Recovered => {
                if let Some(seat) = self.seats.get_mut(lane) {
                    seat.trouble = None;
                    seat.attempts = 0;
                }
                Ok(())
            }
            Report::Failed(fault) => {
                self.meters.trouble(lane, &fault);
                let Some(seat) = self.seats.get_mut(lane) else { return Err(fault) };
                seat.ended = true;
                seat.orders = None;
                seat.trouble = Some(fault.chain());
                if seat.required || self.seats.iter().all(|it| it.ended) {
                    return Err(fault);
                }
                Ok(())
            }
            Report::Drained => {
                if let Some(seat) = self.seats.get_mut(lane) {
                    seat.ended = true;
                }
                Ok(())
            }
        }
    }

    fn settled(&mut self, lane: usize, settled: &Settled) -> Result<(), Fault> {
        let now = self.now();
        let unix = self.unix_seconds();
        self.meters.settled(lane, settled, now, unix);
        let Some(seat) = self.seats.get_mut(lane) else { return Ok(()) };
        seat.receipts.add(seat.position.as_ref(), &settled.receipt);
        seat.position = Some(settled.position.clone());
        seat.bytes += settled.bytes;
        seat.delivered += settled.outcome.parts().map(|(_, it)| it.delivered.rows).sum::<u64>();
        let Some((number, read)) = seat.in_flight.pop_front() else { return Ok(()) };
        let agreed = seat.ledger.close(&read, &settled.outcome);
        if let Err(off) = agreed {
            self.unaccounted += off.read.rows.abs_diff(off.accounted.rows).max(1);
            #[expect(clippy::cast_precision_loss, reason = "a gauge is a double")]
            self.meters.unaccounted(self.unaccounted as f64);
            let said = format!(
                "the ledger of {} at `{}` is open: batch {number} held {} rows, {} are accounted for",
                off.table, seat.id, off.read.rows, off.accounted.rows
            );
            return Err(Fault::new(ErrorClass::Internal, said));
        }
        self.confirm();
        Ok(())
    }

    fn positions(&self) -> Vec<SinkPosition> {
        self.seats.iter().map(Seat::stands).collect()
    }

    fn confirm(&mut self) {
        if let Some(position) = CommitPolicy::forgettable(&self.positions())
            && let Some(reader) = &mut self.reader
        {
            reader.confirm(&position);
        }
    }

    async fn tick(&mut self) -> Result<(), Fault> {
        self.take_requests().await?;
        self.keep_positions().await?;
        self.confirm();
        self.look_behind();
        self.read_missed().await;
        self.tell_status();
        Ok(())
    }

    /// Keeps the positions that have moved: for sinks that cannot keep theirs, and for people.
    async fn keep_positions(&mut self) -> Result<(), Fault> {
        let at = self.job.clock.now();
        let name = &self.job.name;
        let moved: Vec<_> = self.seats.iter().filter_map(|it| it.checkpoint(name, at)).collect();
        if moved.is_empty() {
            return Ok(());
        }
        self.job.state.save(moved.clone()).await?;
        for seat in &mut self.seats {
            if let Some(kept) = moved.iter().find(|it| it.sink == seat.id) {
                seat.saved = Some(kept.position.clone());
            }
        }
        self.meters.checkpointed(self.unix_seconds());
        Ok(())
    }

    /// Whether no sink has anything to do.
    fn hungry(&self) -> bool {
        self.seats.iter().all(|seat| seat.ended || seat.is_behind() || seat.in_flight.is_empty())
    }

    fn is_done(&self) -> bool {
        let idle = self.batcher.waiting_events() == 0
            && self.seats.iter().all(|it| it.ended || (it.in_flight.is_empty() && !it.is_behind()));
        let handed = self.handed.as_ref();
        match &self.job.until {
            _ if self.ended => idle,
            Until::Stopped => false,
            Until::Reached(position) => idle && handed.is_some_and(|it| it >= position),
            Until::CaughtUp => {
                let target = self.watcher.target();
                idle && target
                    .is_some_and(|end| end == 0 || handed.is_some_and(|it| it.commit >= end))
            }
        }
    }

    /// Delivers what has been read, within the grace, and keeps the positions.
    async fn finish(&mut self) -> Result<(), Fault> {
        let deadline = tokio::time::Instant::now() + self.job.grace;
        let drained = tokio::time::timeout_at(deadline, self.drain()).await;
        self.keep_positions().await?;
        self.confirm();
        if let Some(mut reader) = self.reader.take() {
            // Says the confirmed position once more; what does not arrive is read again.
            tokio::time::timeout(Duration::from_secs(2), reader.close()).await.unwrap_or_default();
        }
        // Whatever is left undelivered was not confirmed: it comes again.
        drained.unwrap_or(Ok(()))
    }

    async fn drain(&mut self) -> Result<(), Fault> {
        self.finishing = true;
        for seat in &mut self.seats {
            // What it lacks comes again at the next start; what it was given is delivered.
            if seat.is_behind() {
                seat.feed = Feed::Behind;
            }
        }
        while !self.cut_short
            && let Some((batch, trigger)) = self.batcher.drain(self.now())
        {
            self.hand_out(batch, trigger).await?;
        }
        for seat in &mut self.seats {
            seat.orders = None;
        }
        while self.seats.iter().any(|it| !it.ended) {
            tokio::select! {
                biased;
                report = self.reports.recv() => self.heard(report)?,
                // What was brought holds a place in a queue, whose lane waits for its end.
                Some(_) = self.ways.1.recv() => {}
                _ = self.ticker.tick() => self.tick().await?,
            }
        }
        Ok(())
    }

    fn tell_status(&mut self) {
        let now = self.now();
        let head = self.reader.as_ref().map(|it| it.head());
        if let Some(head) = head {
            self.meters.head(&head, self.reopened);
            self.watcher.head(head);
        }
        let letters = self.letters.borrow_and_update().clone();
        self.meters.letters(&letters, self.job.dead_letters.entries_max);
        let busy = StageOf::ALL.map(|stage| self.meters.busy_so_far(stage));
        let seen = self.watcher.look(now, self.job.clock.now(), self.handed.as_ref(), busy);
        self.meters.lag.set(seen.lag.as_secs_f64());
        self.meters.idle.set(seen.idle.as_secs_f64());
        let sinks: Vec<_> = self.seats.iter().map(Seat::status).collect();
        for (lane, sink) in sinks.iter().enumerate() {
            self.meters.queue(lane, sink.in_flight_batches);
        }
        let paused = self.control.is_paused();
        let stalled = self.watcher.stalled(now, &sinks).filter(|_| !paused);
        self.meters.gathered(self.batcher.waiting_events());
        let committed = self.job.policy.committed(&self.positions());
        let ledger = self.seats.iter().flat_map(|it| it.ledger.entries()).collect();
        let handed = self.handed.clone();
        let stopped_by = self.control.stopped_by();
        self.status.send_modify(|status| {
            status.handed = handed;
            status.committed = committed;
            status.head = seen.head;
            status.lag = seen.lag;
            status.idle = seen.idle;
            status.bottleneck = seen.bottleneck;
            status.sinks = sinks;
            status.dead_letters = letters.entries;
            status.ledger = ledger;
            status.stalled = stalled;
            status.paused = paused;
            status.stopped_by.clone_from(&stopped_by);
        });
    }

    fn now(&self) -> Duration {
        self.job.clock.monotonic()
    }

    #[expect(clippy::cast_precision_loss, reason = "a gauge is a double; milliseconds fit")]
    fn unix_seconds(&self) -> f64 {
        self.job.clock.now().as_millisecond() as f64 / 1e3
    }
}

/// Rows that may wait before they are cut into batches.
const fn gathered_max(job: &StreamJob) -> usize {
    job.limits.events_max.saturating_mul(BATCHES_GATHERED_MAX)
}

fn ticker() -> Interval {
    let mut ticker = tokio::time::interval(TICK);
    ticker.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticker
}

/// The next chunk; never, when there is no source any more.
async fn next_chunk(reader: &mut Option<Box<dyn StreamReader>>) -> Result<Option<Chunk>, Fault> {
    match reader {
        Some(reader) => reader.next().await,
        None => std::future::pending().await,
    }
}

fn origin(job: &StreamJob) -> Origin {
    Origin {
        stream: job.name.as_str().into(),
        version: env!("CARGO_PKG_VERSION").into(),
        clock: Arc::clone(&job.clock),
    }
}

fn lanes_gone() -> Fault {
    Fault::new(ErrorClass::Internal, "every sink's task ended without a word")
}
