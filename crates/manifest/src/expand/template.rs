//! The little language of `${…}`: read into pieces, evaluated elsewhere.

/// How deep defaults may hold references with defaults.
const NESTING_MAX: usize = 8;

/// A piece of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// As it stands.
    Literal(String),
    /// `${NAME}` or `${NAME:-default}`.
    Variable {
        /// The variable.
        name: String,
        /// What stands for it when it is not set or empty.
        default: Option<Vec<Piece>>,
    },
    /// `${file:path}`.
    File(String),
    /// `${param.name}`.
    Param(String),
}

/// Why a text is no template. It quotes no more than a name.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// What is wrong.
    pub(super) message: String,
    /// What to do.
    pub(super) help: String,
}

/// Reads a text.
pub(super) fn parse(text: &str) -> Result<Vec<Piece>, Fault> {
    let mut reader = Reader { rest: text };
    reader.pieces(0)
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    /// Pieces up to the end of the text, or up to the closing brace when `depth` is not 0.
    fn pieces(&mut self, depth: usize) -> Result<Vec<Piece>, Fault> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        loop {
            if let Some(rest) = self.rest.strip_prefix("$${") {
                literal.push_str("${");
                self.rest = rest;
            } else if let Some(rest) = self.rest.strip_prefix("${") {
                self.rest = rest;
                if !literal.is_empty() {
                    pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                }
                pieces.push(self.reference(depth)?);
            } else if depth > 0 && self.rest.starts_with('}') {
                self.rest = self.rest.strip_prefix('}').unwrap_or_default();
                break;
            } else if let Some(next) = self.rest.chars().next() {
                literal.push(next);
                self.rest = self.rest.get(next.len_utf8()..).unwrap_or_default();
            } else if depth > 0 {
                return Err(not_closed());
            } else {
                break;
            }
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        Ok(pieces)
    }

    /// What follows `${`.
    fn reference(&mut self, depth: usize) -> Result<Piece, Fault> {
        if let Some(rest) = self.rest.strip_prefix("file:") {
            let (path, rest) = rest.split_once('}').ok_or_else(not_closed)?;
            self.rest = rest;
            if path.trim().is_empty() {
                return Err(fault("`${file:}` names no file", "write `${file:/run/secrets/name}`"));
            }
            return Ok(Piece::File(path.to_owned()));
        }
        let is_name = |it: char| it.is_ascii_alphanumeric() || matches!(it, '_' | '.' | '-');
        let is_param = self.rest.starts_with("param.");
        let end = if is_param {
            self.rest.find(|it| !is_name(it)).unwrap_or(self.rest.len())
        } else {
            let is_name = |it: char| it.is_ascii_alphanumeric() || it == '_';
            self.rest.find(|it| !is_name(it)).unwrap_or(self.rest.len())
        };
        let (name, after) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = after;
        if name.is_empty() || name.starts_with(|first: char| first.is_ascii_digit()) {
            return Err(not_a_reference());
        }
        if let Some(rest) = self.rest.strip_prefix('}') {
            self.rest = rest;
            return Ok(match name.strip_prefix("param.") {
                Some(param) => Piece::Param(param.to_owned()),
                None => Piece::Variable { name: name.to_owned(), default: None },
            });
        }
        if self.rest.is_empty() {
            return Err(not_closed());
        }
        if is_param && self.rest.starts_with(":-") {
            let help = "give the default under `spec.params`";
            return Err(fault("a reference to a parameter takes no default", help));
        }
        let Some(rest) = self.rest.strip_prefix(":-") else { return Err(not_a_reference()) };
        if depth >= NESTING_MAX {
            return Err(fault("the defaults nest too deep", "use at most 8 levels"));
        }
        self.rest = rest;
        let default = self.pieces(depth + 1)?;
        Ok(Piece::Variable { name: name.to_owned(), default: Some(default) })
    }
}

fn fault(message: &str, help: &str) -> Fault {
    Fault { message: message.to_owned(), help: help.to_owned() }
}

fn not_closed() -> Fault {
    fault("a `${` is not closed", "add the `}`; a literal `${` is written `$${`")
}

fn not_a_reference() -> Fault {
    fault(
        "this is no reference that can be expanded",
        "use `${NAME}`, `${NAME:-default}`, `${file:path}` or `${param.name}`; a literal `${` is \
         written `$${`",
    )
}

#[cfg(test)]
mod tests {
    use super::{Piece, parse};

    fn variable(name: &str, default: Option<Vec<Piece>>) -> Piece {
        Piece::Variable { name: name.to_owned(), default }
    }

    #[test]
    fn every_form_is_read() {
        assert_eq!(parse("a $b $$ }"), Ok(vec![Piece::Literal("a $b $$ }".to_owned())]));
        assert_eq!(parse("$${A}"), Ok(vec![Piece::Literal("${A}".to_owned())]));
        assert_eq!(
            parse("x${A:-${B:-c}}y"),
            Ok(vec![
                Piece::Literal("x".to_owned()),
                variable(
                    "A",
                    Some(vec![variable("B", Some(vec![Piece::Literal("c".to_owned())]))])
                ),
                Piece::Literal("y".to_owned()),
            ])
        );
        assert_eq!(parse("${A:-}"), Ok(vec![variable("A", Some(vec![]))]));
        assert_eq!(parse("${file:/a b}"), Ok(vec![Piece::File("/a b".to_owned())]));
        assert_eq!(parse("${param.day-x}"), Ok(vec![Piece::Param("day-x".to_owned())]));
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        for text in [
            "${",
            "${A",
            "${}",
            "${1A}",
            "${A:?x}",
            "${A%b}",
            "${file:",
            "${file:}",
            "${param.a:-b}",
            "${ A}",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        let deep = format!("{}{}", "${A:-".repeat(20), "}".repeat(20));
        assert!(parse(&deep).is_err());
    }
}
