//! From the name of a source's table to the name of ours: a template of one or two parts.
//!
//! The parts are told apart in the template and not in what it comes to, so that a table whose name
//! holds a dot or a quote stays one table.

use flowglass_connect::Fault;
use flowglass_connect::stream::Relation;
use flowglass_model::ErrorClass;

/// A parsed template such as `{schema}.{table}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template {
    parts: Vec<Vec<Piece>>,
    written: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Schema,
    Table,
}

/// The name of a table of ours.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Named {
    /// The part before the dot of the template, where it has one.
    pub(crate) schema: Option<String>,
    /// The last part.
    pub(crate) table: String,
}

impl Template {
    /// Parses a template of at most `parts_max` parts; braces that are meant are written twice.
    ///
    /// # Errors
    /// `config`, saying what is wrong.
    pub(crate) fn parse(template: &str, parts_max: usize) -> Result<Self, Fault> {
        let bad = |what: &str| {
            let said = format!("the name `{template}` cannot be used: {what}");
            Fault::new(ErrorClass::Config, said)
        };
        let (mut parts, mut part) = (Vec::new(), Vec::new());
        let mut literal = String::new();
        let mut rest = template.chars().peekable();
        while let Some(character) = rest.next() {
            match character {
                '{' if rest.next_if_eq(&'{').is_some() => literal.push('{'),
                '}' if rest.next_if_eq(&'}').is_some() => literal.push('}'),
                '{' => {
                    let word: String = rest.by_ref().take_while(|it| *it != '}').collect();
                    let piece = match word.as_str() {
                        "schema" => Piece::Schema,
                        "table" => Piece::Table,
                        _ => return Err(bad("there are `{schema}` and `{table}`")),
                    };
                    flush(&mut literal, &mut part);
                    part.push(piece);
                }
                '}' => return Err(bad("a `}` closes nothing; write `}}` for the brace")),
                '.' if parts.len() + 1 < parts_max => {
                    flush(&mut literal, &mut part);
                    parts.push(std::mem::take(&mut part));
                }
                other => literal.push(other),
            }
        }
        flush(&mut literal, &mut part);
        parts.push(part);
        if parts.iter().any(Vec::is_empty) {
            return Err(bad("a part of it is empty"));
        }
        Ok(Self { parts, written: template.to_owned() })
    }

    /// As it was written, for people.
    pub(crate) fn written(&self) -> &str {
        &self.written
    }

    /// The name for a table of the source.
    pub(crate) fn name(&self, relation: &Relation) -> Named {
        self.of(&relation.schema, &relation.table)
    }

    /// The same for a table of which only the name is known.
    pub(crate) fn of(&self, schema: &str, table: &str) -> Named {
        let mut parts = self.parts.iter().map(|part| render(part, schema, table));
        match (parts.next(), parts.next()) {
            (Some(schema), Some(table)) => Named { schema: Some(schema), table },
            (table, _) => Named { schema: None, table: table.unwrap_or_default() },
        }
    }
}

impl std::fmt::Display for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(schema) = &self.schema {
            write!(f, "{schema}.")?;
        }
        f.write_str(&self.table)
    }
}

fn render(part: &[Piece], schema: &str, table: &str) -> String {
    let text = |piece: &Piece| match piece {
        Piece::Literal(text) => text.clone(),
        Piece::Schema => schema.to_owned(),
        Piece::Table => table.to_owned(),
    };
    part.iter().map(text).collect()
}

fn flush(literal: &mut String, part: &mut Vec<Piece>) {
    if !literal.is_empty() {
        part.push(Piece::Literal(std::mem::take(literal)));
    }
}

#[cfg(test)]
mod tests {
    use flowglass_connect::stream::Relation;

    use super::{Named, Template};

    fn relation(schema: &str, table: &str) -> Relation {
        Relation {
            id: 1,
            database: "d".into(),
            schema: schema.into(),
            table: table.into(),
            columns: Vec::new(),
            key: Vec::new(),
            version: 1,
        }
    }

    #[test]
    fn parts_are_those_of_the_template() {
        let named = |template: &str| {
            Template::parse(template, 2).unwrap().name(&relation("a.b", "o\"rders"))
        };
        let of = |schema: Option<&str>, table: &str| Named {
            schema: schema.map(str::to_owned),
            table: table.to_owned(),
        };
        assert_eq!(named("{schema}.{table}"), of(Some("a.b"), "o\"rders"));
        assert_eq!(named("{schema}_{table}"), of(None, "a.b_o\"rders"));
        assert_eq!(named("copy.{{{table}}}"), of(Some("copy"), "{o\"rders}"));
        assert_eq!(named("orders"), of(None, "orders"));
        let one = Template::parse("{schema}.{table}", 1).unwrap();
        assert_eq!(one.name(&relation("public", "t")), of(None, "public.t"));
    }

    #[test]
    fn what_cannot_be_used_is_refused() {
        for bad in ["", ".", "a.", "{op}", "{tabl", "a}b", "{schema}."] {
            assert!(Template::parse(bad, 2).is_err(), "{bad}");
        }
    }
}
