//! The open stream as its owner sees it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use flowglass_clients::postgres::TableName;
use flowglass_connect::stream::{Chunk, Head, Position, StreamReader};
use flowglass_connect::{Fault, Tasks};
use flowglass_model::ErrorClass;
use tokio::sync::mpsc;

use super::follow::Handed;
use super::shared::Shared;
use super::tend::unknown;

/// How long closing may take; the server learns what was confirmed at the next opening else.
const CLOSED_WITHIN: Duration = Duration::from_secs(3);

/// A stream of changes. Dropping it ends its tasks, closes the connections and confirms nothing.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) chunks: mpsc::Receiver<Handed>,
    pub(super) shared: Arc<Shared>,
    /// Where tables that are to be read again are asked for.
    pub(super) request: mpsc::Sender<String>,
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
            None if self.shared.is_finished() => Ok(None),
            None => Err(Fault::new(ErrorClass::Internal, "the stream of changes has ended")),
        }
    }

    fn confirm(&mut self, position: &Position) {
        self.shared.confirm(position);
    }

    async fn resync(&mut self, table: &str) -> Result<(), Fault> {
        let name = TableName::parse(table)?;
        if !self.shared.carries(&name) {
            return Err(unknown(&name));
        }
        self.request.try_send(name.sql()).map_err(|_| {
            Fault::new(ErrorClass::Throttled, "too many tables wait to be read again")
        })?;
        self.shared.moved.notify_one();
        Ok(())
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

/// A stream that has nothing more to give.
#[derive(Debug)]
pub(super) struct Finished;

#[async_trait]
impl StreamReader for Finished {
    async fn next(&mut self) -> Result<Option<Chunk>, Fault> {
        Ok(None)
    }

    fn confirm(&mut self, _position: &Position) {
        // There is no slot that could forget anything.
    }

    fn head(&self) -> Head {
        Head::default()
    }
}
