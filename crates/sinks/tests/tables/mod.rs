//! Sinks that keep tables, against real databases.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails by a panic, as the test does")]

mod postgres;
mod postgres_own;
mod sqlite;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use flowglass_connect::stream::{
    Acknowledged, Cell, CellStart, ChunkBuilder, Column, Delivery, Identity, Kind, NewChange, Op,
    Position, Relation, SinkWriter, Slice, StreamBatch, StreamSink, Transaction,
};
use flowglass_connect::{Fault, Surroundings, SystemClock};

pub(crate) fn around() -> Surroundings {
    let folder = std::env::temp_dir();
    Surroundings {
        base_dir: folder.clone(),
        scratch_dir: folder,
        clock: Arc::new(SystemClock::new()),
    }
}

/// A table with these columns, of which the first `keys` are the key.
pub(crate) fn relation(table: &str, keys: usize, columns: &[(&str, Kind, &str)]) -> Arc<Relation> {
    static VERSIONS: AtomicU64 = AtomicU64::new(1);
    let version = VERSIONS.fetch_add(1, Ordering::Relaxed);
    let columns = columns.iter().map(|(name, kind, native)| Column {
        name: (*name).to_owned(),
        kind: kind.clone(),
        native: (*native).to_owned(),
        nullable: true,
    });
    Arc::new(Relation {
        id: 1,
        database: "shop".into(),
        schema: "public".into(),
        table: table.into(),
        columns: columns.collect(),
        key: (0..keys).collect(),
        version: u32::try_from(version).unwrap(),
    })
}

/// A cell of a test's row.
#[derive(Clone, Copy)]
enum Told<'a> {
    Text(&'a str),
    Null,
    Unchanged,
}

/// `_` is null and `=` is a value that the source left out; all else is text.
fn told<'a>(text: &'a &'a str) -> Told<'a> {
    match *text {
        "_" => Told::Null,
        "=" => Told::Unchanged,
        text => Told::Text(text),
    }
}

pub(crate) type Change<'a> = (Op, Option<&'a [&'a str]>, Option<&'a [&'a str]>);

/// A batch of changes, each with its table.
pub(crate) fn batch(number: u64, changes: &[(&Arc<Relation>, Change<'_>)]) -> Arc<StreamBatch> {
    let commit = (number + 1) * 1000;
    let mut builder = ChunkBuilder::new(Duration::ZERO, 0);
    let transaction =
        builder.transaction(Transaction { id: number, commit, committed_at_micros: 0 });
    for (row, (table, (op, before, after))) in (0..).zip(changes) {
        let relation = builder.relation(table);
        let before = before.map(|row| cells(&mut builder, row));
        let after = after.map(|row| cells(&mut builder, row));
        let identity = Identity::Key;
        let place = commit + row;
        builder.push_change(
            NewChange { op: *op, identity, relation, transaction, before, after, row, place },
            b"wire",
        );
    }
    let chunk = Arc::new(builder.finish());
    let end = chunk.len();
    let slice = Slice::new(chunk, 0, end);
    Arc::new(StreamBatch::new(vec![slice], Position::after(commit)))
}

fn cells(builder: &mut ChunkBuilder, row: &[&str]) -> CellStart {
    let start = builder.cell_start();
    for text in row {
        let cell = match told(text) {
            Told::Null => Cell::NULL,
            Told::Unchanged => Cell::UNCHANGED,
            Told::Text(text) => {
                Cell::text(builder.push_bytes(text.as_bytes()), text.len()).unwrap()
            }
        };
        builder.push_cell(cell);
    }
    start
}

/// Opens the sink and delivers one batch.
pub(crate) async fn deliver(
    sink: &Arc<dyn StreamSink>,
    batch: Arc<StreamBatch>,
) -> Result<Acknowledged, Fault> {
    let mut writer: Box<dyn SinkWriter> = sink.open().await?;
    writer.committed().await?;
    writer.send(Delivery { number: 1, batch, messages: None }).await?;
    writer.acknowledged().await
}

/// What was refused, by index, with the words of it.
pub(crate) fn refusals(said: &Acknowledged) -> Vec<(usize, String)> {
    said.refused.iter().map(|it| (it.change, it.fault.chain())).collect()
}
