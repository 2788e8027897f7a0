//! Text to exactly one query, or a complaint with line and column. Pure; nothing is resolved here.
//!
//! The parser is driven by hand instead of through DataFusion's own entry, so that a second
//! statement, a statement that is no query, and one hidden inside a `WITH` are told apart and
//! placed, and so that tokens can be re-spelt before parsing (see [`super::names`]).

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::sql::parser::Statement as DfStatement;
use datafusion::sql::resolve::resolve_table_references;
use datafusion::sql::sqlparser::ast::{
    Ident, ObjectName, Query, Select, SelectItem, SetExpr, Spanned, Statement, TableFactor, Visit,
    Visitor,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};
use flowglass_connect::Fault;
use flowglass_model::ErrorClass;

/// How deep expressions and subqueries may nest.
const NESTING_MAX: usize = 100;

/// How many operators one expression may chain, and set operators one query. Each is a level of the
/// syntax tree, and a tree that is walked by recursion must not be deeper than a stack.
const CHAIN_MAX: usize = 1_000;

/// A place in the query's text, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// The line.
    pub(crate) line: u64,
    /// The column, in characters.
    pub(crate) column: u64,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

impl From<Location> for Place {
    fn from(at: Location) -> Self {
        Self { line: at.line, column: at.column }
    }
}

/// A relation that the query reads and does not define itself.
#[derive(Debug, Clone)]
pub(crate) struct Relation {
    /// The name; lower-case where it was not quoted.
    pub(crate) name: String,
    /// Where it is written first.
    pub(crate) place: Option<Place>,
}

/// One query.
#[derive(Debug, Clone)]
pub(crate) struct Parsed {
    statement: Statement,
    /// Aliases of the query: their lower-case form and how they are spelt.
    aliases: Vec<String>,
}

/// Reads the text as exactly one query.
pub(crate) fn one_query(sql: &str) -> Result<Parsed, Fault> {
    one_query_of(tokens(sql)?)
}

/// Cuts the text into tokens that know their places.
pub(crate) fn tokens(sql: &str) -> Result<Vec<TokenWithSpan>, Fault> {
    Tokenizer::new(&GenericDialect {}, sql)
        .tokenize_with_location()
        .map_err(|error| refused(Some(error.location.into()), error.message.to_lowercase()))
}

/// Reads tokens as exactly one query.
pub(crate) fn one_query_of(tokens: Vec<TokenWithSpan>) -> Result<Parsed, Fault> {
    bounded(&tokens)?;
    let mut parser = Parser::new(&GenericDialect {})
        .with_recursion_limit(NESTING_MAX)
        .with_tokens_with_locations(tokens);
    while parser.consume_token(&Token::SemiColon) {}
    let first = parser.peek_token();
    if first.token == Token::EOF {
        return Err(refused(None, "it is empty"));
    }
    let statement = parser.parse_statement().map_err(|error| syntax(&error))?;
    while parser.consume_token(&Token::SemiColon) {}
    let rest = parser.peek_token();
    if rest.token != Token::EOF {
        let what = format!("`{}` begins something after the first statement", rest.token);
        return Err(refused(Some(rest.span.start.into()), what).hint(ONE_QUERY));
    }
    let Statement::Query(query) = &statement else {
        let what = format!("`{}` is no query", first.token.to_string().to_uppercase());
        return Err(refused(Some(first.span.start.into()), what).hint(ONE_QUERY));
    };
    let mut look = Look::default();
    if let ControlFlow::Break(fault) = query.visit(&mut look) {
        return Err(*fault);
    }
    Ok(Parsed { statement, aliases: look.aliases })
}

