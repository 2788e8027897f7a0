//! A connection with the settings that make its text and its waiting predictable.

use std::time::Duration;

use flowglass_connect::{Fault, Tasks};
use tokio_postgres::{Client, NoTls};

use super::{Address, fault, tls};

/// How long a connection may take when the DSN does not say.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Text of values must read the same on every server; a lock is waited for but not for ever; a
/// server whose client is gone stops working for it. Statements themselves have no limit here,
/// since a copy takes as long as its table is large: the node's `timeout` is the limit.
const SETTINGS: &str = "SET datestyle = 'ISO, YMD'; SET intervalstyle = 'postgres'; \
    SET timezone = 'UTC'; SET bytea_output = 'hex'; SET extra_float_digits = 1; \
    SET xmloption = 'content'; SET standard_conforming_strings = on; SET lc_monetary = 'C'; \
    SET client_min_messages = 'warning'; SET statement_timeout = 0; SET lock_timeout = '60s'; \
    SET idle_in_transaction_session_timeout = '1h'; \
    SELECT set_config(name, '5s', false) FROM pg_settings \
    WHERE name = 'client_connection_check_interval'";

/// An open connection. Dropping it closes the connection, and whatever was not committed is gone.
#[derive(Debug)]
pub struct Session {
    /// What statements are sent through.
    pub client: Client,
    _tasks: Tasks,
}

impl Session {
    /// Connects and sets the session up. `purpose` is shown in `pg_stat_activity`.
    ///
    /// # Errors
    /// `unreachable`, `timeout`, `auth`, `config` or what else the server says.
    pub async fn connect(address: &Address, purpose: &str) -> Result<Self, Fault> {
        let doing = || format!("connecting to {}/{}", address.namespace(), address.database());
        let mut config = address.config.clone();
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        if config.get_application_name().is_none() {
            config.application_name(format!("flowglass {purpose}"));
        }
        config.keepalives_idle(Duration::from_secs(60));
        let mut tasks = Tasks::new();
        let client = match tls::connector(&address.tls)? {
            None => {
                let (client, connection) =
                    config.connect(NoTls).await.map_err(|error| fault(doing(), error))?;
                // Its error is also what the statement in flight is told.
                tasks.spawn("postgres-connection", async move { drop(connection.await) });
                client
            }
            Some(tls) => {
                let (client, connection) =
                    config.connect(tls).await.map_err(|error| fault(doing(), error))?;
                tasks.spawn("postgres-connection", async move { drop(connection.await) });
                client
            }
        };
        let session = Self { client, _tasks: tasks };
        session.run("setting up the session", SETTINGS).await?;
        Ok(session)
    }

    /// Runs statements without parameters and without rows that matter.
    ///
    /// # Errors
    /// What the server says, with `doing` before it.
    pub async fn run(&self, doing: &str, sql: &str) -> Result<(), Fault> {
        self.client.batch_execute(sql).await.map_err(|error| fault(doing, error))
    }

    /// Runs one statement; how many rows it touched.
    ///
    /// # Errors
    /// What the server says, with `doing` before it.
    pub async fn execute(&self, doing: &str, sql: &str) -> Result<u64, Fault> {
        self.client.execute(sql, &[]).await.map_err(|error| fault(doing, error))
    }
}

/// An identifier in double quotes.
#[must_use]
pub fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text in single quotes; `standard_conforming_strings` is on in our sessions.
#[must_use]
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
