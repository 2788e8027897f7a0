//! The shape of a table at a moment of its log, and what the text of its cells means.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A table as it was when its changes were written. Never altered: a schema change makes another.
#[derive(Debug, PartialEq, Eq)]
pub struct Relation {
    /// The source's own number for the table.
    pub id: u32,
    /// The database, for envelopes that name it.
    pub database: Arc<str>,
    /// The schema; for systems without schemas, the database.
    pub schema: Arc<str>,
    /// The table.
    pub table: Arc<str>,
    /// The columns in the order of the cells.
    pub columns: Vec<Column>,
    /// Indices of the columns that name a row, in the order of the key: primary key, else the
    /// replica identity. Empty when nothing does.
    pub key: Vec<usize>,
    /// Grows with each new shape of the table within a stream, from 1.
    pub version: u32,
}

impl Relation {
    /// `schema.table`, the name used in labels and ledgers.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}.{}", self.schema, self.table)
    }

    /// The column of that name and its index.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<(usize, &Column)> {
        self.columns.iter().enumerate().find(|(_, column)| column.name == name)
    }
}

/// A column of a relation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What its text means.
    pub kind: Kind,
    /// The type as the source's SQL writes it, such as `numeric(12,2)`.
    pub native: String,
    /// Whether it may hold no value, when the source says so.
    pub nullable: bool,
}

/// What the text of a cell means. Text is as Postgres writes it with `datestyle = ISO`, `timezone =
/// UTC`, `bytea_output = hex` and enough float digits; other sources bring theirs into that form.
///
/// Its JSON form is kept with dead letters: a word that was used once keeps its meaning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// `t` or `f`.
    Bool,
    /// A whole number of at most 16 bits.
    Int16,
    /// A whole number of at most 32 bits.
    Int32,
    /// A whole number of at most 64 bits, signed.
    Int64,
    /// A whole number of at most 64 bits, unsigned.
    UInt64,
    /// A binary fraction of 32 bits; `NaN`, `Infinity`, `-Infinity`.
    Float32,
    /// A binary fraction of 64 bits; `NaN`, `Infinity`, `-Infinity`.
    Float64,
    /// A decimal number of any length; also `NaN`, `Infinity`, `-Infinity`. Precision and scale
    /// where they are declared.
    Decimal(Option<(u16, i16)>),
    /// An amount of money in the locale C: `$1,234.56`, `-$0.05`.
    Money,
    /// Text.
    Text,
    /// One of a list of labels.
    Enum,
    /// `\x` and two hexadecimal digits a byte.
    Bytes,
    /// `0` and `1`, one a bit; the declared length, or 0 when it varies.
    Bits(u32),
    /// A JSON document.
    Json,
    /// A UUID in lower case with dashes.
    Uuid,
    /// `2024-02-29`; also `infinity`, `-infinity` and years marked `BC`.
    Date,
    /// `23:59:59.123456`, and the declared number of fractional digits (6 when not declared).
    Time(u8),
    /// `23:59:59.123456+02`.
    TimeTz,
    /// `2024-02-29 23:59:59.123456`, and the declared number of fractional digits; also as a date.
    Timestamp(u8),
    /// `2024-02-29 23:59:59.123456+00`; also as a date.
    TimestampTz,
    /// `1 year 2 mons 3 days 04:05:06.789`.
    Interval,
    /// `{1,2,NULL}`, nested for more dimensions; quoted as Postgres quotes.
    Array(Box<Kind>),
    /// Pairs as Postgres' `hstore` writes them.
    Hstore,
    /// Anything else: the text is the value.
    Other,
}
