//! The source: what it is, what has to be right, and how it is opened.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use async_trait::async_trait;
use flowglass_connect::stream::{Position, Precondition, StreamReader, StreamSource};
use flowglass_connect::{Clock, Fault, Tasks};
use flowglass_model::{AssetRef, ErrorClass};
use tokio::sync::{Semaphore, mpsc};

use super::config::{Plan, SnapshotMode};
use super::examine::examine;
use super::follow::{Around, Begin, Follower, Outlet};
use super::link::{Located, Server};
use super::publication::{Table, ensure, meant_tables};
use super::reader::{Finished, Reader};
use super::shared::Shared;
use super::side::Side;
use super::snapshot::{Initial, Place, Progress};
use super::tend::{Wanted, everything};
use super::watch::Watch;

/// What may wait to be taken, in chunks and in KiB.
const WAITING_CHUNKS_MAX: usize = 64;
const WAITING_KIB_MAX: u32 = 8 << 10;

/// Tables that may wait to be read again.
const REQUESTS_MAX: usize = 64;

/// A process that was killed a moment ago may still hold the slot for as long as its server needs to
/// notice.
const RELEASED_WITHIN: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The tables of a Postgres database, as a stream of changes.
#[derive(Debug)]
pub(super) struct Source {
    plan: Arc<Plan>,
    clock: Arc<dyn Clock>,
    /// It was opened before: what is to be read at every start has been begun.
    opened: AtomicBool,
}

/// What is opened: which plan, and from where.
struct Opening {
    plan: Arc<Plan>,
    from: Option<Position>,
    clock: Arc<dyn Clock>,
    side: Arc<Side>,
    tables: Vec<Table>,
}

impl Source {
    pub(super) fn new(plan: Plan, clock: Arc<dyn Clock>) -> Self {
        Self { plan: Arc::new(plan), clock, opened: AtomicBool::new(false) }
    }

    /// Whether everything has to be read beside the log, though there is a position.
    fn reads_again(&self, opening: &Opening) -> bool {
        let mode = opening.plan.snapshot.mode;
        mode == SnapshotMode::Always && !opening.plan.beside && !self.opened.load(Relaxed)
    }

    /// Begins to read.
    async fn start(&self, opening: Opening) -> Result<Box<dyn StreamReader>, Fault> {
        let begun = opening.from.as_ref().and_then(Progress::of);
        let log = |from: &Position| begun.as_ref().map_or(from.clone(), |it| it.log_position(from));
        let from = opening.from.as_ref().map(log);
        let (server, located) = opening.reach(from.as_ref()).await?;
        let Opening { plan, clock, side, tables, .. } = &opening;
        let shared = Arc::new(Shared::new(located.confirmed));
        shared.set_tables(tables.iter().map(|table| table.name.clone()).collect());
        let (chunks, taken) = mpsc::channel(WAITING_CHUNKS_MAX);
        let room = Arc::new(Semaphore::new(WAITING_KIB_MAX as usize));
        let out = Outlet { chunks, room, room_kib_max: WAITING_KIB_MAX };
        let (request, requests) = mpsc::channel(REQUESTS_MAX);
        let around = Around {
            database: plan.address.database().into(),
            plan: Arc::clone(plan),
            side: Arc::clone(side),
            shared: Arc::clone(&shared),
            clock: Arc::clone(clock),
            system: server.system.clone(),
        };
        let mut tasks = Tasks::new();
        let mut follower = Follower::new(around, (out, requests), located.from.clone());
        let slot_is_new = located.made.is_some();
        // A slot that is there says nothing of whether its rows have been read.
        let unread = from.is_none() && !slot_is_new && plan.snapshot.mode != SnapshotMode::Never;
        if let Some(progress) = begun.filter(|_| !slot_is_new) {
            let rows_expected = tables.iter().map(Table::rows_expected).sum();
            follower.begin_backfill(Wanted { progress, rows_expected });
        } else if unread || (!slot_is_new && self.reads_again(&opening)) {
            let wanted = everything(&follower.around, tables).await?;
            follower.begin_backfill(wanted);
        }
        let begin = opening.begin(server, (located, &follower), &mut tasks).await?;
        let only = matches!(begin, Begin::Only(_));
        tasks.spawn("postgres-stream", follower.run(begin));
        if !only {
            let (plan, side, clock) = (Arc::clone(plan), Arc::clone(side), Arc::clone(clock));
            let watch = Watch { plan, side, shared: Arc::clone(&shared), clock };
            tasks.spawn("postgres-watch", watch.run());
        }
        self.opened.store(true, Relaxed);
        Ok(Box::new(Reader { chunks: taken, shared, request, _tasks: tasks }))
    }

