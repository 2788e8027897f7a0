//! Decimal numbers as they are written, compared without being turned into anything else: any number
//! of digits, and no allocation for a cell.

use std::cmp::Ordering;

/// A number in the bytes that it is written in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Decimal<'a> {
    class: Class,
    negative: bool,
    /// Digits before the point, without leading zeros.
    whole: &'a [u8],
    /// Digits behind the point, without trailing zeros.
    fraction: &'a [u8],
}

/// In the order that Postgres gives them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    NegativeInfinity,
    Finite,
    Infinity,
    NotANumber,
}

impl<'a> Decimal<'a> {
    /// Reads `-12.50`, `NaN`, `Infinity` or `-Infinity`; `None` for anything else.
    #[inline]
    pub(super) fn parse(text: &'a [u8]) -> Option<Self> {
        let (negative, digits) = match text {
            [b'-', digits @ ..] => (true, digits),
            [b'+', digits @ ..] => (false, digits),
            digits => (false, digits),
        };
        let point = digits.iter().position(|byte| !byte.is_ascii_digit());
        let (whole, fraction) = match point {
            None => (digits, &b""[..]),
            Some(at) => match digits.split_at_checked(at)? {
                (whole, [b'.', fraction @ ..]) if fraction.iter().all(u8::is_ascii_digit) => {
                    (whole, fraction)
                }
                _ => return Self::special(text),
            },
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let first = whole.iter().position(|byte| *byte != b'0').unwrap_or(whole.len());
        let last = fraction.iter().rposition(|byte| *byte != b'0').map_or(0, |at| at + 1);
        let whole = whole.get(first..)?;
        let fraction = fraction.get(..last)?;
        let negative = negative && !(whole.is_empty() && fraction.is_empty());
        Some(Self { class: Class::Finite, negative, whole, fraction })
    }

    fn special(text: &[u8]) -> Option<Self> {
        let class = match text {
            b"NaN" => Class::NotANumber,
            b"Infinity" => Class::Infinity,
            b"-Infinity" => Class::NegativeInfinity,
            _ => return None,
        };
        Some(Self { class, negative: false, whole: b"", fraction: b"" })
    }

    /// By value; `NaN` equals itself and comes last, as in Postgres.
    #[inline]
    pub(super) fn order(&self, other: &Self) -> Ordering {
        let by_class = self.class.cmp(&other.class);
        if by_class != Ordering::Equal || self.class != Class::Finite {
            return by_class;
        }
        match (self.negative, other.negative) {
            (false, true) => return Ordering::Greater,
            (true, false) => return Ordering::Less,
            _ => {}
        }
        let size = (self.whole.len().cmp(&other.whole.len()))
            .then_with(|| self.whole.cmp(other.whole))
            .then_with(|| self.fraction.cmp(other.fraction));
        if self.negative { size.reverse() } else { size }
    }
}

/// A number of the condition, which outlives its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Number(Box<[u8]>);

impl Number {
    /// Digits past which a literal with an exponent is taken for a mistake.
    const EXPONENT_MAX: usize = 1_000;

    /// Reads a literal, which may have an exponent.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let plain = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => expand(mantissa, exponent)?,
            None => text.to_owned(),
        };
        Decimal::parse(plain.as_bytes())?;
        Some(Self(plain.into_bytes().into()))
    }

    #[inline]
    pub(super) fn decimal(&self) -> Option<Decimal<'_>> {
        Decimal::parse(&self.0)
    }
}

/// Moves the point of `-1.5` by `3`.
fn expand(mantissa: &str, exponent: &str) -> Option<String> {
    let exponent: i32 = exponent.parse().ok()?;
    let by = usize::try_from(exponent.unsigned_abs()).ok()?;
    if by > Number::EXPONENT_MAX {
        return None;
    }
    let (sign, digits) = match mantissa.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", mantissa),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let mut digits = whole.bytes().chain(fraction.bytes()).peekable();
    if digits.peek().is_none() || !digits.all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let zeros = "0".repeat(by);
    let (all, point) = if exponent < 0 {
        (format!("{zeros}{whole}{fraction}"), whole.len())
    } else {
        (format!("{whole}{fraction}{zeros}"), whole.len() + by)
    };
    let (whole, fraction) = all.split_at_checked(point)?;
    Some(format!("{sign}{whole}.{fraction}"))
}

#[cfg(test)]
mod tests {
    use super::{Decimal, Number};
    use std::cmp::Ordering;

    fn order(a: &str, b: &str) -> Ordering {
        let b = Number::parse(b).unwrap();
        Decimal::parse(a.as_bytes()).unwrap().order(&b.decimal().unwrap())
    }

    #[test]
    fn numbers_are_ordered_by_value() {
        let ordered = [
            "-Infinity",
            "-1e3",
            "-999.9",
            "-10",
            "-9.99",
            "-0.001",
            "0",
            "1e-3",
            "0.01",
            "9",
            "9.000000000000000000001",
            "10",
            "123456789012345678901234567890",
            "Infinity",
            "NaN",
        ];
        for (at, a) in ordered.iter().enumerate() {
            for (other, b) in ordered.iter().enumerate() {
                let Some(_) = Decimal::parse(a.as_bytes()) else { continue };
                assert_eq!(order(a, b), at.cmp(&other), "{a} {b}");
            }
        }
        for (a, b) in
            [("1", "1.000"), ("0012.50", "12.5"), ("-0", "0"), ("100", "1e2"), ("0.05", "5e-2")]
        {
            assert_eq!(order(a, b), Ordering::Equal, "{a} {b}");
        }
    }

    #[test]
    fn what_is_no_number_is_none() {
        for text in ["", "-", ".", "1.2.3", "1x", "infinity", "--1", " 1", "1e3"] {
            assert!(Decimal::parse(text.as_bytes()).is_none(), "{text}");
        }
        for text in ["", "e3", "1e", "1e99999999999", "1e5000", "x"] {
            assert!(Number::parse(text).is_none(), "{text}");
        }
    }
}
