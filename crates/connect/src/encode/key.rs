//! What names a row in its messages.

use super::form::Scratch;
use super::refusal::{Refusal, Rule, Trouble};
use super::row::{Cells, ColumnPlan, write_some};
use super::settings::KeyRule;
use crate::stream::{ChangeRef, Datum, Relation};

/// The rule for keys together with a table.
#[derive(Debug)]
pub(super) enum KeyPlan {
    /// Rows of the table have no key.
    None,
    /// The columns with those indices.
    Columns(Vec<usize>),
    /// The rule names a column that the table does not have, by its number in the rule.
    Missing(usize),
}

impl KeyPlan {
    pub(super) fn new(rule: &KeyRule, relation: &Relation) -> Self {
        let indices = match rule {
            KeyRule::None => Vec::new(),
            KeyRule::PrimaryKey => relation.key.clone(),
            KeyRule::Columns(names) => {
                let mut indices = Vec::with_capacity(names.len());
                for (number, name) in names.iter().enumerate() {
                    match relation.column(name) {
                        Some((index, _)) => indices.push(index),
                        None => return Self::Missing(number),
                    }
                }
                indices
            }
        };
        if indices.is_empty() { Self::None } else { Self::Columns(indices) }
    }

    /// Writes the key of a row as a JSON object; whether there is one.
    pub(super) fn write(
        &self,
        cells: Option<&Cells<'_>>,
        columns: &[ColumnPlan],
        out: &mut Vec<u8>,
        scratch: &mut Scratch,
    ) -> Result<bool, Refusal> {
        let indices = match self {
            Self::None => return Ok(false),
            Self::Columns(indices) => indices,
            Self::Missing(number) => {
                let missing = Trouble::missing("of the key is not a column of");
                return Err(missing.of_rule(Rule::Key(*number)));
            }
        };
        let first = indices.first().copied().unwrap_or_default();
        let cells = cells.ok_or(Trouble::UNKNOWN.at(first))?;
        write_some(cells, indices, columns, out, scratch)?;
        Ok(true)
    }

    /// Whether an update gave the row another key. A value that is not known did not change: the
    /// source sends the old key whenever it did.
    pub(super) fn changed(&self, change: &ChangeRef<'_>) -> bool {
        let Self::Columns(indices) = self else { return false };
        let (Some(before), Some(after)) = (Cells::before(change), Cells::after(change)) else {
            return false;
        };
        indices.iter().any(|index| match (before.datum(*index), after.datum(*index)) {
            (Some(Datum::Text(old)), Some(Datum::Text(new)))
            | (Some(Datum::Binary(old)), Some(Datum::Binary(new))) => old != new,
            (Some(old), Some(new)) => old != new,
            _ => false,
        })
    }
}