    async fn opening(
        &self,
        plan: Arc<Plan>,
        (from, clock): (Option<Position>, Arc<dyn Clock>),
    ) -> Result<Opening, Fault> {
        let side = Arc::new(Side::new(plan.address.clone()));
        let tables = meant_tables(&side, &plan).await?;
        Ok(Opening { plan, from, clock, side, tables })
    }
}

impl Opening {
    /// What the stream begins with: a snapshot where one was taken, else the log.
    async fn begin(
        &self,
        server: Server,
        (located, follower): (Located, &Follower),
        tasks: &mut Tasks,
    ) -> Result<Begin, Fault> {
        let Self { plan, clock, side, tables, .. } = self;
        let shared = &follower.around.shared;
        let Some(made) = located.made.filter(|made| made.snapshot.is_some()) else {
            let around = (Arc::clone(shared), Arc::clone(clock));
            let link = server.start(plan, (&located.from, plan.in_progress), around).await?;
            return Ok(Begin::Stream(Box::new(link)));
        };
        let place = Place { plan, side, clock };
        shared.set_snapshot(Some((0, 0)));
        match Initial::take(place, tables, &made, tasks).await {
            Ok(initial) if plan.snapshot.mode == SnapshotMode::Only => Ok(Begin::Only(initial)),
            Ok(initial) => Ok(Begin::Snapshot(initial)),
            Err(fault) => {
                server.drop_made().await;
                Err(fault)
            }
        }
    }

    /// Connects, and finds out where the stream begins.
    async fn reach(&self, from: Option<&Position>) -> Result<(Server, Located), Fault> {
        let Self { plan, clock, .. } = self;
        let began = clock.monotonic();
        let mut server = Server::connect(plan).await?;
        loop {
            match server.locate(plan, from).await {
                Ok(located) => return Ok((server, located)),
                Err(fault)
                    if fault.class() == ErrorClass::Conflict
                        && clock.monotonic().saturating_sub(began) < RELEASED_WITHIN =>
                {
                    tokio::time::sleep(LOOK_EVERY).await;
                }
                Err(fault) => return Err(fault),
            }
        }
    }
}

#[async_trait]
impl StreamSource for Source {
    fn id(&self) -> &str {
        &self.plan.id
    }

    fn asset(&self) -> AssetRef {
        AssetRef::new(self.plan.address.namespace(), self.plan.address.database())
    }

    fn idle_after(&self) -> Option<Duration> {
        Some(self.plan.idle_after)
    }

    async fn examine(&self) -> Result<Vec<Precondition>, Fault> {
        examine(&self.plan, &*self.clock).await
    }

    async fn open(
        &self,
        from: Option<Position>,
        clock: Arc<dyn Clock>,
    ) -> Result<Box<dyn StreamReader>, Fault> {
        let mut from = from.filter(|from| *from != Position::ORIGIN);
        let only = self.plan.snapshot.mode == SnapshotMode::Only;
        if only {
            if from.as_ref().is_some_and(|from| Progress::of(from).is_none()) {
                return Ok(Box::new(Finished));
            }
            // What a snapshot saw that was interrupted is gone with it.
            from = None;
        }
        let opening = self.opening(Arc::clone(&self.plan), (from, clock)).await?;
        if !only {
            ensure(&opening.side, &opening.plan, &opening.tables).await?;
        }
        self.start(opening).await
    }

    async fn open_beside(
        &self,
        from: Position,
        clock: Arc<dyn Clock>,
    ) -> Result<Box<dyn StreamReader>, Fault> {
        if self.plan.snapshot.mode == SnapshotMode::Only {
            let said = "a stream that is a snapshot alone has no log to read beside it";
            return Err(Fault::new(ErrorClass::Unsupported, said));
        }
        let plan = Plan {
            beside: true,
            // The stream itself sees to these.
            heartbeat: Duration::ZERO,
            discover_every: Duration::ZERO,
            ..Plan::clone(&self.plan)
        };
        let opening = self.opening(Arc::new(plan), (Some(from), clock)).await?;
        self.start(opening).await
    }
}
