//! Dead letters once more: their changes are encoded again as the sink asks for now, and delivered to
//! the sink that did not take them.
//!
//! * The messages carry the same idempotency keys as before: whoever has one already knows it.
//! * The sink's position does not move. A delivery carries a position, and this one carries that at
//!   which the sink stands.
//! * A letter that the stream has not passed for good is kept back: the stream will read that row
//!   again by itself.
//! * A letter counts as replayed after the sink has acknowledged it and not before. A crash in between
//!   sends it once more.
//!
//! What this cannot give back is the row's place among later changes of the same key: the sink may have
//! newer ones. [`Replay::overwrites`] says for which sinks that means that old values replace new ones.

use std::sync::Arc;
use std::time::Duration;

use flowglass_connect::encode::{Encoder, Origin};
use flowglass_connect::stream::{
    Delivery, FailedAgain, Hold, Keeps, LetterBox, LetterState, Messages, Op, Position, Refused,
    SavedChange, SinkWriter, Slice, StoredLetter, StreamBatch, StreamSink, StreamState, Takes,
    chunk_of,
};
use flowglass_connect::{Clock, Fault};
use flowglass_model::{ErrorClass, Policy};

use super::begin::begin;
use super::receipts::{Counting, late};

/// Letters of one delivery: with the largest rows that a letter may hold, some tens of megabytes.
pub const REPLAY_LETTERS_MAX: usize = 100;

/// How often a sink is tried to be opened.
const OPENED_TRIES_MAX: u32 = 5;

/// The first pause between two tries; doubled each time.
const BACKOFF: Duration = Duration::from_millis(200);

/// How long an acknowledgement is waited for.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(120);

/// A sink whose letters are to be sent again.
#[derive(Clone)]
pub struct ReplayJob {
    /// The stream.
    pub stream: String,
    /// The sink.
    pub sink: Arc<dyn StreamSink>,
    /// Where sinks stand that do not keep their position.
    pub state: Arc<dyn StreamState>,
    /// The letters.
    pub letters: Arc<dyn LetterBox>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for ReplayJob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sink = self.sink.id();
        f.debug_struct("ReplayJob").field("stream", &self.stream).field("sink", &sink).finish()
    }
}

/// What became of a letter that was to be sent again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// The sink has acknowledged it.
    Delivered,
    /// It was refused again, and stays with one attempt more.
    FailedAgain {
        /// Why.
        class: ErrorClass,
        /// Why, in words.
        detail: String,
    },
    /// It was not sent.
    KeptBack {
        /// Why, and what to do, as a fragment.
        why: String,
    },
}

/// A sink that is open for its letters.
pub struct Replay<'a> {
    job: &'a ReplayJob,
    writer: Box<dyn SinkWriter>,
    encoder: Option<Encoder>,
    position: Position,
    number: u64,
}

impl std::fmt::Debug for Replay<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replay").field("job", &self.job).finish_non_exhaustive()
    }
}

impl<'a> Replay<'a> {
    /// Whether this sink keeps rows by their key, so that an old change would replace a newer one.
    #[must_use]
    pub fn overwrites(sink: &dyn StreamSink) -> bool {
        matches!(sink.takes(), Takes::Rows)
    }

    /// Opens the sink. The stream has to be in our hands: its own writer would be fenced off else.
    ///
    /// # Errors
    /// What keeps the sink from being opened, `position_lost` when it was emptied, `config` when its
    /// messages cannot be made as it asks.
    pub async fn open(job: &'a ReplayJob, _held: &Hold) -> Result<Self, Fault> {
        let sink = job.sink.as_ref();
        let mut writer = open_writer(sink).await?;
        let said = writer.committed().await?;
        let kept = job.state.checkpoints(&job.stream).await?;
        let starts = begin(&[(sink.id(), sink.guarantee())], &[said], &kept)?;
        let position = starts.into_iter().next().unwrap_or(Position::ORIGIN);
        let encoder = match sink.takes() {
            Takes::Messages(settings) => {
                let origin = Origin {
                    stream: job.stream.as_str().into(),
                    version: env!("CARGO_PKG_VERSION").into(),
                    clock: Arc::clone(&job.clock),
                };
                Some(Encoder::new(settings, origin)?)
            }
            Takes::Rows => None,
        };
        Ok(Self { job, writer, encoder, position, number: 0 })
    }

