//! Reading the log: the events of a run, all events in the order of their commits, and single runs.
//!
//! Every call is a short transaction of its own and answers a bounded amount, because a reader that
//! keeps a transaction open keeps the write-ahead log from being emptied.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use flowglass_model::{Event, RunId};
use rusqlite::{Connection, OptionalExtension, Row};

use crate::codec::{int, run_blob, run_from_blob, uint};
use crate::error::StoreError;
use crate::open;
use crate::owner;
use crate::summary::RunSummary;

/// Candidates that an ambiguous prefix names.
const CANDIDATES_MAX: i64 = 5;

/// One stored event as its line of JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredLine {
    /// Its place among all events, in the order of their commits; never used twice.
    pub pos: i64,
    /// Its place in its run.
    pub seq: u64,
    /// The event's JSON without a line end, to the byte as it was stored.
    pub line: String,
}

impl StoredLine {
    /// The event.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`] when the line does not fit the contract.
    pub fn event(&self) -> Result<Event, StoreError> {
        Event::from_line(&self.line).map_err(|why| StoreError::Unreadable {
            run: "?".to_owned(),
            seq: self.seq,
            why: why.to_string(),
        })
    }

    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { pos: row.get(0)?, seq: uint(row.get(1)?), line: row.get(2)? })
    }
}

/// A connection that only reads. Its calls block.
#[derive(Debug)]
pub struct Reader {
    pub(crate) connection: Connection,
    path: PathBuf,
}

