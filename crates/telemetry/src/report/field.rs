//! Taking one field out of an object, with the complaint when it is not what it should be.

use std::sync::Arc;

use flowglass_catalog::offline::NumberKind;

use crate::problem::{Code, Place, Problems};

use super::json::{Node, Object, Value};
use super::number::{NotNumber, Number, ReadNumber, from_text, from_token};

/// The document's text and name, for places, and where complaints go.
pub(super) struct Reader<'d> {
    pub(super) text: &'d str,
    pub(super) source: &'d Arc<str>,
    pub(super) problems: &'d mut Problems,
}

/// Floats below this are exact whole numbers.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// The type of a value as the messages name it.
pub(super) const fn type_name(value: &Value<'_>) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::Text(_) => "a text",
        Value::List(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// The member of `object`, if it is there and not null.
pub(super) fn member<'o, 't>(object: Option<&'o Object<'t>>, key: &str) -> Option<&'o Node<'t>> {
    object?.get(key).filter(|node| !matches!(node.value, Value::Null))
}

impl Reader<'_> {
    /// A complaint at the place of `node`.
    pub(super) fn complain(&mut self, code: Code, node: &Node<'_>, says: String) {
        let place = Place::of(self.text, node.at);
        self.problems.add_at(code, Some(self.source), Some(place), says);
    }

    fn wrong_type(&mut self, path: &str, node: &Node<'_>, asked: &str) {
        let says = format!("`{path}` is {}, not {asked}; it was left out", type_name(&node.value));
        self.complain(Code::RunReportWrongType, node, says);
    }

    /// The object at `key`. Null and absence are `None`; anything else is complained about.
    pub(super) fn object<'o, 't>(
        &mut self,
        parent: Option<&'o Object<'t>>,
        key: &str,
    ) -> Option<&'o Object<'t>> {
        let node = member(parent, key)?;
        if let Value::Object(object) = &node.value {
            return Some(object);
        }
        self.wrong_type(key, node, "an object");
        None
    }

    /// The objects in the list at `key`.
    pub(super) fn objects<'o, 't>(
        &mut self,
        parent: &'o Object<'t>,
        key: &str,
    ) -> Vec<&'o Object<'t>> {
        let Some(node) = member(Some(parent), key) else { return Vec::new() };
        let Value::List(items) = &node.value else {
            self.wrong_type(key, node, "a list");
            return Vec::new();
        };
        let mut objects = Vec::with_capacity(items.len());
        for item in items {
            if let Value::Object(object) = &item.value {
                objects.push(object);
            } else {
                self.wrong_type(&format!("{key}[]"), item, "an object");
            }
        }
        objects
    }

    /// A number, or a text that holds one. `path` names the field in complaints; its last part is
    /// the key.
    pub(super) fn number(
        &mut self,
        parent: Option<&Object<'_>>,
        path: &str,
        kind: NumberKind,
    ) -> Option<Number> {
        let key = path.rsplit('.').next().unwrap_or(path);
        let node = member(parent, key)?;
        let read = match &node.value {
            Value::Number(raw) => from_token(raw),
            Value::Text(text) => from_text(text),
            Value::Null | Value::Bool(_) | Value::List(_) | Value::Object(_) => {
                self.wrong_type(path, node, "a number");
                return None;
            }
        };
        match read {
            Ok(read) => Some(self.checked(path, node, kind, read)),
            Err(NotNumber::NoNumber) => {
                let says = format!("`{path}` is a text that holds no number; it was left out");
                self.complain(Code::RunReportWrongType, node, says);
                None
            }
            Err(NotNumber::OutOfRange) => {
                let says =
                    format!("`{path}` is larger than a 64-bit float can hold; it was left out");
                self.complain(Code::RunReportNumberOutOfRange, node, says);
                None
            }
        }
    }

    fn checked(
        &mut self,
        path: &str,
        node: &Node<'_>,
        kind: NumberKind,
        read: ReadNumber,
    ) -> Number {
        if !read.value.is_finite() {
            let says = format!("`{path}` is {}", read.value);
            self.complain(Code::MetricNotFinite, node, says);
            return read.value;
        }
        let value = match (kind, read.value) {
            (NumberKind::Count, Number::Double(float)) => match whole(float) {
                Some(exact) if !read.rounded => Number::Int(exact),
                _ => {
                    let says = format!(
                        "`{path}` is no whole number of 64 bits; it is exported as {}",
                        read.value
                    );
                    self.complain(Code::RunReportNumberInexact, node, says);
                    read.value
                }
            },
            (NumberKind::Measure, Number::Int(int)) if int.unsigned_abs() < 1 << 53 => {
                Number::Double(read.value.as_f64())
            }
            (_, value) => value,
        };
        // A benchmark may be negative; a count and a duration cannot.
        let bounded = kind == NumberKind::Count || path.ends_with("_seconds");
        if bounded && value.as_f64() < 0.0 {
            self.complain(Code::RunReportImplausible, node, format!("`{path}` is negative"));
        }
        value
    }

    /// A boolean and nothing that merely looks like one.
    pub(super) fn boolean(&mut self, parent: Option<&Object<'_>>, key: &str) -> Option<bool> {
        let node = member(parent, key)?;
        if let Value::Bool(flag) = node.value {
            return Some(flag);
        }
        self.wrong_type(key, node, "true or false");
        None
    }

    /// A label: a text, or a number as it is written. Empty counts as absent.
    pub(super) fn label(&mut self, parent: Option<&Object<'_>>, key: &str) -> Option<String> {
        let node = member(parent, key)?;
        match &node.value {
            Value::Text(text) => (!text.is_empty()).then(|| text.to_string()),
            Value::Number(raw) if raw.len() <= 64 => Some((*raw).to_owned()),
            _ => {
                self.wrong_type(key, node, "a text");
                None
            }
        }
    }

    /// How many things a list names. A lone text is one thing, an object one a key.
    pub(super) fn items(&mut self, parent: Option<&Object<'_>>, key: &str) -> Option<usize> {
        let node = member(parent, key)?;
        let count = match &node.value {
            Value::List(items) => return Some(items.len()),
            Value::Object(object) => return Some(object.len()),
            Value::Text(text) => usize::from(!text.trim().is_empty()),
            Value::Number(raw) => raw.parse::<u32>().map_or(0, |count| count as usize),
            Value::Null | Value::Bool(_) => 0,
        };
        let says =
            format!("`{key}` is {}, not a list; it was counted as {count}", type_name(&node.value));
        self.complain(Code::RunReportWrongType, node, says);
        Some(count)
    }

    /// An RFC 3339 time as nanoseconds since 1970.
    pub(super) fn time(&mut self, parent: Option<&Object<'_>>, key: &str) -> Option<u64> {
        let node = member(parent, key)?;
        let parsed = match &node.value {
            Value::Text(text) => text.parse::<jiff::Timestamp>().ok(),
            _ => None,
        };
        let nanos = parsed.and_then(|time| u64::try_from(time.as_nanosecond()).ok());
        if nanos.is_none() {
            let says = format!("`{key}` is no RFC 3339 time since 1970; the export time stands in");
            self.complain(Code::RunReportInvalidTime, node, says);
        }
        nanos
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the bound is checked on the line before")]
fn whole(float: f64) -> Option<i64> {
    (float.fract() == 0.0 && float.abs() < EXACT_MAX).then_some(float as i64)
}
