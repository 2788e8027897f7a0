//! Reading what is known of streams: for people, beside a stream that runs.

use flowglass_connect::stream::{
    DeadLetter, LetterFigures, LetterFilter, LetterState, Op, SavedChange, StoredLetter,
};
use flowglass_model::{ErrorClass, PipelineId, RunId};
use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{OptionalExtension, Row, params_from_iter};

use super::filter::Conditions;
use crate::codec::{run_from_blob, uint};
use crate::error::StoreError;
use crate::owner;
use crate::reader::{Reader, limit};

/// What the store knows of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamFacts {
    /// Its name.
    pub stream: String,
    /// Whether it is meant to be paused.
    pub paused: bool,
    /// Since when, and by whom; nothing where nobody ever asked.
    pub asked: Option<(Timestamp, String)>,
    /// How many open letters it may have, as of when it ran last; nothing before its first run.
    pub letters_max: Option<u64>,
}

impl Reader {
    /// The letters of a stream that fit, in the order in which they were set aside, behind the number
    /// `after`, at most `letters_max`.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn letters(
        &self,
        stream: &str,
        filter: &LetterFilter,
        (after, letters_max): (u64, usize),
    ) -> Result<Vec<StoredLetter>, StoreError> {
        let failed = self.failed("reading dead letters");
        let mut conditions = Conditions::of(stream, filter, after);
        let sql = format!(
            "SELECT letter_no, state, attempts, changed_ns, stream, sink, processor, tab, op, id, \
             key, class, detail, row, truncated, at_ns, doc, event \
             FROM dead_letter LEFT JOIN letter_shape USING (shape_no) \
             WHERE {} ORDER BY letter_no LIMIT ?",
            conditions.sql()
        );
        conditions.values.push(Value::from(limit(letters_max)));
        let mut select = self.connection.prepare_cached(&sql).map_err(&failed)?;
        let rows =
            select.query_map(params_from_iter(conditions.values), letter).map_err(&failed)?;
        rows.collect::<Result<_, _>>().map_err(&failed)
    }

    /// How many letters of a stream fit.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn count_letters(&self, stream: &str, filter: &LetterFilter) -> Result<u64, StoreError> {
        let conditions = Conditions::of(stream, filter, 0);
        let sql = format!("SELECT count(*) FROM dead_letter WHERE {}", conditions.sql());
        self.connection
            .prepare_cached(&sql)
            .and_then(|mut it| it.query_row(params_from_iter(conditions.values), |row| row.get(0)))
            .map(uint)
            .map_err(self.failed("counting dead letters"))
    }

    /// How many letters a stream has, by what became of them.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn letter_figures(&self, stream: &str) -> Result<LetterFigures, StoreError> {
        let failed = self.failed("counting dead letters");
        let mut select = self
            .connection
            .prepare_cached(
                "SELECT state, count(*), min(at_ns) FROM dead_letter WHERE stream = ?1
                 GROUP BY state",
            )
            .map_err(&failed)?;
        let rows = select
            .query_map([stream], |row| {
                Ok((row.get::<_, String>(0)?, uint(row.get(1)?), row.get::<_, i64>(2)?))
            })
            .map_err(&failed)?;
        let mut figures = LetterFigures::default();
        for row in rows {
            let (state, count, oldest) = row.map_err(&failed)?;
            match LetterState::from_name(&state) {
                Some(LetterState::Open) => {
                    figures.open = count;
                    figures.oldest = Timestamp::from_nanosecond(oldest.into()).ok();
                }
                Some(LetterState::Acknowledged) => figures.acknowledged = count,
                Some(LetterState::Replayed) => figures.replayed = count,
                None => {}
            }
        }
        Ok(figures)
    }

    /// What is known of a stream; nothing for one that never ran and that nobody asked anything of.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn stream(&self, stream: &str) -> Result<Option<StreamFacts>, StoreError> {
        self.connection
            .prepare_cached(
                "SELECT stream, desired, desired_ns, desired_by, letters_max FROM stream
                 WHERE stream = ?1",
            )
            .and_then(|mut it| it.query_row([stream], facts).optional())
            .map_err(self.failed("reading a stream"))
    }

    /// The names of all streams that the store knows anything of.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn stream_names(&self) -> Result<Vec<String>, StoreError> {
        let failed = self.failed("reading the names of streams");
        let mut select = self
            .connection
            .prepare_cached(
                "SELECT stream FROM stream UNION SELECT stream FROM dead_letter
                 UNION SELECT stream FROM checkpoint ORDER BY 1",
            )
            .map_err(&failed)?;
        let rows = select.query_map((), |row| row.get(0)).map_err(&failed)?;
        rows.collect::<Result<_, _>>().map_err(&failed)
    }

    /// The latest run of a pipeline whose process lives.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn attended_run_of(&self, pipeline: &PipelineId) -> Result<Option<RunId>, StoreError> {
        let failed = self.failed("looking for a run that goes on");
        let mut select = self
            .connection
            .prepare_cached(
                "SELECT run_id, token FROM run_pipeline CROSS JOIN run USING (first_ns, run_no)
                 JOIN owner USING (owner_no)
                 WHERE pipeline_id = ?1 AND ended_ns IS NULL ORDER BY first_ns DESC",
            )
            .map_err(&failed)?;
        let rows = select
            .query_map([pipeline.as_str()], |row| {
                Ok((row.get::<_, [u8; 16]>(0)?, row.get::<_, String>(1)?))
            })
            .map_err(&failed)?;
        for row in rows {
            let (run, token) = row.map_err(&failed)?;
            if owner::is_alive(self.path(), &token) {
                return Ok(run_from_blob(run));
            }
        }
        Ok(None)
    }
}

