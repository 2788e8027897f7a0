//! Which rows the log has told, and by which transactions: what decides between a row that was read
//! and what the log says of it.

use std::collections::{HashMap, HashSet};

use flowglass_connect::stream::{ChangeRef, Chunk, Datum, Op, RowRef};

use super::seen::Seen;

/// The cells of a row's key, one after another; each with its length in front, so that no two keys
/// look alike.
pub(super) type Key = Box<[u8]>;

/// The names of tables: schema and table.
pub(super) type Name = (String, String);

/// A row by its key, and the texts of that.
pub(super) type Named = (Key, Vec<Vec<u8>>);

/// What the log has told of the tables that are still to be read.
#[derive(Debug, Default)]
pub(super) struct Touched {
    tables: HashMap<u32, Table>,
}

/// What it has told of one.
#[derive(Debug, Default)]
struct Table {
    /// By key, the transactions that the reader may not have seen.
    rows: HashMap<Key, HashSet<u64>>,
    /// Those that emptied the table, and those that changed rows which nothing names.
    whole: HashSet<u64>,
}

impl Touched {
    /// Notes what a chunk tells of the tables in `wanted`. What `seen` saw needs no note. Answers the
    /// keys of rows of `current` that came without their large values.
    pub(super) fn note(
        &mut self,
        chunk: &Chunk,
        (wanted, current): (&HashSet<Name>, Option<&Name>),
        seen: Option<&Seen>,
    ) -> Vec<Named> {
        let mut incomplete = Vec::new();
        let mut known: HashMap<u32, (bool, bool)> = HashMap::new();
        for change in chunk.changes(0, usize::MAX) {
            let relation = change.relation();
            let (counts, is_current) = *known.entry(relation.id).or_insert_with(|| {
                let name = (relation.schema.to_string(), relation.table.to_string());
                (wanted.contains(&name), current == Some(&name))
            });
            if !counts || change.op() == Op::Read {
                continue;
            }
            if is_current
                && let Some(row) = change.after()
                && row.data().any(|datum| datum == Datum::Unchanged)
            {
                incomplete.push((key_of(row, &relation.key), cells(row, &relation.key)));
            }
            let transaction = change.transaction().id;
            if !seen.is_some_and(|seen| seen.sees(transaction)) {
                self.tables.entry(relation.id).or_default().note(&change, transaction);
            }
        }
        incomplete
    }

    /// Forgets what `seen` saw: every later snapshot sees it too.
    pub(super) fn forget(&mut self, seen: &Seen) {
        for table in self.tables.values_mut() {
            table.rows.retain(|_, by| {
                by.retain(|it| !seen.sees(*it));
                !by.is_empty()
            });
            table.whole.retain(|it| !seen.sees(*it));
        }
        self.tables.retain(|_, table| !table.rows.is_empty() || !table.whole.is_empty());
    }

    /// What a transaction that the reader did not see has done to a table as a whole.
    pub(super) fn is_touched_as_a_whole(&self, table: u32) -> bool {
        self.tables.get(&table).is_some_and(|table| !table.whole.is_empty())
    }

    /// Whether a transaction that the reader did not see has changed that row.
    pub(super) fn is_touched(&self, table: u32, key: &[u8]) -> bool {
        self.tables.get(&table).is_some_and(|table| table.rows.contains_key(key))
    }
}

impl Table {
    fn note(&mut self, change: &ChangeRef<'_>, transaction: u64) {
        let key = &change.relation().key;
        // A new row was not there to be read, whatever names it.
        if change.op() == Op::Truncate || (key.is_empty() && change.op() != Op::Insert) {
            self.whole.insert(transaction);
            return;
        }
        if key.is_empty() {
            return;
        }
        for row in [change.before(), change.after()].into_iter().flatten() {
            self.rows.entry(key_of(row, key)).or_default().insert(transaction);
        }
    }
}

/// The key of a row.
pub(super) fn key_of(row: RowRef<'_>, key: &[usize]) -> Key {
    let mut bytes = Vec::new();
    for at in key {
        match row.datum(*at) {
            Datum::Text(cell) | Datum::Binary(cell) => {
                bytes.extend((cell.len() as u64).to_be_bytes());
                bytes.extend(cell);
            }
            Datum::Null | Datum::Unchanged => bytes.extend(u64::MAX.to_be_bytes()),
        }
    }
    bytes.into()
}

/// The texts of a row's key.
fn cells(row: RowRef<'_>, key: &[usize]) -> Vec<Vec<u8>> {
    let cells = key.iter().map(|at| match row.datum(*at) {
        Datum::Text(cell) | Datum::Binary(cell) => cell.to_vec(),
        Datum::Null | Datum::Unchanged => Vec::new(),
    });
    cells.collect()
}
