//! The sink: starts the thread of a writer, one at a time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use flowglass_connect::stream::{
    Guarantee, Keeps, Precondition, Reread, SinkWriter, StreamSink, Takes,
};
use flowglass_connect::{Clock, Fault};
use flowglass_model::AssetRef;
use tokio::sync::oneshot;

use super::config::Settings;
use super::examine;
use super::reread::HeldTopics;
use super::suspects::Suspects;
use super::worker::{BATCHES_IN_FLIGHT_MAX, Worker};
use crate::messages::{Ends, ThreadedSink, ask};

/// How long the thread of the writer before is waited for: it may hold records that would come
/// after newer ones.
const LAST_ONE_ENDS_WITHIN: Duration = Duration::from_secs(10);

/// Deadlines by the engine's clock.
#[derive(Debug, Clone)]
pub(super) struct Timer {
    clock: Arc<dyn Clock>,
}

impl Timer {
    /// The moment so long from now.
    pub(super) fn after(&self, wait: Duration) -> Duration {
        self.clock.monotonic() + wait
    }

    /// Whether that moment is past.
    pub(super) fn is_past(&self, moment: Duration) -> bool {
        self.clock.monotonic() >= moment
    }
}

/// A Kafka sink.
#[derive(Debug)]
pub(super) struct Sink {
    settings: Arc<Settings>,
    suspects: Arc<Suspects>,
    timer: Timer,
    /// Closes when the thread of the last writer has ended.
    last: Mutex<Option<oneshot::Receiver<()>>>,
}

impl Sink {
    pub(super) fn new(settings: Settings, clock: Arc<dyn Clock>) -> Self {
        Self {
            settings: Arc::new(settings),
            suspects: Arc::default(),
            timer: Timer { clock },
            last: Mutex::default(),
        }
    }
}

#[async_trait]
impl StreamSink for Sink {
    fn id(&self) -> &str {
        &self.settings.config.id
    }

    fn asset(&self) -> AssetRef {
        let first = self.settings.config.brokers.split(',').next().unwrap_or_default();
        AssetRef::new(format!("kafka://{}", first.trim()), &*self.settings.config.topic)
    }

    fn takes(&self) -> Takes {
        Takes::Messages(self.settings.config.form.clone())
    }

    fn guarantee(&self) -> Guarantee {
        if self.settings.config.exactly_once {
            Guarantee::ExactlyOnce
        } else {
            Guarantee::AtLeastOnce
        }
    }

    fn in_flight_batches_max(&self) -> usize {
        BATCHES_IN_FLIGHT_MAX
    }

    fn reread(&self) -> Reread {
        let (settings, timer) = (Arc::clone(&self.settings), self.timer.clone());
        Reread::Messages(Keeps::Whole, Arc::new(HeldTopics { settings, timer }))
    }

    async fn examine(&self) -> Result<Vec<Precondition>, Fault> {
        let (settings, timer) = (Arc::clone(&self.settings), self.timer.clone());
        ask("kafka sink", move || examine::examine(&settings, timer)).await
    }

    async fn open(&self) -> Result<Box<dyn SinkWriter>, Fault> {
        let (end, ended) = oneshot::channel::<()>();
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).replace(ended);
        if let Some(last) = last {
            // Either way it is over: the sender is never used, only dropped.
            drop(tokio::time::timeout(LAST_ONE_ENDS_WITHIN, last).await);
        }
        let (settings, suspects) = (Arc::clone(&self.settings), Arc::clone(&self.suspects));
        let timer = self.timer.clone();
        let open = move || {
            let (worker, position) = Worker::open(settings, suspects, timer)?;
            Ok(((worker, end), position))
        };
        let work = |(worker, end): (Worker, _), Ends { orders, say }: Ends| {
            worker.run(&orders, &say);
            drop(end);
        };
        let writer = ThreadedSink::open("kafka sink", BATCHES_IN_FLIGHT_MAX, open, work).await?;
        Ok(Box::new(writer))
    }
}
