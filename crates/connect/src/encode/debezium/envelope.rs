//! The envelope: `before`, `after`, `source`, `transaction`, `op` and three clocks.
//!
//! Debezium's page, section "Change event values"; the order of the fields is that of its 3.x
//! schemas. Where the JSON converter writes an absent optional field as `null`, so does this.

use std::collections::HashMap;
use std::sync::Arc;

use crate::encode::envelope::write_text;
use crate::encode::identity::write_number;
use crate::encode::plan::Plan;
use crate::encode::refusal::Refusal;
use crate::encode::row::{Cells, Room};
use crate::stream::{ChangeRef, Op, Transaction};

/// The constant parts of a table's messages in a transaction: what stands before the change's place
/// in the log, which the envelope says twice, and what stands between.
#[derive(Debug, Default)]
pub(in crate::encode) struct Frame {
    of: Option<(Transaction, bool)>,
    first: Vec<u8>,
    second: Vec<u8>,
}

/// One message of a change.
#[derive(Debug, Clone, Copy)]
pub(in crate::encode) struct Event<'a> {
    /// `c`, `u`, `d`, `r` or `t`.
    pub op: u8,
    pub before: Option<Cells<'a>>,
    pub after: Option<Cells<'a>>,
}

impl<'a> Event<'a> {
    /// The message of a change that keeps its key.
    pub(in crate::encode) fn whole(change: &ChangeRef<'a>) -> Self {
        let op = match change.op() {
            Op::Insert => b'c',
            Op::Update => b'u',
            Op::Delete => b'd',
            Op::Read => b'r',
            Op::Truncate => b't',
        };
        Self { op, before: Cells::before(change), after: Cells::after(change) }
    }

    /// The message that removes the old key.
    pub(in crate::encode) fn old_key(change: &ChangeRef<'a>) -> Self {
        Self { op: b'd', before: Cells::before(change), after: None }
    }

    /// The message that brings the row under its new key.
    pub(in crate::encode) fn new_key(change: &ChangeRef<'a>) -> Self {
        Self { op: b'c', before: None, after: Cells::after(change) }
    }
}

/// Writes the envelope.
#[derive(Debug)]
pub(in crate::encode) struct DebeziumEnvelope {
    /// `,"source":{"version":"…","connector":"postgresql","name":"shop","ts_ms":`.
    head: Vec<u8>,
    /// `,"ts_ms":…,"ts_us":…,"ts_ns":…}`, the time at which the batch was encoded.
    now: Vec<u8>,
    orders: Option<Orders>,
}

impl DebeziumEnvelope {
    /// For messages of a logical server `name`, by a program of `version`. `with_orders` asks for the
    /// block `transaction`.
    pub(in crate::encode) fn new(name: &Arc<str>, version: &Arc<str>, with_orders: bool) -> Self {
        let mut head = b",\"source\":{\"version\":".to_vec();
        write_text(version, &mut head);
        head.extend_from_slice(b",\"connector\":\"postgresql\",\"name\":");
        write_text(name, &mut head);
        head.extend_from_slice(b",\"ts_ms\":");
        Self { head, now: Vec::new(), orders: with_orders.then(Orders::default) }
    }

    /// Begins a batch at that time.
    pub(in crate::encode) fn begin(&mut self, now: jiff::Timestamp) {
        self.now.clear();
        self.now.extend_from_slice(b"\",\"ts_ms\":");
        write_number(now.as_millisecond(), &mut self.now);
        self.now.extend_from_slice(b",\"ts_us\":");
        write_number(now.as_microsecond(), &mut self.now);
        self.now.extend_from_slice(b",\"ts_ns\":");
        write_number(now.as_nanosecond(), &mut self.now);
        self.now.push(b'}');
    }

    /// Counts a change; once for each, before its messages are written.
    pub(in crate::encode) fn count(&mut self, change: &ChangeRef<'_>) {
        if let Some(orders) = &mut self.orders {
            orders.count(change);
        }
    }

