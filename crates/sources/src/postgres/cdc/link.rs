//! One replication connection, from the checks before it starts to the last status it sends.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use flowglass_clients::postgres::{POSTGRES_EPOCH_MICROS, Wire, literal, quote};
use flowglass_connect::stream::Position;
use flowglass_connect::{Clock, Fault};
use flowglass_model::ErrorClass;
use postgres_protocol::message::frontend;

use super::config::{NAME_BYTES_MAX, Plan, SnapshotMode};
use super::frame::status;
use super::shared::Shared;
use super::slot::{Made, Slot, lsn, missing};

/// The oldest server that has what is needed (`wal_status`, `publish_via_partition_root`).
const OLDEST_SERVER: u32 = 130_000;

/// The first server that hands on messages of `pg_logical_emit_message`, and that can send
/// transactions in progress (protocol 2).
const MESSAGES_SERVER: u32 = 140_000;

/// The longest pause between two status updates.
const STATUS_EVERY_MAX: Duration = Duration::from_secs(1);

/// A confirmed position is told no more often than this.
const CONFIRM_EVERY: Duration = Duration::from_millis(100);

/// A server that has said nothing for this long, though asked every second, is gone; unless its own
/// patience is longer, for it hears nobody while it decodes one long transaction.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// How long a server may take to hear that we take no more.
const FAREWELL_WITHIN: Duration = Duration::from_secs(2);

/// `ReadyForQuery`, outside of a transaction.
const READY: &[u8] = b"Z\0\0\0\x05I";

/// A connected server that has been asked who it is, before the stream starts.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) wire: Wire,
    /// The number that its data directory was born with.
    pub(super) system: String,
    /// How far its log is written.
    end: u64,
    version: u32,
    /// Its `wal_sender_timeout`; zero when it has none.
    patience: Duration,
    /// The slot that is read from.
    slot: String,
}

impl Server {
    pub(super) async fn connect(plan: &Plan) -> Result<Self, Fault> {
        let mut wire = Wire::replication(&plan.address, &plan.id).await?;
        let who = wire.rows("asking the server who it is", "IDENTIFY_SYSTEM").await?;
        let mut who = who.into_iter().next().unwrap_or_default().into_iter();
        let system = who.next().flatten().unwrap_or_default();
        let end = who.nth(1).flatten().as_deref().and_then(lsn).unwrap_or_default();
        let settings = "SELECT setting FROM pg_catalog.pg_settings \
            WHERE name IN ('server_version_num', 'wal_sender_timeout') ORDER BY name";
        let settings = wire.rows("asking for the server's settings", settings).await?;
        let number =
            |at: usize| -> Option<u64> { settings.get(at)?.first()?.as_deref()?.parse().ok() };
        let version = number(0).and_then(|it| u32::try_from(it).ok()).unwrap_or_default();
        if version < OLDEST_SERVER {
            return Err(Fault::new(
                ErrorClass::Unsupported,
                format!("the server is PostgreSQL {}, and 13 is needed", version / 10_000),
            ));
        }
        let patience = Duration::from_millis(number(1).unwrap_or_default());
        Ok(Self { wire, system, end, version, patience, slot: plan.slot.clone() })
    }

    /// Finds out where the stream begins, and makes the slot when there is none and nothing is lost
    /// by that, with a snapshot when one is wanted.
    pub(super) async fn locate(
        &mut self,
        plan: &Plan,
        from: Option<&Position>,
    ) -> Result<Located, Fault> {
        if plan.snapshot.mode == SnapshotMode::Only {
            // Nothing is read from it: it says what the snapshot is of, and goes with the connection.
            self.slot = self.passing_name(&plan.slot).await?;
            let made = Slot::make(&mut self.wire, (&self.slot, true), true).await?;
            return Ok(Located::new(made));
        }
        let Some(slot) = Slot::find(&mut self.wire, &plan.slot).await? else {
            if let Some(from) = from {
                return Err(missing(&plan.slot, from));
            }
            let snapshot = plan.snapshot.mode != SnapshotMode::Never;
            let made = Slot::make(&mut self.wire, (&plan.slot, false), snapshot).await?;
            return Ok(Located::new(made));
        };
        slot.fits(&plan.slot, plan.address.database())?;
        let from = from.cloned().unwrap_or_else(|| {
            Position::after(slot.confirmed.unwrap_or_default().saturating_sub(1))
        });
        slot.begin(&plan.slot, &from)?;
        if plan.beside {
            self.copy(&plan.slot).await?;
        } else if let Some(reader) = &slot.active {
            return Err(Fault::new(
                ErrorClass::Conflict,
                format!("the slot {} is being read by the server process {reader}", plan.slot),
            )
            .hint(format!(
                "Stop the other reader, or run `SELECT pg_terminate_backend({reader})`."
            )));
        }
        if self.end < from.commit {
            return Err(Fault::new(
                ErrorClass::PositionLost,
                format!("the server's log ends at {}, before {from}", Position::after(self.end)),
            )
            .hint("This is another server, or one restored from a backup. Take a new snapshot."));
        }
        Ok(Located { from, confirmed: slot.confirmed.unwrap_or_default(), made: None })
    }

