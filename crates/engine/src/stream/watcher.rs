//! Looks on: lag, idleness, the bottleneck, and a stream that stands still although its source does
//! not. Pure, with time passed in.

use std::sync::Arc;
use std::time::Duration;

use flowglass_connect::Fault;
use flowglass_connect::stream::{Chunk, Head, Position, Relation, StreamBatch};

use super::job::{SinkStatus, Stall};
use super::meters::StageOf;

/// What is seen at a look.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    pub(super) lag: Duration,
    pub(super) idle: Duration,
    pub(super) head: Head,
    pub(super) bottleneck: Option<(StageOf, f64)>,
}

/// The onlooker.
#[derive(Debug)]
pub(super) struct Watcher {
    stalled_after: Duration,
    began: Option<Duration>,
    last_row: Option<Duration>,
    /// Commit time of the last row, in microseconds since 1970.
    last_commit_micros: Option<i64>,
    head: Head,
    /// The end of the log when the source first said it.
    target: Option<u64>,
    moved_at: Duration,
    moved_to: Option<Position>,
    lags: Vec<(Arc<Relation>, Duration)>,
    busy: Option<(Duration, [Duration; 3])>,
    bottleneck: Option<(StageOf, f64)>,
    source_trouble: bool,
}

/// How long shares of working time are measured before they are told.
const SHARE_OVER: Duration = Duration::from_secs(2);

impl Watcher {
    pub(super) fn new(stalled_after: Duration) -> Self {
        Self {
            stalled_after,
            began: None,
            last_row: None,
            last_commit_micros: None,
            head: Head::default(),
            target: None,
            moved_at: Duration::ZERO,
            moved_to: None,
            lags: Vec::new(),
            busy: None,
            bottleneck: None,
            source_trouble: false,
        }
    }

    /// A chunk was read.
    pub(super) fn read(&mut self, chunk: &Chunk, now: Duration) {
        self.source_trouble = false;
        if let Some(last) = chunk.len().checked_sub(1).and_then(|last| chunk.change(last)) {
            self.last_row = Some(now);
            self.last_commit_micros = Some(last.transaction().committed_at_micros);
        }
    }

    /// A batch was cut: the lag of each table's last row in it.
    pub(super) fn cut(&mut self, batch: &StreamBatch, wall: jiff::Timestamp) {
        self.lags.clear();
        for slice in batch.slices() {
            for change in slice.chunk.changes(slice.from, slice.to) {
                let relation = change.relation();
                let lag = since(change.transaction().committed_at_micros, wall);
                match self.lags.last_mut() {
                    Some((known, last)) if Arc::ptr_eq(known, relation) => *last = lag,
                    _ => {
                        self.lags.retain(|(known, _)| !Arc::ptr_eq(known, relation));
                        self.lags.push((Arc::clone(relation), lag));
                    }
                }
            }
        }
    }

    /// The lags of the last batch.
    pub(super) fn table_lags(&self) -> Vec<(Arc<Relation>, Duration)> {
        self.lags.clone()
    }

    /// What the reader says of its source.
    pub(super) fn head(&mut self, head: Head) {
        if self.target.is_none() && head.seen_at > Duration::ZERO {
            self.target = Some(head.end);
        }
        self.head = head;
    }

    /// Where the log ended when the source first said so.
    pub(super) fn target(&self) -> Option<u64> {
        self.target
    }

    /// Reading goes on after a pause: what stood still meanwhile did so on request.
    pub(super) fn resumed(&mut self, now: Duration) {
        self.moved_at = now;
    }

    /// The source could not be read.
    pub(super) fn source_trouble(&mut self, _fault: &Fault) {
        self.source_trouble = true;
    }

    /// Looks at the figures.
    pub(super) fn look(
        &mut self,
        now: Duration,
        wall: jiff::Timestamp,
        handed: Option<&Position>,
        busy: [Duration; 3],
    ) -> Seen {
        let began = *self.began.get_or_insert(now);
        if handed != self.moved_to.as_ref() {
            self.moved_to = handed.cloned();
            self.moved_at = now;
        }
        self.measure(now, busy);
        let caught_up = handed.is_some_and(|it| it.commit >= self.head.end);
        let lag = match self.last_commit_micros {
            Some(micros) if !caught_up => since(micros, wall),
            _ => Duration::ZERO,
        };
        let idle = now.saturating_sub(self.last_row.unwrap_or(began));
        Seen { lag, idle, head: self.head.clone(), bottleneck: self.bottleneck }
    }

    fn measure(&mut self, now: Duration, busy: [Duration; 3]) {
        let Some((since, before)) = self.busy else {
            self.busy = Some((now, busy));
            return;
        };
        let over = now.saturating_sub(since);
        if over < SHARE_OVER {
            return;
        }
        self.busy = Some((now, busy));
        let shares = StageOf::ALL.iter().zip(busy).zip(before).map(|((stage, busy), before)| {
            (*stage, busy.saturating_sub(before).as_secs_f64() / over.as_secs_f64())
        });
        let most = shares.max_by(|left, right| left.1.total_cmp(&right.1));
        // A stream that has little to do has no bottleneck.
        self.bottleneck = most.filter(|(_, share)| *share >= 0.1);
    }

    /// Whether the source moves and we do not, and who holds us.
    pub(super) fn stalled(&self, now: Duration, sinks: &[SinkStatus]) -> Option<Stall> {
        let behind = self.moved_to.as_ref().is_none_or(|it| it.commit < self.head.end);
        let held = sinks.iter().find(|it| it.trouble.is_some());
        let waits = held.or_else(|| sinks.iter().find(|it| it.in_flight_batches > 0));
        let lasting = now.saturating_sub(self.moved_at.max(self.began.unwrap_or(now)));
        if !(behind || held.is_some()) || lasting < self.stalled_after {
            return None;
        }
        let (stage, sink) = match waits {
            Some(sink) => (StageOf::Deliver, Some(sink.id.clone())),
            None if self.source_trouble || self.last_row.is_none() => (StageOf::Source, None),
            None => (StageOf::Process, None),
        };
        Some(Stall { stage, sink, lasting })
    }
}

fn since(micros: i64, wall: jiff::Timestamp) -> Duration {
    let passed = wall.as_microsecond().saturating_sub(micros);
    Duration::from_micros(u64::try_from(passed).unwrap_or(0))
}
