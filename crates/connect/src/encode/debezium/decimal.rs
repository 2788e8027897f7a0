//! `numeric` and `money`: the unscaled number in two's complement, a double, or the digits.
//!
//! Debezium's page, section "Decimal types". The number is brought into base 256 here, from its
//! digits: no decimal of a library holds the 147,455 digits that Postgres allows.

use std::str;

use crate::encode::form::Scratch;
use crate::encode::identity::write_number;
use crate::encode::json::{self, Alphabet};
use crate::encode::refusal::Trouble;
use crate::encode::settings::DecimalMode;

const MALFORMED: Trouble = Trouble::malformed("does not hold a decimal number");
const SPECIAL: Trouble = Trouble::inexact(
    "is NaN or infinite, which `decimal_handling_mode: precise` has no form for",
    "Set `decimal_handling_mode: string`.",
);
const SCALE: Trouble = Trouble::inexact(
    "has more digits behind the point than its type declares",
    "Set `decimal_handling_mode: string`.",
);

/// Digits that a `u128` holds whatever they are.
const SMALL_DIGITS: usize = 38;

/// Digits behind the point of `money`: Debezium's default for `money.fraction.digits`.
const MONEY_SCALE: i16 = 2;

/// How a decimal number is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::encode) enum DecimalForm {
    /// Base64 of the unscaled number at the declared scale.
    Fixed(i16),
    /// Scale and unscaled number.
    Variable,
    /// A JSON number.
    Double,
    /// Text.
    Digits,
    /// An amount of money in one of those modes.
    Money(DecimalMode),
}

impl DecimalForm {
    /// The form of a `numeric` with that declared scale.
    pub(super) const fn numeric(scale: Option<i16>, mode: DecimalMode) -> Self {
        match (mode, scale) {
            (DecimalMode::Precise, Some(scale)) => Self::Fixed(scale),
            (DecimalMode::Precise, None) => Self::Variable,
            (DecimalMode::Double, _) => Self::Double,
            (DecimalMode::String, _) => Self::Digits,
        }
    }

    /// Writes the number as a JSON value.
    pub(in crate::encode) fn write(
        self,
        text: &[u8],
        out: &mut Vec<u8>,
        scratch: &mut Scratch,
    ) -> Result<(), Trouble> {
        if let Self::Money(mode) = self {
            // Taken out and put back, since the number's own form uses the rest.
            let mut amount = std::mem::take(&mut scratch.text);
            amount.clear();
            amount.extend(text.iter().filter(|byte| !matches!(byte, b'$' | b',')));
            let written = Self::numeric(Some(MONEY_SCALE), mode).write(&amount, out, scratch);
            scratch.text = amount;
            return written;
        }
        let Some(number) = Number::parse(text) else {
            return self.write_special(text, out);
        };
        match self {
            Self::Fixed(scale) => {
                let (whole, fraction, zeros) = number.at_scale(scale)?;
                out.push(b'"');
                write_unscaled(
                    Unscaled { negative: number.negative, whole, fraction, zeros },
                    out,
                    scratch,
                );
                out.push(b'"');
            }
            Self::Variable => {
                let fraction = without_trailing_zeros(number.fraction);
                out.extend_from_slice(b"{\"scale\":");
                write_number(fraction.len(), out);
                out.extend_from_slice(b",\"value\":\"");
                let Number { negative, whole, .. } = number;
                write_unscaled(Unscaled { negative, whole, fraction, zeros: 0 }, out, scratch);
                out.extend_from_slice(b"\"}");
            }
            Self::Double => write_double(text, out)?,
            Self::Digits | Self::Money(_) => {
                out.push(b'"');
                out.extend_from_slice(text);
                out.push(b'"');
            }
        }
        Ok(())
    }

    /// Writes what is no number. The words are those of Debezium's `SpecialValueDecimal`.
    fn write_special(self, text: &[u8], out: &mut Vec<u8>) -> Result<(), Trouble> {
        let (name, double): (&[u8], &[u8]) = match text {
            b"NaN" => (b"\"NAN\"", b"\"NaN\""),
            b"Infinity" => (b"\"POSITIVE_INFINITY\"", b"\"Infinity\""),
            b"-Infinity" => (b"\"NEGATIVE_INFINITY\"", b"\"-Infinity\""),
            _ => return Err(MALFORMED),
        };
        match self {
            Self::Fixed(_) | Self::Variable => return Err(SPECIAL),
            Self::Double => out.extend_from_slice(double),
            Self::Digits | Self::Money(_) => out.extend_from_slice(name),
        }
        Ok(())
    }
}