    /// Lets a copy of the slot be read from, which goes with the connection.
    async fn copy(&mut self, slot: &str) -> Result<(), Fault> {
        self.slot = self.passing_name(slot).await?;
        let sql = format!(
            "SELECT pg_copy_logical_replication_slot({}, {}, true)",
            literal(slot),
            literal(&self.slot)
        );
        self.wire.rows(&format!("copying the slot {slot}"), &sql).await?;
        Ok(())
    }

    /// A name for a slot that goes with this connection: no other connection has its number.
    async fn passing_name(&mut self, slot: &str) -> Result<String, Fault> {
        let process = self.wire.rows("asking for a number", "SELECT pg_backend_pid()").await?;
        let process = process.first().and_then(|row| row.first()?.clone()).unwrap_or_default();
        let room = NAME_BYTES_MAX.saturating_sub(process.len() + 1);
        let slot = slot.get(..room).unwrap_or(slot);
        Ok(format!("{slot}_{process}"))
    }

    /// Drops the slot that was made a moment ago and that nothing has been read from.
    pub(super) async fn drop_made(mut self) {
        let sql = format!("DROP_REPLICATION_SLOT {}", quote(&self.slot));
        // What stays is told at the next opening.
        drop(self.wire.rows("dropping the new slot", &sql).await);
    }

    /// Starts the stream behind `from`; whether the server may send transactions in progress.
    pub(super) async fn start(
        mut self,
        plan: &Plan,
        (from, in_progress): (&Position, bool),
        around: (Arc<Shared>, Arc<dyn Clock>),
    ) -> Result<Link, Fault> {
        let begin = super::slot::first_needed(from);
        let options = match (self.version >= MESSAGES_SERVER, in_progress) {
            (false, _) => "proto_version '1'",
            (true, false) => "proto_version '1', messages 'true'",
            (true, true) => "proto_version '2', streaming 'on', messages 'true'",
        };
        let sql = format!(
            "START_REPLICATION SLOT {} LOGICAL {:X}/{:X} ({options}, publication_names {})",
            quote(&self.slot),
            begin >> 32,
            begin & 0xffff_ffff,
            literal(&quote(&plan.publication)),
        );
        let doing = format!("starting to read from the slot {}", self.slot);
        self.wire.start_copy_both(&doing, &sql).await?;
        let (shared, clock) = around;
        let now = clock.monotonic();
        let status_every = if self.patience.is_zero() {
            STATUS_EVERY_MAX
        } else {
            (self.patience / 4).min(STATUS_EVERY_MAX)
        };
        let mut link = Link {
            wire: self.wire,
            shared,
            clock,
            status_every,
            silence_max: SILENCE_MAX.max(self.patience * 2),
            written: 0,
            told: 0,
            told_at: now,
            heard_at: now,
        };
        link.tell(false).await?;
        Ok(link)
    }
}

/// Where a stream begins.
#[derive(Debug)]
pub(super) struct Located {
    /// The position that everything read will come after.
    pub(super) from: Position,
    /// What the server was told to forget: everything before. Reading from later on confirms nothing.
    pub(super) confirmed: u64,
    /// The slot that was made for it.
    pub(super) made: Option<Made>,
}

impl Located {
    /// At the slot that was made a moment ago.
    fn new(made: Made) -> Self {
        let from = Position::after(made.point.saturating_sub(1));
        Self { from, confirmed: made.point, made: Some(made) }
    }
}

/// A running stream. Everything that waits on it keeps telling the server that we are alive.
#[derive(Debug)]
pub(super) struct Link {
    wire: Wire,
    shared: Arc<Shared>,
    clock: Arc<dyn Clock>,
    status_every: Duration,
    silence_max: Duration,
    /// Everything before it has been received.
    written: u64,
    /// What was confirmed to the server last, and when it was told anything.
    told: u64,
    told_at: Duration,
    heard_at: Duration,
}

impl Link {
    pub(super) const fn buffer(&self) -> &BytesMut {
        self.wire.buffer()
    }

    pub(super) const fn buffer_mut(&mut self) -> &mut BytesMut {
        self.wire.buffer_mut()
    }

    /// The server says that it has sent everything before `end`.
    pub(super) fn heard_end(&mut self, end: u64) {
        self.written = self.written.max(end);
    }

