//! The types that a column of a text file can be declared as, in the manifest's words.

use std::borrow::Cow;
use std::collections::HashMap;

use arrow::datatypes::{DataType, Field, TimeUnit};
use flowglass_connect::NATIVE_TYPE_KEY;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

/// A declared or inferred column type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum ColumnType {
    Boolean,
    Integer {
        bits: u8,
        signed: bool,
    },
    Decimal {
        precision: u8,
        scale: u8,
    },
    Real,
    Double,
    Date,
    /// Digits after the point: 0, 3, 6 or 9.
    Time {
        digits: u8,
    },
    Timestamp {
        digits: u8,
        zoned: bool,
    },
    Text,
    Json,
    Uuid,
    Binary {
        base64: bool,
    },
}

const WORDS: &str = "boolean, tinyint, smallint, integer, bigint (and utinyint, usmallint, \
    uinteger, ubigint), decimal(p,s), real, double, date, time, timestamp, timestamptz (each with \
    an optional number of digits: 0, 3, 6 or 9), text, json, uuid, binary (hex) or binary(base64)";

impl TryFrom<String> for ColumnType {
    type Error = String;

    fn try_from(word: String) -> Result<Self, String> {
        Self::parse(&word).ok_or_else(|| format!("`{word}` is no column type; one of {WORDS}"))
    }
}

impl JsonSchema for ColumnType {
    fn schema_name() -> Cow<'static, str> {
        "ColumnType".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": format!("The column's type: {WORDS}.") })
    }
}

impl ColumnType {
    fn parse(word: &str) -> Option<Self> {
        let word = word.trim().to_ascii_lowercase();
        let (name, inside) = match word.split_once('(') {
            Some((name, rest)) => (name.trim_end(), Some(rest.strip_suffix(')')?)),
            None => (word.as_str(), None),
        };
        let integer = |bits, signed| inside.is_none().then_some(Self::Integer { bits, signed });
        let plain = |it| inside.is_none().then_some(it);
        match name {
            "boolean" | "bool" => plain(Self::Boolean),
            "tinyint" => integer(8, true),
            "smallint" => integer(16, true),
            "integer" | "int" => integer(32, true),
            "bigint" | "long" => integer(64, true),
            "utinyint" => integer(8, false),
            "usmallint" => integer(16, false),
            "uinteger" => integer(32, false),
            "ubigint" => integer(64, false),
            "decimal" | "numeric" => decimal(inside),
            "real" | "float" => plain(Self::Real),
            "double" => plain(Self::Double),
            "date" => plain(Self::Date),
            "time" => Some(Self::Time { digits: digits(inside)? }),
            "timestamp" => Some(Self::Timestamp { digits: digits(inside)?, zoned: false }),
            "timestamptz" => Some(Self::Timestamp { digits: digits(inside)?, zoned: true }),
            "text" | "string" | "varchar" => plain(Self::Text),
            "json" => plain(Self::Json),
            "uuid" => plain(Self::Uuid),
            "binary" | "bytes" => match inside {
                None | Some("hex") => Some(Self::Binary { base64: false }),
                Some("base64") => Some(Self::Binary { base64: true }),
                Some(_) => None,
            },
            _ => None,
        }
    }

