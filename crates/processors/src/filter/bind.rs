//! A condition together with a table: names become places of cells, values take the types of their
//! columns. What does not fit is said once, before a row is looked at.

use std::cmp::Ordering;

use flowglass_connect::stream::{Column, Kind, Relation};

use super::condition::{Comparison, Condition, Literal, Name, Operand, Value, Wrong};
use super::like::Pattern;
use super::moment;
use super::number::{Decimal, Number};
use super::truth::Truth;

/// A condition over the cells of a table.
#[derive(Debug, Clone)]
pub(super) enum Bound {
    All(Vec<Bound>),
    Any(Vec<Bound>),
    Not(Box<Bound>),
    Is(Box<Bound>, Truth),
    Compare { column: usize, by: Comparison, with: Measure },
    Columns { left: usize, by: Comparison, right: usize, measured: Measured },
    In { column: usize, list: Vec<Measure>, null: bool },
    Like { column: usize, pattern: Pattern },
    IsNull(usize),
    Constant(Truth),
}

/// Why a condition does not fit a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unfit {
    /// The table has no such column.
    Missing(String),
    /// The condition asks of a column what its type cannot answer.
    Wrong(Wrong),
}

impl From<Wrong> for Unfit {
    fn from(wrong: Wrong) -> Self {
        Self::Wrong(wrong)
    }
}

/// By what two values of a column compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Measured {
    /// Exact decimals, whole numbers among them.
    Number,
    /// Doubles.
    Double,
    /// Floats of 32 bits.
    Single,
    /// Bytes of the text.
    Text,
    /// Points in time.
    Moment,
    /// Times of day.
    TimeOfDay,
    /// Truth values, false before true.
    Bool,
}

/// A value of the condition, in the type of its column.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Measure {
    Number(Number),
    Double(f64),
    Single(f32),
    Text(Box<[u8]>),
    Moment(i128),
    TimeOfDay(i128),
    Bool(bool),
}

impl Measure {
    /// How a cell's text stands to this value; `None` when it is not what its type promises.
    #[inline]
    pub(super) fn order(&self, cell: &[u8]) -> Option<Ordering> {
        Some(match self {
            Self::Text(text) => cell.cmp(text),
            Self::Number(number) => Decimal::parse(cell)?.order(&number.decimal()?),
            Self::Double(number) => order_of(double(cell)?, *number),
            Self::Single(number) => order_of(f64::from(single(cell)?), f64::from(*number)),
            Self::Moment(nanos) => moment::moment(cell)?.nanos.cmp(nanos),
            Self::TimeOfDay(nanos) => moment::time_of_day(cell)?.cmp(nanos),
            Self::Bool(holds) => truth(cell)?.cmp(holds),
        })
    }

    /// How this value stands to another one of the same column.
    fn order_with(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => {
                a.decimal().zip(b.decimal()).map_or(Ordering::Equal, |(a, b)| a.order(&b))
            }
            (Self::Double(a), Self::Double(b)) => order_of(*a, *b),
            (Self::Single(a), Self::Single(b)) => order_of(f64::from(*a), f64::from(*b)),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (Self::Moment(a), Self::Moment(b)) | (Self::TimeOfDay(a), Self::TimeOfDay(b)) => {
                a.cmp(b)
            }
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            // One column has one measure.
            _ => Ordering::Equal,
        }
    }
}

impl Measured {
    /// How the texts of two cells stand to each other.
    pub(super) fn order(self, left: &[u8], right: &[u8]) -> Option<Ordering> {
        Some(match self {
            Self::Number => Decimal::parse(left)?.order(&Decimal::parse(right)?),
            Self::Double | Self::Single => order_of(double(left)?, double(right)?),
            Self::Text => left.cmp(right),
            Self::Moment => moment::moment(left)?.nanos.cmp(&moment::moment(right)?.nanos),
            Self::TimeOfDay => moment::time_of_day(left)?.cmp(&moment::time_of_day(right)?),
            Self::Bool => truth(left)?.cmp(&truth(right)?),
        })
    }

