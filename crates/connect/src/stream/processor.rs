//! What stands between a source and its sinks, and what it may do to a row.
//!
//! The contract, by which the ledger stays closed whatever a processor does:
//!
//! * **One for one.** A processor gives back as many changes as it took, in the same places. What is to
//!   go no further is marked in [`Slice::left_out`](super::Slice::left_out), and stays where it is.
//! * **Heads are not touched.** Operation, place, row number, transaction, hash and size are those that
//!   were read: they name and count the row in every sink. [`ChunkOverlay`](super::ChunkOverlay) sees
//!   to it.
//! * **Refusing.** A row that it cannot do its work on is left out and named in
//!   [`Slice::refused`](super::Slice::refused) as it was before; each sink sets it aside before its
//!   position passes the row. A row that went no further at an earlier processor is not looked at.
//! * **The same again.** The same row gives the same result in every run, since a row that comes again
//!   after a crash has to be known for the same one.
//! * **Relations are kept.** Rows of one shape get the same [`Arc`] of a relation from batch to batch:
//!   encoders and sinks prepare their work by it.

use std::sync::Arc;

use async_trait::async_trait;

use super::batch::StreamBatch;
use crate::batch::Surroundings;
use crate::fault::Fault;

/// Makes processors of one kind from their configuration.
pub trait ProcessorConnector: Send + Sync {
    /// The manifest's word for it.
    fn kind(&self) -> &'static str;

    /// Makes the processor that is called `id`. May read files that its configuration names.
    ///
    /// # Errors
    /// `config` when the configuration cannot be used, with the place in it.
    fn build(
        &self,
        id: &str,
        config: serde_json::Value,
        around: &Surroundings,
    ) -> Result<Arc<dyn StreamProcessor>, Fault>;
}

/// A processor as it is configured.
pub trait StreamProcessor: Send + Sync {
    /// Its `id` in the manifest: the label `processor` of its metrics.
    fn id(&self) -> &str;

    /// Begins to work for a run of the stream.
    ///
    /// # Errors
    /// What stands in the way.
    fn open(&self) -> Result<Box<dyn Processing>, Fault>;
}

/// A processor at work.
#[async_trait]
pub trait Processing: Send {
    /// Does its work on a batch. May be dropped while it waits: the stream then ends, and the batch
    /// comes again in its next run.
    ///
    /// # Errors
    /// When it can do nothing at all, such as with a table that lacks the columns it is about. A single
    /// row that it cannot take is refused instead.
    async fn process(&mut self, batch: StreamBatch) -> Result<StreamBatch, Fault>;

    /// What people should know and no row is refused for, such as a table that it does not apply to.
    /// Each remark is given once.
    fn remarks(&mut self) -> Vec<String> {
        Vec::new()
    }
}
