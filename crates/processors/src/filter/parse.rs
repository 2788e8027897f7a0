//! From the text of a condition to a [`Condition`]. The syntax is SQL's, read by `sqlparser` in
//! Postgres' dialect; what a filter cannot do is refused with its place.

use sqlparser::ast::{
    BinaryOperator, DataType, Expr, Ident, Spanned, TypedString, UnaryOperator, Value as SqlValue,
    ValueWithSpan,
};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Token};

use super::condition::{Comparison, Condition, Literal, Name, Operand, Place, Value, Wrong};
use super::like::Pattern;
use super::truth::Truth;

/// The longest condition that is read: long enough for a list of a thousand values, and short enough
/// that no nesting in it uses up a stack.
const CONDITION_BYTES_MAX: usize = 16 << 10;

/// How deep a condition may be nested.
const DEPTH_MAX: usize = 40;

/// What there is, said where something else was asked for.
const KNOWN: &str = "a filter knows `=`, `<>`, `<`, `<=`, `>`, `>=`, IN, BETWEEN, LIKE, ILIKE, IS NULL, \
                     IS TRUE, AND, OR, NOT over columns and values";

/// Reads a condition.
///
/// # Errors
/// What is wrong with it, and where.
pub(super) fn parse(text: &str) -> Result<Condition, Wrong> {
    if text.len() > CONDITION_BYTES_MAX {
        let said = format!("is {} bytes long, {CONDITION_BYTES_MAX} at most", text.len());
        return Err(Wrong::new(Place::default(), said));
    }
    let dialect = PostgreSqlDialect {};
    let parser = Parser::new(&dialect).with_recursion_limit(DEPTH_MAX);
    let mut parser = parser.try_with_sql(text).map_err(|error| syntax(&error))?;
    let expression = parser.parse_expr().map_err(|error| syntax(&error))?;
    let next = parser.peek_token();
    if next.token != Token::EOF {
        return Err(Wrong::new(place(next.span.start), "the condition ends before this"));
    }
    condition(&expression)
}

/// The parser's own words, which have the place at their end.
fn syntax(error: &ParserError) -> Wrong {
    let said = match error {
        ParserError::TokenizerError(said) | ParserError::ParserError(said) => said.as_str(),
        ParserError::RecursionLimitExceeded => "is nested too deep",
    };
    let (what, behind) = said.rsplit_once(" at Line: ").unwrap_or((said, ""));
    let mut numbers = behind.split(", Column: ").map(|number| number.trim().parse().unwrap_or(0));
    let place = Place {
        line: numbers.next().unwrap_or_default(),
        column: numbers.next().unwrap_or_default(),
    };
    Wrong::new(place, what)
}

const fn place(at: Location) -> Place {
    Place { line: at.line, column: at.column }
}

fn place_of(expression: &Expr) -> Place {
    place(expression.span().start)
}

