//! A face for fuzzing: bytes as a walsender's, without a server.

use std::time::Duration;

use bytes::BytesMut;
use flowglass_connect::Fault;
use flowglass_connect::stream::{Column, Kind, Position, Relation};

use super::assemble::{Assembly, Pause};
use super::message::Shape;

/// Reads `bytes` as the stream of changes. Answers how many cells its changes told.
///
/// # Errors
/// As reading from a server does.
pub fn log(bytes: &[u8]) -> Result<usize, Fault> {
    let mut assembly = Assembly::new(Position::after(0));
    let mut buffer = BytesMut::from(bytes);
    let mut told = 0;
    loop {
        let pause = assembly.read(&buffer, Duration::ZERO)?;
        let end = pause == Pause::Empty;
        if let Pause::Shape(shape) = pause {
            assembly.decoder.learn(relation(*shape).into(), true);
        } else if let Some(chunk) = assembly.cut(&mut buffer) {
            for change in chunk.changes(0, usize::MAX) {
                let rows = change.before().into_iter().chain(change.after());
                told += rows.map(|row| row.data().count()).sum::<usize>();
            }
        }
        if end {
            return Ok(told);
        }
    }
}

fn relation(shape: Shape) -> Relation {
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
