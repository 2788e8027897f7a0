//! From the text of a line to a change in a chunk.

use std::borrow::Cow;
use std::sync::Arc;

use flowglass_connect::stream::{
    Cell, CellStart, ChunkBuilder, Identity, Kind, NewChange, Op, Relation, Transaction,
};
use flowglass_model::ErrorClass;

use super::columns::{COLUMNS_MAX, Columns, both, kind_of};
use crate::jsonl::{Flaw, read_line};

/// Why a line is no row. Says where and what, never a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bad {
    pub(super) class: ErrorClass,
    pub(super) reason: Cow<'static, str>,
}

impl Bad {
    pub(super) fn new(reason: impl Into<Cow<'static, str>>) -> Self {
        Self { class: ErrorClass::Malformed, reason: reason.into() }
    }
}

/// Where a line is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spot {
    /// Its number in its file, from 1.
    pub(super) line: u64,
    /// Behind it, over all files: its transaction.
    pub(super) commit: u64,
    /// When it was read, in microseconds since 1970.
    pub(super) micros: i64,
}

/// Adds a line as a row; a line of blanks is none, and nothing is added.
pub(super) fn push_row(
    into: &mut ChunkBuilder,
    line: &[u8],
    spot: Spot,
    (columns, key): (&mut Columns, &[String]),
) -> Result<(), Bad> {
    let text = std::str::from_utf8(line).map_err(|_| Bad::new("it is not UTF-8"))?;
    if text.trim_ascii().is_empty() {
        return Ok(());
    }
    let values = values(text, (columns, key))?;
    let begin = into.push_bytes(line);
    let place = |value: &str| begin + (value.as_ptr() as usize - text.as_ptr() as usize);
    let row = into.cell_start();
    for (at, value) in values.iter().enumerate() {
        let kind = columns.kind(at).unwrap_or(&Kind::Json);
        match value {
            None => into.push_cell(Cell::NULL),
            Some(value) if *kind == Kind::Text => {
                let inside = value.get(1..value.len().saturating_sub(1)).unwrap_or_default();
                if inside.contains('\\') {
                    let text: String = serde_json::from_str(value).unwrap_or_default();
                    into.push_text(|bytes| bytes.extend_from_slice(text.as_bytes()));
                } else {
                    into.push_cell(cell(place(inside), inside.len()));
                }
            }
            // `true` and `false` by their first letter.
            Some(value) if *kind == Kind::Bool => into.push_cell(cell(place(value), 1)),
            Some(value) => into.push_cell(cell(place(value), value.len())),
        }
    }
    push(into, (columns.relation(), row), spot, line);
    Ok(())
}

/// The values of a line in the order of the columns, which are made to hold them.
fn values<'a>(
    text: &'a str,
    (columns, key): (&mut Columns, &[String]),
) -> Result<Vec<Option<&'a str>>, Bad> {
    let mut values: Vec<Option<&'a str>> = vec![None; columns.relation().columns.len()];
    let mut news: Vec<(String, Kind)> = Vec::new();
    let mut new_values: Vec<(String, &'a str)> = Vec::new();
    let mut nulls: Vec<String> = Vec::new();
    let read = read_line(text, &mut |name, value| {
        let twice = || Flaw::Twice { key: name.to_owned() };
        let place = columns.place(name);
        let Some(kind) = kind_of(value) else {
            // Null is told as nothing, and yet stands twice.
            if nulls.iter().any(|it| it == name) {
                return Err(twice());
            }
            nulls.push(name.to_owned());
            return Ok(());
        };
        match place.and_then(|at| values.get_mut(at)) {
            Some(slot) => {
                if slot.replace(value).is_some() {
                    return Err(twice());
                }
                let known = place.and_then(|at| columns.kind(at));
                if known.is_some_and(|known| both(known, &kind) != *known) {
                    news.push((name.to_owned(), kind));
                }
            }
            None => {
                if new_values.iter().any(|(known, _)| known == name) {
                    return Err(twice());
                }
                news.push((name.to_owned(), kind));
                new_values.push((name.to_owned(), value));
            }
        }
        Ok(())
    });
    read.map_err(|flaw| of_flaw(&flaw))?;
    if nulls.iter().any(|name| {
        let told = columns.place(name).and_then(|at| values.get(at)).is_some_and(Option::is_some);
        told || new_values.iter().any(|(known, _)| known == name)
    }) {
        return Err(Bad::new("a key stands twice"));
    }
    if !news.is_empty() && !columns.widen(&news, key) {
        return Err(Bad::new(format!("the table would have more than {COLUMNS_MAX} columns")));
    }
    values.extend(new_values.into_iter().map(|(_, value)| Some(value)));
    Ok(values)
}

/// A text that is too long for a cell cannot be: lines have a bound.
fn cell(start: usize, length: usize) -> Cell {
    Cell::text(start, length).unwrap_or(Cell::NULL)
}

fn push(
    into: &mut ChunkBuilder,
    (relation, row): (&Arc<Relation>, CellStart),
    spot: Spot,
    line: &[u8],
) {
    let relation = into.relation(relation);
    let transaction = into.transaction(Transaction {
        id: spot.line,
        commit: spot.commit,
        committed_at_micros: spot.micros,
    });
    let change = NewChange {
        op: Op::Insert,
        identity: Identity::None,
        relation,
        transaction,
        before: None,
        after: Some(row),
        row: 0,
        place: spot.commit,
    };
    into.push_change(change, line);
}

/// Adds a line that is no row to the table of those.
pub(super) fn push_bad(
    into: &mut ChunkBuilder,
    line: &[u8],
    spot: Spot,
    (relation, bad): (&Arc<Relation>, &Bad),
) {
    let row = into.cell_start();
    into.push_text(|bytes| bytes.extend_from_slice(spot.line.to_string().as_bytes()));
    into.push_text(|bytes| bytes.extend_from_slice(bad.reason.as_bytes()));
    into.push_text(|bytes| bytes.extend_from_slice(String::from_utf8_lossy(line).as_bytes()));
    push(into, (relation, row), spot, line);
}

fn of_flaw(flaw: &Flaw) -> Bad {
    Bad::new(match flaw {
        Flaw::Syntax { column, cut_off: true } => {
            format!("the JSON is cut off at column {column}")
        }
        Flaw::Syntax { column, cut_off: false } => {
            format!("it is no valid JSON from column {column} on")
        }
        Flaw::NotAnObject => "it is JSON, but no object".to_owned(),
        Flaw::Surrogate => "an escape `\\u…` is half of a character".to_owned(),
        Flaw::Twice { .. } | Flaw::Unknown { .. } => "a key stands twice".to_owned(),
    })
}
