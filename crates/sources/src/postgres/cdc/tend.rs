//! The task's part in reading rows beside the log: it orders windows, notes what the log tells
//! meanwhile, and tells the rows when their watermark comes by.

use std::sync::Arc;

use flowglass_clients::postgres::TableName;
use flowglass_connect::Fault;
use flowglass_model::ErrorClass;

use super::backfill::{Backfill, Outcome, Setting, WATERMARK};
use super::config::SnapshotMode;
use super::follow::{Follower, closed};
use super::link::Link;
use super::message::Said;
use super::publication::{JOINED, Joined, Table, meant_tables};
use super::snapshot::{Part, Progress, parts};

/// Tables that are to be read beside the log.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) progress: Progress,
    /// About how many rows there are in all.
    pub(super) rows_expected: u64,
}

impl Follower {
    /// Begins to read beside the log.
    pub(super) fn begin_backfill(&mut self, wanted: Wanted) {
        let name = format!("{} {}", self.around.plan.slot, self.around.clock.now().as_nanosecond());
        let (plan, side) = (Arc::clone(&self.around.plan), Arc::clone(&self.around.side));
        let backfill = Backfill::new(Setting { plan, side, name }, wanted.progress);
        self.assembly.decoder.carry(Some(backfill.details()), true);
        self.rows_expected = wanted.rows_expected;
        self.around.shared.set_snapshot(Some((backfill.rows_done(), wanted.rows_expected)));
        self.backfill = Some(Box::new(backfill));
    }

    /// Takes up what was asked for, and keeps a window on its way.
    pub(super) async fn tend(&mut self, link: &mut Link) -> Result<(), Fault> {
        while let Ok(table) = self.requests.try_recv() {
            let found = link.meanwhile(Box::pin(self.parts_of(&table))).await?;
            self.read_too(found?);
        }
        let Some(backfill) = &mut self.backfill else { return Ok(()) };
        backfill.hear()?;
        backfill.order_next(&self.assembly.decoder);
        let figures = (backfill.rows_done(), self.rows_expected);
        if backfill.is_done() {
            self.backfill = None;
            self.assembly.decoder.carry(None, true);
            self.around.shared.set_snapshot(None);
        } else {
            self.around.shared.set_snapshot(Some(figures));
        }
        Ok(())
    }

    /// Reads these parts, of about so many rows, beside the log.
    fn read_too(&mut self, (parts, rows): (Vec<Part>, u64)) {
        if let Some(backfill) = &mut self.backfill {
            backfill.add(parts);
            self.assembly.decoder.carry(Some(backfill.details()), false);
            self.rows_expected += rows;
        } else {
            let progress = Progress::new(self.around.clock.now().as_microsecond(), parts);
            self.begin_backfill(Wanted { progress, rows_expected: rows });
        }
    }

    /// Somebody wrote a message into the log.
    pub(super) async fn hear(&mut self, link: &mut Link, said: Said) -> Result<(), Fault> {
        match said.prefix.as_str() {
            WATERMARK => self.pass_watermark(link, said).await,
            JOINED if said.transactional => self.join(link, &said.content).await,
            _ => Ok(()),
        }
    }

    /// A table has joined the publication: its changes come from here on, and the rows that it has
    /// are read. Positions say so from the end of this transaction on.
    async fn join(&mut self, link: &mut Link, content: &[u8]) -> Result<(), Fault> {
        // Anybody may write such a message: what is not ours does not concern us.
        let Ok(joined) = serde_json::from_slice::<Joined>(content) else { return Ok(()) };
        let Ok(by) = joined.by.parse() else { return Ok(()) };
        let plan = &self.around.plan;
        if joined.slot != plan.slot || plan.snapshot.mode == SnapshotMode::Never {
            return Ok(());
        }
        let found = link.meanwhile(Box::pin(self.parts_of(&joined.table))).await?;
        let (mut parts, rows) = match found {
            // It is gone again, or is no longer meant.
            Err(fault) if fault.class() == ErrorClass::NotFound => return Ok(()),
            other => other?,
        };
        let known =
            |part: &Part| self.backfill.as_ref().is_some_and(|it| it.has_joined(&part.table, by));
        if parts.iter().all(known) {
            return Ok(());
        }
        parts.iter_mut().for_each(|part| part.joined = Some(by));
        self.read_too((parts, rows));
        Ok(())
    }

    async fn parts_of(&self, table: &str) -> Result<(Vec<Part>, u64), Fault> {
        let name = TableName::parse(table)?;
        let tables = meant_tables(&self.around.side, &self.around.plan).await?;
        let found = tables.iter().find(|it| it.name == name).ok_or_else(|| unknown(&name))?;
        let chunk_rows = self.around.plan.snapshot.chunk_rows;
        let parts = parts(&self.around.side, found, chunk_rows).await?;
        Ok((parts, found.rows_expected()))
    }

    /// A watermark has come by: the rows of its window are told here.
    pub(super) async fn pass_watermark(
        &mut self,
        link: &mut Link,
        said: Said,
    ) -> Result<(), Fault> {
        if said.transactional {
            return Ok(());
        }
        // Everything before it is noted and handed over first.
        self.hand_over(link).await?;
        let now = self.around.clock.monotonic();
        let micros = self.around.clock.now().as_microsecond();
        let outcome = match &mut self.backfill {
            Some(backfill) if backfill.awaits(&said.content) => {
                backfill.hear()?;
                backfill.deliver(&mut self.assembly.decoder, (said.place, now, micros))?
            }
            _ => Outcome::Nothing,
        };
        let Outcome::Rows(chunk, position) = outcome else {
            self.assembly.pass(said.place.saturating_add(1));
            return self.tend(link).await;
        };
        if !link.meanwhile(self.out.hand(*chunk)).await? {
            return Err(closed());
        }
        if let Some(backfill) = &self.backfill {
            self.around.shared.set_progress(backfill.tables());
        }
        self.assembly.settle(position.clone());
        self.handed = position;
        self.handed_at = now;
        self.tend(link).await
    }
}

/// All tables that are meant, to be read beside the log from the beginning.
pub(super) async fn everything(
    around: &super::follow::Around,
    tables: &[Table],
) -> Result<Wanted, Fault> {
    let mut all = Vec::new();
    for table in tables {
        all.extend(parts(&around.side, table, around.plan.snapshot.chunk_rows).await?);
    }
    let progress = Progress::new(around.clock.now().as_microsecond(), all);
    Ok(Wanted { progress, rows_expected: tables.iter().map(Table::rows_expected).sum() })
}

/// The fault of a table that the stream does not carry.
pub(super) fn unknown(name: &TableName) -> Fault {
    Fault::new(ErrorClass::NotFound, format!("the stream does not carry the table {name}"))
        .hint("Name it as `schema.table`; it has to be among the stream's `tables`.")
}
