//! The cells of a row with what the row before adds to them, and what names a row.

use flowglass_connect::Fault;
use flowglass_connect::stream::{ChangeRef, Datum, Identity, Op, Relation, RowRef};
use flowglass_model::ErrorClass;

/// The row after a change. A large value that did not change, and that the source therefore left
/// out, is taken from the row before where that is known whole.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'a> {
    row: RowRef<'a>,
    spare: Option<RowRef<'a>>,
}

impl<'a> Row<'a> {
    /// The row after, if there is one.
    pub(crate) fn after(change: &ChangeRef<'a>) -> Option<Self> {
        let whole = change.head().identity == Identity::Full;
        Some(Self { row: change.after()?, spare: change.before().filter(|_| whole) })
    }

    /// A cell; [`Datum::Unchanged`] when its value is not known.
    #[inline]
    pub(crate) fn datum(&self, column: usize) -> Datum<'a> {
        match self.row.datum(column) {
            Datum::Unchanged => self.spare.map_or(Datum::Unchanged, |row| row.datum(column)),
            datum => datum,
        }
    }

    /// Whether every value is known.
    pub(crate) fn is_whole(&self) -> bool {
        let known = |column| self.datum(column) != Datum::Unchanged;
        !self.row.data().any(|it| it == Datum::Unchanged) || (0..self.row.len()).all(known)
    }
}

/// The text of the columns that name a row.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Key<'a> {
    /// Of one column: the usual case costs no allocation.
    One(&'a [u8]),
    /// Of several, in the order of the key; of none in a table that has no key.
    Many(Box<[&'a [u8]]>),
}

#[cfg(any(feature = "postgres", feature = "sqlite"))]
impl<'a> Key<'a> {
    /// The text of the column with that place in the key.
    pub(crate) fn part(&self, at: usize) -> &'a [u8] {
        match self {
            Self::One(text) => text,
            Self::Many(texts) => texts.get(at).copied().unwrap_or_default(),
        }
    }
}

/// What named the row before the change, and what names it after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Keys<'a> {
    /// The old key: of a delete, and of an update that changed the key.
    pub(crate) old: Option<Key<'a>>,
    /// The key of the row after.
    pub(crate) new: Option<Key<'a>>,
}

/// The keys of a change; of a table without a key and of a truncate none.
///
/// # Errors
/// `constraint` when a value of the key is null or not known: the row cannot be found then.
pub(crate) fn keys_of<'a>(change: &ChangeRef<'a>) -> Result<Keys<'a>, Fault> {
    let relation = change.relation();
    if relation.key.is_empty() || change.op() == Op::Truncate {
        return Ok(Keys { old: None, new: None });
    }
    let before = change.before();
    let new = match change.after() {
        None => None,
        Some(after) => {
            // A part of the key that the source left out is what it was.
            let cell = |at| match (after.datum(at), before) {
                (Datum::Unchanged, Some(before)) => before.datum(at),
                (datum, _) => datum,
            };
            Some(key_from(relation, cell)?)
        }
    };
    let old = match before {
        None => None,
        Some(before) => Some(key_from(relation, |at| before.datum(at))?),
    };
    match change.op() {
        Op::Delete if old.is_none() => Err(unknown(relation, 0)),
        Op::Delete => Ok(Keys { old, new: None }),
        _ if new.is_none() => Err(unknown(relation, 0)),
        Op::Insert | Op::Read => Ok(Keys { old: None, new }),
        Op::Update | Op::Truncate => {
            Ok(Keys { old: old.filter(|it| Some(it) != new.as_ref()), new })
        }
    }
}

fn key_from<'a>(relation: &Relation, cell: impl Fn(usize) -> Datum<'a>) -> Result<Key<'a>, Fault> {
    let text = |(place, column): (usize, usize)| match cell(column) {
        Datum::Text(text) => Ok(text),
        Datum::Null => {
            Err(Fault::new(ErrorClass::Constraint, said(relation, place, "is null in the key of")))
        }
        Datum::Unchanged => Err(unknown(relation, place)),
        Datum::Binary(_) => {
            let what = said(relation, place, "came in the source's binary form, in the key of");
            Err(Fault::new(ErrorClass::Malformed, what))
        }
    };
    match relation.key.as_slice() {
        [column] => text((0, *column)).map(Key::One),
        columns => {
            let texts = columns.iter().copied().enumerate().map(text);
            Ok(Key::Many(texts.collect::<Result<_, _>>()?))
        }
    }
}

fn said(relation: &Relation, place: usize, what: &str) -> String {
    let column = relation.key.get(place).and_then(|at| relation.columns.get(*at));
    let name = column.map_or("?", |column| column.name.as_str());
    format!("column `{name}` {what} {}", relation.name())
}

fn unknown(relation: &Relation, place: usize) -> Fault {
    let what = said(relation, place, "is not known for this row, and is in the key of");
    Fault::new(ErrorClass::Constraint, what)
        .hint("Run `ALTER TABLE … REPLICA IDENTITY FULL` at the source.")
}

/// The row that an update would complete is not in the table.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) fn missing_row(table: &str) -> Fault {
    let what =
        format!("a row that is not in {table} was updated, and the source left large values out");
    Fault::new(ErrorClass::Constraint, what).hint(
        "Look for an earlier dead letter of the same key; read the table again with \
         `flowglass streams resync`, or set `REPLICA IDENTITY FULL` at the source.",
    )
}

/// Nothing says which row of the table it was.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) fn keyless(relation: &Relation) -> Fault {
    let said = format!("nothing names a row of {}: it has no key", relation.name());
    Fault::new(ErrorClass::Constraint, said).hint(
        "Give the table a primary key or a replica identity at the source, or set \
         `without_key: append` to add its inserts.",
    )
}

/// Reads `\x` and two hexadecimal digits a byte, in place of what `out` held.
#[cfg(any(feature = "folder", feature = "sqlite"))]
pub(crate) fn unhex(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let digits = text.strip_prefix(b"\\x").filter(|digits| digits.len() % 2 == 0)?;
    out.clear();
    for pair in digits.chunks_exact(2) {
        let [high, low] = pair else { return None };
        let value = char::from(*high).to_digit(16)? * 16 + char::from(*low).to_digit(16)?;
        out.push(u8::try_from(value).ok()?);
    }
    Some(())
}
