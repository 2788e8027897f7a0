//! A stream, its source and sinks, and what of them outlives a crash.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use flowglass_catalog::Registry;
use flowglass_connect::stream::{
    Cell, Chunk, ChunkBuilder, DeadLetterLimits, Guarantee, Head, Identity, NewChange, Op,
    Position, Precondition, Relation, StreamProcessor, StreamReader, StreamSource,
    StreamSourceConnector, StreamState, Transaction,
};
use flowglass_connect::{Clock, Fault, Surroundings};
use flowglass_engine::Stop;
use flowglass_engine::stream::{BatchLimits, CommitPolicy, SinkJob, Status, StreamJob, Until, run};
use flowglass_model::{AssetRef, ErrorClass};
use flowglass_testkit::{Dice, PausedClock};
use tokio::sync::watch;

use super::sinks::MemorySink;
use super::state::State;

/// The generator, with faults, and with what was confirmed to it.
struct Source {
    inner: Arc<dyn StreamSource>,
    /// The same rows, as fast as they can be read: what is in the log already is not waited for.
    beside: Arc<dyn StreamSource>,
    dice: Option<Mutex<Dice>>,
    confirmed: Arc<Mutex<Option<Position>>>,
    never_opens: bool,
    resynced: Arc<Mutex<Vec<String>>>,
    read_once: bool,
}

#[async_trait]
impl StreamSource for Source {
    fn id(&self) -> &str {
        "made-up"
    }

    fn asset(&self) -> AssetRef {
        self.inner.asset()
    }

    async fn examine(&self) -> Result<Vec<Precondition>, Fault> {
        self.inner.examine().await
    }

    async fn open(
        &self,
        from: Option<Position>,
        clock: Arc<dyn Clock>,
    ) -> Result<Box<dyn StreamReader>, Fault> {
        self.open_from(&self.inner, from, clock).await
    }

    async fn open_beside(
        &self,
        from: Position,
        clock: Arc<dyn Clock>,
    ) -> Result<Box<dyn StreamReader>, Fault> {
        if self.read_once {
            return Err(Fault::new(ErrorClass::Unsupported, "one reader at a time"));
        }
        self.open_from(&self.beside, Some(from), clock).await
    }
}

impl Source {
    async fn open_from(
        &self,
        inner: &Arc<dyn StreamSource>,
        from: Option<Position>,
        clock: Arc<dyn Clock>,
    ) -> Result<Box<dyn StreamReader>, Fault> {
        // What was confirmed is gone for good.
        let confirmed = self.confirmed.lock().unwrap().clone();
        if let Some(confirmed) = &confirmed {
            let reaches = from.as_ref().is_some_and(|from| from.reaches(confirmed));
            assert!(reaches, "asked for {from:?}, but {confirmed} was confirmed");
        }
        let dice = match &self.dice {
            Some(dice) => {
                let mut dice = dice.lock().unwrap();
                if dice.chance(10, 100) {
                    return Err(Fault::new(ErrorClass::Unreachable, "the source is away"));
                }
                Some(Dice::from_seed(dice.next_u64()))
            }
            None => None,
        };
        if self.never_opens {
            return std::future::pending().await;
        }
        let inner = inner.open(from, clock).await?;
        let (confirmed, resynced) = (Arc::clone(&self.confirmed), Arc::clone(&self.resynced));
        Ok(Box::new(Reader { inner, last: None, again: false, dice, confirmed, resynced }))
    }
}

struct Reader {
    inner: Box<dyn StreamReader>,
    /// The table and the place behind the last row that was read.
    last: Option<(Arc<Relation>, Position)>,
    /// A table that is to be read again.
    again: bool,
    dice: Option<Dice>,
    confirmed: Arc<Mutex<Option<Position>>>,
    resynced: Arc<Mutex<Vec<String>>>,
}

#[async_trait]
impl StreamReader for Reader {
    async fn next(&mut self) -> Result<Option<Chunk>, Fault> {
        if self.again
            && let Some((relation, place)) = &self.last
            && place.is_between_transactions()
        {
            self.again = false;
            return Ok(Some(row_again(relation, place.commit + 1)));
        }
        let chunk = self.inner.next().await?;
        if let Some(chunk) = &chunk {
            let relation = chunk.changes(0, chunk.len()).last().map(|it| Arc::clone(it.relation()));
            let place = chunk.marks().last().map(|it| it.position.clone());
            self.last = relation.zip(place);
        }
        if self.dice.as_mut().is_some_and(|dice| dice.chance(10, 100)) {
            return Err(Fault::new(ErrorClass::Unreachable, "the source went away"));
        }
        Ok(chunk)
    }

    fn confirm(&mut self, position: &Position) {
        let mut confirmed = self.confirmed.lock().unwrap();
        if *position != Position::ORIGIN {
            assert!(confirmed.as_ref().is_none_or(|it| position.reaches(it)), "went back");
            *confirmed = Some(position.clone());
        }
    }

