//! Postgres' binary `numeric`: base-10000 digits, a weight, a sign and a display scale
//! (`numeric_send` in `src/backend/utils/adt/numeric.c`), to and from scaled integers and text.

use arrow::datatypes::i256;

use crate::exact::Decimal;

const POSITIVE: u16 = 0x0000;
const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xC000;
const PLUS_INFINITY: u16 = 0xD000;
const MINUS_INFINITY: u16 = 0xF000;

/// 10^0 to 10^38.
const POWERS: [i128; 39] = {
    let mut powers = [1i128; 39];
    let mut at = 1;
    while at < 39 {
        #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, within bounds")]
        {
            powers[at] = powers[at - 1] * 10;
        }
        at += 1;
    }
    powers
};

/// A `numeric` as it travels.
#[derive(Debug, Clone, Copy)]
pub struct Numeric<'a> {
    digits: &'a [u8],
    weight: i32,
    sign: u16,
    scale: u16,
}

impl<'a> Numeric<'a> {
    /// Takes the binary form apart; `None` when it is none.
    #[must_use]
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let (head, digits) = bytes.split_first_chunk::<8>()?;
        let [c0, c1, w0, w1, s0, s1, d0, d1] = *head;
        let count = usize::from(u16::from_be_bytes([c0, c1]));
        let sign = u16::from_be_bytes([s0, s1]);
        let known = matches!(sign, POSITIVE | NEGATIVE | NAN | PLUS_INFINITY | MINUS_INFINITY);
        (digits.len() == count * 2 && known).then_some(Self {
            digits,
            weight: i32::from(i16::from_be_bytes([w0, w1])),
            sign,
            scale: u16::from_be_bytes([d0, d1]),
        })
    }

    /// It is `NaN` or infinite.
    #[must_use]
    pub fn is_special(&self) -> bool {
        !matches!(self.sign, POSITIVE | NEGATIVE)
    }

    fn groups(&self) -> impl DoubleEndedIterator<Item = u16> + ExactSizeIterator + 'a {
        self.digits.as_chunks::<2>().0.iter().map(|pair| u16::from_be_bytes(*pair))
    }

    /// `value * 10^scale` as an integer of at most `precision` digits; `None` when it does not
    /// fit exactly.
    #[must_use]
    pub fn scaled(&self, precision: u8, scale: i8) -> Option<i128> {
        if self.is_special() {
            return None;
        }
        // Nine groups are below 10^36.
        if self.digits.len() > 18 {
            return self.scaled_wide(precision.min(38), scale)?.to_i128();
        }
        let mut value = self.groups().fold(0i128, |sum, group| sum * 10_000 + i128::from(group));
        if value == 0 {
            return Some(0);
        }
        let shift = self.shift(scale);
        let power = |shift: i32| POWERS.get(usize::try_from(shift).ok()?).copied();
        if shift >= 0 {
            value = value.checked_mul(power(shift)?)?;
        } else {
            let power = power(-shift)?;
            if value % power != 0 {
                return None;
            }
            value /= power;
        }
        if value >= *POWERS.get(usize::from(precision))? {
            return None;
        }
        Some(if self.sign == NEGATIVE { -value } else { value })
    }

    /// The same for up to 76 digits.
    #[must_use]
    pub fn scaled_wide(&self, precision: u8, scale: i8) -> Option<i256> {
        if self.is_special() {
            return None;
        }
        let mut text = Vec::with_capacity(96);
        self.write(&mut text);
        crate::exact::parse_scaled_wide(&text, precision, scale).ok()
    }

    /// By how many places the last group's unit is above the unit asked for.
    fn shift(&self, scale: i8) -> i32 {
        let count = i32::try_from(self.digits.len() / 2).unwrap_or(i32::MAX);
        4 * (self.weight - count + 1) + i32::from(scale)
    }

    /// Writes it as Postgres does.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self.sign {
            NAN => return out.extend_from_slice(b"NaN"),
            PLUS_INFINITY => return out.extend_from_slice(b"Infinity"),
            MINUS_INFINITY => return out.extend_from_slice(b"-Infinity"),
            NEGATIVE => out.push(b'-'),
            _ => {}
        }
        let group = |place: i32| {
            let at = usize::try_from(self.weight - place).ok()?;
            self.groups().nth(at)
        };
        if self.weight < 0 {
            out.push(b'0');
        }
        for place in (0..=self.weight).rev() {
            let digits = four(group(place).unwrap_or(0));
            let leading = if place == self.weight {
                digits.iter().take(3).take_while(|digit| **digit == b'0').count()
            } else {
                0
            };
            out.extend(digits.iter().skip(leading));
        }
        let scale = usize::from(self.scale);
        if scale > 0 {
            out.push(b'.');
            let end = out.len() + scale;
            let mut place = -1;
            while out.len() < end {
                let left = end - out.len();
                out.extend(four(group(place).unwrap_or(0)).iter().take(left));
                place -= 1;
            }
        }
    }
}

