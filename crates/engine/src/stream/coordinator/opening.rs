//! The beginning of a stream: where each sink stands, and opening the source there. Nothing here is
//! waited for that cannot be broken off, so that a request to stop is heard at once.

use std::sync::Arc;
use std::time::Duration;

use flowglass_connect::Fault;
use flowglass_connect::stream::{Checkpoint, Guarantee, Position};
use flowglass_model::Policy;

use super::beside::in_the_log;
use super::{Coordinator, Feed, lanes_gone};
use crate::stream::begin::{begin, emptied};
use crate::stream::lane::Report;
use crate::stream::policy::CommitPolicy;

/// The first wait before a source is opened again; doubled each time.
const BACKOFF: Duration = Duration::from_millis(200);

/// How long an optional sink is waited for that has been here before.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest wait.
const BACKOFF_MAX: Duration = Duration::from_secs(30);

impl Coordinator<'_> {
    /// The least position of all sinks; `None` when somebody asked to stop before all had said
    /// theirs.
    pub(super) async fn where_to_begin(&mut self) -> Result<Option<Position>, Fault> {
        let kept = self.job.state.checkpoints(&self.job.name).await?;
        let stop = self.stop;
        let mut asked = std::pin::pin!(stop.asked());
        let mut said: Vec<Option<Option<Position>>> = self.seats.iter().map(|_| None).collect();
        let mut patience = std::pin::pin!(tokio::time::sleep(PATIENCE));
        let mut patient = true;
        while said.iter().zip(&self.seats).any(|(said, seat)| {
            // It can go on by itself only from a place in the log.
            let known = kept_of(&kept, &seat.id).is_some_and(|it| in_the_log(&it));
            said.is_none() && (patient || seat.required || !known)
        }) {
            let (lane, report) = tokio::select! {
                report = self.reports.recv() => report.ok_or_else(lanes_gone)?,
                () = &mut patience, if patient && self.seats.iter().any(|it| it.required) => {
                    patient = false;
                    continue;
                }
                _ = &mut asked => return Ok(None),
                _ = self.ticker.tick() => {
                    self.take_requests().await?;
                    self.tell_status();
                    if self.control.is_leaving() {
                        return Ok(None);
                    }
                    continue;
                }
            };
            match report {
                Report::Opened(position) => {
                    if let Some((slot, seat)) = said.get_mut(lane).zip(self.seats.get_mut(lane)) {
                        *slot = Some(position);
                        seat.opened = true;
                    }
                }
                report => self.heard(Some((lane, report)))?,
            }
        }
        let sinks: Vec<_> = self.seats.iter().map(|it| (it.id.as_str(), it.guarantee)).collect();
        // A sink that has not said yet is taken for standing at its checkpoint, which it has passed.
        let said: Vec<_> = (said.into_iter().zip(&self.seats))
            .map(|(said, seat)| said.unwrap_or_else(|| kept_of(&kept, &seat.id)))
            .collect();
        let starts = begin(&sinks, &said, &kept)?;
        for (seat, start) in self.seats.iter_mut().zip(starts) {
            seat.saved = kept_of(&kept, &seat.id);
            seat.given = Some(start.clone());
            seat.position = Some(start);
            if !seat.opened {
                seat.feed = Feed::Behind;
            }
        }
        self.keep_positions().await?;
        Ok(CommitPolicy::forgettable(&self.positions()))
    }

    /// A sink that did not say in time where it stands has done so.
    ///
    /// # Errors
    /// `position_lost` when it no longer has what it acknowledged.
    pub(super) fn opened_late(&mut self, lane: usize, said: Option<Position>) -> Result<(), Fault> {
        let Some(seat) = self.seats.get_mut(lane) else { return Ok(()) };
        seat.trouble = None;
        seat.attempts = 0;
        seat.opened = true;
        let lacks = |said: &Option<Position>| match (said, &seat.position) {
            (Some(said), Some(known)) => !said.reaches(known),
            (None, Some(known)) => *known != Position::ORIGIN,
            (_, None) => false,
        };
        if seat.guarantee == Guarantee::ExactlyOnce && lacks(&said) {
            let known = seat.position.clone().unwrap_or(Position::ORIGIN);
            let fault = emptied(&seat.id, &known);
            seat.ended = true;
            seat.orders = None;
            seat.trouble = Some(fault.chain());
            return if seat.required { Err(fault) } else { Ok(()) };
        }
        if let Some(said) = said {
            seat.given = Some(said.clone());
            seat.position = Some(said);
        }
        Ok(())
    }

    /// Opens the source, again and again while it may help. There is no reader afterwards when
    /// somebody asked to stop meanwhile.
    ///
    /// # Errors
    /// What keeps it from being opened, and what ended a sink meanwhile.
    pub(super) async fn open_source(&mut self, from: Option<Position>) -> Result<(), Fault> {
        let mut attempt = 0_u32;
        loop {
            let job = self.job;
            let opened = job.source.open(from.clone(), Arc::clone(&job.clock));
            let Some(opened) = self.unless_asked_to_stop(opened).await? else { return Ok(()) };
            let fault = match opened {
                Ok(reader) => {
                    self.reader = Some(reader);
                    return Ok(());
                }
                Err(fault) if fault.class().policy() == Policy::Retry => fault,
                Err(fault) => return Err(fault),
            };
            attempt += 1;
            let wait = BACKOFF.saturating_mul(1 << attempt.min(16)).min(BACKOFF_MAX);
            self.watcher.source_trouble(&fault);
            let wait = tokio::time::sleep(wait.mul_f64(0.5 + fastrand::f64() / 2.0));
            if self.unless_asked_to_stop(wait).await?.is_none() {
                return Ok(());
            }
        }
    }

    /// Waits for `work`, and goes on listening to the sinks and to requests meanwhile. `None` when
    /// somebody asked to stop: then the work is dropped.
    async fn unless_asked_to_stop<T>(
        &mut self,
        work: impl Future<Output = T>,
    ) -> Result<Option<T>, Fault> {
        let stop = self.stop;
        let mut asked = std::pin::pin!(stop.asked());
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                _ = &mut asked => return Ok(None),
                report = self.reports.recv() => self.heard(report)?,
                done = &mut work => return Ok(Some(done)),
                _ = self.ticker.tick() => self.tick().await?,
            }
            if self.control.is_leaving() {
                return Ok(None);
            }
        }
    }
}

fn kept_of(kept: &[Checkpoint], sink: &str) -> Option<Position> {
    kept.iter().find(|it| it.sink == sink).map(|it| it.position.clone())
}