    async fn resync(&mut self, table: &str) -> Result<(), Fault> {
        if !table.starts_with("public.orders") {
            return Err(Fault::new(ErrorClass::NotFound, format!("no table {table}")));
        }
        self.resynced.lock().unwrap().push(table.to_owned());
        self.again = true;
        Ok(())
    }

    fn head(&self) -> Head {
        self.inner.head()
    }
}

/// One row of a table as it is now, told before the transaction committed at `commit`.
fn row_again(relation: &Arc<Relation>, commit: u64) -> Chunk {
    let mut chunk = ChunkBuilder::new(Duration::ZERO, 0);
    let (index, transaction) = (
        chunk.relation(relation),
        chunk.transaction(Transaction { id: 0, commit, committed_at_micros: 0 }),
    );
    let after = Some(chunk.cell_start());
    relation.columns.iter().for_each(|_| chunk.push_cell(Cell::NULL));
    let change = NewChange {
        op: Op::Read,
        identity: Identity::None,
        relation: index,
        transaction,
        before: None,
        after,
        row: 0,
        place: commit,
    };
    chunk.push_change(change, b"again");
    chunk.mark(Position::inside(commit, 0));
    chunk.finish()
}

/// Everything that outlives a crash, and how to run the stream on it.
pub(crate) struct World {
    seed: u64,
    rows: u64,
    rate: u64,
    transaction_rows: u64,
    limits: BatchLimits,
    until: Until,
    faulty: bool,
    never_opens: bool,
    read_once: bool,
    optional: Vec<&'static str>,
    processors: Vec<Arc<dyn StreamProcessor>>,
    sinks: Vec<(&'static str, MemorySink)>,
    state: Arc<State>,
    confirmed: Arc<Mutex<Option<Position>>>,
    resynced: Arc<Mutex<Vec<String>>>,
    status: watch::Sender<Status>,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let exact = MemorySink::new("exact", Guarantee::ExactlyOnce);
        let least = MemorySink::new("least", Guarantee::AtLeastOnce);
        Self {
            seed,
            rows: 1_000,
            rate: 0,
            transaction_rows: 10,
            limits: BatchLimits { events_max: 500, ..BatchLimits::default() },
            until: Until::CaughtUp,
            faulty: false,
            never_opens: false,
            read_once: false,
            optional: Vec::new(),
            processors: Vec::new(),
            sinks: vec![("exact", exact), ("least", least)],
            state: Arc::default(),
            confirmed: Arc::default(),
            resynced: Arc::default(),
            status: watch::channel(Status::default()).0,
        }
    }

    pub(crate) fn rows(mut self, rows: u64) -> Self {
        self.rows = rows;
        self
    }

    pub(crate) fn processor(mut self, processor: Arc<dyn StreamProcessor>) -> Self {
        self.processors.push(processor);
        self
    }

    pub(crate) fn rate(mut self, rate: u64) -> Self {
        self.rate = rate;
        self
    }

    pub(crate) fn transaction_rows(mut self, rows: u64) -> Self {
        self.transaction_rows = rows;
        self
    }

    pub(crate) fn limits(mut self, limits: BatchLimits) -> Self {
        self.limits = limits;
        self
    }

    pub(crate) fn until(mut self, until: Until) -> Self {
        self.until = until;
        self
    }

    pub(crate) fn only(mut self, guarantee: Guarantee) -> Self {
        let id = if guarantee == Guarantee::ExactlyOnce { "exact" } else { "least" };
        self.sinks.retain(|(name, _)| *name == id);
        self
    }

    pub(crate) fn faulty(mut self) -> Self {
        self.faulty = true;
        let seed = self.seed;
        for (number, (_, sink)) in (1_u64..).zip(&mut self.sinks) {
            *sink = sink.clone().faulty(Dice::from_seed(seed ^ (number << 32)));
        }
        self
    }

    /// What the stream keeps, as another process reaches it.
    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    pub(crate) fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// Tables that the source was asked to read again.
    pub(crate) fn resynced(&self) -> Vec<String> {
        self.resynced.lock().unwrap().clone()
    }

    /// The source is there and never opens.
    pub(crate) fn never_opens(mut self) -> Self {
        self.never_opens = true;
        self
    }

    /// The source takes one reader at a time.
    pub(crate) fn read_once(mut self) -> Self {
        self.read_once = true;
        self
    }

    /// The stream does not wait for this sink.
    pub(crate) fn optional(mut self, id: &'static str) -> Self {
        self.optional.push(id);
        self
    }

    pub(crate) fn sink(&self, id: &str) -> &MemorySink {
        &self.sinks.iter().find(|(name, _)| *name == id).unwrap().1
    }

    pub(crate) async fn run(&self, stop: &Stop) -> Result<(), Fault> {
        run(&self.job(), stop, self.status.clone()).await
    }

    /// Runs until every row is delivered; no run is broken off.
    pub(crate) async fn run_to_end(&self) -> Result<(), Fault> {
        let job = StreamJob { until: Until::CaughtUp, ..self.job() };
        run(&job, &Stop::new(), self.status.clone()).await
    }