fn four(group: u16) -> [u8; 4] {
    let digit = |value: u16| b'0' + u8::try_from(value % 10).unwrap_or_default();
    [digit(group / 1000), digit(group / 100), digit(group / 10), digit(group)]
}

/// Appends the binary form of `value / 10^scale`, `scale` from 0 to 76.
pub fn put_decimal(value: i128, scale: u8, out: &mut Vec<u8>) {
    // The fraction is filled up to whole groups.
    let pad = (4 - scale % 4) % 4;
    let filled = POWERS
        .get(usize::from(pad))
        .and_then(|power| value.unsigned_abs().checked_mul(power.unsigned_abs()));
    let Some(mut rest) = filled else {
        let mut text = Vec::with_capacity(48);
        crate::exact::write_scaled(value, i8::try_from(scale).unwrap_or(i8::MAX), &mut text);
        put_decimal_text(&text, out);
        return;
    };
    let mut groups = [0u16; 12];
    let mut count = 0usize;
    for slot in &mut groups {
        if rest == 0 {
            break;
        }
        // Divisions of 128 bits are calls; most values fit 64.
        let group = match u64::try_from(rest) {
            Ok(small) => {
                rest = u128::from(small / 10_000);
                small % 10_000
            }
            Err(_wide) => {
                let group = rest % 10_000;
                rest /= 10_000;
                u64::try_from(group).unwrap_or_default()
            }
        };
        *slot = u16::try_from(group).unwrap_or_default();
        count += 1;
    }
    let used = groups.get(..count).unwrap_or_default();
    let fraction_groups = i32::from(scale + pad) / 4;
    let weight = i32::try_from(count).unwrap_or(0) - fraction_groups - 1;
    let trailing = used.iter().take_while(|group| **group == 0).count();
    let kept = used.get(trailing..).unwrap_or_default();
    put_head(kept.len(), weight, value < 0, u16::from(scale), out);
    for group in kept.iter().rev() {
        out.extend_from_slice(&group.to_be_bytes());
    }
}

fn put_head(count: usize, weight: i32, negative: bool, scale: u16, out: &mut Vec<u8>) {
    let weight = if count == 0 { 0 } else { i16::try_from(weight).unwrap_or(i16::MAX) };
    let sign = if negative && count > 0 { NEGATIVE } else { POSITIVE };
    out.extend_from_slice(&u16::try_from(count).unwrap_or(u16::MAX).to_be_bytes());
    out.extend_from_slice(&weight.to_be_bytes());
    out.extend_from_slice(&sign.to_be_bytes());
    out.extend_from_slice(&scale.to_be_bytes());
}