    /// Writes one message of a change.
    pub(in crate::encode) fn write(
        &self,
        event: Event<'_>,
        plan: &mut Plan,
        change: &ChangeRef<'_>,
        (out, room): (&mut Vec<u8>, &mut Room),
    ) -> Result<(), Refusal> {
        out.extend_from_slice(b"{\"before\":");
        write_cells(event.before, plan, out, room)?;
        out.extend_from_slice(b",\"after\":");
        write_cells(event.after, plan, out, room)?;
        self.follow(plan, change);
        let place = change.head().place;
        out.extend_from_slice(&plan.frame.first);
        write_number(place, out);
        out.extend_from_slice(&plan.frame.second);
        write_number(place, out);
        out.extend_from_slice(b",\"xmin\":null},\"transaction\":");
        match &self.orders {
            Some(orders) if change.op() != Op::Read => orders.write(change, out),
            _ => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b",\"op\":\"");
        out.push(event.op);
        out.extend_from_slice(&self.now);
        Ok(())
    }

    /// Prepares the parts of the table's messages that the transaction decides.
    fn follow(&self, plan: &mut Plan, change: &ChangeRef<'_>) {
        let transaction = change.transaction();
        let is_read = change.op() == Op::Read;
        let Plan { frame, relation, .. } = plan;
        if frame.of.as_ref().is_some_and(|(of, read)| of == transaction && *read == is_read) {
            return;
        }
        let micros = transaction.committed_at_micros;
        let Frame { of, first, second } = frame;
        first.clear();
        first.extend_from_slice(&self.head);
        write_number(micros.div_euclid(1000), first);
        first.extend_from_slice(b",\"snapshot\":\"");
        first.extend_from_slice(if is_read { b"true" } else { b"false" });
        first.extend_from_slice(b"\",\"db\":");
        write_text(&relation.database, first);
        // A string that holds an array of strings, as Debezium has it: the commit, then the change.
        first.extend_from_slice(b",\"sequence\":\"[\\\"");
        write_number(transaction.commit, first);
        first.extend_from_slice(b"\\\",\\\"");
        second.clear();
        second.extend_from_slice(b"\\\"]\",\"ts_us\":");
        write_number(micros, second);
        second.extend_from_slice(b",\"ts_ns\":");
        write_number(i128::from(micros) * 1000, second);
        second.extend_from_slice(b",\"schema\":");
        write_text(&relation.schema, second);
        second.extend_from_slice(b",\"table\":");
        write_text(&relation.table, second);
        second.extend_from_slice(b",\"txId\":");
        match transaction.id {
            // No transaction has this number; a snapshot may not know its own.
            0 => second.extend_from_slice(b"null"),
            id => write_number(id, second),
        }
        second.extend_from_slice(b",\"lsn\":");
        *of = Some((transaction.clone(), is_read));
    }
}

fn write_cells(
    cells: Option<Cells<'_>>,
    plan: &Plan,
    out: &mut Vec<u8>,
    room: &mut Room,
) -> Result<(), Refusal> {
    match cells {
        Some(cells) => cells.write(&plan.columns, out, room),
        None => {
            out.extend_from_slice(b"null");
            Ok(())
        }
    }
}

/// The place of each change in its transaction, over all tables and in its own.
#[derive(Debug, Default)]
struct Orders {
    of: Option<(u64, u64)>,
    by_table: HashMap<u32, u64>,
    latest: u64,
}

impl Orders {
    fn count(&mut self, change: &ChangeRef<'_>) {
        let transaction = change.transaction();
        let this = (transaction.commit, transaction.id);
        if self.of != Some(this) {
            self.of = Some(this);
            self.by_table.clear();
        }
        let count = self.by_table.entry(change.relation().id).or_default();
        *count += 1;
        self.latest = *count;
    }

    fn write(&self, change: &ChangeRef<'_>, out: &mut Vec<u8>) {
        let transaction = change.transaction();
        out.extend_from_slice(b"{\"id\":\"");
        write_number(transaction.id, out);
        out.push(b':');
        write_number(transaction.commit, out);
        out.extend_from_slice(b"\",\"total_order\":");
        write_number(change.head().row.saturating_add(1), out);
        out.extend_from_slice(b",\"data_collection_order\":");
        write_number(self.latest, out);
        out.push(b'}');
    }
}
