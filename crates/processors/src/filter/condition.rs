//! A condition as it was written, without a table: what a filter knows before it has seen a row.

use std::fmt;

use super::like::Pattern;
use super::truth::Truth;

/// A condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Condition {
    /// All hold.
    All(Vec<Condition>),
    /// At least one holds.
    Any(Vec<Condition>),
    /// It does not hold.
    Not(Box<Condition>),
    /// It comes to that one value: `IS TRUE` and its likes.
    Is(Box<Condition>, Truth),
    /// Two values compare so.
    Compare {
        /// The column.
        column: Name,
        /// How.
        by: Comparison,
        /// With what.
        with: Operand,
    },
    /// A column has one of these values.
    In {
        /// The column.
        column: Name,
        /// The values.
        list: Vec<Literal>,
    },
    /// A column's text fits a pattern.
    Like {
        /// The column.
        column: Name,
        /// The pattern.
        pattern: Pattern,
    },
    /// A column has no value.
    IsNull(Name),
    /// A column that holds a truth value.
    Column(Name),
    /// Always that value.
    Constant(Truth),
}

/// How two values compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    /// Whether values in that order compare so.
    #[inline]
    pub(super) fn holds(self, order: std::cmp::Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        }
    }

    /// The same with its sides exchanged.
    pub(super) const fn turned(self) -> Self {
        match self {
            Self::Equal => Self::Equal,
            Self::NotEqual => Self::NotEqual,
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
        }
    }

    /// Whether it asks which one is larger.
    pub(super) const fn orders(self) -> bool {
        !matches!(self, Self::Equal | Self::NotEqual)
    }
}

/// One side of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Operand {
    Column(Name),
    Literal(Literal),
}

/// The name of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) text: String,
    /// Whether it was quoted, and so is meant to the letter.
    pub(super) quoted: bool,
    pub(super) place: Place,
}

/// A value in the condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Literal {
    pub(super) value: Value,
    pub(super) place: Place,
}

/// What a literal says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Number(String),
    Text(String),
    Bool(bool),
    Null,
}

/// A place in the condition's text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) line: u64,
    pub(super) column: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.column) {
            // The parser knows no place of some constructs.
            (0, _) => f.write_str("`where`"),
            (1, column) => write!(f, "`where`, column {column}"),
            (line, column) => write!(f, "`where`, line {line}, column {column}"),
        }
    }
}

/// What is wrong with a condition, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) place: Place,
    pub(super) what: String,
}

impl Wrong {
    pub(super) fn new(place: Place, what: impl Into<String>) -> Self {
        Self { place, what: what.into() }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}