impl Reader {
    /// Opens the store at `path`, which must be there; makes and changes nothing.
    ///
    /// # Errors
    /// A path where nothing is or something else, or a store of another version.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let path = path.into();
        Ok(Self { connection: open::reader(&path)?, path })
    }

    /// Where the store is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn failed(&self, doing: &'static str) -> impl Fn(rusqlite::Error) -> StoreError {
        let path = self.path.clone();
        move |cause| StoreError::Database { doing, path: path.clone(), cause: Arc::new(cause) }
    }

    /// The lines of a run after `after`, in order, at most `events_max`. Empty at the end, and for
    /// a run that is not there.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn lines(
        &self,
        run: RunId,
        after: u64,
        events_max: usize,
    ) -> Result<Vec<StoredLine>, StoreError> {
        let failed = self.failed("reading a run's events");
        let mut select = self
            .connection
            .prepare_cached(
                "SELECT pos, seq, line FROM event
                 WHERE run_no = (SELECT run_no FROM run WHERE run_id = ?1) AND seq > ?2
                 ORDER BY seq LIMIT ?3",
            )
            .map_err(&failed)?;
        let rows = select
            .query_map((run_blob(run), int(after), limit(events_max)), StoredLine::from_row)
            .map_err(&failed)?;
        rows.collect::<Result<_, _>>().map_err(failed)
    }

    /// The same as events.
    ///
    /// # Errors
    /// What SQLite answers, and [`StoreError::Unreadable`].
    pub fn events(
        &self,
        run: RunId,
        after: u64,
        events_max: usize,
    ) -> Result<Vec<Event>, StoreError> {
        let named = |error| match error {
            StoreError::Unreadable { seq, why, .. } => {
                StoreError::Unreadable { run: run.to_string(), seq, why }
            }
            other => other,
        };
        let lines = self.lines(run, after, events_max)?;
        lines.iter().map(StoredLine::event).collect::<Result<_, _>>().map_err(named)
    }

    /// Calls `each` with every event of a run, in order, reading in bounded parts.
    ///
    /// # Errors
    /// As [`Self::events`], and the first error of `each`.
    pub fn for_each_event<E: From<StoreError>>(
        &self,
        run: RunId,
        mut each: impl FnMut(Event) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut after = 0;
        loop {
            let events = self.events(run, after, PART_EVENTS_MAX)?;
            let Some(last) = events.last() else { return Ok(()) };
            after = last.seq;
            events.into_iter().try_for_each(&mut each)?;
        }
    }

    /// Events of all runs after the position `after`, in the order of their commits, at most
    /// `events_max`: what an exporter reads.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn since(&self, after: i64, events_max: usize) -> Result<Vec<StoredLine>, StoreError> {
        let failed = self.failed("reading the log");
        let mut select = self
            .connection
            .prepare_cached(
                "SELECT pos, seq, line FROM event
                 WHERE pos > ?1 AND run_no NOT IN (SELECT run_no FROM doomed)
                 ORDER BY pos LIMIT ?2",
            )
            .map_err(&failed)?;
        let rows =
            select.query_map((after, limit(events_max)), StoredLine::from_row).map_err(&failed)?;
        rows.collect::<Result<_, _>>().map_err(failed)
    }

    /// The newest position of the log; 0 when nothing was ever stored.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn newest(&self) -> Result<i64, StoreError> {
        self.connection
            .prepare_cached("SELECT value FROM counter WHERE name = 'pos'")
            .and_then(|mut it| it.query_row((), |row| row.get(0)))
            .map_err(self.failed("reading the newest position"))
    }

    /// What the reader `name` has dealt with; 0 when it is not known.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn cursor(&self, name: &str) -> Result<i64, StoreError> {
        self.connection
            .prepare_cached("SELECT pos FROM cursor WHERE name = ?1")
            .and_then(|mut it| it.query_row([name], |row| row.get(0)).optional())
            .map(|it| it.unwrap_or(0))
            .map_err(self.failed("reading a reader's position"))
    }

    /// The summary of a run.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn summary(&self, run: RunId) -> Result<Option<RunSummary>, StoreError> {
        let doc: Option<String> = self
            .connection
            .prepare_cached("SELECT doc FROM run WHERE run_id = ?1")
            .and_then(|mut it| it.query_row([run_blob(run)], |row| row.get(0)).optional())
            .map_err(self.failed("reading a run"))?;
        doc.as_deref().map(parse_summary).transpose()
    }

    /// The run that a person means: `latest`, a whole id, or a prefix that only one run has.
    ///
    /// # Errors
    /// [`StoreError::UnknownRun`], [`StoreError::AmbiguousRun`], and what SQLite answers.
    pub fn find(&self, given: &str) -> Result<RunId, StoreError> {
        let unknown = || StoreError::UnknownRun { given: given.chars().take(100).collect() };
        let failed = self.failed("looking for a run");
        if given == "latest" {
            let newest: Option<[u8; 16]> = self
                .connection
                .query_row(
                    "SELECT run_id FROM run ORDER BY first_ns DESC, run_no DESC LIMIT 1",
                    (),
                    |row| row.get(0),
                )
                .optional()
                .map_err(failed)?;
            return newest.and_then(run_from_blob).ok_or_else(unknown);
        }
        let (low, high) = prefix_range(given).ok_or_else(unknown)?;
        let mut select = self
            .connection
            .prepare_cached(
                "SELECT run_id FROM run WHERE run_id BETWEEN ?1 AND ?2 ORDER BY run_id LIMIT ?3",
            )
            .map_err(&failed)?;
        let rows = select
            .query_map((low, high, CANDIDATES_MAX), |row| row.get::<_, [u8; 16]>(0))
            .map_err(&failed)?;
        let found: Vec<[u8; 16]> = rows.collect::<Result<_, _>>().map_err(failed)?;
        let mut candidates: Vec<RunId> = found.into_iter().filter_map(run_from_blob).collect();
        match (candidates.pop(), candidates.is_empty()) {
            (None, _) => Err(unknown()),
            (Some(only), true) => Ok(only),
            (Some(last), false) => {
                candidates.push(last);
                Err(StoreError::AmbiguousRun { given: given.to_owned(), candidates })
            }
        }
    }

    /// Runs without a final state whose process is gone: what `run --resume` mends. A run of a
    /// process that lives, this one included, is never among them.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn runs_left_running(&self) -> Result<Vec<RunSummary>, StoreError> {
        let failed = self.failed("looking for unfinished runs");
        let mut select = self
            .connection
            .prepare_cached(
                "SELECT doc, token FROM run LEFT JOIN owner USING (owner_no)
                 WHERE ended_ns IS NULL ORDER BY first_ns",
            )
            .map_err(&failed)?;
        let rows = select
            .query_map((), |row| Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?)))
            .map_err(&failed)?;
        let mut left = Vec::new();
        for row in rows {
            let (doc, token) = row.map_err(&failed)?;
            if !token.is_some_and(|it| owner::is_alive(&self.path, &it)) {
                left.push(parse_summary(&doc)?);
            }
        }
        Ok(left)
    }

    /// Whether the process that a run belongs to lives. `false` for a run that is not there.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn is_attended(&self, run: RunId) -> Result<bool, StoreError> {
        let token: Option<String> = self
            .connection
            .prepare_cached("SELECT token FROM run JOIN owner USING (owner_no) WHERE run_id = ?1")
            .and_then(|mut it| it.query_row([run_blob(run)], |row| row.get(0)).optional())
            .map_err(self.failed("looking for a run's process"))?;
        Ok(token.is_some_and(|it| owner::is_alive(&self.path, &it)))
    }

    /// Bytes of the file that hold something.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn used_bytes(&self) -> Result<u64, StoreError> {
        crate::retention::used_bytes(&self.connection).map_err(self.failed("measuring the file"))
    }

    /// Reads the whole file and says whether it is sound: SQLite's own check, and that no run has a
    /// gap. For tests and for a person in doubt; it takes as long as reading the file.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn check(&self) -> Result<Vec<String>, StoreError> {
        let failed = self.failed("checking the file");
        let mut complaints = Vec::new();
        let mut check = self.connection.prepare("PRAGMA integrity_check").map_err(&failed)?;
        for row in check.query_map((), |row| row.get::<_, String>(0)).map_err(&failed)? {
            complaints.push(row.map_err(&failed)?);
        }
        complaints.retain(|it| it != "ok");
        let mut gaps = self
            .connection
            .prepare(
                "SELECT lower(hex(run_id)) FROM run LEFT JOIN event USING (run_no) GROUP BY run_no
                 HAVING count(seq) <> run.last_seq OR max(seq) <> run.last_seq",
            )
            .map_err(&failed)?;
        for row in gaps.query_map((), |row| row.get::<_, String>(0)).map_err(&failed)? {
            complaints.push(format!("run {} has a gap", row.map_err(&failed)?));
        }
        Ok(complaints)
    }

    /// Another process's commits change this number, at next to no cost.
    pub(crate) fn data_version(&self) -> Result<i64, StoreError> {
        self.connection
            .pragma_query_value(None, "data_version", |row| row.get(0))
            .map_err(self.failed("looking for news"))
    }
}

