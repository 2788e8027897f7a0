//! Text that knows which parts of it are secret.
//!
//! The value goes to the one place that needs it through `expose`; every other way out (`Debug`,
//! `Display`, JSON) shows `***`. A secret is what the manifest names as one, what comes from a
//! file, and what looks like a password in a connection string.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::sync::LazyLock;

use regex_lite::Regex;
use serde::{Serialize, Serializer};

/// What stands for a secret.
pub(crate) const STARS: &str = "***";

/// A text that may hold secrets.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct GuardedText {
    value: String,
    shown: String,
}

impl GuardedText {
    pub(crate) fn new(value: String, shown: String) -> Self {
        Self { value, shown }
    }

    /// A text without secrets.
    #[must_use]
    pub fn open(text: impl Into<String>) -> Self {
        let value = text.into();
        Self { shown: value.clone(), value }
    }

    /// The true value. Give it only to what needs it, never to a message.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.value
    }

    /// The text with secrets starred out.
    #[must_use]
    pub fn shown(&self) -> &str {
        &self.shown
    }
}

impl fmt::Debug for GuardedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.shown, f)
    }
}

impl fmt::Display for GuardedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl Serialize for GuardedText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.shown)
    }
}

/// Every secret value of a plan, for whoever redacts output.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets(BTreeSet<String>);

impl Secrets {
    /// The values, in no meaningful order. Empty values are never among them.
    pub fn expose(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a value as it is and as it stands when percent-decoded: a driver may print either.
    pub(crate) fn add(&mut self, value: &str) {
        let trimmed = value.trim();
        for form in [value.to_owned(), trimmed.to_owned(), percent_decoded(trimmed)] {
            if !form.trim().is_empty() {
                self.0.insert(form);
            }
        }
        // A secret connection string holds a password that drivers print on its own.
        for range in passwords(trimmed, true) {
            if let Some(password) = trimmed.get(range) {
                self.0.insert(password.to_owned());
                self.0.insert(percent_decoded(password));
            }
        }
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} secrets>", self.0.len())
    }
}

/// Where passwords stand in a text: the user part of a URL and, when `pairs` is set, the values of
/// `password=…` in a connection string or a query.
pub(crate) fn passwords(text: &str, pairs: bool) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = URL_START
        .find_iter(text)
        .filter_map(|user| {
            let rest = text.get(user.end()..)?;
            let run = rest
                .find(|it: char| it.is_whitespace() || "\"'`<>".contains(it))
                .unwrap_or(rest.len());
            let run = rest.get(..run)?;
            let authority = run.find(['/', '?', '#']).unwrap_or(run.len());
            // A password with an unescaped `/` ends later than the authority would; a bare port
            // in front of a path is none.
            let at = run.get(..authority)?.rfind('@').or_else(|| {
                let port = run.get(..authority)?.bytes().all(|it| it.is_ascii_digit());
                if port { None } else { run.rfind('@') }
            })?;
            Some(user.end()..user.end() + at)
        })
        .collect();
    if pairs {
        found.extend(PAIR.captures_iter(text).filter_map(|pair| pair.get(2)).map(|it| it.range()));
    }
    found.retain(|range| text.get(range.clone()).is_some_and(|it| !it.is_empty() && it != STARS));
    found.sort_by_key(|range| range.start);
    found
}

/// The text with its passwords replaced by stars.
pub(crate) fn masked(text: &str, pairs: bool) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut from = 0;
    for range in passwords(text, pairs) {
        if range.start >= from {
            shown.push_str(text.get(from..range.start).unwrap_or_default());
            shown.push_str(STARS);
            from = range.end;
        }
    }
    shown.push_str(text.get(from..).unwrap_or_default());
    shown
}

/// Stars out, one star a character so that columns stay true, what looks like a password in a line
/// of a manifest. References such as `${PASSWORD}` stay readable: they are no secret.
pub(crate) fn star_line(line: &str) -> String {
    let mut hidden = passwords(line, true);
    hidden.extend(LINE.captures_iter(line).filter_map(|it| it.get(2)).map(|it| it.range()));
    hidden.retain(|range| line.get(range.clone()).is_some_and(|it| !it.contains("${")));
    line.char_indices()
        .map(|(at, it)| if hidden.iter().any(|range| range.contains(&at)) { '*' } else { it })
        .collect()
}

/// Whether a key's name says that its value is a secret.
pub(crate) fn is_secret_key(key: &str) -> bool {
    const ENDINGS: [&str; 8] =
        ["password", "passwd", "pwd", "secret", "token", "apikey", "accesskey", "privatekey"];
    let plain: String =
        key.chars().filter(|it| !matches!(it, '-' | '_')).flat_map(char::to_lowercase).collect();
    ENDINGS.iter().any(|ending| plain.ends_with(ending))
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let pair = after.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        let byte = pair.filter(|_| *first == b'%').and_then(|it| u8::from_str_radix(it, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// `scheme://user:`, after which a password may stand.
static URL_START: LazyLock<Regex> =
    LazyLock::new(|| pattern(r#"[A-Za-z][A-Za-z0-9+.-]*://[^/\s:@?#"']*:"#));
static PAIR: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r#"(?i)\b(password|passwd|pwd|sslpassword)\s*=\s*('(?:[^'\\]|\\.)*'|[^\s&;,"'}]+)"#)
});
/// `password: value` in YAML, up to the end of the line or of the flow entry.
static LINE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"(?i)([a-z0-9_-]*(?:password|passwd|pwd|secret|token|api_?key|access_?key|private_?key)["']?\s*:\s+)("[^"]*"?|'[^']*'?|[^\s,}\[{][^,}]*)"#,
    )
});

#[expect(clippy::expect_used, reason = "constant patterns, each compiled by a test")]
fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("the pattern is constant and valid")
}

#[cfg(test)]
mod tests {
    use super::{Secrets, masked, percent_decoded, star_line};

    #[test]
    fn passwords_of_connection_strings_are_starred() {
        for (text, shown) in [
            ("postgres://u:hunter2@db/shop", "postgres://u:***@db/shop"),
            ("postgres://u:p@ss@db:5432/shop?x=a@b", "postgres://u:***@db:5432/shop?x=a@b"),
            ("postgres://u:p/q@db/shop", "postgres://u:***@db/shop"),
            ("http://db:8080/a@b", "http://db:8080/a@b"),
            ("host=db password='a b' user=x", "host=db password=*** user=x"),
            ("amqp://h/?password=x&y=1", "amqp://h/?password=***&y=1"),
            ("no secret here", "no secret here"),
        ] {
            assert_eq!(masked(text, true), shown);
        }
    }

    #[test]
    fn lines_are_starred_without_moving_columns() {
        assert_eq!(star_line("  password: hunter2"), "  password: *******");
        assert_eq!(star_line("{ token: abc, user: u }"), "{ token: ***, user: u }");
        assert_eq!(star_line("  password: ${PW}"), "  password: ${PW}");
        assert_eq!(star_line("  dsn: postgres://u:pw@db/x"), "  dsn: postgres://u:**@db/x");
    }

    #[test]
    fn a_secret_is_known_in_every_form() {
        let mut secrets = Secrets::default();
        secrets.add("postgres://u:a%40b@db/x\n");
        let all: Vec<&str> = secrets.expose().collect();
        assert!(all.contains(&"a%40b") && all.contains(&"a@b"), "{all:?}");
        assert_eq!(format!("{secrets:?}"), "<5 secrets>");
        assert_eq!(percent_decoded("%zz%4"), "%zz%4");
    }
}