fn condition(expression: &Expr) -> Result<Condition, Wrong> {
    let is = |inner: &Expr, truth, negated: bool| {
        let is = Condition::Is(Box::new(condition(inner)?), truth);
        Ok(if negated { Condition::Not(Box::new(is)) } else { is })
    };
    match expression {
        Expr::Nested(inner) => condition(inner),
        Expr::BinaryOp { op: BinaryOperator::And, .. } => {
            chain(expression, &BinaryOperator::And).map(Condition::All)
        }
        Expr::BinaryOp { op: BinaryOperator::Or, .. } => {
            chain(expression, &BinaryOperator::Or).map(Condition::Any)
        }
        Expr::BinaryOp { left, op, right } => {
            let op = comparison(op).ok_or_else(|| unknown(expression))?;
            compare(operand(left)?, op, operand(right)?, place_of(expression))
        }
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => {
            Ok(Condition::Not(Box::new(condition(expr)?)))
        }
        Expr::IsNull(inner) => column(inner).map(Condition::IsNull),
        Expr::IsNotNull(inner) => Ok(Condition::Not(Box::new(Condition::IsNull(column(inner)?)))),
        Expr::IsTrue(inner) => is(inner, Truth::TRUE, false),
        Expr::IsNotTrue(inner) => is(inner, Truth::TRUE, true),
        Expr::IsFalse(inner) => is(inner, Truth::FALSE, false),
        Expr::IsNotFalse(inner) => is(inner, Truth::FALSE, true),
        Expr::IsUnknown(inner) => is(inner, Truth::NULL, false),
        Expr::IsNotUnknown(inner) => is(inner, Truth::NULL, true),
        Expr::InList { expr, list, negated } => {
            let list = list.iter().map(literal).collect::<Result<Vec<_>, _>>()?;
            Ok(negate(Condition::In { column: column(expr)?, list }, *negated))
        }
        Expr::Between { expr, negated, low, high } => {
            let from =
                compare(operand(expr)?, Comparison::GreaterOrEqual, operand(low)?, place_of(low))?;
            let to =
                compare(operand(expr)?, Comparison::LessOrEqual, operand(high)?, place_of(high))?;
            Ok(negate(Condition::All(vec![from, to]), *negated))
        }
        Expr::Like { negated, any: false, expr, pattern, escape_char } => {
            like((expr, pattern, escape_char.as_ref()), false).map(|it| negate(it, *negated))
        }
        Expr::ILike { negated, any: false, expr, pattern, escape_char } => {
            like((expr, pattern, escape_char.as_ref()), true).map(|it| negate(it, *negated))
        }
        Expr::Identifier(_) => column(expression).map(Condition::Column),
        Expr::Value(_) => match literal(expression)?.value {
            Value::Bool(holds) => Ok(Condition::Constant(Truth::of(holds))),
            Value::Null => Ok(Condition::Constant(Truth::NULL)),
            Value::Number(_) | Value::Text(_) => {
                Err(Wrong::new(place_of(expression), "a value alone is no condition"))
            }
        },
        _ => Err(unknown(expression)),
    }
}

fn negate(condition: Condition, negated: bool) -> Condition {
    if negated { Condition::Not(Box::new(condition)) } else { condition }
}

/// The members of `a AND b AND c`, which the parser nests to the left: a long list of them must not be
/// a deep one.
fn chain(expression: &Expr, wanted: &BinaryOperator) -> Result<Vec<Condition>, Wrong> {
    let mut members = Vec::new();
    let mut rest = expression;
    while let Expr::BinaryOp { left, op, right } = rest
        && op == wanted
    {
        members.push(condition(right)?);
        rest = left;
    }
    members.push(condition(rest)?);
    members.reverse();
    Ok(members)
}

const fn comparison(op: &BinaryOperator) -> Option<Comparison> {
    Some(match op {
        BinaryOperator::Eq => Comparison::Equal,
        BinaryOperator::NotEq => Comparison::NotEqual,
        BinaryOperator::Lt => Comparison::Less,
        BinaryOperator::LtEq => Comparison::LessOrEqual,
        BinaryOperator::Gt => Comparison::Greater,
        BinaryOperator::GtEq => Comparison::GreaterOrEqual,
        _ => return None,
    })
}

fn compare(left: Operand, by: Comparison, right: Operand, at: Place) -> Result<Condition, Wrong> {
    match (left, right) {
        (Operand::Column(column), with) => Ok(Condition::Compare { column, by, with }),
        (Operand::Literal(literal), Operand::Column(column)) => {
            Ok(Condition::Compare { column, by: by.turned(), with: Operand::Literal(literal) })
        }
        (Operand::Literal(_), Operand::Literal(_)) => {
            Err(Wrong::new(at, "two values are compared and no column"))
        }
    }
}

fn like(
    (expr, pattern, escape): (&Expr, &Expr, Option<&ValueWithSpan>),
    folded: bool,
) -> Result<Condition, Wrong> {
    let at = place_of(pattern);
    let Value::Text(text) = literal(pattern)?.value else {
        return Err(Wrong::new(at, "a pattern is a text in single quotes"));
    };
    let escape = match escape {
        None => Some('\\'),
        Some(given) => {
            let given = given.value.clone().into_string().unwrap_or_default();
            let mut characters = given.chars();
            let first = characters.next();
            if characters.next().is_some() {
                return Err(Wrong::new(at, "ESCAPE takes one character, or none"));
            }
            first
        }
    };
    let pattern = Pattern::new(&text, escape, folded)
        .ok_or_else(|| Wrong::new(at, "the pattern ends in its escape character"))?;
    Ok(Condition::Like { column: column(expr)?, pattern })
}

