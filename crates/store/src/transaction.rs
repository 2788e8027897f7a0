//! One group commit: many appends, one transaction, each append wholly in or wholly out.

use std::collections::HashMap;
use std::sync::Arc;

use flowglass_model::{Event, NodeId, RunId, State};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use crate::codec::{int, kind_number, level_number, nanoseconds, run_blob, uint};
use crate::error::StoreError;
use crate::head::{Bookmark, Head};
use crate::owner::Owner;
use crate::summary::RunSummary;

/// Runs whose ends are kept in memory; a forgotten one is read again when it goes on.
const HEADS_MAX: usize = 512;

/// The database together with what the writer knows of it.
#[derive(Debug)]
pub(crate) struct Log {
    connection: Connection,
    path: Arc<std::path::Path>,
    heads: HashMap<RunId, Head>,
    /// `PRAGMA data_version` when the heads were read: another value means that another process
    /// wrote, and that nothing remembered is sure.
    data_version: i64,
    owner: Owner,
}

/// What a group commit did.
#[derive(Debug)]
pub(crate) struct Committed {
    /// The answer to each append, in their order.
    pub(crate) answers: Vec<Result<(), StoreError>>,
    /// Events that are new in the log.
    pub(crate) added: u64,
    /// The newest position.
    pub(crate) pos: i64,
}

/// An append whose events are serialized already, so that no lock is held meanwhile.
#[derive(Debug)]
pub(crate) struct Lines {
    pub(crate) events: Arc<[Event]>,
    lines: Vec<String>,
}

impl Lines {
    pub(crate) fn new(events: Arc<[Event]>) -> Self {
        let lines = events.iter().map(Event::to_line).collect();
        Self { events, lines }
    }
}

impl Log {
    pub(crate) fn new(connection: Connection, path: Arc<std::path::Path>, owner: Owner) -> Self {
        Self { connection, path, heads: HashMap::new(), data_version: -1, owner }
    }

    pub(crate) fn failed(
        &self,
        doing: &'static str,
    ) -> impl Fn(rusqlite::Error) -> StoreError + use<> {
        let path = Arc::clone(&self.path);
        move |cause| StoreError::Database {
            doing,
            path: path.to_path_buf(),
            cause: Arc::new(cause),
        }
    }

    /// The connection, for work that does not append.
    pub(crate) fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// This process's number as an owner, made when it is not there yet.
    pub(crate) fn register(&mut self) -> rusqlite::Result<i64> {
        self.owner.register(&mut self.connection)
    }

    /// Forgets what was remembered of the ends of runs, after their rows changed.
    pub(crate) fn forget_heads(&mut self) {
        self.heads.clear();
    }

    /// Commits all appends that can be stored. Those that are refused leave no trace.
    ///
    /// # Errors
    /// When the transaction as a whole fails, nothing of it is stored.
    pub(crate) fn commit(&mut self, appends: &[Lines]) -> Result<Committed, StoreError> {
        let committed = self.try_commit(appends);
        if committed.is_err() {
            // The heads ran ahead of a transaction that is no more.
            self.heads.clear();
        }
        committed
    }

    fn try_commit(&mut self, appends: &[Lines]) -> Result<Committed, StoreError> {
        let failed = self.failed("appending events");
        let owner_no = self.register().map_err(&failed)?;
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(&failed)?;
        let version: i64 = transaction
            .pragma_query_value(None, "data_version", |row| row.get(0))
            .map_err(&failed)?;
        if version != self.data_version || self.heads.len() > HEADS_MAX {
            self.heads.clear();
            self.data_version = version;
        }
        let pos = counter(&transaction, "pos").map_err(&failed)?;
        let mut group = Group {
            transaction: &transaction,
            heads: &mut self.heads,
            touched: Vec::new(),
            pos,
            owner_no,
            failed: &failed,
        };
        let mut answers = Vec::with_capacity(appends.len());
        for append in appends {
            answers.push(group.add(append)?);
        }
        group.write_summaries()?;
        let now = group.pos;
        if now != pos {
            set_counter(&transaction, "pos", now).map_err(&failed)?;
        }
        transaction.commit().map_err(&failed)?;
        Ok(Committed { answers, added: uint(now - pos), pos: now })
    }
}