    /// Arrow's type for it.
    pub(crate) fn arrow(self) -> DataType {
        match self {
            Self::Boolean => DataType::Boolean,
            Self::Integer { bits: 8, signed: true } => DataType::Int8,
            Self::Integer { bits: 16, signed: true } => DataType::Int16,
            Self::Integer { bits: 32, signed: true } => DataType::Int32,
            Self::Integer { signed: true, .. } => DataType::Int64,
            Self::Integer { bits: 8, signed: false } => DataType::UInt8,
            Self::Integer { bits: 16, signed: false } => DataType::UInt16,
            Self::Integer { bits: 32, signed: false } => DataType::UInt32,
            Self::Integer { signed: false, .. } => DataType::UInt64,
            Self::Decimal { precision, scale } if precision <= 38 => {
                DataType::Decimal128(precision, scale.cast_signed())
            }
            Self::Decimal { precision, scale } => {
                DataType::Decimal256(precision, scale.cast_signed())
            }
            Self::Real => DataType::Float32,
            Self::Double => DataType::Float64,
            Self::Date => DataType::Date32,
            Self::Time { digits } => match unit(digits) {
                coarse @ (TimeUnit::Second | TimeUnit::Millisecond) => DataType::Time32(coarse),
                fine => DataType::Time64(fine),
            },
            Self::Timestamp { digits, zoned } => {
                DataType::Timestamp(unit(digits), zoned.then(|| "UTC".into()))
            }
            Self::Text | Self::Json | Self::Uuid => DataType::Utf8,
            Self::Binary { .. } => DataType::Binary,
        }
    }

    /// The Arrow field of a column: files say nothing about nulls, so it may hold some.
    pub(crate) fn field(self, name: &str) -> Field {
        let field = Field::new(name, self.arrow(), true);
        let native = match self {
            Self::Json => "json",
            Self::Uuid => "uuid",
            _ => return field,
        };
        field.with_metadata(HashMap::from([(NATIVE_TYPE_KEY.to_owned(), native.to_owned())]))
    }

    /// What a cell should have been, for complaints.
    pub(crate) fn expected(self) -> String {
        match self {
            Self::Boolean => "true or false".to_owned(),
            Self::Integer { bits, signed } => {
                let sign = if signed { "" } else { ", not negative" };
                format!("a whole number of {bits} bits{sign}")
            }
            Self::Decimal { precision, scale } => {
                format!("a decimal of at most {precision} digits, {scale} of them after the point")
            }
            Self::Real | Self::Double => "a floating-point number".to_owned(),
            Self::Date => "a date as YYYY-MM-DD".to_owned(),
            Self::Time { digits } => {
                format!("a time as HH:MM:SS with at most {digits} digits after the point")
            }
            Self::Timestamp { digits, zoned } => format!(
                "a timestamp as YYYY-MM-DDTHH:MM:SS {} time zone, with at most {digits} digits \
                 after the point",
                if zoned { "with" } else { "without" }
            ),
            Self::Text => "text".to_owned(),
            Self::Json => "a JSON value".to_owned(),
            Self::Uuid => "a UUID".to_owned(),
            Self::Binary { base64: false } => "bytes in hexadecimal".to_owned(),
            Self::Binary { base64: true } => "bytes in base64".to_owned(),
        }
    }
}

pub(crate) fn unit(digits: u8) -> TimeUnit {
    match digits {
        0 => TimeUnit::Second,
        1..=3 => TimeUnit::Millisecond,
        4..=6 => TimeUnit::Microsecond,
        _ => TimeUnit::Nanosecond,
    }
}

fn digits(inside: Option<&str>) -> Option<u8> {
    match inside.map(str::trim) {
        None | Some("6") => Some(6),
        Some("0") => Some(0),
        Some("3") => Some(3),
        Some("9") => Some(9),
        Some(_) => None,
    }
}

fn decimal(inside: Option<&str>) -> Option<ColumnType> {
    let inside = inside?;
    let (precision, scale) = inside.split_once(',').unwrap_or((inside, "0"));
    let (precision, scale) = (precision.trim().parse().ok()?, scale.trim().parse().ok()?);
    ((1..=76).contains(&precision) && scale <= precision)
        .then_some(ColumnType::Decimal { precision, scale })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_and_nonsense_is_not() {
        assert_eq!(
            ColumnType::parse("Decimal(38, 9)"),
            Some(ColumnType::Decimal { precision: 38, scale: 9 })
        );
        assert_eq!(ColumnType::parse("binary(base64)"), Some(ColumnType::Binary { base64: true }));
        for word in
            ["decimal", "decimal(77,0)", "decimal(3,4)", "int(4)", "time(2)", "blob", "text("]
        {
            assert_eq!(ColumnType::parse(word), None, "{word}");
        }
    }
}
