//! Numbers from text, exact or not at all.
//!
//! `strict` is for columns whose type was inferred: only the canonical form is a number then, so
//! that `007`, `+5` or `-0` never lose a character. A declared type takes every spelling of the
//! same number.

use arrow::datatypes::i256;

/// A whole number. Strict: no plus, no leading zero, no minus zero.
#[inline]
pub(crate) fn integer(text: &[u8], strict: bool) -> Option<i64> {
    let (negative, digits) = sign(text, strict)?;
    if strict && !canonical_whole(digits, negative) {
        return None;
    }
    let magnitude = whole(digits)?;
    if negative { 0i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() }
}

/// A whole number without a minus, up to `u64`'s end.
pub(crate) fn unsigned(text: &[u8], strict: bool) -> Option<u64> {
    let (negative, digits) = sign(text, strict)?;
    if strict && !canonical_whole(digits, negative) {
        return None;
    }
    let magnitude = whole(digits)?;
    (!negative || magnitude == 0).then_some(magnitude)
}

fn canonical_whole(digits: &[u8], negative: bool) -> bool {
    digits.first() != Some(&b'0') || (digits.len() == 1 && !negative)
}

fn sign(text: &[u8], strict: bool) -> Option<(bool, &[u8])> {
    match text.split_first()? {
        (b'-', rest) => Some((true, rest)),
        (b'+', rest) if !strict => Some((false, rest)),
        _ => Some((false, text)),
    }
}

/// Up to 19 digits never overflow; longer ones are checked.
#[inline]
fn whole(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    let mut value = 0u64;
    if digits.len() <= 19 {
        for byte in digits {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                return None;
            }
            value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
        }
        return Some(value);
    }
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    Some(value)
}

/// The parts of a number without exponent: minus, digits before and after the point.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fixed<'a> {
    pub(crate) negative: bool,
    pub(crate) whole: &'a [u8],
    pub(crate) fraction: &'a [u8],
}

/// Splits a number without exponent. Strict: at least one digit on both sides of a point, no
/// plus, no leading zero.
#[inline]
pub(crate) fn fixed(text: &[u8], strict: bool) -> Option<Fixed<'_>> {
    let (negative, digits) = sign(text, strict)?;
    let point = memchr::memchr(b'.', digits);
    let (whole, fraction) = match point {
        Some(at) => (digits.get(..at)?, digits.get(at + 1..)?),
        None => (digits, &[][..]),
    };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let canonical = !whole.is_empty()
        && (whole.len() == 1 || whole.first() != Some(&b'0'))
        && (point.is_none() || !fraction.is_empty())
        && !(negative && whole == b"0" && fraction.iter().all(|digit| *digit == b'0'));
    if strict && !canonical {
        return None;
    }
    Some(Fixed { negative, whole, fraction })
}

/// A decimal as a multiple of `10^-scale`, when it has at most `precision` digits and no digit
/// other than zero beyond `scale`.
#[inline]
pub(crate) fn decimal128(text: &[u8], precision: u8, scale: u8, strict: bool) -> Option<i128> {
    let parts = fixed(text, strict)?;
    let scale = usize::from(scale);
    let kept = parts.fraction.len().min(scale);
    let (fraction, beyond) = parts.fraction.split_at(kept);
    if beyond.iter().any(|digit| *digit != b'0') {
        return None;
    }
    let pad = u32::try_from(scale - kept).ok()?;
    let magnitude = if parts.whole.len() + scale <= 18 {
        let whole = digits_small(parts.whole)?;
        let fraction = digits_small(fraction)?;
        let high = whole.wrapping_mul(10u64.pow(u32::try_from(kept).ok()?));
        i128::from((high + fraction) * 10u64.pow(pad))
    } else {
        let mut value = 0i128;
        for byte in parts.whole.iter().chain(fraction) {
            let digit = digit(*byte)?;
            value = value.checked_mul(10)?.checked_add(i128::from(digit))?;
        }
        value.checked_mul(10i128.checked_pow(pad)?)?
    };
    if magnitude >= 10i128.checked_pow(u32::from(precision)).unwrap_or(i128::MAX) {
        return None;
    }
    Some(if parts.negative { -magnitude } else { magnitude })
}

