//! Reading made-up changes: from any position, at the rate that was asked for.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use flowglass_connect::stream::{Chunk, ChunkBuilder, Head, Position, StreamReader, Transaction};
use flowglass_connect::{Clock, Fault};

use super::config::Config;
use super::rows::{Maker, Place};

/// Rows of one chunk.
const CHUNK_ROWS: u64 = 2_048;

/// How often rows are given out when there is a rate.
const STEP: Duration = Duration::from_millis(5);

pub(super) struct Reader {
    maker: Maker,
    clock: Arc<dyn Clock>,
    rate: u64,
    rows: u64,
    transaction_rows: u64,
    payload_bytes: usize,
    /// Number of the next row, over all.
    next: u64,
    /// When the first row was given out, and its number: what a rate is measured from.
    since: Duration,
    first: u64,
    wire_bytes: u64,
}

impl Reader {
    pub(super) fn new(config: &Config, from: Option<&Position>, clock: Arc<dyn Clock>) -> Self {
        // The transaction with the number n holds the rows from (n - 1) * transaction_rows on.
        let next = from.map_or(0, |position| {
            let before = position.commit.saturating_sub(1) * config.transaction_rows;
            before + position.rows.min(config.transaction_rows)
        });
        let since = clock.monotonic();
        Self {
            maker: Maker::new(config),
            clock,
            rate: config.rate,
            rows: config.rows,
            transaction_rows: config.transaction_rows,
            payload_bytes: config.payload_bytes as usize,
            next,
            since,
            first: next,
            wire_bytes: 0,
        }
    }

    /// Behind the last row that may be given out now.
    fn limit(&self) -> u64 {
        let end = if self.rows == 0 { u64::MAX } else { self.rows };
        if self.rate == 0 {
            return end;
        }
        let passed = self.clock.monotonic().saturating_sub(self.since);
        let due = u128::from(self.rate) * passed.as_micros() / 1_000_000;
        end.min(self.first.saturating_add(u64::try_from(due).unwrap_or(u64::MAX)))
    }

    fn chunk(&mut self, to: u64) -> Chunk {
        let rows = usize::try_from(to - self.next).unwrap_or(0);
        let received = self.clock.monotonic();
        let micros = self.clock.now().as_microsecond();
        let mut chunk = ChunkBuilder::new(received, rows * (self.payload_bytes + 96));
        let mut transaction = None;
        while self.next < to {
            let commit = self.next / self.transaction_rows + 1;
            let row = self.next % self.transaction_rows;
            let known = transaction.filter(|(known, _)| *known == commit);
            let (_, index) = known.unwrap_or_else(|| {
                let made = Transaction { id: commit, commit, committed_at_micros: micros };
                (commit, chunk.transaction(made))
            });
            transaction = Some((commit, index));
            let place = Place { transaction: index, commit, row, number: self.next };
            self.maker.push(&mut chunk, place);
            self.next += 1;
            if row + 1 == self.transaction_rows || self.next == self.rows {
                chunk.mark(Position::after(commit));
            }
        }
        self.wire_bytes += chunk.here() as u64;
        chunk.finish()
    }
}

#[async_trait]
impl StreamReader for Reader {
    async fn next(&mut self) -> Result<Option<Chunk>, Fault> {
        if self.rows > 0 && self.next >= self.rows {
            return Ok(None);
        }
        loop {
            let limit = self.limit();
            if limit > self.next {
                let to = limit.min(self.next + CHUNK_ROWS);
                return Ok(Some(self.chunk(to)));
            }
            tokio::time::sleep(STEP).await;
        }
    }

    fn confirm(&mut self, _position: &Position) {
        // Rows that can be made again need not be kept.
    }

    fn head(&self) -> Head {
        let last = if self.rows > 0 { self.rows } else { self.limit().min(self.next) };
        Head {
            end: last.div_ceil(self.transaction_rows),
            seen_at: self.clock.monotonic().max(Duration::from_nanos(1)),
            wire_bytes: self.wire_bytes,
            ..Head::default()
        }
    }
}
