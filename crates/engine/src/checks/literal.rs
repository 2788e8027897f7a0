//! Values of a manifest as SQL literals of a column's type.
//!
//! A literal has exactly the type of the column that it is compared with. Otherwise the query
//! engine would convert one side, and a conversion can round or fail.

use arrow::datatypes::{DataType, Field, TimeUnit};
use flowglass_connect::NATIVE_TYPE_KEY;
use serde_json::Value;

/// How a column is compared with values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shape {
    /// Whole numbers, and decimals.
    Exact,
    /// Floating point numbers.
    Float,
    /// Decimals that a database gave as text because no Arrow type holds them all.
    DecimalText,
    /// Text.
    Text,
    /// True and false.
    Truth,
    /// Dates and times; the word is the type in `arrow_cast`.
    Time(String),
}

/// The type that text-held decimals are compared in.
const WIDEST_DECIMAL: &str = "DECIMAL(76, 38)";

impl Shape {
    /// How this column is compared; `None` for types that have no literals.
    pub(super) fn of(field: &Field) -> Option<Self> {
        let native = field.metadata().get(NATIVE_TYPE_KEY).map(|name| name.to_ascii_lowercase());
        let kind = match field.data_type() {
            DataType::Dictionary(_, value) => value.as_ref(),
            kind => kind,
        };
        Some(match kind {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                let decimal =
                    native.is_some_and(|it| it.contains(":numeric") || it.contains(":decimal"));
                if decimal { Self::DecimalText } else { Self::Text }
            }
            DataType::Boolean => Self::Truth,
            DataType::Float16 | DataType::Float32 | DataType::Float64 => Self::Float,
            DataType::Date32 => Self::Time("Date32".to_owned()),
            DataType::Date64 => Self::Time("Date64".to_owned()),
            DataType::Time32(unit) => Self::Time(format!("Time32({})", unit_word(*unit))),
            DataType::Time64(unit) => Self::Time(format!("Time64({})", unit_word(*unit))),
            DataType::Timestamp(unit, None) => {
                Self::Time(format!("Timestamp({}, None)", unit_word(*unit)))
            }
            DataType::Timestamp(unit, Some(zone)) => {
                Self::Time(format!("Timestamp({}, Some(\"{zone}\"))", unit_word(*unit)))
            }
            kind if kind.is_integer() || kind.is_decimal() => Self::Exact,
            _ => return None,
        })
    }

    /// What the column holds, for messages: "the column `day` holds …".
    pub(super) const fn holds(&self) -> &'static str {
        match self {
            Self::Exact | Self::Float | Self::DecimalText => "numbers",
            Self::Text => "text",
            Self::Truth => "true and false",
            Self::Time(_) => "dates or times",
        }
    }

    /// The column, in the type it is compared in.
    pub(super) fn column(&self, quoted: &str) -> String {
        match self {
            Self::DecimalText => format!("CAST({quoted} AS {WIDEST_DECIMAL})"),
            _ => quoted.to_owned(),
        }
    }

    /// Whether comparing converts the column's values first, which can fail on one.
    pub(super) const fn converts(&self) -> bool {
        matches!(self, Self::DecimalText)
    }

    /// The value as a literal; `None` when it cannot be a value of the column.
    pub(super) fn literal(&self, value: &Value) -> Option<String> {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(truth) => truth.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => return None,
        };
        match self {
            Self::Text => Some(quoted_text(&text)),
            Self::Truth => matches!(text.as_str(), "true" | "false").then_some(text),
            Self::Exact => plain_number(&text).then(|| format!("({text})")),
            Self::Float => {
                text.parse::<f64>().ok().map(|_| format!("CAST({} AS DOUBLE)", quoted_text(&text)))
            }
            Self::DecimalText => plain_number(&text)
                .then(|| format!("CAST({} AS {WIDEST_DECIMAL})", quoted_text(&text))),
            Self::Time(kind) => {
                let text = time_text(kind, &text)?;
                Some(format!("arrow_cast({}, {})", quoted_text(&text), quoted_text(kind)))
            }
        }
    }
}

/// An identifier, whatever its letters.
pub(super) fn quoted_name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn quoted_text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Digits with at most one point: what SQL reads as an exact number.
fn plain_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    [whole, fraction]
        .iter()
        .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
        && digits.len() <= 76
}

/// A date or time in the form that the engine reads, when it is one.
fn time_text(kind: &str, text: &str) -> Option<String> {
    use jiff::civil::{Date, DateTime, Time};
    let local = || text.parse::<DateTime>().ok();
    if kind.starts_with("Date") {
        return text.parse::<Date>().ok().map(|date| date.to_string());
    }
    if kind.starts_with("Time32") || kind.starts_with("Time64") {
        return text.parse::<Time>().ok().map(|time| time.to_string());
    }
    if kind.ends_with("None)") {
        // A zone would be left out silently.
        return text
            .parse::<jiff::Timestamp>()
            .is_err()
            .then(local)
            .flatten()
            .map(|at| at.to_string());
    }
    match text.parse::<jiff::Timestamp>() {
        Ok(at) => Some(at.to_string()),
        Err(_) => local().map(|at| format!("{at}Z")),
    }
}

const fn unit_word(unit: TimeUnit) -> &'static str {
    match unit {
        TimeUnit::Second => "Second",
        TimeUnit::Millisecond => "Millisecond",
        TimeUnit::Microsecond => "Microsecond",
        TimeUnit::Nanosecond => "Nanosecond",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_and_texts_cannot_leave_their_quotes() {
        assert_eq!(quoted_name("a\"; drop"), "\"a\"\"; drop\"");
        assert_eq!(Shape::Text.literal(&json!("it's")), Some("'it''s'".to_owned()));
        assert_eq!(Shape::Exact.literal(&json!("1); drop")), None);
    }

    #[test]
    fn a_value_that_the_column_cannot_hold_has_no_literal() {
        let day = Shape::Time("Date32".to_owned());
        assert_eq!(day.literal(&json!("2026-02-30")), None);
        assert!(day.literal(&json!("2026-02-28")).is_some());
        assert_eq!(Shape::Truth.literal(&json!("yes")), None);
        assert_eq!(Shape::Exact.literal(&json!(-1.5)), Some("(-1.5)".to_owned()));
        assert_eq!(Shape::Float.literal(&json!("much")), None);
    }

    #[test]
    fn a_zone_is_neither_lost_nor_invented() {
        let local = Shape::Time("Timestamp(Second, None)".to_owned());
        assert_eq!(local.literal(&json!("2026-01-02T03:04:05+02:00")), None);
        let zoned = Shape::Time("Timestamp(Second, Some(\"UTC\"))".to_owned());
        let said = zoned.literal(&json!("2026-01-02T03:04:05+02:00")).unwrap();
        assert!(said.contains("2026-01-02T01:04:05Z"), "{said}");
        assert!(zoned.literal(&json!("2026-01-02")).unwrap().contains("2026-01-02T00:00:00Z"));
    }
}
