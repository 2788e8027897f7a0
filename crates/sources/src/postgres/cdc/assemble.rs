//! From the bytes of the socket to chunks, without a socket: frames are taken off one buffer, and
//! what they say becomes the chunk that the buffer's beginning is.
//!
//! Pure, so that any bytes can be tried, cut anywhere.

use std::ops::Range;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use flowglass_connect::stream::{Chunk, ChunkBuilder, Position, Transaction};

use super::backfill::WATERMARK;
use super::broken::Broken;
use super::decode::{Decoder, Step};
use super::frame::{Frame, frame_at};
use super::message::{Parts, Said, Shape, stream_commit};
use super::pending::{Hold, Limits, Replay, record_at};

/// A chunk goes out when it holds so many bytes of the wire,
pub(super) const CHUNK_BYTES_MAX: usize = 512 << 10;
/// or so many changes.
pub(super) const CHUNK_CHANGES_MAX: usize = 8192;

/// Why the assembly stopped.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pause {
    /// The buffer holds no further whole frame.
    Empty,
    /// The chunk is as large as it may become.
    Full,
    /// A table has this shape from here on: the decoder must learn it before it goes on.
    Shape(Box<Shape>),
    /// Somebody wrote a message into the log.
    Said(Said),
    /// Transactions in progress take more memory than they may.
    Crowded,
    /// A transaction that was sent before is committed here: it has to be told before anything else.
    Committed(Transaction),
    /// The server is alive.
    Alive {
        /// Everything before this place has been sent.
        end: u64,
        /// It wants to know that we are alive too, at once.
        asks: bool,
    },
    /// The server tells an error, here in the buffer.
    Error(Range<usize>),
    /// The server will send no more.
    Finished,
}

/// The chunk that is being filled, and how far that has come.
#[derive(Debug)]
pub(super) struct Assembly {
    pub(super) decoder: Decoder,
    /// Transactions that are sent before they are committed.
    pub(super) hold: Hold,
    filling: Option<ChunkBuilder>,
    /// How much of the buffer has been read.
    read: usize,
    /// The last position between two transactions that went into a chunk.
    said: Position,
}

impl Assembly {
    /// Will give what comes after `from`.
    pub(super) fn new(from: Position, limits: Limits) -> Self {
        let decoder = Decoder::new(from.clone());
        Self { decoder, hold: Hold::new(limits), filling: None, read: 0, said: from }
    }

    /// Reads frames off the buffer until something has to be done. `now` is when the bytes came.
    pub(super) fn read(&mut self, buffer: &[u8], now: Duration) -> Result<Pause, Broken> {
        loop {
            if self.read >= CHUNK_BYTES_MAX || self.changes() >= CHUNK_CHANGES_MAX {
                return Ok(Pause::Full);
            }
            let Some((frame, end)) = frame_at(buffer, self.read)? else {
                return Ok(Pause::Empty);
            };
            let pause = match frame {
                Frame::Log { place, message } => self.log(buffer, (message, place), now)?,
                Frame::Alive { end, asks } => {
                    self.pass(end);
                    Some(Pause::Alive { end, asks })
                }
                Frame::Error(body) => Some(Pause::Error(body)),
                Frame::Finished => Some(Pause::Finished),
                Frame::Other => None,
            };
            self.read = end;
            if let Some(pause) = pause {
                return Ok(pause);
            }
        }
    }

    /// Reads records of a committed transaction off a buffer of their own, until something has to be
    /// done. Between [`Assembly::begin_replay`] and [`Assembly::end_replay`].
    pub(super) fn replay(
        &mut self,
        buffer: &[u8],
        replay: &Replay,
        now: Duration,
    ) -> Result<Pause, Broken> {
        loop {
            if self.read >= CHUNK_BYTES_MAX || self.changes() >= CHUNK_CHANGES_MAX {
                return Ok(Pause::Full);
            }
            let Some((record, end)) = record_at(buffer, self.read) else {
                return Ok(Pause::Empty);
            };
            let pause = if replay.aborted.contains(&record.by) {
                None
            } else {
                if buffer.get(record.message.start) == Some(&b'R') {
                    self.decoder.speak_of(record.place);
                }
                self.step(buffer, (record.message, record.place), now)?
            };
            self.read = end;
            if let Some(pause) = pause {
                return Ok(pause);
            }
        }
    }

    /// What comes next belongs to this transaction. To be called after [`Assembly::cut`] alone.
    pub(super) fn begin_replay(&mut self, transaction: Transaction) -> Result<(), Broken> {
        self.decoder.open(transaction)
    }

