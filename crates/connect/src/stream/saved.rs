//! A change that outlives its chunk: the shape of its table and its cells as JSON, exact to the byte,
//! and the way back to a chunk that an encoder reads.
//!
//! The two parts are texts of their own, because thousands of dead letters share a few shapes. Both
//! are versioned, and a sample of each version is read in a test: a letter may be read by a later
//! flowglass than the one that kept it.

use std::sync::Arc;
use std::time::Duration;

use flowglass_model::ErrorClass;
use serde::{Deserialize, Serialize};

use super::change::{ChangeRef, Identity, Op, Transaction};
use super::chunk::{CellStart, Chunk, ChunkBuilder, NewChange};
use super::datum::{Cell, Datum, RowRef};
use super::ready::Ready;
use super::relation::{Column, Kind, Relation};
use crate::fault::Fault;

/// The version of both texts.
const VERSION: u32 = 1;

/// A change and the shape of its table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedChange {
    shape: Shape,
    event: Event,
}

/// The shape of a table, as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Shape {
    v: u32,
    id: u32,
    database: String,
    schema: String,
    table: String,
    columns: Vec<ShapeColumn>,
    key: Vec<usize>,
    version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ready: Option<ReadyShape>,
}

/// [`Ready`], as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct ReadyShape {
    destination: usize,
    key: usize,
    body: usize,
    headers: Vec<(String, usize)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct ShapeColumn {
    name: String,
    kind: Kind,
    native: String,
    nullable: bool,
}

/// A change without its shape, as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Event {
    v: u32,
    op: Op,
    identity: Identity,
    transaction: u64,
    commit: u64,
    committed_at_micros: i64,
    row: u64,
    place: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<Vec<SavedCell>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<Vec<SavedCell>>,
}

/// A cell: `null`, its text, or what is neither.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum SavedCell {
    Null,
    Text(String),
    Odd(Odd),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Odd {
    /// A large value that did not change and was not sent.
    Unchanged(bool),
    /// Text that is no UTF-8, as hexadecimal digits.
    TextHex(String),
    /// The source's binary form, as hexadecimal digits.
    BinaryHex(String),
}

impl SavedChange {
    /// The change as it is now.
    #[must_use]
    pub fn of(change: &ChangeRef<'_>) -> Self {
        let (relation, head, transaction) =
            (change.relation(), change.head(), change.transaction());
        let columns = relation.columns.iter().map(|it| ShapeColumn {
            name: it.name.clone(),
            kind: it.kind.clone(),
            native: it.native.clone(),
            nullable: it.nullable,
        });
        let shape = Shape {
            v: VERSION,
            id: relation.id,
            database: relation.database.to_string(),
            schema: relation.schema.to_string(),
            table: relation.table.to_string(),
            columns: columns.collect(),
            key: relation.key.clone(),
            version: relation.version,
            ready: change.ready().map(|it| ReadyShape {
                destination: it.destination,
                key: it.key,
                body: it.body,
                headers: it.headers.clone(),
            }),
        };
        let event = Event {
            v: VERSION,
            op: head.op,
            identity: head.identity,
            transaction: transaction.id,
            commit: transaction.commit,
            committed_at_micros: transaction.committed_at_micros,
            row: head.row,
            place: head.place,
            before: change.before().map(cells_of),
            after: change.after().map(cells_of),
        };
        Self { shape, event }
    }

    /// How many bytes the cells of a change hold: what a limit on a letter's size is held against.
    #[must_use]
    pub fn bytes_of(change: &ChangeRef<'_>) -> usize {
        let bytes = |row: RowRef<'_>| -> usize {
            row.data()
                .map(|it| match it {
                    Datum::Null | Datum::Unchanged => 0,
                    Datum::Text(bytes) | Datum::Binary(bytes) => bytes.len(),
                })
                .sum()
        };
        change.before().map_or(0, bytes) + change.after().map_or(0, bytes)
    }

    /// The shape of the table as JSON.
    #[must_use]
    pub fn shape_json(&self) -> String {
        // Texts and numbers always have a JSON form.
        serde_json::to_string(&self.shape).unwrap_or_default()
    }

    /// The change as JSON.
    #[must_use]
    pub fn event_json(&self) -> String {
        serde_json::to_string(&self.event).unwrap_or_default()
    }

    /// The way back from the two texts.
    ///
    /// # Errors
    /// `malformed` for a text that is none of ours, `unsupported` for one of a later version.
    pub fn parse(shape: &str, event: &str) -> Result<Self, Fault> {
        let shape: Shape = part("the shape of its table", shape)?;
        let event: Event = part("its change", event)?;
        let fits = |cells: &Option<Vec<SavedCell>>| {
            cells.as_ref().is_none_or(|it| it.len() == shape.columns.len())
        };
        let known = |index: &usize| *index < shape.columns.len();
        if !fits(&event.before) || !fits(&event.after) || !shape.key.iter().all(known) {
            let said = "the letter's row has another number of columns than its table";
            return Err(Fault::new(ErrorClass::Malformed, said));
        }
        Ok(Self { shape, event })
    }

    /// Where the change's transaction was committed: [`super::Position::commit`].
    #[must_use]
    pub const fn commit(&self) -> u64 {
        self.event.commit
    }

    /// The change's number in its transaction.
    #[must_use]
    pub const fn row(&self) -> u64 {
        self.event.row
    }

    /// What happened to the row.
    #[must_use]
    pub const fn op(&self) -> Op {
        self.event.op
    }
}

