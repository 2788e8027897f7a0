//! What comes back from the server: the answers to each batch, in order.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};

use flowglass_connect::Fault;
use flowglass_connect::stream::{Acknowledged, Refused};
use flowglass_model::ErrorClass;
use tokio::io::ReadHalf;
use tokio::sync::mpsc;

use super::config::Settings;
use super::connection::Duplex;
use super::errors::Refusal;
use super::inbox::{Answer, Inbox, silent};
use super::writer::{Pending, Shared, size_of};

/// The reading direction.
pub(super) struct Incoming<'a> {
    pub(super) inbox: Inbox<ReadHalf<Box<dyn Duplex>>>,
    pub(super) owner: &'a [u8],
    pub(super) settings: &'a Settings,
    pub(super) shared: &'a Shared,
    pub(super) pending: mpsc::Receiver<Arc<Pending>>,
    pub(super) open_gate: mpsc::Sender<()>,
    pub(super) sizes: mpsc::Receiver<u64>,
    pub(super) say: mpsc::Sender<Result<Acknowledged, Fault>>,
}

impl Incoming<'_> {
    /// Reads until something is wrong; what.
    pub(super) async fn run(mut self) -> Fault {
        loop {
            let Some(pending) = self.pending.recv().await else {
                // The writing direction has more to say about the end than we have.
                return std::future::pending().await;
            };
            match self.answers(&pending).await {
                Ok(refused) => {
                    let bytes = self.sizes.recv().await.unwrap_or_default();
                    let acknowledged = self.acknowledged(&pending, refused, bytes);
                    if self.say.send(Ok(acknowledged)).await.is_err() {
                        return std::future::pending().await;
                    }
                }
                Err(fault) => return fault,
            }
        }
    }

    fn acknowledged(&self, pending: &Pending, late: Vec<Refused>, bytes: u64) -> Acknowledged {
        let number = pending.delivery.number;
        let (messages, size) = size_of(&pending.delivery);
        let early =
            std::mem::take(&mut *pending.refused.lock().unwrap_or_else(PoisonError::into_inner));
        let mut refused: Vec<Refused> = early.into_iter().chain(late).collect();
        refused.sort_by_key(|it| it.change);
        refused.dedup_by_key(|it| it.change);
        let (left_messages, left_bytes) = &self.shared.buffered;
        let left =
            |of: &AtomicU64, less: u64| of.fetch_sub(less, Ordering::Relaxed).saturating_sub(less);
        let buffered = (left(left_messages, messages), left(left_bytes, size));
        Acknowledged { number, refused, bytes, buffered, receipt: None }
    }

    /// All answers to one batch: `OK`, the owner, `OK`, `QUEUED` for each entry and the position,
    /// and the outcome of `EXEC`.
    async fn answers(&mut self, pending: &Pending) -> Result<Vec<Refused>, Fault> {
        let Self { inbox, owner, settings, shared, open_gate, .. } = self;
        let waiting = Waiting { settings, shared };
        waiting.on(ok(inbox)).await??;
        let ours = waiting
            .on(async { Ok(matches!(inbox.next().await?, Answer::Bytes(it) if it == *owner)) })
            .await?;
        if !ours {
            return Err(fenced());
        }
        waiting.on(ok(inbox)).await??;
        // Nobody waits for it when the writing direction has failed.
        open_gate.send(()).await.unwrap_or_default();
        let first_refusal = waiting.on(queued(inbox, pending.sent.len() + 1)).await?;
        let parts = waiting
            .on(async {
                Ok(match inbox.next().await? {
                    Answer::Parts(parts) => Ok(parts),
                    Answer::Nothing => Err(fenced()),
                    Answer::Refused(refusal) => {
                        Err(first_refusal.unwrap_or(refusal).fault("writing a batch to Redis"))
                    }
                    _ => return Err(out_of_step()),
                })
            })
            .await??;
        if parts != pending.sent.len() + 1 {
            return Err(Fault::io("reading from Redis", out_of_step()));
        }
        let refusals = waiting.on(executed(inbox, parts)).await?;
        refused_rows(pending, refusals)
    }
}

