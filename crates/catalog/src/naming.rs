//! How a stem becomes the name on a page: the prefix, and the rules a name must keep.
//!
//! The prefix is chosen when a page is made and never stored with a metric, so that one registry
//! can be read by dashboards that were written for another system's names.

use std::fmt;

/// The word before every prefixed metric, without the underscore that joins it to the stem.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Prefix(Box<str>);

/// A prefix that would make names no Prometheus server takes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "metrics prefix {given:?} is not usable: use lower-case letters, digits and single underscores, starting with a \
     letter, at most {PREFIX_CHARS_MAX} characters (for example `flowglass`)"
)]
pub struct InvalidPrefix {
    given: String,
}

/// The longest prefix taken; with the longest stem a name stays far below what any backend refuses.
pub const PREFIX_CHARS_MAX: usize = 64;

impl Prefix {
    /// Reads a prefix as a person wrote it; one trailing underscore is allowed and dropped
    /// (`deltaforge_`).
    ///
    /// # Errors
    /// When the rest is not `[a-z][a-z0-9]*(_[a-z0-9]+)*`, or is too long.
    pub fn parse(given: &str) -> Result<Self, InvalidPrefix> {
        let word = given.strip_suffix('_').unwrap_or(given);
        if word.chars().count() <= PREFIX_CHARS_MAX && is_snake_case(word) {
            Ok(Self(word.into()))
        } else {
            Err(InvalidPrefix { given: given.to_owned() })
        }
    }

    /// The word alone.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The full name of a prefixed stem: `flowglass` and `rows_total` give `flowglass_rows_total`.
    #[must_use]
    pub fn join(&self, stem: &str) -> String {
        format!("{}_{stem}", self.0)
    }
}

impl Default for Prefix {
    fn default() -> Self {
        Self("flowglass".into())
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// True when `name` is `[a-z][a-z0-9]*(_[a-z0-9]+)*`: what every stem, label key and closed label
/// value keeps to.
///
/// Prometheus allows more (upper case, colons, since 3.0 any UTF-8); these names survive every
/// backend unescaped.
#[must_use]
pub fn is_snake_case(name: &str) -> bool {
    let letter_first = name.starts_with(|c: char| c.is_ascii_lowercase());
    letter_first
        && name.split('_').all(|word| {
            !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_that_people_write_are_read_and_others_refused() {
        for (given, kept) in
            [("flowglass", "flowglass"), ("deltaforge_", "deltaforge"), ("a_b2", "a_b2")]
        {
            assert_eq!(Prefix::parse(given).map(|p| p.to_string()), Ok(kept.to_owned()));
        }
        for given in ["", "_", "2x", "Flow", "a-b", "a__b", "a.b", "é", &"a".repeat(65)] {
            assert!(Prefix::parse(given).is_err(), "{given:?} was taken");
        }
        assert_eq!(Prefix::default().join("rows_total"), "flowglass_rows_total");
    }
}
