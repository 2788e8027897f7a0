//! A session whose every wait has an end.
//!
//! A server that is silent must be noticed, and a server must notice that we are gone: a transaction
//! of a writer that was cut off holds locks which the next writer waits for.

use std::time::Duration;

use flowglass_clients::postgres::{Address, Session, fault};
use flowglass_connect::Fault;
use flowglass_model::ErrorClass;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement};

/// How much longer we wait than the server, which can say what it was busy with.
const GRACE: Duration = Duration::from_millis(500);

/// A session with a limit on each statement.
#[derive(Debug)]
pub(super) struct Limited {
    session: Session,
    limit: Duration,
}

impl Limited {
    /// Connects.
    ///
    /// # Errors
    /// As [`Session::connect`]; `timeout` when nobody answers.
    pub(super) async fn connect(address: &Address, limit: Duration) -> Result<Self, Fault> {
        let session = within(limit, "connecting to Postgres", Session::connect(address, "sink"));
        let limited = Self { session: session.await?, limit };
        let millis = limit.as_millis();
        // A writer is never idle inside a transaction; one that seems to be has lost its network.
        limited
            .run(
                "setting up the session",
                &format!(
                    "SET statement_timeout = {millis}; SET lock_timeout = {millis}; \
                     SET idle_in_transaction_session_timeout = {millis}; \
                     SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; \
                     SET tcp_keepalives_count = 3; SET jit = off"
                ),
            )
            .await?;
        Ok(limited)
    }

    /// The session itself, for what copies and streams share. Its statements end by the server's
    /// limit.
    pub(super) const fn session(&self) -> &Session {
        &self.session
    }

    /// How long a statement may take.
    pub(super) const fn limit(&self) -> Duration {
        self.limit
    }

    /// Runs statements without parameters and without rows that matter.
    pub(super) async fn run(&self, doing: &str, sql: &str) -> Result<(), Fault> {
        within(self.limit, doing, self.session.run(doing, sql)).await
    }

    /// Prepares a statement.
    pub(super) async fn prepare(&self, doing: &str, sql: &str) -> Result<Statement, Fault> {
        let work =
            async { self.session.client.prepare(sql).await.map_err(|error| fault(doing, error)) };
        within(self.limit, doing, work).await
    }

    /// Runs a prepared statement; how many rows it touched.
    pub(super) async fn execute(
        &self,
        doing: &str,
        statement: &Statement,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, Fault> {
        let work = async {
            let done = self.session.client.execute(statement, params).await;
            done.map_err(|error| fault(doing, error))
        };
        within(self.limit, doing, work).await
    }

    /// Asks for one row.
    pub(super) async fn ask(
        &self,
        doing: &str,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Row, Fault> {
        let work = async {
            let row = self.session.client.query_one(sql, params).await;
            row.map_err(|error| fault(doing, error))
        };
        within(self.limit, doing, work).await
    }
}

/// Gives up what takes longer than the server may take by far.
pub(super) async fn within<T>(
    limit: Duration,
    doing: &str,
    work: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    match tokio::time::timeout(limit + GRACE, work).await {
        Ok(done) => done.map_err(not_fenced),
        Err(_elapsed) => {
            let said = format!("{doing}: no answer for {} s", limit.as_secs());
            Err(Fault::new(ErrorClass::Timeout, said)
                .hint("Raise `timeout_seconds` if the database is only slow."))
        }
    }
}

/// `conflict` is said of a writer that was fenced off for good. A lock that somebody else holds, or
/// a deadlock, passes.
pub(super) fn not_fenced(fault: Fault) -> Fault {
    if fault.class() != ErrorClass::Conflict {
        return fault;
    }
    let said = "another session holds rows or tables that the batch needs";
    Fault::new(ErrorClass::Timeout, said).because(fault)
}
