//! From changes in order to what is left of them: by table, and of each row the last word.
//!
//! Rows of a table do not depend on each other, so that their order is free once each key has one
//! entry. What cannot be said so ends the step: a changed key of a row whose large values the source
//! left out is a statement of its own, between what comes before and what comes after.

use std::collections::HashMap;

use flowglass_connect::stream::{Datum, Op};

use super::screen::Item;
use super::tables::Tables;
use crate::rows::{Key, Row};

/// What is done at once, after the step before.
#[derive(Debug)]
pub(super) enum Step<'i, 'a> {
    /// The rows of some tables.
    Rows(Vec<Part<'a>>),
    /// One row gets a new key, and keeps values that are only in our table.
    Move(&'i Item<'a>),
}

/// The rows of one table.
#[derive(Debug)]
pub(super) struct Part<'a> {
    /// By [`Tables::get`].
    pub(super) fit: usize,
    /// Whether the table is emptied first.
    pub(super) emptied: bool,
    pub(super) entries: Vec<Entry<'a>>,
    known: HashMap<Key<'a>, usize>,
}

/// A row, as it is in the end.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    /// None in a table without a key.
    pub(super) key: Option<Key<'a>>,
    pub(super) last: Last<'a>,
}

/// What became of a row.
#[derive(Debug)]
pub(super) enum Last<'a> {
    /// It is gone.
    Gone,
    /// It is there, and this is all of it.
    Whole(Values<'a>),
    /// It was there before, and these values of it are new.
    Patch(Values<'a>),
}

/// The values of a row.
#[derive(Debug)]
pub(super) enum Values<'a> {
    /// As one change brought them.
    Of(Row<'a>),
    /// As several did, by column.
    Mixed(Box<[Datum<'a>]>),
}

impl<'a> Values<'a> {
    /// A cell; [`Datum::Unchanged`] when it is not known.
    pub(super) fn datum(&self, column: usize) -> Datum<'a> {
        match self {
            Self::Of(row) => row.datum(column),
            Self::Mixed(data) => data.get(column).copied().unwrap_or(Datum::Null),
        }
    }

    /// These values over older ones.
    fn over(&self, older: &Self, columns: usize) -> Self {
        let pick = |column| match self.datum(column) {
            Datum::Unchanged => older.datum(column),
            datum => datum,
        };
        Self::Mixed((0..columns).map(pick).collect())
    }
}

/// Gathers a run of changes.
pub(super) fn gather<'i, 'a>(items: &'i [Item<'a>], tables: &Tables) -> Vec<Step<'i, 'a>> {
    let mut gatherer = Gatherer { tables, steps: Vec::new(), parts: Vec::new() };
    for item in items {
        gatherer.take(item);
    }
    gatherer.cut();
    gatherer.steps
}

struct Gatherer<'t, 'i, 'a> {
    tables: &'t Tables,
    steps: Vec<Step<'i, 'a>>,
    parts: Vec<Part<'a>>,
}

impl<'i, 'a> Gatherer<'_, 'i, 'a> {
    /// Ends a step.
    fn cut(&mut self) {
        if !self.parts.is_empty() {
            self.steps.push(Step::Rows(std::mem::take(&mut self.parts)));
        }
    }

    /// The part of the item's table. A table whose shape has changed begins another step.
    fn part(&mut self, item: &Item<'a>) -> &mut Part<'a> {
        let table = &self.tables.get(item.fit).table;
        let of_table =
            |part: &Part<'_>| part.fit == item.fit || self.tables.get(part.fit).table == *table;
        let mut at = self.parts.iter().rposition(of_table);
        if at.and_then(|at| self.parts.get(at)).is_some_and(|part| part.fit != item.fit) {
            self.cut();
            at = None;
        }
        let at = at.unwrap_or_else(|| {
            self.parts.push(Part::new(item.fit));
            self.parts.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "it was found, or pushed just now")]
        &mut self.parts[at]
    }

    fn take(&mut self, item: &'i Item<'a>) {
        let part = self.part(item);
        if item.change.op() == Op::Truncate {
            part.empty();
            return;
        }
        let Some(row) = Row::after(&item.change) else {
            if let Some(old) = &item.keys.old {
                part.set(old.clone(), Last::Gone);
            }
            return;
        };
        let Some(new) = &item.keys.new else {
            part.entries.push(Entry { key: None, last: Last::Whole(Values::Of(row)) });
            return;
        };
        let values = Values::Of(row);
        let base = item.keys.old.as_ref().unwrap_or(new);
        let last = if row.is_whole() {
            Last::Whole(values)
        } else {
            let columns = item.change.relation().columns.len();
            match part.get(base) {
                Some(Last::Whole(older)) => Last::Whole(values.over(older, columns)),
                // The values that are not known are in our table alone.
                _ if item.keys.old.is_some() => {
                    self.cut();
                    self.steps.push(Step::Move(item));
                    return;
                }
                Some(Last::Patch(older)) => Last::Patch(values.over(older, columns)),
                Some(Last::Gone) => {
                    // The log says otherwise than it did: the table decides.
                    self.cut();
                    self.part(item).set(new.clone(), Last::Patch(values));
                    return;
                }
                None => Last::Patch(values),
            }
        };
        if let Some(old) = &item.keys.old {
            part.set(old.clone(), Last::Gone);
        }
        part.set(new.clone(), last);
    }
}

impl<'a> Part<'a> {
    fn new(fit: usize) -> Self {
        Self { fit, emptied: false, entries: Vec::new(), known: HashMap::new() }
    }

    /// Whatever was done to the table before does not matter any more.
    fn empty(&mut self) {
        self.emptied = true;
        self.entries.clear();
        self.known.clear();
    }

    fn get(&self, key: &Key<'a>) -> Option<&Last<'a>> {
        let at = self.known.get(key)?;
        self.entries.get(*at).map(|entry| &entry.last)
    }

    fn set(&mut self, key: Key<'a>, last: Last<'a>) {
        match self.known.get(&key).and_then(|at| self.entries.get_mut(*at)) {
            Some(entry) => entry.last = last,
            None => {
                self.known.insert(key.clone(), self.entries.len());
                self.entries.push(Entry { key: Some(key), last });
            }
        }
    }
}