    /// Sends these letters, at most [`REPLAY_LETTERS_MAX`], in the order given, and keeps what became
    /// of each; the answers are in the same order.
    ///
    /// # Errors
    /// When the sink or the store cannot go on. Letters that had no answer then are as they were;
    /// some of them may have arrived, and come again with the same idempotency key.
    pub async fn send(&mut self, letters: &[StoredLetter]) -> Result<Vec<Sent>, Fault> {
        let mut sent = Vec::with_capacity(letters.len());
        let mut going = Vec::new();
        for (at, stored) in letters.iter().enumerate() {
            match self.sendable(stored) {
                Ok(change) => {
                    going.push((at, change));
                    sent.push(Sent::Delivered);
                }
                Err(why) => sent.push(Sent::KeptBack { why }),
            }
        }
        if going.is_empty() {
            return Ok(sent);
        }
        // A sink that makes its receipts itself does not say which row each part of one is of.
        let own = Counting::of(&self.job.sink.reread()) == Counting::Messages(Keeps::Own);
        for going in going.chunks(if own { 1 } else { REPLAY_LETTERS_MAX }) {
            let changes: Vec<&SavedChange> = going.iter().map(|it| it.1).collect();
            for refused in self.deliver(&changes).await? {
                let place = going.get(refused.change).map(|it| it.0);
                if let Some(slot) = place.and_then(|at| sent.get_mut(at)) {
                    let (class, detail) = (refused.fault.class(), refused.fault.chain());
                    *slot = Sent::FailedAgain { class, detail };
                }
            }
        }
        self.keep(letters, &sent).await?;
        Ok(sent)
    }

    /// The change to send; else why it is not sent.
    fn sendable<'b>(&self, stored: &'b StoredLetter) -> Result<&'b SavedChange, String> {
        let letter = &stored.letter;
        if let Some(processor) = &letter.processor {
            return Err(format!(
                "the processor `{processor}` refused it, so that it never was what the sink takes; \
                 correct the processor, then resync {}",
                letter.table
            ));
        }
        let Some(change) = &letter.change else {
            let why = if letter.truncated {
                "its row is larger than `dlq.max_event_bytes` and was not kept whole"
            } else {
                "it was kept by a flowglass that did not keep the shape of its table"
            };
            return Err(format!("{why}; resync {} to bring its rows again", letter.table));
        };
        let passed = match change.op() {
            // Rows that were read beside the log are counted by table and not by transaction.
            Op::Read => change.commit() <= self.position.commit,
            _ => self.position.covers(change.commit(), change.row()),
        };
        if passed {
            return Ok(change);
        }
        let said =
            "the stream has not passed it for good and will read it again; run the stream first";
        Err(said.to_owned())
    }

    /// The rows that were refused, by index.
    async fn deliver(&mut self, changes: &[&SavedChange]) -> Result<Vec<Refused>, Fault> {
        let received = self.job.clock.monotonic();
        let chunk = Arc::new(chunk_of(changes.iter().copied(), received));
        let slice = Slice::new(chunk, 0, changes.len());
        let batch = Arc::new(StreamBatch::new(vec![slice], self.position.clone()));
        let mut refused = Vec::new();
        let messages = self.encoder.as_mut().map(|encoder| {
            let mut out = Messages::with_capacity(changes.len(), 0);
            refused = encoder.encode(&batch, &mut out);
            out
        });
        if refused.len() == changes.len() {
            return Ok(refused);
        }
        self.number += 1;
        let number = self.number;
        let counting = Counting::of(&self.job.sink.reread());
        let written = counting.written(&batch, messages.as_ref());
        let sent = Arc::clone(&batch);
        self.writer.send(Delivery { number, batch, messages }).await?;
        let acknowledged = tokio::time::timeout(ACKNOWLEDGED_WITHIN, self.writer.acknowledged());
        let acknowledged = acknowledged.await.map_err(|_elapsed| {
            let within = ACKNOWLEDGED_WITHIN.as_secs();
            Fault::new(ErrorClass::Timeout, format!("no acknowledgement within {within} s"))
        })??;
        let names = (self.job.stream.as_str(), self.job.sink.id());
        let late = late(names, (&sent, &written), &acknowledged);
        if !late.is_empty() {
            self.job.state.receive_late(late).await?;
        }
        refused.extend(acknowledged.refused);
        Ok(refused)
    }

    async fn keep(&self, letters: &[StoredLetter], sent: &[Sent]) -> Result<(), Fault> {
        let at = self.job.clock.now();
        let both = || letters.iter().zip(sent);
        let delivered = both().filter(|it| *it.1 == Sent::Delivered).map(|it| it.0.number);
        let failed = both().filter_map(|(stored, sent)| match sent {
            Sent::FailedAgain { class, detail } => {
                Some(FailedAgain { number: stored.number, class: *class, detail: detail.clone() })
            }
            Sent::Delivered | Sent::KeptBack { .. } => None,
        });
        let failed: Vec<_> = failed.collect();
        self.job.letters.mark(delivered.collect(), LetterState::Replayed, at).await?;
        if failed.is_empty() { Ok(()) } else { self.job.letters.failed_again(failed, at).await }
    }
}

/// Opens the sink, again for a while when that may help: a writer that was killed a moment ago may
/// still hold its place.
async fn open_writer(sink: &dyn StreamSink) -> Result<Box<dyn SinkWriter>, Fault> {
    let mut tried = 1;
    loop {
        match sink.open().await {
            Err(fault) if fault.class().policy() == Policy::Retry && tried < OPENED_TRIES_MAX => {
                tokio::time::sleep(BACKOFF.saturating_mul(1 << tried)).await;
                tried += 1;
            }
            opened => return opened,
        }
    }
}
