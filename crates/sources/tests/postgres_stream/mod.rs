//! The stream of changes against a real Postgres.

mod backfill;
mod beside;
mod examining;
mod in_progress;
mod joining;
mod living;
mod ops;
mod resume;
mod snapshot;
mod speed;
mod types;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use flowglass_connect::stream::{
    Chunk, Datum, Identity, Op, Position, Relation, RowRef, StreamReader, StreamSource,
    StreamSourceConnector,
};
use flowglass_connect::{Clock, Fault, Surroundings, SystemClock};
use flowglass_sources::postgres::cdc::StreamConnector;
use flowglass_testkit::{Database, Postgres, Settings};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// The server of these tests: one for all of them, with room for their slots.
fn server() -> &'static Postgres {
    static SERVER: OnceLock<Postgres> = OnceLock::new();
    SERVER.get_or_init(|| Postgres::start(Settings::default().logical_replication()))
}

/// A database with a stream over tables of it.
struct Bench {
    database: Database,
    source: Arc<dyn StreamSource>,
    slot: String,
}

impl Bench {
    /// Makes the database, runs `sql` in it, and builds a stream over `tables`.
    async fn new(sql: &str, tables: &[&str]) -> Self {
        let database = server().database().await;
        database.execute(sql).await;
        let source = source(&database, tables, &serde_json::json!({})).unwrap();
        let slot = slot_of(&database);
        Self { database, source, slot }
    }

    async fn open(&self, from: Option<Position>) -> Stream {
        self.try_open(from).await.unwrap()
    }

    async fn try_open(&self, from: Option<Position>) -> Result<Stream, Fault> {
        let reader = self.source.open(from, clock()).await?;
        Ok(Stream { reader, marks: Vec::new(), whole: 0 })
    }

    /// One cell of what the server says of our slot.
    async fn slot_says(&self, column: &str) -> String {
        let sql =
            format!("SELECT {column} FROM pg_replication_slots WHERE slot_name = '{}'", self.slot);
        self.database.lines(&sql).await.join("")
    }
}

/// Slots belong to the server, so that each database's has a name of its own.
fn slot_of(database: &Database) -> String {
    format!("slot_{}", database.dsn().rsplit_once('/').unwrap().1)
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock::new())
}

/// A stream without a heartbeat, so that what a test sees is what it wrote; `more` is added to the
/// configuration.
fn source(
    database: &Database,
    tables: &[&str],
    more: &serde_json::Value,
) -> Result<Arc<dyn StreamSource>, Fault> {
    source_in(database, (tables, &std::env::temp_dir()), more)
}

/// The same with a folder for what outgrows memory.
fn source_in(
    database: &Database,
    (tables, scratch): (&[&str], &Path),
    more: &serde_json::Value,
) -> Result<Arc<dyn StreamSource>, Fault> {
    let mut config = serde_json::json!({
        "id": "shop",
        "dsn": database.dsn(),
        "tables": tables,
        "slot": slot_of(database),
        "heartbeat": "0s",
        "snapshot": { "mode": "never" },
    });
    let more = more.as_object().unwrap().clone();
    config.as_object_mut().unwrap().extend(more);
    let around = Surroundings {
        base_dir: PathBuf::from("."),
        scratch_dir: scratch.to_owned(),
        clock: clock(),
    };
    StreamConnector.build(config, &around)
}

/// A change, copied out of its chunk.
#[derive(Debug, Clone, PartialEq)]
struct Taken {
    op: Op,
    table: String,
    position: Position,
    identity: Identity,
    before: Option<Vec<String>>,
    after: Option<Vec<String>>,
    hash: u64,
    relation: Arc<Relation>,
}

impl Taken {
    /// `insert public.t [1, x]`, with the row before in front where there is one.
    fn line(&self) -> String {
        let row = |row: &Option<Vec<String>>| {
            row.as_ref().map_or(String::new(), |row| format!(" [{}]", row.join(", ")))
        };
        let before = row(&self.before);
        let arrow = if before.is_empty() || self.after.is_none() { "" } else { " ->" };
        format!("{} {}{before}{arrow}{}", self.op.name(), self.table, row(&self.after))
    }
}

/// An open stream and what it has told so far.
struct Stream {
    reader: Box<dyn StreamReader>,
    marks: Vec<Position>,
    /// How many changes of the last chunk come before its last mark.
    whole: usize,
}

impl Stream {
    async fn chunk(&mut self) -> Result<Chunk, Fault> {
        let chunk = tokio::time::timeout(PATIENCE, self.reader.next())
            .await
            .expect("waited in vain for a chunk")?
            .expect("the stream has ended");
        self.marks.extend(chunk.marks().iter().map(|mark| mark.position.clone()));
        Ok(chunk)
    }

    /// The changes of the next chunk.
    async fn more(&mut self) -> Vec<Taken> {
        let chunk = self.chunk().await.unwrap();
        self.whole = chunk.marks().last().map_or(0, |mark| mark.after);
        let changes = chunk.changes(0, usize::MAX).map(|change| Taken {
            op: change.op(),
            table: change.relation().name(),
            position: change.position(),
            identity: change.head().identity,
            before: change.before().map(cells),
            after: change.after().map(cells),
            hash: change.head().hash,
            relation: Arc::clone(change.relation()),
        });
        changes.collect()
    }

    /// The next `count` changes, and what else came in their chunks.
    async fn take(&mut self, count: usize) -> Vec<Taken> {
        let mut taken = Vec::new();
        while taken.len() < count {
            taken.extend(self.more().await);
        }
        taken
    }

    /// The next `count` changes as lines.
    async fn lines(&mut self, count: usize) -> Vec<String> {
        self.take(count).await.iter().map(Taken::line).collect()
    }

    /// Reads on until a position behind `end` is reached between transactions.
    async fn reach(&mut self, end: u64) -> Position {
        loop {
            if let Some(there) = self.marks.last().filter(|mark| mark.commit >= end) {
                return there.clone();
            }
            self.chunk().await.unwrap();
        }
    }

    /// The fault that ends the stream.
    async fn fault(&mut self) -> Fault {
        loop {
            if let Err(fault) = self.chunk().await {
                return fault;
            }
        }
    }
}

fn cells(row: RowRef<'_>) -> Vec<String> {
    row.data()
        .map(|datum| match datum {
            Datum::Null => "null".to_owned(),
            Datum::Unchanged => "unchanged".to_owned(),
            Datum::Text(text) => String::from_utf8(text.to_vec()).unwrap(),
            Datum::Binary(_) => panic!("no binary was asked for"),
        })
        .collect()
}

/// Where the server's log ends now.
async fn log_end(database: &Database) -> u64 {
    let end = database.lines("SELECT pg_current_wal_flush_lsn()").await.join("");
    end.parse::<Position>().unwrap().commit
}
