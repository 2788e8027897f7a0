//! The row ledger of a stream: what was read, and what each sink did with it, counted apart.
//!
//! Both sides count rows and add up the hashes of the rows by table. A sum does not depend on the
//! order, and an exchange of one row for another changes it. The side that reads counts when a
//! batch is handed out; the side that delivers counts from what it really encoded, left out and was
//! refused. When a batch is acknowledged, the two must agree to the last row.

use std::collections::BTreeMap;
use std::sync::Arc;

use flowglass_connect::stream::{Relation, StreamBatch};
use flowglass_model::LedgerEntry;

/// Rows and the sum of their hashes, which wraps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sum {
    /// How many rows.
    pub(super) rows: u64,
    /// Sum of their hashes, modulo 2^64.
    pub(super) hash: u64,
}

impl Sum {
    /// Adds one row.
    pub(super) const fn add(&mut self, hash: u64) {
        self.rows += 1;
        self.hash = self.hash.wrapping_add(hash);
    }

    /// Adds another sum.
    pub(super) const fn join(&mut self, other: Self) {
        self.rows += other.rows;
        self.hash = self.hash.wrapping_add(other.hash);
    }
}

/// What became of rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// The sink says it keeps them.
    pub(super) delivered: Sum,
    /// A rule left them out.
    pub(super) filtered: Sum,
    /// They are set aside as dead letters.
    pub(super) dead_lettered: Sum,
    /// They were dropped where dead letters found no room, by a rule that says so.
    pub(super) evicted: Sum,
}

impl Outcome {
    /// All rows that are accounted for.
    #[must_use]
    pub(super) const fn total(&self) -> Sum {
        let mut sum = self.delivered;
        sum.join(self.filtered);
        sum.join(self.dead_lettered);
        sum.join(self.evicted);
        sum
    }

    fn join(&mut self, other: &Self) {
        self.delivered.join(other.delivered);
        self.filtered.join(other.filtered);
        self.dead_lettered.join(other.dead_lettered);
        self.evicted.join(other.evicted);
    }
}

/// Sums by table. Batches hold few tables, mostly one after the other: the last is looked at first.
#[derive(Debug, Clone, Default)]
pub(super) struct ByTable<T> {
    parts: Vec<(Arc<Relation>, T)>,
}

impl<T: Default> ByTable<T> {
    /// The part of that table.
    pub(super) fn of(&mut self, relation: &Arc<Relation>) -> &mut T {
        let same = |known: &Arc<Relation>| {
            Arc::ptr_eq(known, relation)
                || (known.schema == relation.schema && known.table == relation.table)
        };
        let known = self.parts.iter().rposition(|(known, _)| same(known));
        let index = known.unwrap_or_else(|| {
            self.parts.push((Arc::clone(relation), T::default()));
            self.parts.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "found or pushed just now")]
        &mut self.parts[index].1
    }

    /// All parts.
    pub(super) fn parts(&self) -> impl Iterator<Item = (&Arc<Relation>, &T)> {
        self.parts.iter().map(|(relation, part)| (relation, part))
    }
}

/// What a batch spans, by table: counted by the side that reads.
#[must_use]
pub(super) fn read_of(batch: &StreamBatch) -> ByTable<Sum> {
    let mut sums = ByTable::<Sum>::default();
    for slice in batch.slices() {
        for change in slice.chunk.changes(slice.from, slice.to) {
            sums.of(change.relation()).add(change.head().hash);
        }
    }
    sums
}

/// The ledger of one sink.
#[derive(Debug, Clone)]
pub(super) struct SinkLedger {
    sink: String,
    tables: BTreeMap<String, TableLedger>,
}

#[derive(Debug, Clone, Copy, Default)]
struct TableLedger {
    read: Sum,
    outcome: Outcome,
    in_flight: Sum,
}

/// Where reading and delivering do not agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Discrepancy {
    /// The table.
    pub(super) table: String,
    /// What was handed out.
    pub(super) read: Sum,
    /// What was accounted for.
    pub(super) accounted: Sum,
}

impl SinkLedger {
    /// An empty ledger.
    #[must_use]
    pub(super) fn new(sink: impl Into<String>) -> Self {
        Self { sink: sink.into(), tables: BTreeMap::new() }
    }

    /// A batch is handed out.
    pub(super) fn hand_out(&mut self, read: &ByTable<Sum>) {
        for (relation, sum) in read.parts() {
            let table = self.tables.entry(relation.name()).or_default();
            table.read.join(*sum);
            table.in_flight.join(*sum);
        }
    }

    /// A batch is acknowledged: `read` is what was handed out, `outcome` what became of it.
    pub(super) fn close(
        &mut self,
        read: &ByTable<Sum>,
        outcome: &ByTable<Outcome>,
    ) -> Result<(), Discrepancy> {
        let mut said = outcome.clone();
        for (relation, sum) in read.parts() {
            let table = self.tables.entry(relation.name()).or_default();
            table.in_flight.rows = table.in_flight.rows.saturating_sub(sum.rows);
            table.in_flight.hash = table.in_flight.hash.wrapping_sub(sum.hash);
            let outcome = *said.of(relation);
            table.outcome.join(&outcome);
        }
        // Every table of either side is compared, so that a row under a wrong name is seen too.
        for (relation, _) in said.parts() {
            let mut read = read.clone();
            let (read, accounted) = (*read.of(relation), said.clone().of(relation).total());
            if read != accounted {
                return Err(Discrepancy { table: relation.name(), read, accounted });
            }
        }
        Ok(())
    }

    /// The ledger as it is told.
    #[must_use]
    pub(super) fn entries(&self) -> Vec<LedgerEntry> {
        let entry = |(name, table): (&String, &TableLedger)| LedgerEntry {
            table: name.clone(),
            sink: self.sink.clone(),
            read: table.read.rows,
            delivered: table.outcome.delivered.rows,
            filtered: table.outcome.filtered.rows,
            dead_lettered: table.outcome.dead_lettered.rows,
            evicted: table.outcome.evicted.rows,
            in_flight: table.in_flight.rows,
        };
        self.tables.iter().map(entry).collect()
    }
}