    /// The measure of a kind, and whether its values have an order that we know.
    const fn of(kind: &Kind) -> Option<(Self, bool)> {
        Some(match kind {
            Kind::Bool => (Self::Bool, true),
            Kind::Int16 | Kind::Int32 | Kind::Int64 | Kind::UInt64 | Kind::Decimal(_) => {
                (Self::Number, true)
            }
            Kind::Float32 => (Self::Single, true),
            Kind::Float64 => (Self::Double, true),
            Kind::Text | Kind::Uuid => (Self::Text, true),
            // Labels are ordered as their type lists them, which we are not told.
            Kind::Enum | Kind::Bytes | Kind::Bits(_) | Kind::Money | Kind::Other => {
                (Self::Text, false)
            }
            Kind::Date | Kind::Timestamp(_) | Kind::TimestampTz => (Self::Moment, true),
            Kind::Time(_) => (Self::TimeOfDay, true),
            // One value has many texts.
            Kind::Json | Kind::TimeTz | Kind::Interval | Kind::Array(_) | Kind::Hstore => {
                return None;
            }
        })
    }
}

fn truth(text: &[u8]) -> Option<bool> {
    match text {
        b"t" => Some(true),
        b"f" => Some(false),
        _ => None,
    }
}

fn double(text: &[u8]) -> Option<f64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn single(text: &[u8]) -> Option<f32> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// `NaN` equals itself and comes last, as in Postgres; zero is one.
fn order_of(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

/// Binds a condition to a table.
///
/// # Errors
/// A column that is not there, or a question that its type cannot answer.
pub(super) fn bind(condition: &Condition, relation: &Relation) -> Result<Bound, Unfit> {
    let all = |parts: &[Condition]| {
        parts.iter().map(|part| bind(part, relation)).collect::<Result<Vec<_>, _>>()
    };
    Ok(match condition {
        Condition::All(parts) => Bound::All(all(parts)?),
        Condition::Any(parts) => Bound::Any(all(parts)?),
        Condition::Not(inner) => Bound::Not(Box::new(bind(inner, relation)?)),
        Condition::Is(inner, truth) => Bound::Is(Box::new(bind(inner, relation)?), *truth),
        Condition::Constant(truth) => Bound::Constant(*truth),
        Condition::IsNull(name) => Bound::IsNull(find(name, relation)?.0),
        Condition::Column(name) => {
            let (column, found) = find(name, relation)?;
            if found.kind != Kind::Bool {
                let said = format!(
                    "the column `{}` is no condition: its type is {}",
                    found.name, found.native
                );
                return Err(Wrong::new(name.place, said).into());
            }
            Bound::Compare { column, by: Comparison::Equal, with: Measure::Bool(true) }
        }
        Condition::Compare { column, by, with: Operand::Column(other) } => {
            columns((column, other), *by, relation)?
        }
        Condition::Compare { column: name, by, with: Operand::Literal(literal) } => {
            let (column, found) = find(name, relation)?;
            let measured = measured(name, found, by.orders())?;
            match measure(literal, measured, found)? {
                Some(with) => Bound::Compare { column, by: *by, with },
                // Nothing compares with NULL.
                None => Bound::Constant(Truth::NULL),
            }
        }
        Condition::In { column: name, list } => {
            let (column, found) = find(name, relation)?;
            let measured = measured(name, found, false)?;
            let values = list.iter().map(|it| measure(it, measured, found));
            let values = values.collect::<Result<Vec<_>, _>>()?;
            let null = values.iter().any(Option::is_none);
            let mut list: Vec<_> = values.into_iter().flatten().collect();
            list.sort_by(Measure::order_with);
            Bound::In { column, list, null }
        }
        Condition::Like { column: name, pattern } => {
            let (column, found) = find(name, relation)?;
            let takes = matches!(
                found.kind,
                Kind::Text | Kind::Enum | Kind::Uuid | Kind::Json | Kind::Other
            );
            if !takes {
                let said =
                    format!("LIKE is for text; the type of `{}` is {}", found.name, found.native);
                return Err(Wrong::new(name.place, said).into());
            }
            Bound::Like { column, pattern: pattern.clone() }
        }
    })
}

fn columns(
    (left, right): (&Name, &Name),
    by: Comparison,
    relation: &Relation,
) -> Result<Bound, Unfit> {
    let ((a, one), (b, other)) = (find(left, relation)?, find(right, relation)?);
    let pair = (measured(left, one, by.orders())?, measured(right, other, by.orders())?);
    let zoned = |column: &Column| column.kind == Kind::TimestampTz;
    let measured = match pair {
        (a, b) if a == b => Some(a).filter(|_| zoned(one) == zoned(other)),
        (
            Measured::Number | Measured::Double | Measured::Single,
            Measured::Double | Measured::Single,
        )
        | (Measured::Double | Measured::Single, Measured::Number) => Some(Measured::Double),
        _ => None,
    };
    let measured = measured.ok_or_else(|| {
        let said = format!("{} and {} cannot be compared", one.native, other.native);
        Wrong::new(right.place, said)
    })?;
    Ok(Bound::Columns { left: a, by, right: b, measured })
}

/// The column of that name: to the letter, and without quotes also in other letters when only one fits.
fn find<'a>(name: &Name, relation: &'a Relation) -> Result<(usize, &'a Column), Unfit> {
    if let Some(found) = relation.column(&name.text) {
        return Ok(found);
    }
    let same = |column: &Column| !name.quoted && column.name.eq_ignore_ascii_case(&name.text);
    let mut like = relation.columns.iter().enumerate().filter(|(_, column)| same(column));
    match (like.next(), like.next()) {
        (Some(found), None) => Ok(found),
        _ => Err(Unfit::Missing(name.text.clone())),
    }
}

