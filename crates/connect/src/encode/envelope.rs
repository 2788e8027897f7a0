//! The native envelope, and CloudEvents around it.
//!
//! What is the same for a table and an operation is one prepared piece, what is the same for a
//! transaction is another, so that a row adds its number and its cells.

use std::sync::Arc;

use super::calendar::write_instant;
use super::identity::{write_commit, write_number, write_row};
use super::json::write_string;
use super::plan::Plan;
use super::refusal::Refusal;
use super::row::{Cells, Room, write_unchanged};
use crate::stream::{ChangeRef, Op, Relation, Transaction};

const OPS: [Op; 5] = [Op::Insert, Op::Update, Op::Delete, Op::Read, Op::Truncate];

/// The beginnings of a table's messages, one per operation.
#[derive(Debug)]
pub(super) struct Heads {
    /// `{"op":"insert","schema":"public","table":"orders",`.
    native: [Vec<u8>; 5],
    /// `"type":"flowglass.row.insert","subject":"public.orders",`.
    event: [Vec<u8>; 5],
}

impl Heads {
    pub(super) fn new(relation: &Relation) -> Self {
        let native = |op: Op| {
            let mut out = b"{\"op\":\"".to_vec();
            out.extend_from_slice(op.name().as_bytes());
            out.extend_from_slice(b"\",\"schema\":");
            write_text(&relation.schema, &mut out);
            out.extend_from_slice(b",\"table\":");
            write_text(&relation.table, &mut out);
            out.push(b',');
            out
        };
        let event = |op: Op| {
            let mut out = b"\"type\":\"flowglass.row.".to_vec();
            out.extend_from_slice(op.name().as_bytes());
            out.extend_from_slice(b"\",\"subject\":");
            write_text(&relation.name(), &mut out);
            out.push(b',');
            out
        };
        Self { native: OPS.map(native), event: OPS.map(event) }
    }
}

fn of_op(heads: &[Vec<u8>; 5], op: Op) -> &[u8] {
    let [insert, update, delete, read, truncate] = heads;
    match op {
        Op::Insert => insert,
        Op::Update => update,
        Op::Delete => delete,
        Op::Read => read,
        Op::Truncate => truncate,
    }
}

/// What is the same for every message of a transaction.
#[derive(Debug, Default)]
struct TransactionText {
    of: Option<Transaction>,
    /// `"tx":739,"commit_time":"2024-02-29T23:59:59.123456Z","position":"0/16B3748/`.
    native: Vec<u8>,
    /// `"time":"2024-02-29T23:59:59.123456Z","id":"0/16B3748/`.
    event: Vec<u8>,
}

impl TransactionText {
    fn follow(&mut self, transaction: &Transaction) {
        if self.of.as_ref() == Some(transaction) {
            return;
        }
        let micros = transaction.committed_at_micros;
        let Self { native, event, .. } = self;
        native.clear();
        native.extend_from_slice(b"\"tx\":");
        write_number(transaction.id, native);
        native.extend_from_slice(b",\"commit_time\":\"");
        if write_instant(micros, native) {
            native.push(b'"');
        } else {
            native.pop();
            native.extend_from_slice(b"null");
        }
        native.extend_from_slice(b",\"position\":\"");
        write_commit(transaction.commit, native);
        event.clear();
        event.extend_from_slice(b"\"time\":\"");
        if write_instant(micros, event) {
            event.extend_from_slice(b"\",");
        } else {
            event.clear();
        }
        event.extend_from_slice(b"\"id\":\"");
        write_commit(transaction.commit, event);
        self.of = Some(transaction.clone());
    }
}

/// Writes the native envelope, and CloudEvents around it where there is a source to name.
#[derive(Debug, Default)]
pub(super) struct NativeEnvelope {
    transaction: TransactionText,
    /// `{"specversion":"1.0","source":"/flowglass/shop","datacontenttype":"application/json",`.
    event_head: Option<Vec<u8>>,
}

impl NativeEnvelope {
    /// The native envelope alone.
    pub(super) fn plain() -> Self {
        Self::default()
    }

    /// The native envelope as the data of events of that stream.
    pub(super) fn in_events(stream: &Arc<str>) -> Self {
        let mut head = b"{\"specversion\":\"1.0\",\"source\":\"/flowglass/".to_vec();
        for byte in stream.bytes() {
            // The source is a reference to a URI: what is not unreserved there is escaped.
            if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
                head.push(byte);
            } else {
                head.extend_from_slice(format!("%{byte:02X}").as_bytes());
            }
        }
        head.extend_from_slice(b"\",\"datacontenttype\":\"application/json\",");
        Self { event_head: Some(head), ..Self::default() }
    }

    /// Writes a change. `key` is where in `out` its key stands already.
    pub(super) fn write(
        &mut self,
        plan: &Plan,
        change: &ChangeRef<'_>,
        key: Option<(usize, usize)>,
        (out, room): (&mut Vec<u8>, &mut Room),
    ) -> Result<(), Refusal> {
        let op = change.op();
        self.transaction.follow(change.transaction());
        if let Some(head) = &self.event_head {
            out.extend_from_slice(head);
            out.extend_from_slice(of_op(&plan.heads.event, op));
            out.extend_from_slice(&self.transaction.event);
            write_row(change, out);
            out.extend_from_slice(b"\",\"data\":");
        }
        out.extend_from_slice(of_op(&plan.heads.native, op));
        out.extend_from_slice(&self.transaction.native);
        write_row(change, out);
        out.push(b'"');
        if let Some((start, end)) = key {
            out.extend_from_slice(b",\"key\":");
            out.extend_from_within(start..end);
        }
        if let Some(before) = Cells::before(change) {
            out.extend_from_slice(b",\"before\":");
            before.write(&plan.columns, out, room)?;
        }
        if let Some(after) = Cells::after(change) {
            out.extend_from_slice(b",\"after\":");
            after.write(&plan.columns, out, room)?;
            write_unchanged(&plan.columns, room, out);
        }
        out.push(b'}');
        if self.event_head.is_some() {
            out.push(b'}');
        }
        Ok(())
    }
}

/// Writes text that is UTF-8 by its type.
pub(super) fn write_text(text: &str, out: &mut Vec<u8>) {
    write_string(text.as_bytes(), out).unwrap_or_default();
}