    /// The transaction has been told.
    pub(super) fn end_replay(&mut self, commit: u64, now: Duration) -> Result<(), Broken> {
        self.begin_filling(now);
        let Some(filling) = &mut self.filling else { return Ok(()) };
        self.decoder.settle_tables();
        self.decoder.close(filling, commit)
    }

    /// A message as it came: told, or kept until its transaction is committed.
    fn log(
        &mut self,
        buffer: &[u8],
        (message, place): (Range<usize>, u64),
        now: Duration,
    ) -> Result<Option<Pause>, Broken> {
        if self.hold.is_in_block() {
            let bytes = buffer.get(message).unwrap_or_default();
            // What describes a table is kept with its number in place of its place.
            let describes = bytes.first() == Some(&b'R');
            let place = if describes { self.decoder.describe() } else { place };
            return Ok(self.hold.push(place, bytes)?.then_some(Pause::Crowded));
        }
        let mut parts = Parts::new(buffer, message.start, message.end);
        match parts.byte()? {
            b'S' if self.decoder.is_open() => {
                return Err(Broken("a block of one transaction begins inside another"));
            }
            b'S' => self.hold.begin_block(&mut parts)?,
            b'A' => self.hold.abort(&mut parts)?,
            b'c' => return Ok(Some(Pause::Committed(stream_commit(&mut parts)?))),
            kind => {
                if kind == b'R' {
                    let described = self.decoder.describe();
                    self.decoder.speak_of(described);
                }
                return self.step(buffer, (message, place), now);
            }
        }
        Ok(None)
    }

    fn begin_filling(&mut self, now: Duration) {
        if self.filling.is_none() {
            self.decoder.begin_chunk();
            let mut filling = ChunkBuilder::new(now, 0);
            self.unsaid().into_iter().for_each(|it| filling.mark(it));
            self.filling = Some(filling);
        }
    }

    fn step(
        &mut self,
        buffer: &[u8],
        message: (Range<usize>, u64),
        now: Duration,
    ) -> Result<Option<Pause>, Broken> {
        self.begin_filling(now);
        let Some(filling) = &mut self.filling else { return Ok(None) };
        Ok(match self.decoder.step(filling, buffer, message)? {
            Step::Done => None,
            Step::Shape(shape) => Some(Pause::Shape(shape)),
            Step::Said(said) => {
                // Behind a watermark come rows, and the position behind them.
                if !said.transactional && said.prefix != WATERMARK {
                    self.pass(said.place.saturating_add(1));
                }
                Some(Pause::Said(said))
            }
        })
    }

    /// Everything before `end` has been sent.
    pub(super) fn pass(&mut self, end: u64) {
        if self.decoder.pass(end)
            && let Some(filling) = &mut self.filling
        {
            filling.mark(self.decoder.at());
        }
    }

    /// How many changes the chunk holds so far.
    pub(super) fn changes(&self) -> usize {
        self.filling.as_ref().map_or(0, ChunkBuilder::len)
    }

    /// The last position between two transactions, when no chunk has told it.
    pub(super) fn unsaid(&self) -> Option<Position> {
        self.decoder.whole().filter(|whole| !self.said.reaches(whole)).cloned()
    }

    /// Takes what has been read off the buffer. It is a chunk when it holds a change; when it does
    /// not, its position may become a chunk of its own by [`Assembly::position`].
    pub(super) fn cut(&mut self, buffer: &mut BytesMut) -> Option<Chunk> {
        let read = std::mem::take(&mut self.read);
        let changes = self.changes();
        match self.filling.take() {
            Some(filling) if changes > 0 => {
                self.say();
                Some(filling.finish_over(buffer.split_to(read).freeze()))
            }
            _ => {
                buffer.advance(read);
                None
            }
        }
    }

    /// A chunk without a change that moves the position, when it has moved. To be asked after
    /// [`Assembly::cut`] alone.
    pub(super) fn position(&mut self, now: Duration) -> Option<Chunk> {
        let position = self.unsaid()?;
        self.say();
        let mut chunk = ChunkBuilder::new(now, 0);
        chunk.mark(position);
        Some(chunk.finish())
    }

    /// The connection was made anew: the log begins again behind `from`, which is behind everything
    /// that has been cut off.
    pub(super) fn begin_again(&mut self, from: Position) {
        self.filling = None;
        self.read = 0;
        self.hold.clear();
        if !from.reaches(&self.said) {
            // What told it was lost on the way.
            self.said = from.clone();
        }
        self.decoder.begin_again(from);
    }

    /// A position between transactions has been told beside the log. To be called after
    /// [`Assembly::cut`] alone.
    pub(super) fn settle(&mut self, at: Position) {
        self.said = at.clone();
        self.decoder.settle(at);
    }

    fn say(&mut self) {
        if let Some(whole) = self.decoder.whole() {
            self.said = whole.clone();
        }
    }
}
