//! The way in: hands events to the writer's thread and, where asked, waits until they are stored.

use std::sync::mpsc::Sender;
use std::sync::{Arc, PoisonError};

use async_trait::async_trait;
use flowglass_connect::{EventLog, Fault};
use flowglass_model::Event;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::error::StoreError;
use crate::writer::{Answer, Append, Order, Trouble};

/// Events that may wait for the writer. About 10 MiB when they are as large as ours usually are.
pub(crate) const INBOX_EVENTS_MAX: u32 = 8192;

/// Appends events to the log. Clones share one memory of failures; another
/// [`appender`](crate::Store::appender) has its own.
///
/// Events must come in the order of their `seq`, each run's from one caller at a time: the log is
/// filled in the order in which the calls were made. An event that is delivered again is ignored
/// when it is the same to the byte.
#[derive(Debug, Clone)]
pub struct Appender {
    pub(crate) orders: Sender<Order>,
    pub(crate) room: Arc<Semaphore>,
    pub(crate) trouble: Trouble,
}

impl Appender {
    /// Stores the events, all or none, and answers once they have survived what the store's
    /// [`Durability`](crate::Durability) says.
    ///
    /// Waits for room when the writer is behind. When the future is dropped before its answer, the
    /// events may be stored or not.
    ///
    /// # Errors
    /// Events that do not continue their run ([`StoreError::Gap`], [`StoreError::Rewritten`],
    /// [`StoreError::Illegal`]) and whatever keeps the transaction from being committed.
    pub async fn append(&self, events: impl Into<Arc<[Event]>>) -> Result<(), StoreError> {
        let events = events.into();
        if events.is_empty() {
            return Ok(());
        }
        let room = self.room_for(events.len()).await?;
        let (tell, told) = oneshot::channel();
        self.send(Append { events, answer: Answer::Now(tell), room: Some(room) })?;
        told.await.map_err(|_gone| StoreError::Closed)?
    }

    /// Hands the events over and goes on; waits only when the writer is far behind.
    ///
    /// # Errors
    /// The first failure of an earlier `enqueue` of this appender, again and again until
    /// [`Self::flush`] took it: after a failure the run has a gap and must not go on unnoticed.
    pub async fn enqueue(&self, events: impl Into<Arc<[Event]>>) -> Result<(), StoreError> {
        if let Some(error) = self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            return Err(error);
        }
        let events = events.into();
        if events.is_empty() {
            return Ok(());
        }
        let room = self.room_for(events.len()).await?;
        let answer = Answer::Later(Trouble::clone(&self.trouble));
        self.send(Append { events, answer, room: Some(room) })
    }

    /// Waits until all that was enqueued before is stored.
    ///
    /// # Errors
    /// The first failure since the last flush, which is forgotten by this.
    pub async fn flush(&self) -> Result<(), StoreError> {
        let (tell, told) = oneshot::channel();
        let answer = Answer::Now(tell);
        self.send(Append { events: Arc::new([]), answer, room: None })?;
        told.await.map_err(|_gone| StoreError::Closed)??;
        match self.trouble.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    async fn room_for(&self, events: usize) -> Result<OwnedSemaphorePermit, StoreError> {
        // An append larger than the inbox waits until the inbox is empty and then goes alone.
        let wanted = u32::try_from(events).unwrap_or(INBOX_EVENTS_MAX).min(INBOX_EVENTS_MAX);
        let room = Arc::clone(&self.room).acquire_many_owned(wanted).await;
        room.map_err(|_closed| StoreError::Closed)
    }

    fn send(&self, append: Append) -> Result<(), StoreError> {
        self.orders.send(Order::Append(append)).map_err(|_gone| StoreError::Closed)
    }
}

#[async_trait]
impl EventLog for Appender {
    async fn append(&self, events: Vec<Event>) -> Result<(), Fault> {
        Ok(Self::append(self, events).await?)
    }
}
