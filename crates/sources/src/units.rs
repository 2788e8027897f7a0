//! Lengths of time and numbers of bytes, as people write them.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

/// A length of time, written as a number and a unit: `500ms`, `10s`, `5m`, `1h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub struct Span(Duration);

impl Span {
    pub(crate) const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    #[cfg(feature = "tail")]
    pub(crate) const fn millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    /// The length.
    #[must_use]
    pub const fn duration(self) -> Duration {
        self.0
    }
}

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || "a length of time is written `500ms`, `10s`, `5m` or `1h`".to_owned();
        let text = text.trim();
        let unit_at = text.find(|it: char| !it.is_ascii_digit()).ok_or_else(wrong)?;
        let (digits, unit) = text.split_at_checked(unit_at).ok_or_else(wrong)?;
        let count: u64 = digits.parse().map_err(|_| wrong())?;
        let millis = match unit.trim() {
            "ms" => Some(count),
            "s" => count.checked_mul(1000),
            "m" => count.checked_mul(60_000),
            "h" => count.checked_mul(3_600_000),
            _ => None,
        };
        millis.map(|millis| Self(Duration::from_millis(millis))).ok_or_else(wrong)
    }
}

/// A size, written as a number and a unit: `512KiB`, `64MiB`, `100GB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub struct Size(u64);

const UNITS: [(&str, u64); 8] = [
    ("B", 1),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

impl Size {
    /// So many bytes.
    pub(crate) const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// How many bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl TryFrom<String> for Size {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || "a size is written `512KiB`, `64MiB` or `100GB`".to_owned();
        let text = text.trim();
        let unit_at = text.find(|it: char| !it.is_ascii_digit()).ok_or_else(wrong)?;
        let (digits, unit) = text.split_at_checked(unit_at).ok_or_else(wrong)?;
        let count: u64 = digits.parse().map_err(|_| wrong())?;
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit.trim()).ok_or_else(wrong)?;
        count.checked_mul(*factor).map(Self).ok_or_else(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time() {
        let read = |text: &str| Span::try_from(text.to_owned()).map(|it| it.0.as_millis());
        assert_eq!(read("500ms"), Ok(500));
        assert_eq!(read(" 10s"), Ok(10_000));
        assert_eq!(read("5m"), Ok(300_000));
        assert_eq!(read("1h"), Ok(3_600_000));
        for wrong in ["", "10", "s", "-1s", "1.5s", "1d", "99999999999999999999s"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes() {
        let read = |text: &str| Size::try_from(text.to_owned()).map(Size::bytes);
        assert_eq!(read("512KiB"), Ok(524_288));
        assert_eq!(read(" 64 MiB"), Ok(67_108_864));
        assert_eq!(read("100GB"), Ok(100_000_000_000));
        assert_eq!(read("7B"), Ok(7));
        for wrong in ["", "10", "MiB", "-1MiB", "1.5MiB", "1XB", "99999999999TiB"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