/// Waits with a limit that only counts while nothing moves in either direction.
struct Waiting<'a> {
    settings: &'a Settings,
    shared: &'a Shared,
}

impl Waiting<'_> {
    async fn on<T>(&self, work: impl Future<Output = io::Result<T>>) -> Result<T, Fault> {
        let doing = "waiting for Redis";
        tokio::pin!(work);
        loop {
            let before = self.shared.written_bytes.load(Ordering::Relaxed);
            match tokio::time::timeout(self.settings.timeout, &mut work).await {
                Ok(done) => return done.map_err(|error| Fault::io(doing, error)),
                Err(_) if self.shared.written_bytes.load(Ordering::Relaxed) != before => {}
                Err(_) => return Err(silent(doing, self.settings.timeout)),
            }
        }
    }
}

type In = Inbox<ReadHalf<Box<dyn Duplex>>>;

async fn ok(inbox: &mut In) -> io::Result<Result<(), Fault>> {
    match inbox.next().await? {
        Answer::Word(b"OK") => Ok(Ok(())),
        Answer::Refused(refusal) => Ok(Err(refusal.fault("beginning a batch in Redis"))),
        _ => Err(out_of_step()),
    }
}

/// Passes over the answers to commands that are queued; the first that was refused.
async fn queued(inbox: &mut In, count: usize) -> io::Result<Option<Refusal>> {
    let mut first = None;
    let mut left = count;
    loop {
        left -= inbox.pass(b"+QUEUED\r\n", left).await?;
        if left == 0 {
            return Ok(first);
        }
        match inbox.next().await? {
            Answer::Refused(refusal) => {
                first.get_or_insert(refusal);
                left -= 1;
            }
            _ => return Err(out_of_step()),
        }
    }
}

/// Passes over what `EXEC` answers; what was refused, by place.
async fn executed(inbox: &mut In, count: usize) -> io::Result<Vec<(usize, Refusal)>> {
    let mut refusals = Vec::new();
    let mut at = 0;
    loop {
        at += inbox.pass_bytes(count - at).await?;
        if at == count {
            return Ok(refusals);
        }
        match inbox.next().await? {
            Answer::Refused(refusal) => refusals.push((at, refusal)),
            Answer::Number(_) => {}
            _ => return Err(out_of_step()),
        }
        at += 1;
    }
}

/// What was refused when it was executed is refused for good: the rest of the batch, and its
/// position, are there.
fn refused_rows(pending: &Pending, refusals: Vec<(usize, Refusal)>) -> Result<Vec<Refused>, Fault> {
    let mut refused = Vec::new();
    for (at, refusal) in refusals {
        if at == pending.sent.len() {
            let what = "somebody else wrote the key of this stream's position in Redis";
            let cause = refusal.fault("writing the position");
            return Err(Fault::new(ErrorClass::Conflict, what).because(cause));
        }
        let messages = pending.delivery.messages.as_ref();
        let message = messages.and_then(|it| it.items().get(pending.sent.message(at)));
        let change = message.map_or(0, |message| message.change as usize);
        let stream = messages.zip(message).map_or("", |(it, message)| it.destination_of(message));
        let doing = format!("adding to the stream `{stream}`");
        let mut fault = refusal.fault(&doing);
        if fault.class().policy() != flowglass_model::Policy::SetAside {
            fault = Fault::new(ErrorClass::Constraint, doing).because(fault);
        }
        refused.push(Refused { change, fault });
    }
    Ok(refused)
}

fn fenced() -> Fault {
    Fault::new(ErrorClass::Conflict, "another writer has taken over this stream's Redis sink")
        .hint("Two processes run the same stream: stop one of them.")
}

fn out_of_step() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "Redis answered something else than was asked")
}