fn measured(name: &Name, column: &Column, ordered: bool) -> Result<Measured, Wrong> {
    let wrong = |what: &str| {
        let said = format!("{what}: the type of `{}` is {}", column.name, column.native);
        Wrong::new(name.place, said)
    };
    match Measured::of(&column.kind) {
        None => Err(wrong("only IS NULL can be asked of this column")),
        Some((_, false)) if ordered => {
            Err(wrong("only `=`, `<>` and IN can be asked of this column"))
        }
        Some((measured, _)) => Ok(measured),
    }
}

/// A literal in the type of its column; `None` for NULL.
fn measure(
    literal: &Literal,
    measured: Measured,
    column: &Column,
) -> Result<Option<Measure>, Wrong> {
    let text = match (&literal.value, measured) {
        (Value::Null, _) => return Ok(None),
        (Value::Bool(holds), Measured::Bool) => return Ok(Some(Measure::Bool(*holds))),
        (Value::Number(digits), Measured::Number | Measured::Double | Measured::Single) => digits,
        (Value::Text(text), _) => text,
        _ => return Err(unfit(literal, column)),
    };
    let value = match measured {
        Measured::Number => Number::parse(text).map(Measure::Number),
        Measured::Double => text.parse().ok().map(Measure::Double),
        Measured::Single => text.parse().ok().map(Measure::Single),
        Measured::Text if column.kind == Kind::Uuid => uuid(text).map(Measure::Text),
        Measured::Text => Some(Measure::Text(text.as_bytes().into())),
        Measured::Moment => point_in_time(text, &column.kind).map(Measure::Moment),
        Measured::TimeOfDay => moment::time_of_day(text.as_bytes()).map(Measure::TimeOfDay),
        Measured::Bool => match text.to_ascii_lowercase().as_str() {
            "t" | "true" => Some(Measure::Bool(true)),
            "f" | "false" => Some(Measure::Bool(false)),
            _ => None,
        },
    };
    value.map(Some).ok_or_else(|| unfit(literal, column))
}

/// A date is no point in time of a day, and a zone says nothing of a clock on the wall: what cannot be
/// meant is refused and not bent. Without a zone UTC is meant, as the source's own text has it.
fn point_in_time(text: &str, kind: &Kind) -> Option<i128> {
    let there = moment::moment(text.as_bytes())?;
    let fits = match kind {
        Kind::Date => !there.has_time,
        Kind::Timestamp(_) => !there.has_zone,
        _ => true,
    };
    fits.then_some(there.nanos)
}

fn uuid(text: &str) -> Option<Box<[u8]>> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let bare = text.trim_start_matches('{').trim_end_matches('}');
    let fine = digits.len() == 32 && bare.bytes().all(|it| it == b'-' || it.is_ascii_hexdigit());
    fine.then(|| {
        let mut out = Vec::with_capacity(36);
        for (at, digit) in digits.iter().enumerate() {
            if matches!(at, 8 | 12 | 16 | 20) {
                out.push(b'-');
            }
            out.push(digit.to_ascii_lowercase());
        }
        out.into()
    })
}

fn unfit(literal: &Literal, column: &Column) -> Wrong {
    let what = match literal.value {
        Value::Number(_) => "a number",
        Value::Text(_) => "this text",
        Value::Bool(_) => "a truth value",
        Value::Null => "NULL",
    };
    let said = format!("{what} is no value of `{}`, whose type is {}", column.name, column.native);
    Wrong::new(literal.place, said)
}
