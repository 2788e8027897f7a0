//! What every signal can do.
//!
//! A trait and not one big enum: a call site names the struct and nothing else, and a struct that only
//! raises numbers needs no run.

use flowglass_model::{Entity, Event, EventKind, Scope, Stamp};

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
