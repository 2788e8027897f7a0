//! A face for fuzzing: bytes as a walsender's, without a server.

use std::time::Duration;

use bytes::BytesMut;
use flowglass_connect::Fault;
use flowglass_connect::stream::{Chunk, Column, Kind, Position, Relation, Transaction};
use futures::FutureExt;

use super::assemble::{Assembly, Pause};
use super::message::Shape;
use super::pending::{Limits, Replay};

/// Everything stays in memory: no input of a fuzzer is that large.
const LIMITS: Limits = Limits { memory_bytes_max: u64::MAX, disk_bytes_max: 0 };

/// Reads `bytes` as the stream of changes. Answers how many cells its changes told.
///
/// # Errors
/// As reading from a server does.
pub fn log(bytes: &[u8]) -> Result<usize, Fault> {
    let mut assembly = Assembly::new(Position::after(0), LIMITS);
    let mut buffer = BytesMut::from(bytes);
    let mut told = 0;
    loop {
        let pause = assembly.read(&buffer, Duration::ZERO)?;
        if let Pause::Shape(shape) = pause {
            assembly.decoder.learn(relation(*shape).into(), true);
            continue;
        }
        told += assembly.cut(&mut buffer).as_ref().map_or(0, cells);
        match pause {
            Pause::Empty => return Ok(told),
            Pause::Committed(transaction) => told += replay(&mut assembly, transaction)?,
            _ => {}
        }
    }
}

/// Tells a transaction that was sent before its commit.
fn replay(assembly: &mut Assembly, transaction: Transaction) -> Result<usize, Fault> {
    let (id, commit) = (u32::try_from(transaction.id).unwrap_or_default(), transaction.commit);
    let mut replay = Replay::of(&mut assembly.hold, id)?;
    assembly.begin_replay(transaction)?;
    let (mut told, mut buffer) = (0, BytesMut::new());
    loop {
        let pause = assembly.replay(&buffer, &replay, Duration::ZERO)?;
        if let Pause::Shape(shape) = pause {
            assembly.decoder.learn(relation(*shape).into(), true);
            continue;
        }
        let done = pause == Pause::Empty && replay.is_done();
        if done {
            assembly.end_replay(commit, Duration::ZERO)?;
        }
        told += assembly.cut(&mut buffer).as_ref().map_or(0, cells);
        if done {
            return Ok(told);
        }
        if pause == Pause::Empty {
            // What is in memory is there at once.
            replay.more(&mut buffer).now_or_never().transpose()?;
        }
    }
}

fn cells(chunk: &Chunk) -> usize {
    let rows = chunk
        .changes(0, usize::MAX)
        .flat_map(|change| change.before().into_iter().chain(change.after()));
    rows.map(|row| row.data().count()).sum()
}

pub(super) fn relation(shape: Shape) -> Relation {
    let columns = shape.columns.into_iter().map(|column| Column {
        name: column.name,
        kind: Kind::Other,
        native: String::new(),
        nullable: true,
    });
    Relation {
        id: shape.id,
        database: "".into(),
        schema: shape.schema.into(),
        table: shape.table.into(),
        columns: columns.collect(),
        key: Vec::new(),
        version: 1,
    }
}
