//! A sink beside the real one: the same system with the same settings, and places of its own, so that
//! it can be measured how fast it is without anybody noticing.

use std::sync::Arc;

use async_trait::async_trait;

use super::sink::StreamSink;
use crate::fault::Fault;

/// A sink to be measured.
pub struct Trial {
    /// The sink. What it writes goes to places that nobody else knows.
    pub sink: Arc<dyn StreamSink>,
    /// Those places.
    pub places: Arc<dyn TrialPlaces>,
}

impl std::fmt::Debug for Trial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trial").field("sink", &self.sink.id()).finish_non_exhaustive()
    }
}

/// What a measurement leaves behind.
#[async_trait]
pub trait TrialPlaces: Send + Sync {
    /// Removes it, as far as it was made. Called once the sink's writer is dropped, whatever became of
    /// the measurement.
    ///
    /// # Errors
    /// What is left, and why.
    async fn remove(&self) -> Result<(), Fault>;
}
