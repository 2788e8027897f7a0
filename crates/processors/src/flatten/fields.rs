//! The fields of an object, as pieces of its text: no value is turned into anything that could lose a
//! digit of it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use flowglass_connect::stream::Kind;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// How objects are taken apart.
#[derive(Debug)]
pub(super) struct Rule {
    /// What stands between the names of a column and of its field.
    pub(super) separator: String,
    /// How many levels of objects are taken apart.
    pub(super) depth_max: usize,
}

/// The texts of a column in the two rows of a change, where they are there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Both<'a> {
    pub(super) after: Option<&'a [u8]>,
    pub(super) before: Option<&'a [u8]>,
}

/// A field of a column's object.
#[derive(Debug)]
pub(super) struct Field<'a> {
    /// Its column's name.
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) native: &'static str,
    /// Its JSON in the row after, when it is there.
    pub(super) after: Option<&'a str>,
    /// Its JSON in the row before, when it is there.
    pub(super) before: Option<&'a str>,
}

/// Why a column cannot be taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Malformed {
    /// It holds no JSON.
    NotJson,
    /// Two of its fields would be columns of that name.
    Twice(String),
}

/// The fields of a column; `None` when it holds no object, or an empty one. Text that is no JSON is
/// malformed where the column promises JSON (`strict`), and else a text.
pub(super) fn of<'a>(
    rule: &Rule,
    column: &str,
    both: Both<'a>,
    strict: bool,
) -> Result<Option<Vec<Field<'a>>>, Malformed> {
    let objects = match (object(both.after, strict)?, object(both.before, strict)?) {
        (Content::Object(after), Content::Object(before)) => [Some(after), Some(before)],
        (Content::Object(after), Content::Nothing) => [Some(after), None],
        (Content::Nothing, Content::Object(before)) => [None, Some(before)],
        // An object on one side and something else on the other have no columns in common.
        _ => return Ok(None),
    };
    let [after, before] = objects;
    let mut found: Vec<(String, [Option<&'a str>; 2])> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    for (side, object) in [after, before].into_iter().enumerate() {
        let Some(object) = object else { continue };
        let mut leaves = Vec::new();
        walk(rule, (column, 1), object, &mut leaves)?;
        for (name, raw) in leaves {
            let index = *known.entry(name.clone()).or_insert_with(|| {
                found.push((name, [None, None]));
                found.len() - 1
            });
            let Some((name, sides)) = found.get_mut(index) else { continue };
            let Some(slot) = sides.get_mut(side) else { continue };
            if slot.replace(raw).is_some() {
                return Err(Malformed::Twice(name.clone()));
            }
        }
    }
    let field = |(name, [after, before]): (String, [Option<&'a str>; 2])| {
        let (kind, native) = common(after.and_then(kind_of), before.and_then(kind_of));
        Field { name, kind, native, after, before }
    };
    let fields: Vec<_> = found.into_iter().map(field).collect();
    Ok((!fields.is_empty()).then_some(fields))
}

/// What a column holds.
enum Content<'a> {
    Object(Members<'a>),
    /// Neither an object nor anything that would be lost without one: null, or not sent.
    Nothing,
    Other,
}

fn object(text: Option<&[u8]>, strict: bool) -> Result<Content<'_>, Malformed> {
    let Some(text) = text else { return Ok(Content::Nothing) };
    let first = text.iter().find(|byte| !byte.is_ascii_whitespace());
    if first != Some(&b'{') {
        return Ok(Content::Other);
    }
    match serde_json::from_slice(text) {
        Ok(members) => Ok(Content::Object(members)),
        Err(_) if strict => Err(Malformed::NotJson),
        Err(_) => Ok(Content::Other),
    }
}

/// The members of an object in their order, the values as they are written.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut all = Vec::new();
                while let Some((Name(name), value)) = map.next_entry()? {
                    all.push((name, value));
                }
                Ok(all)
            }
        }
        deserializer.deserialize_map(All).map(Self)
    }
}

#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

fn walk<'a>(
    rule: &Rule,
    (prefix, depth): (&str, usize),
    members: Members<'a>,
    leaves: &mut Vec<(String, &'a str)>,
) -> Result<(), Malformed> {
    for (key, value) in members.0 {
        let name = format!("{prefix}{}{key}", rule.separator);
        let raw = value.get();
        if depth < rule.depth_max && raw.starts_with('{') {
            let inner: Members<'a> = serde_json::from_str(raw).map_err(|_| Malformed::NotJson)?;
            if !inner.0.is_empty() {
                walk(rule, (&name, depth + 1), inner, leaves)?;
                continue;
            }
        }
        leaves.push((name, raw));
    }
    Ok(())
}

/// Whether a value is null.
pub(super) fn is_null(raw: &str) -> bool {
    raw == "null"
}

/// The kind of a value; `None` for null.
fn kind_of(raw: &str) -> Option<(Kind, &'static str)> {
    Some(match raw.as_bytes() {
        b"null" => return None,
        [b'"', ..] => (Kind::Text, "text"),
        [b't' | b'f', ..] => (Kind::Bool, "boolean"),
        [b'{' | b'[', ..] => (Kind::Json, "json"),
        _ if raw.parse::<i64>().is_ok_and(|number| number.to_string() == raw) => {
            (Kind::Int64, "bigint")
        }
        // An exponent has no place in a decimal; as a document it keeps its form.
        digits if digits.iter().any(|byte| matches!(byte, b'e' | b'E')) => (Kind::Json, "json"),
        _ => (Kind::Decimal(None), "numeric"),
    })
}

/// One kind for two values of a column. A column that was never more than null is a text.
fn common(
    after: Option<(Kind, &'static str)>,
    before: Option<(Kind, &'static str)>,
) -> (Kind, &'static str) {
    match (after, before) {
        (None, None) => (Kind::Text, "text"),
        (Some(one), None) | (None, Some(one)) => one,
        (Some(after), Some(before)) if after.0 == before.0 => after,
        (Some((Kind::Int64 | Kind::Decimal(_), _)), Some((Kind::Int64 | Kind::Decimal(_), _))) => {
            (Kind::Decimal(None), "numeric")
        }
        // A document can be anything.
        (Some(_), Some(_)) => (Kind::Json, "json"),
    }
}

/// Writes a value as the text of a cell of that kind.
pub(super) fn write(raw: &str, kind: &Kind, out: &mut Vec<u8>) {
    match kind {
        Kind::Bool => out.push(if raw == "true" { b't' } else { b'f' }),
        Kind::Text => {
            // The value was read as JSON before: its escapes are sound.
            let text = serde_json::from_str::<Cow<'_, str>>(raw).unwrap_or(Cow::Borrowed(raw));
            out.extend_from_slice(text.as_bytes());
        }
        _ => out.extend_from_slice(raw.as_bytes()),
    }
}