/// A chunk of these changes, in their order. Their hashes are over the cells' bytes and not those of
/// the wire, which are not kept.
#[must_use]
pub fn chunk_of<'a>(
    changes: impl IntoIterator<Item = &'a SavedChange>,
    received: Duration,
) -> Chunk {
    let mut chunk = ChunkBuilder::new(received, 0);
    let mut shapes: Vec<(&Shape, Arc<Relation>)> = Vec::new();
    let mut ready = Vec::new();
    for SavedChange { shape, event } in changes {
        let known = shapes.iter().find(|it| it.0 == shape).map(|it| Arc::clone(&it.1));
        let relation = known.unwrap_or_else(|| {
            let relation = Arc::new(relation_of(shape));
            ready.extend(shape.ready.as_ref().map(|it| (chunk.relation(&relation), ready_of(it))));
            shapes.push((shape, Arc::clone(&relation)));
            relation
        });
        let start = chunk.here();
        let before = event.before.as_ref().map(|cells| push(&mut chunk, cells));
        let after = event.after.as_ref().map(|cells| push(&mut chunk, cells));
        let change = NewChange {
            op: event.op,
            identity: event.identity,
            relation: chunk.relation(&relation),
            transaction: chunk.transaction(Transaction {
                id: event.transaction,
                commit: event.commit,
                committed_at_micros: event.committed_at_micros,
            }),
            before,
            after,
            row: event.row,
            place: event.place,
        };
        chunk.push_change_from(change, start);
    }
    let mut chunk = chunk.finish();
    chunk.ready = ready;
    chunk
}

fn part<'a, T: Deserialize<'a>>(what: &str, text: &'a str) -> Result<T, Fault> {
    #[derive(Deserialize)]
    struct Versioned {
        v: u32,
    }
    let unreadable = |error: serde_json::Error| {
        // The parser's words would repeat a piece of the row.
        let place = error.column();
        let said = format!("the letter does not say {what}: it breaks off at column {place}");
        Fault::new(ErrorClass::Malformed, said)
    };
    let version = serde_json::from_str::<Versioned>(text).map_err(unreadable)?.v;
    if version > VERSION {
        let said = format!("a later flowglass kept the letter, in version {version} of its form");
        return Err(Fault::new(ErrorClass::Unsupported, said));
    }
    serde_json::from_str(text).map_err(unreadable)
}

fn ready_of(shape: &ReadyShape) -> Arc<Ready> {
    Arc::new(Ready {
        destination: shape.destination,
        key: shape.key,
        body: shape.body,
        headers: shape.headers.clone(),
    })
}

fn relation_of(shape: &Shape) -> Relation {
    let columns = shape.columns.iter().map(|it| Column {
        name: it.name.clone(),
        kind: it.kind.clone(),
        native: it.native.clone(),
        nullable: it.nullable,
    });
    Relation {
        id: shape.id,
        database: shape.database.as_str().into(),
        schema: shape.schema.as_str().into(),
        table: shape.table.as_str().into(),
        columns: columns.collect(),
        key: shape.key.clone(),
        version: shape.version,
    }
}

fn cells_of(row: RowRef<'_>) -> Vec<SavedCell> {
    row.data()
        .map(|datum| match datum {
            Datum::Null => SavedCell::Null,
            Datum::Unchanged => SavedCell::Odd(Odd::Unchanged(true)),
            Datum::Binary(bytes) => SavedCell::Odd(Odd::BinaryHex(hex(bytes))),
            Datum::Text(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => SavedCell::Text(text.to_owned()),
                Err(_) => SavedCell::Odd(Odd::TextHex(hex(bytes))),
            },
        })
        .collect()
}

fn push(chunk: &mut ChunkBuilder, cells: &[SavedCell]) -> CellStart {
    let first = chunk.cell_start();
    for cell in cells {
        let cell = match cell {
            SavedCell::Null => Cell::NULL,
            SavedCell::Odd(Odd::Unchanged(_)) => Cell::UNCHANGED,
            SavedCell::Text(text) => {
                let start = chunk.push_bytes(text.as_bytes());
                Cell::text(start, text.len()).unwrap_or(Cell::NULL)
            }
            SavedCell::Odd(Odd::TextHex(digits)) => {
                let bytes = unhex(digits);
                let start = chunk.push_bytes(&bytes);
                Cell::text(start, bytes.len()).unwrap_or(Cell::NULL)
            }
            SavedCell::Odd(Odd::BinaryHex(digits)) => {
                let bytes = unhex(digits);
                let start = chunk.push_bytes(&bytes);
                Cell::binary(start, bytes.len()).unwrap_or(Cell::NULL)
            }
        };
        chunk.push_cell(cell);
    }
    first
}

fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect()
}

/// The way back from [`hex`]; what is no digit counts as 0, which only a store that somebody edited
/// can hold.
fn unhex(digits: &str) -> Vec<u8> {
    let value = |digit: u8| char::from(digit).to_digit(16).unwrap_or(0);
    let pair = |pair: &[u8]| {
        let byte = pair.iter().fold(0, |byte, digit| (byte << 4) | value(*digit));
        u8::try_from(byte & 0xff).unwrap_or(0)
    };
    digits.as_bytes().chunks(2).map(pair).collect()
}