/// The transaction while it is being filled.
struct Group<'a, F> {
    transaction: &'a Transaction<'a>,
    heads: &'a mut HashMap<RunId, Head>,
    touched: Vec<RunId>,
    pos: i64,
    owner_no: i64,
    failed: &'a F,
}

impl<F: Fn(rusqlite::Error) -> StoreError> Group<'_, F> {
    /// Adds one append, or none of it. The inner result is its answer, the outer one ends all.
    fn add(&mut self, append: &Lines) -> Result<Result<(), StoreError>, StoreError> {
        let failed = self.failed;
        let run_sql = |sql| self.transaction.prepare_cached(sql).and_then(|mut it| it.execute(()));
        run_sql("SAVEPOINT append").map_err(failed)?;
        let pos_before = self.pos;
        let mut marks = HashMap::new();
        let mut refused = None;
        for (event, line) in append.events.iter().zip(&append.lines) {
            match self.add_event(event, line, &mut marks) {
                Ok(()) => {}
                Err(error @ StoreError::Database { .. }) => return Err(error),
                Err(error) => {
                    refused = Some(error);
                    break;
                }
            }
        }
        let run_sql = |sql| self.transaction.prepare_cached(sql).and_then(|mut it| it.execute(()));
        if let Some(error) = refused {
            run_sql("ROLLBACK TO append").map_err(failed)?;
            run_sql("RELEASE append").map_err(failed)?;
            self.pos = pos_before;
            for (run, mark) in marks {
                self.forget(run, mark);
            }
            return Ok(Err(error));
        }
        run_sql("RELEASE append").map_err(failed)?;
        for run in marks.into_keys() {
            if !self.touched.contains(&run) {
                self.touched.push(run);
            }
        }
        Ok(Ok(()))
    }

    fn forget(&mut self, run: RunId, mark: Bookmark) {
        let Some(head) = self.heads.get_mut(&run) else { return };
        head.go_back_to(mark);
        if head.summary.last_seq == 0 {
            // The run's own row went with the savepoint.
            self.heads.remove(&run);
        }
    }

    fn add_event(
        &mut self,
        event: &Event,
        line: &str,
        marks: &mut HashMap<RunId, Bookmark>,
    ) -> Result<(), StoreError> {
        let failed = self.failed;
        if !self.heads.contains_key(&event.run_id) {
            let head = match load_head(self.transaction, event.run_id, failed)? {
                Some(head) => head,
                None if event.seq == 1 => self.new_run(event).map_err(failed)?,
                None => {
                    let (run, given) = (event.run_id, event.seq);
                    return Err(StoreError::Gap { run, expected: 1, given });
                }
            };
            self.heads.insert(event.run_id, head);
        }
        let Some(head) = self.heads.get_mut(&event.run_id) else { return Err(StoreError::Closed) };
        let mark = marks.entry(event.run_id).or_insert_with(|| head.bookmark());
        if event.seq <= head.summary.last_seq {
            return same_as_stored(self.transaction, head.run_no, event, line).map_err(failed)?;
        }
        head.take(event, mark)?;
        self.pos += 1;
        let mut insert = self
            .transaction
            .prepare_cached(
                "INSERT INTO event (pos, run_no, seq, kind, level, node, attempt, line)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )
            .map_err(failed)?;
        insert
            .execute(params![
                self.pos,
                head.run_no,
                int(event.seq),
                kind_number(event.kind),
                event.log.as_ref().map(|it| level_number(it.level)),
                event.node_id.as_ref().map(NodeId::as_str),
                event.attempt_id.as_ref().map(|it| it.number),
                line,
            ])
            .map_err(failed)?;
        Ok(())
    }

    fn new_run(&self, event: &Event) -> rusqlite::Result<Head> {
        let run_no = counter(self.transaction, "run")? + 1;
        set_counter(self.transaction, "run", run_no)?;
        let summary = RunSummary::starting_with(event);
        self.transaction
            .prepare_cached(
                "INSERT INTO run (run_no, run_id, owner_no, tenant, first_ns, last_seq, words, doc)
                 VALUES (?1, ?2, ?3, ?4, ?5, 0, '', '')",
            )?
            .execute(params![
                run_no,
                run_blob(event.run_id),
                self.owner_no,
                summary.tenant,
                nanoseconds(summary.first_seen_at),
            ])?;
        Ok(Head::new(run_no, summary))
    }

    fn write_summaries(&mut self) -> Result<(), StoreError> {
        for run in &self.touched {
            let Some(head) = self.heads.get_mut(run) else { continue };
            write_summary(self.transaction, head).map_err(self.failed)?;
        }
        Ok(())
    }
}

