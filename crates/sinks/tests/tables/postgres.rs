//! The acceptance suite over a Postgres.

use std::sync::Arc;

use async_trait::async_trait;
use flowglass_connect::stream::{StreamSink, StreamSinkConnector};
use flowglass_sinks::postgres::StreamConnector;
use flowglass_testkit::row_sinks::{Contents, Table, TablesUnderTest, Way};
use flowglass_testkit::{Database, Postgres, Proxy, row_sink_suite};
use serde_json::json;

use super::around;

struct Under {
    database: Database,
    proxy: Proxy,
}

impl Under {
    async fn new() -> Self {
        let server = Postgres::shared();
        Self { database: server.database().await, proxy: Proxy::before(server.port()) }
    }

    /// The rows of a table; none when it is not there.
    async fn rows(&self, columns: &[&str], table: &str) -> Table {
        let client = self.database.client().await;
        let there =
            client.query_one("SELECT to_regclass($1) IS NOT NULL", &[&table]).await.unwrap();
        if !there.get::<_, bool>(0) {
            return Table::new();
        }
        let texts: Vec<String> = columns.iter().map(|name| format!("{name}::text")).collect();
        let sql = format!("SELECT {} FROM {table}", texts.join(", "));
        let rows = client.query(&sql, &[]).await.unwrap();
        rows.iter().map(|row| (0..columns.len()).map(|at| row.get(at)).collect()).collect()
    }
}

#[async_trait]
impl TablesUnderTest for Under {
    fn sink(&self, way: Way, adds_without_key: bool) -> Arc<dyn StreamSink> {
        let (port, timeout) = match way {
            Way::Direct => (Postgres::shared().port(), 30),
            Way::Proxied => (self.proxy.port(), 2),
        };
        let dsn = self
            .database
            .dsn()
            .replace(&format!(":{}/", Postgres::shared().port()), &format!(":{port}/"));
        let without_key = if adds_without_key { "append" } else { "refuse" };
        let config = json!({
            "id": "a", "dsn": dsn, "table": "copy.{table}", "timeout_seconds": timeout,
            "without_key": without_key,
        });
        StreamConnector.build("s", config, &around()).unwrap()
    }

    async fn contents(&self) -> Contents {
        Contents {
            accounts: self.rows(&["id", "name", "amount", "note"], "copy.accounts").await,
            log: self.rows(&["batch", "word"], "copy.log").await,
        }
    }

    async fn make_picky(&self) {
        self.database
            .execute(
                "CREATE SCHEMA copy; CREATE TABLE copy.accounts (id bigint PRIMARY KEY, name text, \
                 amount numeric(12,2) CHECK (amount <> 666), note text)",
            )
            .await;
    }

    fn proxy(&self) -> &Proxy {
        &self.proxy
    }
}

row_sink_suite!(Under::new());
