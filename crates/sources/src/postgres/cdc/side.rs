//! The plain connection beside the stream: for the catalog, the heartbeat and the slot's figures.
//! Opened when it is first needed and again when it broke.

use std::sync::Arc;
use std::time::Duration;

use flowglass_clients::postgres::{Address, Session, fault};
use flowglass_connect::Fault;
use flowglass_model::ErrorClass;
use tokio::sync::Mutex;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

/// No look at the catalog takes longer, unless somebody holds a lock on it.
const WITHIN: Duration = Duration::from_secs(30);

/// Names are written out in full, whatever the role's search path is.
const SETTINGS: &str = "SET search_path = pg_catalog";

/// A plain connection that comes back.
#[derive(Debug)]
pub(super) struct Side {
    address: Address,
    session: Mutex<Option<Arc<Session>>>,
}

impl Side {
    pub(super) fn new(address: Address) -> Self {
        Self { address, session: Mutex::new(None) }
    }

    /// The connection, made anew when there is none.
    pub(super) async fn session(&self) -> Result<Arc<Session>, Fault> {
        let mut held = self.session.lock().await;
        if let Some(session) = held.as_ref().filter(|session| !session.client.is_closed()) {
            return Ok(Arc::clone(session));
        }
        let session = Session::connect(&self.address, "stream").await?;
        session.run("setting up the session", SETTINGS).await?;
        Ok(Arc::clone(held.insert(Arc::new(session))))
    }

    /// The rows of a query.
    pub(super) async fn query(
        &self,
        doing: &str,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Fault> {
        let work = async {
            let session = self.session().await?;
            session.client.query(sql, parameters).await.map_err(|error| fault(doing, error))
        };
        in_time(doing, work).await
    }

    /// Runs statements.
    pub(super) async fn run(&self, doing: &str, sql: &str) -> Result<(), Fault> {
        in_time(doing, async { self.session().await?.run(doing, sql).await }).await
    }
}

async fn in_time<T>(doing: &str, work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    tokio::time::timeout(WITHIN, work).await.unwrap_or_else(|_elapsed| {
        let within = WITHIN.as_secs();
        Err(Fault::new(ErrorClass::Timeout, format!("{doing} took longer than {within} s")))
    })
}
