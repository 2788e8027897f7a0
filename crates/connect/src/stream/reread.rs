//! What a sink has to do so that what it holds can be read again and held against its receipts.
//!
//! Reading again is done by whoever doubts, not by the stream: it opens a connection of its own,
//! changes nothing and takes nobody's place. It may run beside the stream; what has come in since the
//! receipts were read is told apart by its idempotency key.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::mpsc;

use super::position::Position;
use super::receipt::MessageId;
use crate::fault::Fault;
use crate::tasks::Tasks;

/// Pages that wait for whoever reads.
const PAGES_MAX: usize = 4;

/// Messages of a page.
pub const PAGE_MESSAGES_MAX: usize = 4_096;

/// What can be read again of a sink.
#[derive(Clone)]
pub enum Reread {
    /// Nothing; why, as a fragment.
    Nothing(&'static str),
    /// Messages.
    Messages(Keeps, Arc<dyn HeldMessages>),
    /// Tables, of which each row is there once, as it is now.
    Tables(Arc<dyn HeldTables>),
}

impl std::fmt::Debug for Reread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nothing(why) => f.debug_tuple("Nothing").field(why).finish(),
            Self::Messages(keeps, _) => f.debug_tuple("Messages").field(keeps).finish(),
            Self::Tables(_) => f.debug_tuple("Tables").finish(),
        }
    }
}

/// What a sink keeps of a message, and so what its hash is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeps {
    /// Idempotency key, key and body: [`super::message_hash`].
    Whole,
    /// The body alone: [`super::body_hash`]. Which message it is cannot be told, so that parts of a
    /// destination cannot be looked at by themselves.
    Bodies,
    /// The sink's own form, with the idempotency key. The sink makes its receipts itself, in
    /// [`super::Acknowledged::receipt`].
    Own,
}

/// A message that a sink holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldMessage {
    /// Its idempotency key; none where it is not kept, or is none of ours.
    pub id: Option<MessageId>,
    /// Its hash, as [`Keeps`] says.
    pub hash: u64,
}

/// The messages of a destination, page by page. Dropping it ends the reading.
#[derive(Debug)]
pub struct HeldPages {
    pages: mpsc::Receiver<Result<Vec<HeldMessage>, Fault>>,
    _tasks: Tasks,
}

/// The end of [`HeldPages`] that is filled.
pub type PageSender = mpsc::Sender<Result<Vec<HeldMessage>, Fault>>;

impl HeldPages {
    /// Both ends. `tasks` owns what fills them, where that is a task.
    #[must_use]
    pub fn new(fill: impl FnOnce(PageSender) -> Tasks) -> Self {
        let (send, pages) = mpsc::channel(PAGES_MAX);
        Self { pages, _tasks: fill(send) }
    }

    /// The next page; none at the end.
    ///
    /// # Errors
    /// What kept the rest from being read.
    pub async fn next(&mut self) -> Result<Option<Vec<HeldMessage>>, Fault> {
        self.pages.recv().await.transpose()
    }
}

/// A sink whose messages can be read again.
#[async_trait]
pub trait HeldMessages: Send + Sync {
    /// Begins to read everything that a destination holds now. Of a destination that is not there, no
    /// page.
    ///
    /// # Errors
    /// What keeps it from being read.
    async fn read(&self, destination: &str) -> Result<HeldPages, Fault>;

    /// Why the oldest messages may be gone by rule; none when whatever was delivered must be there.
    ///
    /// # Errors
    /// What keeps it from being asked.
    async fn forgets(&self, destination: &str) -> Result<Option<String>, Fault>;
}

/// A sink whose tables can be counted.
#[async_trait]
pub trait HeldTables: Send + Sync {
    /// The position that is kept with the rows; the tables are counted as of then.
    ///
    /// # Errors
    /// What keeps it from being asked.
    async fn position(&self) -> Result<Option<Position>, Fault>;

    /// How many rows the table has that is kept of `table` in `schema`; none when it is not there.
    ///
    /// # Errors
    /// What keeps it from being asked.
    async fn rows(&self, schema: &str, table: &str) -> Result<Option<u64>, Fault>;

    /// Why the number of rows is not what the changes say, where the sink is told to treat some of
    /// them otherwise.
    fn differs_by_rule(&self) -> Option<&'static str>;
}
