//! The list of runs: newest first, filtered, a page at a time.
//!
//! A page is found by a key and not by counting from the start, so that the thousandth page costs
//! what the first one does, and runs that begin meanwhile move nothing.

use std::fmt;
use std::str::FromStr;

use flowglass_model::{PipelineId, State};
use jiff::Timestamp;
use rusqlite::params_from_iter;
use rusqlite::types::Value;

use crate::codec::nanoseconds;
use crate::error::StoreError;
use crate::reader::{Reader, limit, parse_summary};
use crate::summary::RunSummary;

/// Which runs to list. The default is all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// Runs that hold this pipeline.
    pub pipeline: Option<PipelineId>,
    /// Runs in one of these states; any state when empty.
    pub states: Vec<State>,
    /// Whose runs.
    pub tenant: Option<String>,
    /// Runs whose first event is not older than this.
    pub since: Option<Timestamp>,
    /// Runs whose first event is older than this.
    pub until: Option<Timestamp>,
    /// Runs that have this text, in any case, in their id, tenant, pipelines, state, reason or error.
    pub text: Option<String>,
}

/// Where the next page begins. As text it can be handed to a program and back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageKey {
    first_ns: i64,
    run_no: i64,
}

impl fmt::Display for PageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}.{:x}", self.first_ns, self.run_no)
    }
}

/// A text that is no page key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no page key: give back the one that came with the page before, unchanged")]
pub struct BadPageKey;

impl FromStr for PageKey {
    type Err = BadPageKey;

    fn from_str(text: &str) -> Result<Self, BadPageKey> {
        let (first, run) = text.split_once('.').ok_or(BadPageKey)?;
        // Times before 1970 are negative and were written as two's complement.
        let number =
            |it| u64::from_str_radix(it, 16).map(u64::cast_signed).map_err(|_bad| BadPageKey);
        Ok(Self { first_ns: number(first)?, run_no: number(run)? })
    }
}

/// A page of the list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// Its runs, newest first.
    pub runs: Vec<RunSummary>,
    /// Where the next page begins; absent on the last one.
    pub next: Option<PageKey>,
}

impl Reader {
    /// A page of at most `runs_max` runs, newest first, from `from` on.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn list(
        &self,
        filter: &RunFilter,
        from: Option<PageKey>,
        runs_max: usize,
    ) -> Result<Page, StoreError> {
        let failed = self.failed("listing runs");
        let mut query = Query::of(filter);
        if let Some(key) = from {
            query.and("(first_ns, run_no) <= (?, ?)");
            query.values.extend([Value::from(key.first_ns), Value::from(key.run_no)]);
        }
        // One more than asked for: where the next page begins.
        query.values.push(Value::from(limit(runs_max).saturating_add(1)));
        let sql = format!(
            "SELECT doc, first_ns, run_no FROM {} ORDER BY first_ns DESC, run_no DESC LIMIT ?",
            query.tables()
        );
        let mut select = self.connection.prepare_cached(&sql).map_err(&failed)?;
        let rows = select
            .query_map(params_from_iter(query.values), |row| {
                let key = PageKey { first_ns: row.get(1)?, run_no: row.get(2)? };
                Ok((row.get::<_, String>(0)?, key))
            })
            .map_err(&failed)?;
        let mut page = Page { runs: Vec::new(), next: None };
        for row in rows {
            let (doc, key) = row.map_err(&failed)?;
            if page.runs.len() == runs_max {
                page.next = Some(key);
                break;
            }
            page.runs.push(parse_summary(&doc)?);
        }
        Ok(page)
    }

    /// How many runs a filter finds.
    ///
    /// # Errors
    /// What SQLite answers.
    pub fn count(&self, filter: &RunFilter) -> Result<u64, StoreError> {
        let query = Query::of(filter);
        let sql = format!("SELECT count(*) FROM {}", query.tables());
        self.connection
            .prepare_cached(&sql)
            .and_then(|mut it| {
                it.query_row(params_from_iter(query.values), |row| row.get::<_, i64>(0))
            })
            .map(crate::codec::uint)
            .map_err(self.failed("counting runs"))
    }
}

struct Query {
    from: &'static str,
    conditions: Vec<String>,
    values: Vec<Value>,
}

impl Query {
    fn of(filter: &RunFilter) -> Self {
        let mut query = Self { from: "run", conditions: Vec::new(), values: Vec::new() };
        if let Some(pipeline) = &filter.pipeline {
            // The side table leads, because its order is the list's.
            query.from = "run_pipeline CROSS JOIN run USING (first_ns, run_no)";
            query.and("pipeline_id = ?");
            query.values.push(Value::from(pipeline.as_str().to_owned()));
        }
        if !filter.states.is_empty() {
            let marks = vec!["?"; filter.states.len()].join(", ");
            query.and(&format!("state IN ({marks})"));
            query.values.extend(filter.states.iter().map(|it| Value::from(it.name().to_owned())));
        }
        if let Some(tenant) = &filter.tenant {
            query.and("tenant = ?");
            query.values.push(Value::from(tenant.clone()));
        }
        if let Some(since) = filter.since {
            query.and("first_ns >= ?");
            query.values.push(Value::from(nanoseconds(since)));
        }
        if let Some(until) = filter.until {
            query.and("first_ns < ?");
            query.values.push(Value::from(nanoseconds(until)));
        }
        if let Some(text) = filter.text.as_deref().filter(|it| !it.is_empty()) {
            query.and("instr(words, ?) > 0");
            query.values.push(Value::from(text.to_lowercase()));
        }
        query
    }

    fn and(&mut self, condition: &str) {
        self.conditions.push(condition.to_owned());
    }

    fn tables(&self) -> String {
        if self.conditions.is_empty() {
            return self.from.to_owned();
        }
        format!("{} WHERE {}", self.from, self.conditions.join(" AND "))
    }
}