/// The same for more than 38 digits.
pub(crate) fn decimal256(text: &[u8], precision: u8, scale: u8, strict: bool) -> Option<i256> {
    let parts = fixed(text, strict)?;
    let scale = usize::from(scale);
    let kept = parts.fraction.len().min(scale);
    let (fraction, beyond) = parts.fraction.split_at(kept);
    if beyond.iter().any(|digit| *digit != b'0') {
        return None;
    }
    let mut digits = String::with_capacity(parts.whole.len() + scale + 1);
    if parts.negative {
        digits.push('-');
    }
    let mut significant = 0;
    for byte in parts.whole.iter().chain(fraction) {
        digit(*byte)?;
        if significant > 0 || *byte != b'0' {
            significant += 1;
            digits.push(char::from(*byte));
        }
    }
    if significant > 0 {
        significant += scale - kept;
    }
    digits.extend(std::iter::repeat_n('0', scale - kept));
    if significant > usize::from(precision) {
        return None;
    }
    if significant == 0 { Some(i256::ZERO) } else { i256::from_string(&digits) }
}

fn digit(byte: u8) -> Option<u8> {
    let digit = byte.wrapping_sub(b'0');
    (digit <= 9).then_some(digit)
}

#[inline]
fn digits_small(digits: &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + u64::from(digit);
    }
    Some(value)
}

/// A binary floating-point number: the nearest to the text, as every reader takes it. Out of
/// range is refused; `NaN` and `Infinity` are taken by these names only.
pub(crate) fn double(text: &str, strict: bool) -> Option<f64> {
    match text {
        "NaN" | "nan" => return Some(f64::NAN),
        "Infinity" | "inf" => return Some(f64::INFINITY),
        "-Infinity" | "-inf" => return Some(f64::NEG_INFINITY),
        _ => {}
    }
    let starts = text.strip_prefix('-').unwrap_or(text);
    let starts = if strict { starts } else { starts.strip_prefix('+').unwrap_or(starts) };
    if !starts.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return None;
    }
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_canonical_integers_are_inferred() {
        for text in ["007", "+5", "-0", "00", "-", "", "9223372036854775808", "1_0", "１"] {
            assert_eq!(integer(text.as_bytes(), true), None, "{text}");
        }
        for value in [0, 7, -7, i64::MAX, i64::MIN] {
            assert_eq!(integer(value.to_string().as_bytes(), true), Some(value));
        }
        assert_eq!(integer(b"+007", false), Some(7));
        assert_eq!(integer(b"-9223372036854775809", false), None);
        assert_eq!(unsigned(b"18446744073709551615", true), Some(u64::MAX));
        assert_eq!(unsigned(b"18446744073709551616", true), None);
    }

    #[test]
    fn decimals_keep_every_digit_or_refuse() {
        assert_eq!(decimal128(b"12.5", 18, 2, true), Some(1250));
        assert_eq!(decimal128(b"-0.05", 18, 2, true), Some(-5));
        assert_eq!(decimal128(b"12.500", 18, 2, true), Some(1250));
        assert_eq!(decimal128(b"12.505", 18, 2, true), None);
        assert_eq!(decimal128(b"012.5", 18, 2, true), None);
        assert_eq!(decimal128(b"012.5", 18, 2, false), Some(1250));
        assert_eq!(decimal128(b"1000", 3, 0, true), None);
        assert_eq!(decimal128(b"1.2.3", 18, 2, false), None);
        let wide = "9".repeat(38);
        assert_eq!(decimal128(wide.as_bytes(), 38, 0, true), Some(10i128.pow(38) - 1));
        assert_eq!(decimal128(format!("{wide}9").as_bytes(), 38, 0, true), None);
        assert_eq!(
            decimal256(format!("-{wide}.5").as_bytes(), 76, 2, true),
            i256::from_string(&format!("-{wide}50"))
        );
        assert_eq!(decimal256(b"0.00", 40, 2, true), Some(i256::ZERO));
    }

    #[test]
    fn doubles_are_finite_or_named() {
        assert_eq!(double("1e3", true), Some(1000.0));
        assert_eq!(double("1e999", true), None);
        assert_eq!(double("infinite", true), None);
        assert_eq!(double("Infinity", true), Some(f64::INFINITY));
        assert_eq!(double("+.5", false), Some(0.5));
    }
}
