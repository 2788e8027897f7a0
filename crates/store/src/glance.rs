//! What a dashboard asks of the log at a glance: counts by state, names of pipelines, what moved
//! since a position. Every call answers a bounded amount and is served by an index.

use std::collections::BTreeMap;

use flowglass_connect::stream::{Checkpoint, Position};
use flowglass_model::{PipelineId, RunId, State};
use jiff::Timestamp;
use rusqlite::{OptionalExtension, params};

use crate::codec::{nanoseconds, run_blob, uint};
use crate::error::StoreError;
use crate::owner;
use crate::reader::{Reader, limit, parse_summary};
use crate::summary::RunSummary;

/// Runs that got events after some position.
#[derive(Debug, Clone, PartialEq)]
pub struct Moved {
    /// Their summaries as of now, each run once, in no particular order.
    pub runs: Vec<RunSummary>,
    /// Up to where the log was looked through.
    pub pos: i64,
}

impl Reader {
    /// How many runs whose first event is not older than `since` stand in each state.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn states_since(&self, since: Timestamp) -> Result<BTreeMap<State, u64>, StoreError> {
        let failed = self.failed("counting runs by state");
        let mut select = self
            .connection
            .prepare_cached(
                "SELECT state, count(*) FROM run WHERE first_ns >= ?1 AND state IS NOT NULL
                 GROUP BY state",
            )
            .map_err(&failed)?;
        let rows = select
            .query_map([nanoseconds(since)], |row| {
                Ok((row.get::<_, String>(0)?, uint(row.get(1)?)))
            })
            .map_err(&failed)?;
        let mut counts = BTreeMap::new();
        for row in rows {
            let (name, count) = row.map_err(&failed)?;
            // A state of a later flowglass is none that anybody here could show.
            if let Some(state) = State::ALL.into_iter().find(|it| it.name() == name) {
                counts.insert(state, count);
            }
        }
        Ok(counts)
    }

    /// How many runs have not ended and belong to a process that lives.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn active_runs(&self) -> Result<u64, StoreError> {
        let failed = self.failed("counting the runs that go on");
        let mut select = self
            .connection
            .prepare_cached(
                "SELECT token, count(*) FROM run JOIN owner USING (owner_no)
                 WHERE state IN ('queued', 'waiting', 'running') GROUP BY token",
            )
            .map_err(&failed)?;
        let rows = select
            .query_map((), |row| Ok((row.get::<_, String>(0)?, uint(row.get(1)?))))
            .map_err(&failed)?;
        let mut active = 0;
        for row in rows {
            let (token, count) = row.map_err(&failed)?;
            if owner::is_alive(self.path(), &token) {
                active += count;
            }
        }
        Ok(active)
    }

    /// The names of pipelines that have runs, in order, at most `names_max`.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn pipeline_names(&self, names_max: usize) -> Result<Vec<PipelineId>, StoreError> {
        let failed = self.failed("reading the names of pipelines");
        // One step of the index for each name, however many runs it has.
        let mut select = self
            .connection
            .prepare_cached(
                "WITH RECURSIVE name(it) AS (
                     SELECT min(pipeline_id) FROM run_pipeline
                     UNION ALL
                     SELECT (SELECT min(pipeline_id) FROM run_pipeline WHERE pipeline_id > it)
                     FROM name WHERE it IS NOT NULL
                 ) SELECT it FROM name WHERE it IS NOT NULL LIMIT ?1",
            )
            .map_err(&failed)?;
        let rows =
            select.query_map([limit(names_max)], |row| row.get::<_, String>(0)).map_err(&failed)?;
        let names: Vec<String> = rows.collect::<Result<_, _>>().map_err(&failed)?;
        Ok(names.into_iter().filter_map(|it| PipelineId::new(it).ok()).collect())
    }

    /// The runs that got events after the position `after`, looking at no more than `events_max`
    /// events.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn moved_since(&self, after: i64, events_max: usize) -> Result<Moved, StoreError> {
        let failed = self.failed("looking for runs that moved");
        let end: Option<i64> = self
            .connection
            .prepare_cached(
                "SELECT max(pos) FROM
                     (SELECT pos FROM event WHERE pos > ?1 ORDER BY pos LIMIT ?2)",
            )
            .and_then(|mut it| it.query_row((after, limit(events_max)), |row| row.get(0)))
            .map_err(&failed)?;
        let Some(end) = end else { return Ok(Moved { runs: Vec::new(), pos: after }) };
        let mut select = self
            .connection
            .prepare_cached(
                "SELECT doc FROM run WHERE run_no IN
                     (SELECT DISTINCT run_no FROM event WHERE pos > ?1 AND pos <= ?2)",
            )
            .map_err(&failed)?;
        let rows =
            select.query_map((after, end), |row| row.get::<_, String>(0)).map_err(&failed)?;
        let mut runs = Vec::new();
        for row in rows {
            runs.push(parse_summary(&row.map_err(&failed)?)?);
        }
        Ok(Moved { runs, pos: end })
    }

    /// The runs that repeat a run, newest first, at most `runs_max`.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn children_of(&self, run: RunId, runs_max: usize) -> Result<Vec<RunSummary>, StoreError> {
        let failed = self.failed("looking for runs that repeat a run");
        // A child begins after its parent; one whose parent nobody told of may be anywhere.
        let first: Option<i64> = self
            .connection
            .prepare_cached("SELECT first_ns FROM run WHERE run_id = ?1")
            .and_then(|mut it| it.query_row([run_blob(run)], |row| row.get(0)).optional())
            .map_err(&failed)?;
        let first = first.unwrap_or(i64::MIN);
        let mut select = self
            .connection
            .prepare_cached(
                "SELECT doc FROM run WHERE first_ns >= ?1 AND doc ->> 'parent_run_id' = ?2
                 ORDER BY first_ns DESC, run_no DESC LIMIT ?3",
            )
            .map_err(&failed)?;
        let rows = select
            .query_map(params![first, run.to_string(), limit(runs_max)], |row| {
                row.get::<_, String>(0)
            })
            .map_err(&failed)?;
        rows.map(|row| parse_summary(&row.map_err(&failed)?)).collect()
    }

    /// Where each sink of a stream stands, by sink. A position that cannot be read is left out.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn checkpoints(&self, stream: &str) -> Result<Vec<Checkpoint>, StoreError> {
        let failed = self.failed("reading the checkpoints of a stream");
        let mut select = self
            .connection
            .prepare_cached(
                "SELECT sink, position, rows, at_ns FROM checkpoint WHERE stream = ?1 ORDER BY sink",
            )
            .map_err(&failed)?;
        let rows = select
            .query_map([stream], |row| {
                let (sink, position): (String, String) = (row.get(0)?, row.get(1)?);
                Ok((sink, position, uint(row.get(2)?), row.get::<_, i64>(3)?))
            })
            .map_err(&failed)?;
        let mut found = Vec::new();
        for row in rows {
            let (sink, position, rows, at) = row.map_err(&failed)?;
            let position = serde_json::from_str::<Position>(&position).ok();
            let at = Timestamp::from_nanosecond(at.into()).ok();
            if let Some((position, at)) = position.zip(at) {
                let stream = stream.to_owned();
                found.push(Checkpoint { stream, sink, position, rows, at, account: None });
            }
        }
        Ok(found)
    }
}