/// Refuses chains such as a thousand `OR`s. Operators are counted from one comma, bracket or clause to
/// the next, each pair of brackets for itself.
fn bounded(tokens: &[TokenWithSpan]) -> Result<(), Fault> {
    let (mut open, mut chain, mut sets) = (Vec::new(), 0, 0);
    for token in tokens {
        match &token.token {
            Token::LParen => open.push(std::mem::take(&mut chain)),
            Token::RParen => chain = open.pop().unwrap_or_default(),
            Token::Comma => chain = 0,
            Token::Word(word) if word.quote_style.is_none() => match word.keyword {
                Keyword::AND | Keyword::OR => chain += 1,
                Keyword::UNION | Keyword::EXCEPT | Keyword::INTERSECT => sets += 1,
                Keyword::SELECT
                | Keyword::WHERE
                | Keyword::WHEN
                | Keyword::THEN
                | Keyword::ELSE => chain = 0,
                _ => {}
            },
            Token::Plus | Token::Minus | Token::Mul | Token::Div | Token::StringConcat => {
                chain += 1;
            }
            _ => {}
        }
        if chain.max(sets) > CHAIN_MAX {
            let what = format!("more than {CHAIN_MAX} operators follow each other");
            return Err(refused(Some(token.span.start.into()), what)
                .hint("write `x IN (…)` instead of many `OR`s, and join a table of values instead of long lists"));
        }
    }
    Ok(())
}

impl Parsed {
    /// The tables that the query reads, its own `WITH` names left out.
    pub(crate) fn relations(&self) -> Result<Vec<Relation>, Fault> {
        let (tables, _with) = resolve_table_references(&self.for_planner(), true)
            .map_err(|error| refused(None, "its tables cannot be told").because(error))?;
        let mut places = Places::default();
        let (ControlFlow::Continue(()) | ControlFlow::Break(())) =
            self.statement.visit(&mut places);
        Ok(tables
            .into_iter()
            .map(|table| {
                let name = if table.schema().is_some() {
                    table.to_string()
                } else {
                    table.table().to_owned()
                };
                let place = places.0.get(&name).copied();
                Relation { name, place }
            })
            .collect())
    }

    /// Every alias as it is spelt.
    pub(crate) fn aliases(&self) -> &[String] {
        &self.aliases
    }

    /// What DataFusion's planner takes.
    pub(crate) fn for_planner(&self) -> DfStatement {
        DfStatement::Statement(Box::new(self.statement.clone()))
    }
}

/// A `config` fault about the text.
pub(crate) fn refused(place: Option<Place>, what: impl std::fmt::Display) -> Fault {
    let said = match place {
        Some(place) => format!("the query cannot be used: at {place}, {what}"),
        None => format!("the query cannot be used: {what}"),
    };
    Fault::new(ErrorClass::Config, said).hint("correct the query; lines and columns are its own")
}

const ONE_QUERY: &str =
    "write exactly one SELECT (or WITH … SELECT); the node's target says where its rows go";

/// The parser says its place at the end of its message.
fn syntax(error: &ParserError) -> Fault {
    let said = match error {
        ParserError::RecursionLimitExceeded => {
            return refused(None, format!("it nests deeper than {NESTING_MAX} levels"));
        }
        ParserError::TokenizerError(said) | ParserError::ParserError(said) => said,
    };
    let Some((what, at)) = said.rsplit_once(" at Line: ") else {
        return refused(None, lower_first(said));
    };
    let mut numbers = at.split(", Column: ").filter_map(|part| part.trim().parse().ok());
    let place = match (numbers.next(), numbers.next()) {
        (Some(line), Some(column)) => Some(Place { line, column }),
        _ => None,
    };
    refused(place, lower_first(what))
}

/// Messages of ours are fragments.
pub(crate) fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}

/// Refuses what changes something inside a query and gathers its aliases.
#[derive(Default)]
struct Look {
    aliases: Vec<String>,
}

impl Look {
    fn changes(query: &SetExpr) -> Option<(&'static str, &SetExpr)> {
        match query {
            SetExpr::Insert(_) => Some(("INSERT", query)),
            SetExpr::Update(_) => Some(("UPDATE", query)),
            SetExpr::Delete(_) => Some(("DELETE", query)),
            SetExpr::Merge(_) => Some(("MERGE", query)),
            SetExpr::SetOperation { left, right, .. } => {
                Self::changes(left).or_else(|| Self::changes(right))
            }
            SetExpr::Select(_) | SetExpr::Query(_) | SetExpr::Values(_) | SetExpr::Table(_) => None,
        }
    }