fn facts(row: &Row<'_>) -> rusqlite::Result<StreamFacts> {
    let asked: (Option<i64>, Option<String>) = (row.get(2)?, row.get(3)?);
    let at = asked.0.and_then(|at| Timestamp::from_nanosecond(at.into()).ok());
    Ok(StreamFacts {
        stream: row.get(0)?,
        paused: row.get::<_, String>(1)? == "paused",
        asked: at.zip(asked.1),
        letters_max: row.get::<_, Option<i64>>(4)?.map(uint),
    })
}

fn letter(row: &Row<'_>) -> rusqlite::Result<StoredLetter> {
    let word = |column: usize| row.get::<_, String>(column);
    let (shape, event): (Option<String>, Option<String>) = (row.get(16)?, row.get(17)?);
    let change = shape.zip(event);
    Ok(StoredLetter {
        number: uint(row.get(0)?),
        state: LetterState::from_name(&word(1)?).ok_or_else(|| odd(1))?,
        attempts: uint(row.get(2)?),
        changed_at: time(row, 3)?,
        letter: DeadLetter {
            stream: row.get(4)?,
            sink: row.get(5)?,
            processor: row.get(6)?,
            table: row.get(7)?,
            op: Op::from_name(&word(8)?).ok_or_else(|| odd(8))?,
            id: row.get(9)?,
            key: row.get(10)?,
            // A class of a later flowglass: the letter is worth more than the word.
            class: ErrorClass::ALL
                .iter()
                .copied()
                .find(|it| word(11).is_ok_and(|name| name == it.name()))
                .unwrap_or(ErrorClass::Internal),
            detail: row.get(12)?,
            row: row.get(13)?,
            truncated: row.get(14)?,
            at: time(row, 15)?,
            // A form of a later flowglass: the letter can be read, and not be sent again.
            change: change.and_then(|(shape, event)| SavedChange::parse(&shape, &event).ok()),
        },
    })
}

fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    Timestamp::from_nanosecond(row.get::<_, i64>(column)?.into()).map_err(|_past| odd(column))
}

/// A column that holds none of the words that it may hold.
fn odd(column: usize) -> rusqlite::Error {
    let what = std::io::Error::from(std::io::ErrorKind::InvalidData);
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(what))
}
