//! Where a message goes: a template, parsed once, rendered once per table and operation, or per row
//! where it asks for a column.

use std::collections::HashSet;
use std::str;
use std::sync::Arc;

use flowglass_model::ErrorClass;

use super::refusal::{Refusal, Rule, Trouble};
use crate::fault::Fault;
use crate::stream::{ChangeRef, Datum, Op, Relation};

/// The destinations that are remembered; past it they are forgotten all at once. Remembering saves
/// an allocation, so that forgetting costs little.
const REMEMBERED_MAX: usize = 10_000;

const OPS: [Op; 5] = [Op::Insert, Op::Update, Op::Delete, Op::Read, Op::Truncate];

/// A parsed template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Route {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Schema,
    Table,
    Op,
    Column(String),
}

impl Route {
    /// Parses a template; braces that are meant are written twice.
    pub(super) fn parse(template: &str) -> Result<Self, Fault> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = template;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, brace) = rest.split_at(at);
            literal.push_str(before);
            if let Some(after) = brace.strip_prefix("{{") {
                literal.push('{');
                rest = after;
            } else if let Some(after) = brace.strip_prefix("}}") {
                literal.push('}');
                rest = after;
            } else if let Some(inside) = brace.strip_prefix('{') {
                let (word, after) = inside.split_once('}').ok_or_else(|| {
                    bad(template, "a `{` is not closed; write `{{` for the brace")
                })?;
                if !literal.is_empty() {
                    pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                }
                pieces.push(Piece::of_word(word).ok_or_else(|| {
                    let known = "`{schema}`, `{table}`, `{op}` and `{col:NAME}`";
                    bad(template, &format!("`{{{word}}}` is none of {known}"))
                })?);
                rest = after;
            } else {
                return Err(bad(template, "a `}` closes nothing; write `}}` for the brace"));
            }
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        Ok(Self { pieces })
    }

    /// The route of a table.
    pub(super) fn plan(&self, relation: &Relation) -> RoutePlan {
        if self.pieces.iter().any(|piece| matches!(piece, Piece::Column(_))) {
            let columns = self.pieces.iter().map(|piece| match piece {
                Piece::Column(name) => relation.column(name).map(|(index, _)| index),
                _ => None,
            });
            return RoutePlan::ByRow(columns.collect());
        }
        let render = |op: Op| {
            let mut text = String::new();
            for piece in &self.pieces {
                piece.render(relation, op, &mut text);
            }
            Arc::from(text)
        };
        RoutePlan::Fixed(OPS.map(render))
    }

    /// The column that the piece with that index asks for.
    pub(super) fn column(&self, piece: usize) -> &str {
        match self.pieces.get(piece) {
            Some(Piece::Column(name)) => name,
            _ => "",
        }
    }
}

impl Piece {
    fn of_word(word: &str) -> Option<Self> {
        Some(match word {
            "schema" => Self::Schema,
            "table" => Self::Table,
            "op" => Self::Op,
            _ => match word.strip_prefix("col:") {
                Some(name) if !name.is_empty() => Self::Column(name.to_owned()),
                _ => return None,
            },
        })
    }

    /// Appends the piece's text; nothing for a column.
    fn render(&self, relation: &Relation, op: Op, text: &mut String) {
        text.push_str(match self {
            Self::Literal(literal) => literal,
            Self::Schema => &relation.schema,
            Self::Table => &relation.table,
            Self::Op => op.name(),
            Self::Column(_) => "",
        });
    }
}

fn bad(template: &str, what: &str) -> Fault {
    Fault::new(ErrorClass::Config, format!("the template `{template}` cannot be used: {what}"))
}

/// A template together with a table.
#[derive(Debug)]
pub(super) enum RoutePlan {
    /// The same for every row, one per operation in the order of [`OPS`].
    Fixed([Arc<str>; 5]),
    /// For each piece the index of its column, where it asks for one and the table has it.
    ByRow(Vec<Option<usize>>),
}

