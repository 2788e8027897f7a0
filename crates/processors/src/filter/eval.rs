//! A bound condition over a row, on the cells' bytes where the source left them. Nothing is allocated.

use flowglass_connect::stream::{ChangeRef, Datum, Identity, RowRef};

use super::bind::Bound;
use super::truth::Truth;

/// One of the two rows of a change, as far as its values are known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Image<'a> {
    row: RowRef<'a>,
    /// The whole row before, which has the large values that an update did not send.
    spare: Option<RowRef<'a>>,
    /// Whether null says nothing, since only the columns of the key were sent.
    keys_only: bool,
}

/// A value, as far as it is known.
#[derive(Debug, Clone, Copy)]
enum Seen<'a> {
    Text(&'a [u8]),
    Null,
    /// There is a value, and it was not sent or cannot be read.
    Hidden,
    /// There may be one.
    Unknown,
}

impl<'a> Image<'a> {
    /// The row after.
    pub(super) fn after(change: &ChangeRef<'a>) -> Option<Self> {
        let whole = change.head().identity == Identity::Full;
        let spare = if whole { change.before() } else { None };
        Some(Self { row: change.after()?, spare, keys_only: false })
    }

    /// The row before.
    pub(super) fn before(change: &ChangeRef<'a>) -> Option<Self> {
        let keys_only = change.head().identity == Identity::Key;
        Some(Self { row: change.before()?, spare: None, keys_only })
    }

    #[inline]
    fn cell(&self, column: usize) -> Seen<'a> {
        match self.row.datum(column) {
            Datum::Text(text) => Seen::Text(text),
            Datum::Null if self.keys_only => Seen::Unknown,
            Datum::Null => Seen::Null,
            Datum::Binary(_) => Seen::Hidden,
            Datum::Unchanged => match self.spare.map(|row| row.datum(column)) {
                Some(Datum::Text(text)) => Seen::Text(text),
                // Only values that are there are too large to be sent again.
                _ => Seen::Hidden,
            },
        }
    }

    /// What a question about one value comes to; `ask` answers `None` when it cannot be read.
    #[inline]
    fn ask(&self, column: usize, ask: impl FnOnce(&[u8]) -> Option<bool>) -> Truth {
        match self.cell(column) {
            Seen::Text(text) => ask(text).map_or(Truth::EITHER, Truth::of),
            Seen::Null => Truth::NULL,
            Seen::Hidden => Truth::EITHER,
            Seen::Unknown => Truth::ANY,
        }
    }
}

/// What a condition comes to for a row.
pub(super) fn evaluate(condition: &Bound, row: &Image<'_>) -> Truth {
    match condition {
        Bound::Compare { column, by, with } => {
            row.ask(*column, |text| with.order(text).map(|order| by.holds(order)))
        }
        Bound::All(parts) => {
            let mut all = Truth::TRUE;
            for part in parts {
                all = all.and(evaluate(part, row));
                if all == Truth::FALSE {
                    break;
                }
            }
            all
        }
        Bound::Any(parts) => {
            let mut any = Truth::FALSE;
            for part in parts {
                any = any.or(evaluate(part, row));
                if any == Truth::TRUE {
                    break;
                }
            }
            any
        }
        Bound::Not(inner) => evaluate(inner, row).not(),
        Bound::Is(inner, truth) => evaluate(inner, row).is(*truth),
        Bound::In { column, list, null } => {
            let among = row.ask(*column, |text| {
                // The order of a list is that of its values, so that a long one is soon searched.
                let Some(first) = list.first() else { return Some(false) };
                first.order(text)?;
                let found = list.binary_search_by(|value| {
                    value.order(text).map_or(std::cmp::Ordering::Equal, std::cmp::Ordering::reverse)
                });
                Some(found.is_ok())
            });
            // Not among the values of a list with NULL: nobody knows.
            if *null { among.or(Truth::NULL) } else { among }
        }
        Bound::Columns { left, by, right, measured } => match (row.cell(*left), row.cell(*right)) {
            (Seen::Null, _) | (_, Seen::Null) => Truth::NULL,
            (Seen::Text(left), Seen::Text(right)) => {
                let order = measured.order(left, right);
                order.map_or(Truth::EITHER, |order| Truth::of(by.holds(order)))
            }
            (Seen::Unknown, _) | (_, Seen::Unknown) => Truth::ANY,
            (Seen::Hidden, _) | (_, Seen::Hidden) => Truth::EITHER,
        },
        Bound::Like { column, pattern } => {
            row.ask(*column, |text| std::str::from_utf8(text).ok().map(|text| pattern.fits(text)))
        }
        Bound::IsNull(column) => match row.cell(*column) {
            Seen::Null => Truth::TRUE,
            Seen::Text(_) | Seen::Hidden => Truth::FALSE,
            Seen::Unknown => Truth::EITHER,
        },
        Bound::Constant(truth) => *truth,
    }
}