/// Appends the binary form of a decimal written as text, as Postgres writes it. `false`, and
/// nothing appended, when the text is none.
pub fn put_decimal_text(text: &[u8], out: &mut Vec<u8>) -> bool {
    let special = match text {
        b"NaN" => Some(NAN),
        b"Infinity" => Some(PLUS_INFINITY),
        b"-Infinity" => Some(MINUS_INFINITY),
        _ => None,
    };
    if let Some(sign) = special {
        out.extend_from_slice(&[0, 0, 0, 0]);
        out.extend_from_slice(&sign.to_be_bytes());
        out.extend_from_slice(&[0, 0]);
        return true;
    }
    let Some(decimal) = Decimal::parse(text) else {
        return false;
    };
    // A number like 12e3 has a scale below zero: zeros follow its digits.
    let scale = decimal.scale();
    let zeros = usize::try_from(-scale).unwrap_or(0);
    let Ok(display_scale) = u16::try_from(scale.max(0)) else {
        return false;
    };
    let digits: Vec<u8> = decimal.digits().chain(std::iter::repeat_n(0, zeros)).collect();
    let fraction = usize::from(display_scale);
    let whole = digits.len().saturating_sub(fraction);
    // Groups begin at the point: the whole part is filled on the left, the fraction on the right.
    let left = (4 - whole % 4) % 4;
    let missing = fraction.saturating_sub(digits.len());
    let padded: Vec<u8> = std::iter::repeat_n(0, left + missing)
        .chain(digits)
        .chain(std::iter::repeat_n(0, (4 - fraction % 4) % 4))
        .collect();
    let groups: Vec<u16> = padded
        .chunks(4)
        .map(|chunk| chunk.iter().fold(0u16, |sum, digit| sum * 10 + u16::from(*digit)))
        .collect();
    let leading = groups.iter().take_while(|group| **group == 0).count();
    let trailing = groups.iter().rev().take_while(|group| **group == 0).count();
    let kept = groups.get(leading..groups.len().saturating_sub(trailing)).unwrap_or_default();
    let whole_groups = i32::try_from((whole + left) / 4).unwrap_or(i32::MAX);
    let weight = whole_groups - 1 - i32::try_from(leading).unwrap_or(0);
    put_head(kept.len(), weight, decimal.negative, display_scale, out);
    for group in kept {
        out.extend_from_slice(&group.to_be_bytes());
    }
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(bytes: &[u8]) -> String {
        let mut out = Vec::new();
        Numeric::read(bytes).unwrap().write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn known_texts_survive() {
        for known in [
            "0",
            "0.00",
            "1",
            "-1.5",
            "10000",
            "12345.6789",
            "0.0001",
            "-0.00001000",
            "NaN",
            "Infinity",
            "100000000",
        ] {
            let mut out = Vec::new();
            assert!(put_decimal_text(known.as_bytes(), &mut out));
            assert_eq!(text(&out), known);
        }
        let mut out = Vec::new();
        assert!(put_decimal_text(b"12e3", &mut out));
        assert_eq!(text(&out), "12000");
        assert!(!put_decimal_text(b"twelve", &mut out));
    }

    #[test]
    fn what_does_not_fit_is_none() {
        let mut out = Vec::new();
        put_decimal_text(b"123.45", &mut out);
        let numeric = Numeric::read(&out).unwrap();
        assert_eq!(numeric.scaled(5, 2), Some(12_345));
        assert_eq!(numeric.scaled(4, 2), None);
        assert_eq!(numeric.scaled(10, 1), None);
        assert_eq!(Numeric::read(&out[..7]).map(|_it| ()), None);
    }

    proptest! {
        #[test]
        fn decimals_survive(value in -(10i128.pow(38) - 1)..10i128.pow(38), small: i64, scale in 0u8..=38) {
            for value in [value, i128::from(small)] {
                let mut out = Vec::new();
                put_decimal(value, scale, &mut out);
                let numeric = Numeric::read(&out).unwrap();
                let scale = i8::try_from(scale).unwrap();
                prop_assert_eq!(numeric.scaled(38, scale), Some(value));
                prop_assert_eq!(numeric.scaled_wide(76, scale), Some(i256::from_i128(value)));
                let mut plain = Vec::new();
                crate::exact::write_scaled(value, scale, &mut plain);
                prop_assert_eq!(text(&out).into_bytes(), plain);
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Some(numeric) = Numeric::read(&bytes) {
                prop_assert!(numeric.scaled(38, 4).is_none_or(|it| it.unsigned_abs() < 10u128.pow(38)));
            }
        }
    }
}