fn write_summary(transaction: &Transaction<'_>, head: &mut Head) -> rusqlite::Result<()> {
    let summary = &head.summary;
    let first = nanoseconds(summary.first_seen_at);
    for pipeline in summary.pipelines.iter().skip(head.pipelines_written) {
        transaction
            .prepare_cached(
                "INSERT OR IGNORE INTO run_pipeline (pipeline_id, first_ns, run_no)
                 VALUES (?1, ?2, ?3)",
            )?
            .execute(params![pipeline.as_str(), first, head.run_no])?;
    }
    head.pipelines_written = summary.pipelines.len();
    transaction
        .prepare_cached(
            "UPDATE run SET state = ?2, ended_ns = ?3, last_seq = ?4, words = ?5, doc = ?6
             WHERE run_no = ?1",
        )?
        .execute(params![
            head.run_no,
            summary.state.map(State::name),
            summary.ended_at.map(nanoseconds),
            int(summary.last_seq),
            summary.words(),
            // Plain values under string keys: serializing them cannot fail.
            serde_json::to_string(summary).unwrap_or_default(),
        ])?;
    Ok(())
}

/// An event that is delivered again must be the one that is stored.
fn same_as_stored(
    transaction: &Transaction<'_>,
    run_no: i64,
    event: &Event,
    line: &str,
) -> rusqlite::Result<Result<(), StoreError>> {
    let stored: Option<String> = transaction
        .prepare_cached("SELECT line FROM event WHERE run_no = ?1 AND seq = ?2")?
        .query_row(params![run_no, int(event.seq)], |row| row.get(0))
        .optional()?;
    if stored.as_deref() == Some(line) {
        return Ok(Ok(()));
    }
    Ok(Err(StoreError::Rewritten { run: event.run_id, seq: event.seq }))
}

/// Reads the end of a run's log back from the tables.
fn load_head(
    transaction: &Transaction<'_>,
    run: RunId,
    failed: impl Fn(rusqlite::Error) -> StoreError,
) -> Result<Option<Head>, StoreError> {
    let row: Option<(i64, String)> = transaction
        .prepare_cached("SELECT run_no, doc FROM run WHERE run_id = ?1")
        .and_then(|mut it| {
            it.query_row([run_blob(run)], |row| Ok((row.get(0)?, row.get(1)?))).optional()
        })
        .map_err(&failed)?;
    let Some((run_no, doc)) = row else { return Ok(None) };
    let unreadable = |seq, why: serde_json::Error| StoreError::Unreadable {
        run: run.to_string(),
        seq,
        why: why.to_string(),
    };
    let summary = serde_json::from_str(&doc).map_err(|why| unreadable(0, why))?;
    let mut head = Head::restored(run_no, summary);
    let mut moves = transaction
        .prepare_cached("SELECT seq, line FROM event WHERE run_no = ?1 AND kind = 1 ORDER BY seq")
        .map_err(&failed)?;
    let rows = moves
        .query_map([run_no], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))
        .map_err(&failed)?;
    for row in rows {
        let (seq, line) = row.map_err(&failed)?;
        head.recall(&Event::from_line(&line).map_err(|why| unreadable(uint(seq), why))?);
    }
    Ok(Some(head))
}

fn counter(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    connection
        .prepare_cached("SELECT value FROM counter WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
}

fn set_counter(connection: &Connection, name: &str, value: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE counter SET value = ?2 WHERE name = ?1")?
        .execute(params![name, value])
        .map(drop)
}
