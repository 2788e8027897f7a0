//! The values of repeated flags: `name=value`, and times.

use jiff::Timestamp;

use crate::report::{Number, parse_number};

/// Why a `name=value` cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadPair {
    /// There is no `=`.
    #[error("there is no `=`: write `name=value`")]
    NoEquals,
    /// Nothing stands before the `=`.
    #[error("there is no name before the `=`: write `name=value`")]
    NoName,
    /// The value of a metric is no number.
    #[error("the value after `=` is no number that a 64-bit float can hold")]
    NoNumber,
}

/// A text that is no time.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "no time since 1970: write RFC 3339, such as `2026-01-31T12:00:00Z`, or whole seconds since 1970"
)]
pub struct BadTime;

/// Splits at the first `=` and trims both sides. The value may be empty, the name not.
///
/// # Errors
/// [`BadPair::NoEquals`] or [`BadPair::NoName`].
pub fn parse_pair(text: &str) -> Result<(String, String), BadPair> {
    let (name, value) = text.split_once('=').ok_or(BadPair::NoEquals)?;
    let name = name.trim();
    if name.is_empty() {
        return Err(BadPair::NoName);
    }
    Ok((name.to_owned(), value.trim().to_owned()))
}

/// Reads `name=number`.
///
/// # Errors
/// What [`parse_pair`] says, or [`BadPair::NoNumber`].
pub fn parse_metric(text: &str) -> Result<(String, Number), BadPair> {
    let (name, value) = parse_pair(text)?;
    let number = parse_number(&value).ok_or(BadPair::NoNumber)?;
    Ok((name, number))
}

/// Reads a time as RFC 3339 or as whole seconds since 1970, the form of `SOURCE_DATE_EPOCH`.
///
/// # Errors
/// When it is neither, or lies before 1970 or after 2554, where nanoseconds no longer fit 64 bits.
pub fn parse_time(text: &str) -> Result<Timestamp, BadTime> {
    let text = text.trim();
    let time = match text.parse::<i64>() {
        Ok(seconds) => Timestamp::from_second(seconds).map_err(|_| BadTime)?,
        Err(_) => text.parse().map_err(|_| BadTime)?,
    };
    u64::try_from(time.as_nanosecond()).map_err(|_| BadTime)?;
    Ok(time)
}

#[cfg(test)]
mod tests {
    use super::{BadPair, BadTime, parse_metric, parse_pair, parse_time};

    #[test]
    fn pairs_split_at_the_first_sign() {
        assert_eq!(parse_pair(" a = b=c "), Ok(("a".to_owned(), "b=c".to_owned())));
        assert_eq!(parse_pair("a="), Ok(("a".to_owned(), String::new())));
        assert_eq!(parse_pair("a"), Err(BadPair::NoEquals));
        assert_eq!(parse_pair(" =b"), Err(BadPair::NoName));
        assert_eq!(parse_metric("a=0x10"), Err(BadPair::NoNumber));
        assert_eq!(parse_metric("a=1e999"), Err(BadPair::NoNumber));
        assert!(parse_metric("a=-inf").is_ok());
    }

    #[test]
    fn times_in_both_forms() {
        let time = parse_time("2026-01-31T13:00:00+01:00").unwrap();
        assert_eq!(parse_time(&time.as_second().to_string()), Ok(time));
        for bad in [
            "",
            "yesterday",
            "-1",
            "1969-12-31T23:59:59Z",
            "2026-01-31T12:00:00",
            "9999-01-01T00:00:00Z",
        ] {
            assert_eq!(parse_time(bad), Err(BadTime), "{bad}");
        }
    }
}