fn operand(expression: &Expr) -> Result<Operand, Wrong> {
    match expression {
        Expr::Nested(inner) => operand(inner),
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => {
            column(expression).map(Operand::Column)
        }
        _ => literal(expression).map(Operand::Literal),
    }
}

fn column(expression: &Expr) -> Result<Name, Wrong> {
    match expression {
        Expr::Nested(inner) => column(inner),
        Expr::Identifier(Ident { value, quote_style, span }) => Ok(Name {
            text: value.clone(),
            quoted: quote_style.is_some(),
            place: place(span.start),
        }),
        Expr::CompoundIdentifier(_) => Err(Wrong::new(
            place_of(expression),
            "a column is named without its table; `tables` says which tables are meant",
        )),
        _ => Err(Wrong::new(place_of(expression), "a column's name belongs here")),
    }
}

fn literal(expression: &Expr) -> Result<Literal, Wrong> {
    let place = place_of(expression);
    let value = match expression {
        Expr::Nested(inner) => return literal(inner),
        Expr::Value(value) => value_of(&value.value),
        Expr::UnaryOp { op, expr } => match (op, literal(expr)?.value) {
            (UnaryOperator::Minus, Value::Number(digits)) => {
                Some(Value::Number(match digits.strip_prefix('-') {
                    Some(digits) => digits.to_owned(),
                    None => format!("-{digits}"),
                }))
            }
            (UnaryOperator::Plus, Value::Number(digits)) => Some(Value::Number(digits)),
            _ => None,
        },
        // `DATE '2024-02-29'`: the column says what the text is.
        Expr::TypedString(TypedString {
            data_type: DataType::Date | DataType::Time(..) | DataType::Timestamp(..),
            value,
            ..
        }) => value_of(&value.value),
        Expr::Cast { .. } => {
            let said = "a value takes the type of its column: write it without a cast";
            return Err(Wrong::new(place, said));
        }
        Expr::Identifier(_) => {
            return Err(Wrong::new(place, "a value belongs here; a text is in single quotes"));
        }
        _ => None,
    };
    value.map(|value| Literal { value, place }).ok_or_else(|| unknown(expression))
}

fn value_of(value: &SqlValue) -> Option<Value> {
    Some(match value {
        SqlValue::Number(digits, _) => Value::Number(digits.clone()),
        SqlValue::SingleQuotedString(text) | SqlValue::EscapedStringLiteral(text) => {
            Value::Text(text.clone())
        }
        SqlValue::DollarQuotedString(text) => Value::Text(text.value.clone()),
        SqlValue::Boolean(holds) => Value::Bool(*holds),
        SqlValue::Null => Value::Null,
        _ => return None,
    })
}

fn unknown(expression: &Expr) -> Wrong {
    Wrong::new(place_of(expression), KNOWN)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn what_cannot_be_done_is_refused_with_its_place() {
        for (text, wanted) in [
            ("", "`where`"),
            ("a =", "`where`"),
            ("a = 1 b", "`where`, column 7: the condition ends before this"),
            ("a = 1; drop table x", "`where`, column 6: the condition ends before this"),
            ("lower(a) = 'x'", "`where`, column 1: a filter knows"),
            ("t.a = 1", "`where`, column 1: a column is named without its table"),
            ("1 = 1", "two values are compared and no column"),
            ("a = b + 1", "a filter knows"),
            ("a = '1'::int", "write it without a cast"),
            ("a in (select 1)", "a filter knows"),
            ("a in (b)", "a text is in single quotes"),
            ("a like b", "a text is in single quotes"),
            ("a like 'x\\'", "the pattern ends in its escape character"),
            ("a ~ 'x'", "a filter knows"),
            ("'x'", "a value alone is no condition"),
            ("a = 1 and\n b = $1", "`where`, line 2"),
        ] {
            let wrong = parse(text).unwrap_err().to_string();
            assert!(wrong.contains(wanted), "{text}: {wrong}");
        }
        let deep = format!("{}a = 1{}", "(".repeat(5_000), ")".repeat(5_000));
        assert!(parse(&deep).unwrap_err().to_string().contains("nested"));
        let long = format!("a = 1{}", " and a = 1".repeat(5_000));
        assert!(parse(&long).unwrap_err().to_string().contains("bytes long"));
        let wide = format!("a = 1{}", " and a = 1".repeat(1_500));
        assert!(parse(&wide).is_ok());
    }
}
