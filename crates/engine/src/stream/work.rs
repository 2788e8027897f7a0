//! A stream as the work of a node: its history is told like that of any other.

use std::time::Duration;

use async_trait::async_trait;
use flowglass_model::{Counts, Entity, ErrorClass, EventKind, LogLevel, Reason, Scope, State};
use tokio::sync::watch;

use super::coordinator;
use super::job::{Status, StreamJob};
use crate::recorder::RecordError;
use crate::stop::StopCause;
use crate::work::{Attempt, Facts, Failure, Finish, OpenStage, Work};

/// How often a running stream says how far it is.
const PROGRESS: Duration = Duration::from_secs(1);

/// How often it tells its ledger.
const LEDGER: Duration = Duration::from_secs(10);

/// The stages of a stream.
const STAGES: [&str; 4] = ["source", "process", "deliver", "checkpoint"];

/// Runs a stream in the foreground of a node.
#[derive(Debug)]
pub struct StreamWork {
    job: StreamJob,
    status: watch::Sender<Status>,
}

impl StreamWork {
    /// The work, and how it stands while it is done.
    #[must_use]
    pub fn new(job: StreamJob) -> (Self, watch::Receiver<Status>) {
        let (status, seen) = watch::channel(Status::default());
        (Self { job, status }, seen)
    }
}

#[async_trait]
impl Work for StreamWork {
    async fn attempt(&self, at: &Attempt) -> Result<Finish, Failure> {
        self.status.send_replace(Status::default());
        let mut open = Vec::with_capacity(STAGES.len());
        for stage in STAGES {
            open.push(at.stage_begins(stage).await?);
        }
        let letters_max = self.job.dead_letters.entries_max;
        let seen = self.status.subscribe();
        let mut teller = Teller { at, seen, letters_max, paused: false, told: Vec::new() };
        let ended = {
            tokio::select! {
                ended = coordinator::run(&self.job, &at.stop, self.status.clone()) => ended,
                failed = teller.tell() => return Err(failed.into()),
            }
        };
        let status = self.status.borrow().clone();
        teller.ledger(&status).await?;
        // A node that waits cannot end.
        teller.pause(false).await?;
        let counts = counts_of(&status);
        let good = ended.is_ok();
        self.close(at, &open, good, counts).await?;
        let mut facts = Facts { counts: Some(counts), ..Facts::default() };
        if let Some(position) = &status.committed {
            facts.attributes.insert("position".to_owned(), position.to_string());
        }
        match ended {
            // A stream that was asked to stop, and stopped with everything delivered, has done
            // what it was asked for.
            Ok(()) => match at.stop.cause() {
                Some(StopCause::Timeout | StopCause::RunTimeout | StopCause::Infra) | None => {
                    let mut warning = undelivered(&status);
                    match &status.stopped_by {
                        Some(by) => {
                            facts.attributes.insert("stopped".to_owned(), format!("asked by {by}"));
                        }
                        None => warning |= status.dead_letters > 0,
                    }
                    Ok(Finish { facts, warning })
                }
                Some(StopCause::Cancelled) => {
                    facts.attributes.insert("stopped".to_owned(), "on request".to_owned());
                    // Rows that the grace did not suffice for come again; whoever stopped it must know.
                    Ok(Finish { facts, warning: undelivered(&status) })
                }
            },
            Err(fault) => Err(Failure { facts, ..Failure::from(fault) }),
        }
    }
}

impl StreamWork {
    async fn close(
        &self,
        at: &Attempt,
        open: &[OpenStage],
        good: bool,
        counts: Counts,
    ) -> Result<(), RecordError> {
        let to = if good { (State::Complete, Reason::Ok) } else { (State::Failed, Reason::Error) };
        for stage in open {
            at.stage_ends(stage, to, Some(counts)).await?;
        }
        Ok(())
    }
}

/// Tells the history what the status says.
struct Teller<'a> {
    at: &'a Attempt,
    seen: watch::Receiver<Status>,
    /// Dead letters there may be.
    letters_max: u64,
    /// Whether the node is said to wait.
    paused: bool,
    /// Troubles that were told and are not over.
    told: Vec<String>,
}

