//! The one table of Postgres' types: what each is in Arrow, how it travels, and what a table of
//! ours is declared as.
//!
//! A type that Arrow has no exact twin of travels as the text that Postgres itself writes and
//! reads, and its name goes along in the field's metadata, so that Postgres gets the same type
//! back and every other target gets exact text.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, TimeUnit};
use flowglass_connect::NATIVE_TYPE_KEY;

/// What native types of ours begin with in a field's metadata.
pub const NATIVE_PREFIX: &str = "postgres:";

/// Metadata key: the labels of an enum in their order, as a JSON list.
pub const LABELS_KEY: &str = "flowglass.postgres.labels";

/// Metadata key: the type under a domain, and a mark on types whose binary form is good only
/// inside their own database.
pub const BASE_TYPE_KEY: &str = "flowglass.postgres.base";

/// How the message begins when a target takes no raw rows because its columns differ. The reader
/// has to be opened again with `raw_accepted` empty.
pub const RAW_REFUSED: &str = "raw rows are refused";

/// Days from 1970-01-01 to 2000-01-01, where Postgres counts from.
pub const POSTGRES_EPOCH_DAYS: i32 = 10_957;

/// Microseconds from 1970-01-01 to 2000-01-01.
pub const POSTGRES_EPOCH_MICROS: i64 = 946_684_800_000_000;

/// How values of a type travel in binary COPY, and so what they are in Arrow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// `boolean`.
    Bool,
    /// `smallint`.
    Int2,
    /// `integer`.
    Int4,
    /// `bigint`.
    Int8,
    /// `oid`: unsigned, 32 bits.
    Oid,
    /// `real`.
    Float4,
    /// `double precision`.
    Float8,
    /// `numeric(p, s)` that a decimal of Arrow holds.
    Decimal {
        /// All digits.
        precision: u8,
        /// Digits behind the point.
        scale: i8,
    },
    /// Any other `numeric`: exact text, `NaN` and infinities included.
    Numeric,
    /// Whatever is sent as its own text: `text`, `varchar`, `char`, `name`, `json`, `xml`, enums.
    Text,
    /// `jsonb`: a version byte before the text.
    Jsonb,
    /// `bytea`.
    Bytea,
    /// `uuid`: 16 bytes, text in Arrow.
    Uuid,
    /// `date`.
    Date,
    /// `time`.
    Time,
    /// `timestamp`.
    Timestamp,
    /// `timestamptz`.
    Timestamptz,
    /// A one-dimensional array.
    List {
        /// The form of its elements.
        element: Box<Self>,
        /// The type of its elements.
        element_oid: u32,
    },
    /// Everything else: by the text that Postgres writes for it.
    Spelled,
}

impl Form {
    /// The Arrow type that keeps every value of this form.
    #[must_use]
    pub fn arrow(&self) -> DataType {
        match self {
            Self::Bool => DataType::Boolean,
            Self::Int2 => DataType::Int16,
            Self::Int4 => DataType::Int32,
            Self::Int8 => DataType::Int64,
            Self::Oid => DataType::UInt32,
            Self::Float4 => DataType::Float32,
            Self::Float8 => DataType::Float64,
            Self::Decimal { precision, scale } if *precision <= 38 => {
                DataType::Decimal128(*precision, *scale)
            }
            Self::Decimal { precision, scale } => DataType::Decimal256(*precision, *scale),
            Self::Numeric | Self::Text | Self::Jsonb | Self::Uuid | Self::Spelled => DataType::Utf8,
            Self::Bytea => DataType::Binary,
            Self::Date => DataType::Date32,
            Self::Time => DataType::Time64(TimeUnit::Microsecond),
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::Timestamptz => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::List { element, .. } => {
                DataType::List(Arc::new(Field::new("item", element.arrow(), true)))
            }
        }
    }

    /// The form of a base type that is no array.
    #[must_use]
    pub fn of(oid: u32, typmod: i32, kind: &str, name: &str) -> Self {
        match (oid, kind) {
            (16, _) => Self::Bool,
            (21, _) => Self::Int2,
            (23, _) => Self::Int4,
            (20, _) => Self::Int8,
            (26, _) => Self::Oid,
            (700, _) => Self::Float4,
            (701, _) => Self::Float8,
            (1700, _) => numeric_form(typmod),
            // text, varchar, bpchar, name, json, xml, unknown
            (25 | 1043 | 1042 | 19 | 114 | 142 | 705, _) | (_, "e") => Self::Text,
            (3802, _) => Self::Jsonb,
            (17, _) => Self::Bytea,
            (2950, _) => Self::Uuid,
            (1082, _) => Self::Date,
            (1083, _) => Self::Time,
            (1114, _) => Self::Timestamp,
            (1184, _) => Self::Timestamptz,
            _ if name == "citext" => Self::Text,
            _ => Self::Spelled,
        }
    }
}

