//! The task beside the stream: it writes the heartbeat, looks at what the slot holds back, and lets
//! tables join that were not there before.
//!
//! A slot lets go of the log only as positions are confirmed. Where the tables are quiet and the
//! rest of the server is busy there is nothing to confirm, but for the heartbeat.

use std::sync::Arc;
use std::time::Duration;

use flowglass_clients::postgres::literal;
use flowglass_connect::Clock;
use flowglass_model::ErrorClass;

use super::config::Plan;
use super::publication::{ensure, joinable, meant_tables};
use super::shared::Shared;
use super::side::Side;
use super::slot::lsn;

/// How often the slot's figures are looked at. The log's end is told one look late: by then a stream
/// that keeps up has passed it, and does not seem to be behind because others write.
const FIGURES_EVERY: Duration = Duration::from_secs(2);

/// What our messages in the log are marked with.
pub(super) const HEARTBEAT: &str = "flowglass.heartbeat";

/// The log's end and what the slot holds back.
pub(super) const FIGURES: &str = "WITH log AS (SELECT CASE WHEN pg_is_in_recovery() \
    THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_flush_lsn() END AS ends) \
    SELECT ends::text, (ends - restart_lsn)::int8 \
    FROM log LEFT JOIN pg_replication_slots ON slot_name = $1";

/// What the task works with.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) plan: Arc<Plan>,
    pub(super) side: Arc<Side>,
    pub(super) shared: Arc<Shared>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Watch {
    /// Watches for ever. What fails here is tried again next time: a server that is gone is the
    /// stream's to notice.
    pub(super) async fn run(self) {
        let mut heartbeat = (!self.plan.heartbeat.is_zero()).then_some(self.plan.heartbeat);
        let (mut beaten_at, mut looked_at) = (None::<Duration>, None::<Duration>);
        let discover = (!self.plan.discover_every.is_zero()).then_some(self.plan.discover_every);
        // They have just been looked for.
        let mut discovered_at = self.clock.monotonic();
        let pauses = [heartbeat, discover, Some(FIGURES_EVERY)];
        let pause = pauses.into_iter().flatten().min().unwrap_or(FIGURES_EVERY);
        let mut end = None;
        loop {
            let now = self.clock.monotonic();
            if discover.is_some_and(|every| now.saturating_sub(discovered_at) >= every) {
                discovered_at = now;
                self.discover().await;
            }
            if let Some(every) = heartbeat
                && beaten_at.is_none_or(|at| now.saturating_sub(at) >= every)
            {
                beaten_at = Some(now);
                let first = end.is_none();
                if self.beat(first).await.is_err_and(lasting) {
                    heartbeat = None;
                }
            }
            if looked_at.is_none_or(|at| now.saturating_sub(at) >= FIGURES_EVERY) {
                looked_at = Some(now);
                self.look(&mut end).await;
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Lets tables join that were not there before. What may not join is left out: `doctor` tells it.
    async fn discover(&self) {
        let Ok(tables) = meant_tables(&self.side, &self.plan).await else { return };
        let tables = joinable(tables);
        if ensure(&self.side, &self.plan, &tables).await.is_ok() {
            self.shared.set_tables(tables.into_iter().map(|table| table.name).collect());
        }
    }

    /// Writes the heartbeat. The `first` one is a transaction that waits for the disk, and so for the
    /// commits before it too: with `synchronous_commit = off` the server answers a commit before it
    /// is written, and the log's end would not hold it yet.
    async fn beat(&self, first: bool) -> Result<(), ErrorClass> {
        let slot = literal(&self.plan.slot);
        let beat = format!("pg_logical_emit_message(false, '{HEARTBEAT}', {slot})");
        let sql = if first {
            format!("SET synchronous_commit = local; SELECT pg_current_xact_id(), {beat}")
        } else {
            format!("SELECT {beat}")
        };
        self.side.run("writing the heartbeat", &sql).await.map_err(|fault| fault.class())
    }

    /// Tells the end that the look before has found; the first one its own.
    async fn look(&self, before: &mut Option<u64>) {
        let looked = self.side.query("looking at the slot", FIGURES, &[&self.plan.slot]).await;
        let Ok(rows) = looked else { return };
        let Some(row) = rows.first() else { return };
        if let Some(end) = row.get::<_, Option<&str>>(0).and_then(lsn) {
            let told = before.replace(end).unwrap_or(end);
            self.shared.seen_end(told, self.clock.monotonic());
        }
        let retained: Option<i64> = row.get(1);
        self.shared.set_retained(retained.and_then(|it| u64::try_from(it).ok()));
    }
}

/// Whether a heartbeat that failed so will always fail: no right, or a standby.
const fn lasting(class: ErrorClass) -> bool {
    matches!(class, ErrorClass::Permission | ErrorClass::Conflict | ErrorClass::NotFound)
}
