//! Requests from other processes: pause, resume, stop, read a table again. They lie in the store, are
//! looked for between two ticks, and each gets an answer.
//!
//! What is asked for to last (paused or not) is the store's word and not ours: it is read with the
//! requests, so that a stream that is started again begins as it was left.

use std::time::Duration;

use flowglass_catalog::label::{LifecycleAction, LifecycleOutcome};
use flowglass_connect::Fault;
use flowglass_connect::stream::{Answer, AnswerState, Begin, Desired, StreamRequest, Verb};

use super::Coordinator;

/// How often requests are looked for. A look is one reading of the store beside its writer.
const LOOK_EVERY: Duration = Duration::from_millis(400);

/// What was asked of the stream.
#[derive(Debug, Default)]
pub(super) struct Control {
    paused: bool,
    /// The request to stop that is being followed.
    leaving: Option<StreamRequest>,
    next_look: Duration,
}

impl Control {
    /// Whether nothing is to be read.
    pub(super) const fn is_paused(&self) -> bool {
        self.paused
    }

    /// Whether a request said to stop.
    pub(super) const fn is_leaving(&self) -> bool {
        self.leaving.is_some()
    }

    /// Who said so.
    pub(super) fn stopped_by(&self) -> Option<String> {
        self.leaving.as_ref().map(|it| it.asked_by.clone())
    }
}

impl Coordinator<'_> {
    /// Says that the stream runs, and learns how it was left. What was asked of the process before
    /// it, and was not heard, is turned away there.
    pub(super) async fn begin_control(&mut self) -> Result<(), Fault> {
        let begin = Begin {
            stream: self.job.name.clone(),
            limits: self.job.dead_letters,
            at: self.job.clock.now(),
        };
        let begun = self.job.state.begin(begin).await?;
        // Letters of earlier runs count from the start on, and not from the next one on.
        self.totals.send_modify(|totals| {
            totals.entries = begun.letters.open;
            totals.replayed = begun.letters.replayed;
        });
        self.set_paused(begun.desired == Desired::Paused);
        Ok(())
    }

    /// Follows what was asked since the last look.
    pub(super) async fn take_requests(&mut self) -> Result<(), Fault> {
        let now = self.now();
        if now < self.control.next_look {
            return Ok(());
        }
        self.control.next_look = now + LOOK_EVERY;
        let asked = self.job.state.asked(&self.job.name).await?;
        self.totals.send_if_modified(|totals| {
            let was = (totals.entries, totals.replayed);
            (totals.entries, totals.replayed) = (asked.letters.open, asked.letters.replayed);
            was != (totals.entries, totals.replayed)
        });
        for request in asked.requests {
            self.follow(request).await?;
        }
        Ok(())
    }

    async fn follow(&mut self, request: StreamRequest) -> Result<(), Fault> {
        let number = request.number;
        let action = match &request.verb {
            Verb::Pause => Some(LifecycleAction::Pause),
            Verb::Resume => Some(LifecycleAction::Resume),
            Verb::Stop => Some(LifecycleAction::Stop),
            // It changes nothing about the stream's life.
            Verb::Resync { .. } => None,
        };
        let answer = match &request.verb {
            Verb::Pause => {
                let was = self.control.paused;
                self.set_paused(true);
                Answer::done(if was {
                    "it was paused already"
                } else {
                    "nothing more is read; what was read is delivered"
                })
            }
            Verb::Resume => {
                let was = self.control.paused;
                self.set_paused(false);
                Answer::done(if was { "reading goes on" } else { "it was not paused" })
            }
            Verb::Stop if self.control.is_leaving() => {
                Answer::refused("it is stopping already, as somebody else asked")
            }
            Verb::Stop => {
                self.control.leaving = Some(request);
                Answer::accepted("nothing more is read; what was read is being delivered")
            }
            Verb::Resync { table } => self.resync(table).await,
        };
        if let Some(action) = action {
            let refused = answer.state == AnswerState::Refused;
            let outcome = if refused { LifecycleOutcome::Error } else { LifecycleOutcome::Success };
            self.meters.asked(action, outcome);
        }
        self.job.state.answer(number, answer, self.job.clock.now()).await
    }

    async fn resync(&mut self, table: &str) -> Answer {
        let Some(reader) = &mut self.reader else {
            return Answer::refused("the source is not open at the moment; ask again");
        };
        match reader.resync(table).await {
            Ok(()) => Answer::done(format!(
                "the rows of {table} are being read again beside the log, as operation `read`"
            )),
            Err(fault) => Answer::refused(format!("{}. {}", fault.chain(), fault.advice())),
        }
    }

    fn set_paused(&mut self, paused: bool) {
        if self.control.paused && !paused {
            self.watcher.resumed(self.now());
        }
        self.control.paused = paused;
        self.meters.status(if paused { 0.5 } else { 1.0 });
    }

    /// Tells whoever asked to stop how it ended.
    pub(super) async fn answer_stop(&mut self, failed: Option<&Fault>) {
        let Some(request) = self.control.leaving.clone() else { return };
        let undelivered: usize = self.seats.iter().map(|it| it.in_flight.len()).sum();
        let answer = match failed {
            Some(fault) => {
                Answer::refused(format!("it failed while it stopped: {}", fault.chain()))
            }
            None if undelivered > 0 => Answer::done(
                "stopped; what the sinks did not acknowledge within `grace` comes again at the \
                 next start",
            ),
            None => Answer::done("stopped; everything that was read is delivered"),
        };
        // Whoever waits sees that the process has ended, when this does not reach the store.
        let at = self.job.clock.now();
        self.job.state.answer(request.number, answer, at).await.unwrap_or_default();
    }
}
