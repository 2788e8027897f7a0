//! Exact numbers: a count stays a 64-bit integer from the report to the file.

use std::fmt;

/// The value of a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// A whole number.
    Int(i64),
    /// Any other; may be NaN or infinite.
    Double(f64),
}

impl Number {
    /// The value as a float; beyond 2^53 the nearest one.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "the documented meaning of this function")]
    pub const fn as_f64(self) -> f64 {
        match self {
            Self::Int(value) => value as f64,
            Self::Double(value) => value,
        }
    }

    /// Whether it is neither NaN nor infinite.
    #[must_use]
    pub const fn is_finite(self) -> bool {
        match self {
            Self::Int(_) => true,
            Self::Double(value) => value.is_finite(),
        }
    }
}

impl From<bool> for Number {
    fn from(flag: bool) -> Self {
        Self::Int(i64::from(flag))
    }
}

/// The number in the shortest form that reads back to the same value: `10000`, `12.5`, `1e-9`,
/// `1e300`, `NaN`, `+Inf`, `-Inf`, which is what the Prometheus text format takes.
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Int(value) => write!(f, "{value}"),
            Self::Double(value) if value.is_nan() => f.write_str("NaN"),
            Self::Double(value) if value.is_infinite() => {
                f.write_str(if value > 0.0 { "+Inf" } else { "-Inf" })
            }
            Self::Double(value) => {
                let size = value.abs();
                // Between these bounds the plain form is the shorter one.
                if value == 0.0 || (1e-5..1e16).contains(&size) {
                    write!(f, "{value}")
                } else {
                    write!(f, "{value:e}")
                }
            }
        }
    }
}

/// Why a text or token is no usable number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotNumber {
    /// It is no number at all.
    NoNumber,
    /// It is one, but beyond the range of a float.
    OutOfRange,
}

/// A number that was read, and whether it is exactly what was written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ReadNumber {
    pub(super) value: Number,
    /// A whole number was written that does not fit 64 bits.
    pub(super) rounded: bool,
}

/// Reads the token of a JSON number.
pub(super) fn from_token(raw: &str) -> Result<ReadNumber, NotNumber> {
    if let Ok(value) = raw.parse::<i64>() {
        return Ok(ReadNumber { value: Number::Int(value), rounded: false });
    }
    // Rust's parser knows `NaN`, `Infinity` and every JSON number.
    let value: f64 = raw.parse().map_err(|_| NotNumber::NoNumber)?;
    let spelt_out = raw.ends_with('N') || raw.ends_with('y');
    if value.is_infinite() && !spelt_out {
        return Err(NotNumber::OutOfRange);
    }
    let whole = raw.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    Ok(ReadNumber { value: Number::Double(value), rounded: whole })
}

/// Reads the token of a JSON number that is exact or, beyond 64 bits, the nearest float. Serde's own
/// tree would round once on the way to a float and once more on the way back.
pub(crate) fn number_of_token(raw: &str) -> Option<Number> {
    from_token(raw).ok().map(|read| read.value)
}

/// Reads a number that stands in a text, in the forms that Python's `float()` writes and takes:
/// blanks around it, `1_000`, `+5`, `.5`, `nan`, `inf`.
pub(super) fn from_text(text: &str) -> Result<ReadNumber, NotNumber> {
    let trimmed = text.trim();
    let joined;
    let raw = if trimmed.contains('_') {
        let apart = trimmed.as_bytes().windows(3).all(|three| match three {
            [before, b'_', after] => before.is_ascii_digit() && after.is_ascii_digit(),
            _ => true,
        });
        if !apart || trimmed.starts_with('_') || trimmed.ends_with('_') {
            return Err(NotNumber::NoNumber);
        }
        joined = trimmed.replace('_', "");
        joined.as_str()
    } else {
        trimmed
    };
    let value: f64 = raw.parse().map_err(|_| NotNumber::NoNumber)?;
    if let Ok(whole) = raw.parse::<i64>() {
        return Ok(ReadNumber { value: Number::Int(whole), rounded: false });
    }
    let spelt_out = raw.bytes().any(|byte| matches!(byte, b'n' | b'N'));
    if value.is_infinite() && !spelt_out {
        return Err(NotNumber::OutOfRange);
    }
    let whole = raw.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'+'));
    Ok(ReadNumber { value: Number::Double(value), rounded: whole })
}

/// Reads the value of `--metric name=value`; `None` when it is no number or beyond a float.
#[must_use]
pub fn parse_number(text: &str) -> Option<Number> {
    from_text(text).ok().map(|read| read.value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{NotNumber, Number, from_text, from_token};

    #[track_caller]
    fn text(raw: &str, expect: &str) {
        let said = match from_text(raw) {
            Ok(read) if read.rounded => format!("{} rounded", read.value),
            Ok(read) => read.value.to_string(),
            Err(NotNumber::NoNumber) => "no number".to_owned(),
            Err(NotNumber::OutOfRange) => "out of range".to_owned(),
        };
        assert_eq!(said, expect);
    }

    #[test]
    fn texts_as_python_reads_them() {
        text(" 12 ", "12");
        text("1_000", "1000");
        text("+5", "5");
        text(".5", "0.5");
        text("1e300", "1e300");
        text("1e999", "out of range");
        text("inf", "+Inf");
        text("-Infinity", "-Inf");
        text("nan", "NaN");
        text("9223372036854775807", "9223372036854775807");
        text("9223372036854775808", "9.223372036854776e18 rounded");
        for bad in ["", "0x10", "1__0", "_1", "1_", "1 2", "twelve", "1_e5", "1._5"] {
            text(bad, "no number");
        }
    }

    #[test]
    fn long_digits_are_out_of_range_and_never_a_panic() {
        assert_eq!(from_token(&"9".repeat(400)), Err(NotNumber::OutOfRange));
        assert_eq!(from_token(&"9".repeat(5_000)), Err(NotNumber::OutOfRange));
        assert!(from_token(&"9".repeat(300)).is_ok_and(|read| read.rounded));
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(value: f64) {
            let written = Number::Double(value).to_string();
            let back: f64 = written.parse().unwrap();
            prop_assert!(back == value || (back.is_nan() && value.is_nan()));
        }
    }
}