    fn alias(&mut self, name: &Ident) {
        self.aliases.push(name.value.clone());
    }
}

impl Visitor for Look {
    type Break = Box<Fault>;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Self::Break> {
        if let Some((word, at)) = Self::changes(&query.body) {
            let place = Some(at.span().start.into()).filter(|place: &Place| place.line > 0);
            let what = format!("`{word}` is no query");
            return ControlFlow::Break(Box::new(refused(place, what).hint(ONE_QUERY)));
        }
        for table in query.with.iter().flat_map(|with| &with.cte_tables) {
            table.alias.columns.iter().for_each(|column| self.alias(&column.name));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Self::Break> {
        if let Some(into) = &select.into {
            let place = Some(into.name.span().start.into()).filter(|place: &Place| place.line > 0);
            let what = "`SELECT … INTO` is no query";
            return ControlFlow::Break(Box::new(refused(place, what).hint(ONE_QUERY)));
        }
        for item in &select.projection {
            if let SelectItem::ExprWithAlias { alias, .. } = item {
                self.alias(alias);
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Self::Break> {
        let alias = match factor {
            TableFactor::Table { alias, .. }
            | TableFactor::Derived { alias, .. }
            | TableFactor::Function { alias, .. } => alias,
            _ => &None,
        };
        for column in alias.iter().flat_map(|alias| &alias.columns) {
            self.alias(&column.name);
        }
        ControlFlow::Continue(())
    }
}

/// Where each relation is written first.
#[derive(Default)]
struct Places(HashMap<String, Place>);

impl Visitor for Places {
    type Break = ();

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        let parts: Vec<String> = relation
            .0
            .iter()
            .filter_map(|part| part.as_ident())
            .map(|ident| match ident.quote_style {
                Some(_) => ident.value.clone(),
                None => ident.value.to_ascii_lowercase(),
            })
            .collect();
        let at = Place::from(relation.span().start);
        if at.line > 0 {
            self.0.entry(parts.join(".")).or_insert(at);
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(sql: &str) -> String {
        one_query(sql).err().map(|fault| fault.chain()).unwrap_or_default()
    }

    #[test]
    fn one_query_passes_with_or_without_semicolons() {
        for sql in ["select 1", ";select 1;;", "with a as (select 1) select * from a", "values (1)"]
        {
            assert_eq!(said(sql), "", "{sql}");
        }
    }

    #[test]
    fn everything_else_is_refused_with_its_place() {
        let all = [
            "",
            "-- nothing\n",
            "select 1;\n select 2",
            "select 1 garbage here",
            "create table t (a int)",
            "insert into t values (1)",
            "  delete from t",
            "copy t to 'x'",
            "set a = 1",
            "explain select 1",
            "select 1 into t from u",
            "with a as (select 1) insert into t select * from a",
            "select (",
            "select 'abc",
        ];
        insta::assert_snapshot!(all.map(|sql| format!("{sql:?}\n  {}", said(sql))).join("\n"));
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = format!("select {}1{}", "(".repeat(5000), ")".repeat(5000));
        assert!(said(&deep).contains("nests deeper"), "{}", said(&deep));
    }

    #[test]
    fn chains_are_bounded_and_lists_are_not() {
        let chain =
            |times: usize| format!("select 1 where {}", vec!["(a = -1)"; times].join(" or "));
        assert_eq!(said(&chain(1_000)), "");
        assert!(said(&chain(1_002)).contains("operators follow"), "{}", said(&chain(1_002)));
        let list = vec!["-1"; 20_000].join(", ");
        assert_eq!(said(&format!("select 1 where a in ({list}) and b in ({list})")), "");
    }

    #[test]
    fn relations_leave_out_what_the_query_defines() {
        let parsed =
            one_query("with Own as (select * from Raw) select * from own join \"Big\" on true")
                .unwrap();
        let names: Vec<String> =
            parsed.relations().unwrap().into_iter().map(|it| it.name).collect();
        assert_eq!(names, ["Big", "raw"]);
    }
}
