//! For connectors whose work blocks (files, SQLite, parsing): a thread of their own on the other
//! side of a bounded channel, so that the async engine never waits inside a system call.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use flowglass_model::ErrorClass;
use tokio::sync::{mpsc, oneshot};

use crate::batch::{Batch, BatchReader, BatchWriter, CursorState, Outcome, RawEncoding};
use crate::fault::Fault;

/// Batches that may wait between the thread and the engine.
const BATCHES_IN_FLIGHT_MAX: usize = 2;

/// The blocking half of a reader. Runs on its own thread.
pub trait BlockingRead: Send + 'static {
    /// The next batch, never empty; `None` at the end.
    fn next(&mut self) -> Result<Option<Batch>, Fault>;
}

/// An async reader over a [`BlockingRead`] on a thread of its own.
#[derive(Debug)]
pub struct ThreadedReader {
    schema: SchemaRef,
    raw: Option<RawEncoding>,
    rows_expected: Option<u64>,
    bytes: Arc<AtomicU64>,
    batches: mpsc::Receiver<Result<Batch, Fault>>,
}

impl ThreadedReader {
    /// Starts the thread. `bytes` is advanced by the reader as it reads.
    ///
    /// # Errors
    /// `internal` when the system gives no thread.
    pub fn start(
        name: &str,
        schema: SchemaRef,
        bytes: Arc<AtomicU64>,
        mut work: impl BlockingRead,
    ) -> Result<Self, Fault> {
        let (send, batches) = mpsc::channel(BATCHES_IN_FLIGHT_MAX);
        let run = move || {
            loop {
                let (said, last) = match work.next() {
                    Ok(Some(batch)) => (Ok(batch), false),
                    Ok(None) => break,
                    Err(fault) => (Err(fault), true),
                };
                if send.blocking_send(said).is_err() || last {
                    break;
                }
            }
        };
        spawn_thread(name, run)?;
        Ok(Self { schema, raw: None, rows_expected: None, bytes, batches })
    }

    /// Says how many rows there will be.
    #[must_use]
    pub fn expecting(mut self, rows: Option<u64>) -> Self {
        self.rows_expected = rows;
        self
    }
}

#[async_trait]
impl BatchReader for ThreadedReader {
    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }

    fn raw(&self) -> Option<RawEncoding> {
        self.raw
    }

    fn rows_expected(&self) -> Option<u64> {
        self.rows_expected
    }

    fn bytes_read(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    async fn next(&mut self) -> Result<Option<Batch>, Fault> {
        self.batches.recv().await.transpose()
    }
}

/// The blocking half of a writer. Runs on its own thread; dropping it must leave the target as
/// it was.
pub trait BlockingWrite: Send + 'static {
    /// Takes a batch.
    fn write(&mut self, batch: Batch) -> Result<(), Fault>;

    /// Makes all visible in one step.
    fn commit(self: Box<Self>, cursor: Option<CursorState>) -> Result<Outcome, Fault>;
}

enum Order {
    Write(Batch),
    Commit(Option<CursorState>, oneshot::Sender<Result<Outcome, Fault>>),
    Abort(oneshot::Sender<()>),
}

/// An async writer over a [`BlockingWrite`] on a thread of its own. A fault of the thread is told
/// by the next call.
#[derive(Debug)]
pub struct ThreadedWriter {
    orders: mpsc::Sender<Order>,
    fault: mpsc::Receiver<Fault>,
}

impl ThreadedWriter {
    /// Starts the thread, which first makes the writer: opening a file or a database blocks too.
    ///
    /// # Errors
    /// What `make` answers, or `internal` when the system gives no thread.
    pub async fn start<W: BlockingWrite>(
        name: &str,
        make: impl FnOnce() -> Result<W, Fault> + Send + 'static,
    ) -> Result<Self, Fault> {
        let (orders, inbox) = mpsc::channel(BATCHES_IN_FLIGHT_MAX);
        let (tell, fault) = mpsc::channel(1);
        let (ready, is_ready) = oneshot::channel();
        spawn_thread(name, move || match make() {
            Err(fault) => drop(ready.send(Err(fault))),
            Ok(writer) => {
                if ready.send(Ok(())).is_ok() {
                    serve(Box::new(writer), inbox, &tell);
                }
            }
        })?;
        is_ready.await.map_err(|_gone| thread_gone())??;
        Ok(Self { orders, fault })
    }

    async fn gone(&mut self) -> Fault {
        self.fault.recv().await.unwrap_or_else(thread_gone)
    }
}

fn serve<W: BlockingWrite>(
    mut writer: Box<W>,
    mut inbox: mpsc::Receiver<Order>,
    tell: &mpsc::Sender<Fault>,
) {
    while let Some(order) = inbox.blocking_recv() {
        match order {
            Order::Write(batch) => {
                if let Err(fault) = writer.write(batch) {
                    drop(writer);
                    drop(tell.try_send(fault));
                    return;
                }
            }
            Order::Commit(cursor, reply) => return drop(reply.send(writer.commit(cursor))),
            Order::Abort(reply) => {
                drop(writer);
                // Nobody waits any more when this fails.
                reply.send(()).unwrap_or_default();
                return;
            }
        }
    }
}

#[async_trait]
impl BatchWriter for ThreadedWriter {
    async fn write(&mut self, batch: Batch) -> Result<(), Fault> {
        match self.orders.send(Order::Write(batch)).await {
            Ok(()) => Ok(()),
            Err(_closed) => Err(self.gone().await),
        }
    }

    async fn commit(mut self: Box<Self>, cursor: Option<CursorState>) -> Result<Outcome, Fault> {
        let (reply, answer) = oneshot::channel();
        if self.orders.send(Order::Commit(cursor, reply)).await.is_err() {
            return Err(self.gone().await);
        }
        match answer.await {
            Ok(outcome) => outcome,
            Err(_gone) => Err(self.gone().await),
        }
    }

    async fn abort(self: Box<Self>) -> Result<(), Fault> {
        let (reply, answer) = oneshot::channel();
        if self.orders.send(Order::Abort(reply)).await.is_ok() {
            drop(answer.await);
        }
        Ok(())
    }
}

fn spawn_thread(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), Fault> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map(drop)
        .map_err(|error| Fault::io(format!("starting the thread `{name}`"), error))
}

fn thread_gone() -> Fault {
    Fault::new(ErrorClass::Internal, "the connector's thread ended without an answer")
}
