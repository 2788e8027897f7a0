//! How fast a stage is, alone: time by the clock, processor time of this process, rows and bytes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use flowglass_connect::encode::{Encoder, EncoderSettings, Origin};
use flowglass_connect::stream::{
    Acknowledged, Delivery, Messages, Position, SinkWriter, StreamBatch, StreamSink, Takes,
};
use flowglass_connect::{Clock, Fault};
use flowglass_engine::Stop;
use flowglass_model::ErrorClass;
use serde::Serialize;

/// How long an acknowledgement is waited for.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(60);

/// The same for what is on its way when somebody asks to stop.
const LAST_WORDS_WITHIN: Duration = Duration::from_secs(5);

/// When a measurement is long enough: whichever comes first.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) time: Duration,
    /// Rows.
    pub(super) events: u64,
}

/// What a stage did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(super) struct Measured {
    pub(super) rows: u64,
    pub(super) bytes: u64,
    pub(super) seconds: f64,
    /// Processor time of this process.
    pub(super) cpu_seconds: f64,
}

impl Measured {
    /// Rows a second.
    #[expect(clippy::cast_precision_loss, reason = "a rate is shown in three digits")]
    pub(super) fn rate(&self) -> f64 {
        if self.seconds > 0.0 { self.rows as f64 / self.seconds } else { 0.0 }
    }

    /// Processor seconds a row.
    #[expect(clippy::cast_precision_loss, reason = "a rate is shown in three digits")]
    pub(super) fn cpu_per_row(&self) -> f64 {
        if self.rows > 0 { self.cpu_seconds / self.rows as f64 } else { 0.0 }
    }
}

/// A measurement that has begun.
pub(super) struct Meter {
    clock: Arc<dyn Clock>,
    since: Duration,
    cpu: f64,
}

impl Meter {
    pub(super) fn start(clock: Arc<dyn Clock>) -> Self {
        let since = clock.monotonic();
        Self { clock, since, cpu: cpu_seconds() }
    }

    /// Adds rows that are done now.
    pub(super) fn add(&self, to: &mut Measured, rows: u64, bytes: u64) {
        to.rows += rows;
        to.bytes += bytes;
        to.seconds = self.elapsed().as_secs_f64();
        to.cpu_seconds = (cpu_seconds() - self.cpu).max(0.0);
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.clock.monotonic().saturating_sub(self.since)
    }
}

/// Processor time that this process has used, user's and system's.
fn cpu_seconds() -> f64 {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let used = Duration::from_secs(used.tv_sec.try_into().unwrap_or_default())
        + Duration::from_nanos(used.tv_nsec.try_into().unwrap_or_default());
    used.as_secs_f64()
}

/// What the stages are measured with.
pub(super) struct Bench<'a> {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) batches: &'a [Arc<StreamBatch>],
    pub(super) limits: Limits,
    pub(super) stop: &'a Stop,
}

impl Bench<'_> {
    fn goes_on(&self, meter: &Meter, rows: u64) -> bool {
        self.stop.cause().is_none()
            && rows < self.limits.events
            && meter.elapsed() < self.limits.time
    }

    fn encoder(&self, settings: EncoderSettings) -> Result<Encoder, Fault> {
        let origin = Origin {
            stream: "ceiling".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            clock: Arc::clone(&self.clock),
        };
        Encoder::new(settings, origin)
    }

    /// Rows to messages, as one lane does it.
    ///
    /// # Errors
    /// `config` when the messages cannot be made.
    pub(super) async fn encode(&self, settings: EncoderSettings) -> Result<Measured, Fault> {
        let mut encoder = self.encoder(settings)?;
        let meter = Meter::start(Arc::clone(&self.clock));
        let mut measured = Measured::default();
        let mut bytes_expected = 0;
        for batch in self.batches.iter().cycle() {
            if !self.goes_on(&meter, measured.rows) {
                break;
            }
            let mut out = Messages::with_capacity(batch.spanned(), bytes_expected);
            encoder.encode(batch, &mut out);
            bytes_expected = out.buffer.len() + out.buffer.len() / 8;
            meter.add(&mut measured, batch.spanned() as u64, out.buffer.len() as u64);
            // A signal must be heard.
            tokio::task::yield_now().await;
        }
        Ok(measured)
    }

    /// Messages or rows into a sink until it has them for good, as many batches ahead as it takes.
    ///
    /// # Errors
    /// What the sink says against it.
    pub(super) async fn deliver(&self, sink: &dyn StreamSink) -> Result<Measured, Fault> {
        let messages = self.messages_for(sink)?;
        let mut writer = sink.open().await?;
        writer.committed().await?;
        // Rows of tables that come again are others: they find themselves there.
        let rounds = if messages.is_some() { usize::MAX } else { 1 };
        let mut coming = (0..rounds).flat_map(|_| 0..self.batches.len());
        let meter = Meter::start(Arc::clone(&self.clock));
        let mut measured = Measured::default();
        let (mut sent, mut acknowledged) = (0_u64, 0_u64);
        let mut rows_in_flight = VecDeque::new();
        let (mut rows_sent, mut more) = (0, true);
        let ahead_max = sink.in_flight_batches_max().max(1) as u64;
        loop {
            more &= self.goes_on(&meter, rows_sent);
            if more
                && sent - acknowledged < ahead_max
                && let Some(at) = coming.next()
                && let Some(batch) = self.batches.get(at)
            {
                sent += 1;
                rows_sent += batch.spanned() as u64;
                rows_in_flight.push_back(batch.spanned() as u64);
                let messages = messages.as_ref().and_then(|it| it.get(at)).cloned();
                let position = Position::after(sent);
                let moved = StreamBatch::new(batch.slices().to_vec(), position);
                writer.send(Delivery { number: sent, batch: Arc::new(moved), messages }).await?;
                continue;
            }
            if sent == acknowledged {
                break;
            }
            let Some(done) = self.acknowledged(writer.as_mut()).await? else { break };
            acknowledged += 1;
            meter.add(&mut measured, rows_in_flight.pop_front().unwrap_or_default(), done.bytes);
            // What is still on its way to a slow sink would not change the figure.
            if meter.elapsed() > self.limits.time * 2 {
                break;
            }
        }
        Ok(measured)
    }

    /// The next acknowledgement; none when somebody asked to stop and it does not come soon. What was
    /// sent is waited for, so that nothing arrives after its place was removed.
    async fn acknowledged(
        &self,
        writer: &mut dyn SinkWriter,
    ) -> Result<Option<Acknowledged>, Fault> {
        tokio::select! {
            done = tokio::time::timeout(ACKNOWLEDGED_WITHIN, writer.acknowledged()) => {
                return done.map_err(|_elapsed| {
                    let said = "the sink does not acknowledge what it was given";
                    Fault::new(ErrorClass::Timeout, said)
                })?.map(Some);
            }
            _cause = self.stop.asked() => {}
        }
        let soon = tokio::time::timeout(LAST_WORDS_WITHIN, writer.acknowledged()).await;
        soon.ok().transpose()
    }

    /// All batches encoded beforehand; none for sinks that take rows.
    fn messages_for(&self, sink: &dyn StreamSink) -> Result<Option<Vec<Messages>>, Fault> {
        let Takes::Messages(settings) = sink.takes() else { return Ok(None) };
        let mut encoder = self.encoder(settings)?;
        let encoded = self.batches.iter().map(|batch| {
            let mut out = Messages::with_capacity(batch.spanned(), 0);
            encoder.encode(batch, &mut out);
            out
        });
        Ok(Some(encoded.collect()))
    }
}