/// Events of one part of a longer reading: a few MiB at most.
pub(crate) const PART_EVENTS_MAX: usize = 1024;

pub(crate) fn limit(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

pub(crate) fn parse_summary(doc: &str) -> Result<RunSummary, StoreError> {
    serde_json::from_str(doc).map_err(|why| StoreError::Unreadable {
        run: "?".to_owned(),
        seq: 0,
        why: why.to_string(),
    })
}

/// The lowest and the highest run id that begin like this; dashes are where the writer wants them.
fn prefix_range(given: &str) -> Option<([u8; 16], [u8; 16])> {
    let digits: Vec<u8> = given
        .chars()
        .filter(|it| *it != '-')
        .map(|it| it.to_digit(16).and_then(|it| u8::try_from(it).ok()))
        .collect::<Option<_>>()?;
    if digits.is_empty() || digits.len() > 32 {
        return None;
    }
    let fill = |filler: u8| {
        let mut bytes = [0; 16];
        for (index, byte) in bytes.iter_mut().enumerate() {
            let digit = |at: usize| digits.get(at).copied().unwrap_or(filler);
            *byte = digit(index * 2) << 4 | digit(index * 2 + 1);
        }
        bytes
    };
    Some((fill(0), fill(15)))
}

#[cfg(test)]
mod tests {
    use super::prefix_range;

    #[test]
    fn a_prefix_is_a_range_of_ids() {
        let (low, high) = prefix_range("0190-a").unwrap();
        assert_eq!((low[0], low[1], low[2], low[3]), (0x01, 0x90, 0xa0, 0));
        assert_eq!((high[0], high[1], high[2], high[3]), (0x01, 0x90, 0xaf, 0xff));
        for bad in ["", "-", "xyz", "latest", &"0".repeat(33)] {
            assert!(prefix_range(bad).is_none(), "{bad}");
        }
    }
}
