//! A JSON reader that keeps what an evidence exporter needs and serde's tree throws away.
//!
//! Numbers stay as they are written (a 400-digit counter is a warning about one field, not the end of
//! the report), every value knows its place for the complaint, a repeated key and half a surrogate
//! pair are noted instead of hidden or refused, and the bare `NaN` that Python's encoder writes is
//! taken. Everything else is RFC 8259 to the letter; a property test holds this reader against
//! `serde_json` on inputs that both know. Depth and number of values are bounded.

use std::borrow::Cow;
use std::collections::HashSet;

/// Levels of lists and objects inside one another.
pub(super) const DEPTH_MAX: usize = 256;
/// Values in one report: about 100 MB of tree.
pub(super) const VALUES_MAX: usize = 2_000_000;
/// Notes of one report that are kept.
const NOTES_MAX: usize = 50;
/// From this many members on, repeated keys are looked for by hash.
const LINEAR_MEMBERS_MAX: usize = 32;

/// A value and the byte at which it begins.
#[derive(Debug)]
pub(super) struct Node<'t> {
    pub(super) at: usize,
    pub(super) value: Value<'t>,
}

/// A JSON value; numbers as written.
#[derive(Debug)]
pub(super) enum Value<'t> {
    Null,
    Bool(bool),
    Number(&'t str),
    Text(Cow<'t, str>),
    List(Vec<Node<'t>>),
    Object(Object<'t>),
}

/// Members in the order of the text.
#[derive(Debug, Default)]
pub(super) struct Object<'t> {
    members: Vec<(Cow<'t, str>, Node<'t>)>,
}

impl<'t> Object<'t> {
    /// The value of `key`; of a repeated key, the last.
    pub(super) fn get(&self, key: &str) -> Option<&Node<'t>> {
        self.members.iter().rev().find(|(name, _)| name == key).map(|(_, node)| node)
    }

    /// Number of members, repeated ones included.
    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    #[cfg(test)]
    /// All members in the order of the text.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Node<'t>)> {
        self.members.iter().map(|(key, node)| (key.as_ref(), node))
    }
}

/// Something that was read but is not what JSON means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Note {
    LoneSurrogate,
    BareNumber,
    DuplicateKey,
}

/// Why a text is not one JSON value.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) says: String,
    /// The text is JSON, but beyond a bound of this reader.
    pub(super) too_large: bool,
}

/// A read document.
#[derive(Debug)]
pub(super) struct Document<'t> {
    pub(super) root: Node<'t>,
    pub(super) notes: Vec<(usize, Note)>,
}

/// Reads one JSON value and nothing else.
pub(super) fn parse(text: &str) -> Result<Document<'_>, Fault> {
    let mut parser = Parser::new(text);
    let read = parser.document();
    match read {
        Ok(root) => Ok(Document { root, notes: parser.notes }),
        Err(fault) if fault.too_large => Err(fault),
        Err(fault) => Err(explain(text, fault)),
    }
}

/// Looks for the usual reason: a log on the same stream as the report.
fn explain(text: &str, fault: Fault) -> Fault {
    const CANDIDATES_MAX: usize = 20;
    if text.trim().is_empty() {
        return Fault {
            says: "the file is empty: the run may have failed before it wrote its report"
                .to_owned(),
            at: 0,
            ..fault
        };
    }
    let mut offset = 0;
    let mut candidates = 0;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        if index > 0 && line.trim_start().starts_with('{') && candidates < CANDIDATES_MAX {
            candidates += 1;
            let begins = text.get(offset..).is_some_and(|rest| Parser::new(rest).value(0).is_ok());
            if begins {
                let says = if text.trim_start().starts_with('{') {
                    format!("a second JSON object begins on line {}: one report a file", index + 1)
                } else {
                    format!(
                        "log lines before the JSON, which begins on line {}: redirect stdout alone",
                        index + 1
                    )
                };
                return Fault { says, ..fault };
            }
        }
        offset += line.len();
    }
    fault
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    values: usize,
    notes: Vec<(usize, Note)>,
}

impl<'t> Parser<'t> {
    const fn new(text: &'t str) -> Self {
        Self { text, at: 0, values: 0, notes: Vec::new() }
    }

    fn document(&mut self) -> Result<Node<'t>, Fault> {
        let root = self.value(0)?;
        self.skip_space();
        if self.at < self.text.len() {
            return Err(self.fault("text after the end of the JSON"));
        }
        Ok(root)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn note(&mut self, at: usize, note: Note) {
        if self.notes.len() < NOTES_MAX {
            self.notes.push((at, note));
        }
    }

    fn fault(&self, says: &str) -> Fault {
        Fault { at: self.at, says: says.to_owned(), too_large: false }
    }

    fn too_large(&self, says: String) -> Fault {
        Fault { at: self.at, says, too_large: true }
    }

    fn value(&mut self, depth: usize) -> Result<Node<'t>, Fault> {
        self.skip_space();
        let at = self.at;
        self.values += 1;
        if self.values > VALUES_MAX {
            return Err(self.too_large(format!("more than {VALUES_MAX} values")));
        }
        if depth > DEPTH_MAX {
            return Err(Fault {
                at,
                says: format!("nested deeper than {DEPTH_MAX} levels"),
                too_large: false,
            });
        }
        let value = match self.peek() {
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.list(depth)?,
            Some(b'"') => Value::Text(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(_) => self.word()?,
            None => return Err(self.fault("the text ends where a value should be")),
        };
        Ok(Node { at, value })
    }

