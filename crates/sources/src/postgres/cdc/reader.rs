//! The open stream as its owner sees it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use flowglass_connect::stream::{Chunk, Head, Position, StreamReader};
use flowglass_connect::{Fault, Tasks};
use flowglass_model::ErrorClass;
use tokio::sync::mpsc;

use super::follow::Handed;
use super::shared::Shared;

/// How long closing may take; the server learns what was confirmed at the next opening else.
const CLOSED_WITHIN: Duration = Duration::from_secs(3);

/// A stream of changes. Dropping it ends its tasks, closes the connections and confirms nothing.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) chunks: mpsc::Receiver<Handed>,
    pub(super) shared: Arc<Shared>,
    pub(super) _tasks: Tasks,
}

#[async_trait]
impl StreamReader for Reader {
    async fn next(&mut self) -> Result<Option<Chunk>, Fault> {
        match self.chunks.recv().await {
            Some((chunk, room)) => {
                drop(room);
                chunk.map(Some)
            }
            None => Err(Fault::new(ErrorClass::Internal, "the stream of changes has ended")),
        }
    }

    fn confirm(&mut self, position: &Position) {
        self.shared.confirm(position);
    }

    async fn close(&mut self) {
        self.shared.close();
        // What waits to be taken would keep the task from hearing it.
        self.chunks.close();
        while self.chunks.recv().await.is_some() {}
        drop(tokio::time::timeout(CLOSED_WITHIN, self.shared.ended.notified()).await);
    }

    fn head(&self) -> Head {
        self.shared.head()
    }
}
