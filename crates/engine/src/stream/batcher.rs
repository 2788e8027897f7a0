//! From chunks to batches: pure, with time passed in.
//!
//! A batch ends at its limits or when its oldest row has waited long enough, and where transactions
//! are respected, only between two of them. A transaction that is larger than a batch may be is cut
//! all the same, as memory is bounded: the position then stands inside it, and the sink that keeps
//! its position with the rows goes on exactly there.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use flowglass_connect::stream::{ChangeRef, Chunk, Mark, Op, Position, Slice, StreamBatch};

/// When a batch is large enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimits {
    /// Rows at which a batch is cut.
    pub events_max: usize,
    /// Bytes of the wire at which a batch is cut.
    pub bytes_max: u64,
    /// How long the oldest row may wait for more.
    pub wait_max: Duration,
    /// Whether a batch ends only between transactions, as long as it is no more than
    /// [`OVERSIZE`] times its limits.
    pub respect_transactions: bool,
}

/// How many times its limits a batch may grow to keep a transaction whole.
pub const OVERSIZE: usize = 2;

impl Default for BatchLimits {
    fn default() -> Self {
        Self {
            events_max: 8192,
            bytes_max: 16 << 20,
            wait_max: Duration::from_millis(50),
            respect_transactions: true,
        }
    }
}

/// Why a batch was cut: the label `trigger`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trigger {
    /// It was full.
    Limits,
    /// It had waited.
    Timer,
    /// The stream is about to stop.
    Shutdown,
}

/// Gathers chunks and cuts them into batches.
#[derive(Debug)]
pub(super) struct Batcher {
    limits: BatchLimits,
    chunks: VecDeque<Waiting>,
    /// Changes and bytes that wait.
    events: usize,
    bytes: u64,
    /// Where the last batch ended.
    reached: Option<Position>,
    /// Since when the oldest that waits has waited.
    since: Option<Duration>,
}

#[derive(Debug)]
struct Waiting {
    chunk: Arc<Chunk>,
    /// Index of the first change that waits.
    from: usize,
    /// Index of the first mark that is not passed.
    mark: usize,
}

/// Where a batch may end: counted from the first change that waits.
#[derive(Debug, Clone, PartialEq)]
struct Cut {
    events: usize,
    position: Position,
}

