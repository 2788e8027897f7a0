//! What there is to tell about a run.

use std::collections::BTreeMap;
use std::time::Duration;

use flowglass_model::{
    Counts, Entity, ErrorInfo, Event, EventKind, LedgerEntry, LogLevel, LogLine, LogStream, Reason,
    State,
};

use super::Signal;

/// Attributes of an attempt's end that [`MetricsFold`](crate::MetricsFold) makes numbers of.
pub(crate) const CPU_SECONDS: &str = "cpu_seconds";
/// See [`CPU_SECONDS`].
pub(crate) const PEAK_RSS_BYTES: &str = "peak_rss_bytes";

macro_rules! events {
    ($($signal:ty => $kind:ident, $entity:expr;)+) => { $(
        impl $signal {
            fn what(&self) -> (EventKind, Entity) {
                let entity: fn(&Self) -> Entity = $entity;
                (EventKind::$kind, entity(self))
            }
        }

        impl Signal for $signal {
            type Numbers = ();

            fn count(&self, (): &()) {}

            fn event(&self) -> Option<(EventKind, Entity)> {
                Some(self.what())
            }

            fn fill(self, event: &mut Event) {
                self.put(event);
            }
        }
    )+ };
}

events! {
    Moved => Transition, |it| it.entity;
    AttemptMoved => Transition, |_| Entity::Attempt;
    StageMoved => Transition, |_| Entity::Stage;
    ProgressMade => Progress, |_| Entity::Attempt;
    LedgerTold => Ledger, |_| Entity::Attempt;
    LineWritten => Log, |it| it.entity;
    CheckJudged => Asset, |_| Entity::Asset;
}

/// A run, a pipeline or a node changed its state.
#[derive(Clone, Debug)]
pub struct Moved {
    /// [`Entity::Run`], [`Entity::Pipeline`] or [`Entity::Node`].
    pub entity: Entity,
    /// Where it stands now.
    pub to: State,
    /// Why; it must explain that state.
    pub reason: Reason,
    /// From start to end by a monotonic clock, at the end.
    pub took: Option<Duration>,
    /// Rows and bytes, at the end of a node.
    pub counts: Option<Counts>,
    /// Why it failed.
    pub error: Option<ErrorInfo>,
}

impl Moved {
    /// A move without more to say.
    #[must_use]
    pub const fn to(entity: Entity, to: State, reason: Reason) -> Self {
        Self { entity, to, reason, took: None, counts: None, error: None }
    }

    fn put(self, event: &mut Event) {
        put_move(event, self.to, self.reason, self.took);
        event.counts = self.counts;
        event.error = self.error;
    }
}

/// An attempt began or ended.
#[derive(Clone, Debug)]
pub struct AttemptMoved {
    /// Where it stands now.
    pub to: State,
    /// Why.
    pub reason: Reason,
    /// From start to end, at the end.
    pub took: Option<Duration>,
    /// Rows and bytes so far.
    pub counts: Option<Counts>,
    /// Why it failed.
    pub error: Option<ErrorInfo>,
    /// A command's exit code; absent when a signal ended it.
    pub exit_code: Option<i32>,
    /// The name of the signal that ended a command.
    pub signal: Option<String>,
    /// Processor time of a command, from the kernel's accounting.
    pub cpu: Option<Duration>,
    /// Peak resident memory of a command, from the kernel's accounting.
    pub peak_rss_bytes: Option<u64>,
}

impl AttemptMoved {
    /// A move without more to say.
    #[must_use]
    pub const fn to(to: State, reason: Reason) -> Self {
        Self {
            to,
            reason,
            took: None,
            counts: None,
            error: None,
            exit_code: None,
            signal: None,
            cpu: None,
            peak_rss_bytes: None,
        }
    }

    fn put(self, event: &mut Event) {
        put_move(event, self.to, self.reason, self.took);
        event.counts = self.counts;
        event.error = self.error;
        event.exit_code = self.exit_code;
        event.signal = self.signal;
        let facts = [
            (CPU_SECONDS, self.cpu.map(|it| format!("{:.6}", it.as_secs_f64()))),
            (PEAK_RSS_BYTES, self.peak_rss_bytes.map(|it| it.to_string())),
        ];
        for (key, value) in facts {
            if let Some(value) = value {
                event.attributes.insert(key.to_owned(), value);
            }
        }
    }
}

/// A stage of an attempt began or ended.
#[derive(Clone, Debug)]
pub struct StageMoved {
    /// Where it stands now.
    pub to: State,
    /// Why.
    pub reason: Reason,
    /// From start to end, at the end.
    pub took: Option<Duration>,
    /// Rows and bytes of the stage.
    pub counts: Option<Counts>,
}

impl StageMoved {
    fn put(self, event: &mut Event) {
        put_move(event, self.to, self.reason, self.took);
        event.counts = self.counts;
    }
}

/// Rows moved; what was counted so far. At most one a second for each node.
#[derive(Clone, Copy, Debug)]
pub struct ProgressMade {
    /// Rows and bytes since the attempt began.
    pub counts: Counts,
}

impl ProgressMade {
    fn put(self, event: &mut Event) {
        event.counts = Some(self.counts);
    }
}

/// The ledger of a copy or a stream at a checkpoint.
#[derive(Clone, Debug)]
pub struct LedgerTold {
    /// All rows since the attempt began, by where they are.
    pub entry: LedgerEntry,
}

impl LedgerTold {
    fn put(self, event: &mut Event) {
        event.ledger = Some(self.entry);
    }
}

/// A line that a node wrote, or that the engine says about it. Secrets are redacted where the event
/// is recorded.
#[derive(Clone, Debug)]
pub struct LineWritten {
    /// What the line is about.
    pub entity: Entity,
    /// Who wrote it.
    pub stream: LogStream,
    /// How grave it is.
    pub level: LogLevel,
    /// The text without its line end.
    pub text: String,
}

impl LineWritten {
    fn put(self, event: &mut Event) {
        let Self { stream, level, text, .. } = self;
        event.log = Some(LogLine { stream, level, text, base64: None });
    }
}

/// A check on a dataset was judged.
#[derive(Clone, Debug)]
pub struct CheckJudged {
    /// The dataset, as an asset id.
    pub asset_id: String,
    /// The rule and its verdict, in the words of the contract.
    pub facts: BTreeMap<String, String>,
}

impl CheckJudged {
    fn put(self, event: &mut Event) {
        event.asset_id = Some(self.asset_id);
        event.attributes = self.facts;
    }
}

fn put_move(event: &mut Event, to: State, reason: Reason, took: Option<Duration>) {
    event.to = Some(to);
    event.reason = Some(reason);
    event.duration_seconds = took.map(|it| it.as_secs_f64());
}
