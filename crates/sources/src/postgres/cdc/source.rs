//! The source: what it is, what has to be right, and how it is opened.

use std::sync::Arc;
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
use super::reader::Reader;
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
}

impl Source {
    pub(super) fn new(plan: Plan, clock: Arc<dyn Clock>) -> Self {
        Self { plan: Arc::new(plan), clock }
    }

    /// Connects, and finds out where the stream begins.
    async fn reach(
        &self,
        from: Option<&Position>,
        clock: &Arc<dyn Clock>,
    ) -> Result<(Server, Located), Fault> {
        let began = clock.monotonic();
        let mut server = Server::connect(&self.plan).await?;
        loop {
            match server.locate(&self.plan, from).await {
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
        let plan = Arc::clone(&self.plan);
        let from = from.filter(|from| *from != Position::ORIGIN);
        let side = Arc::new(Side::new(plan.address.clone()));
        let tables = meant_tables(&side, &plan).await?;
        let names = tables.iter().map(|table| table.name.clone()).collect();
        ensure(&side, &plan, &tables).await?;
        let begun = from.as_ref().and_then(Progress::of);
        let from =
            from.map(|from| begun.as_ref().map_or(from.clone(), |it| it.log_position(&from)));
        let (server, located) = self.reach(from.as_ref(), &clock).await?;

        let shared = Arc::new(Shared::new(located.confirmed));
        let (chunks, taken) = mpsc::channel(WAITING_CHUNKS_MAX);
        let room = Arc::new(Semaphore::new(WAITING_KIB_MAX as usize));
        let out = Outlet { chunks, room, room_kib_max: WAITING_KIB_MAX };
        let (request, requests) = mpsc::channel(REQUESTS_MAX);
        let around = Around {
            database: plan.address.database().into(),
            plan: Arc::clone(&plan),
            side: Arc::clone(&side),
            shared: Arc::clone(&shared),
            clock: Arc::clone(&clock),
            system: server.system.clone(),
        };
        let mut tasks = Tasks::new();
        let mut follower = Follower::new(around, (out, requests), located.from.clone());
        let initial = plan.snapshot.mode == SnapshotMode::Initial;
        if let Some(progress) = begun {
            let rows_expected = tables.iter().map(Table::rows_expected).sum();
            follower.begin_backfill(Wanted { progress, rows_expected });
        } else if from.is_none() && located.made.is_none() && initial {
            // The slot is there, and nothing says that its rows have been read.
            let wanted = everything(&follower.around, &tables).await?;
            follower.begin_backfill(wanted);
        }
        let begin = match &located.made {
            Some(made) if made.snapshot.is_some() => {
                let place = Place { plan: &plan, side: &side, clock: &clock };
                shared.set_snapshot(Some((0, 0)));
                match Initial::take(place, &tables, made, &mut tasks).await {
                    Ok(initial) => Begin::Snapshot(initial),
                    Err(fault) => {
                        server.drop_made(&plan).await;
                        return Err(fault);
                    }
                }
            }
            _ => {
                let around = (Arc::clone(&shared), Arc::clone(&clock));
                Begin::Stream(Box::new(server.start(&plan, &located.from, around).await?))
            }
        };
        tasks.spawn("postgres-stream", follower.run(begin));
        let watch = Watch { plan, side, shared: Arc::clone(&shared), clock };
        tasks.spawn("postgres-watch", watch.run());
        Ok(Box::new(Reader { chunks: taken, shared, tables: names, request, _tasks: tasks }))
    }
}