    /// Adds what the socket has to the buffer, without waiting. Whether there was anything.
    pub(super) fn try_read(&mut self) -> Result<bool, Fault> {
        match self.wire.try_read() {
            None => Ok(false),
            Some(read) => self.received(read).map(|()| true),
        }
    }

    /// Waits for bytes, for `at_most`, or until something was confirmed or the reader is being closed.
    pub(super) async fn wait(&mut self, at_most: Duration) -> Result<(), Fault> {
        let shared = Arc::clone(&self.shared);
        let pause = at_most.min(self.until_status());
        let read = tokio::select! {
            biased;
            read = self.wire.read() => Some(read),
            () = shared.moved.notified() => None,
            () = tokio::time::sleep(pause) => None,
        };
        read.map_or(Ok(()), |read| self.received(read))
    }

    /// Reads for so long, as long as the buffer has room for so many bytes.
    pub(super) async fn gather(&mut self, within: Duration, room: usize) -> Result<(), Fault> {
        // One timer for all reads: there is one for every row.
        let mut over = std::pin::pin!(tokio::time::sleep(within));
        while self.buffer().capacity() - self.buffer().len() >= room {
            let read = tokio::select! {
                biased;
                read = self.wire.read() => read,
                () = &mut over => break,
            };
            self.received(read)?;
        }
        Ok(())
    }

    /// Waits for `work` while the server keeps hearing from us. The socket is not read meanwhile.
    pub(super) async fn meanwhile<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Fault> {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => {
                    // Its silence was ours.
                    self.heard_at = self.clock.monotonic();
                    return Ok(done);
                }
                () = tokio::time::sleep(self.until_status()) => self.tell(false).await?,
            }
        }
    }

    /// Tells the server how far we are when it is time to.
    pub(super) async fn keep_up(&mut self, now: Duration) -> Result<(), Fault> {
        let since = now.saturating_sub(self.told_at);
        let moved = self.shared.confirmed() != self.told;
        if since >= self.status_every {
            let silence = now.saturating_sub(self.heard_at);
            if silence >= self.silence_max {
                let said = io::Error::new(io::ErrorKind::TimedOut, "it no longer answers");
                return Err(self.wire.gone("reading from", &said));
            }
            self.tell(silence >= self.status_every / 2).await
        } else if moved && since >= CONFIRM_EVERY {
            self.tell(false).await
        } else {
            Ok(())
        }
    }

    /// Tells the server how far we are. `asks` wants an answer, which also says how far it is.
    pub(super) async fn tell(&mut self, asks: bool) -> Result<(), Fault> {
        let confirmed = self.shared.confirmed();
        let micros = self.clock.now().as_microsecond().saturating_sub(POSTGRES_EPOCH_MICROS);
        let frame = status(self.written.max(confirmed), confirmed, micros, asks);
        self.wire.send(&frame).await?;
        self.told = confirmed;
        self.told_at = self.clock.monotonic();
        Ok(())
    }

    /// Tells the server what was confirmed last, and that we take no more; waits until it has heard.
    pub(super) async fn say_farewell(mut self) {
        let farewell = async {
            self.tell(false).await?;
            let mut done = BytesMut::new();
            frontend::copy_done(&mut done);
            self.wire.send(&done).await?;
            // It answers in kind, behind whatever it was sending; then it has read our last word.
            loop {
                // The last message may come in two parts.
                let old = self.wire.buffer().len().saturating_sub(READY.len());
                self.wire.buffer_mut().advance(old);
                self.wire.buffer_mut().reserve(64 << 10);
                let read = self.wire.read().await;
                self.received(read)?;
                if self.wire.buffer().ends_with(READY) {
                    return Ok::<(), Fault>(());
                }
            }
        };
        // Who cannot be told now is told at the next opening.
        drop(tokio::time::timeout(FAREWELL_WITHIN, farewell).await);
    }

    fn until_status(&self) -> Duration {
        let every = if self.shared.confirmed() == self.told {
            self.status_every
        } else {
            CONFIRM_EVERY.min(self.status_every)
        };
        (self.told_at + every).saturating_sub(self.clock.monotonic())
    }

    fn received(&mut self, read: io::Result<usize>) -> Result<(), Fault> {
        let closed = || io::Error::new(io::ErrorKind::UnexpectedEof, "it hung up");
        match read {
            Ok(0) => Err(self.wire.gone("reading from", &closed())),
            Ok(count) => {
                self.shared.add_wire_bytes(count);
                self.heard_at = self.clock.monotonic();
                Ok(())
            }
            Err(error) => Err(self.wire.gone("reading from", &error)),
        }
    }
}
