//! A row as a JSON object, from the cells where the source left them.

use super::form::{Form, Scratch};
use super::json::write_string;
use super::refusal::{Refusal, Trouble};
use crate::stream::{ChangeRef, Datum, Identity, RowRef};

/// A column as it is written.
#[derive(Debug)]
pub(super) struct ColumnPlan {
    /// `,"name":`.
    lead: Vec<u8>,
    /// How its cells are written.
    form: Form,
    /// What stands for a value that the source did not send; without it the column is left out and
    /// named apart.
    placeholder: Option<Vec<u8>>,
}

impl ColumnPlan {
    pub(super) fn new(name: &str, form: Form, placeholder: Option<Vec<u8>>) -> Self {
        let mut lead = vec![b','];
        // A name is a string, hence UTF-8.
        write_string(name.as_bytes(), &mut lead).unwrap_or_default();
        lead.push(b':');
        Self { lead, form, placeholder }
    }

    /// The name as a JSON string.
    fn name(&self) -> &[u8] {
        let end = self.lead.len().saturating_sub(1);
        self.lead.get(1..end).unwrap_or_default()
    }

    /// Writes `,"name":` and the cell.
    #[inline]
    fn write(
        &self,
        datum: Datum<'_>,
        out: &mut Vec<u8>,
        scratch: &mut Scratch,
    ) -> Result<(), Trouble> {
        out.extend_from_slice(&self.lead);
        match datum {
            Datum::Text(text) => self.form.write(text, out, scratch),
            Datum::Null => {
                out.extend_from_slice(b"null");
                Ok(())
            }
            Datum::Binary(bytes) => self.form.write_binary(bytes, out),
            Datum::Unchanged => Err(Trouble::UNKNOWN),
        }
    }
}

/// Room that rows are written with, kept from row to row.
#[derive(Debug, Default)]
pub(super) struct Room {
    pub scratch: Scratch,
    /// Indices of the columns that were left out of the row that was written last.
    unchanged: Vec<usize>,
}

/// One of the two rows of a change.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cells<'a> {
    row: RowRef<'a>,
    /// The whole row before, where values are that the row itself lacks.
    spare: Option<RowRef<'a>>,
    /// Whether null means that the value is not known.
    keys_only: bool,
}

impl<'a> Cells<'a> {
    /// The row before, as far as it is known.
    pub(super) fn before(change: &ChangeRef<'a>) -> Option<Self> {
        let keys_only = change.head().identity == Identity::Key;
        Some(Self { row: change.before()?, spare: None, keys_only })
    }

    /// The row after.
    pub(super) fn after(change: &ChangeRef<'a>) -> Option<Self> {
        let whole = change.head().identity == Identity::Full;
        let spare = if whole { change.before() } else { None };
        Some(Self { row: change.after()?, spare, keys_only: false })
    }

    /// A cell; `None` when its value is not known.
    pub(super) fn datum(&self, index: usize) -> Option<Datum<'a>> {
        match self.row.datum(index) {
            Datum::Unchanged => self.spare_datum(index),
            Datum::Null if self.keys_only => None,
            datum => Some(datum),
        }
    }

    fn spare_datum(&self, index: usize) -> Option<Datum<'a>> {
        match self.spare?.datum(index) {
            datum @ (Datum::Text(_) | Datum::Binary(_)) => Some(datum),
            Datum::Null | Datum::Unchanged => None,
        }
    }

    /// Writes the row as an object. Notes in `room` which columns it had to leave out.
    pub(super) fn write(
        &self,
        columns: &[ColumnPlan],
        out: &mut Vec<u8>,
        room: &mut Room,
    ) -> Result<(), Refusal> {
        room.unchanged.clear();
        let start = out.len();
        for (index, (column, datum)) in columns.iter().zip(self.row.data()).enumerate() {
            let datum = match datum {
                Datum::Null if self.keys_only => continue,
                Datum::Unchanged => match (self.spare_datum(index), &column.placeholder) {
                    (Some(datum), _) => datum,
                    (None, Some(placeholder)) => {
                        out.extend_from_slice(&column.lead);
                        out.extend_from_slice(placeholder);
                        continue;
                    }
                    (None, None) => {
                        room.unchanged.push(index);
                        continue;
                    }
                },
                datum => datum,
            };
            column.write(datum, out, &mut room.scratch).map_err(|trouble| trouble.at(index))?;
        }
        close(start, out);
        Ok(())
    }
}

/// Writes the named columns of a row as an object.
pub(super) fn write_some(
    cells: &Cells<'_>,
    wanted: &[usize],
    columns: &[ColumnPlan],
    out: &mut Vec<u8>,
    scratch: &mut Scratch,
) -> Result<(), Refusal> {
    let start = out.len();
    for &index in wanted {
        let Some(column) = columns.get(index) else { continue };
        let datum = cells.datum(index).ok_or(Trouble::UNKNOWN.at(index))?;
        column.write(datum, out, scratch).map_err(|trouble| trouble.at(index))?;
    }
    close(start, out);
    Ok(())
}

/// Makes the first column's comma the opening brace, and closes the object.
fn close(start: usize, out: &mut Vec<u8>) {
    match out.get_mut(start) {
        Some(comma) => *comma = b'{',
        None => out.push(b'{'),
    }
    out.push(b'}');
}

/// Writes `,"unchanged":["a","b"]` when the row that was written last lacks columns.
pub(super) fn write_unchanged(columns: &[ColumnPlan], room: &Room, out: &mut Vec<u8>) {
    let mut lead: &[u8] = b",\"unchanged\":[";
    for column in room.unchanged.iter().filter_map(|index| columns.get(*index)) {
        out.extend_from_slice(lead);
        out.extend_from_slice(column.name());
        lead = b",";
    }
    if !room.unchanged.is_empty() {
        out.push(b']');
    }
}
