//! Why a row cannot be written: a class, what is wrong, and where. The value itself is never part of
//! it, since it would reach logs and dead-letter lists that more people read than the table.

use flowglass_model::ErrorClass;

use crate::fault::Fault;
use crate::stream::Relation;

/// What is wrong with a cell, or with a row as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trouble {
    class: ErrorClass,
    what: &'static str,
    hint: Option<&'static str>,
}

impl Trouble {
    pub(super) const NOT_UTF8: Self = Self::malformed("is not valid UTF-8");
    pub(super) const BINARY: Self =
        Self::malformed("came in the source's binary form, which has no text to encode");
    pub(super) const UNKNOWN: Self = Self {
        class: ErrorClass::Constraint,
        what: "is not known for this row, and the key or the route needs it",
        hint: Some("Run `ALTER TABLE … REPLICA IDENTITY FULL`, or choose other columns."),
    };

    /// The text is not what the column's type promises.
    pub(super) const fn malformed(what: &'static str) -> Self {
        Self { class: ErrorClass::Malformed, what, hint: None }
    }

    /// The value has no exact place in the chosen form.
    pub(super) const fn inexact(what: &'static str, hint: &'static str) -> Self {
        Self { class: ErrorClass::Inexact, what, hint: Some(hint) }
    }

    /// The key or the route asks for something that the row does not have.
    pub(super) const fn missing(what: &'static str) -> Self {
        Self { class: ErrorClass::Constraint, what, hint: None }
    }

    /// More bytes than allowed.
    pub(super) const fn too_large(what: &'static str) -> Self {
        Self { class: ErrorClass::TooLarge, what, hint: None }
    }

    /// The same trouble, said of the column with that index.
    pub(super) const fn at(self, column: usize) -> Refusal {
        Refusal { trouble: self, place: Place::Column(column) }
    }

    /// The same trouble, said of the row.
    pub(super) const fn of_row(self) -> Refusal {
        Refusal { trouble: self, place: Place::Row }
    }

    /// The same trouble, said of a column that the table does not have, by its number in the rule.
    pub(super) const fn of_rule(self, rule: Rule) -> Refusal {
        Refusal { trouble: self, place: Place::Rule(rule) }
    }
}

/// A rule of the settings that names a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// The column with that index in [`super::KeyRule::Columns`].
    Key(usize),
    /// The piece with that index of the route.
    Route(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Column(usize),
    Row,
    Rule(Rule),
}

/// A row that cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refusal {
    trouble: Trouble,
    place: Place,
}

impl Refusal {
    /// The fault for the outside; `name_of` gives the column that a rule names.
    pub(super) fn fault(self, relation: &Relation, name_of: impl Fn(Rule) -> String) -> Fault {
        let table = relation.name();
        let what = self.trouble.what;
        let said = match self.place {
            Place::Column(index) => {
                let name = relation.columns.get(index).map_or("?", |column| column.name.as_str());
                format!("column `{name}` of {table} {what}")
            }
            Place::Row => format!("row of {table} {what}"),
            Place::Rule(rule) => format!("column `{}` {what} {table}", name_of(rule)),
        };
        let fault = Fault::new(self.trouble.class, said);
        match self.trouble.hint {
            Some(hint) => fault.hint(hint),
            None => fault,
        }
    }
}
