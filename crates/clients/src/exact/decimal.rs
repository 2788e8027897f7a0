//! Exact decimals between text and the scaled integers that Arrow keeps them in.

use arrow::datatypes::i256;

/// Why a text is no value of the decimal type asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotExact {
    /// It is no decimal number at all.
    #[error("not a decimal number")]
    NotANumber,
    /// It has more digits before or behind the point than the type keeps.
    #[error("more digits than the type keeps")]
    TooManyDigits,
}

/// The longest run of digits that is looked at; more than any decimal type of Arrow has.
const DIGITS_MAX: i64 = 4096;

/// A decimal number taken apart, borrowing its digits from the text.
#[derive(Debug, Clone, Copy)]
pub struct Decimal<'a> {
    /// Below zero.
    pub negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
    exponent: i64,
}

impl<'a> Decimal<'a> {
    /// Reads `[+-]digits[.digits][e[+-]digits]`; at least one digit is needed.
    #[must_use]
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        let (negative, text) = match text.split_first()? {
            (b'-', rest) => (true, rest),
            (b'+', rest) => (false, rest),
            _ => (false, text),
        };
        let (number, exponent) = match text.iter().position(|byte| matches!(byte, b'e' | b'E')) {
            Some(at) => {
                let (number, exponent) = text.split_at_checked(at)?;
                let exponent = std::str::from_utf8(exponent.get(1..)?).ok()?;
                (number, exponent.parse::<i64>().ok()?)
            }
            None => (text, 0),
        };
        let (whole, fraction) = match number.iter().position(|byte| *byte == b'.') {
            Some(at) => (number.get(..at)?, number.get(at + 1..)?),
            None => (number, [].as_slice()),
        };
        let all_digits = whole.iter().chain(fraction).all(u8::is_ascii_digit);
        if !all_digits || whole.len() + fraction.len() == 0 || exponent.abs() > DIGITS_MAX {
            return None;
        }
        Some(Self { negative, whole, fraction, exponent })
    }

    /// Its digits without the point.
    pub fn digits(&self) -> impl Iterator<Item = u8> + 'a {
        self.whole.iter().chain(self.fraction).map(|byte| byte - b'0')
    }

    /// How many digits stand behind the point, below zero when zeros are missing before it.
    #[must_use]
    pub fn scale(&self) -> i64 {
        i64::try_from(self.fraction.len()).unwrap_or(i64::MAX / 2) - self.exponent
    }

    /// Calls `push` with the digits of the number times `10^scale`; refuses to drop a digit that
    /// is not zero, and more than `precision` digits.
    fn scaled(&self, precision: u8, scale: i8, mut push: impl FnMut(u8)) -> Result<(), NotExact> {
        let spare = i64::from(scale) - self.scale();
        let count = i64::try_from(self.whole.len() + self.fraction.len())
            .map_err(|_wide| NotExact::TooManyDigits)?;
        let kept = count + spare.min(0);
        let mut significant = 0u32;
        for (at, digit) in (0i64..).zip(self.digits()) {
            if at >= kept {
                if digit != 0 {
                    return Err(NotExact::TooManyDigits);
                }
                continue;
            }
            if significant > 0 || digit != 0 {
                significant += 1;
                if significant > u32::from(precision) {
                    return Err(NotExact::TooManyDigits);
                }
            }
            push(digit);
        }
        if significant == 0 {
            return Ok(());
        }
        for _ in 0..spare.max(0) {
            significant += 1;
            if significant > u32::from(precision) {
                return Err(NotExact::TooManyDigits);
            }
            push(0);
        }
        Ok(())
    }
}

/// Reads a decimal of up to 38 digits as the integer `value * 10^scale`.
///
/// # Errors
/// When it is no number, or has digits that the type does not keep.
pub fn parse_scaled(text: &[u8], precision: u8, scale: i8) -> Result<i128, NotExact> {
    let decimal = Decimal::parse(text).ok_or(NotExact::NotANumber)?;
    let mut value = 0i128;
    decimal.scaled(precision.min(38), scale, |digit| value = value * 10 + i128::from(digit))?;
    Ok(if decimal.negative { -value } else { value })
}

