//! Reads ahead of the writer, by a bounded number of batches, on a task of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flowglass_connect::{Batch, BatchReader, Fault, Tasks};
use tokio::sync::mpsc;

/// Batches that may wait between reader and writer.
const BATCHES_AHEAD_MAX: usize = 2;

/// A reader at work. Dropping it ends the reading.
pub(super) struct Pump {
    batches: mpsc::Receiver<Result<Batch, Fault>>,
    bytes: Arc<AtomicU64>,
    /// Owns the reading task; dropped with the pump.
    _tasks: Tasks,
}

impl Pump {
    pub(super) fn start(mut reader: Box<dyn BatchReader>) -> Self {
        let (send, batches) = mpsc::channel(BATCHES_AHEAD_MAX);
        let bytes = Arc::new(AtomicU64::new(0));
        let read = Arc::clone(&bytes);
        let mut tasks = Tasks::new();
        tasks.spawn("copy-reader", async move {
            loop {
                let next = reader.next().await.transpose();
                read.store(reader.bytes_read(), Ordering::Relaxed);
                let Some(next) = next else { return };
                let last = next.is_err();
                if send.send(next).await.is_err() || last {
                    return;
                }
            }
        });
        Self { batches, bytes, _tasks: tasks }
    }

    /// The next batch; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Batch>, Fault> {
        self.batches.recv().await.transpose()
    }

    /// Bytes read so far.
    pub(super) fn bytes_read(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}