    fn word(&mut self) -> Result<Value<'t>, Fault> {
        let rest = self.text.get(self.at..).unwrap_or("");
        let known = [
            ("null", Value::Null),
            ("true", Value::Bool(true)),
            ("false", Value::Bool(false)),
            ("NaN", Value::Number("NaN")),
            ("Infinity", Value::Number("Infinity")),
        ];
        for (word, value) in known {
            if rest.starts_with(word) {
                if matches!(value, Value::Number(_)) {
                    self.note(self.at, Note::BareNumber);
                }
                self.at += word.len();
                return Ok(value);
            }
        }
        Err(self.fault("a value should be here"))
    }

    fn number(&mut self) -> Result<Value<'t>, Fault> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
            if self.text.get(self.at..).is_some_and(|rest| rest.starts_with("Infinity")) {
                self.note(start, Note::BareNumber);
                self.at += "Infinity".len();
                return Ok(Value::Number("-Infinity"));
            }
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(Value::Number(self.text.get(start..self.at).unwrap_or("")))
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { Err(self.fault("a digit should be here")) } else { Ok(()) }
    }

    fn list(&mut self, depth: usize) -> Result<Value<'t>, Fault> {
        self.at += 1;
        let mut items = Vec::new();
        self.skip_space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::List(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(Value::List(items));
                }
                Some(_) => return Err(self.fault("`,` or `]` should be here")),
                None => return Err(self.fault("the text ends inside a list")),
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value<'t>, Fault> {
        self.at += 1;
        let mut members: Vec<(Cow<'t, str>, Node<'t>)> = Vec::new();
        let mut seen: HashSet<String> = HashSet::new();
        self.skip_space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Object(Object { members }));
        }
        loop {
            self.skip_space();
            let key_at = self.at;
            if self.peek() != Some(b'"') {
                return Err(self.fault("a key in double quotes should be here"));
            }
            let key = self.string()?;
            self.skip_space();
            if self.peek() != Some(b':') {
                return Err(self.fault("`:` should be here"));
            }
            self.at += 1;
            let node = self.value(depth + 1)?;
            if repeated(&members, &mut seen, &key) {
                self.note(key_at, Note::DuplicateKey);
            }
            members.push((key, node));
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(Value::Object(Object { members }));
                }
                Some(_) => return Err(self.fault("`,` or `}` should be here")),
                None => return Err(self.fault("the text ends inside an object")),
            }
        }
    }

    fn string(&mut self) -> Result<Cow<'t, str>, Fault> {
        self.at += 1;
        let mut owned: Option<String> = None;
        let mut from = self.at;
        loop {
            match self.peek() {
                Some(b'"') => {
                    let piece = self.text.get(from..self.at).unwrap_or("");
                    self.at += 1;
                    return Ok(match owned {
                        None => Cow::Borrowed(piece),
                        Some(mut text) => {
                            text.push_str(piece);
                            Cow::Owned(text)
                        }
                    });
                }
                Some(b'\\') => {
                    let text = owned.get_or_insert_with(String::new);
                    text.push_str(self.text.get(from..self.at).unwrap_or(""));
                    let decoded = self.escape()?;
                    text.push(decoded);
                    from = self.at;
                }
                Some(0..=0x1F) => return Err(self.fault("a raw control character in a text")),
                Some(_) => self.at += 1,
                None => return Err(self.fault("the text ends inside a string")),
            }
        }
    }

    /// One escape, from its backslash on.
    fn escape(&mut self) -> Result<char, Fault> {
        let start = self.at;
        self.at += 1;
        let plain = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{C}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.unicode(start);
            }
            _ => return Err(self.fault("an unknown escape")),
        };
        self.at += 1;
        Ok(plain)
    }

    /// The digits of `\u`, and of the second half of a pair.
    fn unicode(&mut self, start: usize) -> Result<char, Fault> {
        let first = self.hex4()?;
        if let Some(plain) = char::from_u32(first) {
            return Ok(plain);
        }
        let after_first = self.at;
        let follows = self.text.get(self.at..).is_some_and(|rest| rest.starts_with("\\u"));
        if (0xD800..0xDC00).contains(&first) && follows {
            self.at += 2;
            let second = self.hex4()?;
            if (0xDC00..0xE000).contains(&second) {
                let scalar = 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00);
                return Ok(char::from_u32(scalar).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            // Not the other half: it is a character of its own and is read again.
            self.at = after_first;
        }
        self.note(start, Note::LoneSurrogate);
        Ok(char::REPLACEMENT_CHARACTER)
    }

    fn hex4(&mut self) -> Result<u32, Fault> {
        let digits = self.text.get(self.at..self.at + 4).unwrap_or("");
        if digits.len() != 4 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(self.fault("four hexadecimal digits should be here"));
        }
        self.at += 4;
        u32::from_str_radix(digits, 16)
            .map_err(|_| self.fault("four hexadecimal digits should be here"))
    }
}

/// Whether `key` is among the members. From [`LINEAR_MEMBERS_MAX`] on, `seen` holds their keys.
fn repeated(members: &[(Cow<'_, str>, Node<'_>)], seen: &mut HashSet<String>, key: &str) -> bool {
    if members.len() < LINEAR_MEMBERS_MAX {
        return members.iter().any(|(name, _)| name == key);
    }
    if seen.is_empty() {
        seen.extend(members.iter().map(|(name, _)| name.to_string()));
    }
    !seen.insert(key.to_owned())
}

#[cfg(test)]
mod tests;
