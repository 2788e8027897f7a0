//! An open sink whose work waits for a network: a task of its own on the other side of two channels.

use async_trait::async_trait;
use flowglass_connect::stream::{Acknowledged, Delivery, Position, SinkWriter};
use flowglass_connect::{Fault, Tasks};
use flowglass_model::ErrorClass;
use tokio::sync::mpsc;

/// What the task does with each delivery, in order.
#[async_trait]
pub(crate) trait Deliver: Send {
    /// Makes the delivery durable.
    ///
    /// # Errors
    /// What ends the writer.
    async fn deliver(&mut self, delivery: Delivery) -> Result<Acknowledged, Fault>;
}

/// The engine's end. Dropping it ends the task where it stands.
pub(crate) struct TaskedSink {
    name: &'static str,
    orders: mpsc::Sender<Delivery>,
    said: mpsc::Receiver<Result<Acknowledged, Fault>>,
    position: Option<Position>,
    _tasks: Tasks,
}

impl TaskedSink {
    /// Starts the task. `in_flight_max` is the sink's own bound, `position` what is kept with the
    /// rows.
    pub(crate) fn start(
        name: &'static str,
        in_flight_max: usize,
        position: Option<Position>,
        mut work: impl Deliver + 'static,
    ) -> Self {
        let (orders, mut inbox) = mpsc::channel::<Delivery>(in_flight_max);
        let (say, said) = mpsc::channel(in_flight_max + 1);
        let mut tasks = Tasks::new();
        tasks.spawn(name, async move {
            while let Some(delivery) = inbox.recv().await {
                let done = work.deliver(delivery).await;
                let failed = done.is_err();
                if say.send(done).await.is_err() || failed {
                    return;
                }
            }
        });
        Self { name, orders, said, position, _tasks: tasks }
    }

    fn gone(&self) -> Fault {
        let said = format!("the task of the {} ended without a word", self.name);
        Fault::new(ErrorClass::Internal, said)
    }
}

#[async_trait]
impl SinkWriter for TaskedSink {
    async fn committed(&mut self) -> Result<Option<Position>, Fault> {
        Ok(self.position.take())
    }

    async fn send(&mut self, delivery: Delivery) -> Result<(), Fault> {
        if self.orders.send(delivery).await.is_ok() {
            return Ok(());
        }
        loop {
            match self.said.recv().await {
                Some(Err(fault)) => return Err(fault),
                // Acknowledgements that nobody asked for: the next writer's position tells of them,
                // or they come again.
                Some(Ok(_)) => {}
                None => return Err(self.gone()),
            }
        }
    }

    async fn acknowledged(&mut self) -> Result<Acknowledged, Fault> {
        match self.said.recv().await {
            Some(said) => said,
            None => Err(self.gone()),
        }
    }
}
