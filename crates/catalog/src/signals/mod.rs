//! Things worth telling, each as one struct that decides which numbers it raises and which event it
//! becomes. The call site is one line, and the line in the log, the number and the event cannot
//! disagree.
//!
//! Signals of runs become an event; their numbers follow from it through
//! [`MetricsFold`](crate::MetricsFold), so that a run that another tool tells about counts alike.
//! Signals of the process have no run to belong to and raise their numbers at once.

mod process;
mod runs;

use flowglass_model::{Entity, Event, EventKind, Scope, Stamp};

pub use process::{
    DeliveryEnded, PanicSeen, PipelineAsked, RequestAnswered, RequestBroke, SignalsDropped,
};
pub use runs::{
    AttemptMoved, CheckJudged, LedgerTold, LineWritten, Moved, ProgressMade, StageMoved,
};
pub(crate) use runs::{CPU_SECONDS, PEAK_RSS_BYTES};

/// Something worth telling.
pub trait Signal: Sized {
    /// Whose numbers it raises: a [`ProcessScope`](crate::ProcessScope), a
    /// [`PipelineScope`](crate::PipelineScope), or nothing when its event carries them.
    type Numbers;

    /// Raises the numbers that do not follow from an event.
    fn count(&self, numbers: &Self::Numbers);

    /// What the event tells and what it is about; `None` when there is no event.
    fn event(&self) -> Option<(EventKind, Entity)>;

    /// Puts what happened into the event that [`event`](Self::event) promised.
    fn fill(self, event: &mut Event);

    /// The whole event, for whoever keeps the history itself.
    fn into_event(self, stamp: Stamp, scope: &Scope) -> Option<Event> {
        let (kind, entity) = self.event()?;
        let mut event = Event::new(stamp, scope, kind, entity);
        self.fill(&mut event);
        Some(event)
    }
}
