//! Batches that are the same each time they are asked for, as a log's are: what a sink is given
//! again after a crash is what it was given before.

use std::sync::Arc;
use std::time::Duration;

use flowglass_connect::stream::{
    Cell, ChunkBuilder, Column, Identity, Kind, Message, Messages, NewChange, Op, Position,
    Relation, Slice, Span, StreamBatch, Transaction,
};

use super::Delivered;

/// Rows go to so many destinations, a key always to the same.
const DESTINATIONS: u64 = 3;
const KEYS: u64 = 13;

/// A batch and what it comes to.
#[derive(Debug)]
pub struct Fed {
    /// The rows.
    pub batch: Arc<StreamBatch>,
    /// The same encoded.
    pub messages: Messages,
    /// What a reader will find.
    pub expected: Vec<Delivered>,
}

/// The batch of that number, from 0: one transaction of a few rows, with a tombstone behind each
/// delete. `prefix` comes before the name of each destination.
///
/// # Panics
/// Never, for numbers below 2⁴⁰.
#[must_use]
pub fn feed(number: u64, prefix: &str) -> Fed {
    let rows = 9 + number * 7 % 23;
    let commit = commit_of(number);
    let mut builder = ChunkBuilder::new(Duration::ZERO, 0);
    let relation = builder.relation(&relation());
    let transaction =
        builder.transaction(Transaction { id: number, commit, committed_at_micros: 0 });
    let mut messages = Messages::default();
    let mut expected = Vec::new();
    for row in 0..rows {
        let key = (number * 31 + row * 17) % KEYS;
        let deletes = (number + row) % 5 == 4;
        let key_text = key.to_string();
        let start = builder.push_bytes(key_text.as_bytes());
        let cells = builder.cell_start();
        builder.push_cell(Cell::text(start, key_text.len()).expect("a short key"));
        builder.push_change(
            NewChange {
                op: if deletes { Op::Delete } else { Op::Insert },
                identity: if deletes { Identity::Key } else { Identity::None },
                relation,
                transaction,
                before: deletes.then_some(cells),
                after: (!deletes).then_some(cells),
                row,
                place: commit - rows + row,
            },
            key_text.as_bytes(),
        );
        let padding = "x".repeat(usize::try_from((number * 13 + row * 7) % 400).unwrap_or(0));
        let body = format!("{{\"n\":{number},\"row\":{row},\"pad\":\"{padding}\"}}");
        let destination = format!("{prefix}t{}", key % DESTINATIONS);
        let key = format!("{{\"id\":{key}}}");
        let bodies = if deletes { vec![Some(body), None] } else { vec![Some(body)] };
        for (part, body) in bodies.into_iter().enumerate() {
            let told = Delivered {
                destination: destination.clone(),
                key: Some(key.clone().into_bytes()),
                body: body.map(String::into_bytes),
                id: id_of(number, row, part),
            };
            push(&mut messages, &told, row, part);
            expected.push(told);
        }
    }
    builder.mark(Position::after(commit));
    let chunk = Arc::new(builder.finish());
    let to = chunk.len();
    let slice = Slice::new(chunk, 0, to);
    let batch = Arc::new(StreamBatch::new(vec![slice], Position::after(commit)));
    Fed { batch, messages, expected }
}

/// A batch without rows that ends at `position`.
pub(crate) fn empty(position: Position) -> Arc<StreamBatch> {
    Arc::new(StreamBatch::new(Vec::new(), position))
}

/// Where the batch of that number is committed: in the upper half of the log as well as in the
/// lower, so that both are looked at.
pub(crate) const fn commit_of(number: u64) -> u64 {
    0x1_0000_0000 + (number + 1) * 256
}

/// The number of the batch behind that position.
pub(super) const fn number_after(position: &Position) -> u64 {
    (position.commit - 0x1_0000_0000) / 256
}

/// Adds a message that a reader will find as `told`.
pub(super) fn push(messages: &mut Messages, told: &Delivered, change: u64, part: usize) {
    let destination = messages.destination(&Arc::from(told.destination.as_str()));
    let mut span = |bytes: &Option<Vec<u8>>| {
        let bytes = bytes.as_ref()?;
        let start = messages.buffer.len();
        messages.buffer.extend_from_slice(bytes);
        Span::new(start, messages.buffer.len())
    };
    let (key, body) = (span(&told.key), span(&told.body));
    let change = u32::try_from(change).expect("few rows");
    let part = u8::try_from(part).expect("few parts");
    messages.push(Message { destination, change, part, key, body });
}

/// The idempotency key, spelled out once more so that the sinks' own spelling is held to it.
fn id_of(number: u64, row: u64, part: usize) -> String {
    let low = (number + 1) * 256;
    let part = if part == 0 { String::new() } else { format!("/{part}") };
    format!("1/{low:X}/{row}{part}")
}

fn relation() -> Arc<Relation> {
    Arc::new(Relation {
        id: 1,
        database: "shop".into(),
        schema: "public".into(),
        table: "orders".into(),
        columns: vec![Column {
            name: "id".to_owned(),
            kind: Kind::Int64,
            native: "bigint".to_owned(),
            nullable: false,
        }],
        key: vec![0],
        version: 1,
    })
}