/// The typmod of `numeric(p, s)` is `((p << 16) | (s & 0x7ff)) + 4`, the scale an 11-bit signed
/// number (`src/backend/utils/adt/numeric.c`).
fn numeric_form(typmod: i32) -> Form {
    let Some(packed) = typmod.checked_sub(4).filter(|packed| *packed >= 0) else {
        return Form::Numeric;
    };
    let scale = ((packed & 0x7ff) ^ 1024) - 1024;
    match (u8::try_from((packed >> 16) & 0xffff), i8::try_from(scale)) {
        (Ok(precision @ 1..=76), Ok(scale))
            if u8::try_from(scale).is_ok_and(|scale| scale <= precision) =>
        {
            Form::Decimal { precision, scale }
        }
        _ => Form::Numeric,
    }
}

/// The full type of a column, as the catalog knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnType {
    /// As SQL writes it, with typmod, and with schema outside of `pg_catalog`.
    pub name: String,
    /// The type under a domain, else the same as `name`.
    pub base_name: String,
    /// The base type's oid.
    pub oid: u32,
    /// The base type's modifier, -1 without.
    pub typmod: i32,
    /// How it travels.
    pub form: Form,
    /// An enum's labels in their order.
    pub labels: Option<Vec<String>>,
    /// Its binary form means the same in another database.
    pub portable: bool,
}

impl ColumnType {
    /// The field of a column of this type, with all that a target needs to make it again.
    #[must_use]
    pub fn field(&self, name: &str, nullable: bool) -> Field {
        let mut metadata = HashMap::new();
        metadata.insert(NATIVE_TYPE_KEY.to_owned(), format!("{NATIVE_PREFIX}{}", self.name));
        if self.base_name != self.name {
            metadata.insert(BASE_TYPE_KEY.to_owned(), self.base_name.clone());
        }
        if let Some(labels) = &self.labels {
            metadata.insert(LABELS_KEY.to_owned(), serde_json::json!(labels).to_string());
        }
        Field::new(name, self.form.arrow(), nullable).with_metadata(metadata)
    }

    /// Whether raw rows of a field fit a column of this type byte for byte.
    #[must_use]
    pub fn same_as(&self, field: &Field) -> bool {
        let metadata = field.metadata();
        let native = metadata.get(NATIVE_TYPE_KEY).and_then(|it| it.strip_prefix(NATIVE_PREFIX));
        let base = metadata.get(BASE_TYPE_KEY).map_or(native, |base| Some(base.as_str()));
        let labels = metadata.get(LABELS_KEY).and_then(|it| serde_json::from_str(it).ok());
        native == Some(self.name.as_str())
            && base == Some(self.base_name.as_str())
            && labels == self.labels
            && self.portable
    }
}

/// Whether a text can be nothing but the name of a type. Metadata comes from files too, and goes
/// into a statement.
#[must_use]
pub fn is_type_name(text: &str) -> bool {
    let mut depth = 0u32;
    let mut quoted = false;
    let mut before = ' ';
    for character in text.chars() {
        match character {
            '"' => quoted = !quoted,
            '\0' => return false,
            _ if quoted => {}
            '(' => depth += 1,
            ')' if depth > 0 => depth -= 1,
            ',' | '-' if depth > 0 && before != '-' => {}
            '[' | ']' | '.' | '_' | ' ' => {}
            other if other.is_alphanumeric() => {}
            _ => return false,
        }
        before = character;
    }
    depth == 0 && !quoted && !text.trim().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modifiers_of_numeric() {
        let typmod = |precision: i32, scale: i32| ((precision << 16) | (scale & 0x7ff)) + 4;
        assert_eq!(numeric_form(typmod(18, 2)), Form::Decimal { precision: 18, scale: 2 });
        assert_eq!(numeric_form(typmod(76, 76)), Form::Decimal { precision: 76, scale: 76 });
        for unfit in [-1, typmod(77, 0), typmod(5, -2), typmod(2, 5), typmod(1000, 1000)] {
            assert_eq!(numeric_form(unfit), Form::Numeric);
        }
    }

    #[test]
    fn type_names_and_what_only_looks_like_one() {
        for good in [
            "numeric(18,2)",
            "numeric(5,-2)",
            "timestamp(3) with time zone[]",
            "shop.\"odd; name\"",
        ] {
            assert!(is_type_name(good), "{good}");
        }
        for bad in
            ["int); DROP TABLE t", "int, b int", "int -- x", "int'", "", "\"open", "numeric(1--2)"]
        {
            assert!(!is_type_name(bad), "{bad}");
        }
    }
}