/// Renders what has to be rendered per row.
#[derive(Debug, Default)]
pub(super) struct Router {
    text: String,
    known: HashSet<Arc<str>>,
}

impl Router {
    /// The destination of a change.
    pub(super) fn destination<'a>(
        &'a mut self,
        route: &Route,
        plan: &'a RoutePlan,
        change: &ChangeRef<'_>,
    ) -> Result<&'a Arc<str>, Refusal> {
        let columns = match plan {
            RoutePlan::Fixed([insert, update, delete, read, truncate]) => {
                return Ok(match change.op() {
                    Op::Insert => insert,
                    Op::Update => update,
                    Op::Delete => delete,
                    Op::Read => read,
                    Op::Truncate => truncate,
                });
            }
            RoutePlan::ByRow(columns) => columns,
        };
        self.text.clear();
        for (number, (piece, column)) in route.pieces.iter().zip(columns).enumerate() {
            if !matches!(piece, Piece::Column(_)) {
                piece.render(change.relation(), change.op(), &mut self.text);
                continue;
            }
            let Some(index) = *column else {
                let missing = Trouble::missing("of the route is not a column of");
                return Err(missing.of_rule(Rule::Route(number)));
            };
            self.text.push_str(column_text(change, index)?);
        }
        if self.text.is_empty() {
            return Err(Trouble::missing("has an empty destination").of_row());
        }
        Ok(self.intern())
    }

    /// A destination that the row itself names.
    pub(super) fn named(&mut self, text: &str) -> &Arc<str> {
        self.text.clear();
        self.text.push_str(text);
        self.intern()
    }

    fn intern(&mut self) -> &Arc<str> {
        if !self.known.contains(self.text.as_str()) {
            if self.known.len() >= REMEMBERED_MAX {
                self.known.clear();
            }
            self.known.insert(Arc::from(self.text.as_str()));
        }
        self.known.get(self.text.as_str()).expect("it is there or was added")
    }
}

/// The text of a row's column, as the source writes it.
fn column_text<'a>(change: &ChangeRef<'a>, index: usize) -> Result<&'a str, Refusal> {
    let datum = match change.row() {
        Some(row) => row.datum(index),
        None => return Err(Trouble::missing("has no columns to route by").of_row()),
    };
    let text = match datum {
        Datum::Text(text) => text,
        // A value that the update did not send is in the row before when that is whole.
        Datum::Unchanged => match change.before().map(|row| row.datum(index)) {
            Some(Datum::Text(text)) => text,
            _ => return Err(Trouble::UNKNOWN.at(index)),
        },
        Datum::Null => {
            return Err(Trouble::missing("is null or not known, and the route needs it").at(index));
        }
        Datum::Binary(_) => return Err(Trouble::BINARY.at(index)),
    };
    str::from_utf8(text).map_err(|_| Trouble::NOT_UTF8.at(index))
}

#[cfg(test)]
mod tests {
    use super::{Piece, Route};

    #[test]
    fn a_template_is_literal_text_and_pieces() {
        let route = Route::parse("cdc.{schema}.{table}-{{x}}{op}{col:tenant id}").unwrap();
        let literal = |text: &str| Piece::Literal(text.to_owned());
        assert_eq!(
            route.pieces,
            [
                literal("cdc."),
                Piece::Schema,
                literal("."),
                Piece::Table,
                literal("-{x}"),
                Piece::Op,
                Piece::Column("tenant id".to_owned()),
            ]
        );
        assert_eq!(Route::parse("").unwrap().pieces, []);
    }

    #[test]
    fn a_bad_template_says_what_is_bad() {
        for (template, what) in [
            ("{table", "a `{` is not closed"),
            ("table}", "a `}` closes nothing"),
            ("{tabel}", "`{tabel}` is none of"),
            ("{col:}", "`{col:}` is none of"),
            ("{}", "`{}` is none of"),
        ] {
            let fault = Route::parse(template).unwrap_err();
            assert_eq!(fault.class(), flowglass_model::ErrorClass::Config);
            assert!(fault.to_string().contains(what), "{fault}");
        }
    }
}
