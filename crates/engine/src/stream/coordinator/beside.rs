//! A sink that the stream does not wait for and that fell behind: it is given what it lacks by a
//! reader of its own, beside the stream's, until it stands where the stream stands. So it holds
//! nobody up, and nobody has to start anything again.
//!
//! Whatever is handed to it, from beside or by the stream, is trimmed by what it was given last: the
//! two may overlap, and cannot leave a gap, since each goes on behind a place that it was given.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use flowglass_connect::stream::{Op, Position, StreamBatch, StreamReader, StreamSource};
use flowglass_connect::{Clock, Fault, Tasks};
use flowglass_model::{ErrorClass, Policy};
use tokio::sync::mpsc;

use super::Coordinator;
use crate::stream::batcher::{BatchLimits, Batcher};
use crate::stream::lane::Handed;
use crate::stream::ledger::read_of;
use crate::stream::seat::Seat;

/// The first wait before the source is opened beside the stream again; doubled each time.
const BACKOFF: Duration = Duration::from_millis(200);

/// The longest wait.
const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// How a sink gets its rows.
#[derive(Debug, Default)]
pub(in crate::stream) enum Feed {
    /// With all others, from the stream's reader.
    #[default]
    WithAll,
    /// It fell behind, and has yet to deliver what it was given before it reads for itself.
    Behind,
    /// From a reader of its own, which ends with this value.
    Beside(#[expect(dead_code, reason = "held for its drop")] Tasks),
    /// The source cannot be read twice at once: the stream waits for this sink like for any other.
    Held,
}

/// What a reader beside the stream brings.
#[derive(Debug)]
pub(super) struct Brought {
    lane: usize,
    /// Where its batch goes on from.
    after: Position,
    what: Result<(StreamBatch, mpsc::OwnedPermit<Handed>), Fault>,
}

/// The way from readers beside the stream to the coordinator. A reader waits for a place in its
/// sink's queue before it sends, so one batch for each sink is on the way at most.
pub(super) type Ways = (mpsc::Sender<Brought>, mpsc::Receiver<Brought>);

/// The way, before anybody is on it.
pub(super) fn ways(sinks: usize) -> Ways {
    mpsc::channel(sinks.max(1))
}

impl Coordinator<'_> {
    /// Whether this sink need not be waited for with this batch, and can get later what it lacks.
    pub(super) fn can_fall_behind(&self, lane: usize, batch: &StreamBatch) -> bool {
        let Some(seat) = self.seats.get(lane) else { return false };
        !seat.required
            && !self.finishing
            && matches!(seat.feed, Feed::WithAll)
            && seat.given.as_ref().is_some_and(in_the_log)
            && self.seats.iter().any(|it| it.required)
            // Nor does the log hold these, so that it would have to be read once more for it.
            && !batch.changes().any(|(_, it)| it.op() == Op::Read)
    }

    /// Starts a reader for each sink that fell behind and has delivered what it was given; takes
    /// those back that lack nothing. A batch that is being handed out is lacking too: its turn at
    /// this sink may be over.
    pub(super) fn look_behind(&mut self) {
        if self.finishing {
            return;
        }
        for lane in 0..self.seats.len() {
            let Some(seat) = self.seats.get_mut(lane) else { continue };
            let ready = seat.opened && !seat.ended && seat.in_flight.is_empty();
            if !matches!(seat.feed, Feed::Behind) || !ready {
                continue;
            }
            let (Some(from), Some(orders)) = (seat.given.clone(), seat.orders.clone()) else {
                continue;
            };
            if self.begun.as_ref().is_none_or(|it| from.reaches(it)) {
                seat.feed = Feed::WithAll;
                continue;
            }
            let beside = Beside {
                lane,
                source: Arc::clone(&self.job.source),
                clock: Arc::clone(&self.job.clock),
                limits: self.job.limits,
                orders,
                tell: self.ways.0.clone(),
                from,
            };
            let mut tasks = Tasks::new();
            tasks.spawn("stream-beside", beside.run());
            seat.feed = Feed::Beside(tasks);
        }
    }

    /// Hands over what a reader beside the stream brought.
    pub(super) async fn brought(&mut self, brought: Brought) -> Result<(), Fault> {
        let Brought { lane, after, what } = brought;
        let (batch, place) = match what {
            Ok(brought) => brought,
            Err(fault) => return self.not_beside(lane, &fault).await,
        };
        let read = read_of(&batch);
        let Some(batch) = self.processed(batch).await? else { return Ok(()) };
        self.place(lane, (&Arc::new(batch), Some(&after)), &read, place)?;
        if let Some((seat, begun)) = self.seats.get_mut(lane).zip(self.begun.as_ref())
            && seat.given.as_ref().is_some_and(|given| given.reaches(begun))
        {
            seat.read_ahead = seat.given.as_ref() != Some(begun);
            seat.feed = Feed::WithAll;
        }
        Ok(())
    }