/// What a walk over the waiting chunks meets.
enum Step<'a> {
    Change(ChangeRef<'a>),
    Mark(&'a Position),
}

impl Batcher {
    /// An empty batcher.
    #[must_use]
    pub(super) fn new(limits: BatchLimits) -> Self {
        Self { limits, chunks: VecDeque::new(), events: 0, bytes: 0, reached: None, since: None }
    }

    /// Says where the first chunk goes on from.
    pub(super) fn begin_at(&mut self, position: Option<Position>) {
        self.reached = position;
    }

    /// Takes a chunk that was received at `now`.
    pub(super) fn push(&mut self, chunk: Arc<Chunk>, now: Duration) {
        self.events += chunk.len();
        self.bytes += wire_bytes(&chunk, 0, chunk.len());
        if !chunk.is_empty() || !chunk.marks().is_empty() {
            self.since.get_or_insert(now);
            self.chunks.push_back(Waiting { chunk, from: 0, mark: 0 });
        }
    }

    /// Changes that wait.
    #[must_use]
    pub(super) const fn waiting_events(&self) -> usize {
        self.events
    }

    /// When the oldest that waits has waited long enough.
    #[must_use]
    pub(super) fn due_at(&self) -> Option<Duration> {
        self.since.map(|since| since + self.limits.wait_max)
    }

    /// The next batch, when one is full or due; or when there is anything whole and the sinks are
    /// `hungry`: then waiting for more would only make rows late, and while they are busy the batches
    /// grow by themselves.
    pub(super) fn next(&mut self, now: Duration, hungry: bool) -> Option<(StreamBatch, Trigger)> {
        if self.is_full()
            && let Some(cut) = self.full_cut()
        {
            return Some((self.cut(&cut, now), Trigger::Limits));
        }
        let due = self.due_at().is_some_and(|due| due <= now);
        if (due || hungry)
            && let Some(cut) = self.last_mark()
        {
            return Some((self.cut(&cut, now), Trigger::Timer));
        }
        if due {
            // Nothing whole waits: the rest of a transaction has to come first.
            self.since = Some(now);
        }
        None
    }

    /// Everything that may be delivered now, for a stream that is about to stop. What is left is
    /// part of a transaction whose end has not been read.
    pub(super) fn drain(&mut self, now: Duration) -> Option<(StreamBatch, Trigger)> {
        let cut = self.last_mark()?;
        Some((self.cut(&cut, now), Trigger::Shutdown))
    }

    fn is_full(&self) -> bool {
        self.events >= self.limits.events_max || self.bytes >= self.limits.bytes_max
    }

    /// Where a full batch ends: at the last whole transaction within the limits; else at the first
    /// one behind them, unless that is too far off; else in the middle.
    fn full_cut(&self) -> Option<Cut> {
        let BatchLimits { events_max, bytes_max, respect_transactions, .. } = self.limits;
        let inside = self.reached.as_ref().is_some_and(|it| !it.is_between_transactions());
        let anywhere = !respect_transactions || inside;
        let (mut events, mut bytes) = (0, 0);
        let (mut whole, mut part) = (None::<Cut>, None::<Cut>);
        let found = self.walk(|step| {
            let change = match step {
                Step::Mark(position) => {
                    let cut = Cut { events, position: position.clone() };
                    if events <= events_max && bytes <= bytes_max {
                        whole = Some(cut);
                        return ControlFlow::Continue(());
                    }
                    return ControlFlow::Break(whole.take().or(Some(cut)));
                }
                Step::Change(change) => change,
            };
            events += 1;
            bytes += u64::from(change.head().wire_bytes);
            if events == 1 || (events <= events_max && bytes <= bytes_max) {
                // A part of a snapshot is read again as a whole, and so delivered as a whole.
                let cut = Cut { events, position: change.position() };
                part = (change.op() != Op::Read).then_some(cut);
                return ControlFlow::Continue(());
            }
            let oversize =
                events > events_max.saturating_mul(OVERSIZE) || bytes > bytes_max * OVERSIZE as u64;
            if whole.is_some() {
                ControlFlow::Break(whole.take())
            } else if (anywhere || oversize) && part.is_some() {
                ControlFlow::Break(part.take())
            } else {
                ControlFlow::Continue(())
            }
        });
        let cut = found.flatten().or(whole).or(if anywhere { part } else { None })?;
        Some(self.with_detail(cut))
    }

    /// A position inside a transaction carries the detail of the last whole one: the source's own
    /// progress does not move in between.
    fn with_detail(&self, mut cut: Cut) -> Cut {
        if !cut.position.is_between_transactions() {
            cut.position.detail = self.reached.as_ref().and_then(|it| it.detail.clone());
        }
        cut
    }

    /// Goes over the changes and marks that wait, in order, until `see` has found something.
    fn walk<T>(&self, mut see: impl FnMut(Step<'_>) -> ControlFlow<T>) -> Option<T> {
        for waiting in &self.chunks {
            let mut marks = waiting.chunk.marks().get(waiting.mark..)?.iter().peekable();
            let changes = waiting.chunk.changes(waiting.from, waiting.chunk.len());
            for (index, change) in (waiting.from..).zip(changes) {
                while let Some(mark) = marks.next_if(|mark| mark.after <= index) {
                    if let ControlFlow::Break(found) = see(Step::Mark(&mark.position)) {
                        return Some(found);
                    }
                }
                if let ControlFlow::Break(found) = see(Step::Change(change)) {
                    return Some(found);
                }
            }
            for mark in marks {
                if let ControlFlow::Break(found) = see(Step::Mark(&mark.position)) {
                    return Some(found);
                }
            }
        }
        None
    }

    /// The last place between two transactions.
    fn last_mark(&self) -> Option<Cut> {
        let mut before = 0;
        let mut last = None;
        for waiting in &self.chunks {
            if let Some(mark) = waiting.chunk.marks().get(waiting.mark..).and_then(<[_]>::last) {
                let events = before + mark.after.saturating_sub(waiting.from);
                last = Some(Cut { events, position: mark.position.clone() });
            }
            before += waiting.chunk.len() - waiting.from;
        }
        last
    }

    fn cut(&mut self, cut: &Cut, now: Duration) -> StreamBatch {
        let mut slices = Vec::new();
        let mut left = cut.events;
        while let Some(first) = self.chunks.front_mut() {
            let here = (first.chunk.len() - first.from).min(left);
            if here > 0 {
                let chunk = Arc::clone(&first.chunk);
                slices.push(Slice::new(chunk, first.from, first.from + here));
            }
            first.from += here;
            left -= here;
            let passed = |mark: &Mark| mark.position <= cut.position;
            let marks = first.chunk.marks();
            let more = marks.get(first.mark..).unwrap_or_default();
            first.mark += more.iter().take_while(|mark| passed(mark)).count();
            let used = first.from == first.chunk.len() && first.mark == marks.len();
            if !used {
                break;
            }
            self.chunks.pop_front();
        }
        let batch = StreamBatch::new(slices, cut.position.clone());
        self.events -= batch.spanned();
        self.bytes -= batch.wire_bytes();
        self.reached = Some(cut.position.clone());
        self.since = (!self.chunks.is_empty()).then_some(now);
        batch
    }
}

fn wire_bytes(chunk: &Chunk, from: usize, to: usize) -> u64 {
    chunk.changes(from, to).map(|change| u64::from(change.head().wire_bytes)).sum()
}