impl Teller<'_> {
    /// Tells on until the history takes no more.
    async fn tell(&mut self) -> RecordError {
        let mut next_ledger = LEDGER;
        let since = self.at.recorder.monotonic();
        loop {
            tokio::time::sleep(PROGRESS).await;
            let status = self.seen.borrow_and_update().clone();
            if let Err(error) = self.progress(&status).await {
                return error;
            }
            let now = self.at.recorder.monotonic().saturating_sub(since);
            if now >= next_ledger {
                next_ledger = now + LEDGER;
                if let Err(error) = self.ledger(&status).await {
                    return error;
                }
            }
        }
    }

    /// Says that the node waits because somebody paused it, or that it goes on.
    async fn pause(&mut self, paused: bool) -> Result<(), RecordError> {
        if std::mem::replace(&mut self.paused, paused) == paused {
            return Ok(());
        }
        let to = match paused {
            true => (State::Waiting, Reason::Paused),
            false => (State::Running, Reason::Executing),
        };
        let node = Scope { attempt: None, ..self.at.scope.clone() };
        self.at.recorder.transition(&node, Entity::Node, to, |_| {}).await
    }

    async fn progress(&mut self, status: &Status) -> Result<(), RecordError> {
        self.pause(status.paused).await?;
        let counts = counts_of(status);
        self.at
            .recorder
            .record(&self.at.scope, EventKind::Progress, Entity::Attempt, |event| {
                event.counts = Some(counts);
            })
            .await?;
        let mut now = Vec::new();
        for sink in &status.sinks {
            if let Some(trouble) = &sink.trouble {
                now.push(format!("sink `{}`: {trouble}", sink.id));
            }
        }
        now.extend(crowded(status.dead_letters, self.letters_max));
        if status.paused {
            now.push("paused on request: nothing is read".to_owned());
        }
        now.extend(status.remarks.iter().cloned());
        if let Some(stall) = &status.stalled {
            let who = stall.sink.as_ref().map_or(String::new(), |it| format!(", at sink `{it}`"));
            now.push(format!("stalled in stage `{}`{who}", stall.stage.name()));
        }
        for trouble in &now {
            if !self.told.contains(trouble) {
                self.at.recorder.say(&self.at.scope, LogLevel::Warn, trouble.clone()).await?;
            }
        }
        for over in self.told.iter().filter(|it| !now.contains(it)) {
            let said = format!("over: {over}");
            self.at.recorder.say(&self.at.scope, LogLevel::Info, said).await?;
        }
        self.told = now;
        Ok(())
    }

    async fn ledger(&self, status: &Status) -> Result<(), RecordError> {
        for entry in &status.ledger {
            let entry = entry.clone();
            self.at
                .recorder
                .record(&self.at.scope, EventKind::Ledger, Entity::Attempt, |event| {
                    if !entry.is_closed() {
                        event.error = Some(open_ledger());
                    }
                    event.ledger = Some(entry);
                })
                .await?;
        }
        Ok(())
    }
}

/// What is said when the room for dead letters is nearly used up: from 80 % on, and from 95 %.
fn crowded(letters: u64, letters_max: u64) -> Option<String> {
    let share = u128::from(letters) * 100 / u128::from(letters_max.max(1));
    let (grave, most) = match share {
        95.. => ("critical: ", 95),
        80.. => ("", 80),
        _ => return None,
    };
    Some(format!("{grave}the dead letters take more than {most} % of their room"))
}

fn open_ledger() -> flowglass_model::ErrorInfo {
    flowglass_model::ErrorInfo {
        class: ErrorClass::Internal,
        detail: "the row ledger is open".to_owned(),
        retryable: false,
        hint: Some(ErrorClass::Internal.hint().to_owned()),
    }
}

/// Whether rows were handed to a sink that has not acknowledged them.
fn undelivered(status: &Status) -> bool {
    status.ledger.iter().any(|entry| entry.in_flight > 0)
}

/// Rows over all sinks: a row that went to two of them was inserted twice.
fn counts_of(status: &Status) -> Counts {
    let sum = |pick: fn(&flowglass_model::LedgerEntry) -> u64| {
        Some(status.ledger.iter().map(pick).sum::<u64>())
    };
    Counts {
        extracted: Some(status.read),
        inserted: sum(|it| it.delivered),
        filtered: sum(|it| it.filtered).filter(|it| *it > 0),
        dead_lettered: sum(|it| it.dead_lettered).filter(|it| *it > 0),
        bytes: Some(status.wire_bytes),
        ..Counts::default()
    }
}

#[cfg(test)]
mod tests {
    use super::crowded;

    #[test]
    fn the_room_for_letters_is_told_of_before_it_is_used_up() {
        assert_eq!(crowded(79, 100), None);
        assert!(crowded(80, 100).is_some_and(|it| it.contains("80 %")));
        assert!(crowded(95, 100).is_some_and(|it| it.starts_with("critical: ")));
        assert_eq!(crowded(0, 0), None);
        assert!(crowded(u64::MAX, u64::MAX).is_some());
    }
}
