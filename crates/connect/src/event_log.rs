//! The doorframe of the event log: where recorded events are kept before anyone sees them.

use async_trait::async_trait;
use flowglass_model::Event;

use crate::fault::Fault;

/// Keeps events, durably and in order.
#[async_trait]
pub trait EventLog: Send + Sync {
    /// Appends events, in order, and answers when they are kept: all or none of them. Events that
    /// were kept before are passed over. Callers batch; a call of one event is slow.
    async fn append(&self, events: Vec<Event>) -> Result<(), Fault>;
}