    /// Notes what a batch holds that this sink will not find in the log: rows of a table that is
    /// read again, or that joined the stream.
    pub(super) fn passes_by(&mut self, lane: usize, batch: &StreamBatch) {
        let Some(seat) = self.seats.get_mut(lane) else { return };
        let read = batch.changes().map(|(_, it)| it).filter(|it| it.op() == Op::Read);
        for change in read {
            let name = change.relation().name();
            if !seat.missed.contains(&name) {
                seat.missed.insert(name);
            }
        }
    }

    /// Has tables read once more that passed a sink by which is back: what was missed cannot be told
    /// apart from what came later, so all sinks get the rows, as they are now.
    pub(super) async fn read_missed(&mut self) {
        let Some(reader) = &mut self.reader else { return };
        // Where it is ahead of the stream, the rows would pass it by again.
        let back = |it: &Seat| !it.is_behind() && !it.read_ahead && !it.missed.is_empty();
        for seat in self.seats.iter_mut().filter(|it| back(it)) {
            let mut left = BTreeSet::new();
            for table in std::mem::take(&mut seat.missed) {
                match reader.resync(&table).await {
                    // It left the stream meanwhile: nothing is owed to anybody.
                    Ok(()) => {}
                    Err(fault) if fault.class() == ErrorClass::NotFound => {}
                    Err(_) => {
                        left.insert(table);
                    }
                }
            }
            seat.missed = left;
        }
    }

    /// A sink cannot catch up by itself. Where the source cannot be read twice at once, the stream
    /// goes back to where that sink stands, and the others leave out what they have; from then on it
    /// is waited for. Otherwise the sink ends alone.
    async fn not_beside(&mut self, lane: usize, fault: &Fault) -> Result<(), Fault> {
        let Some(seat) = self.seats.get_mut(lane) else { return Ok(()) };
        if !matches!(seat.feed, Feed::Beside(_)) {
            return Ok(());
        }
        if fault.class() != ErrorClass::Unsupported {
            seat.ended = true;
            seat.orders = None;
            seat.trouble = Some(fault.chain());
            return Ok(());
        }
        seat.feed = Feed::Held;
        let from = seat.given.clone();
        self.reader = None;
        self.batcher = Batcher::new(self.job.limits);
        self.batcher.begin_at(from.clone());
        self.handed.clone_from(&from);
        self.begun.clone_from(&from);
        self.open_source(from).await
    }
}

/// Whether the log alone goes on from here. Inside a snapshot it does not.
pub(super) fn in_the_log(position: &Position) -> bool {
    *position != Position::ORIGIN && position.detail.is_none()
}

/// A reader beside the stream, for one sink.
struct Beside {
    lane: usize,
    source: Arc<dyn StreamSource>,
    clock: Arc<dyn Clock>,
    limits: BatchLimits,
    orders: mpsc::Sender<Handed>,
    tell: mpsc::Sender<Brought>,
    from: Position,
}

impl Beside {
    /// Reads on until it is dropped, or until it is of no use to try again.
    async fn run(mut self) {
        let mut attempt = 0_u32;
        loop {
            let before = self.from.clone();
            let Err(fault) = self.read().await else { return };
            if fault.class().policy() != Policy::Retry {
                let brought = Brought { lane: self.lane, after: before, what: Err(fault) };
                self.tell.send(brought).await.unwrap_or_default();
                return;
            }
            attempt = if before == self.from { attempt + 1 } else { 0 };
            let wait = BACKOFF.saturating_mul(1 << attempt.min(16)).min(BACKOFF_MAX);
            tokio::time::sleep(wait.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
        }
    }

    async fn read(&mut self) -> Result<(), Fault> {
        let opened = self.source.open_beside(self.from.clone(), Arc::clone(&self.clock));
        let mut reader: Box<dyn StreamReader> = opened.await?;
        let mut batcher = Batcher::new(self.limits);
        batcher.begin_at(Some(self.from.clone()));
        loop {
            // As much as a batch may hold, but nothing is waited for: the sink has nothing to do.
            while let Some((batch, _)) = batcher.next(self.clock.monotonic(), true) {
                let Ok(place) = self.orders.clone().reserve_owned().await else { return Ok(()) };
                let after = std::mem::replace(&mut self.from, batch.position().clone());
                let brought = Brought { lane: self.lane, after, what: Ok((batch, place)) };
                if self.tell.send(brought).await.is_err() {
                    return Ok(());
                }
            }
            let Some(chunk) = reader.next().await? else { return Ok(()) };
            batcher.push(Arc::new(chunk), self.clock.monotonic());
        }
    }
}
