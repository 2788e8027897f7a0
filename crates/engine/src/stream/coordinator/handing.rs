//! Handing batches out: to every lane in turn, each behind what it was given before, and never past a
//! gap.

use std::sync::Arc;

use flowglass_connect::Fault;
use flowglass_connect::stream::{Position, StreamBatch};
use flowglass_model::ErrorClass;
use tokio::sync::mpsc;

use super::{Coordinator, Feed};
use crate::stream::batcher::Trigger;
use crate::stream::lane::Handed;
use crate::stream::ledger::{ByTable, Sum, read_of};
use crate::stream::meters::StageOf;
use crate::stream::trim::trim;

impl Coordinator<'_> {
    /// Gives a batch to every lane, and listens to them while it waits for room.
    pub(super) async fn hand_out(
        &mut self,
        batch: StreamBatch,
        trigger: Trigger,
    ) -> Result<(), Fault> {
        let began = self.now();
        let read = read_of(&batch);
        self.meters.cut(&batch, &read, (trigger, began));
        self.watcher.cut(&batch, self.job.clock.now());
        for (relation, lag) in self.watcher.table_lags() {
            self.meters.table_lag(&relation, lag);
        }
        let position = batch.position().clone();
        self.status.send_modify(|status| {
            status.wire_bytes += batch.wire_bytes();
            if !batch.is_empty() {
                status.batch_events = batch.spanned() as u64;
            }
        });
        let batch = self.processed(batch).await?;
        self.meters.busy(StageOf::Process, self.now().saturating_sub(began));
        let Some(batch) = batch else { return Ok(()) };
        let batch = Arc::new(batch);
        self.begun = Some(position.clone());
        for lane in 0..self.seats.len() {
            self.hand_to(lane, &batch, &read).await?;
            if self.cut_short {
                return Ok(());
            }
        }
        self.handed = Some(position);
        Ok(())
    }

    async fn hand_to(
        &mut self,
        lane: usize,
        batch: &Arc<StreamBatch>,
        read: &ByTable<Sum>,
    ) -> Result<(), Fault> {
        let since = self.now();
        let place = loop {
            let Some(seat) = self.seats.get(lane) else { return Ok(()) };
            let Some(orders) = seat.orders.clone() else { return Ok(()) };
            let falls_behind = orders.capacity() == 0 && self.can_fall_behind(lane, batch);
            let Some(seat) = self.seats.get_mut(lane) else { return Ok(()) };
            if falls_behind {
                seat.feed = Feed::Behind;
            }
            if seat.is_behind() {
                self.passes_by(lane, batch);
                return Ok(());
            }
            let stop = self.stop;
            tokio::select! {
                biased;
                report = self.reports.recv() => self.heard(report)?,
                place = orders.reserve_owned() => break place,
                _ = stop.asked(), if !self.finishing => {
                    self.cut_short = true;
                    return Ok(());
                }
                // A sink that is away must be told of, and a request heard, all the same.
                _ = self.ticker.tick() => {
                    self.tick().await?;
                    if self.control.is_leaving() && !self.finishing {
                        self.cut_short = true;
                        return Ok(());
                    }
                }
            }
        };
        self.meters.blocked(StageOf::Process, self.now().saturating_sub(since));
        // A lane that has ended has said why, or will in a moment.
        let Ok(place) = place else { return Ok(()) };
        let after = self.handed.clone();
        self.place(lane, (batch, after.as_ref()), read, place)
    }

    /// Puts what a lane does not have of a batch, which goes on from `after`, into its queue.
    ///
    /// # Errors
    /// `internal` when rows would be left out between what the lane was given and this batch.
    pub(super) fn place(
        &mut self,
        lane: usize,
        (batch, after): (&Arc<StreamBatch>, Option<&Position>),
        read: &ByTable<Sum>,
        place: mpsc::OwnedPermit<Handed>,
    ) -> Result<(), Fault> {
        let Some(seat) = self.seats.get_mut(lane).filter(|it| !it.ended) else { return Ok(()) };
        if let Some((given, after)) = seat.given.as_ref().zip(after)
            && !given.reaches(after)
        {
            return Err(gap(&seat.id, given, after));
        }
        let rest = trim(batch, seat.given.as_ref());
        let whole = rest.as_ref().is_some_and(|it| Arc::ptr_eq(it, batch));
        if whole {
            seat.read_ahead = false;
        } else if seat.read_ahead {
            self.passes_by(lane, batch);
        }
        let Some((rest, seat)) = rest.zip(self.seats.get_mut(lane)) else { return Ok(()) };
        seat.given = Some(batch.position().clone());
        let read = if whole { read.clone() } else { read_of(&rest) };
        seat.numbered += 1;
        seat.ledger.hand_out(&read);
        self.meters.handed(&read);
        seat.in_flight.push_back((seat.numbered, read));
        place.send(Handed { number: seat.numbered, batch: rest });
        Ok(())
    }
}

fn gap(sink: &str, given: &Position, after: &Position) -> Fault {
    let said = format!(
        "the sink `{sink}` was given everything up to {given}, and is to go on from {after}"
    );
    Fault::new(ErrorClass::Internal, said)
        .hint("Nothing is lost: start the stream again, and it goes on from where the sink stands.")
}
