//! Looks at each row of a batch before anything of it is sent: which table it goes to, what names it,
//! and whether it can be written at all.

use std::sync::Arc;

use flowglass_connect::Fault;
use flowglass_connect::stream::{ChangeRef, Datum, Op, Refused, Relation, StreamBatch};
use flowglass_model::ErrorClass;

use super::config::Settings;
use super::session::Limited;
use super::tables::{Fit, Tables};
use crate::rows::{Keys, OnTruncate, Row, WithoutKey, keyless, keys_of};

/// A row that can be sent.
#[derive(Debug)]
pub(super) struct Item<'a> {
    /// Its index among those that the batch spans.
    pub(super) index: usize,
    pub(super) change: ChangeRef<'a>,
    /// The table and the shape of it, by [`Tables::get`].
    pub(super) fit: usize,
    pub(super) keys: Keys<'a>,
}

/// The rows that can be sent, in order, and those that cannot.
#[derive(Debug, Default)]
pub(super) struct Screened<'a> {
    pub(super) items: Vec<Item<'a>>,
    pub(super) refused: Vec<Refused>,
}

/// Looks at a batch. Tables that are new, or have changed, are made fit on the way.
///
/// # Errors
/// What concerns a table as a whole, or the server.
pub(super) async fn screen<'a>(
    batch: &'a StreamBatch,
    tables: &mut Tables,
    (session, settings): (&Limited, &Settings),
) -> Result<Screened<'a>, Fault> {
    let mut screened = Screened { items: Vec::with_capacity(batch.spanned()), refused: Vec::new() };
    let mut last: Option<(&Arc<Relation>, usize)> = None;
    for (index, change) in batch.changes() {
        let relation = change.relation();
        if relation.key.is_empty() && settings.tables.without_key == WithoutKey::Refuse {
            screened.refused.push(Refused { change: index, fault: keyless(relation) });
            continue;
        }
        let fit = match last {
            Some((known, fit)) if Arc::ptr_eq(known, relation) => fit,
            _ => tables.fit(session, settings, relation).await?,
        };
        last = Some((relation, fit));
        if change.op() == Op::Truncate && settings.tables.truncate == OnTruncate::Ignore {
            continue;
        }
        match judge(&change, tables.get(fit)) {
            Ok(keys) => screened.items.push(Item { index, change, fit, keys }),
            Err(fault) => screened.refused.push(Refused { change: index, fault }),
        }
    }
    Ok(screened)
}

fn judge<'a>(change: &ChangeRef<'a>, fit: &Fit) -> Result<Keys<'a>, Fault> {
    let relation = change.relation();
    if relation.key.is_empty() && matches!(change.op(), Op::Update | Op::Delete) {
        return Err(keyless(relation));
    }
    let keys = keys_of(change)?;
    let Some(row) = Row::after(change) else { return Ok(keys) };
    for column in &fit.columns {
        let trouble = match row.datum(column.at) {
            Datum::Text(text) if fit.checked && column.check.loses(text) => {
                (ErrorClass::Inexact, "holds more digits than the column of")
            }
            Datum::Binary(_) => (ErrorClass::Malformed, "came in the source's binary form, for"),
            Datum::Unchanged if relation.key.is_empty() => {
                (ErrorClass::Malformed, "was left out by the source, for")
            }
            _ => continue,
        };
        let said = format!("column `{}` {} {}", column.name, trouble.1, fit.table);
        return Err(Fault::new(trouble.0, said));
    }
    Ok(keys)
}