    /// Runs again and again, dying at a random instant each time, until a run comes to its end.
    pub(crate) async fn crash_and_go_on(&self) {
        let mut dice = Dice::from_seed(self.seed.wrapping_mul(31) + 7);
        for _ in 0..30 {
            let life = dice.duration(Duration::from_millis(1)..Duration::from_secs(2));
            let ended = tokio::time::timeout(life, self.run_to_end()).await;
            if let Ok(ended) = ended {
                ended.unwrap();
                return;
            }
        }
        self.run_to_end().await.unwrap();
    }

    pub(crate) fn confirmed(&self) -> Option<Position> {
        self.confirmed.lock().unwrap().clone()
    }

    pub(crate) fn position(&self, sink: &str) -> Option<Position> {
        self.sink(sink).kept().position.clone()
    }

    pub(crate) fn delivered(&self, sink: &str) -> usize {
        self.sink(sink).kept().rows.len()
    }

    pub(crate) fn largest_batch(&self, sink: &str) -> usize {
        self.sink(sink).kept().largest
    }

    pub(crate) fn batch_ends(&self, sink: &str) -> Vec<Position> {
        self.sink(sink).kept().batch_ends.clone()
    }

    pub(crate) fn letters(&self) -> Vec<flowglass_connect::stream::DeadLetter> {
        self.state.letters()
    }

    /// The ledger of the run that ended last.
    pub(crate) fn ledger(&self) -> Vec<flowglass_model::LedgerEntry> {
        self.status.borrow().ledger.clone()
    }

    /// What processors wanted people to know.
    pub(crate) fn remarks(&self) -> Vec<String> {
        self.status.borrow().remarks.clone()
    }

    pub(crate) fn read_so_far(&self) -> u64 {
        self.status.borrow().read
    }

    /// Commit and row of every change that the source gives.
    pub(crate) fn expected(&self) -> Vec<(u64, u64)> {
        let place = |row| (row / self.transaction_rows + 1, row % self.transaction_rows);
        (0..self.rows).map(place).collect()
    }

    /// Every row once and in order.
    pub(crate) fn assert_whole(&self, sink: &str) {
        let kept = self.sink(sink).kept();
        let expected = self.expected();
        let off = kept.rows.iter().zip(&expected).position(|(there, wanted)| there != wanted);
        assert_eq!(off, None, "seed {}: row {off:?} is not the next one", self.seed);
        assert_eq!(kept.rows.len(), expected.len(), "seed {}", self.seed);
        for entry in &self.status.borrow().ledger {
            assert!(entry.is_closed(), "seed {}: {entry:?}", self.seed);
            assert_eq!(entry.in_flight, 0, "seed {}: {entry:?}", self.seed);
        }
    }

    /// Every row at least once, and no row before all that come before it have been there.
    pub(crate) fn assert_no_gap(&self, sink: &str) {
        let kept = self.sink(sink).kept();
        let mut seen = BTreeSet::new();
        let mut next = self.expected().into_iter().peekable();
        for row in &kept.rows {
            if next.peek() == Some(row) {
                next.next();
            } else {
                assert!(seen.contains(row), "seed {}: {row:?} came before its turn", self.seed);
            }
            seen.insert(*row);
        }
        assert_eq!(next.next(), None, "seed {}: rows are missing", self.seed);
    }

    fn job(&self) -> StreamJob {
        let clock: Arc<dyn Clock> = Arc::new(PausedClock::new());
        let around = Surroundings {
            base_dir: ".".into(),
            scratch_dir: ".".into(),
            clock: Arc::clone(&clock),
        };
        let at_rate = |rate: u64| {
            let config = serde_json::json!({
                "rows": self.rows, "rate": rate, "transaction_rows": self.transaction_rows,
                "seed": self.seed, "payload_bytes": 20,
            });
            flowglass_sources::generator::Connector.build(config, &around).unwrap()
        };
        let dice = self.faulty.then(|| Mutex::new(Dice::from_seed(self.seed ^ 0xdead)));
        let source = Source {
            inner: at_rate(self.rate),
            beside: at_rate(0),
            dice,
            confirmed: Arc::clone(&self.confirmed),
            never_opens: self.never_opens,
            resynced: Arc::clone(&self.resynced),
            read_once: self.read_once,
        };
        let sinks = self.sinks.iter().map(|(id, sink)| SinkJob {
            sink: Arc::new(sink.clone()),
            required: !self.optional.contains(id),
        });
        StreamJob {
            name: "orders".to_owned(),
            source: Arc::new(source),
            processors: self.processors.clone(),
            sinks: sinks.collect(),
            limits: self.limits,
            queue_batches_max: 2,
            policy: CommitPolicy::Required,
            dead_letters: DeadLetterLimits {
                entries_max: 100,
                age_max: Duration::from_secs(3600),
                row_bytes_max: 1024,
                overflow: flowglass_connect::stream::Overflow::DropOldest,
            },
            until: self.until.clone(),
            grace: Duration::from_secs(30),
            stalled_after: Duration::from_secs(60),
            state: Arc::clone(&self.state) as Arc<dyn StreamState>,
            meters: Registry::default().pipeline("default", "orders"),
            clock,
        }
    }
}
