//! An open sink whose work blocks: a thread of its own on the other side of two channels.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use async_trait::async_trait;
use flowglass_connect::Fault;
use flowglass_connect::stream::{Acknowledged, Delivery, Position, SinkWriter};
use flowglass_model::ErrorClass;
use tokio::sync::{mpsc, oneshot};

/// What a thread is given, and where it says what became of it.
pub(crate) struct Ends {
    /// Deliveries in order; closed when the engine is gone.
    pub(crate) orders: Receiver<Delivery>,
    /// Acknowledgements in order, and the fault that ends the writer.
    pub(crate) say: mpsc::Sender<Result<Acknowledged, Fault>>,
}

/// The engine's end. Dropping it ends the thread.
pub(crate) struct ThreadedSink {
    name: &'static str,
    orders: SyncSender<Delivery>,
    said: mpsc::Receiver<Result<Acknowledged, Fault>>,
    position: Option<Position>,
}

impl ThreadedSink {
    /// Starts a thread, which opens what it needs, says its position, and then works until the
    /// engine is gone. `in_flight_max` is the sink's own bound.
    ///
    /// # Errors
    /// What stands in the way of opening.
    pub(crate) async fn open<W: Send + 'static>(
        name: &'static str,
        in_flight_max: usize,
        open: impl FnOnce() -> Result<(W, Option<Position>), Fault> + Send + 'static,
        work: impl FnOnce(W, Ends) + Send + 'static,
    ) -> Result<Self, Fault> {
        let (orders, inbox) = sync_channel(in_flight_max);
        let (say, said) = mpsc::channel(in_flight_max + 1);
        let (ready, is_ready) = oneshot::channel();
        start_thread(name, move || match open() {
            Ok((opened, position)) => {
                if ready.send(Ok(position)).is_ok() {
                    work(opened, Ends { orders: inbox, say });
                }
            }
            // Nobody waits any more when this fails.
            Err(fault) => ready.send(Err(fault)).unwrap_or_default(),
        })?;
        let position = is_ready.await.unwrap_or_else(|_| Err(gone(name)))?;
        Ok(Self { name, orders, said, position })
    }
}

/// Runs something that blocks, once, and waits for its answer.
///
/// # Errors
/// Its own.
#[cfg(any(feature = "kafka", feature = "folder", feature = "sqlite"))]
pub(crate) async fn ask<T: Send + 'static>(
    name: &'static str,
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    let (tell, told) = oneshot::channel();
    // Nobody waits any more when telling fails.
    start_thread(name, move || tell.send(work()).map_or((), drop))?;
    told.await.unwrap_or_else(|_| Err(gone(name)))
}

#[async_trait]
impl SinkWriter for ThreadedSink {
    async fn committed(&mut self) -> Result<Option<Position>, Fault> {
        Ok(self.position.take())
    }

    async fn send(&mut self, delivery: Delivery) -> Result<(), Fault> {
        // There is room for as many as may be in flight, so that this never waits.
        match self.orders.try_send(delivery) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_)) => {
                let what = format!("the {} was given too many batches", self.name);
                Err(Fault::new(ErrorClass::Internal, what))
            }
            Err(TrySendError::Disconnected(_)) => loop {
                match self.said.recv().await {
                    Some(Err(fault)) => return Err(fault),
                    // Acknowledgements that nobody asked for: the next writer's position tells of
                    // them, or they come again.
                    Some(Ok(_)) => {}
                    None => return Err(gone(self.name)),
                }
            },
        }
    }

    async fn acknowledged(&mut self) -> Result<Acknowledged, Fault> {
        self.said.recv().await.unwrap_or_else(|| Err(gone(self.name)))
    }
}

fn gone(name: &str) -> Fault {
    Fault::new(ErrorClass::Internal, format!("the thread of the {name} ended without a word"))
}

/// Starts a thread that ends by itself.
///
/// # Errors
/// When the system has no room for it.
pub(crate) fn start_thread(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), Fault> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map(drop)
        .map_err(|error| Fault::io(format!("starting the thread of the {name}"), error))
}