/// A decimal number's digits.
#[derive(Debug, Clone, Copy)]
struct Number<'a> {
    negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
}

impl<'a> Number<'a> {
    fn parse(text: &'a [u8]) -> Option<Self> {
        let (negative, digits) = match text.strip_prefix(b"-") {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        let (whole, fraction) = match memchr::memchr(b'.', digits) {
            Some(at) => (digits.get(..at)?, digits.get(at + 1..).filter(|it| !it.is_empty())?),
            None => (digits, &[][..]),
        };
        let all_digits = |part: &[u8]| part.iter().all(u8::is_ascii_digit);
        let fine = !whole.is_empty() && all_digits(whole) && all_digits(fraction);
        fine.then_some(Self { negative, whole, fraction })
    }

    /// The digits at that scale, and how many zeros follow them.
    fn at_scale(&self, scale: i16) -> Result<(&'a [u8], &'a [u8], usize), Trouble> {
        let is_zeros = |part: &[u8]| part.iter().all(|digit| *digit == b'0');
        let Ok(wanted) = usize::try_from(scale) else {
            // `numeric(3,-2)` counts hundreds.
            let dropped = usize::from(scale.unsigned_abs());
            let kept = self.whole.len().saturating_sub(dropped);
            let (whole, rest) = self.whole.split_at(kept);
            let fits = is_zeros(rest) && is_zeros(self.fraction);
            return if fits { Ok((whole, &[], 0)) } else { Err(SCALE) };
        };
        match self.fraction.split_at_checked(wanted) {
            Some((fraction, rest)) if is_zeros(rest) => Ok((self.whole, fraction, 0)),
            Some(_) => Err(SCALE),
            None => Ok((self.whole, self.fraction, wanted - self.fraction.len())),
        }
    }
}

fn without_trailing_zeros(fraction: &[u8]) -> &[u8] {
    let used = fraction.iter().rposition(|digit| *digit != b'0').map_or(0, |last| last + 1);
    fraction.get(..used).unwrap_or_default()
}

fn write_double(text: &[u8], out: &mut Vec<u8>) -> Result<(), Trouble> {
    let number: f64 =
        str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(MALFORMED)?;
    let shown: &mut dyn std::io::Write = out;
    let written = if number.is_finite() {
        write!(shown, "{number:?}")
    } else {
        // Past the largest double, as Java has it.
        write!(shown, "\"{}Infinity\"", if number > 0.0 { "" } else { "-" })
    };
    written.map_err(|_| MALFORMED)
}

/// A whole number in decimal digits: those of `whole`, those of `fraction`, then zeros.
#[derive(Debug, Clone, Copy)]
struct Unscaled<'a> {
    negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
    zeros: usize,
}

impl<'a> Unscaled<'a> {
    fn digits(&self) -> impl Iterator<Item = u8> + use<'a> {
        let digits = self.whole.iter().chain(self.fraction).map(|digit| digit - b'0');
        digits.chain(std::iter::repeat_n(0, self.zeros))
    }
}

/// Writes base64 of the number as the fewest bytes in two's complement, greatest first.
fn write_unscaled(number: Unscaled<'_>, out: &mut Vec<u8>, scratch: &mut Scratch) {
    if number.whole.len() + number.fraction.len() + number.zeros <= SMALL_DIGITS {
        let size = number.digits().fold(0_i128, |sum, digit| sum * 10 + i128::from(digit));
        let bytes = (if number.negative { -size } else { size }).to_be_bytes();
        json::write_base64(fewest(&bytes), Alphabet::Standard, out);
        return;
    }
    let Scratch { limbs, bytes, .. } = scratch;
    fill_limbs(number, limbs);
    bytes.clear();
    bytes.push(0);
    bytes.extend(limbs.iter().rev().flat_map(|limb| limb.to_be_bytes()));
    if number.negative {
        let mut carry = true;
        for byte in bytes.iter_mut().rev() {
            (*byte, carry) = (!*byte).overflowing_add(u8::from(carry));
        }
    }
    json::write_base64(fewest(bytes), Alphabet::Standard, out);
}

