//! The initial snapshot: connections that share one view of the database, and the order in which
//! what they read is handed over.

use std::collections::VecDeque;
use std::sync::Arc;

use flowglass_clients::postgres::{Wire, literal};
use flowglass_connect::stream::{ChunkBuilder, Position, Relation};
use flowglass_connect::{Clock, Fault, Tasks};
use flowglass_model::ErrorClass;
use tokio::sync::{Mutex, mpsc};

use super::parts::{parts, subject};
use super::progress::{Progress, before};
use super::read::{Job, Read, View, work};
use crate::postgres::cdc::catalog::{look_up, relation};
use crate::postgres::cdc::config::Plan;
use crate::postgres::cdc::follow::Outlet;
use crate::postgres::cdc::publication::Table;
use crate::postgres::cdc::shared::Shared;
use crate::postgres::cdc::side::Side;
use crate::postgres::cdc::slot::Made;

/// Pieces that a connection may have read ahead of its turn.
const PIECES_MAX: usize = 3;

/// A snapshot that has been taken and not been read.
#[derive(Debug)]
pub(in super::super) struct Initial {
    view: Arc<View>,
    jobs: mpsc::Sender<Job>,
    parallel: usize,
    rows_expected: u64,
}

/// Where a snapshot is taken.
pub(in super::super) struct Place<'a> {
    pub(in super::super) plan: &'a Plan,
    pub(in super::super) side: &'a Side,
    pub(in super::super) clock: &'a Arc<dyn Clock>,
}

impl Initial {
    /// Lets connections of its own see what the new slot's snapshot sees. When it returns, the
    /// connection that made the slot is no longer needed.
    pub(in super::super) async fn take(
        place: Place<'_>,
        tables: &[Table],
        made: &Made,
        tasks: &mut Tasks,
    ) -> Result<Self, Fault> {
        let Place { plan, side, clock } = place;
        let snapshot = made.snapshot.as_deref().ok_or_else(|| {
            Fault::new(ErrorClass::Internal, "the server did not name the slot's snapshot")
        })?;
        let mut wires = Vec::new();
        for _ in 0..plan.snapshot.parallel {
            let mut wire = Wire::plain(&plan.address, &format!("{} snapshot", plan.id)).await?;
            let doing = "taking the snapshot";
            wire.rows(doing, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
            wire.rows(doing, &format!("SET TRANSACTION SNAPSHOT {}", literal(snapshot))).await?;
            if wires.is_empty() && !tables.is_empty() {
                // A rewrite would move rows from pages that are still to be read to others.
                let names: Vec<String> = tables.iter().map(|table| table.name.sql()).collect();
                let lock = format!("LOCK TABLE {} IN ACCESS SHARE MODE", names.join(", "));
                wire.rows(doing, &lock).await?;
            }
            wires.push(wire);
        }
        let (mut reads, mut all) = (Vec::new(), Vec::new());
        for table in tables {
            let subject = subject(side, plan, table).await?;
            let known = look_up(side, &subject.shape).await?;
            let database = plan.address.database().into();
            let relation = Arc::new(relation((&subject.shape, &known), &database, |_| None));
            let parts = parts(side, table, plan.snapshot.chunk_rows).await?;
            reads.extend(
                parts
                    .iter()
                    .map(|_| Read { subject: subject.clone(), relation: Arc::clone(&relation) }),
            );
            all.extend(parts);
        }
        let point = Some(made.point);
        let progress = Progress { point, ..Progress::new(clock.now().as_microsecond(), all) };
        let rows_expected = tables.iter().map(Table::rows_expected).sum();
        let parallel = wires.len();
        let (jobs, given) = mpsc::channel(parallel + 1);
        let given = Arc::new(Mutex::new(given));
        let clock = Arc::clone(clock);
        let view = Arc::new(View { progress, reads, point: made.point, clock });
        for wire in wires {
            tasks.spawn("postgres-snapshot", work(wire, Arc::clone(&given), Arc::clone(&view)));
        }
        Ok(Self { view, jobs, parallel, rows_expected })
    }

    /// The tables that are read, as they are now.
    pub(in super::super) fn relations(&self) -> impl Iterator<Item = &Arc<Relation>> {
        self.view.reads.iter().map(|read| &read.relation)
    }

    /// Hands every row over, in order. Answers where the log goes on.
    pub(in super::super) async fn hand_over(
        self,
        out: &Outlet,
        shared: &Shared,
    ) -> Result<Position, Fault> {
        let view = Arc::clone(&self.view);
        let mut progress = view.progress.clone();
        let mut runs = view.progress.runs();
        let mut waiting = VecDeque::new();
        loop {
            while waiting.len() <= self.parallel
                && let Some(run) = runs.next()
            {
                let (pieces, taken) = mpsc::channel(PIECES_MAX);
                self.jobs.send(Job { run, pieces }).await.map_err(|_| lost())?;
                waiting.push_back(taken);
            }
            let Some(mut pieces) = waiting.pop_front() else { break };
            loop {
                let (mut chunk, last) = pieces.recv().await.ok_or_else(lost)??;
                progress.rows_done += chunk.len() as u64;
                if last {
                    progress.runs_done += 1;
                    chunk.mark(progress.position(view.point));
                }
                shared.set_snapshot(Some((progress.rows_done, self.rows_expected)));
                if last {
                    shared.set_progress(progress.tables());
                }
                if !out.hand(chunk.finish()).await {
                    return Err(Fault::new(ErrorClass::Cancelled, "nobody takes the snapshot"));
                }
                if last {
                    break;
                }
            }
        }
        let end = Position::after(before(view.point));
        let mut chunk = ChunkBuilder::new(view.clock.monotonic(), 0);
        chunk.mark(end.clone());
        if !out.hand(chunk.finish()).await {
            return Err(Fault::new(ErrorClass::Cancelled, "nobody takes the snapshot"));
        }
        shared.set_snapshot(None);
        Ok(end)
    }
}

fn lost() -> Fault {
    Fault::new(ErrorClass::Internal, "a connection of the snapshot ended without a word")
}
