//! What goes to the server: batch after batch, in pieces that stay in the processor's cache.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use flowglass_connect::Fault;
use flowglass_connect::stream::{Delivery, Messages};
use flowglass_model::ErrorClass;
use tokio::io::{AsyncWriteExt, WriteHalf};
use tokio::sync::mpsc;

use super::command::{Entries, command, refused};
use super::config::Settings;
use super::connection::Duplex;
use super::inbox::{silent, within};
use super::sink::{OWNER, POSITION};
use super::writer::{Pending, Sent, Shared};
use crate::messages::{is_refused, refuse, write_id};

/// What is handed to the system at once: small enough for the second cache, large enough that the
/// call does not count.
const PIECE_BYTES: usize = 128 << 10;

type Ways = (mpsc::Sender<Arc<Pending>>, mpsc::Receiver<()>, mpsc::Sender<u64>);

/// The writing direction.
pub(super) struct Outgoing<'a> {
    settings: &'a Settings,
    outbox: WriteHalf<Box<dyn Duplex>>,
    shared: &'a Shared,
    /// Tells the reading direction what to expect.
    begun: mpsc::Sender<Arc<Pending>>,
    /// Opens when the batch before is acknowledged and we are still the one writer.
    gate: mpsc::Receiver<()>,
    /// How many bytes each batch took.
    ended: mpsc::Sender<u64>,
    buffer: Vec<u8>,
    id: Vec<u8>,
    bytes: u64,
}

impl<'a> Outgoing<'a> {
    pub(super) fn new(
        settings: &'a Settings,
        outbox: WriteHalf<Box<dyn Duplex>>,
        shared: &'a Shared,
        (begun, gate, ended): Ways,
    ) -> Self {
        let buffer = Vec::with_capacity(2 * PIECE_BYTES);
        Self { settings, outbox, shared, begun, gate, ended, buffer, id: Vec::new(), bytes: 0 }
    }

    /// Writes until the engine is gone.
    pub(super) async fn run(
        mut self,
        mut deliveries: mpsc::Receiver<Delivery>,
    ) -> Result<(), Fault> {
        while let Some(delivery) = deliveries.recv().await {
            self.deliver(delivery).await?;
        }
        Ok(())
    }

    async fn deliver(&mut self, delivery: Delivery) -> Result<(), Fault> {
        let pending = Arc::new(pending_of(delivery));
        let position =
            serde_json::to_string(pending.delivery.batch.position()).map_err(|error| {
                Fault::new(ErrorClass::Internal, "writing a position").because(error)
            })?;
        if self.begun.send(Arc::clone(&pending)).await.is_err() {
            return Err(reader_gone());
        }
        self.bytes = 0;
        let key = self.settings.position_key.as_bytes();
        command(&mut self.buffer, &[b"WATCH", key]);
        command(&mut self.buffer, &[b"HGET", key, OWNER]);
        command(&mut self.buffer, &[b"MULTI"]);
        if let Some(messages) = &pending.delivery.messages {
            self.entries(&pending, messages).await?;
        }
        self.flush().await?;
        // Nothing is executed before this, so that a batch never comes after one that failed.
        if self.gate.recv().await.is_none() {
            return Err(reader_gone());
        }
        command(&mut self.buffer, &[b"HSET", key, POSITION, position.as_bytes()]);
        command(&mut self.buffer, &[b"EXEC"]);
        let bytes = self.bytes + self.buffer.len() as u64;
        if self.ended.send(bytes).await.is_err() {
            return Err(reader_gone());
        }
        self.flush().await
    }

    async fn entries(&mut self, pending: &Pending, messages: &Messages) -> Result<(), Fault> {
        let entries = Entries::new(messages, &self.settings.prefix, self.settings.maxlen);
        for at in 0..pending.sent.len() {
            let Some(message) = messages.items().get(pending.sent.message(at)) else { continue };
            write_id(&mut self.id, &pending.delivery, message)?;
            entries.push(&mut self.buffer, messages, message, &self.id);
            if self.buffer.len() >= PIECE_BYTES {
                self.write().await?;
            }
        }
        Ok(())
    }

    async fn write(&mut self) -> Result<(), Fault> {
        // A large row may need longer than one look at the clock: as long as bytes go, all is well.
        let mut rest = self.buffer.as_slice();
        while !rest.is_empty() {
            let limit = self.settings.timeout;
            let wrote = within(limit, "writing to Redis", self.outbox.write(rest)).await?;
            if wrote == 0 {
                return Err(silent("writing to Redis", limit));
            }
            rest = rest.get(wrote..).unwrap_or_default();
            self.shared.written_bytes.fetch_add(wrote as u64, Ordering::Relaxed);
        }
        self.bytes += self.buffer.len() as u64;
        self.buffer.clear();
        // What one huge row needed is given back.
        self.buffer.shrink_to(4 * PIECE_BYTES);
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Fault> {
        self.write().await?;
        within(self.settings.timeout, "writing to Redis", self.outbox.flush()).await
    }
}

/// Looks for rows that Redis would not take.
fn pending_of(delivery: Delivery) -> Pending {
    let Some(messages) = &delivery.messages else {
        return Pending { delivery, sent: Sent::All(0), refused: Mutex::default() };
    };
    let rejected = refuse(messages, |message| refused(messages, message));
    if rejected.is_empty() {
        let count = messages.len();
        return Pending { delivery, sent: Sent::All(count), refused: Mutex::default() };
    }
    let all = messages.items().iter().enumerate();
    let goes = all.filter(|(_, message)| !is_refused(&rejected, message));
    let sent = Sent::Some(goes.map(|(index, _)| index).collect());
    Pending { delivery, sent, refused: Mutex::new(rejected) }
}

fn reader_gone() -> Fault {
    Fault::new(ErrorClass::Unreachable, "the connection to Redis has ended")
}
