//! Rows to measure with: those that wait in the source's log, or made up ones where none do.
//!
//! The log is read through a second reader beside the stream, from where the slowest sink stands: through
//! a copy of the slot that is gone with its connection. Nothing is confirmed, so that the stream reads the
//! same rows later.

use std::sync::Arc;
use std::time::Duration;

use flowglass_connect::stream::{Chunk, Position, Slice, StreamBatch, StreamReader};
use flowglass_connect::{Fault, Registry, Surroundings};
use flowglass_engine::Stop;
use flowglass_manifest::StreamPlan;
use serde_json::json;

use super::measure::{Limits, Measured, Meter};

/// Bytes of the wire that are kept to measure the other stages with.
const SAMPLE_BYTES_MAX: u64 = 16 << 20;

/// A log that brings nothing for so long has come to its end.
const IDLE: Duration = Duration::from_millis(500);

/// Fewer rows say nothing about how fast a log is read.
const ROWS_MIN: u64 = 1_000;

/// Rows that are made up where the source brings too few.
const MADE_UP_ROWS: u64 = 20_000;

/// The source's stage, and rows for the others.
pub(super) struct Sampled {
    pub(super) source: Result<Measured, String>,
    /// In batches as the stream would cut them.
    pub(super) batches: Vec<Arc<StreamBatch>>,
    /// Whether they are the source's own.
    pub(super) own_rows: bool,
}

/// What sampling stands on.
pub(super) struct Sampling<'a> {
    pub(super) plan: &'a StreamPlan,
    pub(super) registry: &'a Registry,
    pub(super) around: &'a Surroundings,
    pub(super) limits: Limits,
    pub(super) stop: &'a Stop,
    /// Where the slowest sink stands.
    pub(super) from: Option<Position>,
}

impl Sampling<'_> {
    /// Reads the log as fast as it goes.
    ///
    /// # Errors
    /// What keeps rows from being made up.
    pub(super) async fn take(&self) -> Result<Sampled, Fault> {
        let (source, chunks) = match self.read_source().await {
            Ok((measured, chunks)) if measured.rows >= ROWS_MIN.min(self.limits.events) => {
                (Ok(measured), chunks)
            }
            Ok((measured, chunks)) => {
                let remedy = match self.plan.source().connector.kind.as_str() {
                    "postgres" => ": pause the stream under load for a while, and measure again",
                    _ => "",
                };
                let said = format!("only {} rows wait in its log{remedy}", measured.rows);
                (Err(said), chunks)
            }
            Err(why) => (Err(why), Vec::new()),
        };
        let rows: usize = chunks.iter().map(Chunk::len).sum();
        let own_rows = rows as u64 >= ROWS_MIN.min(self.limits.events);
        let chunks = if own_rows { chunks } else { self.made_up().await? };
        let batches = batches(chunks, self.plan.batch().events_max as usize);
        Ok(Sampled { source, batches, own_rows })
    }

    async fn read_source(&self) -> Result<(Measured, Vec<Chunk>), String> {
        let from = self.plan.source();
        let config = from.connector.expose().clone();
        let shown = |fault: Fault| fault.chain();
        let kind = from.connector.kind.as_str();
        let source = self.registry.stream_source(kind, config, self.around).map_err(shown)?;
        let clock = Arc::clone(&self.around.clock);
        let reader = if kind == "postgres" {
            let Some(from) = self.from.clone().filter(|it| *it != Position::ORIGIN) else {
                let said = "the stream has no place in the log yet: run it once, and measure again \
                            when rows wait";
                return Err(said.to_owned());
            };
            // The log alone: a snapshot is no place to go on from.
            source.open_beside(Position { detail: None, ..from }, clock).await
        } else {
            // These have no state that opening could change.
            source.open(None, clock).await
        };
        self.drain(reader.map_err(shown)?).await.map_err(shown)
    }

    /// Reads until there is nothing more, or it is enough.
    async fn drain(
        &self,
        mut reader: Box<dyn StreamReader>,
    ) -> Result<(Measured, Vec<Chunk>), Fault> {
        let (mut chunks, mut kept_bytes) = (Vec::new(), 0);
        let mut meter: Option<Meter> = None;
        let deadline = self.around.clock.monotonic() + self.limits.time;
        let mut measured = Measured::default();
        while self.stop.cause().is_none() && measured.rows < self.limits.events {
            let left = deadline.saturating_sub(self.around.clock.monotonic());
            if left.is_zero() {
                break;
            }
            // The first rows may take as long as the server needs to come to them.
            let wait = if meter.is_some() { left.min(IDLE) } else { left };
            let Ok(next) = tokio::time::timeout(wait, reader.next()).await else { break };
            let Some(chunk) = next? else { break };
            let rows = chunk.len() as u64;
            if rows == 0 {
                continue;
            }
            match &meter {
                // Time begins behind the first rows: they waited for the connection.
                None => meter = Some(Meter::start(Arc::clone(&self.around.clock))),
                Some(meter) => {
                    let bytes = wire_bytes(&chunk);
                    meter.add(&mut measured, rows, bytes);
                }
            }
            if kept_bytes < SAMPLE_BYTES_MAX {
                kept_bytes += wire_bytes(&chunk);
                chunks.push(chunk);
            }
        }
        // Nothing was confirmed.
        drop(reader);
        Ok((measured, chunks))
    }

    async fn made_up(&self) -> Result<Vec<Chunk>, Fault> {
        let rows = MADE_UP_ROWS.min(self.limits.events.max(1));
        let config = json!({ "id": "made-up", "rows": rows, "payload_bytes": 200 });
        let source = self.registry.stream_source("generator", config, self.around)?;
        let mut reader = source.open(None, Arc::clone(&self.around.clock)).await?;
        let mut chunks = Vec::new();
        while let Some(chunk) = reader.next().await? {
            chunks.push(chunk);
        }
        Ok(chunks)
    }
}

fn wire_bytes(chunk: &Chunk) -> u64 {
    chunk.changes(0, chunk.len()).map(|it| u64::from(it.head().wire_bytes)).sum()
}

/// Chunks as batches of about so many rows.
fn batches(chunks: Vec<Chunk>, rows_max: usize) -> Vec<Arc<StreamBatch>> {
    let (mut batches, mut slices, mut rows) = (Vec::new(), Vec::new(), 0);
    let mut close = |slices: &mut Vec<Slice>| {
        let position = Position::after(batches.len() as u64 + 1);
        batches.push(Arc::new(StreamBatch::new(std::mem::take(slices), position)));
    };
    for chunk in chunks.into_iter().map(Arc::new) {
        let mut from = 0;
        while from < chunk.len() {
            let to = chunk.len().min(from + (rows_max - rows));
            slices.push(Slice::new(Arc::clone(&chunk), from, to));
            rows += to - from;
            from = to;
            if rows >= rows_max {
                close(&mut slices);
                rows = 0;
            }
        }
    }
    if rows > 0 {
        close(&mut slices);
    }
    batches
}