/// The number in base 2^32, least digit first: nine decimal digits at a time.
fn fill_limbs(number: Unscaled<'_>, limbs: &mut Vec<u32>) {
    limbs.clear();
    let mut digits = number.digits().peekable();
    while digits.peek().is_some() {
        let (mut factor, mut add) = (1_u64, 0_u64);
        for digit in digits.by_ref().take(9) {
            factor *= 10;
            add = add * 10 + u64::from(digit);
        }
        for limb in limbs.iter_mut() {
            let product = u64::from(*limb) * factor + add;
            *limb = low_half(product);
            add = product >> 32;
        }
        if add > 0 {
            limbs.push(low_half(add));
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half is what is asked for")]
const fn low_half(number: u64) -> u32 {
    number as u32
}

/// Without the bytes in front that only repeat the sign; one byte at least.
fn fewest(bytes: &[u8]) -> &[u8] {
    let mut rest = bytes;
    while let [first, second, ..] = rest {
        let repeats = (*first == 0 && second & 0x80 == 0) || (*first == 0xff && second & 0x80 != 0);
        if !repeats {
            break;
        }
        rest = rest.get(1..).unwrap_or_default();
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::DecimalForm;
    use crate::encode::form::Scratch;
    use crate::encode::settings::DecimalMode;

    fn written(form: DecimalForm, text: &str) -> Option<String> {
        let mut out = Vec::new();
        form.write(text.as_bytes(), &mut out, &mut Scratch::default()).ok()?;
        Some(String::from_utf8(out).unwrap())
    }

    /// The numbers of `schemasAndValuesForBigDecimalEncodedNumericTypes` of Debezium's connector,
    /// and what `BigInteger.toByteArray` is documented to give.
    #[test]
    fn precise_numbers_are_bytes() {
        for (form, text, wanted) in [
            (DecimalForm::Fixed(2), "1.10", "\"bg==\""),
            (DecimalForm::Fixed(0), "10", "\"Cg==\""),
            (DecimalForm::Fixed(4), "22.2200", "\"A2P4\""),
            (DecimalForm::Fixed(2), "0.00", "\"AA==\""),
            (DecimalForm::Fixed(2), "-1.28", "\"gA==\""),
            (DecimalForm::Fixed(2), "1.28", "\"AIA=\""),
            (DecimalForm::Fixed(2), "1", "\"ZA==\""),
            (DecimalForm::Fixed(-2), "12300", "\"ew==\""),
            (DecimalForm::Fixed(-2), "0", "\"AA==\""),
            (DecimalForm::Variable, "10.1111", "{\"scale\":4,\"value\":\"AYr3\"}"),
            (DecimalForm::Variable, "10", "{\"scale\":0,\"value\":\"Cg==\"}"),
            (DecimalForm::Variable, "100.500", "{\"scale\":1,\"value\":\"A+0=\"}"),
            (DecimalForm::Money(DecimalMode::Precise), "-$1,234.56", "\"/h3A\""),
        ] {
            assert_eq!(written(form, text).unwrap(), wanted, "{text}");
        }
        for text in ["NaN", "Infinity", "-Infinity", "1.234", "", ".5", "1.", "-", "1e5", "+1"] {
            assert_eq!(written(DecimalForm::Fixed(2), text), None, "{text}");
        }
    }

    #[test]
    fn a_number_past_128_bits_has_the_same_form() {
        // 2^128 and its negative; 10^40 - 1.
        for (text, wanted) in [
            ("340282366920938463463374607431768211456", "\"AQAAAAAAAAAAAAAAAAAAAAA=\""),
            ("-340282366920938463463374607431768211456", "\"/wAAAAAAAAAAAAAAAAAAAAA=\""),
            ("000000000000000000000000000000000000000000000000000000127", "\"fw==\""),
            ("-000000000000000000000000000000000000000000000000000000128", "\"gA==\""),
        ] {
            assert_eq!(written(DecimalForm::Fixed(0), text).unwrap(), wanted);
        }
    }

    /// Debezium's page, "Decimal types": the other two modes, and `NAN` for `NaN`.
    #[test]
    fn text_and_doubles() {
        for (text, digits, double) in [
            ("1.10", "\"1.10\"", "1.1"),
            ("-0.00000000001", "\"-0.00000000001\"", "-1e-11"),
            ("10000000000000000", "\"10000000000000000\"", "1e16"),
            ("NaN", "\"NAN\"", "\"NaN\""),
            ("Infinity", "\"POSITIVE_INFINITY\"", "\"Infinity\""),
            ("-Infinity", "\"NEGATIVE_INFINITY\"", "\"-Infinity\""),
        ] {
            assert_eq!(written(DecimalForm::Digits, text).unwrap(), digits);
            assert_eq!(written(DecimalForm::Double, text).unwrap(), double);
        }
        let huge = format!("1{}", "0".repeat(400));
        assert_eq!(written(DecimalForm::Double, &huge).unwrap(), "\"Infinity\"");
        let money = DecimalForm::Money(DecimalMode::String);
        assert_eq!(written(money, "$1,234.11").unwrap(), "\"1234.11\"");
        assert_eq!(written(DecimalForm::Money(DecimalMode::Double), "-$0.05").unwrap(), "-0.05");
    }
}
