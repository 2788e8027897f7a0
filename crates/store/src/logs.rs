//! The lines that nodes wrote, filtered.

use flowglass_model::{Event, LogLevel, NodeId, RunId};
use rusqlite::params_from_iter;
use rusqlite::types::Value;

use crate::codec::{int, level_number, run_blob, uint};
use crate::error::StoreError;
use crate::reader::{PART_EVENTS_MAX, Reader};

/// Which lines of a run's log to read. [`LogQuery::of`] a run is all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogQuery {
    /// The run.
    pub run: RunId,
    /// Lines of this node.
    pub node: Option<NodeId>,
    /// Lines of this attempt, from 1.
    pub attempt: Option<u32>,
    /// Lines as grave as this or graver.
    pub level_min: Option<LogLevel>,
    /// Lines that hold this text, in any case.
    pub text: Option<String>,
    /// Lines after this place of the run.
    pub after: u64,
}

impl LogQuery {
    /// All lines of a run.
    #[must_use]
    pub fn of(run: RunId) -> Self {
        Self { run, node: None, attempt: None, level_min: None, text: None, after: 0 }
    }

    /// Whether an event is a line that this asks for, its run and place aside.
    #[must_use]
    pub fn takes(&self, event: &Event) -> bool {
        let Some(line) = &event.log else { return false };
        let node = self.node.is_none() || self.node == event.node_id;
        let attempt = self
            .attempt
            .is_none_or(|it| event.attempt_id.as_ref().is_some_and(|of| of.number == it));
        let level = self.level_min.is_none_or(|it| line.level >= it);
        node && attempt && level && self.holds_text(&line.text)
    }

    fn holds_text(&self, line: &str) -> bool {
        self.text.as_ref().is_none_or(|it| line.to_lowercase().contains(&it.to_lowercase()))
    }
}

impl Reader {
    /// The first `lines_max` lines that a query finds, in order, as their events. The last one's
    /// `seq` is where to go on.
    ///
    /// # Errors
    /// What SQLite answers, and [`StoreError::Unreadable`].
    pub fn logs(&self, query: &LogQuery, lines_max: usize) -> Result<Vec<Event>, StoreError> {
        let mut found = Vec::new();
        let mut after = query.after;
        while found.len() < lines_max {
            let part = self.log_part(query, Part::After(after))?;
            let Some((last, _event)) = part.last() else { break };
            after = *last;
            found.extend(part.into_iter().filter_map(|(_seq, event)| event));
        }
        found.truncate(lines_max);
        Ok(found)
    }

    /// The last `lines_max` lines that a query finds, in order.
    ///
    /// # Errors
    /// As [`Self::logs`].
    pub fn logs_tail(&self, query: &LogQuery, lines_max: usize) -> Result<Vec<Event>, StoreError> {
        let mut found = Vec::new();
        let mut before = i64::MAX;
        while found.len() < lines_max {
            let part = self.log_part(query, Part::Before(before))?;
            let Some((last, _event)) = part.last() else { break };
            before = int(*last);
            found.extend(part.into_iter().filter_map(|(_seq, event)| event));
        }
        found.truncate(lines_max);
        found.reverse();
        Ok(found)
    }

    /// A bounded part of the lines that the columns select; `None` where the text does not fit.
    fn log_part(
        &self,
        query: &LogQuery,
        part: Part,
    ) -> Result<Vec<(u64, Option<Event>)>, StoreError> {
        let failed = self.failed("reading a run's log");
        let mut sql = "SELECT seq, line FROM event
             WHERE run_no = (SELECT run_no FROM run WHERE run_id = ?) AND kind = 3 AND seq > ?"
            .to_owned();
        let mut values = vec![Value::from(run_blob(query.run).to_vec())];
        let order = match part {
            Part::After(after) => {
                values.push(Value::from(int(after)));
                "ORDER BY seq LIMIT ?"
            }
            Part::Before(before) => {
                sql.push_str(" AND seq < ?");
                values.extend([Value::from(int(query.after)), Value::from(before)]);
                "ORDER BY seq DESC LIMIT ?"
            }
        };
        if let Some(node) = &query.node {
            sql.push_str(" AND node = ?");
            values.push(Value::from(node.as_str().to_owned()));
        }
        if let Some(attempt) = query.attempt {
            sql.push_str(" AND attempt = ?");
            values.push(Value::from(i64::from(attempt)));
        }
        if let Some(level) = query.level_min {
            sql.push_str(" AND level >= ?");
            values.push(Value::from(level_number(level)));
        }
        values.push(Value::from(crate::reader::limit(PART_EVENTS_MAX)));
        let sql = format!("{sql} {order}");
        let mut select = self.connection.prepare_cached(&sql).map_err(&failed)?;
        let rows = select
            .query_map(params_from_iter(values), |row| {
                Ok((uint(row.get(0)?), row.get::<_, String>(1)?))
            })
            .map_err(&failed)?;
        let mut found = Vec::new();
        for row in rows {
            let (seq, line) = row.map_err(&failed)?;
            let event = Event::from_line(&line).map_err(|why| StoreError::Unreadable {
                run: query.run.to_string(),
                seq,
                why: why.to_string(),
            })?;
            found.push((seq, query.takes(&event).then_some(event)));
        }
        Ok(found)
    }
}

#[derive(Clone, Copy)]
enum Part {
    After(u64),
    Before(i64),
}
