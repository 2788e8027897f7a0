//! The YAML tree: every key and value with the bytes it stands on.
//!
//! A scalar keeps its text as written. What type it has is decided late, by the schema: only so
//! can `port: ${PORT}` be a number and `password: ${PASSWORD}` a text, whatever the variable holds.

use serde_json::{Map, Number, Value};

use crate::path::{Path, Step};
use crate::text::Span;

/// A value with its place.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// Where the value stands; for a block mapping or list, its first line is what is shown.
    pub(crate) span: Span,
    /// The value.
    pub(crate) body: Body,
    /// Whether the checker complained here or below.
    pub(crate) flawed: bool,
}

/// What a node holds.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    /// A single value.
    Scalar(Scalar),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the order of the text.
    Map(Vec<Entry>),
}

/// A key and its value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// The key's text.
    pub(crate) key: String,
    /// Where the key stands.
    pub(crate) key_span: Span,
    /// The value.
    pub(crate) node: Node,
}

/// A single value.
#[derive(Clone, Debug)]
pub(crate) struct Scalar {
    /// The text, after expansion.
    pub(crate) text: String,
    /// The same with secrets starred out.
    pub(crate) shown: String,
    /// Written without quotes, so that it may be a number, a boolean or null.
    pub(crate) plain: bool,
    /// Holds a `${…}` that was expanded: its type follows the schema.
    pub(crate) expanded: bool,
    /// Holds a reference without a value: nothing can be said about it.
    pub(crate) unresolved: bool,
    /// The schema took it as text although it looks like a number or a boolean.
    pub(crate) taken_as_text: bool,
}

/// What a plain scalar is by YAML 1.2's core schema.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Core {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number of 64 bits.
    Integer(Number),
    /// A number with a fraction or an exponent.
    Float(Number),
    /// Anything else.
    Text,
}

impl Scalar {
    /// A scalar as it was written.
    pub(crate) fn written(text: String, plain: bool) -> Self {
        let shown = text.clone();
        Self { text, shown, plain, expanded: false, unresolved: false, taken_as_text: false }
    }

    /// What it is, by its look and by what the schema took it as.
    pub(crate) fn core(&self) -> Core {
        if !self.plain || self.taken_as_text { Core::Text } else { core_of(&self.text) }
    }

    fn value(&self, shown: bool) -> Value {
        // A starred number is a text: stars are no number.
        if shown && self.shown != self.text {
            return Value::String(self.shown.clone());
        }
        match self.core() {
            Core::Null => Value::Null,
            Core::Bool(value) => Value::Bool(value),
            Core::Integer(number) | Core::Float(number) => Value::Number(number),
            Core::Text => Value::String(self.text.clone()),
        }
    }
}

/// Reads a plain scalar by the core schema of YAML 1.2, section 10.3.2, with two exceptions that
/// keep every digit: a number with a leading zero and one beyond 64 bits stay text.
/// <https://yaml.org/spec/1.2.2/#1032-tag-resolution>
pub(crate) fn core_of(text: &str) -> Core {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Core::Null,
        "true" | "True" | "TRUE" => return Core::Bool(true),
        "false" | "False" | "FALSE" => return Core::Bool(false),
        _ => {}
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !digits.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return Core::Text;
    }
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        if digits.len() > 1 && digits.starts_with('0') {
            return Core::Text;
        }
        let plain = text.strip_prefix('+').unwrap_or(text);
        return plain
            .parse::<Number>()
            .ok()
            .filter(|it| it.is_i64() || it.is_u64())
            .map_or(Core::Text, Core::Integer);
    }
    let float_letters = |byte: u8| byte.is_ascii_digit() || b".eE+-".contains(&byte);
    if !digits.bytes().all(float_letters) || !digits.bytes().any(|byte| byte.is_ascii_digit()) {
        return Core::Text;
    }
    text.parse::<f64>().ok().and_then(Number::from_f64).map_or(Core::Text, Core::Float)
}

impl Node {
    /// The value without places; `shown` gives the one with secrets starred out.
    pub(crate) fn value(&self, shown: bool) -> Value {
        match &self.body {
            Body::Scalar(scalar) => scalar.value(shown),
            Body::List(items) => items.iter().map(|item| item.value(shown)).collect(),
            Body::Map(entries) => {
                let pairs = entries.iter().map(|it| (it.key.clone(), it.node.value(shown)));
                Value::Object(pairs.collect::<Map<_, _>>())
            }
        }
    }

    /// The entry of a key, when this is a mapping that has it.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.body {
            Body::Map(entries) => entries.iter().find(|entry| entry.key == key),
            Body::Scalar(_) | Body::List(_) => None,
        }
    }

    /// The value of a key, when this is a mapping that has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        self.entry(key).map(|entry| &entry.node)
    }

    /// The same, to change it.
    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Self> {
        match &mut self.body {
            Body::Map(entries) => {
                entries.iter_mut().find(|entry| entry.key == key).map(|entry| &mut entry.node)
            }
            Body::Scalar(_) | Body::List(_) => None,
        }
    }

    /// The items, when this is a list; nothing otherwise.
    pub(crate) fn items(&self) -> &[Self] {
        match &self.body {
            Body::List(items) => items,
            Body::Scalar(_) | Body::Map(_) => &[],
        }
    }

    /// The entries, when this is a mapping; nothing otherwise.
    pub(crate) fn entries(&self) -> &[Entry] {
        match &self.body {
            Body::Map(entries) => entries,
            Body::Scalar(_) | Body::List(_) => &[],
        }
    }

    /// The scalar, when this is one.
    pub(crate) fn scalar(&self) -> Option<&Scalar> {
        match &self.body {
            Body::Scalar(scalar) => Some(scalar),
            Body::List(_) | Body::Map(_) => None,
        }
    }

    /// The text of a scalar that is not null, when this is one and has a value.
    pub(crate) fn text(&self) -> Option<&str> {
        self.scalar()
            .filter(|scalar| !scalar.unresolved && scalar.core() != Core::Null)
            .map(|scalar| scalar.text.as_str())
    }

    /// The value at a path below this.
    pub(crate) fn at(&self, path: &Path) -> Option<&Self> {
        path.steps().iter().try_fold(self, |node, step| match step {
            Step::Key(key) => node.get(key),
            Step::Index(index) => node.items().get(*index),
        })
    }

    /// The key's span at a path, or the item's when the path ends in a list.
    pub(crate) fn key_span(&self, path: &Path) -> Option<Span> {
        let (last, before) = path.steps().split_last()?;
        let parent = before.iter().try_fold(self, |node, step| match step {
            Step::Key(key) => node.get(key),
            Step::Index(index) => node.items().get(*index),
        })?;
        match last {
            Step::Key(key) => parent.entry(key).map(|entry| entry.key_span),
            Step::Index(index) => parent.items().get(*index).map(|node| node.span),
        }
    }
}
