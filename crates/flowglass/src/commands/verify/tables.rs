//! Holding the tables of a sink to what happened to their rows.
//!
//! A table does not keep what happened, only what came of it. What can be proved is that its database
//! stands where the receipts end, which is kept in the same transaction as the rows, and that it has as
//! many rows as were made and not removed. What stands in the rows cannot be proved from receipts.

use flowglass_connect::Fault;
use flowglass_connect::stream::{HeldTables, Position, TableTally};

use super::range::Range;
use super::report::{Part, SinkReport, Verdict};
use super::windows::History;

/// A sink whose tables are held to its receipts.
pub(super) struct Tables<'a> {
    pub(super) held: &'a dyn HeldTables,
    pub(super) history: &'a History,
    pub(super) range: Range,
    /// Why the rows that were there when the stream began are not among those counted.
    pub(super) begins_without: Option<&'static str>,
}

impl Tables<'_> {
    /// Looks at the position and at every table.
    ///
    /// # Errors
    /// What keeps the database from being asked.
    pub(super) async fn look(&self, mut report: SinkReport) -> Result<SinkReport, Fault> {
        let Some(end) = &self.history.end else { return Ok(report) };
        let stands = self.held.position().await?;
        let same = |at: &Position| at.commit == end.commit && at.rows == end.rows;
        match &stands {
            Some(at) if at.reaches(end) => {}
            _ => {
                let at = stands.map_or_else(|| "nowhere".to_owned(), |it| plain(&it));
                report.verdict = Verdict::Differs;
                let said = format!(
                    "its database stands at {at} and had acknowledged everything up to {}: it lost \
                     rows, or is another one",
                    plain(end)
                );
                return Ok(report.because(said));
            }
        }
        let ahead = !stands.as_ref().is_some_and(same);
        for (name, tally) in &self.history.tables {
            let mut part = Part::new(name);
            let (schema, table) = name.split_once('.').unwrap_or(("", name));
            part.found = self.held.rows(schema, table).await?;
            self.judge(&mut part, tally, ahead);
            report.parts.push(part);
        }
        // What is counted while somebody writes is no number of anything.
        let moved = self.held.position().await? != stands;
        for part in report.parts.iter_mut().filter(|_| moved) {
            part.verdict = Verdict::NotProved;
            part.remarks = vec!["the stream wrote while it was counted: stop it first".to_owned()];
        }
        Ok(report)
    }

    fn judge(&self, part: &mut Part, tally: &TableTally, ahead: bool) {
        if let Some(why) = self.why_not(tally, ahead) {
            part.remarks.push(why.to_owned());
            return;
        }
        let expected = u64::try_from(tally.net).unwrap_or_default();
        let found = part.found.unwrap_or_default();
        part.rows = Some(expected);
        part.lost = expected.saturating_sub(found);
        part.unknown = found.saturating_sub(expected);
        part.verdict = if found == expected { Verdict::Equal } else { Verdict::Differs };
        if part.found.is_none() && expected > 0 {
            part.remarks.push("the table is not there".to_owned());
        }
    }

    /// Why the number of rows says nothing; none when it does.
    fn why_not(&self, tally: &TableTally, ahead: bool) -> Option<&'static str> {
        let emptied = tally.emptied;
        if self.range != Range::All {
            Some("a table has no past: it can only be counted as a whole, with `--range all`")
        } else if ahead {
            Some(
                "the database has come further than the receipts: the stream runs, or its process \
                 ended before its last checkpoint",
            )
        } else if !self.history.is_whole() && !emptied {
            Some(
                "some of the receipts are missing, so that nobody knows how many rows there should be",
            )
        } else if !self.history.is_whole() {
            Some("some of the receipts are missing")
        } else if tally.left_out > 0 {
            Some(
                "some rows were left out or set aside, so that a change may have found no row, or made one",
            )
        } else if tally.mixed {
            Some("rows were read again beside the log, and were perhaps there already")
        } else if emptied {
            self.held.differs_by_rule()
        } else {
            self.begins_without
        }
    }
}

fn plain(position: &Position) -> String {
    Position { detail: None, ..position.clone() }.to_string()
}
