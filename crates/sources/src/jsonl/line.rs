//! One line of JSON Lines: the texts of its values, without interpreting them.
//!
//! `serde_json` checks the syntax and finds the values; their text is what columns are built
//! from, so that no number passes through a floating-point one.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer as _, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Columns by key.
#[derive(Debug, Default)]
pub(super) struct Keys {
    pub(super) names: Vec<String>,
    places: HashMap<String, usize>,
}

impl Keys {
    pub(super) fn place(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }

    pub(super) fn add(&mut self, name: &str) -> usize {
        let at = self.names.len();
        self.names.push(name.to_owned());
        self.places.insert(name.to_owned(), at);
        at
    }
}

/// Why a line is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// Not JSON, from this column of the line on, counted from 1.
    Syntax {
        column: usize,
        cut_off: bool,
    },
    NotAnObject,
    /// A `\\u` escape that is half of a character.
    Surrogate,
    Twice {
        key: String,
    },
    Unknown {
        key: String,
    },
}

/// Hands `take` each key of the line with the text of its value.
pub(crate) fn read_line<'a>(
    line: &'a str,
    take: &mut dyn FnMut(&str, &'a str) -> Result<(), Flaw>,
) -> Result<(), Flaw> {
    let start = line.trim_start();
    if !start.starts_with('{') {
        // Broken JSON is told as such, whole values of another kind as what they are.
        return match serde_json::from_str::<&RawValue>(line) {
            Ok(_value) => Err(Flaw::NotAnObject),
            Err(error) => Err(syntax(&error)),
        };
    }
    let mut flaw = None;
    let mut parser = serde_json::Deserializer::from_str(line);
    let visit = Pairs { take, flaw: &mut flaw };
    let done = parser.deserialize_map(visit).and_then(|()| parser.end());
    match (flaw, done) {
        (Some(flaw), _) => Err(flaw),
        (None, Err(error)) => Err(syntax(&error)),
        (None, Ok(())) => Ok(()),
    }
}

fn syntax(error: &serde_json::Error) -> Flaw {
    Flaw::Syntax { column: error.column().max(1), cut_off: error.is_eof() }
}

/// The syntax check lets escapes pass that are no character, such as a lone surrogate.
fn check_text(value: &str) -> Result<&str, Flaw> {
    let escaped = value.starts_with('"') && value.contains("\\u");
    if escaped && serde_json::from_str::<String>(value).is_err() {
        return Err(Flaw::Surrogate);
    }
    Ok(value)
}

struct Pairs<'t, 'a> {
    take: &'t mut dyn FnMut(&str, &'a str) -> Result<(), Flaw>,
    flaw: &'t mut Option<Flaw>,
}

impl<'a> Visitor<'a> for Pairs<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key_seed(Key)? {
            let value: &'a RawValue = map.next_value()?;
            let taken = check_text(value.get()).and_then(|text| (self.take)(&key, text));
            if let Err(flaw) = taken {
                *self.flaw = Some(flaw);
                return Err(A::Error::custom("refused"));
            }
        }
        Ok(())
    }
}

/// Keys are borrowed from the line unless they have escapes.
struct Key;

impl<'a> DeserializeSeed<'a> for Key {
    type Value = Cow<'a, str>;

    fn deserialize<D: serde::Deserializer<'a>>(self, input: D) -> Result<Cow<'a, str>, D::Error> {
        input.deserialize_str(self)
    }
}

impl<'a> Visitor<'a> for Key {
    type Value = Cow<'a, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, key: &'a str) -> Result<Cow<'a, str>, E> {
        Ok(Cow::Borrowed(key))
    }

    fn visit_str<E>(self, key: &str) -> Result<Cow<'a, str>, E> {
        Ok(Cow::Owned(key.to_owned()))
    }
}
