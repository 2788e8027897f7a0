//! A sink in memory that keeps rows and position in one step, or rows alone, and breaks when told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use flowglass_connect::Fault;
use flowglass_connect::stream::{
    Acknowledged, Delivery, Guarantee, Op, Position, Precondition, SinkWriter, StreamSink, Takes,
};
use flowglass_model::{AssetRef, ErrorClass};
use flowglass_testkit::Dice;

/// What outlives the process.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// Commit and row of each change, in the order of arrival.
    pub(crate) rows: Vec<(u64, u64)>,
    /// How many rows came as operation `read`.
    pub(crate) read: usize,
    pub(crate) position: Option<Position>,
    pub(crate) batch_ends: Vec<Position>,
    pub(crate) largest: usize,
    away: bool,
    fenced: bool,
    /// How often it was opened.
    pub(crate) opened: u64,
    writers: u64,
}

/// A sink in memory.
#[derive(Debug, Clone)]
pub(crate) struct MemorySink {
    id: &'static str,
    guarantee: Guarantee,
    kept: Arc<Mutex<Kept>>,
    dice: Option<Arc<Mutex<Dice>>>,
}

impl MemorySink {
    pub(crate) fn new(id: &'static str, guarantee: Guarantee) -> Self {
        Self { id, guarantee, kept: Arc::default(), dice: None }
    }

    pub(crate) fn faulty(mut self, dice: Dice) -> Self {
        self.dice = Some(Arc::new(Mutex::new(dice)));
        self
    }

    pub(crate) fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap()
    }

    pub(crate) fn away(&self, away: bool) {
        self.kept().away = away;
    }

    /// Another writer has taken the place of every one of ours.
    pub(crate) fn fence_off(&self) {
        self.kept().fenced = true;
    }

    pub(crate) fn empty(&self) {
        *self.kept() = Kept::default();
    }

    fn breaks(&self, part: u64) -> Result<(), Fault> {
        let unlucky = self.dice.as_ref().is_some_and(|dice| dice.lock().unwrap().chance(part, 100));
        if unlucky || self.kept().away {
            return Err(Fault::new(ErrorClass::Unreachable, "the sink is away"));
        }
        Ok(())
    }

    fn pause(&self) -> Duration {
        let most = Duration::from_millis(20);
        self.dice
            .as_ref()
            .map_or(Duration::ZERO, |dice| dice.lock().unwrap().duration(Duration::ZERO..most))
    }
}

#[async_trait]
impl StreamSink for MemorySink {
    fn id(&self) -> &str {
        self.id
    }

    fn asset(&self) -> AssetRef {
        AssetRef::new("memory", self.id)
    }

    fn takes(&self) -> Takes {
        Takes::Rows
    }

    fn guarantee(&self) -> Guarantee {
        self.guarantee
    }

    fn in_flight_batches_max(&self) -> usize {
        2
    }

    async fn examine(&self) -> Result<Vec<Precondition>, Fault> {
        Ok(Vec::new())
    }

    async fn open(&self) -> Result<Box<dyn SinkWriter>, Fault> {
        self.breaks(20)?;
        let mut kept = self.kept();
        kept.writers += 1;
        kept.opened += 1;
        let fence = kept.writers;
        drop(kept);
        Ok(Box::new(Writer { sink: self.clone(), fence, taken: VecDeque::new() }))
    }
}

struct Writer {
    sink: MemorySink,
    fence: u64,
    taken: VecDeque<Delivery>,
}

#[async_trait]
impl SinkWriter for Writer {
    async fn committed(&mut self) -> Result<Option<Position>, Fault> {
        self.sink.breaks(5)?;
        let exact = self.sink.guarantee == Guarantee::ExactlyOnce;
        Ok(self.sink.kept().position.clone().filter(|_| exact))
    }

    async fn send(&mut self, delivery: Delivery) -> Result<(), Fault> {
        tokio::time::sleep(self.sink.pause()).await;
        self.sink.breaks(3)?;
        if self.sink.kept().fenced {
            return Err(Fault::new(ErrorClass::Conflict, "another writer has taken over"));
        }
        self.taken.push_back(delivery);
        Ok(())
    }

    async fn acknowledged(&mut self) -> Result<Acknowledged, Fault> {
        tokio::time::sleep(self.sink.pause()).await;
        let Some(delivery) = self.taken.front() else { return std::future::pending().await };
        self.sink.breaks(3)?;
        {
            let mut kept = self.sink.kept();
            assert_eq!(kept.writers, self.fence, "two writers at once");
            let changes = delivery.batch.changes().map(|(_, it)| it);
            let (read, logged): (Vec<_>, Vec<_>) = changes.partition(|it| it.op() == Op::Read);
            let rows: Vec<_> =
                logged.iter().map(|it| (it.transaction().commit, it.head().row)).collect();
            kept.read += read.len();
            kept.largest = kept.largest.max(rows.len());
            kept.rows.extend(rows);
            kept.position = Some(delivery.batch.position().clone());
            kept.batch_ends.push(delivery.batch.position().clone());
        }
        // The commit has happened; its acknowledgement may still be lost.
        let number = delivery.number;
        self.taken.pop_front();
        self.sink.breaks(3)?;
        Ok(Acknowledged { number, ..Acknowledged::default() })
    }
}