/// Reads a decimal of up to 76 digits as the integer `value * 10^scale`.
///
/// # Errors
/// When it is no number, or has digits that the type does not keep.
pub fn parse_scaled_wide(text: &[u8], precision: u8, scale: i8) -> Result<i256, NotExact> {
    let decimal = Decimal::parse(text).ok_or(NotExact::NotANumber)?;
    let ten = i256::from_i128(10);
    let mut value = i256::ZERO;
    decimal.scaled(precision.min(76), scale, |digit| {
        value = value.wrapping_mul(ten).wrapping_add(i256::from_i128(i128::from(digit)));
    })?;
    Ok(if decimal.negative { value.wrapping_neg() } else { value })
}

/// Writes `value / 10^scale` with exactly `scale` digits behind the point.
pub fn write_scaled(value: i128, scale: i8, out: &mut Vec<u8>) {
    let mut buffer = [0u8; 40];
    let digits = digits_of(value.unsigned_abs(), &mut buffer);
    write_digits(value < 0, digits, scale, out);
}

/// The digits of a wide unscaled decimal, written by the rules of `write_digits`.
pub fn digits_of_i256(value: i256, scale: i8, out: &mut Vec<u8>) {
    let text = value.to_string();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.as_str()),
    };
    write_digits(negative, digits.as_bytes(), scale, out);
}

fn digits_of(mut value: u128, buffer: &mut [u8; 40]) -> &[u8] {
    let mut at = buffer.len();
    loop {
        // Divisions of 128 bits are calls; most values fit 64.
        let digit = match u64::try_from(value) {
            Ok(small) => {
                value = u128::from(small / 10);
                small % 10
            }
            Err(_wide) => {
                let digit = value % 10;
                value /= 10;
                u64::try_from(digit).unwrap_or_default()
            }
        };
        at -= 1;
        if let Some(slot) = buffer.get_mut(at) {
            *slot = b'0' + u8::try_from(digit).unwrap_or_default();
        }
        if value == 0 {
            return buffer.get(at..).unwrap_or_default();
        }
    }
}

fn write_digits(negative: bool, digits: &[u8], scale: i8, out: &mut Vec<u8>) {
    if negative {
        out.push(b'-');
    }
    let Ok(scale) = usize::try_from(scale) else {
        out.extend_from_slice(digits);
        if digits != b"0" {
            out.extend(std::iter::repeat_n(b'0', usize::from(scale.unsigned_abs())));
        }
        return;
    };
    let whole = digits.len().saturating_sub(scale);
    let (before, behind) = digits.split_at(whole);
    out.extend_from_slice(if before.is_empty() { b"0" } else { before });
    if scale > 0 {
        out.push(b'.');
        out.extend(std::iter::repeat_n(b'0', scale - behind.len()));
        out.extend_from_slice(behind);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(value: i128, scale: i8) -> String {
        let mut out = Vec::new();
        write_scaled(value, scale, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn known_texts() {
        assert_eq!(text(0, 2), "0.00");
        assert_eq!(text(-5, 2), "-0.05");
        assert_eq!(text(12_345, 0), "12345");
        assert_eq!(text(12, -3), "12000");
        assert_eq!(text(i128::MAX, 38), "1.70141183460469231731687303715884105727");
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert_eq!(parse_scaled(b"1.005", 10, 2), Err(NotExact::TooManyDigits));
        assert_eq!(parse_scaled(b"1.500", 10, 2), Ok(150));
        assert_eq!(parse_scaled(b"123.4", 4, 2), Err(NotExact::TooManyDigits));
        assert_eq!(parse_scaled(b"1e3", 6, 2), Ok(100_000));
        assert_eq!(parse_scaled(b"0e3000", 6, 2), Ok(0));
        assert_eq!(parse_scaled(b"1e3000", 38, 2), Err(NotExact::TooManyDigits));
        for wrong in ["", "-", ".", "1..2", "0x1", "NaN", "1e", " 1"] {
            assert_eq!(parse_scaled(wrong.as_bytes(), 38, 0), Err(NotExact::NotANumber), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_decimal_reads_back(value in -(10i128.pow(38) - 1)..10i128.pow(38), scale in 0i8..38) {
            let text = text(value, scale);
            prop_assert_eq!(parse_scaled(text.as_bytes(), 38, scale), Ok(value));
            let wide = parse_scaled_wide(text.as_bytes(), 76, scale).unwrap();
            prop_assert_eq!(wide, i256::from_i128(value));
            let mut again = Vec::new();
            digits_of_i256(wide, scale, &mut again);
            prop_assert_eq!(String::from_utf8(again).unwrap(), text);
        }
    }
}
